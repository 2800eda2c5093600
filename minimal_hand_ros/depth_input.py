"""Receiving depth pictures that are registered to the colour pictures.

A component for nodes that place a hand (shape_server, ik_node and tracker). It subscribes `depth/image_raw`, keeps the
last few messages, and decodes the one nearest to a colour picture when it is asked for; bad ones are counted and named.
"""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from minimal_hand_core.tracking import DepthError, DepthPicture
from minimal_hand_ros import qos
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.settings import DepthSettings
from minimal_hand_ros.stamps import to_nanoseconds, to_seconds

TOPIC = 'depth/image_raw'
_CHECK_PERIOD = 0.5
_REMEMBERED = 4
_MISSED = 5.0
"""Seconds of pictures without depth after which it is told."""
_TYPES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}


class DepthInput:
    """Subscription to registered depth; nothing is subscribed where depth is 'off'.

    Args:
        node: the node that subscribes.
        settings: whether, and how old depth may be.
    """

    def __init__(self, node: ManagedNode, settings: DepthSettings) -> None:
        self._node, self._settings = node, settings
        self._messages: deque[Image] = deque(maxlen=_REMEMBERED)
        self._subscription: Subscription | None = None
        self._reliable = True
        self._drops = DropCounter('depth picture', node.get_logger().warning)
        self._asked = self._found = 0
        self._missing_since: float | None = None
        self._missing = 0.0

    def start(self) -> None:
        """Subscribe, and keep in step with what is published."""
        self._messages.clear()
        if self._settings.mode == 'off':
            return
        self._subscribe(self._wanted())
        self._node.active.timer(_CHECK_PERIOD, self._follow_publishers)

    def stop(self) -> None:
        """Take no more; the node takes the subscription down."""
        self._subscription = None
        self._messages.clear()

    def change(self, settings: DepthSettings) -> None:
        """Take another age; the mode stays."""
        self._settings = settings

    def nearest(self, header: Header, size: tuple[int, int]) -> DepthPicture | None:
        """The depth picture nearest in time to the colour picture with this header and size (width, height).

        None when there is none that is near enough, or when it is bad, which is counted and named.
        """
        if self._settings.mode == 'off':
            return None
        self._asked += 1
        depth = self._nearest(header, size)
        now = time.monotonic()
        if depth is not None:
            self._found += 1
            self._missing_since, self._missing = None, 0.0
        else:
            self._missing_since = now if self._missing_since is None else self._missing_since
            self._missing = now - self._missing_since
        return depth

    def _nearest(self, header: Header, size: tuple[int, int]) -> DepthPicture | None:
        stamp = to_nanoseconds(header.stamp)
        gaps = [abs(to_nanoseconds(message.header.stamp) - stamp) for message in self._messages]
        if not gaps or min(gaps) > self._settings.max_age * 1e9:
            return None
        message = self._messages[gaps.index(min(gaps))]
        try:
            depth = depth_from_image(message)
            if min(size) > 0:
                depth.check_size(*size)
        except DepthError as error:
            self._messages.remove(message)
            self._drops.drop(error)
            return None
        return depth

    def values(self) -> dict[str, str]:
        """For the diagnostics: how many pictures had depth, and what was dropped why."""
        if self._settings.mode == 'off':
            return {'depth': 'off'}
        found = {'depth': f'for {self._found} of {self._asked} pictures', 'depth dropped': str(self._drops.count)}
        return found | {f'depth dropped: {reason}': str(count) for reason, count in self._drops.reasons.items()}

    def warnings(self) -> list[str]:
        """For the diagnostics: what is not as it should be."""
        if self._settings.mode == 'off' or self._asked == 0:
            return []
        if self._found > 0 and self._missing < _MISSED:
            return []
        which = f'the pictures of the last {self._missing:.0f} s' if self._found else 'any picture yet'
        return [f'no depth for {which}, {self._drops.count} dropped: the range is estimated from the hand length']

    def _wanted(self) -> bool:
        """Whether to ask for reliable delivery."""
        return qos.should_be_reliable(qos.offered(self._node, TOPIC))

    def _subscribe(self, reliable: bool) -> None:
        self._reliable = reliable
        self._subscription = self._node.active.subscription(Image, TOPIC, self._take, qos.pictures(reliable))

    def _follow_publishers(self) -> None:
        if self._subscription is None or self._wanted() == self._reliable:
            return
        self._node.active.drop(self._subscription)
        self._subscribe(not self._reliable)

    def _take(self, message: Image) -> None:
        if self._subscription is not None:  # else it was waiting for its turn when the node was deactivated
            self._messages.append(message)


def depth_from_image(message: Image) -> DepthPicture:
    """16UC1 (millimetres) or 32FC1 (metres) as a DepthPicture.

    Raises:
        DepthError: empty, another encoding, rows shorter than the width needs, or data cut off.
    """
    height, width, step, encoding = message.height, message.width, message.step, message.encoding
    if height == 0 or width == 0:
        raise DepthError(f'depth picture is {width}×{height}: it must have at least one pixel')
    if encoding not in _TYPES:
        raise DepthError(f'depth picture has encoding {encoding!r}: send 16UC1 (millimetres) or 32FC1 (metres)')
    kind = np.dtype(('>' if message.is_bigendian else '<') + _TYPES[encoding])
    if step < width * kind.itemsize:
        raise DepthError(f'depth picture has step {step}: {width} pixels of {encoding} need {width * kind.itemsize}')
    if len(message.data) < height * step:
        raise DepthError(
            f'depth picture has {len(message.data)} bytes: height {height} × step {step} = {height * step}'
        )
    rows = np.frombuffer(message.data, np.uint8, count=height * step).reshape(height, step)
    pixels = np.ascontiguousarray(rows[:, : width * kind.itemsize]).view(kind)
    return DepthPicture.from_array(pixels.astype(kind.newbyteorder('=')), to_seconds(message.header.stamp))
