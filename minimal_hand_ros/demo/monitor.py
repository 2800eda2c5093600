"""A node that listens to everything the tracker publishes and keeps it, picture by picture."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from minimal_hand_core.tracking import Keypoints
from minimal_hand_ros import qos
from minimal_hand_ros.demo.records import Record
from minimal_hand_ros.messages import (
    camera_from_keypoints,
    keypoints_array,
    keypoints_from_message,
    state_from_message,
)
from minimal_hand_ros.msg import HandKeypoints, HandPose, HandShape
from minimal_hand_ros.stamps import to_nanoseconds

KEPT_PICTURES = 1800
"""Pictures kept for the clip; a minute at 30 Hz."""
_MAX_DISORDER = 2_000_000_000


class Monitor(Node):
    """Keeps one Record per picture.

    Attributes:
        counts: messages per topic.
    """

    def __init__(self) -> None:
        super().__init__('demo')
        self._records: dict[int, Record] = {}
        self._kept = 0
        self.counts: Counter[str] = Counter()
        self._listen(CompressedImage, 'image_raw/compressed', self._take_picture, qos.RESULTS)
        self._listen(HandPose, 'hand/truth', self._take_truth, qos.RESULTS)
        self._listen(HandKeypoints, 'hand/keypoints', self._take_keypoints, qos.RESULTS)
        self._listen(HandPose, 'hand/pose', self._take_pose, qos.RESULTS)
        self._listen(TFMessage, '/tf', self._take_transforms, qos.TRANSFORMS)
        self._listen(HandShape, 'hand/shape', lambda message: None, qos.LATCHED)
        self._listen(JointState, 'hand/joint_states', lambda message: None, qos.RESULTS)
        self._markers = self._listen(MarkerArray, 'hand/markers', self._take_markers, qos.LATEST)

    def records(self, newer_than: int = 0) -> list[Record]:
        """Records in the order of their stamps; only those after `newer_than`, nanoseconds."""
        chosen = []
        for stamp, record in reversed(self._records.items()):  # newest first, more or less
            if stamp > newer_than:
                chosen.append(record)
            elif stamp < newer_than - _MAX_DISORDER:
                break
        return sorted(chosen, key=lambda record: record.stamp)

    def _listen(self, kind: type, topic: str, take: Callable[[Any], None], profile: QoSProfile) -> Subscription:
        def count_and_take(message: Any) -> None:
            self.counts[topic] += 1
            take(message)

        return self.create_subscription(kind, topic, count_and_take, profile)

    def _record(self, header: Header) -> Record:
        stamp = to_nanoseconds(header.stamp)
        return self._records.setdefault(stamp, Record(stamp))

    def _take_picture(self, message: CompressedImage) -> None:
        record = self._record(message.header)
        if self._kept < KEPT_PICTURES:
            self._kept += 1
            record.jpeg = bytes(message.data)

    def _take_truth(self, message: HandPose) -> None:
        self._record(message.header).truth = keypoints_array(message)

    def _take_keypoints(self, message: HandKeypoints) -> None:
        record = self._record(message.header)
        record.found = message.valid
        record.score = message.score
        record.camera = camera_from_keypoints(message)
        found = keypoints_from_message(message)
        if isinstance(found, Keypoints):
            record.uv = found.uv

    def _take_pose(self, message: HandPose) -> None:
        if not message.valid:
            return
        record = self._record(message.header)
        record.pose_latency = _age(record)
        record.state = state_from_message(message)
        record.stages = dict(zip(message.stage_names, message.stage_latency, strict=True))

    def _take_transforms(self, message: TFMessage) -> None:
        if message.transforms:
            record = self._record(message.transforms[0].header)
            record.tf_latency = _age(record)

    def _take_markers(self, message: MarkerArray) -> None:
        # one is enough to see that they come; making and sending a mesh per picture is not what is measured here
        self.destroy_subscription(self._markers)


def _age(record: Record) -> float:
    return (time.time_ns() - record.stamp) * 1e-9
