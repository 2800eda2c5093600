"""Distances between predicted and true keypoints, and their means and medians.

Convention: arrays are NumPy float64, masks bool; what is not visible has error NaN, so that it cannot be counted by
mistake: every summary refuses NaN unless the mask leaves it out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minimal_hand_core.arrays import ArrayLike
from minimal_hand_core.evaluation.checks import check_errors, check_pair
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS, NUM_KEYPOINTS

_ENDS = np.arange(1, NUM_KEYPOINTS)
_STARTS = np.array(KEYPOINT_PARENTS[1:])


class EndPointError(NamedTuple):
    """Mean and median distances, in the unit of the errors.

    Attributes:
        mean, median: over all visible keypoints of all hands (micro average).
        joint_mean, joint_median: (J,) of each joint; NaN for a joint that is never visible.
        samples: (J,) int64 how often each joint is visible.
    """

    mean: float
    median: float
    joint_mean: np.ndarray
    joint_median: np.ndarray
    samples: np.ndarray


def keypoint_errors(predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike | None = None) -> np.ndarray:
    """Distance of each keypoint from the truth.

    Args:
        predicted, truth: (N, K, 3) or (N, K, 2), one unit and frame; anything where not visible.
        visible: (N, K) bool, None for all.

    Returns:
        (N, K) float64 in the points' unit; NaN where not visible.

    Raises:
        ValueError: wrong shapes, empty, or NaN or infinity where visible.
    """
    dims = 2 if np.shape(truth)[-1:] == (2,) else 3
    points, true, mask = check_pair(predicted, truth, visible, dims=dims)
    return _distances(points, true, mask)


def box_errors(predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike | None = None) -> np.ndarray:
    """2D distance of each keypoint over the longer side of the box of the hand's true visible keypoints.

    Args:
        predicted, truth: (N, K, 2) pixels of the same picture.
        visible: (N, K) bool, None for all.

    Returns:
        (N, K) float64; NaN where not visible.

    Raises:
        ValueError: as keypoint_errors, or the visible true keypoints of a hand lie in one place; the message says
            which hand.
    """
    points, true, mask = check_pair(predicted, truth, visible, dims=2)
    shown = mask[..., None]
    low = np.where(shown, true, np.inf).min(axis=1)
    high = np.where(shown, true, -np.inf).max(axis=1)
    side = np.maximum(high - low, -1.0).max(axis=-1)  # −1: nothing visible, nothing to divide
    if (side == 0).any():
        raise ValueError(f'truth: all visible keypoints of hand {int(np.argmax(side == 0))} lie in one place')
    return np.asarray(_distances(points, true, mask) / side[:, None])


def bone_length_errors(predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike | None = None) -> np.ndarray:
    """|predicted length − true length| of the 20 bones, whatever the pose and the place of the hand.

    Args:
        predicted, truth: (N, 21, 3) in one unit.
        visible: (N, 21) bool, None for all; a bone counts where both of its ends are visible.

    Returns:
        (N, 20) float64, bones named by keypoints 1 … 20 at their far end; NaN where an end is not visible.

    Raises:
        ValueError: as keypoint_errors.
    """
    points, true, mask = check_pair(predicted, truth, visible, keypoints=NUM_KEYPOINTS)
    bones = (p[:, _ENDS] - p[:, _STARTS] for p in (points, true))
    lengths, true_lengths = (np.sqrt(np.einsum('nkd,nkd->nk', bone, bone)) for bone in bones)
    return np.where(mask[:, _ENDS] & mask[:, _STARTS], np.abs(lengths - true_lengths), np.nan)


def end_point_error(errors: ArrayLike, visible: ArrayLike | None = None) -> EndPointError:
    """Mean and median of errors, over all and per joint.

    Args:
        errors: (N, J) distances; anything where not visible.
        visible: (N, J) bool, None for all.

    Raises:
        ValueError: wrong shape, NaN, infinite or negative where visible, or nothing visible at all.
    """
    values, mask = check_errors(errors, visible)
    count = mask.sum(axis=0)
    seen = np.where(count > 0, count, np.nan)
    joint_mean = np.where(mask, values, 0.0).sum(axis=0) / seen
    # What is not visible is sorted to the end; the median is then read from the front.
    ordered = np.sort(np.where(mask, values, np.inf), axis=0)
    joints = np.arange(values.shape[1])
    middle = ordered[np.maximum(count - 1, 0) // 2, joints] + ordered[np.minimum(count // 2, len(values) - 1), joints]
    chosen = values[mask]
    return EndPointError(
        mean=float(chosen.mean()),
        median=float(np.median(chosen)),
        joint_mean=joint_mean,
        joint_median=np.where(count > 0, middle / 2, np.nan),
        samples=count,
    )


def _distances(points: np.ndarray, true: np.ndarray, mask: np.ndarray) -> np.ndarray:
    difference = points - true
    return np.where(mask, np.sqrt(np.einsum('nkd,nkd->nk', difference, difference)), np.nan)
