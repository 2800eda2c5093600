"""Quality of service of every topic in one place.

A few pictures may wait on both ends, so that a short stall loses none; backlog.py says which of them are looked at.
Over the default transport a best-effort subscriber loses raw 640×480 pictures altogether (one picture is larger than
the shared-memory segment), so a picture subscription is reliable whenever each of its publishers is.
"""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from minimal_hand_ros import backlog

RELIABILITY_CHOICES = ('auto', 'reliable', 'best_effort')

RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Results of one picture each: keypoints, pose, joint states, markers."""

LATEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Inputs of which only the newest counts."""

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""For those who only look on: nobody ever waits for them. And as LATEST, from publishers of either kind."""

CAMERA_INFO = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
"""As RESULTS, from publishers of either kind: many drivers send camera info best effort."""

LATCHED_CAMERA_INFO = QoSProfile(
    depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
"""Where each publisher keeps it for those that come later: then it may have been sent once for all."""

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""The last message is kept for subscribers that come later."""

WAITING = QoSProfile(depth=backlog.DEPTH, reliability=ReliabilityPolicy.RELIABLE)
"""As RESULTS, for a subscription whose messages go through a Backlog."""

TRANSFORMS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
"""As tf2_ros publishes /tf."""


def pictures(reliable: bool, depth: int = 1) -> QoSProfile:
    """Profile of a picture topic, for those who want each picture (`depth` backlog.DEPTH) or just the newest (1)."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
    )


def profiles(node: Node, topic: str) -> list[QoSProfile]:
    """What each publisher of a topic offers."""
    return [info.qos_profile for info in node.get_publishers_info_by_topic(node.resolve_topic_name(topic))]


def offered(node: Node, topic: str) -> list[ReliabilityPolicy]:
    """The reliability of each publisher of a topic."""
    return [profile.reliability for profile in profiles(node, topic)]


def are_latched(node: Node, topic: str) -> bool:
    """Whether each publisher of a topic, and there is one, keeps its last message for subscribers that come later.

    A latched subscription never matches a publisher that is not, or that offers best effort only; one that is not
    matches both kinds, but hears nothing of what was sent before.
    """
    offers = profiles(node, topic)
    return bool(offers) and all(
        offer.durability == DurabilityPolicy.TRANSIENT_LOCAL and offer.reliability == ReliabilityPolicy.RELIABLE
        for offer in offers
    )


def name_of(reliability: ReliabilityPolicy) -> str:
    """'reliable', 'best effort', …"""
    return reliability.name.lower().replace('_', ' ')


def should_be_reliable(offers: Iterable[ReliabilityPolicy]) -> bool:
    """Whether a subscription to these publishers should ask for reliable delivery: yes unless one is best effort.

    A reliable subscription never matches a best-effort publisher; a best-effort one matches both kinds but loses
    large pictures. With no publisher yet the answer is yes, which is right for most cameras.
    """
    return all(reliability != ReliabilityPolicy.BEST_EFFORT for reliability in offers)
