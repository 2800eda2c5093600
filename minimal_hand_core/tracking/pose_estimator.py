"""Keypoints + shape + camera → an articulated hand in metres, steady, with its uncertainty; and when a hand is lost.

Order of work, with a camera: filter xyz → the hand that explains picture and xyz best (hand_fit.py) → filter its
keypoints and its wrist → pose by inverse kinematics. Without one: filter xyz → pose by inverse kinematics. What is
filtered are points, never rotations: the pose solver turns filtered points into proper rotations, so nothing has to be
averaged on SO(3), and bones keep their lengths whatever the filter does.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from minimal_hand_core.hand import HandModel, load_hand_model
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, PALM_KEYPOINTS
from minimal_hand_core.pose import PoseSolver, joint_angles
from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.config import PoseConfig, check_changes
from minimal_hand_core.tracking.depth import DepthPicture
from minimal_hand_core.tracking.hand_fit import FitError, warm_up
from minimal_hand_core.tracking.kinematics import articulate
from minimal_hand_core.tracking.locate import locate, measure_length
from minimal_hand_core.tracking.sized_hand import SizedHand, palm_length
from minimal_hand_core.tracking.state import UNKNOWN_VARIANCE, HandState, Keypoints
from minimal_hand_core.tracking.steady import Steady
from minimal_hand_core.tracking.wrist import WristError, pose_covariance, rotation_covariance

PALM_TOGETHER = len(PALM_KEYPOINTS) ** 0.5
"""A network errs in the depth of the whole palm rather than of one knuckle: the five count as one."""
MIN_LENGTH = 0.1
"""Smallest |wrist − middle MCP| of xyz; it should be 1, and a palm of no length has no pose."""
MAX_REACH = 10.0
"""Largest coordinate of xyz; a hand reaches about 2 from its middle MCP. What is larger must not get into a filter."""


class PoseEstimator:
    """Poses the hand model to the keypoints, picture after picture.

    Args:
        config: settings.
        model: the hand; loaded from the settings when None. Its side must be that of the settings.

    Raises:
        ValueError: the model is of the other side.
        IKNetError: the method is 'iknet' and its weights cannot be read.
    """

    FIXED = ('side', 'model', 'pose_method', 'pose_weights')
    """Settings that need a new PoseEstimator."""

    def __init__(self, config: PoseConfig | None = None, model: HandModel | None = None) -> None:
        self.config = config or PoseConfig()
        self.model = load_hand_model(self.config.model, side=self.config.side) if model is None else model
        if self.model.side != self.config.side:
            raise ValueError(f'hand model is {self.model.side}, side is {self.config.side}; give a model of that side')
        self._hand = SizedHand(self.model)
        self.model_hand_length = self._hand.model_hand_length
        self._steady = Steady(self.config)
        self._solve = _solver(self.config)
        # The first solution of a process loads or compiles its kernel, which must not happen at the first hand.
        rest, axes = self._hand.template(self.default_shape)
        self._solve(rest, rest, axes)
        warm_up(rest, axes)
        self.reset()

    def reset(self) -> None:
        """Forget the hand: filters start afresh, and there is no hand until the next update."""
        self._steady.reset()
        self._last_stamp: float | None = None
        self._now: float | None = None
        self._metric = False

    def reconfigure(self, config: PoseConfig) -> None:
        """Go on with other settings, the same hand and the filters where they are.

        Another kind of filter starts afresh at the next hand. Nothing changes when the settings are refused.

        Raises:
            ValueError: another side, model, pose_method or pose_weights, which need a new PoseEstimator.
        """
        check_changes(self.config, config, self.FIXED)
        # Not a new one, which would read its weights again from a file that may be gone.
        self._solve.limits = config.pose_limits
        self._steady.reconfigure(config)
        self.config = config

    @property
    def default_shape(self) -> HandShape:
        """The mean shape with the configured hand length; until something better is known."""
        return HandShape(np.zeros(10), self.config.hand_length or self.model_hand_length)

    @property
    def started(self) -> bool:
        """Whether any picture has come yet."""
        return self._now is not None

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
            self._steady.reset()

    def update(
        self,
        keypoints: Keypoints,
        shape: HandShape,
        camera: CameraModel | None = None,
        depth: DepthPicture | None = None,
    ) -> HandState | None:
        """Pose of the hand in one picture.

        Args:
            keypoints: as the detector returns them.
            shape: betas and hand length.
            camera: intrinsics of the picture; None gives a hand relative to its wrist (`metric` False).
            depth: registered to the picture; fixes the range where it shows the hand. Not used without a camera.

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
        template, axes = self._hand.template(shape)
        xyz = keypoints.xyz
        # also false for NaN
        hand_like = np.abs(xyz).max() < MAX_REACH and palm_length(xyz) > MIN_LENGTH
        if not (hand_like and np.isfinite(keypoints.uv).all()):
            self.miss(stamp)
            return None
        if self._metric != (camera is not None):
            # with a camera now and none before, or the other way round: the hand went on where not all filters saw it
            self._steady.reset()
            self._metric = camera is not None
        xyz = self._steady.xyz(xyz, stamp)
        position, covariance = np.zeros(3), None
        if camera is not None:
            try:
                fit = locate(replace(keypoints, xyz=xyz), shape, camera, self._hand, self.config, depth)
            except (WristError, FitError):
                self.miss(stamp)
                return None
            # In hand lengths of the fit: with depth it may have found another length than that of the shape.
            xyz = self._steady.points((fit.points - fit.points[MIDDLE_MCP]) / palm_length(fit.points), stamp)
            position, covariance = self._steady.wrist(fit.position, stamp), fit.covariance
        rotations = np.asarray(self._solve(template, xyz * shape.hand_length, axes), np.float64)
        points = articulate(template, rotations)
        if covariance is None:
            palm_sigma = PALM_TOGETHER * self.config.xyz_sigma * shape.hand_length
            turn = rotation_covariance(points[list(PALM_KEYPOINTS)], palm_sigma)
            covariance = pose_covariance(UNKNOWN_VARIANCE * np.eye(3), turn)
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
            angles=np.asarray(joint_angles(rotations, axes), np.float64),
            wrist_position=position,
            wrist_covariance=covariance,
            metric=camera is not None,
            timings={'pose': time.perf_counter() - start},
        )

    def mesh(self, state: HandState) -> np.ndarray:
        """(V, 3) float64 vertices of the hand in metres, in the frame of `state.keypoints_m`; faces: `model.faces`."""
        return self._hand.vertices(state.rotations, state.betas, state.hand_length) + state.wrist_position

    def measure_length(
        self, keypoints: Keypoints, shape: HandShape, camera: CameraModel, depth: DepthPicture
    ) -> float | None:
        """The hand length, metres, at which this hand lies where the depth picture sees it; None when it is not seen.

        Args: as of update; the length of `shape` is only where to start. The estimator's state is not touched.
        """
        return measure_length(keypoints, shape, camera, self._hand, self.config, depth)

    def _forget_if_stale(self, stamp: float) -> None:
        # Of two hands at one time the filters would give the first: pictures without times would show it for ever.
        if self._last_stamp is not None and not 0 < stamp - self._last_stamp <= self.config.lost_timeout:
            self._steady.reset()


def _solver(config: PoseConfig) -> PoseSolver:
    return PoseSolver(config.pose_method, side=config.side, limits=config.pose_limits, weights=config.pose_weights)
