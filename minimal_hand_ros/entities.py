"""What a node has made for one of its states, so that it can be taken down together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node, PublisherEventCallbacks  # whose own module has had two names
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer


class Entities:
    """Publishers, subscriptions, services, clients and timers of one node that end together.

    Args:
        node: has them.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._destroy: dict[Any, Callable[[Any], bool]] = {}

    def publisher(self, kind: type, topic: str, profile: QoSProfile) -> Publisher:
        """As Node.create_publisher, but for rclpy's two warnings of subscriptions that do not fit, which the subscriber
        gives as well: each has an event that the executor goes through whenever it wakes up."""
        silent = PublisherEventCallbacks(use_default_callbacks=False)
        made = self._node.create_publisher(kind, topic, profile, event_callbacks=silent)
        return self.keep(made, self._node.destroy_publisher)

    def subscription(
        self, kind: type, topic: str, callback: Callable[[Any], None], profile: QoSProfile, raw: bool = False
    ) -> Subscription:
        """As Node.create_subscription; `raw` hands the bytes of each message to the callback."""
        made = self._node.create_subscription(kind, topic, callback, profile, raw=raw)
        return self.keep(made, self._node.destroy_subscription)

    def service(
        self, kind: type, name: str, callback: Callable[[Any, Any], Any], group: CallbackGroup | None = None
    ) -> Service:
        """As Node.create_service."""
        made = self._node.create_service(kind, name, callback, callback_group=group)
        return self.keep(made, self._node.destroy_service)

    def client(self, kind: type, name: str) -> Client:
        """As Node.create_client."""
        return self.keep(self._node.create_client(kind, name), self._node.destroy_client)

    def timer(self, period: float, callback: Callable[[], None]) -> Timer:
        """A timer in seconds of real time: simulated time may stand still, and this node must not."""
        made = self._node.create_timer(period, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
        return self.keep(made, self._node.destroy_timer)

    def drop(self, entity: object) -> None:
        """Take down one of them; nothing happens when that was done before."""
        destroy = self._destroy.pop(entity, None)
        if destroy is not None:
            destroy(entity)

    def release(self, entity: Any) -> Any:
        """Leave the taking down of one of them to others; returns it."""
        self._destroy.pop(entity)
        return entity

    def drop_all(self) -> None:
        """Take down all of them, the last first."""
        for entity in reversed(list(self._destroy)):
            self.drop(entity)

    def keep(self, entity: Any, destroy: Callable[[Any], bool]) -> Any:
        """Take down this one too, with `destroy`; returns it."""
        self._destroy[entity] = destroy
        return entity
