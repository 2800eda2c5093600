"""Recorded pictures, one after the other, with their stamps: videos, folders of pictures, single pictures.

Bags and MCAP files are in bag_input.py. An input can be entered anywhere, and then gives exactly what it would have
given there had it been read from its beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from minimal_hand_core.data.decoding import load_picture
from minimal_hand_core.data.sources import PICTURE_SUFFIXES
from minimal_hand_core.offline.options import OfflineError, TrackOptions
from minimal_hand_core.recording import is_recording
from minimal_hand_core.tracking import CameraModel, PictureError

FOLDER_RATE = 30.0
"""Pictures per second of a folder that are assumed: files have names, not times."""
MISSING = 0.05
"""Share of a video's pictures that may be missing: what some containers say of themselves is an estimate."""


class InputError(OfflineError):
    """An input that gives no pictures, or none any more: does not exist, is none of the known kinds, is cut off."""


class Frame(NamedTuple):
    """One picture of an input.

    Attributes:
        number: its place in the input, from 0.
        stamp: nanoseconds.
        image: (H, W, 3) uint8 BGR; None when this one cannot be read.
        camera: its intrinsics, where the input knows them.
        name: what to call it, and for one that cannot be read why not.
        jpeg: the bytes it was decoded from, when they are a JPEG.
        frame_id: TF frame of the camera, where the input knows it.
        unusable: why intrinsics that were recorded with it are not its `camera`; '' where they are, or there are none.
    """

    number: int
    stamp: int
    image: np.ndarray | None
    camera: CameraModel | None
    name: str
    jpeg: bytes | None = None
    frame_id: str = ''
    unusable: str = ''


class PictureInput(Protocol):
    """What every input has.

    Attributes:
        path: the file or folder.
        count: how many pictures there are, as far as is known; None = not known.
        rate: pictures per second, about.
    """

    path: Path
    count: int | None
    rate: float

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """The pictures from number `start` on.

        Raises:
            InputError: no picture at all, or none any more although there should be: the end is missing.
        """


def open_input(path: Path, options: TrackOptions) -> PictureInput:
    """The input of a path.

    Raises:
        InputError: it does not exist, or is none of the known kinds.
    """
    if not path.exists():
        raise InputError(f'{path} does not exist: give a video, a folder of pictures, a bag or an .mcap file')
    if is_recording(path):
        from minimal_hand_core.offline.bag_input import BagInput

        return BagInput(path, options)
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return FolderInput(path, options.rate or FOLDER_RATE)
    return VideoInput(path, options.rate)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without OpenCV's own lines about a file that it cannot open: we say it, and they would tear the progress bar."""
    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        log.setLogLevel(level)


class FolderInput:
    """The pictures of a folder in the order of their names, or a single picture; other files are left alone.

    Args:
        path: the folder or picture.
        rate: pictures per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
        except OSError as error:
            raise InputError(f'{path} cannot be read: {error.strerror}') from None
        self._files = [file for file in files if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()]
        if not self._files:
            raise InputError(
                f'{path} holds no picture ({", ".join(PICTURE_SUFFIXES)}); to track videos or bags in it, name them'
            )
        self.count: int | None = len(self._files)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """As PictureInput says."""
        for number, file in enumerate(self._files[start:], start):
            stamp = round(number * 1e9 / self.rate)
            try:
                yield Frame(number, stamp, load_picture(file), None, str(file))
            except PictureError as error:
                yield Frame(number, stamp, None, None, str(error))


class VideoInput:
    """The pictures of a video file, stamped from its beginning.

    Args:
        path: the file.
        rate: pictures per second; 0 = the times that the file gives its pictures.
    """

    def __init__(self, path: Path, rate: float = 0.0) -> None:
        self.path = path
        capture = self._open()
        said = capture.get(cv2.CAP_PROP_FPS)
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        capture.release()
        self._paced = rate > 0
        self.rate = rate or (float(said) if 1 <= said <= 1000 else FOLDER_RATE)
        self.count: int | None = int(count) if 1 <= count < 2**40 else None
        # Where a file does not say how many there are, OpenCV takes its length times the rate that it is said to have.
        self._length_ms = 1e3 * self.count / said if self.count and said > 0 else math.inf

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """As PictureInput says. To get to `start`, what lies before it is decoded: seeking is not exact."""
        capture = self._open()
        number, stamp, shown = 0, -1, 0.0
        try:
            while capture.grab():
                shown = capture.get(cv2.CAP_PROP_POS_MSEC)
                stamp = self._stamp(number, stamp, shown)
                if number >= start:
                    read, image = capture.retrieve()
                    name = f'{self.path}, picture {number}'
                    if read:
                        yield Frame(number, stamp, image, None, name)
                    else:
                        yield Frame(number, stamp, None, None, f'{name} cannot be decoded')
                number += 1
        finally:
            capture.release()
        if number == 0:
            raise InputError(f'{self.path} holds no picture that can be decoded')
        # A video whose pictures are further apart than it says has fewer of them and is whole all the same.
        short = not shown >= (1 - MISSING) * self._length_ms
        if self.count is not None and number < (1 - MISSING) * self.count and short:
            raise InputError(
                f'{self.path} should have {self.count} pictures, but only {number} can be decoded: cut off'
            )

    def _open(self) -> cv2.VideoCapture:
        with _quiet():
            capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            capture.release()
            raise InputError(
                f'{self.path} cannot be read: a video without pictures, one that was cut off before its index was '
                'written, or no video, bag or picture of a known format'
            )
        return capture

    def _stamp(self, number: int, last: int, milliseconds: float) -> int:
        """The time of a picture, as the file says it unless that stands still."""
        if self._paced:
            return round(number * 1e9 / self.rate)
        said = round(milliseconds * 1e6) if math.isfinite(milliseconds) else -1
        return said if said > last else last + max(1, round(1e9 / self.rate)) if number else 0
