"""Which square of a labelled picture the network sees when it is scored. Truth is used to find the hand, as all
published figures of this field do; what the tracker does without it is another question.

| | `tracker` | `peer` (fact sheet 6.4) |
| --- | --- | --- |
| most of 21 keypoints | centre of their box, 1.5 × its longer side | 2 × it; RHD: 2 × the larger of box and mask |
| DO: five tips | `extent_px` as above; without it as EO | 2 × the box of `extent_px` |
| EO: five tips | a wide look round them, then 1.5 × the box of what was seen | the picture's middle square |
| sampling | anti-aliased | anti-aliased (theirs: nearest neighbour but for EO) |

`upright` is `tracker`, and where the palm that is seen leans more than 60° from up, another look at that square, turned
by quarters until it does not. `followed` is `tracker`, and another look, turned so and closer, round what was seen:
what the tracker shows the network from the third picture on of a hand that moves as expected.

A network does best on crops like those it was trained on: ours on `tracker`, the peer's checkpoints on `peer`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from minimal_hand_core.data.augmentation import extent
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.evaluation.predictions import PredictionError
from minimal_hand_core.evaluation.protocols import TIPS_ONLY
from minimal_hand_core.tracking.crop import CROP_FACTOR, Crop, keypoints_crop
from minimal_hand_core.tracking.track import followed_crop
from minimal_hand_core.tracking.upright import upright_angle

CROPS = ('tracker', 'upright', 'followed', 'peer')
PEER_FACTOR = 2.0
REACH_M = 0.36
"""Side, metres, of a square round a hand's tips that holds all of the hand however it is turned."""


class FirstLook(NamedTuple):
    """crop: the square; refine: whether another look follows, round the keypoints seen in this one."""

    crop: Crop
    refine: bool = False


def first_look(sample: Sample, how: str = 'tracker', dataset: str = '') -> FirstLook:
    """Where the network looks first.

    Args:
        sample: with labels.
        how: one of CROPS.
        dataset: its data set, as `open_dataset` knows it.

    Raises:
        PredictionError: no label to go by, or all of them in one place; `peer` without what it needs.
    """
    if how not in CROPS:
        raise PredictionError(f'crop is {how!r}; choose one of {", ".join(CROPS)}')
    try:
        return _peer(sample, dataset) if how == 'peer' else _tracker(sample)
    except ValueError as error:
        raise PredictionError(f'{sample.key} cannot be cropped: {error}') from None


def second_look(uv: np.ndarray, first: Crop) -> Crop:
    """The crop round the keypoints (21, 2) seen in the first one, which it never exceeds; the first, if they are a dot.

    Args:
        uv: pixels of the picture.
        first: what was looked at.
    """
    side = float(np.ptp(uv, axis=0).max())
    if not 0.1 * first.side < side:
        return first
    crop = keypoints_crop(uv)
    return replace(crop, side=min(crop.side, first.side))


def upright_look(uv: np.ndarray, crop: Crop) -> Crop:
    """The same square, turned so that the hand with keypoints (21, 2), seen in it, points up; unturned, if it does."""
    return replace(crop, angle=upright_angle(uv)) if np.isfinite(uv).all() else crop


def followed_look(uv: np.ndarray, crop: Crop) -> Crop:
    """As near as the tracker looks at a hand it follows, round the keypoints (21, 2) seen in the first square, which it
    never exceeds; the first, if they are a dot."""
    if not np.isfinite(uv).all():
        return crop
    nearer = second_look(uv, crop)
    return crop if nearer is crop else replace(followed_crop(nearer), angle=upright_angle(uv))


def _tracker(sample: Sample) -> FirstLook:
    labelled = np.isfinite(sample.keypoints_px).all(axis=1)
    if sample.extent_px is not None or labelled.mean() > 0.5:
        return FirstLook(keypoints_crop(extent(sample), CROP_FACTOR))
    points = extent(sample)
    if sample.intrinsics is None or sample.keypoints_m is None:
        # Nothing says how large a hand is here.
        return FirstLook(_middle_square(sample), refine=True)
    depth = float(np.nanmedian(sample.keypoints_m[:, 2]))
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    side = REACH_M * float(sample.intrinsics[0, 0] + sample.intrinsics[1, 1]) / 2 / depth
    return FirstLook(Crop((center[0], center[1]), side), refine=True)


def _peer(sample: Sample, dataset: str) -> FirstLook:
    if dataset == 'ego_dexter':
        return FirstLook(_middle_square(sample))
    if dataset in TIPS_ONLY and sample.extent_px is None:
        raise PredictionError('peer crops need DO_pred_2d.npy in the data folder; take tracker crops without it')
    points = extent(sample)
    crop = keypoints_crop(points, PEER_FACTOR)
    side = crop.side
    if dataset == 'rhd':
        if sample.mask is None:
            raise PredictionError('peer crops of RHD need its mask pictures; open it with masks=True')
        rows, columns = np.nonzero(sample.mask)
        if len(rows):
            side = max(side, PEER_FACTOR * float(max(np.ptp(rows), np.ptp(columns)) + 1))
    return FirstLook(Crop((float(int(crop.center[0])), float(int(crop.center[1]))), side))


def _middle_square(sample: Sample) -> Crop:
    height, width = sample.image.shape[:2]
    return Crop(((width - 1) / 2, (height - 1) / 2), float(min(height, width)))
