"""Time stamps: builtin_interfaces/Time ↔ nanoseconds ↔ seconds.

Every message of this package carries the stamp of the picture it came from; these helpers never invent a time.
"""

from __future__ import annotations

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


def later(header: Header, seconds: float) -> Header:
    """The header of a picture that would have been taken `seconds` after this one; at the end of time, that one."""
    nanoseconds = min(to_nanoseconds(header.stamp) + int(seconds * _BILLION), _LATEST)
    return Header(stamp=from_nanoseconds(nanoseconds), frame_id=header.frame_id)


def age(node: Node, stamp: Time) -> float:
    """Seconds from a stamp until now, by the node's clock."""
    return (node.get_clock().now().nanoseconds - to_nanoseconds(stamp)) * 1e-9
