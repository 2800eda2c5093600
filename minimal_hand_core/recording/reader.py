"""Reading a recording: an MCAP file, a rosbag2 folder, its .db3 file, or a ROS 1 .bag file."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from glob import escape
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import yaml

from minimal_hand_core.recording.error import DamagedRecordingError, RecordingError
from minimal_hand_core.recording.mcap_storage import McapStorage
from minimal_hand_core.recording.storage import RawMessage, RosbagsStorage, Storage
from minimal_hand_core.recording.topic import Topic
from minimal_hand_core.recording.writer import SUFFIX

SUFFIXES = (SUFFIX, '.db3', '.bag')
"""Files that can be read."""
METADATA = 'metadata.yaml'
"""What makes a folder a rosbag2."""


class RecordedMessage(NamedTuple):
    """One message of a recording.

    topic: its name, such as '/hand/pose'.
    type_name: such as 'minimal_hand_ros/msg/HandPose'.
    message: its fields as attributes, see definitions.decode.
    stamp: when it was recorded, nanoseconds; the picture's own stamp is in the message.
    """

    topic: str
    type_name: str
    message: object
    stamp: int


def is_recording(path: str | os.PathLike[str]) -> bool:
    """Whether a path looks like a recording: by its name, or as a folder with what rosbag2 puts there."""
    path = Path(path)
    if path.is_dir():
        return (path / METADATA).is_file() or bool(_mcap_files(path))
    return path.suffix.lower() in SUFFIXES


def recording_files(folder: Path) -> list[Path]:
    """What a folder that is a recording is read from; other files may lie beside them, such as results."""
    named = _named(folder)
    if named is None:
        return _mcap_files(folder)
    return [folder / METADATA, *(named or sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES))]


class Recording:
    """A recording that is open for reading; a context manager.

    Args:
        path: of an MCAP file, a rosbag2 folder, its .db3 file, or a ROS 1 .bag file.

    Attributes:
        path: as given.
        topics: by name.
        start, end: stamps of the first and the last message, nanoseconds.
        is_ros2: whether the bytes of its messages are CDR; not those of a .bag file.
        is_cut_off: whether an MCAP file of it is known to end in the middle.

    Raises:
        RecordingError: there is no such recording, or it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        if not self.path.exists():
            raise RecordingError(
                f'recording {self.path} does not exist: give an .mcap file, a rosbag2 folder or a .bag file'
            )
        self._storages = _storages(self.path)
        self.topics = _together(self._storages)
        spans = [(s.start, s.end) for s in self._storages if s.end]
        self.start = min((start for start, _ in spans), default=0)
        self.end = max((end for _, end in spans), default=0)
        self.is_ros2 = all(storage.is_ros2 for storage in self._storages)
        self.is_cut_off = any(storage.is_cut_off for storage in self._storages)

    def raw_messages(self, topics: Collection[str] | None = None, start: int = 0) -> Iterator[RawMessage]:
        """The messages undecoded; arguments and errors as in `messages`."""
        damage = None
        for storage in self._storages:
            try:
                yield from storage.read(topics, start)
            except DamagedRecordingError as error:
                # the other files of a folder are none the worse
                damage = damage or error
        if damage is not None:
            raise damage

    def messages(self, topics: Collection[str] | None = None, start: int = 0) -> Iterator[RecordedMessage]:
        """The messages in the order they were recorded.

        Args:
            topics: names of those wanted; None for all.
            start: stamp from which on, nanoseconds.

        Raises:
            DamagedRecordingError: behind the last message, where the recording is cut off or damaged.
            RecordingError: a message does not fit its type.
        """
        for raw in self.raw_messages(topics, start):
            yield RecordedMessage(raw.topic, raw.type_name, self.decode(raw), raw.stamp)

    def decode(self, message: RawMessage) -> object:
        """One message of `raw_messages`, its fields as attributes.

        Raises:
            RecordingError: it does not fit its type.
        """
        storage = next(s for s in self._storages if message.topic in s.topics)
        return storage.decode(message)

    def close(self) -> None:
        """Let go of the files."""
        for storage in self._storages:
            storage.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_messages(path: str | os.PathLike[str], topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
    """All messages of a recording, one after the other; see Recording.

    Raises:
        DamagedRecordingError: behind the last message, where the recording is cut off or damaged: what was given
            before may be kept.
        RecordingError: there is no such recording, or it cannot be read.
    """
    with Recording(path) as recording:
        yield from recording.messages(topics)


def _storages(path: Path) -> list[Storage]:
    if path.is_dir():
        files = _mcap_files(path)
        if files:
            # file by file, as that works without metadata.yaml and for files that are cut off
            return _mcap_storages(path, files)
        if not (path / METADATA).is_file():
            raise RecordingError(
                f'recording {path} is a folder without {METADATA}: give one of its files, or a rosbag2 folder'
            )
        return [RosbagsStorage(path)]
    if path.suffix.lower() == SUFFIX:
        return _mcap_storages(path, [path])
    if path.suffix.lower() in SUFFIXES:
        return [RosbagsStorage(path)]
    raise RecordingError(f'recording {path} has an unknown ending: give one of {", ".join(SUFFIXES)} or a folder')


def _mcap_storages(path: Path, files: list[Path]) -> list[Storage]:
    """The files of one recording, at least one of them with messages: the last one of a killed recorder may have none.

    Raises:
        RecordingError: a file cannot be opened, or there are no messages in any.
    """
    storages: list[McapStorage] = []
    try:
        for file in files:
            storages.append(McapStorage(file))
        if not any(storage.topics for storage in storages):
            for file, storage in zip(files, storages, strict=True):
                if storage.fault:
                    raise RecordingError(f'recording {file} is {storage.fault}')
            raise RecordingError(f'recording {path} holds no messages of ROS 2')
    except RecordingError:
        for storage in storages:
            storage.close()
        raise
    return list(storages)


def _mcap_files(folder: Path) -> list[Path]:
    """In the order of their numbers: …_9.mcap comes before …_10.mcap."""

    def numbers(path: Path) -> list[tuple[int, str]]:
        return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'(\d+)', path.stem)]

    named = _named(folder)
    if named:
        return [path for path in named if path.suffix == SUFFIX]
    # without metadata, as a killed rosbag2 leaves it, only what it would have named so: others are no parts of one bag
    begin = '' if named is not None else f'{escape(folder.resolve().name)}_'
    return sorted(folder.glob(f'{begin}*{SUFFIX}'), key=numbers)


def _named(folder: Path) -> list[Path] | None:
    """The files that a rosbag2's metadata name and that are there; empty where they cannot be read or name none such,
    None without metadata."""
    path = folder / METADATA
    if not path.is_file():
        return None
    try:
        names = yaml.safe_load(path.read_bytes())['rosbag2_bagfile_information']['relative_file_paths']
        files = [folder / str(name) for name in names]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return []
    return [file for file in files if file.is_file()]


def _together(storages: list[Storage]) -> dict[str, Topic]:
    topics: dict[str, Topic] = {}
    for storage in storages:
        for name, topic in storage.topics.items():
            before = topics.get(name)
            count = (topic.count or 0) + ((before.count or 0) if before else 0)
            topics[name] = replace(topic, count=count)
    return topics
