"""What a view needs to know of one hand: the newest messages about it, and how often they come."""

from __future__ import annotations

import time

import numpy as np
from rclpy.subscription import Subscription

from minimal_hand_core.tracking import CameraModel, HandState
from minimal_hand_core.viewing import HandStatus
from minimal_hand_ros import qos
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.messages import camera_from_keypoints, keypoints_from_message, state_from_message
from minimal_hand_ros.msg import HandKeypoints, HandPose, HandShape
from minimal_hand_ros.names import HandNames
from minimal_hand_ros.stamps import age
from minimal_hand_ros.work_statistics import Statistics


class ViewedHand:
    """Keeps the newest HandPose, HandKeypoints and HandShape of one hand; nothing is read before it is asked for.

    Args:
        node: the node that subscribes.
        side: 'right' or 'left'.
        names: of the topics.
    """

    def __init__(self, node: ManagedNode, side: str, names: HandNames) -> None:
        self._node, self._side, self._names = node, side, names
        self._subscriptions: list[Subscription] = []
        self._arrival = 0.0
        self.stop()

    def start(self) -> None:
        """Listen."""
        listen, topics = self._node.active.subscription, self._names.topics
        self._subscriptions = [
            listen(HandPose, f'{topics}pose', self._take_pose, qos.NEWEST),
            listen(HandKeypoints, f'{topics}keypoints', self._take_keypoints, qos.NEWEST),
            listen(HandShape, f'{topics}shape', self._take_shape, qos.LATCHED),
        ]

    def stop(self) -> None:
        """Listen no more, and forget."""
        for subscription in self._subscriptions:
            self._node.active.drop(subscription)
        self._subscriptions.clear()
        self._statistics = Statistics()
        self._pose: HandPose | None = None
        self._keypoints: HandKeypoints | None = None
        self._shape: HandShape | None = None

    def hand(self, timeout: float) -> HandState | None:
        """The hand; None where there is none, or no word of it for `timeout` seconds.

        Raises:
            ValueError: a message with values that no hand has.
        """
        pose = self._pose
        if pose is None or not pose.valid or time.monotonic() - self._arrival > timeout:
            return None
        state = state_from_message(pose)
        for name, values in (
            ('keypoints', state.keypoints_m),
            ('rotations', state.rotations),
            ('betas', state.betas),
            ('hand_length', state.hand_length),
        ):
            if not np.isfinite(values).all():
                raise ValueError(f'{name} of HandPose: not finite numbers')
        return state

    def confidence(self) -> np.ndarray | None:
        """(21,) of the newest keypoints; None where they say that there is no hand."""
        found = None if self._keypoints is None else keypoints_from_message(self._keypoints)
        return getattr(found, 'confidence', None)

    def camera(self) -> CameraModel | None:
        """Intrinsics that came with the newest keypoints; None for unknown, and where the pictures' size is.

        Raises:
            CameraError: values that no camera has.
        """
        message = self._keypoints
        if message is None or not (message.width and message.height):
            return None
        return camera_from_keypoints(message)

    def forget(self) -> None:
        """Put away messages that cannot be used."""
        self._pose = self._keypoints = None

    def status(self, state: HandState | None) -> HandStatus:
        """The figures; `state` is what `hand` gave."""
        summary = self._statistics.summary({})
        score = self._keypoints.score if self._keypoints is not None else None
        return HandStatus(
            side=self._side,
            found=state is not None,
            score=state.score if state is not None else score,
            metric=state is None or state.metric,
            distance=None if state is None else float(np.linalg.norm(state.wrist_position)),
            hand_length=None if self._shape is None else self._shape.hand_length,
            calibrated=self._shape is not None and self._shape.calibrated,
            rate=summary.rate if state is not None else 0.0,
            age=summary.age[0] if summary.age is not None else None,
            stages={name: pair[0] for name, pair in summary.latency.items()},
        )

    def _take_pose(self, message: HandPose) -> None:
        if message.side != self._side:
            return
        self._pose, self._arrival = message, time.monotonic()
        if message.valid:
            self._statistics.arrived()
            stages = dict(zip(message.stage_names, message.stage_latency, strict=False))
            self._statistics.answered(stages, age(self._node, message.header.stamp))

    def _take_keypoints(self, message: HandKeypoints) -> None:
        if message.side == self._side:
            self._keypoints = message

    def _take_shape(self, message: HandShape) -> None:
        if message.side == self._side:
            self._shape = message
