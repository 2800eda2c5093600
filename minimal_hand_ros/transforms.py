"""The transforms of one hand, and the one place that decides how /tf is published.

Where ROS 2 is installed, its own tf2_ros.TransformBroadcaster does it. The pip route has no tf2_ros; there a plain
publisher of tf2_msgs/TFMessage on /tf with the same profile does the same, so that every listener is served alike.
"""

from __future__ import annotations

import numpy as np
import torch
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Vector3
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from minimal_hand_core.hand.frames import keypoint_frames
from minimal_hand_core.hand.rotations import matrix_to_quaternion
from minimal_hand_core.tracking import HandState
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.messages import transform_messages
from minimal_hand_ros.qos import TRANSFORMS
from minimal_hand_ros.serialized import STAMP, SerializedMessage

try:
    from tf2_ros import TransformBroadcaster
except ImportError:

    class TransformBroadcaster:  # type: ignore[no-redef]
        """As much of tf2_ros.TransformBroadcaster as is needed here."""

        def __init__(self, node: Node) -> None:
            self.pub_tf = node.create_publisher(TFMessage, '/tf', TRANSFORMS)


def make_publisher(node: ManagedNode) -> Publisher:
    """The publisher of /tf of a node, until that is cleaned up."""
    return node.configured.keep(TransformBroadcaster(node).pub_tf, node.destroy_publisher)


class HandTransforms:
    """The TFMessage of one hand, of messages.transform_messages, as the bytes that go over the wire."""

    def __init__(self) -> None:
        self._frame: str | None = None

    def serialized(self, header: Header, state: HandState) -> bytes:
        """Bytes for Publisher.publish of a hand, always of the same side; header.frame_id is the camera's."""
        if header.frame_id != self._frame:
            self._make(header, state)
        translations, rotations = keypoint_frames(state.keypoints_m, state.rotations)
        quaternions = matrix_to_quaternion(torch.from_numpy(rotations)).numpy()
        self._stamps.write(np.array([(header.stamp.sec, header.stamp.nanosec)], STAMP))
        self._numbers.write(np.hstack([translations, quaternions]))
        return bytes(self._message)

    def _make(self, header: Header, state: HandState) -> None:
        """Serialize transforms full of numbers that occur nowhere else, and remember where each lies."""
        transforms = transform_messages(header, state)
        generator = np.random.default_rng(0)
        stamps = generator.integers(2**30, size=(len(transforms), 2)).tolist()
        numbers = generator.random((len(transforms), 7))
        for each, (sec, nanosec), (x, y, z, *quaternion) in zip(transforms, stamps, numbers.tolist()):
            each.header.stamp = Time(sec=sec, nanosec=nanosec)
            each.transform.translation = Vector3(x=x, y=y, z=z)
            each.transform.rotation = Quaternion(**dict(zip('xyzw', quaternion)))
        self._message = SerializedMessage(TFMessage(transforms=transforms))
        self._stamps = self._message.places_of(np.array([[tuple(stamp)] for stamp in stamps], STAMP))
        self._numbers = self._message.places_of(numbers)
        self._frame = header.frame_id
