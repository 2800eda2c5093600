"""Where pictures come from: a webcam, a video, a picture, a folder of pictures, a recording, or a rendered hand.

`open_source` turns one short text into a PictureSource; `read` then gives one picture after the other.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from minimal_hand_core.data.decoding import load_picture
from minimal_hand_core.data.films import DEFAULT_RATE, PICTURE_SUFFIXES, Film, FilmError, is_picture, pictures_in
from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.picture import PictureError

if TYPE_CHECKING:
    from minimal_hand_core.data.synthetic import HandTruth

_V4L_TIMEOUT = ('OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT', '2')
"""Seconds that OpenCV waits for a webcam's picture on Linux: ten unless told, for which a node would stand still."""


class SourceError(ValueError):
    """A source that does not exist or gives no pictures; the message names it and what would be right."""


class Shot(NamedTuple):
    """One picture of a source.

    image: (H, W, 3) uint8 BGR.
    name: what to call it in messages, e.g. its path.
    truth: the hand that was rendered into it; None for everything else.
    stamp: seconds: in a film or a recording from its first picture, of a webcam since it was opened; None = as the
        source's rate says.
    """

    image: np.ndarray
    name: str
    truth: HandTruth | None = None
    stamp: float | None = None


class PictureSource(Protocol):
    """What every source has.

    Attributes:
        rate: pictures per second that suit it.
        camera: intrinsics, where the source knows them.
    """

    rate: float
    camera: CameraModel | None

    def read(self) -> Shot | None:
        """The next picture; None at the end.

        Raises:
            PictureError: this one picture is bad; the next call goes on behind it.
            SourceError: the source as a whole gives no pictures any more.
        """

    def close(self) -> None:
        """Let go of the device or file."""


def open_source(
    source: str,
    *,
    loop: bool = True,
    side: str = 'right',
    model: str = 'open',
    seed: int = 0,
    rate: float = 0.0,
    hold: int = 1,
) -> PictureSource:
    """Open a source by its name.

    Args:
        source: 'rendered', a webcam's index such as '0', or the path of a video, a picture, a folder of pictures, or a
            recording (an MCAP file, a bag).
        loop: start over at the end of a video, folder or recording; a single picture is then repeated for ever.
        side, model, seed: of the rendered hand.
        rate: pictures per second at which the rendered hand moves as it should; 0 = 30.
        hold: how often each picture of a folder is given before the next one.

    Raises:
        SourceError: there is no such source, or it cannot be read.
    """
    if source == 'rendered':
        from minimal_hand_core.data.rendered import RenderedSource

        return RenderedSource(side=side, model=model, seed=seed, rate=rate)
    if source.isdecimal():
        return WebcamSource(int(source))
    path = Path(source).expanduser()
    if not source or not path.exists():
        raise SourceError(
            f"source {source!r} does not exist: give 'rendered', a webcam's index such as 0, "
            'or the path of a picture, a folder of pictures, a video or a recording'
        )
    if path.is_file() and is_picture(path):
        return PictureFile(path, loop=loop)
    from minimal_hand_core.recording import is_recording

    if is_recording(path):
        from minimal_hand_core.recording.pictures import RecordingSource

        return RecordingSource(path, loop=loop)
    if path.is_dir():
        return FolderSource(path, loop=loop, hold=hold)
    return VideoSource(path, loop=loop)


class PictureFile:
    """One picture, given once or for ever."""

    rate = 10.0
    camera: CameraModel | None = None

    def __init__(self, path: Path, *, loop: bool) -> None:
        try:
            self._shot: Shot | None = Shot(load_picture(path), str(path))
        except PictureError as error:
            raise SourceError(f'source {error}') from None
        self._loop = loop

    def read(self) -> Shot | None:
        shot = self._shot
        if not self._loop:
            self._shot = None
        return shot

    def close(self) -> None:
        pass


class FolderSource:
    """The pictures of one folder in the order of their names, each `hold` times; other files are left alone."""

    rate = DEFAULT_RATE
    camera: CameraModel | None = None

    def __init__(self, path: Path, *, loop: bool, hold: int = 1) -> None:
        try:
            self._paths = pictures_in(path)
        except OSError as error:
            raise SourceError(f'source {path} cannot be read: {error.strerror}') from None
        if not self._paths:
            raise SourceError(f'source {path} holds no picture: put {", ".join(PICTURE_SUFFIXES)} files there')
        self._folder = path
        self._loop = loop
        self._hold = hold
        self._held: list[Shot] = []
        self._next = 0
        self._good = 0

    def read(self) -> Shot | None:
        if self._held:
            return self._held.pop()
        if self._next == len(self._paths):
            if self._good == 0:
                raise SourceError(f'source {self._folder}: none of its {len(self._paths)} pictures can be read')
            if not self._loop:
                return None
            self._next = self._good = 0
        path = self._paths[self._next]
        self._next += 1
        shot = Shot(load_picture(path), str(path))
        self._good += 1
        self._held = [shot] * (self._hold - 1)
        return shot

    def close(self) -> None:
        pass


class VideoSource:
    """A video file, at its own rate."""

    camera: CameraModel | None = None

    def __init__(self, path: Path, *, loop: bool) -> None:
        self._path = path
        self._loop = loop
        self._good = 0
        self._film = self._opened()
        self.rate = self._film.rate
        if not self._film.grab():
            self._film.close()
            raise self._no_video()
        self._rewind()

    def read(self) -> Shot | None:
        if not self._film.grab():
            if self._good == 0:
                raise SourceError(f'source {self._path} holds no picture that can be decoded')
            if not self._loop:
                return None
            self._good = 0
            self._rewind()
            return self.read()
        name = f'{self._path}, picture {self._film.number + 1}'
        image = self._film.retrieve()
        if image is None:
            raise PictureError(f'{name} cannot be decoded')
        self._good += 1
        return Shot(image, name, stamp=self._film.stamp * 1e-9)

    def close(self) -> None:
        self._film.close()

    def _rewind(self) -> None:
        # opening anew is exact for every container; seeking is not
        self._film.close()
        self._film = self._opened()

    def _opened(self) -> Film:
        try:
            return Film(self._path)
        except FilmError:
            raise self._no_video() from None

    def _no_video(self) -> SourceError:
        return SourceError(f'source {self._path} cannot be read: it is neither a video nor a picture of a known format')


class WebcamSource:
    """A camera of this machine. `read` waits for the next picture, a second or two for one that does not come."""

    rate = 30.0
    camera: CameraModel | None = None
    _PATIENCE = 30
    """Pictures in a row that may miss; a camera that was unplugged fails at once, as often as it is asked."""
    _SECONDS = 20.0
    """How long they may miss; a camera that hangs is waited for each time."""

    def __init__(self, index: int) -> None:
        self._index = index
        os.environ.setdefault(*_V4L_TIMEOUT)
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f'source {index}: there is no webcam with this index, or it is in use or not permitted')
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._count = 0
        self._misses = 0
        self._start = self._good = time.monotonic()

    def read(self) -> Shot | None:
        done, image = self._capture.read()
        if not done:
            self._misses += 1
            if self._misses >= self._PATIENCE or time.monotonic() - self._good > self._SECONDS:
                raise SourceError(f'source {self._index}: the webcam stopped giving pictures')
            raise PictureError(f'webcam {self._index} gave no picture')
        self._misses, self._good = 0, time.monotonic()
        self._count += 1
        return Shot(image, f'webcam {self._index}, picture {self._count}', stamp=self._good - self._start)

    def close(self) -> None:
        self._capture.release()
