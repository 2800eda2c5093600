"""What a recording knows of a topic besides its messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2.errors import ReaderError
from rosbags.rosbag2.metadata import dump_qos_v8, parse_qos

from minimal_hand_core.recording.definitions import ROS2MSG

_FOREVER = QosTime(9223372036, 854775807)


@dataclass(frozen=True)
class Offer:
    """How a topic was published, as far as replaying it matters.

    Attributes:
        reliable: delivery is repeated until it succeeds.
        latched: the last messages are kept for those who subscribe later.
        depth: messages that are kept.
    """

    reliable: bool = True
    latched: bool = False
    depth: int = 10

    def text(self) -> str:
        """As rosbag2 keeps it with a topic.

        Policies are written as numbers, which every rosbag2 from Foxy on reads; names are understood since Jazzy.
        """
        return dump_qos_v8(
            [
                Qos(
                    QosHistory.KEEP_LAST,
                    self.depth,
                    QosReliability.RELIABLE if self.reliable else QosReliability.BEST_EFFORT,
                    QosDurability.TRANSIENT_LOCAL if self.latched else QosDurability.VOLATILE,
                    _FOREVER,
                    _FOREVER,
                    QosLiveliness.AUTOMATIC,
                    _FOREVER,
                    False,
                )
            ]
        )

    @staticmethod
    def of(profiles: list[Qos]) -> Offer:
        """What all publishers of a topic had in common: the least of them; without one, the usual."""
        if not profiles:
            return Offer()
        return Offer(
            reliable=all(profile.reliability != QosReliability.BEST_EFFORT for profile in profiles),
            latched=all(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in profiles),
            depth=max(1, *(profile.depth for profile in profiles)),
        )

    @staticmethod
    def read(text: str) -> Offer:
        """From what rosbag2 keeps with a topic; the usual for what cannot be read."""
        try:
            return Offer.of(parse_qos(text))
        except (ReaderError, KeyError, TypeError, AttributeError):
            return Offer()


@dataclass(frozen=True)
class Topic:
    """One topic of a recording.

    Attributes:
        name: such as '/hand/pose'.
        type_name: such as 'minimal_hand_ros/msg/HandPose'.
        count: messages; None where nobody has counted them.
        definition, language: of the type, see definitions.store_for.
        offer: how it was published.
    """

    name: str
    type_name: str
    count: int | None = None
    definition: str = ''
    language: str = ROS2MSG
    offer: Offer = field(default_factory=Offer)
