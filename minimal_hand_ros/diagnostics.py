"""How a node is, on /diagnostics, once per second and in every lifecycle state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from minimal_hand_ros.health import Level
from minimal_hand_ros.qos import RESULTS

TOPIC = '/diagnostics'
PERIOD = 1.0
"""Seconds."""


@dataclass(frozen=True)
class Report:
    """How a node is: a word, a line, and figures by name."""

    level: Level
    message: str
    values: Mapping[str, str] = field(default_factory=dict)


class Diagnostics:
    """Publisher of /diagnostics.

    Args:
        node: the node that publishes.
        report: asked once per PERIOD.
    """

    def __init__(self, node: Node, report: Callable[[], Report]) -> None:
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, TOPIC, RESULTS)
        # real time, as simulated time may stand still
        self._timer = node.create_timer(PERIOD, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Say now how the node is."""
        message = DiagnosticArray(status=[status_message(self._node.get_fully_qualified_name(), self._report())])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def status_message(node: str, report: Report) -> DiagnosticStatus:
    """The status of the node with this fully qualified name."""
    return DiagnosticStatus(
        level=bytes([report.level]),
        name=f'{node.lstrip("/")}: hand tracking',
        message=report.message,
        values=[KeyValue(key=key, value=value) for key, value in report.values.items()],
    )
