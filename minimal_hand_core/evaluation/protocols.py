"""Named protocols: what is aligned before a prediction is compared, which keypoints count, how shares are averaged.

| | `reference` | `root-scale` | `absolute` |
| --- | --- | --- | --- |
| like | Minimal-Hand-pytorch | the minimal-hand paper | nobody: a hand in metres |
| 21 labels: aligned | place of the middle MCP, length to the wrist | the same | nothing |
| five tips: aligned | centroid, mean distance from it | the same | (cannot be scored) |
| given besides | | | intrinsics, the true length wrist – middle MCP |
| a missing tip | the tips after it move up | stays out | |
| frame of DO, EO | depth camera | colour camera | |
| average | over joints | over points | over points |
| thresholds | 15, 20 … 50 mm | 16, every 2 mm | 16, every 2 mm |

In all three every labelled keypoint counts, seen or hidden, the middle MCP too, whose error is 0 by construction in the
first two; that alone is 1/21 of the AUC of sets with 21 labels. Rotation is never aligned (but for the PA error).
Figures of different protocols must not be compared with each other. Source: fact sheet 6.1 to 6.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from minimal_hand_core.data.datasets import dexter_object, ego_dexter
from minimal_hand_core.data.datasets.fingertips import MINIMUM_TIPS
from minimal_hand_core.evaluation.absolute import place_hands
from minimal_hand_core.evaluation.alignment import align_centroid_scale, align_root_scale
from minimal_hand_core.evaluation.predictions import Predictions
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, TIP_KEYPOINTS, WRIST

MM = 1000.0
TIPS_ONLY = ('dexter_object', 'ego_dexter')
"""Data sets that label five tips and no more."""
_DEPTH_FROM_COLOR = MappingProxyType(
    {'dexter_object': np.array(dexter_object.EXTRINSICS), 'ego_dexter': np.array(ego_dexter.EXTRINSICS)}
)


class ProtocolError(ValueError):
    """A protocol is unknown, or has no meaning for these predictions; says why."""


@dataclass(frozen=True)
class Compared:
    """Hands ready to be measured, all arrays over the same N hands and K keypoints.

    Attributes:
        predicted, truth: (N, K, 3) float64 millimetres; NaN where not counted.
        counted: (N, K) bool.
        notes: what the reader of the scores should know.
    """

    predicted: np.ndarray
    truth: np.ndarray
    counted: np.ndarray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """How predictions are scored.

    Attributes:
        name: as the command line knows it.
        summary: one sentence.
        average: 'joints' (each joint's share, then their plain mean) or 'points' (all points alike).
        steps: thresholds from 20 to 50 mm, both ends included.
        prepare: brings the prediction to the truth; a ProtocolError says why it cannot.
    """

    name: str
    summary: str
    average: str
    steps: int
    prepare: Callable[[Predictions], Compared]


def _reference(predictions: Predictions) -> Compared:
    """Fact sheet 6.2: root and scale where all 21 are labelled; centroid and scale, in slots, for tips."""
    dataset = predictions.origin.dataset
    if dataset not in TIPS_ONLY:
        return _aligned_by_root(predictions)
    compared = _aligned_by_centroid(predictions, depth_frame_truth(predictions))
    notes: tuple[str, ...] = ()
    if predictions.origin.options.get('labels') != 'edited':
        notes = ('labels as released; the published figures rest on labels edited by hand (labels=edited)',)
    return Compared(*_into_slots(compared), notes=notes)


def _root_scale(predictions: Predictions) -> Compared:
    """Root and scale of the truth, by wrist and middle MCP where they are labelled, else by the labelled tips."""
    if predictions.origin.dataset in TIPS_ONLY:
        return _aligned_by_centroid(predictions, predictions.true_m.astype(np.float64))
    return _aligned_by_root(predictions)


def _absolute(predictions: Predictions) -> Compared:
    """Nothing aligned: the hand is placed by its pixels, the intrinsics and the true length wrist – middle MCP."""
    truth, labelled = _truth(predictions)
    if predictions.origin.dataset in TIPS_ONLY:
        raise ProtocolError(
            f'{predictions.origin.dataset} labels tips only, so the length wrist – middle MCP, which makes a hand '
            'metric, is not known'
        )
    if np.isnan(predictions.uv).all():
        raise ProtocolError('these predictions hold no pixels (files of the peer do not), so hands cannot be placed')
    known = np.isfinite(predictions.intrinsics).all(axis=(1, 2))
    if not known.any():
        raise ProtocolError(f'{predictions.origin.dataset or "the data set"} gives no intrinsics')
    # Root-relative labels have their middle MCP at the origin.
    in_front = (np.nan_to_num(truth[:, [WRIST, MIDDLE_MCP], 2]) > 0).all(axis=1)
    known &= labelled[:, WRIST] & labelled[:, MIDDLE_MCP] & in_front
    if not known.any():
        raise ProtocolError('no hand has its wrist and middle MCP labelled in the camera frame')
    chosen = predictions.take(known)
    truth, labelled = truth[known], labelled[known]
    length = np.linalg.norm(truth[:, MIDDLE_MCP] - truth[:, WRIST], axis=1)
    placed = place_hands(chosen.camera_xyz, chosen.uv, chosen.confidence, chosen.intrinsics, length)
    left_out = len(known) - int(known.sum())
    notes = (f'{left_out} hands without intrinsics or metric labels left out',) if left_out else ()
    return _compared(placed, truth, labelled, notes)


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol(
                'reference',
                'as Minimal-Hand-pytorch scores: true root and scale (tips: centroid and scale), mean over joints',
                'joints',
                15,
                _reference,
            ),
            Protocol(
                'root-scale',
                'as the minimal-hand paper scores: true root and scale, one rule for all sets, mean over points',
                'points',
                16,
                _root_scale,
            ),
            Protocol(
                'absolute',
                'hands in metres in the camera frame, nothing aligned; intrinsics and hand length given',
                'points',
                16,
                _absolute,
            ),
        )
    }
)


def find_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ProtocolError: there is none; the message lists them.
    """
    if name not in PROTOCOLS:
        raise ProtocolError(f'protocol is {name!r}; choose one of {", ".join(PROTOCOLS)}')
    return PROTOCOLS[name]


def _truth(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """(N, 21, 3) float64 metres and (N, 21) bool, which of them are labelled."""
    labelled = predictions.labelled
    if not labelled.any():
        raise ProtocolError(f'{predictions.origin.dataset or "the data set"} has no 3D labels; only 2D can be scored')
    return predictions.true_m.astype(np.float64), labelled


def _aligned_by_root(predictions: Predictions) -> Compared:
    truth, labelled = _truth(predictions)
    aligned = align_root_scale(predictions.camera_xyz, truth, labelled)
    return _compared(aligned, truth, labelled & np.isfinite(aligned).all(axis=2))


def _aligned_by_centroid(predictions: Predictions, truth: np.ndarray) -> Compared:
    """Of the five tips; hands with fewer than two labelled are left out."""
    _truth(predictions)
    tips = list(TIP_KEYPOINTS)
    truth = truth[:, tips]
    labelled = np.isfinite(truth).all(axis=2)
    enough = labelled.sum(axis=1) >= MINIMUM_TIPS
    if not enough.any():
        raise ProtocolError(f'no hand has {MINIMUM_TIPS} labelled tips')
    truth, labelled = truth[enough], labelled[enough]
    aligned = align_centroid_scale(predictions.camera_xyz[enough][:, tips], truth, labelled)
    return _compared(aligned, truth, labelled)


def _compared(metres: np.ndarray, truth: np.ndarray, counted: np.ndarray, notes: tuple[str, ...] = ()) -> Compared:
    shown = counted[..., None]
    return Compared(np.where(shown, metres * MM, np.nan), np.where(shown, truth * MM, np.nan), counted, notes)


def depth_frame_truth(predictions: Predictions) -> np.ndarray:
    """True keypoints (N, 21, 3) of a tips-only set, metres, in the depth camera's frame, in which the peers compare."""
    truth = predictions.true_m.astype(np.float64)
    if predictions.origin.options.get('camera') == 'depth':
        return truth
    motion = _DEPTH_FROM_COLOR[predictions.origin.dataset]
    return np.asarray((truth - motion[:, 3]) @ np.linalg.inv(motion[:, :3]).T)


def _into_slots(compared: Compared) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counted keypoints moved up into the columns of those that are not, as the peer's arrays have them."""
    order = np.argsort(~compared.counted, axis=1, kind='stable')
    predicted, truth = (
        np.take_along_axis(points, order[..., None], axis=1) for points in (compared.predicted, compared.truth)
    )
    return predicted, truth, np.take_along_axis(compared.counted, order, axis=1)
