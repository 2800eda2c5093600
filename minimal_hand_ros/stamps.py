"""Time stamps: builtin_interfaces/Time ↔ nanoseconds ↔ seconds.

Every message of this package carries the stamp of the picture it came from; these helpers never invent a time.
"""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time
from rclpy.node import Node
from std_msgs.msg import Header

_BILLION = 1_000_000_000
_LATEST = 2**31 * _BILLION - 1


def to_nanoseconds(stamp: Time) -> int:
    """Whole nanoseconds since the clock's epoch; exact."""
    return stamp.sec * _BILLION + stamp.nanosec


def from_nanoseconds(nanoseconds: int) -> Time:
    """The inverse of to_nanoseconds; exact."""
    sec, nanosec = divmod(int(nanoseconds), _BILLION)
    return Time(sec=sec, nanosec=nanosec)


def to_seconds(stamp: Time) -> float:
    """Seconds since the clock's epoch as float64: good to about 0.2 µs for the times of this century."""
    return stamp.sec + stamp.nanosec * 1e-9


def later(header: Header, nanoseconds: int) -> Header:
    """The header of a picture that would have been taken so long after this one; at the end of time, that one."""
    stamp = min(to_nanoseconds(header.stamp) + nanoseconds, _LATEST)
    return Header(stamp=from_nanoseconds(stamp), frame_id=header.frame_id)


class LastHeader:
    """The header that came in last, and what it would be by now.

    Where time is simulated the node's clock tells how long ago that was: it stands still while a bag is paused, and
    nothing may carry a time that it has not reached. Else time.monotonic does, which nobody sets.

    Args:
        node: whose clock it is.

    Attributes:
        header: that one; None before the first.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.header: Header | None = None
        self._arrival = 0.0
        self._clock = 0

    def take(self, header: Header) -> None:
        """This one has come in."""
        self.header, self._arrival = header, time.monotonic()
        self._clock = self._node.get_clock().now().nanoseconds

    def forget(self) -> None:
        """As before the first."""
        self.header = None

    @property
    def silence(self) -> float:
        """Seconds of real time since it came in."""
        return time.monotonic() - self._arrival

    def now(self) -> Header | None:
        """The header of a picture like it that would be taken now, never before it; None before the first."""
        if self.header is None:
            return None
        clock = self._node.get_clock()
        if not clock.ros_time_is_active:
            return later(self.header, int(self.silence * _BILLION))
        now = clock.now().nanoseconds
        since = min(now - self._clock, now - to_nanoseconds(self.header.stamp))
        return later(self.header, max(since, 0))


def age(node: Node, stamp: Time) -> float:
    """Seconds from a stamp until now, by the node's clock."""
    return (node.get_clock().now().nanoseconds - to_nanoseconds(stamp)) * 1e-9
