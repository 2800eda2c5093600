"""The compiled loops of finding the wrist from rays and points (numba, float64). What they do and why: wrist.py."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.cholesky import factorise, substitute

FOUND, TOO_FEW, ONE_PLACE, BEHIND = range(4)
"""What find_wrist says."""
NEAREST = 0.01
"""Metres: Gauss–Newton needs a start with every point at least this far before the camera."""
_SETTLED = 1e-7
"""Metres."""


@njit(cache=True, nogil=True, error_model='numpy')
def _solve(matrix: np.ndarray, right: np.ndarray, factor: np.ndarray, solution: np.ndarray) -> bool:
    """Solve a symmetric positive 3×3 system; False when it is singular."""
    a, b, c = matrix[0, 0], matrix[1, 1], matrix[2, 2]
    d, e, f = matrix[1, 0], matrix[2, 0], matrix[2, 1]
    determinant = a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)
    scale = (a + b + c) / 3.0
    if not determinant > 1e-12 * scale**3 or not factorise(matrix, 0.0, factor):  # also when NaN
        return False
    substitute(factor, right, solution)
    return True


@njit(cache=True, nogil=True, error_model='numpy')
def _reproject(
    position: np.ndarray,
    rays: np.ndarray,
    points: np.ndarray,
    weights: np.ndarray,
    information: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Fill information JᵀWJ (3, 3) and gradient JᵀWr (3,) of the errors in the picture, without rows of weight 0."""
    information[:] = 0.0
    gradient[:] = 0.0
    for n in range(rays.shape[0]):
        if weights[n] == 0.0:
            continue
        inverse = 1.0 / max(points[n, 2] + position[2], 1e-3)
        for i in range(2):
            seen = (points[n, i] + position[i]) * inverse
            error, by_range = seen - rays[n, i], -seen * inverse
            information[i, i] += weights[n] * inverse * inverse
            information[2, i] += weights[n] * inverse * by_range
            information[2, 2] += weights[n] * by_range * by_range
            gradient[i] += weights[n] * inverse * error
            gradient[2] += weights[n] * by_range * error
    information[0, 2], information[1, 2] = information[2, 0], information[2, 1]


@njit(cache=True, nogil=True, error_model='numpy')
def find_wrist(
    rays: np.ndarray,
    points: np.ndarray,
    weights: np.ndarray,
    iterations: int,
    position: np.ndarray,
    inverse: np.ndarray,
) -> int:
    """Fill position (3,) and the inverse of the information there (3, 3).

    rays (N, 2), points (N, 3), weights (N,), which becomes 0 where a row is left out. FOUND, or why not: TOO_FEW rows
    can be used, all points lie in ONE_PLACE, or position is BEHIND the camera or not finite.
    """
    usable, nearest = 0, math.inf
    information, gradient, factor, step = np.zeros((3, 3)), np.zeros(3), np.zeros((3, 3)), np.empty(3)
    for n in range(rays.shape[0]):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        if not (weights[n] > 0.0 and math.isfinite(rays[n, 0] + rays[n, 1] + x + y + z)):
            weights[n] = 0.0
            continue
        usable += 1
        nearest = min(nearest, z)
        # The linear equations of the module: t enters as t_x − x t_z = x P_z − P_x.
        for i in range(2):
            ray, target = rays[n, i], rays[n, i] * z - points[n, i]
            information[i, i] += weights[n]
            information[2, i] -= weights[n] * ray
            information[2, 2] += weights[n] * ray * ray
            gradient[i] += weights[n] * target
            gradient[2] -= weights[n] * ray * target
    if usable < 2:
        return TOO_FEW
    information[0, 2], information[1, 2] = information[2, 0], information[2, 1]
    if not _solve(information, gradient, factor, position):
        return ONE_PLACE
    position[2] = max(position[2], NEAREST - nearest)
    for _ in range(iterations):
        _reproject(position, rays, points, weights, information, gradient)
        if not _solve(information, gradient, factor, step):
            return ONE_PLACE
        # No point may cross the camera; half the range is far more than a good start ever needs.
        share = min(1.0, 0.5 * (nearest + position[2]) / max(abs(step[2]), 1e-12))
        largest = 0.0
        for i in range(3):
            position[i] -= share * step[i]
            largest = max(largest, abs(share * step[i]))
        if largest < _SETTLED:
            break
    if not (math.isfinite(position[0] + position[1] + position[2]) and nearest + position[2] > 0.0):
        return BEHIND
    _reproject(position, rays, points, weights, information, gradient)
    for i in range(3):
        gradient[:] = 0.0
        gradient[i] = 1.0
        if not _solve(information, gradient, factor, step):
            return ONE_PLACE
        inverse[:, i] = step
    return FOUND
