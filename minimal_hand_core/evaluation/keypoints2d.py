"""2D accuracy relative to the hand's size: normalised error and PCK."""

from __future__ import annotations

import numpy as np


def box_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of each keypoint over the longer side of the true keypoints' box.

    Args:
        predicted, truth: (N, K, 2) pixels of the same picture.

    Returns:
        (N, K) float64.

    Raises:
        ValueError: shapes differ or are not (N, K, 2), or a true box has no size; the message says which hand.
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if predicted.shape != truth.shape or truth.ndim != 3 or truth.shape[-1] != 2:
        raise ValueError(f'predicted {predicted.shape} and truth {truth.shape} must both be (N, K, 2)')
    side = np.ptp(truth, axis=1).max(axis=-1)
    if not (side > 0).all():
        raise ValueError(f'hand {int(np.argmin(side > 0))}: all true keypoints lie in one place')
    return np.asarray(np.linalg.norm(predicted - truth, axis=-1) / side[:, None])


def pck(errors: np.ndarray, threshold: float, visible: np.ndarray | None = None) -> float:
    """Share of keypoints with an error of at most `threshold`, over all visible ones (micro-averaged).

    Args:
        errors: (N, K), in the threshold's unit.
        visible: (N, K) bool, None for all.

    Raises:
        ValueError: no visible keypoint.
    """
    chosen = errors if visible is None else errors[np.asarray(visible, bool)]
    if chosen.size == 0:
        raise ValueError('PCK of no visible keypoint is not defined')
    return float((chosen <= threshold).mean())
