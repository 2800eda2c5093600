"""Keypoints of one picture, a camera and perhaps depth → the hand in metres with its covariance; no memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from minimal_hand_core.pose import ANATOMICAL_LIMITS, rotations_from_angles, solve_pose
from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.config import PoseConfig
from minimal_hand_core.tracking.depth import DepthPicture, KeypointDepths, measure_keypoints, visible_skin
from minimal_hand_core.tracking.hand_fit import FitError, HandFit, fit_hand, ray_spread
from minimal_hand_core.tracking.kinematics import articulate
from minimal_hand_core.tracking.mirrored import mirror_camera, mirror_keypoints
from minimal_hand_core.tracking.sized_hand import SizedHand
from minimal_hand_core.tracking.state import Keypoints
from minimal_hand_core.tracking.view_kernel import apart
from minimal_hand_core.tracking.wrist import WristError, honest_covariance, place_hand

MIN_WEIGHT = 0.02
"""Weight of a keypoint of no confidence; keeps the least squares solvable when all are doubtful."""
LEAST_SEEN = 4
"""Keypoints of the posed hand that the camera must see."""
MAX_REPROJECTION = 0.25
"""RMS distance of the posed hand's keypoints from the seen ones, in boxes of the hand; beyond, it is not that hand."""
PASSES = 3
"""Skin and pose depend on each other: measure and pose in turn."""
LENGTH_SIGMA = 0.03
"""Relative standard deviation of the hand length that one picture with depth gives; that of the range without depth,
see docs/accuracy.md."""
SETTLED = 1e-3
"""Relative change of the hand length that is not worth another turn."""


def locate(
    keypoints: Keypoints,
    shape: HandShape,
    camera: CameraModel,
    hand: SizedHand,
    config: PoseConfig,
    depth: DepthPicture | None = None,
) -> HandFit:
    """The most probable hand in one picture.

    Args:
        keypoints: as the detector returns them.
        shape: betas and hand length.
        camera: intrinsics of the picture.
        hand: the model.
        config: of the PoseEstimator.
        depth: registered to the picture; fixes the range where it shows the hand.

    Returns:
        HandFit, its covariance that of wrist.honest_covariance.

    Raises:
        WristError, FitError: the keypoints cannot be a hand before this camera.
    """
    if config.mirrored:
        keypoints, camera = _flipped(keypoints, camera, depth)
        depth = None if depth is None else depth.mirrored()
    uv, confidence = keypoints.uv, keypoints.confidence
    if depth is not None and config.hand_length_sigma > 0:
        shape = _with_depth(keypoints, shape, camera, hand, replace(config, mirrored=False), depth)
    template, axes = hand.template(shape)
    middle = uv.mean(axis=0)
    rays = camera.normalize(middle + (uv - middle) / config.keypoint_scale)
    sigma = ray_spread(uv, confidence, camera.focal, config.keypoint_sigma)
    limits = {'limits': ANATOMICAL_LIMITS, 'axes': axes} if config.pose_limits else {}
    start = solve_pose(template, keypoints.xyz * shape.hand_length, **limits)
    points = articulate(template, start)
    position, _ = place_hand(rays, points, np.maximum(confidence, MIN_WEIGHT))
    # Judged before the fit, which would bend a hand to keypoints that are none.
    if apart(camera.project(points + position), uv, LEAST_SEEN) > MAX_REPROJECTION:
        raise WristError('the hand does not look like its keypoints, wherever it is put')

    def best(position: np.ndarray, known: KeypointDepths | None = None) -> HandFit:
        return fit_hand(
            rays,
            sigma,
            keypoints.xyz,
            confidence,
            template,
            axes,
            position,
            start,
            xyz_sigma=config.xyz_sigma,
            limits=config.pose_limits,
            depth=None if known is None else known.z,
            depth_sigma=None if known is None else known.sigma,
        )

    fit = best(position)
    known = None
    for _ in range(PASSES if depth is not None else 0):
        assert depth is not None
        seen = _measure(fit, shape, camera, hand, depth, keypoints.stamp)
        if seen is None:
            break
        known = seen
        fit = best(fit.position * (1 + known.shift / fit.position[2]), known)
    common = None if known is None else known.common_sigma
    return replace(fit, covariance=honest_covariance(fit.covariance, fit.position, config.hand_length_sigma, common))


def _flipped(keypoints: Keypoints, camera: CameraModel, depth: DepthPicture | None) -> tuple[Keypoints, CameraModel]:
    """Keypoints and camera of a mirrored picture as if nothing had been flipped."""
    # Any width would do, as long as depth is flipped about the same middle; the camera's may be 0, not known.
    width = camera.width if depth is None else depth.metres.shape[1]
    return mirror_keypoints(keypoints, width), mirror_camera(camera, width)


def _with_depth(
    keypoints: Keypoints,
    shape: HandShape,
    camera: CameraModel,
    hand: SizedHand,
    config: PoseConfig,
    depth: DepthPicture,
) -> HandShape:
    """The shape with the most probable hand length, between the given one and what this picture and depth say.

    A wrong length would not move a hand whose depth is measured, but tilt it: it must look as large as it does.
    """
    measured = measure_length(keypoints, shape, camera, hand, config, depth, passes=1)
    if measured is None:
        return shape
    share = config.hand_length_sigma**2 / (config.hand_length_sigma**2 + LENGTH_SIGMA**2)
    return replace(shape, hand_length=shape.hand_length ** (1 - share) * measured**share)


def measure_length(
    keypoints: Keypoints,
    shape: HandShape,
    camera: CameraModel,
    hand: SizedHand,
    config: PoseConfig,
    depth: DepthPicture,
    passes: int = PASSES,
) -> float | None:
    """The hand length at which the hand of the picture lies where the depth picture sees it.

    The picture alone fixes range over length; depth fixes the range.

    Args: as of locate; the length of `shape` is only where to start, and one pass comes near.

    Returns:
        metres, or None when it cannot be measured in this picture.
    """
    length = shape.hand_length
    if config.mirrored:
        keypoints, camera = _flipped(keypoints, camera, depth)
        depth, config = depth.mirrored(), replace(config, mirrored=False)
    for _ in range(passes):
        sized = replace(shape, hand_length=length)
        try:
            fit = locate(keypoints, sized, camera, hand, config)
        except (WristError, FitError):
            return None
        seen = _measure(fit, sized, camera, hand, depth, keypoints.stamp)
        if seen is None:
            return None
        change = 1 + seen.shift / float(np.median(fit.points[:, 2] + fit.position[2]))
        length *= change
        if abs(change - 1) < SETTLED:
            break
    return length


def _measure(
    fit: HandFit, shape: HandShape, camera: CameraModel, hand: SizedHand, depth: DepthPicture, stamp: float
) -> KeypointDepths | None:
    """What the depth picture says of the keypoints of a posed hand."""
    _, axes = hand.template(shape)
    rotations = rotations_from_angles(fit.angles, axes, fit.rotation)
    vertices = hand.vertices(rotations, shape.betas, shape.hand_length) + fit.position
    skin = visible_skin(vertices, hand.faces)
    return measure_keypoints(depth, camera, fit.points + fit.position, skin, stamp)
