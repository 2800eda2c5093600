"""The newest picture of a camera, for those who look at some of them and must keep nobody waiting."""

from __future__ import annotations

import numpy as np
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from minimal_hand_ros import qos
from minimal_hand_ros.images import picture_from_compressed, picture_from_image
from minimal_hand_ros.lifecycle import ManagedNode

_RAW, _COMPRESSED = 'image_raw', 'image_raw/compressed'


class NewestPicture:
    """Subscribes `image_raw/compressed` where somebody sends it, else `image_raw`, and only while it is wanted.

    Nothing is decoded before it is asked for.

    Args:
        node: the node that subscribes.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._subscription: Subscription | None = None
        self._choice: tuple[bool, bool] | None = None
        self._message: Image | CompressedImage | None = None

    def want(self, wanted: bool) -> None:
        """Subscribe in the way that suits what is published now, or not at all."""
        choice = self._best() if wanted else None
        if choice == self._choice:
            return
        if self._subscription is not None:
            self._node.active.drop(self._subscription)
        self._subscription, self._choice = None, choice
        self._message = None
        if choice is not None:
            compressed, reliable = choice
            kind, topic = (CompressedImage, _COMPRESSED) if compressed else (Image, _RAW)
            self._subscription = self._node.active.subscription(kind, topic, self._take, qos.pictures(reliable))

    def take(self) -> np.ndarray | None:
        """The newest picture (H, W, 3) uint8 BGR since the last call; None without one.

        Raises:
            PictureError: it cannot be read.
        """
        message, self._message = self._message, None
        if message is None:
            return None
        if isinstance(message, CompressedImage):
            return picture_from_compressed(message)
        return picture_from_image(message)

    def _best(self) -> tuple[bool, bool] | None:
        """Whether to take compressed pictures, and reliably; None while nobody sends any.

        Compressed ones are small enough to arrive without reliable delivery, on which a camera might have to wait.
        """
        if qos.offered(self._node, _COMPRESSED):
            return True, False
        offered = qos.offered(self._node, _RAW)
        return (False, qos.should_be_reliable(offered)) if offered else None

    def _take(self, message: Image | CompressedImage) -> None:
        self._message = message
