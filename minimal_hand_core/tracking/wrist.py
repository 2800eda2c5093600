"""Where the wrist is in metres: the hand's known size against its size in the picture.

The points of the hand relative to the wrist are known up to noise (P_i, metres, camera axes), and so are the rays of
their pixels (x_i, y_i, normalised). We look for the wrist t that makes (P_i + t) project onto the rays:

    linear start:   (P_x + t_x) − x (P_z + t_z) = 0, and the same for y            (t enters linearly)
    Gauss–Newton:   r = ((P_x + t_x) / (P_z + t_z) − x, …), the error in the picture, which is what the noise is in

`place_hand` does so; there the tracker begins its fit of the whole hand (hand_fit.py). The covariance of independent
noise is σ² (Jᵀ W J)⁻¹ at the solution. To that of the fit `honest_covariance` adds, among others, ρ² t tᵀ: with every
length of the hand wrong by a factor 1 + ρ, the same picture puts the wrist at (1 + ρ) t.
"""

from __future__ import annotations

import numpy as np

from minimal_hand_core.arrays import for_kernel
from minimal_hand_core.tracking.wrist_kernel import BEHIND, ONE_PLACE, TOO_FEW, find_wrist

ITERATIONS = 10
TURN_INFLATION = (2.3, 2.2, 1.85)
PLACE_SIGMA = 0.0013
RANGE_SIGMA = 0.021
DEPTH_SIGMA = 0.003
"""How much larger errors are than independent noise would make them, see honest_covariance. Measured on the rendered
clips of seeds 100–119 of `evaluation.wrist_accuracy` (600 pictures; with depth, 300), so that 68 % of the errors are
within one standard deviation: DEPTH_SIGMA with the first edition of the default network, the rest with the seventh."""


class WristError(ValueError):
    """Rays and points that say nothing about where the wrist is."""


def place_hand(
    rays: np.ndarray, points: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Position of the wrist in the camera frame, by weighted least squares on the reprojection.

    Args:
        rays: (N, 2) normalised image points (X/Z, Y/Z), N ≥ 2; rows that are not finite are left out.
        points: (N, 3) metres, camera axes, relative to the wrist.
        weights: (N,) ≥ 0, inverse relative variance of each ray, or None for all 1. Only ratios move the position;
            the covariance takes them at face value.

    Returns:
        translation: (3,) float64 metres, camera frame.
        covariance: (3, 3) float64 (Jᵀ W J)⁻¹, to be multiplied by the variance of one normalised coordinate (pixels /
            focal length) at weight 1: m².

    Raises:
        WristError: fewer than two usable points, points that do not fix the range (all in one place), or a solution
            that is not in front of the camera.
    """
    rays, points = np.ascontiguousarray(rays, np.float64), np.ascontiguousarray(points, np.float64)
    position, inverse = np.empty(3), np.empty((3, 3))
    used = np.ones(len(rays)) if weights is None else np.array(weights, np.float64)
    found = find_wrist(for_kernel(rays), for_kernel(points), used, ITERATIONS, position, inverse)
    if found == TOO_FEW:
        usable = np.count_nonzero(used)
        raise WristError(f'{usable} of {len(rays)} keypoints can be used; at least 2 are needed')
    if found == ONE_PLACE:
        raise WristError('the keypoints lie in one place of the picture; they do not fix the range')
    if found == BEHIND:
        raise WristError(f'the hand would be at {position.round(3).tolist()} m, not in front of the camera')
    return position, inverse


def rotation_covariance(points: np.ndarray, sigma: float) -> np.ndarray:
    """Covariance of the rotation that aligns the palm, as small turns about the camera's axes.

    A turn ω moves point p by ω × p; with independent noise σ on every coordinate of every point, the best turn has
    covariance σ² (Σ |p|² I − p pᵀ)⁻¹.

    Args:
        points: (N, 3) metres, the palm's keypoints relative to the wrist, camera axes.
        sigma: standard deviation of one coordinate of one point, metres.

    Returns:
        (3, 3) float64 rad²; π² on the diagonal at most, where the points fix a turn badly.
    """
    points = np.asarray(points, np.float64)
    inertia = np.eye(3) * (points**2).sum() - points.T @ points
    # 1/π² of information on every axis is the prior that a turn is never uncertain by more than half a circle.
    return np.linalg.inv(inertia / max(sigma, 1e-9) ** 2 + np.eye(3) / np.pi**2)


def honest_covariance(
    covariance: np.ndarray, position: np.ndarray, length_sigma: float, depth_sigma: float | None = None
) -> np.ndarray:
    """Covariance of the wrist's pose as it really is, from that of independent noise.

    The errors of a network's keypoints go together: it tilts the palm as a whole, draws the whole hand too large or too
    small, and has an idea of its own of where a wrist is. So uncertainty is added, and none of what is added ties
    place and turn to each other: TURN_INFLATION multiplies the standard deviations of turns about X, Y, Z; PLACE_SIGMA,
    metres, is added to every coordinate; RANGE_SIGMA and length_sigma are relative standard deviations of the range.
    Where depth was measured, it alone fixes the range, and what is common to all of it (DEPTH_SIGMA, metres, and
    depth_sigma) takes their place.

    Args:
        covariance: (6, 6) of a HandFit.
        position: (3,) metres.
        length_sigma: relative standard deviation of the hand length.
        depth_sigma: metres, of the depth as a whole; None without depth.

    Returns:
        (6, 6) float64, in the same order and units.
    """
    whole = covariance.copy()
    turns = whole[3:, 3:]
    turns += np.diag((np.square(TURN_INFLATION) - 1) * np.diag(turns))
    whole[:3, :3] += PLACE_SIGMA**2 * np.eye(3)
    if depth_sigma is None:
        whole[:3, :3] += (RANGE_SIGMA**2 + length_sigma**2) * np.outer(position, position)
    else:
        ray = position / np.linalg.norm(position)
        whole[:3, :3] += (DEPTH_SIGMA**2 + depth_sigma**2) * np.outer(ray, ray)
    return whole


def pose_covariance(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(3, 3) m² and (3, 3) rad² → (6, 6) in the order of `geometry_msgs/PoseWithCovariance`.

    That order is x, y, z, turns about X, Y, Z. Position and rotation are taken as independent.
    """
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = position
    covariance[3:, 3:] = rotation
    return covariance
