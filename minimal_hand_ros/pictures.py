"""Receiving pictures: raw or compressed, with the intrinsics that belong to them.

A component for nodes that take pictures (keypoint_node and tracker). It subscribes `image_raw` or
`image_raw/compressed`, and `camera_info`, decodes, and hands each good picture on; bad ones are counted and named in
the log.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from minimal_hand_core.data.info_messages import camera_from_info
from minimal_hand_core.tracking import CameraError, CameraModel, PictureError
from minimal_hand_ros import health, qos
from minimal_hand_ros.backlog import DEPTH, Backlog
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.images import picture_from_compressed, picture_from_image
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.settings import InputSettings
from minimal_hand_ros.stamps import LastHeader, age, to_nanoseconds
from minimal_hand_ros.work_statistics import Statistics

OnPicture = Callable[[Header, np.ndarray, CameraModel | None], tuple[float, Mapping[str, float]]]
_Message = TypeVar('_Message', Image, CompressedImage)
_CHECK_PERIOD = 0.5
_REMEMBERED_INFOS = 8
_RAW, _COMPRESSED, _INFO = 'image_raw', 'image_raw/compressed', 'camera_info'


class PictureInput:
    """Subscriptions to pictures and camera info.

    Args:
        node: the node that subscribes.
        settings: transport, reliability, and whether pictures are rectified.
        on_picture: called with the header, the (H, W, 3) BGR picture and its camera (None = not known) of every good
            picture; returns the score and the seconds per stage. PictureError and CameraError that it raises count as
            drops too.

    Attributes:
        enabled: whether pictures are looked at; where they are not, nothing is decoded.
    """

    def __init__(self, node: ManagedNode, settings: InputSettings, on_picture: OnPicture) -> None:
        self._node = node
        self._settings = settings
        self._on_picture = on_picture
        self._infos: deque[CameraInfo] = deque(maxlen=_REMEMBERED_INFOS)
        self._cameras: dict[int, CameraModel | None] = {}
        self._mismatch: tuple[int, ...] = ()
        self._subscription: Subscription | None = None
        self._info_subscription: Subscription | None = None
        self._latched = False
        self._compressed = self._reliable = False
        self._topic = ''
        self._statistics = Statistics()
        self._backlog = Backlog()
        self._drops = DropCounter('picture', node.get_logger().warning)
        self._info_drops = DropCounter('camera info', node.get_logger().warning)
        self._calibrated = False
        self._repeats = 0
        self._last = LastHeader(node)
        self.enabled = True

    def start(self) -> None:
        """Subscribe, and keep in step with what is published."""
        self._infos.clear()
        self._cameras.clear()
        self._subscribe_info(qos.are_latched(self._node, _INFO))
        self._subscribe(*self._wanted())
        self._node.active.timer(_CHECK_PERIOD, self._follow_publishers)

    def stop(self) -> None:
        """Take no more pictures; the node takes the subscriptions down."""
        self._subscription = None
        self._node.get_logger().info(f'{self._statistics.received} pictures received, {self._drops.count} dropped')

    def change(self, settings: InputSettings) -> None:
        """Take other settings; subscribe anew if they need it."""
        rectified_before, self._settings = self._settings.rectified, settings
        if settings.rectified != rectified_before:
            self._cameras.clear()
            for info in self._infos:
                self._read_info(info)
        if self._subscription is not None:
            self._follow_publishers()

    def now(self) -> Header | None:
        """The header that a picture taken now would have; None before the first picture."""
        return self._last.now()

    def report(self, state: str, values: Mapping[str, str], warnings: Sequence[str]) -> Report:
        """How things are.

        Args:
            state: what the node is doing when all is well.
            values: more figures by name.
            warnings: what else is not as it should be.
        """
        summary = self._statistics.summary(self._drops.reasons + self._info_drops.reasons)
        if self._last.header is not None and not self._calibrated:
            warnings = [health.NOT_CALIBRATED, *warnings]
        if self._repeats > 1:
            warnings = [health.NO_TIME, *warnings]
        level, message = health.judge(summary, 'pictures', state, enabled=self.enabled, warnings=warnings)
        delivery = qos.name_of(qos.pictures(self._reliable).reliability)
        return Report(
            level,
            message,
            {
                'state': state if self.enabled else 'disabled',
                'pictures from': f'{self._topic} ({delivery})',
                'publishers there': self._publishers(),
                'intrinsics': 'known' if self._calibrated else 'missing',
                **health.values(summary, 'pictures'),
                **values,
            },
        )

    def _wanted(self) -> tuple[bool, bool]:
        """Whether to take compressed pictures, and whether to ask for reliable delivery."""
        compressed = self._settings.transport == 'compressed'
        if self._settings.transport == 'auto':
            compressed = not qos.offered(self._node, _RAW) and bool(qos.offered(self._node, _COMPRESSED))
        if self._settings.reliability != 'auto':
            return compressed, self._settings.reliability == 'reliable'
        return compressed, qos.should_be_reliable(qos.offered(self._node, _COMPRESSED if compressed else _RAW))

    def _publishers(self) -> str:
        offered = [qos.name_of(reliability) for reliability in qos.offered(self._node, self._topic)]
        return f'{len(offered)} ({", ".join(offered)})' if offered else '0'

    def _subscribe(self, compressed: bool, reliable: bool) -> None:
        self._compressed, self._reliable = compressed, reliable
        kind, topic = (CompressedImage, _COMPRESSED) if compressed else (Image, _RAW)
        self._topic = self._node.resolve_topic_name(topic)
        take = self._take_compressed if compressed else self._take_raw
        self._subscription = self._node.active.subscription(kind, topic, take, qos.pictures(reliable, DEPTH))
        delivery = qos.name_of(qos.pictures(reliable).reliability)
        self._node.get_logger().info(f'{self._topic}: subscribed {delivery}')

    def _subscribe_info(self, latched: bool) -> None:
        self._latched = latched
        profile = qos.LATCHED_CAMERA_INFO if latched else qos.CAMERA_INFO
        self._info_subscription = self._node.active.subscription(CameraInfo, _INFO, self._take_info, profile)

    def _follow_publishers(self) -> None:
        if self._subscription is None:
            return
        latched = qos.are_latched(self._node, _INFO)
        if latched != self._latched:
            self._node.active.drop(self._info_subscription)
            self._subscribe_info(latched)
        wanted = self._wanted()
        if wanted != (self._compressed, self._reliable):
            self._node.active.drop(self._subscription)
            self._subscribe(*wanted)

    def _take_info(self, message: CameraInfo) -> None:
        self._infos.append(message)
        self._read_info(message)

    def _read_info(self, message: CameraInfo) -> None:
        try:
            camera = camera_from_info(message, rectified=self._settings.rectified)
        except CameraError as error:
            self._info_drops.drop(error)
            return
        stamp = to_nanoseconds(message.header.stamp)
        self._cameras.pop(stamp, None)
        self._cameras[stamp] = camera
        while len(self._cameras) > _REMEMBERED_INFOS:
            del self._cameras[next(iter(self._cameras))]

    def _take_raw(self, message: Image) -> None:
        self._take(message, picture_from_image)

    def _take_compressed(self, message: CompressedImage) -> None:
        self._take(message, picture_from_compressed)

    def _take(self, message: _Message, decode: Callable[[_Message], np.ndarray]) -> None:
        if self._subscription is None:  # was waiting for its turn when the node was deactivated
            return
        start = time.perf_counter()
        if not self.enabled:
            self._statistics.arrived()
            self._statistics.ignored()
            return
        passed = 0
        if self._subscription.msg_type is type(
            message
        ):  # no longer so for what came before another transport was taken
            message, passed = self._backlog.choose(message, self._subscription)
        self._statistics.arrived(passed)
        header = message.header
        same = self._last.header is not None and header.stamp == self._last.header.stamp
        self._repeats = self._repeats + 1 if same else 0
        self._last.take(header)
        try:
            picture = decode(message)
            camera = self._camera_for(header, picture)
            self._calibrated = camera is not None
            decoded = time.perf_counter() - start
            score, stages = self._on_picture(header, picture, camera)
        except (PictureError, CameraError) as error:
            self._statistics.dropped()
            self._drops.drop(error)
            return
        except (RuntimeError, ValueError, OSError) as error:
            # what an engine raises that fails for good: no memory left on its device, say
            self._node.finish(error)
            return
        spent = time.perf_counter() - start
        self._backlog.worked(spent)
        others = spent - decoded - sum(stages.values())
        stages = {'decode': decoded, **stages, 'publish': others}
        self._statistics.answered(stages, age(self._node, header.stamp), score)

    def _camera_for(self, header: Header, picture: np.ndarray) -> CameraModel | None:
        """The camera info with the picture's stamp, else the newest; never one of another size."""
        if not self._cameras:
            return None
        newest = next(reversed(self._cameras))
        camera = self._cameras.get(to_nanoseconds(header.stamp), self._cameras[newest])
        if camera is None:
            return None
        height, width = picture.shape[:2]
        camera = camera.of_size(width, height)
        try:
            camera.check_size(width, height)
        except CameraError as error:
            mismatch = (width, height, camera.width, camera.height)
            if mismatch != self._mismatch:
                self._mismatch = mismatch
                self._node.get_logger().warning(f'camera info not used: {error}')
            return None
        return camera
