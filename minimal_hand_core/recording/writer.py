"""Writing a recording: an MCAP file as rosbag2 would have written it.

Profile ros2, CDR messages, definitions embedded, the publishers' quality of service with each topic: Foxglove,
`ros2 bag`, rosbags and mcap-ros2-support read it without being told anything. Messages go out in chunks, at least one
per second, so that a killed process loses no more than its last second: readers find the chunks without the index that
only a file closed properly has at its end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from mcap.well_known import MessageEncoding, Profile, SchemaEncoding
from mcap.writer import CompressionType, Writer

from minimal_hand_core.recording.definitions import PACKAGE, definition, type_hash
from minimal_hand_core.recording.encoding import encode
from minimal_hand_core.recording.error import RecordingError, RecordingExistsError
from minimal_hand_core.recording.topic import Offer

SUFFIX = '.mcap'
FLUSH_PERIOD = 1.0
"""Seconds; what a process loses at most when it is killed."""
_END = 2**64


class RecordingWriter:
    """Writes one recording; a context manager.

    Args:
        path: of the file, which must not exist; its folder must.

    Attributes:
        path: of the file.
        messages: written so far.

    Raises:
        RecordingExistsError: the file exists.
        RecordingError: it cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self.messages = 0
        self._channels: dict[str, tuple[int, str]] = {}
        self._schemas: dict[str, int] = {}
        self._sequences: dict[int, int] = {}
        if self.path.suffix != SUFFIX:
            raise RecordingError(f'recording {self.path}: give a name that ends in {SUFFIX}')
        try:
            self._file = _Output(self.path)
            self._writer: Writer | None = None
            self._writer = Writer(cast(BinaryIO, self._file), compression=CompressionType.ZSTD)
            self._writer.start(profile=Profile.ROS2, library=PACKAGE)
        except FileExistsError:
            raise RecordingExistsError(
                f'recording {self.path} exists and is not overwritten: give another name or move it away'
            ) from None
        except OSError as error:
            raise self._failed(error) from None
        self._flushed = time.monotonic()

    @property
    def size(self) -> int:
        """Bytes in the file so far; the chunk in memory is not counted."""
        return self._file.tell()

    @property
    def open(self) -> bool:
        """Whether there can be written more: false once closed, and after a failure."""
        return self._writer is not None

    def add_topic(self, topic: str, type_name: str, offer: Offer | None = None) -> None:
        """Make a topic known before its first message; `write` does so itself, with the usual offer.

        Raises:
            RecordingError: an unknown type, or the topic is there with another one.
        """
        if topic in self._channels:
            known = self._channels[topic][1]
            if known != type_name:
                raise RecordingError(f'topic {topic} of recording {self.path} has type {known!r}, not {type_name!r}')
            return
        writer = self._opened()
        text, digest = definition(type_name), type_hash(type_name)
        if type_name not in self._schemas:
            self._schemas[type_name] = writer.register_schema(type_name, SchemaEncoding.ROS2, text.encode())
        metadata = {'offered_qos_profiles': (offer or Offer()).text(), 'topic_type_hash': digest}
        channel = writer.register_channel(topic, MessageEncoding.CDR, self._schemas[type_name], metadata)
        self._channels[topic] = channel, type_name

    def write(
        self,
        topic: str,
        type_name: str,
        message: bytes | Mapping[str, Any],
        stamp_ns: int,
        published_ns: int | None = None,
    ) -> None:
        """Write one message.

        Args:
            topic: such as '/hand/pose'.
            type_name: such as 'minimal_hand_ros/msg/HandPose'.
            message: CDR bytes as they come from ROS, or a mapping of fields, see encoding.encode.
            stamp_ns: when it came in, nanoseconds since the epoch; it is replayed in this order and pace.
            published_ns: when it was sent; the same when not known.

        Raises:
            RecordingError: a message that does not fit its type; or the disk is full or gone, which ends the recording.
                What was written before is kept.
        """
        self.add_topic(topic, type_name)
        published = stamp_ns if published_ns is None else published_ns
        if not (0 <= stamp_ns < _END and 0 <= published < _END):
            raise RecordingError(f'stamp of a message on {topic} is {stamp_ns}: give nanoseconds since the epoch')
        data = encode(type_name, message) if isinstance(message, Mapping) else bytes(message)
        channel = self._channels[topic][0]
        sequence = self._sequences[channel] = self._sequences.get(channel, 0) + 1
        writer = self._opened()
        try:
            writer.add_message(channel, int(stamp_ns), data, int(published), sequence)
        except OSError as error:
            raise self._failed(error) from None
        self.messages += 1
        self.flush()

    def flush(self) -> None:
        """Write out what is in memory, if that was last done FLUSH_PERIOD ago; `write` does so itself.

        Raises:
            RecordingError: as write.
        """
        if time.monotonic() - self._flushed < FLUSH_PERIOD:
            return
        try:
            self._opened().flush()
        except OSError as error:
            raise self._failed(error) from None
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Write the index and close the file; nothing happens when that was done before.

        Raises:
            RecordingError: the disk is full or gone; what was written before is kept.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            # tells rosbag2 since Jazzy that the quality of service is written as numbers
            writer.add_metadata('rosbag2', {'serialized_metadata': ''})
            writer.finish()
        except OSError as error:
            raise self._failed(error) from None
        self._file.close()

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> Writer:
        if self._writer is None:
            raise RecordingError(f'recording {self.path} is closed')
        return self._writer

    def _failed(self, error: OSError) -> RecordingError:
        """End here; the error to raise."""
        self._writer = None
        kept = ''
        if hasattr(self, '_file'):
            self._file.close()
            kept = '; what was written before is kept'
        mend = 'make room or take another folder' if kept else 'give a folder that exists and may be written to'
        return RecordingError(f'recording {self.path} cannot be written: {error.strerror or error}; {mend}{kept}')


class _Output:
    """A new file to which records are written whole or not at all.

    Nothing is held back in a buffer, which would try once more, and fail once more, when the file is closed.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_CLOEXEC', 0), 0o666)
        self._size = 0

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        os.close(self._descriptor)
