"""Where recorded messages lie: what is common to the kinds of storage, and the bags that the library rosbags reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import ConnectionExtRosbag2, MessageDefinitionFormat
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError

from minimal_hand_core.errors import one_line
from minimal_hand_core.recording.definitions import ROS2IDL, ROS2MSG, decode, type_store
from minimal_hand_core.recording.error import DamagedRecordingError, RecordingError
from minimal_hand_core.recording.topic import Offer, Topic


class RawMessage(NamedTuple):
    """One message as it was recorded.

    topic: its name.
    type_name: such as 'sensor_msgs/msg/Image'.
    data: CDR bytes; of a ROS 1 bag, ROS 1's.
    stamp: when it was recorded, nanoseconds.
    """

    topic: str
    type_name: str
    data: bytes
    stamp: int


class Storage(Protocol):
    """One or several files of a recording.

    Attributes:
        topics: by name.
        start, end: stamps of the first and the last message, nanoseconds; equal where there are none.
        is_ros2: whether the bytes are CDR.
        is_cut_off: whether it is known to end in the middle.
    """

    topics: dict[str, Topic]
    start: int
    end: int
    is_ros2: bool
    is_cut_off: bool

    def read(self, topics: Collection[str] | None, start: int) -> Iterator[RawMessage]:
        """The messages in the order of their stamps, from `start` on; of some topics, or of all.

        Raises:
            DamagedRecordingError: behind the last message that is whole, where the file is cut off or damaged.
        """

    def decode(self, message: RawMessage) -> object:
        """See definitions.decode."""

    def close(self) -> None:
        """Let go of the files."""


class RosbagsStorage:
    """A bag that the library rosbags reads: a rosbag2 folder, its .db3 file, or a ROS 1 .bag file.

    Args:
        path: of the folder or file.

    Raises:
        RecordingError: it cannot be read.
    """

    is_cut_off = False  # such files cannot be opened

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_ros2 = path.suffix != '.bag'
        try:
            self._reader = AnyReader([path], default_typestore=type_store() if self.is_ros2 else None)
            self._reader.open()
            connections = self._reader.connections
            self.start, self.end = self._reader.start_time, self._reader.end_time
        except Exception as error:
            # the library lets errors of SQLite, YAML, zstd and its own parsers through
            raise RecordingError(f'recording {path} cannot be read: {one_line(error)}') from None
        self.topics: dict[str, Topic] = {}
        for connection in connections:
            before = self.topics.get(connection.topic)
            if before is not None:
                self.topics[before.name] = replace(before, count=(before.count or 0) + connection.msgcount)
                continue
            kind, text = connection.msgdef
            profiles: Any = ()
            if isinstance(connection.ext, ConnectionExtRosbag2):
                profiles = connection.ext.offered_qos_profiles
            self.topics[connection.topic] = Topic(
                connection.topic,
                connection.msgtype,
                connection.msgcount,
                text,
                ROS2IDL if kind == MessageDefinitionFormat.IDL else ROS2MSG,
                Offer.of(list(profiles)),
            )
        if not any(topic.count for topic in self.topics.values()):
            self.start = self.end = 0

    def read(self, topics: Collection[str] | None, start: int) -> Iterator[RawMessage]:
        connections = [c for c in self._reader.connections if topics is None or c.topic in topics]
        if not connections:
            return
        count, stamp = 0, None
        messages = self._reader.messages(connections, start=start)
        while True:
            try:
                connection, stamp, data = next(messages)
            except StopIteration:
                return
            except Exception as error:
                raise DamagedRecordingError(self._path, count, stamp, one_line(error)) from None
            count += 1
            yield RawMessage(connection.topic, connection.msgtype, data, stamp)

    def decode(self, message: RawMessage) -> object:
        topic = self.topics[message.topic]
        if self.is_ros2:
            return decode(message.type_name, message.data, topic.definition, topic.language)
        try:
            return self._reader.deserialize(message.data, message.type_name)
        except (AnyReaderError, SerdeError, TypesysError, KeyError, IndexError, AssertionError) as error:
            raise RecordingError(
                f'{len(message.data)} bytes are no message of type {message.type_name!r}: {error}'
            ) from None

    def close(self) -> None:
        self._reader.close()
