"""Receiving keypoints, for the nodes that take them (shape_server and ik_node); bad messages are counted and named."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from rclpy.subscription import Subscription

from minimal_hand_ros import health, qos
from minimal_hand_ros.backlog import Backlog
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.msg import HandKeypoints
from minimal_hand_ros.stamps import age
from minimal_hand_ros.work_statistics import Statistics


class KeypointInput:
    """Subscription to `hand/keypoints`.

    Args:
        node: the node that subscribes.
        stage: what to call the work in the figures.
        on_keypoints: called with every message; a ValueError that it raises drops the message.
    """

    def __init__(self, node: ManagedNode, stage: str, on_keypoints: Callable[[HandKeypoints], None]) -> None:
        self._node, self._stage, self._on_keypoints = node, stage, on_keypoints
        self._drops = DropCounter('message', node.get_logger().warning)
        self._statistics = Statistics()
        self._backlog = Backlog()
        self._subscription: Subscription | None = None

    def start(self) -> None:
        """Subscribe."""
        self._subscription = self._node.active.subscription(HandKeypoints, 'hand/keypoints', self._take, qos.WAITING)

    def stop(self) -> None:
        """Take no more; the node takes the subscription down."""
        self._subscription = None

    def drop(self, error: ValueError) -> None:
        """Count and name a message that cannot be used."""
        self._statistics.dropped()
        self._drops.drop(error)

    def report(self, state: str, warnings: list[str] | None = None, values: Mapping[str, str] | None = None) -> Report:
        """How things are; `state` is what the node is doing when all is well, `values` are more figures by name."""
        summary = self._statistics.summary(self._drops.reasons)
        level, message = health.judge(summary, 'keypoints', state, warnings=warnings or [])
        return Report(level, message, {'state': state, **health.values(summary, 'keypoints'), **(values or {})})

    def _take(self, message: HandKeypoints) -> None:
        if self._subscription is None:  # was waiting for its turn when the node was deactivated
            return
        start = time.perf_counter()
        message, passed = self._backlog.choose(message, self._subscription)
        self._statistics.arrived(passed)
        try:
            self._on_keypoints(message)
        except ValueError as error:
            self.drop(error)
            return
        spent = time.perf_counter() - start
        self._backlog.worked(spent)
        self._statistics.answered({self._stage: spent}, age(self._node, message.header.stamp), float(message.score))
