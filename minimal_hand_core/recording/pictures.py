"""The pictures of a recording, with the intrinsics that were recorded with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minimal_hand_core.data.films import DEFAULT_RATE, FASTEST, SLOWEST
from minimal_hand_core.data.info_messages import camera_from_info
from minimal_hand_core.data.picture_messages import picture_from_compressed, picture_from_image
from minimal_hand_core.data.sources import Shot, SourceError
from minimal_hand_core.recording.error import DamagedRecordingError, RecordingError
from minimal_hand_core.recording.reader import Recording
from minimal_hand_core.tracking.camera import CameraError, CameraModel
from minimal_hand_core.tracking.picture import PictureError

RAW, COMPRESSED, INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/CameraInfo'
_REMEMBERED = 8
_FIRST = 100
_JPEG = b'\xff\xd8\xff'


class RecordedPicture(NamedTuple):
    """One picture of a recording.

    stamp: the picture's own, nanoseconds; of a message without one, when it was recorded.
    frame_id: TF frame of the camera; '' where it was not told.
    image: (H, W, 3) uint8 BGR; None when it cannot be read.
    camera: its intrinsics; None where they were not recorded, or not known.
    jpeg: the bytes it was decoded from, where they are a JPEG.
    name: what to call it in messages, and for one that cannot be read why not.
    unusable: why the intrinsics that were recorded with it are not its `camera`; '' where they are, or there are none.
    """

    stamp: int
    frame_id: str
    image: np.ndarray | None
    camera: CameraModel | None
    jpeg: bytes | None
    name: str
    unusable: str = ''


class _Info(NamedTuple):
    """What was recorded as the intrinsics of a picture, and why they cannot be used where they cannot."""

    camera: CameraModel | None
    unusable: str = ''


class RecordedPictures:
    """The pictures of one camera in a recording; a context manager.

    Args:
        path: of the recording, see Recording.
        topic: of the pictures; '' = the only one, of several that end in image_raw or image_raw/compressed the only
            one, and of a raw and a compressed one of the same name the raw one.
        info: topic of the camera info; '' = the one that lies beside the pictures, or else the only one; without any,
            `camera` of every picture is None.
        rectified: whether the pictures are: of the camera info P counts, not K and the distortion.

    Attributes:
        topic, info: those taken.
        count: pictures, as far as the recording tells.
        rate: pictures per second, as the first ones were recorded.

    Raises:
        RecordingError: there is no such recording, or it holds no such topic, no pictures, or those of several cameras.
    """

    def __init__(
        self, path: str | os.PathLike[str], topic: str = '', info: str = '', *, rectified: bool = False
    ) -> None:
        self._recording, self._rectified = Recording(path), rectified
        try:
            topics = self._recording.topics
            self.topic = _choose(self._recording, (RAW, COMPRESSED), topic, 'pictures')
            self.info = _info_topic(self._recording, self.topic, info)
        except RecordingError:
            self._recording.close()
            raise
        self.count = topics[self.topic].count or 0
        self.rate = self._rate()

    def __iter__(self) -> Iterator[RecordedPicture]:
        """All pictures, as `after` gives them."""
        return self.after(0)

    def after(self, count: int) -> Iterator[RecordedPicture]:
        """The pictures behind the first `count`, which are passed over undecoded.

        Raises:
            DamagedRecordingError: behind the last one, where the recording is cut off or damaged.
        """
        wanted = {self.topic, self.info} - {''}
        infos = self._first_info()
        number = 0
        for raw in self._recording.raw_messages(wanted):
            if raw.topic == self.info:
                info: Any = self._recording.decode(raw)
                _remember(infos, _stamp(info, raw.stamp), _camera(info, self._rectified))
                continue
            number += 1
            if number > count:
                message: Any = self._recording.decode(raw)
                yield self._picture(message, _stamp(message, raw.stamp), infos, number)

    def close(self) -> None:
        """Let go of the recording."""
        self._recording.close()

    def __enter__(self) -> RecordedPictures:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rate(self) -> float:
        """Of the first pictures, as a recording may hold other messages long before them and after."""
        stamps: list[int] = []
        with suppress(DamagedRecordingError):  # which comes again when they are read
            stamps.extend(raw.stamp for raw in islice(self._recording.raw_messages({self.topic}), _FIRST))
        seconds = (stamps[-1] - stamps[0]) * 1e-9 if stamps else 0.0
        return float(np.clip((len(stamps) - 1) / seconds, SLOWEST, FASTEST)) if seconds > 0 else DEFAULT_RATE

    def _first_info(self) -> dict[int, _Info]:
        """What the first pictures are seen with, should theirs lie behind them."""
        if not self.info:
            return {}
        with suppress(DamagedRecordingError):  # which comes again when the pictures are read
            for raw in self._recording.raw_messages({self.info}):
                return {0: _camera(self._recording.decode(raw), self._rectified)}
        return {}

    def _picture(self, message: Any, stamp: int, infos: dict[int, _Info], number: int) -> RecordedPicture:
        name = f'{self._recording.path}, picture {number}'
        jpeg = None
        compressed = self._recording.topics[self.topic].type_name == COMPRESSED
        try:
            if compressed:
                data = bytes(message.data)
                jpeg = data if data.startswith(_JPEG) else None
                image = picture_from_compressed(message)
            else:
                image = picture_from_image(message)
        except PictureError as error:
            return RecordedPicture(stamp, message.header.frame_id, None, None, None, f'{name}: {error}')
        camera, unusable = infos.get(stamp, infos[next(reversed(infos))]) if infos else _Info(None)
        if camera is not None:
            camera = camera.of_size(image.shape[1], image.shape[0])
            unusable = camera.size_mismatch(image.shape[1], image.shape[0])
            camera = None if unusable else camera
        return RecordedPicture(stamp, message.header.frame_id, image, camera, jpeg, name, unusable)


class RecordingSource:
    """A recording as a PictureSource, at its own rate.

    Args:
        path: of the recording.
        loop: start over at the end.

    Attributes:
        rate: pictures per second.
        camera: intrinsics of the picture that was read last; None before the first one.

    Raises:
        SourceError: it cannot be read, or holds no pictures.
    """

    def __init__(self, path: Path, *, loop: bool) -> None:
        try:
            self._pictures = RecordedPictures(path)
            self._left = iter(self._pictures)
        except RecordingError as error:
            raise SourceError(f'source {error}') from None
        self._path, self._loop, self._good = path, loop, 0
        self.rate = self._pictures.rate
        self.camera: CameraModel | None = None
        self._start: int | None = None

    def read(self) -> Shot | None:
        """As PictureSource says; what is whole of a recording that is cut off is given, then the error is raised."""
        try:
            picture = next(self._left, None)
        except RecordingError as error:
            raise SourceError(f'source {error}') from None
        if picture is None:
            if not self._loop or not self._good:
                if not self._good:
                    raise SourceError(f'source {self._path} holds no picture that can be read')
                return None
            self._left, self._good, self._start = iter(self._pictures), 0, None
            return self.read()
        if self._start is None:
            self._start = picture.stamp
        if picture.image is None:
            raise PictureError(picture.name)
        self._good += 1
        self.camera = picture.camera
        return Shot(picture.image, picture.name, stamp=(picture.stamp - self._start) * 1e-9)

    def close(self) -> None:
        """Let go of the recording."""
        self._pictures.close()


def _choose(recording: Recording, types: tuple[str, ...], wanted: str, what: str) -> str:
    path, topics = recording.path, recording.topics
    fitting = [name for name, topic in topics.items() if topic.type_name in types]
    found = [name for name in fitting if topics[name].count != 0]
    empty = [name for name in fitting if name not in found and wanted in ('', name)]
    if recording.is_cut_off and empty and (wanted or not found):
        raise RecordingError(f'recording {path} is cut off before its first {what.removesuffix("s")} on {empty[0]}')
    listed = ', '.join(found) or 'none'
    if wanted:
        if wanted not in found:
            raise RecordingError(f'recording {path} has no {what} on {wanted}; it has {listed}')
        return wanted
    if not found:
        where = ' before it is cut off' if recording.is_cut_off else ''
        raise RecordingError(f'recording {path} holds no {what}{where}; its topics are {", ".join(topics) or "none"}')
    again = {f'{name}/compressed' for name in found}
    found = [name for name in found if name not in again]
    if len(found) > 1:
        raw = [name for name in found if name.endswith('image_raw')]
        usual = raw or [name for name in found if name.endswith('image_raw/compressed')]
        found = usual or found
    if len(found) > 1:
        raise RecordingError(f'recording {path} has {what} on several topics: give one of {listed}')
    return found[0]


def _info_topic(recording: Recording, pictures: str, wanted: str) -> str:
    if wanted:
        return _choose(recording, (INFO,), wanted, 'camera info')
    found = [name for name, topic in recording.topics.items() if topic.type_name == INFO]
    beside = f'{pictures.removesuffix("/compressed").rpartition("/")[0]}/camera_info'
    if beside in found:
        return beside
    return found[0] if len(found) == 1 else ''


def _stamp(message: Any, recorded: int) -> int:
    stamp = message.header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec or recorded


def _camera(message: Any, rectified: bool) -> _Info:
    try:
        return _Info(camera_from_info(message, rectified=rectified))
    except CameraError as error:
        return _Info(None, str(error))


def _remember(infos: dict[int, _Info], stamp: int, info: _Info) -> None:
    infos.pop(stamp, None)
    infos[stamp] = info
    while len(infos) > _REMEMBERED:
        del infos[next(iter(infos))]
