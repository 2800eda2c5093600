"""Quality of service of every topic in one place.

Pictures use queue depth 1 on both ends: an old picture is of no use. Over the default transport a best-effort
subscriber loses raw 640×480 pictures altogether (one picture is larger than the shared-memory segment), so a picture
subscription is reliable whenever each of its publishers is.
"""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABILITY_CHOICES = ('auto', 'reliable', 'best_effort')

RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Results of one picture each: keypoints, pose, joint states, markers."""

LATEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Inputs of which only the newest counts."""

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""For those who only look on: nobody ever waits for them."""

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""The last message is kept for subscribers that come later."""

TRANSFORMS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
"""As tf2_ros publishes /tf."""


def pictures(reliable: bool) -> QoSProfile:
    """Profile of a picture topic, depth 1."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
    )


def offered(node: Node, topic: str) -> list[ReliabilityPolicy]:
    """The reliability of each publisher of a topic."""
    publishers = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return [publisher.qos_profile.reliability for publisher in publishers]


def name_of(reliability: ReliabilityPolicy) -> str:
    """'reliable', 'best effort', …"""
    return reliability.name.lower().replace('_', ' ')


def should_be_reliable(offers: Iterable[ReliabilityPolicy]) -> bool:
    """Whether a subscription to these publishers should ask for reliable delivery: yes unless one is best effort.

    A reliable subscription never matches a best-effort publisher; a best-effort one matches both kinds but loses
    large pictures. With no publisher yet the answer is yes, which is right for most cameras.
    """
    return all(reliability != ReliabilityPolicy.BEST_EFFORT for reliability in offers)
