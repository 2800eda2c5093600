"""MCAP files, whole ones by their index, cut off or damaged ones as far as they go."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mcap.exceptions import EndOfFile
from mcap.reader import SeekingReader
from mcap.records import Channel, Footer, Message, Schema
from mcap.stream_reader import StreamReader
from mcap.well_known import MessageEncoding
from mcap.writer import MCAP0_MAGIC

from minimal_hand_core.errors import one_line
from minimal_hand_core.recording.definitions import decode
from minimal_hand_core.recording.error import DamagedRecordingError, RecordingError
from minimal_hand_core.recording.storage import RawMessage
from minimal_hand_core.recording.topic import Offer, Topic

_CDR_HEADER = 4


class McapStorage:
    """One MCAP file with ROS 2 messages.

    A whole file is read in the order of the stamps, through its index. One without index, because whoever wrote it was
    killed, is looked through once for what it holds, and read in the order of the file, which differs little.

    Args:
        path: of the file.

    Attributes:
        topics, start, end, is_cut_off: see Storage; no topics where the file holds no messages of ROS 2.
        fault: why nothing of it can be read, which `read` then raises; '' where it can, and of a whole file.

    Raises:
        RecordingError: the file cannot be opened.
    """

    is_ros2 = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.topics: dict[str, Topic] = {}
        self.start = self.end = 0
        self.fault = ''
        self.is_cut_off = False
        try:
            self._file = path.open('rb')
        except OSError as error:
            raise RecordingError(f'recording {path} cannot be read: {error.strerror}') from None
        try:
            if self._file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
                self.fault = 'no MCAP file'
                return
            self._has_index = self._read_index()
            if not self._has_index:
                self._look_through()
                self.fault = '' if self.topics else 'cut off before its first message'
        except BaseException:
            self._file.close()
            raise

    def read(self, topics: Collection[str] | None, start: int) -> Iterator[RawMessage]:
        if self.fault:
            raise DamagedRecordingError(self._path, 0, None, self.fault)
        names = set(self.topics if topics is None else topics) & set(self.topics)
        if not names:
            return
        count, stamp = 0, None
        # a file of its own: several may read at a time, and each may stop anywhere
        with self._path.open('rb') as file:
            messages = self._indexed(file, names, start) if self._has_index else self._streamed(file, names, start)
            while True:
                try:
                    message = next(messages)
                except StopIteration:
                    return
                except Exception as error:
                    # bytes that are not what they should be make the libraries raise almost anything
                    raise DamagedRecordingError(self._path, count, stamp, _reason(error)) from None
                count, stamp = count + 1, message.stamp
                yield message

    def decode(self, message: RawMessage) -> object:
        topic = self.topics[message.topic]
        return decode(message.type_name, message.data, topic.definition, topic.language)

    def close(self) -> None:
        self._file.close()

    def _read_index(self) -> bool:
        """What the file holds, from its end; false when there is no index that tells."""
        self._file.seek(0)
        try:
            summary = SeekingReader(self._file).get_summary()
        except Exception:
            return False
        if summary is None or summary.statistics is None or not (summary.chunk_indexes or not summary.channels):
            return False
        statistics = summary.statistics
        # Writers need not repeat channels and schemas behind the chunks.
        used = {channel.schema_id for channel in summary.channels.values()} - {0}
        if statistics.channel_count > len(summary.channels) or not used <= set(summary.schemas):
            return False
        counts = statistics.channel_message_counts
        for channel in summary.channels.values():
            self._add(channel, summary.schemas.get(channel.schema_id), counts.get(channel.id, 0))
        self.start, self.end = statistics.message_start_time, statistics.message_end_time
        return True

    def _look_through(self) -> None:
        """What the file holds, from its records, as far as they are whole."""
        self._file.seek(0)
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        counts: Counter[int] = Counter()
        stamps: list[int] = []
        self.is_cut_off = True  # until its end is seen
        try:
            for record in StreamReader(self._file, validate_crcs=True).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Message):
                    counts[record.channel_id] += 1
                    stamps = [min([record.log_time, *stamps]), max([record.log_time, *stamps])]
                elif isinstance(record, Footer):
                    self.is_cut_off = False
        except Exception:
            pass
        for channel in channels.values():
            self._add(channel, schemas.get(channel.schema_id), counts[channel.id])
        self.start, self.end = stamps or (0, 0)

    def _add(self, channel: Channel, schema: Schema | None, count: int) -> None:
        if channel.message_encoding != MessageEncoding.CDR or schema is None:
            return
        before = self.topics.get(channel.topic)
        if before is not None:
            self.topics[channel.topic] = replace(before, count=(before.count or 0) + count)
            return
        offer = Offer.read(channel.metadata.get('offered_qos_profiles', ''))
        text = schema.data.decode(errors='replace')
        self.topics[channel.topic] = Topic(channel.topic, schema.name, count, text, schema.encoding, offer)

    def _indexed(self, file: BinaryIO, names: Collection[str], start: int) -> Iterator[RawMessage]:
        reader = SeekingReader(file, validate_crcs=True)
        for schema, channel, message in reader.iter_messages(list(names), starting_at=start):
            if schema is not None:
                yield _raw(channel, schema, message)

    def _streamed(self, file: BinaryIO, names: Collection[str], start: int) -> Iterator[RawMessage]:
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        for record in StreamReader(file, validate_crcs=True).records:
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message) and record.log_time >= start:
                channel = channels[record.channel_id]
                if channel.topic in names:
                    yield _raw(channel, schemas[channel.schema_id], record)


def _raw(channel: Channel, schema: Schema, message: Message) -> RawMessage:
    if len(message.data) < _CDR_HEADER:
        raise EOFError(f'a message of {len(message.data)} bytes on {channel.topic}')
    return RawMessage(channel.topic, schema.name, message.data, message.log_time)


def _reason(error: BaseException) -> str:
    return 'it ends in the middle' if isinstance(error, (EndOfFile, struct.error)) else one_line(error)
