"""Keypoints + shape + camera → an articulated hand in metres, steady, with its uncertainty; and when a hand is lost.

Order of work: filter xyz → pose by inverse kinematics → articulated keypoints in metres → wrist by least squares on
the picture → filter the wrist's position. What is filtered are points, never rotations: the pose solver turns filtered
points into proper rotations, so nothing has to be averaged on SO(3), and bones keep their lengths whatever the filter
does.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from minimal_hand_core.hand import HandModel, load_hand_model
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, PALM_KEYPOINTS, WRIST
from minimal_hand_core.pose import JointAxes, PoseSolver, joint_angles
from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.config import PoseConfig
from minimal_hand_core.tracking.filters import OneEuro
from minimal_hand_core.tracking.kinematics import articulate
from minimal_hand_core.tracking.state import UNKNOWN_VARIANCE, HandState, Keypoints
from minimal_hand_core.tracking.wrist import WristError, locate_hand, pose_covariance, rotation_covariance

MIN_WEIGHT = 0.02
"""Weight of a keypoint of no confidence; keeps the least squares solvable when all are doubtful."""
MAX_REPROJECTION = 0.25
"""RMS distance of the posed hand's keypoints from the seen ones, in boxes of the hand; beyond, it is not that hand."""

PALM_TOGETHER = len(PALM_KEYPOINTS) ** 0.5
"""A network errs in the depth of the whole palm rather than of one knuckle: the five count as one."""
MIN_LENGTH = 0.1
"""Smallest |wrist − middle MCP| of xyz; it should be 1, and a palm of no length has no pose."""


class PoseEstimator:
    """Poses the hand model to the keypoints, picture after picture.

    Args:
        config: settings.
        model: the hand; loaded from the settings when None. Its side must be that of the settings.

    Raises:
        ValueError: the model is of the other side.
        IKNetError: the method is 'iknet' and its weights cannot be read.
    """

    def __init__(self, config: PoseConfig | None = None, model: HandModel | None = None) -> None:
        self.config = config or PoseConfig()
        self.model = load_hand_model(self.config.model, side=self.config.side) if model is None else model
        if self.model.side != self.config.side:
            raise ValueError(f'hand model is {self.model.side}, side is {self.config.side}; give a model of that side')
        self._offset, self._directions = (part.numpy().astype(np.float64) for part in self.model.rest_keypoint_basis())
        self.model_hand_length = _length(self._rest(np.zeros(10)))
        settings = self.config
        self._wrist_filter = OneEuro(settings.wrist_min_cutoff, settings.wrist_beta, settings.derivative_cutoff)
        self._pose_filter = OneEuro(settings.pose_min_cutoff, settings.pose_beta, settings.derivative_cutoff)
        self._template_of: HandShape | None = None
        self._solve = PoseSolver(
            settings.pose_method,
            side=settings.side,
            limits=settings.pose_limits,
            weights=settings.pose_weights,
        )
        # The first solution of a process loads or compiles its kernel, which must not happen at the first hand.
        rest = self._scaled_template(self.default_shape)
        self._solve(rest, rest, self._axes)
        self.reset()

    def reset(self) -> None:
        """Forget the hand: filters start afresh, and there is no hand until the next update."""
        self._reset_filters()
        self._last_stamp: float | None = None
        self._now: float | None = None

    @property
    def default_shape(self) -> HandShape:
        """The mean shape with the configured hand length; until something better is known."""
        return HandShape(np.zeros(10), self.config.hand_length or self.model_hand_length)

    @property
    def lost(self) -> bool:
        """No hand for longer than `lost_timeout`, or never yet; judged at the last update or miss."""
        if self._last_stamp is None or self._now is None:
            return True
        return self._now - self._last_stamp > self.config.lost_timeout

    def miss(self, stamp: float) -> None:
        """A picture without a hand. Filters forget once the hand is lost, so that it comes back without a jump.

        Args:
            stamp: of the picture, seconds. When it lies before the last hand's, time jumped back: all is forgotten.
        """
        if self._last_stamp is not None and stamp < self._last_stamp:
            self.reset()
        self._now = stamp
        if self.lost:
            self._reset_filters()

    def update(self, keypoints: Keypoints, shape: HandShape, camera: CameraModel | None = None) -> HandState | None:
        """Pose of the hand in one picture.

        Args:
            keypoints: as the detector returns them.
            shape: betas and hand length.
            camera: intrinsics of the picture; None gives a hand relative to its wrist (`metric` False).

        Returns:
            HandState, or None when the keypoints cannot be a hand before this camera (counts as a miss).

        Raises:
            ValueError: keypoints of the other side.
        """
        if keypoints.side != self.config.side:
            raise ValueError(f'keypoints are of a {keypoints.side} hand, side is {self.config.side}')
        start = time.perf_counter()
        stamp = keypoints.stamp
        self._forget_if_stale(stamp)
        template = self._scaled_template(shape)
        xyz = keypoints.xyz
        if not (np.isfinite(xyz).all() and np.isfinite(keypoints.uv).all() and _length(xyz) > MIN_LENGTH):
            self.miss(stamp)
            return None
        if self.config.smoothing:
            xyz = self._pose_filter(xyz, stamp)
        rotations = np.asarray(self._solve(template, xyz * shape.hand_length, self._axes), np.float64)
        points = articulate(template, rotations)
        palm_sigma = PALM_TOGETHER * self.config.xyz_sigma * shape.hand_length
        turn = rotation_covariance(points[list(PALM_KEYPOINTS)], palm_sigma)
        position, place = np.zeros(3), UNKNOWN_VARIANCE * np.eye(3)
        if camera is not None:
            try:
                position, place = self._locate(keypoints, points, camera)
            except WristError:
                self.miss(stamp)
                return None
            if self.config.smoothing:
                position = self._wrist_filter(position, stamp)
        self._last_stamp = self._now = stamp
        return HandState(
            side=keypoints.side,
            stamp=stamp,
            score=keypoints.score,
            uv=keypoints.uv,
            confidence=keypoints.confidence,
            keypoints_m=points + position,
            betas=np.array(shape.betas, np.float64),
            hand_length=shape.hand_length,
            rotations=rotations,
            angles=np.asarray(joint_angles(rotations, self._axes), np.float64),
            wrist_position=position,
            wrist_covariance=pose_covariance(place, turn),
            metric=camera is not None,
            timings={'pose': time.perf_counter() - start},
        )

    def mesh(self, state: HandState) -> np.ndarray:
        """(V, 3) float64 vertices of the hand in metres, in the frame of `state.keypoints_m`; faces: `model.faces`."""
        dtype = self.model.dtype
        with torch.inference_mode():
            rotations = torch.as_tensor(state.rotations[None], dtype=dtype)
            output = self.model(rotations, torch.as_tensor(state.betas[None], dtype=dtype))
        vertices = output.vertices[0].numpy().astype(np.float64)
        wrist = output.joints[0, 0].numpy().astype(np.float64)
        scale = state.hand_length / _length(self._rest(state.betas))
        return (vertices - wrist) * scale + state.wrist_position

    def _locate(self, keypoints: Keypoints, points: np.ndarray, camera: CameraModel) -> tuple[np.ndarray, np.ndarray]:
        """Wrist position and its covariance.

        Three errors add up: of the keypoints in the picture (the configured noise, or what is left over if that is
        more); of xyz, which displaces the wrist within the hand and makes the hand look larger or smaller than it
        should, by about the same share; and of the hand length, which scales everything.
        """
        weights = np.maximum(keypoints.confidence, MIN_WEIGHT)
        position, unit = locate_hand(camera.normalize(keypoints.uv), points, weights, sigma=1.0)
        left_over = camera.project(points + position) - keypoints.uv
        good = np.isfinite(left_over).all(axis=1)
        box = float(np.ptp(keypoints.uv, axis=0).max())
        if good.sum() < 4 or (left_over[good] ** 2).sum(axis=1).mean() ** 0.5 > MAX_REPROJECTION * box:
            raise WristError('the hand does not look like its keypoints, wherever it is put')
        variance = float((weights[good, None] * left_over[good] ** 2).sum() / max(2 * int(good.sum()) - 3, 1))
        pixels = max(self.config.keypoint_sigma * box, variance**0.5)
        shape_sigma = self.config.xyz_sigma * float(np.linalg.norm(points[MIDDLE_MCP]))
        size = (self.config.hand_length_sigma**2 + self.config.xyz_sigma**2) * np.outer(position, position)
        return position, unit * (pixels / camera.focal) ** 2 + shape_sigma**2 * np.eye(3) + size

    def _scaled_template(self, shape: HandShape) -> np.ndarray:
        """(21, 3) metres, rest pose with the wanted hand length; kept until betas or length change."""
        known = self._template_of
        same = known is not None and known.hand_length == shape.hand_length and np.array_equal(known.betas, shape.betas)
        if not same:
            rest = self._rest(shape.betas)
            self._template = rest * (shape.hand_length / _length(rest))
            self._axes = JointAxes.from_keypoints(rest, self.config.side)
            self._template_of = HandShape(np.array(shape.betas), shape.hand_length)
        return self._template

    def _rest(self, betas: np.ndarray) -> np.ndarray:
        """(21, 3) float64 rest keypoints of the hand model, its own size."""
        return self._offset + self._directions @ np.asarray(betas, np.float64)

    def _forget_if_stale(self, stamp: float) -> None:
        if self._last_stamp is not None and not 0 <= stamp - self._last_stamp <= self.config.lost_timeout:
            self._reset_filters()

    def _reset_filters(self) -> None:
        self._wrist_filter.reset()
        self._pose_filter.reset()


def _length(keypoints: np.ndarray) -> float:
    return float(np.linalg.norm(keypoints[MIDDLE_MCP] - keypoints[WRIST]))
