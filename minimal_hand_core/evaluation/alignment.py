"""Move predicted hands onto the true ones before they are compared: by root and scale, by centroid and scale, by the
best similarity.

Convention:
    * predicted may have any unit and origin; the result has those of truth, and so have distances to it.
    * A hand with too few visible keypoints to be placed becomes NaN, and its errors with it; leave them out with
      `visible & np.isfinite(errors)`.
    * A prediction without any extent cannot be scaled: all of it is put where its centre (or root) belongs, a large
      but finite error. A truth without extent is a broken label and raises.
"""

from __future__ import annotations

import numpy as np

from minimal_hand_core.arrays import ArrayLike
from minimal_hand_core.evaluation.checks import check_pair, check_visible
from minimal_hand_core.evaluation.errors import keypoint_errors
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_KEYPOINTS, WRIST
from minimal_hand_core.pose.kabsch import best_rotations

_LEAST_CENTROID = 2
_LEAST_PROCRUSTES = 3
"""With two points every pair of hands would match."""
_ROUNDING = 1e-13
"""An extent below this share of the distance from the origin is none."""


def align_root_scale(predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike | None = None) -> np.ndarray:
    """Give each prediction the true place of the middle MCP and the true length wrist – middle MCP (fact sheet 6.2).

    Rotation is not aligned. The middle MCP's error becomes 0 by construction.

    Args:
        predicted, truth: (N, 21, 3); anything where not visible.
        visible: (N, 21) bool, None for all; a hand needs its wrist and its middle MCP.

    Returns:
        (N, 21, 3) float64; a hand that cannot be placed is NaN.

    Raises:
        ValueError: wrong shapes, NaN or infinity where visible, or a true hand whose two keypoints coincide.
    """
    points, true, mask = check_pair(predicted, truth, visible, keypoints=NUM_KEYPOINTS)
    placeable = mask[:, MIDDLE_MCP] & mask[:, WRIST]
    root = points[:, MIDDLE_MCP, None]
    length = _lengths(points[:, WRIST] - points[:, MIDDLE_MCP])
    true_length = _lengths(true[:, WRIST] - true[:, MIDDLE_MCP])
    _check_extent(true_length, placeable)
    scale = _scale(true_length, length, placeable)
    return np.asarray((points - root) * scale[:, None, None] + true[:, MIDDLE_MCP, None])


def root_scale_errors(predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike | None = None) -> np.ndarray:
    """Distances (N, 21) in the unit of truth after align_root_scale, whose arguments and errors these are."""
    aligned = align_root_scale(predicted, truth, visible)
    placed = np.isfinite(aligned).all(axis=-1)
    return keypoint_errors(aligned, truth, placed & check_visible(visible, placed.shape))


def align_centroid_scale(predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike | None = None) -> np.ndarray:
    """Give each prediction the true centroid and the true mean distance from it (fact sheet 6.2, finger tips).

    Every keypoint stays in its own column, where the peer moves those after a missing finger up by one.

    Args:
        predicted, truth: (N, K, 3); anything where not visible.
        visible: (N, K) bool, None for all; a hand needs two. Centroid and scale are of the visible keypoints.

    Returns:
        (N, K, 3) float64; a hand that cannot be placed is NaN.

    Raises:
        ValueError: wrong shapes, NaN or infinity where visible, or a true hand whose keypoints coincide.
    """
    points, true, mask = check_pair(predicted, truth, visible)
    seen, centre = _centred(points, mask)
    true_seen, true_centre = _centred(true, mask)
    placeable = mask.sum(axis=1) >= _LEAST_CENTROID
    true_spread = _lengths(true_seen).sum(axis=1)
    _check_extent(true_spread, placeable)
    scale = _scale(true_spread, _lengths(seen).sum(axis=1), placeable)
    return np.asarray((points - centre) * scale[:, None, None] + true_centre)


def align_procrustes(predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike | None = None) -> np.ndarray:
    """Move, turn and scale each prediction so that the sum of its squared distances is least (Umeyama 1991).

    The rotation is proper: a mirrored hand stays mirrored and keeps its error.

    Args:
        predicted, truth: (N, K, 3); anything where not visible.
        visible: (N, K) bool, None for all; a hand needs three. Only visible keypoints count.

    Returns:
        (N, K, 3) float64; a hand that cannot be placed is NaN.

    Raises:
        ValueError: wrong shapes, NaN or infinity where visible, or a true hand whose keypoints coincide.
    """
    points, true, mask = check_pair(predicted, truth, visible)
    seen, centre = _centred(points, mask)
    true_seen, true_centre = _centred(true, mask)
    placeable = mask.sum(axis=1) >= _LEAST_PROCRUSTES
    _check_extent(np.einsum('nkd,nkd->n', true_seen, true_seen), placeable)
    rotations = np.empty((len(seen), 3, 3))
    best_rotations(seen, true_seen, rotations)
    turns = rotations.swapaxes(-1, -2)
    matched = np.einsum('nkd,nkd->n', seen @ turns, true_seen)
    scale = _scale(matched, np.einsum('nkd,nkd->n', seen, seen), placeable)
    return np.asarray((points - centre) @ (turns * scale[:, None, None]) + true_centre)


def _centred(points: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points relative to the centroid of the visible ones, zero where not visible, and that centroid (N, 1, 3)."""
    seen = np.where(mask[..., None], points, 0.0)
    centre = np.einsum('nkd->nd', seen) / np.maximum(mask.sum(axis=1), 1)[:, None]
    # A zero vector has no length and pulls at no rotation.
    vectors = (seen - centre[:, None]) * mask[..., None]
    # Points in one place leave what rounding makes of their mean, which is no extent.
    rounding = _ROUNDING * np.abs(centre).max(axis=1)
    vectors[_lengths(vectors).max(axis=1) <= rounding] = 0.0
    return vectors, centre[:, None]


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Norms over the last axis; np.linalg.norm takes eight times as long on many short vectors."""
    return np.sqrt(np.einsum('...d,...d->...', vectors, vectors))


def _check_extent(true_size: np.ndarray, placeable: np.ndarray) -> None:
    flat = placeable & ~(true_size > 0)
    if flat.any():
        raise ValueError(f'truth: expected hands with some extent to scale to, found none in hand {int(flat.argmax())}')


def _scale(true_size: np.ndarray, size: np.ndarray, placeable: np.ndarray) -> np.ndarray:
    """true_size / size (N,); 0 where the prediction has no size, NaN where the hand cannot be placed."""
    sized = size > 0
    return np.where(placeable, np.where(sized, true_size / np.where(sized, size, 1.0), 0.0), np.nan)
