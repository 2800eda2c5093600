"""replay: a recording out again, at its own pace, each message as it was recorded.

    replay hand.mcap --pictures-only --loop

Publishes:
    /diagnostics  diagnostic_msgs/DiagnosticArray  how the node is, once per second

Services:
    pause         std_srvs/SetBool                 true: stop where it is; false: go on

Parameters: see ReplaySettings in settings/recording.py. Lifecycle: see lifecycle.py.

What was recorded is published on the topics it was recorded from, whatever the node's namespace; remapping moves them.
The bytes of each message are those of the recording unless stamps are moved. Where pictures were recorded compressed
alone, they are offered raw too, and decoded only while somebody listens. The end of the recording ends the node
with exit code 0; one that is cut off is replayed as far as it goes, with a warning.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.timer import Timer
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from minimal_hand_core.errors import one_line
from minimal_hand_core.recording import RawMessage, Recording, RecordingError, Topic, is_known_as, move_stamps
from minimal_hand_core.recording.pictures import COMPRESSED, INFO, RAW
from minimal_hand_core.tracking import PictureError
from minimal_hand_ros import health
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.health import Level
from minimal_hand_ros.images import image_message, picture_from_compressed
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.parameters import ParameterError
from minimal_hand_ros.replay_arguments import as_ros_arguments
from minimal_hand_ros.replay_schedule import Schedule, span_of
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import ReplaySettings, load_replay_settings
from minimal_hand_ros.work_statistics import Statistics

SERVICE = 'pause'
_PICTURE_TYPES = (RAW, COMPRESSED)
_COMPRESSED_SUFFIX = '/compressed'
_LISTEN_PERIOD = 100_000_000
_LONGEST_WAIT = 500_000_000
_BURST = 200


class ReplayWork(Work[ReplaySettings]):
    """Publishes what is due."""

    def __init__(self, node: ManagedNode, settings: ReplaySettings) -> None:
        self._node, self._settings = node, settings
        if not settings.path:
            raise ParameterError("parameter 'path' is '': give an .mcap file or a rosbag2 folder")
        self._recording = Recording(settings.path)
        self._raw: dict[str, Publisher] = {}
        try:
            self._publishers = self._make_publishers()
            span = span_of(self._recording, settings.start, settings.end)
            if span.start > span.end:
                seconds = (self._recording.end - self._recording.start) * 1e-9
                raise ParameterError(f"parameter 'start' is {settings.start:g}: the recording has {seconds:.3f} s")
        except ValueError:
            self._recording.close()
            raise
        self._schedule = Schedule(self._recording, self._publishers, span, settings.rate)
        self._drops = DropCounter('message', node.get_logger().warning)
        self._statistics = Statistics()
        self._paused = settings.paused
        self._waiting = settings.wait_for_subscribers
        self._offset = 0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin, or go on after a deactivation."""
        self._node.active.service(SetBool, SERVICE, self._pause)
        if not self._schedule.rounds and not self._schedule.begin():
            raise RecordingError(f'recording {self._recording.path} holds no messages in this span')
        now = time.monotonic_ns()
        self._offset = self._node.get_clock().now().nanoseconds - now
        self._schedule.go(now)
        self._timer = self._node.active.timer(1e-3, self._tick)
        self._node.get_logger().info(
            f'replaying {len(self._publishers)} topics of {self._recording.path}'
            + (', paused' if self._paused else ', waiting for subscribers' if self._waiting else '')
        )

    def stop(self) -> None:
        """Hold the place."""
        if not self._holding:
            self._schedule.hold(time.monotonic_ns())
        self._timer = None

    def close(self) -> None:
        """Let go of the recording."""
        self._recording.close()

    def change(self, settings: ReplaySettings) -> None:
        """Take another rate; loop or not."""
        if settings.rate != self._settings.rate:
            now = time.monotonic_ns()
            if self._holding:
                self._schedule.go(now)
            self._schedule.hold(now, settings.rate)
        self._settings = settings
        self._wake(0)

    def report(self) -> Report:
        """How things are."""
        summary = self._statistics.summary(self._drops.reasons)
        state = 'paused' if self._paused else 'waiting for subscribers' if self._waiting else 'replaying'
        level = Level.WARN if self._schedule.damage or self._drops.count else Level.OK
        at = (self._schedule.position - self._recording.start) * 1e-9
        values = {'file': str(self._recording.path), 'at (s)': f'{at:.2f}', 'round': str(self._schedule.rounds)}
        return Report(level, self._schedule.damage or state, values | health.values(summary, 'messages'))

    @property
    def _holding(self) -> bool:
        """Whether the place in the recording stays where it is."""
        return self._timer is None or self._paused or self._waiting

    def _make_publishers(self) -> dict[str, Publisher]:
        """By topic; those that cannot be replayed are left out with a warning.

        Raises:
            RecordingError: none is left.
        """
        path, log = self._recording.path, self._node.get_logger()
        if not self._recording.is_ros2:
            raise RecordingError(f'recording {path} is of ROS 1: turn it into a rosbag2 with rosbags-convert')
        made = {}
        for name, topic in self._recording.topics.items():
            if not topic.count or (self._settings.pictures_only and topic.type_name not in (*_PICTURE_TYPES, INFO)):
                continue
            kind = _message_class(topic)
            if isinstance(kind, str):
                log.warning(f'{name} is not replayed: {kind}')
                continue
            profile = QoSProfile(
                depth=topic.offer.depth,
                reliability=ReliabilityPolicy.RELIABLE if topic.offer.reliable else ReliabilityPolicy.BEST_EFFORT,
                durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.offer.latched else DurabilityPolicy.VOLATILE,
            )
            made[name] = self._node.configured.publisher(kind, name, profile)
            plain = name.removesuffix(_COMPRESSED_SUFFIX)
            if topic.type_name == COMPRESSED and plain != name and plain not in self._recording.topics:
                self._raw[name] = self._node.configured.publisher(Image, plain, profile)
        if not made:
            listed = ', '.join(self._recording.topics)
            raise RecordingError(f'recording {path} holds nothing that can be replayed; its topics are {listed}')
        return made

    def _tick(self) -> None:
        """Publish what is due, then sleep until the next message is."""
        now = time.monotonic_ns()
        if self._waiting and self._listened_to():
            self._waiting = False
            self._schedule.go(now)
        if self._holding:
            self._wake(_LISTEN_PERIOD if self._waiting else _LONGEST_WAIT)
            return
        for _ in range(_BURST):  # then services have their turn
            message = self._schedule.due(time.monotonic_ns())
            if message is not None:
                self._publish(message)
            elif not self._schedule.at_end:
                break
            elif not self._settings.loop or not self._schedule.begin():
                self._end()
                return
        self._wake(min(self._schedule.wait(time.monotonic_ns()), _LONGEST_WAIT))

    def _publish(self, message: RawMessage) -> None:
        start = time.perf_counter()
        self._statistics.arrived()
        try:
            data = self._moved(message)
        except RecordingError as error:
            self._drop(error)
            return
        self._publishers[message.topic].publish(data)
        self._publish_raw(message.topic, data)
        self._statistics.answered({'publish': time.perf_counter() - start})

    def _publish_raw(self, topic: str, data: bytes) -> None:
        """The picture of a compressed message, where raw ones are listened to."""
        publisher = self._raw.get(topic)
        if publisher is None or not publisher.get_subscription_count():
            return
        try:
            message = deserialize_message(data, CompressedImage)
        except Exception as error:  # of the middleware's, which says no more than that it failed
            self._drop(f'a message of {topic} cannot be read: {one_line(error)}')
            return
        try:
            publisher.publish(image_message(message.header, picture_from_compressed(message)))
        except PictureError as error:
            self._drop(error)

    def _drop(self, reason: object) -> None:
        self._statistics.dropped()
        self._drops.drop(reason)

    def _moved(self, message: RawMessage) -> bytes:
        """The bytes to publish, with other stamps if that is asked for."""
        if self._settings.stamps == 'original':
            return message.data
        if self._settings.stamps == 'now':

            def move(stamp: int) -> int:
                # by the stamp alone, so that what was made of a picture keeps the picture's stamp
                return self._schedule.when(stamp) + self._offset
        else:
            later = self._schedule.shift_of_round()

            def move(stamp: int) -> int:
                return stamp + later

        topic = self._recording.topics[message.topic]
        return move_stamps(topic.type_name, message.data, move, topic.definition, topic.language)

    def _end(self) -> None:
        log = self._node.get_logger()
        if self._schedule.damage:
            log.warning(self._schedule.damage)
        log.info(f'{self._recording.path} is at its end: {self._statistics.received} messages replayed')
        for publisher in (*self._publishers.values(), *self._raw.values()):
            publisher.wait_for_all_acked(Duration(seconds=1))
        self._node.finish()

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        now, before = time.monotonic_ns(), self._holding
        self._paused = bool(request.data)
        if before and not self._holding:
            self._schedule.go(now)
        elif not before and self._holding:
            self._schedule.hold(now)
        at = (self._schedule.position - self._recording.start) * 1e-9
        response.success, response.message = True, f'{"paused" if self._paused else "replaying"} at {at:.3f} s'
        self._wake(0)
        return response

    def _listened_to(self) -> bool:
        """Whether all pictures, or where there are none all topics, have a subscriber."""
        topics = self._recording.topics
        wanted = [name for name in self._publishers if topics[name].type_name in _PICTURE_TYPES]
        ways = [(self._publishers[name], self._raw.get(name)) for name in wanted or self._publishers]
        return all(any(way is not None and way.get_subscription_count() for way in pair) for pair in ways)

    def _wake(self, nanoseconds: int) -> None:
        """Tick again in so many nanoseconds."""
        if self._timer is not None:
            self._timer.timer_period_ns = max(nanoseconds, 1)
            self._timer.reset()


def _message_class(topic: Topic) -> type | str:
    """The message class of a topic, or why there is none."""
    package, _, name = topic.type_name.partition('/msg/')
    try:
        kind = getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError, ValueError):
        return f'{topic.type_name} is not installed here'
    try:
        known = is_known_as(topic.type_name, topic.definition, topic.language)
    except RecordingError as error:
        return str(error)
    return kind if known else f'{topic.type_name} was recorded with another definition than the one installed here'


class ReplayNode(ManagedNode[ReplaySettings]):
    """replay."""

    def __init__(self, **options: Any) -> None:
        super().__init__('replay', load_replay_settings, ReplayWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable replay; its own options become parameters."""
    return run_node('replay', ReplayNode, as_ros_arguments(list(sys.argv if args is None else args)))


if __name__ == '__main__':
    sys.exit(main())
