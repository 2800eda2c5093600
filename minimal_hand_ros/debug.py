"""The debug image: the picture with what the network saw drawn over it, made only while somebody looks."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from minimal_hand_core.drawing import draw_skeleton, draw_text
from minimal_hand_core.tracking import Keypoints, NoHand
from minimal_hand_ros import qos
from minimal_hand_ros.images import image_message


class DebugOutput:
    """Publisher of `hand/debug_image`.

    Args:
        node: the node that publishes.
    """

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(Image, 'hand/debug_image', qos.pictures(reliable=True))

    def publish(self, header: Header, picture: np.ndarray, found: Keypoints | NoHand) -> None:
        """Draw on a copy of the (H, W, 3) BGR picture and publish it with the picture's header."""
        if self._publisher.get_subscription_count() == 0:
            return
        canvas = picture.copy()
        if isinstance(found, Keypoints):
            draw_skeleton(canvas, found.uv)
            draw_text(canvas, f'{found.side} {found.score:.2f}')
        else:
            draw_text(canvas, f'no hand {found.score:.2f}')
        self._publisher.publish(image_message(header, canvas))
