"""The one place that decides how /tf is published.

Where ROS 2 is installed, its own tf2_ros.TransformBroadcaster does it. The pip route has no tf2_ros; there a plain
publisher of tf2_msgs/TFMessage on /tf with the same profile does the same, so that every listener is served alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node

from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.qos import TRANSFORMS

try:
    from tf2_ros import TransformBroadcaster
except ImportError:
    from tf2_msgs.msg import TFMessage

    class TransformBroadcaster:  # type: ignore[no-redef]
        """As much of tf2_ros.TransformBroadcaster as is needed here."""

        def __init__(self, node: Node) -> None:
            self.pub_tf = node.create_publisher(TFMessage, '/tf', TRANSFORMS)

        def sendTransform(self, transforms: Sequence[TransformStamped]) -> None:  # noqa: N802 (tf2_ros's name)
            self.pub_tf.publish(TFMessage(transforms=list(transforms)))


def make_broadcaster(node: ManagedNode) -> TransformBroadcaster:
    """A broadcaster that lasts until the node is cleaned up."""
    broadcaster = TransformBroadcaster(node)
    node.configured.keep(broadcaster.pub_tf, node.destroy_publisher)
    return broadcaster
