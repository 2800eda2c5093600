"""The debug image: the picture with what the network saw drawn over it, made only while somebody looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from minimal_hand_core.drawing import draw_skeleton, draw_text
from minimal_hand_core.tracking import Keypoints, NoHand
from minimal_hand_ros import qos
from minimal_hand_ros.images import image_message
from minimal_hand_ros.lifecycle import ManagedNode


class DebugOutput:
    """Publisher of `hand/debug_image`.

    Args:
        node: the node that publishes.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._publisher = node.configured.publisher(Image, 'hand/debug_image', qos.pictures(reliable=True))

    def publish(self, header: Header, picture: np.ndarray, hands: Sequence[Keypoints | NoHand]) -> None:
        """Draw on a copy of the (H, W, 3) BGR picture and publish it with the picture's header."""
        if self._publisher.get_subscription_count() == 0:
            return
        canvas = picture.copy()
        seen = [hand for hand in hands if isinstance(hand, Keypoints)]
        for hand in seen:
            draw_skeleton(canvas, hand.uv)
        if seen:
            draw_text(canvas, ', '.join(f'{hand.side} {hand.score:.2f}' for hand in seen))
        else:
            draw_text(canvas, f'no hand {max(hand.score for hand in hands):.2f}')
        self._publisher.publish(image_message(header, canvas))
