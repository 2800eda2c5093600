"""Which topics are recorded, and how one is listened to as its publishers offer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from minimal_hand_core.recording import Offer
from minimal_hand_ros import diagnostics, qos
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.msg import HandKeypoints, HandPose, HandShape
from minimal_hand_ros.names import BOTH, names_of, sides_of
from minimal_hand_ros.settings import RecorderSettings

RAW_PICTURES, COMPRESSED_PICTURES = 'image_raw', 'image_raw/compressed'
DEPTH = 100
"""Messages that may wait: nothing is to be lost while the disk is slow."""
PICTURE_DEPTH = 10


class RecordedTopic(NamedTuple):
    """A topic to record.

    kind: its message class.
    name: relative, or absolute where all nodes share it.
    latched: whether its last message is kept for those who come later.
    """

    kind: type
    name: str
    latched: bool = False

    @property
    def type_name(self) -> str:
        """Such as 'sensor_msgs/msg/Image'."""
        return type_name(self.kind)


def type_name(kind: type) -> str:
    """The name of a message class, such as 'sensor_msgs/msg/Image'."""
    return f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'


def outputs(settings: RecorderSettings) -> list[RecordedTopic]:
    """All that is recorded besides the pictures."""
    topics = [
        RecordedTopic(CameraInfo, 'camera_info'),
        RecordedTopic(TFMessage, '/tf'),
        RecordedTopic(TFMessage, '/tf_static', latched=True),
        RecordedTopic(HandPose, 'hand/truth'),
    ]
    for side in sides_of(settings.side):
        hand = names_of(side, settings.side == BOTH).topics
        topics += [
            RecordedTopic(HandKeypoints, f'{hand}keypoints'),
            RecordedTopic(HandShape, f'{hand}shape', latched=True),
            RecordedTopic(HandPose, f'{hand}pose'),
            RecordedTopic(PoseWithCovarianceStamped, f'{hand}wrist'),
            RecordedTopic(JointState, f'{hand}joint_states'),
        ]
        if settings.markers:
            topics.append(RecordedTopic(MarkerArray, f'{hand}markers'))
    if settings.diagnostics:
        topics.append(RecordedTopic(DiagnosticArray, diagnostics.TOPIC))
    return topics


def pictures(node: ManagedNode, wanted: str) -> RecordedTopic | None:
    """The picture topic to listen to now; None where none is wanted.

    Args:
        node: that listens.
        wanted: of settings.PICTURES.
    """
    if wanted == 'none':
        return None
    raw_alone = qos.profiles(node, RAW_PICTURES) and not qos.profiles(node, COMPRESSED_PICTURES)
    if wanted == 'raw' or raw_alone:
        return RecordedTopic(Image, RAW_PICTURES)
    return RecordedTopic(CompressedImage, COMPRESSED_PICTURES)


class Tap:
    """A subscription that follows what the publishers of its topic offer, since one that asks for more hears nothing.

    Args:
        node: that listens.
        topic: to listen to.
        callback: takes each message, or its bytes.
        raw: hand on the bytes.
    """

    def __init__(
        self, node: ManagedNode, topic: RecordedTopic, callback: Callable[[Any], None], *, raw: bool = True
    ) -> None:
        self._node, self.topic, self._callback, self._raw = node, topic, callback, raw
        self._asked: tuple[bool, bool] | None = None
        self._subscription: Subscription | None = None
        self.follow()

    def follow(self) -> None:
        """Subscribe anew if that is needed."""
        profiles = qos.profiles(self._node, self.topic.name)
        reliable = qos.should_be_reliable(profile.reliability for profile in profiles)
        latched = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles) if profiles else None
        asked = reliable, self.topic.latched if latched is None else latched
        if asked == self._asked:
            return
        self.close()
        self._asked = asked
        profile = QoSProfile(
            depth=PICTURE_DEPTH if self.topic.kind in (Image, CompressedImage) else DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if asked[0] else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if asked[1] else DurabilityPolicy.VOLATILE,
        )
        self._subscription = self._node.active.subscription(
            self.topic.kind, self.topic.name, self._callback, profile, raw=self._raw
        )

    def offer(self) -> Offer:
        """How the topic is published, for those who replay it."""
        reliable, latched = self._asked or (True, self.topic.latched)
        return Offer(reliable, latched, PICTURE_DEPTH if self.topic.kind in (Image, CompressedImage) else DEPTH)

    def close(self) -> None:
        """Stop listening."""
        if self._subscription is not None:
            self._node.active.drop(self._subscription)
            self._subscription = None
