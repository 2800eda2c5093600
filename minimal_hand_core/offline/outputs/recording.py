"""The tracked hands as a recording: what the tracker node would have published, and the pictures if wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from minimal_hand_core.offline.messages import Message, camera_info, hand_messages, picture, topics_of
from minimal_hand_core.offline.outputs.files import to_disk
from minimal_hand_core.offline.outputs.output import Output
from minimal_hand_core.offline.tracking import TrackedFrame
from minimal_hand_core.recording import Recording, RecordingWriter

MCAP = '.mcap'


class RecordingOutput(Output):
    """hands.mcap, each message at the stamp of its picture.

    Args:
        sides: that are tracked.
        pictures: whether they go in, as JPEG of this quality; 0 = they do not.
    """

    def __init__(self, sides: Sequence[str], pictures: int) -> None:
        self._prefixes = {side: topics_of(side, len(sides) > 1) for side in sides}
        self._quality = pictures
        self._writer: RecordingWriter | None = None

    def begin(self, part: Path) -> None:
        """As Output says."""
        path = part.with_name(part.name + MCAP)
        path.unlink(missing_ok=True)
        self._writer = RecordingWriter(path)

    def add(self, tracked: TrackedFrame) -> None:
        """As Output says."""
        assert self._writer is not None
        for message in self._messages(tracked):
            self._writer.add_topic(message.topic, message.type_name, message.offer)
            self._writer.write(message.topic, message.type_name, message.fields, tracked.frame.stamp)

    def end(self) -> None:
        """As Output says."""
        assert self._writer is not None
        self._writer.close()
        if self._writer.messages:
            to_disk(self._writer.path)
        else:
            self._writer.path.unlink()  # not one picture of the chunk could be read
        self._writer = None

    def drop(self) -> None:
        """As Output says."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def join(self, parts: Sequence[Path], folder: Path) -> list[Path]:
        """As Output says."""
        path = folder / f'hands{MCAP}'
        unfinished = folder / f'.hands.part{MCAP}'
        unfinished.unlink(missing_ok=True)
        try:
            with RecordingWriter(unfinished) as writer:
                for part in parts:
                    _append(writer, part.with_name(part.name + MCAP))
            to_disk(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return [path]

    def _messages(self, tracked: TrackedFrame) -> Iterable[Message]:
        yield camera_info(tracked.frame, tracked.camera)
        if self._quality:
            yield picture(tracked.frame, self._quality)
        for side, hand in tracked.hands.items():
            yield from hand_messages(tracked, side, hand, self._prefixes[side])


def _append(writer: RecordingWriter, path: Path) -> None:
    """Copy all messages of a recording as they are; there is none where no picture could be read."""
    if not path.exists():
        return
    with Recording(path) as recording:
        for topic in recording.topics.values():
            writer.add_topic(topic.name, topic.type_name, topic.offer)
        for message in recording.raw_messages():
            writer.write(message.topic, message.type_name, message.data, message.stamp)
