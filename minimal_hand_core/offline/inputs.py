"""Recorded pictures, one after the other, with their stamps: videos, folders of pictures, single pictures.

Bags and MCAP files are in bag_input.py. An input can be entered anywhere, and then gives exactly what it would have
given there had it been read from its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from minimal_hand_core.data.decoding import load_picture
from minimal_hand_core.data.films import (
    DEFAULT_RATE,
    PICTURE_SUFFIXES,
    Film,
    FilmError,
    is_picture,
    pictures_in,
    steady_stamp,
)
from minimal_hand_core.offline.options import OfflineError, TrackOptions
from minimal_hand_core.recording import is_recording
from minimal_hand_core.tracking import CameraModel, PictureError

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
    if path.is_dir() or is_picture(path):
        return FolderInput(path, options.rate or DEFAULT_RATE)
    return VideoInput(path, options.rate)


class FolderInput:
    """The pictures of a folder in the order of their names, or a single picture; other files are left alone.

    Args:
        path: the folder or picture.
        rate: pictures per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        try:
            self._files = pictures_in(path) if path.is_dir() else [path]
        except OSError as error:
            raise InputError(f'{path} cannot be read: {error.strerror}') from None
        if not self._files:
            raise InputError(
                f'{path} holds no picture ({", ".join(PICTURE_SUFFIXES)}); to track videos or bags in it, name them'
            )
        self.count: int | None = len(self._files)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """As PictureInput says."""
        for number, file in enumerate(self._files[start:], start):
            stamp = steady_stamp(number, self.rate)
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
        self.path, self._paced_at = path, rate
        film = self._open()
        film.close()
        self.rate, self.count = film.rate, film.count

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """As PictureInput says. To get to `start`, what lies before it is decoded: seeking is not exact."""
        film = self._open()
        try:
            while film.grab():
                if film.number >= start:
                    image, name = film.retrieve(), f'{self.path}, picture {film.number}'
                    said = name if image is not None else f'{name} cannot be decoded'
                    yield Frame(film.number, film.stamp, image, None, said)
        finally:
            film.close()
        number = film.number + 1
        if number == 0:
            raise InputError(f'{self.path} holds no picture that can be decoded')
        # A video whose pictures are further apart than it says has fewer of them and is whole all the same.
        short = not film.shown_ms >= (1 - MISSING) * film.length_ms
        if self.count is not None and number < (1 - MISSING) * self.count and short:
            raise InputError(
                f'{self.path} should have {self.count} pictures, but only {number} can be decoded: cut off'
            )

    def _open(self) -> Film:
        try:
            return Film(self.path, self._paced_at)
        except FilmError:
            raise InputError(
                f'{self.path} cannot be read: a video without pictures, one that was cut off before its index was '
                'written, or no video, bag or picture of a known format'
            ) from None
