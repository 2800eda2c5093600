"""Predicted hands in metres, in the camera frame: what `tracking.wrist.locate_hand` does, for many hands at once.

xyz · hand length is the hand about its middle MCP, and the pixels say where it is. Pixels are weighed by confidence.
"""

from __future__ import annotations

import numpy as np

from minimal_hand_core.arrays import check_shape
from minimal_hand_core.evaluation.view import rays
from minimal_hand_core.tracking.wrist import ITERATIONS

MIN_WEIGHT = 0.02
"""Weight of a keypoint of no confidence, as in the tracker."""
NEAREST = 0.01
"""Metres before the camera that every keypoint is kept at."""


def place_hands(
    xyz: np.ndarray,
    uv: np.ndarray,
    confidence: np.ndarray,
    intrinsics: np.ndarray,
    lengths: np.ndarray,
) -> np.ndarray:
    """Keypoints in the camera frame.

    Args:
        xyz: (N, 21, 3) network units, camera axes.
        uv: (N, 21, 2) pixels of the picture, no lens distortion.
        confidence: (N, 21) weights of the pixels.
        intrinsics: (N, 3, 3).
        lengths: (N,) |wrist − middle MCP|, metres.

    Returns:
        (N, 21, 3) float64 metres. A prediction whose pixels fix no place is put at the camera: a large, finite error.

    Raises:
        ValueError: shapes that do not belong together.
    """
    count = len(lengths)
    for name, value, shape in (
        ('xyz', xyz, (count, 21, 3)),
        ('uv', uv, (count, 21, 2)),
        ('confidence', confidence, (count, 21)),
        ('intrinsics', intrinsics, (count, 3, 3)),
    ):
        check_shape(value, name, shape)
    k = np.asarray(intrinsics, np.float64)
    points = np.asarray(xyz, np.float64) * np.asarray(lengths)[:, None, None]
    points = points - points[:, :1]
    weights = np.maximum(np.asarray(confidence, np.float64), MIN_WEIGHT)
    return points + _wrists(rays(uv, k), points, weights)[:, None]


def _wrists(rays: np.ndarray, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, 3) wrists that make points (N, 21, 3) about them project onto rays (N, 21, 2)."""
    # Linear start, as in tracking.wrist: t_x − x t_z = x P_z − P_x, and the same for y.
    flat, depth = points[..., :2], points[..., 2]
    position = _solve(np.ones_like(depth), -rays, rays * depth[..., None] - flat, weights)
    lowest = NEAREST - depth.min(axis=1)
    position[:, 2] = np.maximum(position[:, 2], lowest)
    for _ in range(ITERATIONS):
        inverse = 1 / np.maximum(depth + position[:, None, 2], 1e-3)
        projected = (flat + position[:, None, :2]) * inverse[..., None]
        step = _solve(inverse, -projected * inverse[..., None], projected - rays, weights)
        # A step may not cross the camera.
        step *= np.minimum(1.0, 0.5 * position[:, 2] / np.maximum(np.abs(step[:, 2]), 1e-12))[:, None]
        position = position - step
        if np.abs(step).max() < 1e-7:
            break
    placed = np.isfinite(position).all(axis=1) & (position[:, 2] > lowest - NEAREST)
    return np.where(placed[:, None], position, 0.0)


def _solve(a: np.ndarray, b: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, 3) weighted least squares t of a·t_x + b_x·t_z = target_x, and the same for y; 0 where nothing fixes t.

    Args:
        a: (N, K).
        b, target: (N, K, 2).
        weights: (N, K).
    """
    wa = weights * a
    wb = weights[..., None] * b
    corner = np.einsum('nk,nk->n', wa, a)
    side = np.einsum('nk,nkc->nc', wa, b)
    matrix = np.zeros((len(a), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = corner
    matrix[:, :2, 2] = matrix[:, 2, :2] = side
    matrix[:, 2, 2] = np.einsum('nkc,nkc->n', wb, b)
    right = np.concatenate([np.einsum('nk,nkc->nc', wa, target), np.einsum('nkc,nkc->n', wb, target)[:, None]], axis=1)
    scale = np.trace(matrix, axis1=1, axis2=2) / 3
    fixed = np.linalg.det(matrix) > 1e-12 * scale**3
    matrix[~fixed] = np.eye(3)
    return np.where(fixed[:, None], np.linalg.solve(matrix, right[..., None])[..., 0], 0.0)
