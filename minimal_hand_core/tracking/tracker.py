"""Picture in, hand out: the three stages of the tracker in a row, for one hand or for both.

    detector → ShapeEstimator → PoseEstimator

The stages stand on their own as well; separate nodes run them one by one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from minimal_hand_core.hand import HandModel
from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.inference import Engine
from minimal_hand_core.shape import ShapeEstimator
from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.config import HandTrackerConfig, check_changes
from minimal_hand_core.tracking.crop import Crop
from minimal_hand_core.tracking.depth import DepthPicture
from minimal_hand_core.tracking.hands_detector import HandsDetector
from minimal_hand_core.tracking.keypoints import KeypointDetector
from minimal_hand_core.tracking.picture import as_bgr
from minimal_hand_core.tracking.pose_estimator import PoseEstimator
from minimal_hand_core.tracking.state import HandState, Keypoints, NoHand

FIXED = ('hand_length', 'shape_method', 'shape_weights')
"""Settings that need a new tracker, besides those of its stages."""


class HandSolver:
    """Keypoints → hand: the stages of one side behind the detector.

    Args:
        config: settings, of the side it is for.
        model: the hand; loaded from the settings when None.

    Attributes:
        timings: seconds of the last picture on 'shape' and 'pose', 0 where there was no hand.
    """

    def __init__(self, config: HandTrackerConfig, model: HandModel | None = None) -> None:
        self.pose = PoseEstimator(config, model)
        self.shape = ShapeEstimator(
            self.pose.model,
            hand_length=config.hand_length or None,
            method=config.shape_method,
            weights=config.shape_weights,
        )
        self.timings = {'shape': 0.0, 'pose': 0.0}

    def reset(self) -> None:
        """Forget the hand, its shape and the filters."""
        self.shape.reset()
        self.pose.reset()

    def solve(
        self, found: Keypoints | NoHand, camera: CameraModel | None, depth: DepthPicture | None = None
    ) -> HandState | None:
        """The hand of one picture, or None when there is none; counts as a miss then."""
        self.timings = {'shape': 0.0, 'pose': 0.0}
        if isinstance(found, NoHand):
            self.pose.miss(found.stamp)
            return None
        before = time.perf_counter()
        shape = self.shape.update(found.xyz, found.confidence)
        after = time.perf_counter()
        state = self.pose.update(found, shape, camera, depth)
        self.timings = {'shape': after - before, 'pose': time.perf_counter() - after}
        return state


class HandTracker:
    """Tracks one hand through a stream of pictures.

    Example:
        tracker = HandTracker(HandTrackerConfig(side='right', hand_length=0.092))
        camera = CameraModel(640, 480, k, d)
        state = tracker.track(image, stamp, camera)
        if state is not None:
            print(state.wrist_position, tracker.mesh(state).shape)

    Args:
        config: settings.
        engine: runs the network; created from the settings when None.
        model: the hand; loaded from the settings when None.

    Attributes:
        score: of the last picture, hand or none, 0…1.
        timings: seconds of the last picture: 'crop', 'network', 'decode', 'shape', 'pose', 'total'. The same six every
            time, 0 for a stage that was not reached.
    """

    def __init__(
        self, config: HandTrackerConfig | None = None, engine: Engine | None = None, model: HandModel | None = None
    ) -> None:
        self.config = config or HandTrackerConfig()
        self.detector = KeypointDetector(self.config, engine)
        self._solver = HandSolver(self.config, model)
        self.pose, self.shape = self._solver.pose, self._solver.shape
        self.score = 0.0
        self.timings: dict[str, float] = {}

    @property
    def lost(self) -> bool:
        """No hand for longer than `lost_timeout`, or never yet."""
        return self.pose.lost

    def reset(self) -> None:
        """Forget the hand, its shape and all filters."""
        self.detector.reset()
        self._solver.reset()
        self.score = 0.0

    def reconfigure(self, config: HandTrackerConfig) -> None:
        """Go on with other settings and the same hand; nothing changes when they are refused.

        Raises:
            ValueError: one of the settings that need a new tracker, named (side, weights, model, …).
        """
        _reconfigure(self.config, config, self.detector, {self.config.side: self._solver})
        self.config = config

    def suggest(self, crop: Crop) -> None:
        """Look here in the next picture; see HandsDetector.suggest."""
        self.detector.suggest(crop)

    def track(
        self,
        image: np.ndarray,
        stamp: float,
        camera: CameraModel | None = None,
        depth: DepthPicture | None = None,
    ) -> HandState | None:
        """The hand in the next picture.

        Args:
            image: (H, W, 3) BGR or (H, W) grey, uint8.
            stamp: of the picture, seconds. A picture with the stamp of the one before is posed by itself, not steadied.
            camera: intrinsics of the picture; without them the hand is relative to its wrist.
            depth: registered to the picture; fixes the range where it shows the hand.

        Returns:
            HandState, or None when there is no hand in the picture.

        Raises:
            PictureError: not a picture.
            CameraError: intrinsics of another picture size.
            DepthError: depth of another picture size.
        """
        start = time.perf_counter()
        picture = _checked(image, camera, depth)
        found = self.detector.detect(picture, stamp, camera)
        self.score = found.score
        state = self._solver.solve(found, camera, depth)
        self.timings = {**self.detector.timings, **self._solver.timings, 'total': time.perf_counter() - start}
        return None if state is None else replace(state, timings=dict(self.timings))

    def mesh(self, state: HandState) -> np.ndarray:
        """(V, 3) float64 vertices in metres, frame of `state.keypoints_m`; the faces are `tracker.pose.model.faces`."""
        return self.pose.mesh(state)


class BothHandsTracker:
    """Tracks a right and a left hand through a stream of pictures, with one network.

    Each hand has a shape, filters and a life of its own: one may be lost while the other is followed. The cost of a
    picture is bounded, see hands_detector.

    Args:
        config: settings of both; its side is not used.
        engine: runs the network; created from the settings when None.
        models: side → the hand; loaded from the settings when None.

    Attributes:
        scores: side → score of the last picture, hand or none, 0…1.
        timings: seconds of the last picture: 'crop', 'network', 'decode', 'shape', 'pose', 'total', of both hands.
    """

    def __init__(
        self,
        config: HandTrackerConfig | None = None,
        engine: Engine | None = None,
        models: Mapping[str, HandModel] | None = None,
    ) -> None:
        self.config = config or HandTrackerConfig()
        self.detector = HandsDetector(self.config, engine, SIDES)
        self.solvers = {
            side: HandSolver(replace(self.config, side=side), None if models is None else models[side])
            for side in SIDES
        }
        self.scores = dict.fromkeys(SIDES, 0.0)
        self.timings: dict[str, float] = {}

    @property
    def lost(self) -> dict[str, bool]:
        """Side → no hand for longer than `lost_timeout`, or never yet."""
        return {side: solver.pose.lost for side, solver in self.solvers.items()}

    def reset(self) -> None:
        """Forget both hands, their shapes and all filters."""
        self.detector.reset()
        for solver in self.solvers.values():
            solver.reset()
        self.scores = dict.fromkeys(SIDES, 0.0)

    def reconfigure(self, config: HandTrackerConfig) -> None:
        """Go on with other settings and the same hands; nothing changes when they are refused.

        Raises:
            ValueError: one of the settings that need a new tracker, named (weights, model, …).
        """
        _reconfigure(self.config, config, self.detector, self.solvers)
        self.config = config

    def suggest(self, crop: Crop) -> None:
        """Look here in the next picture; see HandsDetector.suggest."""
        self.detector.suggest(crop)

    def track(
        self,
        image: np.ndarray,
        stamp: float,
        camera: CameraModel | None = None,
        depth: DepthPicture | None = None,
    ) -> dict[str, HandState | None]:
        """The hands in the next picture.

        Args:
            image: (H, W, 3) BGR or (H, W) grey, uint8.
            stamp: of the picture, seconds. A picture with the stamp of the one before is posed by itself, not steadied.
            camera: intrinsics of the picture; without them each hand is relative to its wrist.
            depth: registered to the picture; fixes the range where it shows a hand.

        Returns:
            'right' and 'left' → HandState, or None when that hand is not in the picture.

        Raises:
            PictureError: not a picture.
            CameraError: intrinsics of another picture size.
            DepthError: depth of another picture size.
        """
        start = time.perf_counter()
        picture = _checked(image, camera, depth)
        found = self.detector.detect(picture, stamp, camera)
        self.scores = {side: found[side].score for side in SIDES}
        states = {side: self.solvers[side].solve(found[side], camera, depth) for side in SIDES}
        stages = {stage: sum(solver.timings[stage] for solver in self.solvers.values()) for stage in ('shape', 'pose')}
        self.timings = {**self.detector.timings, **stages, 'total': time.perf_counter() - start}
        return {
            side: None if state is None else replace(state, timings=dict(self.timings))
            for side, state in states.items()
        }

    def mesh(self, state: HandState) -> np.ndarray:
        """(V, 3) float64 vertices in metres, frame of `state.keypoints_m`; faces: `solvers[side].pose.model.faces`."""
        return self.solvers[state.side].pose.mesh(state)


def _checked(image: np.ndarray, camera: CameraModel | None, depth: DepthPicture | None) -> np.ndarray:
    """The picture as (H, W, 3) BGR, once intrinsics and depth are known to be of its size."""
    picture = as_bgr(image)
    for belonging in (camera, depth):
        if belonging is not None:
            belonging.check_size(picture.shape[1], picture.shape[0])
    return picture


def _reconfigure(
    now: HandTrackerConfig,
    wanted: HandTrackerConfig,
    detector: KeypointDetector | HandsDetector,
    solvers: Mapping[str, HandSolver],
) -> None:
    check_changes(now, wanted, (*FIXED, *PoseEstimator.FIXED, *HandsDetector.FIXED))
    detector.reconfigure(wanted)
    for side, solver in solvers.items():
        solver.pose.reconfigure(replace(wanted, side=side))
