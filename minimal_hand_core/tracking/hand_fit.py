"""The hand that explains one picture best: wrist, palm and fingers at once, bones of known length.

The network says the same thing twice: where the keypoints are in the picture (uv), and how they lie to each other
(xyz). uv is the better of the two; of xyz, depth is the worse part, and comes out too small: a hand posed by xyz alone
is too flat, looks too large, and is put too far away. A hand whose bones keep their lengths, and are seen in
perspective, gets its depth from uv up to front and back, and xyz tells these apart. So the wrist, the turn of the hand
and the twenty angles are found together, as the most probable ones (Levenberg–Marquardt) under

    uv:      Student's t, σ = keypoint_sigma · longer side of the hand's box · (0.5 + 4.25 √(1 − confidence))
    xyz:     Student's t, σ = xyz_sigma · XYZ_SPREAD (lateral, depth; per keypoint) · (0.7 + 2 √(1 − confidence))
    angles:  near those that xyz alone gives (ANGLE_SIGMA), and within the limits

The covariance of wrist and turn is what the angles leave of the inverse of the normal matrix.

The spreads were measured with the first edition of the default network on the rendered clips of seeds 100–119 of
`evaluation.wrist_accuracy` (1,200 pictures).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minimal_hand_core.arrays import for_kernel
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_KEYPOINTS, WRIST
from minimal_hand_core.pose import ANATOMICAL_LIMITS, JointAxes, joint_angles
from minimal_hand_core.tracking.hand_fit_kernel import descend, weigh
from minimal_hand_core.tracking.view_kernel import box_of

ITERATIONS = 8
ANGLE_SIGMA = 0.3
"""Radians."""
LIMIT_SIGMA = 0.1
"""Radians: how soft the joint limits are."""
XYZ_SPREAD = np.array(
    [(0.5, 1.2), (0.5, 1.0), (0.6, 1.2), (0.8, 1.4), (1.0, 1.8)] + 4 * [(0.35, 0.5), (0.6, 0.9), (0.8, 1.2), (1.1, 1.7)]
)
"""(21, 2): standard deviation of xyz across the view and along it, in xyz_sigma. The middle MCP's is not used."""
_LIMITS, _NO_LIMITS = np.array(ANATOMICAL_LIMITS), np.tile(np.array([-np.inf, np.inf]), (20, 1))
_NO_DEPTH, _ENDLESS = np.zeros(NUM_KEYPOINTS), np.full(NUM_KEYPOINTS, np.inf)


class FitError(ValueError):
    """Keypoints that no hand before this camera explains."""


@dataclass(frozen=True, eq=False)
class HandFit:
    """A hand in one picture.

    Attributes:
        position: (3,) float64 wrist, metres, camera frame.
        rotation: (3, 3) float64, hand model's frame → camera's axes.
        angles: (20,) float64 radians, order of ANGLE_NAMES.
        points: (21, 3) float64 metres, camera axes, relative to the wrist.
        covariance: (6, 6) float64, x, y, z, turns about X, Y, Z of the camera (m², m·rad, rad²), of independent noise
            of the sizes above. Somewhat too small, as xyz counts twice, once through the angles to start from:
            standard deviations are 0.8 of what they should be; wrist.honest_covariance makes good for that.
    """

    position: np.ndarray
    rotation: np.ndarray
    angles: np.ndarray
    points: np.ndarray
    covariance: np.ndarray


def fit_hand(
    rays: np.ndarray,
    ray_sigma: np.ndarray,
    xyz: np.ndarray,
    confidence: np.ndarray,
    template: np.ndarray,
    axes: JointAxes,
    position: np.ndarray,
    rotations: np.ndarray,
    *,
    xyz_sigma: float = 0.1,
    limits: bool = True,
    depth: np.ndarray | None = None,
    depth_sigma: np.ndarray | None = None,
    iterations: int = ITERATIONS,
) -> HandFit:
    """The most probable hand, from a start.

    Args:
        rays: (21, 2) normalised image points; rows that are not finite are left out.
        ray_sigma: (21,) standard deviation of a normalised coordinate; see `ray_spread`.
        xyz: (21, 3) network units, camera axes.
        confidence: (21,) 0…1.
        template: (21, 3) metres, rest pose of the hand at its true size.
        axes: of the template.
        position, rotations: (3,) metres and (16, 3, 3) where to start: wrist, and the pose that xyz alone gives.
        xyz_sigma: of a coordinate of xyz, hand lengths.
        limits: keep to ANATOMICAL_LIMITS.
        depth, depth_sigma: (21,) measured z of the keypoints (not of the skin before them), metres, and its standard
            deviation, infinite where there is none; None for no depth at all.
        iterations: at most.

    Raises:
        FitError: the start, or the end, is not before the camera; or the keypoints fix no pose.
    """
    inputs = rays, ray_sigma, xyz, confidence
    clean_rays, seen, sigma = np.empty((NUM_KEYPOINTS, 2)), np.empty((NUM_KEYPOINTS, 3)), np.empty((NUM_KEYPOINTS, 3))
    clean_sigma, view = np.empty(NUM_KEYPOINTS), np.empty((3, 3))
    outputs = clean_rays, clean_sigma, seen, sigma, view
    if not weigh(*(for_kernel(np.asarray(part, np.float64)) for part in inputs), xyz_sigma, XYZ_SPREAD, *outputs):
        raise FitError('none of the keypoints has a ray; the picture lies outside what the lens model covers')
    wrist, rotation = np.array(position, np.float64), np.array(rotations[0], np.float64)
    angles = np.array(joint_angles(rotations, axes), np.float64)
    points, covariance = np.empty((NUM_KEYPOINTS, 3)), np.empty((6, 6))
    found = descend(
        wrist,
        rotation,
        angles,
        for_kernel(np.asarray(template, np.float64)),
        for_kernel(axes.flexion),
        for_kernel(axes.abduction),
        clean_rays,
        clean_sigma,
        seen,
        sigma,
        view,
        math.dist(template[MIDDLE_MCP], template[WRIST]),
        _NO_DEPTH if depth is None else np.array(depth, np.float64),
        _ENDLESS if depth_sigma is None else np.array(depth_sigma, np.float64),
        ANGLE_SIGMA,
        _LIMITS if limits else _NO_LIMITS,
        LIMIT_SIGMA,
        iterations,
        points,
        covariance,
    )
    if not found or not math.isfinite(wrist.sum() + covariance.sum()):
        raise FitError('no hand before this camera explains the keypoints')
    return HandFit(wrist, rotation, angles, points, (covariance + covariance.T) / 2)


def ray_spread(uv: np.ndarray, confidence: np.ndarray, focal: float, keypoint_sigma: float) -> np.ndarray:
    """(21,) standard deviation of each keypoint's normalised coordinates, as the module says.

    Args:
        uv: (21, 2) pixels.
        confidence: (21,) 0…1.
        focal: pixels.
        keypoint_sigma: share of the longer side of the hand's box.
    """
    left, top, right, bottom = box_of(for_kernel(uv))
    doubt = np.sqrt(np.minimum(np.maximum(1 - confidence, 0), 1))
    return np.asarray(keypoint_sigma * max(right - left, bottom - top) / focal * (0.5 + 4.25 * doubt))


def warm_up(template: np.ndarray, axes: JointAxes) -> None:
    """Load or compile the kernels, which must not happen at the first hand.

    Args:
        template, axes: as of fit_hand.
    """
    position, rest = np.array([0.0, 0.0, 0.5]), np.broadcast_to(np.eye(3), (16, 3, 3))
    points = template - template[WRIST] + position
    length = np.linalg.norm(template[MIDDLE_MCP] - template[WRIST])
    rays, xyz = points[:, :2] / points[:, 2:], (points - points[MIDDLE_MCP]) / length
    fit_hand(rays, np.full(NUM_KEYPOINTS, 0.01), xyz, np.ones(NUM_KEYPOINTS), template, axes, position, rest)
