"""Receiving pictures: raw or compressed, with the intrinsics that belong to them.

A component for nodes that take pictures (keypoint_node and tracker). It subscribes `image_raw` or
`image_raw/compressed`, and `camera_info`, decodes, and hands each good picture on; bad ones are counted and named in
the log.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from minimal_hand_core.tracking import CameraError, CameraModel, PictureError
from minimal_hand_ros import qos
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.images import picture_from_compressed, picture_from_image
from minimal_hand_ros.messages import camera_from_info
from minimal_hand_ros.settings import InputSettings
from minimal_hand_ros.stamps import to_nanoseconds

OnPicture = Callable[[Header, np.ndarray, CameraModel | None], None]
_CHECK_PERIOD = 0.5
_REMEMBERED_INFOS = 8


class PictureInput:
    """Subscriptions to pictures and camera info.

    Args:
        node: the node that subscribes.
        settings: transport and reliability.
        on_picture: called with the header, the (H, W, 3) BGR picture and its camera (None = not known) of every good
            picture. PictureError and CameraError that it raises count as drops too.
    """

    def __init__(self, node: Node, settings: InputSettings, on_picture: OnPicture) -> None:
        self._node = node
        self._settings = settings
        self._on_picture = on_picture
        self._infos: dict[int, CameraModel | None] = {}
        self._mismatch: tuple[int, ...] = ()
        self.received = 0
        self.drops = DropCounter('picture')
        self.info_drops = DropCounter('camera info')
        self._info_subscription = node.create_subscription(CameraInfo, 'camera_info', self._take_info, qos.RESULTS)
        self._reliable = settings.reliability != 'best_effort'
        self._subscription = self._subscribe()
        if settings.reliability == 'auto':
            self._timer = node.create_timer(_CHECK_PERIOD, self._follow_publishers)

    def summary(self) -> str:
        """One line for the log at the end."""
        return f'{self.received} pictures received, {self.drops.count} dropped'

    def _subscribe(self) -> Subscription:
        profile = qos.pictures(self._reliable)
        if self._settings.transport == 'compressed':
            return self._node.create_subscription(
                CompressedImage, 'image_raw/compressed', self._take_compressed, profile
            )
        return self._node.create_subscription(Image, 'image_raw', self._take_raw, profile)

    def _follow_publishers(self) -> None:
        publishers = self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        reliable = qos.should_be_reliable([p.qos_profile.reliability for p in publishers])
        if reliable == self._reliable:
            return
        self._reliable = reliable
        self._node.destroy_subscription(self._subscription)
        self._subscription = self._subscribe()
        name = 'reliable' if reliable else 'best effort'
        self._node.get_logger().info(f'{self._subscription.topic_name}: now subscribed {name}, as its publishers offer')

    def _take_info(self, message: CameraInfo) -> None:
        try:
            camera = camera_from_info(message)
        except CameraError as error:
            self._report(self.info_drops.drop(error))
            return
        stamp = to_nanoseconds(message.header.stamp)
        self._infos.pop(stamp, None)
        self._infos[stamp] = camera
        while len(self._infos) > _REMEMBERED_INFOS:
            del self._infos[next(iter(self._infos))]

    def _take_raw(self, message: Image) -> None:
        self._take(message.header, lambda: picture_from_image(message))

    def _take_compressed(self, message: CompressedImage) -> None:
        self._take(message.header, lambda: picture_from_compressed(message))

    def _take(self, header: Header, decode: Callable[[], np.ndarray]) -> None:
        self.received += 1
        try:
            picture = decode()
            self._on_picture(header, picture, self._camera_for(header, picture))
        except (PictureError, CameraError) as error:
            self._report(self.drops.drop(error))

    def _camera_for(self, header: Header, picture: np.ndarray) -> CameraModel | None:
        """The camera info with the picture's stamp, else the newest; never one of another size."""
        if not self._infos:
            return None
        newest = next(reversed(self._infos))
        camera = self._infos.get(to_nanoseconds(header.stamp), self._infos[newest])
        if camera is None:
            return None
        height, width = picture.shape[:2]
        try:
            camera.check_size(width, height)
        except CameraError as error:
            mismatch = (width, height, camera.width, camera.height)
            if mismatch != self._mismatch:
                self._mismatch = mismatch
                self._node.get_logger().warning(f'camera info not used: {error}')
            return None
        return camera

    def _report(self, line: str | None) -> None:
        if line is not None:
            self._node.get_logger().warning(line)
