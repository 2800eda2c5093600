"""From a labelled picture to a 128-pixel training crop: where it is cut, and what happens to its labels.

Geometry: turning the picture by θ about any point and cutting is the same as rolling a pinhole camera by θ about its
optical axis and cutting elsewhere. So turning the 3D labels about z by the same θ is exact wherever the crop lies, for
square pixels and no distortion; with fx ≠ fy, 2D and 3D part by the share in which they differ (2 % for Dexter+Object).
The same holds for the mirror. What no crop can hold is *where* in the picture it was cut: a hand off the axis is seen
from another side than xyz in the camera's axes, the peers' (fact sheet 10.1, 13), let the network believe. In the axes
of the view along the ray through the crop's centre they say what the crop shows; the tracker takes them to be those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from minimal_hand_core.data.augmentation.backgrounds import fill_outside, replace_background
from minimal_hand_core.data.augmentation.looks import vary
from minimal_hand_core.data.augmentation.occluders import covered
from minimal_hand_core.data.augmentation.stretch import stretched
from minimal_hand_core.data.augmentation.variation import Variation
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.data.synthetic.aiming import TIGHT_SCALE, TIGHT_SHIFT
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_KEYPOINTS, WRIST
from minimal_hand_core.tracking.camera import view_rotation
from minimal_hand_core.tracking.crop import CROP_FACTOR, CROP_SIZE, Crop, keypoints_crop

_NOWHERE = -1e4
"""Where a joint is put that is absent or not labelled, pixels: far from every map."""
_LEAST_ON_MASK = 0.6
"""Share of the joints in the crop that must lie on the hand's mask before its background may be replaced."""


@dataclass(frozen=True)
class TrainingCrop:
    """One network input with its labels, all of a **right** hand.

    Attributes:
        image: (128, 128, 3) uint8 RGB.
        uv: (21, 2) float32 pixels of the crop, never rounded; may lie outside it.
        xyz: (21, 3) float32 network units, (X − X9)/|X9 − X0|; zeros when unknown.
        weight: (21,) float32, weight of each joint's 2D label, 0 where it is not labelled; a joint outside the crop
            counts as seen to be absent.
        weight_3d: float, weight of the 3D labels; 0 when unknown, even of a single joint.
        hand: False for a picture without a hand: then every joint is absent.
        visible: (21,) bool, as `Sample.visible`, less the joints that an occluder of ours hides: joints that are
            labelled but hidden or doubtful keep their weight, and a recipe may take it from them.
    """

    image: np.ndarray
    uv: np.ndarray
    xyz: np.ndarray
    weight: np.ndarray
    weight_3d: float
    hand: bool
    visible: np.ndarray


def crop_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The source of chance for one sample in one epoch: the same in whichever process, whatever was drawn before."""
    return np.random.default_rng((seed, epoch, index))


def plain_crop(sample: Sample, factor: float = CROP_FACTOR) -> tuple[TrainingCrop, Crop, bool]:
    """The crop that evaluation uses: centred on the keypoints' box, no variation.

    Returns:
        the crop, where it lies in the picture, and whether it was mirrored (left hands).

    Raises:
        ValueError: no keypoint is labelled.
    """
    crop = keypoints_crop(extent(sample), factor)
    mirror = sample.side == 'left'
    return _cut(sample, crop, mirror), crop, mirror


def whole_crop(sample: Sample) -> TrainingCrop:
    """A 128-pixel picture of a right hand, taken as the crop it already is (rendered hands)."""
    middle = (CROP_SIZE - 1) / 2
    return _cut(sample, Crop((middle, middle), CROP_SIZE), mirror=False)


def varied_crop(
    sample: Sample,
    rng: np.random.Generator,
    variation: Variation,
    backdrop: np.ndarray | None = None,
    *,
    view_axes: bool = False,
) -> TrainingCrop:
    """A random crop round the hand with random looks. A hand of unknown side gets a random one and no 3D weight.

    Args:
        sample: with a `mask`, its background is sometimes another.
        rng: all chance comes from it, so the crop depends on its seed alone; see `crop_rng`.
        variation: how far.
        backdrop: (128, 128, 3) uint8 BGR picture without a hand. It continues the sample's picture beyond its border
            (grey when None; without it "a tilted square on grey" would come to mean "hand"), stands behind a hand
            that is cut out (made up when None), and is what some occluders show.
        view_axes: xyz in the axes of the view along the crop's centre, where the sample has intrinsics, instead of the
            camera's.

    Raises:
        ValueError: no keypoint is labelled, or the mask or backdrop does not fit.
    """
    if variation.stretched and rng.random() < variation.stretched:
        sample = stretched(sample, float(rng.uniform(-variation.stretch, variation.stretch)))
    box = keypoints_crop(extent(sample))
    factor = float(np.exp(rng.uniform(*np.log(variation.scale))))
    if rng.random() < variation.far:
        factor = float(rng.uniform(variation.scale[1], variation.far_scale))
    furthest = variation.shift
    if variation.tight and rng.random() < variation.tight:
        factor, furthest = float(np.exp(rng.uniform(*np.log(TIGHT_SCALE)))), min(furthest, TIGHT_SHIFT)
    side = box.side * factor
    shift = rng.uniform(-furthest, furthest, 2) * side
    reach = variation.rotation / 3 if rng.random() < variation.upright else variation.rotation
    angle = float(rng.uniform(-reach, reach))
    crop = Crop((box.center[0] + shift[0], box.center[1] + shift[1]), side, angle)
    mirror = sample.side == 'left' or (sample.side is None and rng.random() < 0.5)
    cut = _cut(sample, crop, mirror, view_axes=view_axes)
    if backdrop is not None:
        backdrop = _as_rgb(backdrop)
    coverage = None
    if sample.mask is not None and rng.random() < variation.background:
        coverage = _hand_coverage(sample, crop, mirror, cut.uv)
    if coverage is not None:
        image = replace_background(cut.image, coverage, CROP_SIZE / side, rng, backdrop)
    elif backdrop is not None:
        image = fill_outside(cut.image, sample.image.shape, crop, mirror, backdrop)
    else:
        image = cut.image
    image, cover = vary(image, rng, variation, cut.uv[sample.visible], backdrop)
    visible = sample.visible if cover is None else sample.visible & ~covered(cover, cut.uv)
    weight_3d = cut.weight_3d if sample.side is not None else 0.0
    return replace(cut, image=image, weight_3d=weight_3d, visible=visible)


def negative_crop(
    image: np.ndarray, rng: np.random.Generator, variation: Variation, backdrop: np.ndarray | None = None
) -> TrainingCrop:
    """A picture without a hand, (128, 128, 3) uint8 BGR: every joint is absent. `backdrop` as in `varied_crop`."""
    nowhere = np.full((NUM_KEYPOINTS, 2), _NOWHERE, np.float32)
    rgb = None if backdrop is None else _as_rgb(backdrop)
    return _absent(vary(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), rng, variation, nowhere, rgb)[0])


def other_side_crop(crop: TrainingCrop) -> TrainingCrop:
    """The crop of a right hand → its mirror image, a left hand and so no right one: every joint is absent."""
    return _absent(np.ascontiguousarray(crop.image[:, ::-1]))


def _absent(image: np.ndarray) -> TrainingCrop:
    """(128, 128, 3) uint8 RGB without a right hand."""
    return TrainingCrop(
        image=image,
        uv=np.full((NUM_KEYPOINTS, 2), _NOWHERE, np.float32),
        xyz=np.zeros((NUM_KEYPOINTS, 3), np.float32),
        weight=np.ones(NUM_KEYPOINTS, np.float32),
        weight_3d=0.0,
        hand=False,
        visible=np.zeros(NUM_KEYPOINTS, bool),
    )


def extent(sample: Sample) -> np.ndarray:
    """(n, 2) pixels of the points that span the hand: `extent_px` where the sample has it, else what is labelled.

    Raises:
        ValueError: there is none.
    """
    points = sample.keypoints_px if sample.extent_px is None else sample.extent_px
    known = points[np.isfinite(points).all(axis=1)]
    if not len(known):
        raise ValueError(f'{sample.key}: no keypoint is labelled in 2D, so there is nothing to cut round')
    return known


def network_coordinates(keypoints_m: np.ndarray) -> np.ndarray:
    """(21, 3) metres → (21, 3) network units, (X − X9)/|X9 − X0| (fact sheet 1.4).

    Raises:
        ValueError: wrist and middle MCP in one place.
    """
    length = float(np.linalg.norm(keypoints_m[MIDDLE_MCP] - keypoints_m[WRIST]))
    if not length > 0:
        raise ValueError('wrist and middle MCP coincide, so the hand has no length to normalise by')
    return (keypoints_m - keypoints_m[MIDDLE_MCP]) / length


def _cut(sample: Sample, crop: Crop, mirror: bool, *, view_axes: bool = False) -> TrainingCrop:
    labelled = np.isfinite(sample.keypoints_px).all(axis=1)
    uv = np.where(labelled[:, None], crop.to_crop(sample.keypoints_px, mirror=mirror), _NOWHERE)
    xyz = np.zeros((NUM_KEYPOINTS, 3))
    weight_3d = 0.0
    if sample.keypoints_m is not None and np.isfinite(sample.keypoints_m).all():
        # The crop's axes in the picture are (cos, sin) and (−sin, cos); see the module's head.
        cos, sin = np.cos(crop.angle), np.sin(crop.angle)
        flip = -1.0 if mirror else 1.0
        turn = np.array([[flip * cos, flip * sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        if view_axes and sample.intrinsics is not None:
            ray = np.linalg.solve(sample.intrinsics, (*crop.center, 1.0))
            turn = turn @ view_rotation(ray[:2] / ray[2]).T
        xyz = network_coordinates(sample.keypoints_m) @ turn.T
        weight_3d = sample.weight_3d
    return TrainingCrop(
        image=crop.extract(sample.image, mirror=mirror),
        uv=uv.astype(np.float32),
        xyz=xyz.astype(np.float32),
        weight=np.where(labelled, sample.weight, 0).astype(np.float32),
        weight_3d=weight_3d,
        hand=True,
        visible=sample.visible,
    )


def _as_rgb(backdrop: np.ndarray) -> np.ndarray:
    if backdrop.shape != (CROP_SIZE, CROP_SIZE, 3) or backdrop.dtype != np.uint8:
        size = f'({CROP_SIZE}, {CROP_SIZE}, 3)'
        raise ValueError(f'backdrop: expected {size} uint8 BGR, found {backdrop.shape} {backdrop.dtype}')
    return cv2.cvtColor(backdrop, cv2.COLOR_BGR2RGB)


def _hand_coverage(sample: Sample, crop: Crop, mirror: bool, uv: np.ndarray) -> np.ndarray | None:
    """(128, 128) uint8, how much of each pixel the hand fills; None when things hide so much of it, or the mask is so
    wrong, that what it leaves would not be a hand.
    """
    assert sample.mask is not None
    if sample.mask.shape != sample.image.shape[:2]:
        raise ValueError(
            f'{sample.key}: the mask is {sample.mask.shape}, the picture {sample.image.shape[:2]}; they must be alike'
        )
    coverage = crop.extract_mask(sample.mask, mirror=mirror)
    inside = ((uv > -0.5) & (uv < CROP_SIZE - 0.5)).all(axis=1)
    return coverage if covered(coverage / np.float32(255), uv).sum() >= _LEAST_ON_MASK * inside.sum() else None
