"""Picture in, hand out: the three stages of the tracker in a row.

    KeypointDetector → ShapeEstimator → PoseEstimator

The stages stand on their own as well; separate nodes run them one by one.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from minimal_hand_core.hand import HandModel
from minimal_hand_core.inference import Engine
from minimal_hand_core.shape import ShapeEstimator
from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.config import HandTrackerConfig
from minimal_hand_core.tracking.keypoints import KeypointDetector
from minimal_hand_core.tracking.picture import as_bgr
from minimal_hand_core.tracking.pose_estimator import PoseEstimator
from minimal_hand_core.tracking.state import HandState, NoHand


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
        self.pose = PoseEstimator(self.config, model)
        self.shape = ShapeEstimator(
            self.pose.model,
            hand_length=self.config.hand_length or None,
            method=self.config.shape_method,
            weights=self.config.shape_weights,
        )
        self.score = 0.0
        self.timings: dict[str, float] = {}

    @property
    def lost(self) -> bool:
        """No hand for longer than `lost_timeout`, or never yet."""
        return self.pose.lost

    def reset(self) -> None:
        """Forget the hand, its shape and all filters."""
        self.detector.reset()
        self.shape.reset()
        self.pose.reset()
        self.score = 0.0

    def track(self, image: np.ndarray, stamp: float, camera: CameraModel | None = None) -> HandState | None:
        """The hand in the next picture.

        Args:
            image: (H, W, 3) BGR or (H, W) grey, uint8.
            stamp: of the picture, seconds.
            camera: intrinsics of the picture; without them the hand is relative to its wrist.

        Returns:
            HandState, or None when there is no hand in the picture.

        Raises:
            PictureError: not a picture.
            CameraError: intrinsics of another picture size.
        """
        start = time.perf_counter()
        picture = as_bgr(image)
        if camera is not None:
            camera.check_size(picture.shape[1], picture.shape[0])
        found = self.detector.detect(picture, stamp, camera)
        self.score = found.score
        self.timings = {**self.detector.timings, 'shape': 0.0, 'pose': 0.0}
        state = None
        if isinstance(found, NoHand):
            self.pose.miss(stamp)
        else:
            before = time.perf_counter()
            shape = self.shape.update(found.xyz, found.confidence)
            after = time.perf_counter()
            state = self.pose.update(found, shape, camera)
            self.timings['shape'] = after - before
            self.timings['pose'] = time.perf_counter() - after
        self.timings['total'] = time.perf_counter() - start
        return None if state is None else replace(state, timings=dict(self.timings))

    def mesh(self, state: HandState) -> np.ndarray:
        """(V, 3) float64 vertices in metres, frame of `state.keypoints_m`; the faces are `tracker.pose.model.faces`."""
        return self.pose.mesh(state)
