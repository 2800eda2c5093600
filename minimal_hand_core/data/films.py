"""Films and folders of pictures as files: which pictures they have, how many a second, and the time of each.

One rule for all who read them, live or offline. A film has the times that it gives its pictures and the rate that it
says, where a film can have such a rate; a folder has names and no times, so DEFAULT_RATE unless a rate is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm')
DEFAULT_RATE = 30.0
"""Pictures per second of what does not tell."""
SLOWEST, FASTEST = 1.0, 1000.0
"""Rates of films, the last one excluded: containers that count milliseconds say 1000 where they do not know."""


class FilmError(ValueError):
    """A file that is no film that can be opened."""


def is_picture(path: Path) -> bool:
    """Whether a path has the name of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names; other files are left alone.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(path for path in folder.iterdir() if is_picture(path) and path.is_file())


def plausible_rate(said: float) -> float:
    """The rate that a film says it has, or DEFAULT_RATE where no film has such a rate."""
    return float(said) if SLOWEST <= said < FASTEST else DEFAULT_RATE


def steady_stamp(number: int, rate: float) -> int:
    """Nanoseconds from the first picture to that of a number, from 0, at a steady rate."""
    return round(number * 1e9 / rate)


class Film:
    """A film that is read from its first picture to its last.

    Args:
        path: the file.
        rate: pictures per second; 0 = the times that the file gives its pictures.

    Attributes:
        rate: pictures per second: the given rate, or else that of plausible_rate.
        count: how many pictures the file says it has; None = it does not say.
        number: of the picture that was grabbed last, from 0; -1 before the first one.
        stamp: its time, nanoseconds from the beginning; each is later than the one before.
        shown_ms: its time in the file's words.
        length_ms: the film's length as it says.

    Raises:
        FilmError: it cannot be opened.
    """

    def __init__(self, path: Path, rate: float = 0.0) -> None:
        self._capture = _open(path)
        self._paced = rate > 0
        said, count = (self._capture.get(what) for what in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.rate = rate or plausible_rate(said)
        self.count = int(count) if 1 <= count < 2**40 else None
        # Where a file does not say how many there are, OpenCV takes its length times the rate that it is said to have.
        self.length_ms = 1e3 * self.count / said if self.count and said > 0 else math.inf
        self.number, self.stamp, self.shown_ms = -1, -1, 0.0

    def grab(self) -> bool:
        """Go on to the next picture; False behind the last one."""
        if not self._capture.grab():
            return False
        self.number += 1
        self.shown_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        self.stamp = self._time()
        return True

    def retrieve(self) -> np.ndarray | None:
        """The picture that was grabbed, (H, W, 3) uint8 BGR; None when it cannot be decoded."""
        read, image = self._capture.retrieve()
        return image if read else None

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()

    def _time(self) -> int:
        """The time of a picture, as the file says it unless that stands still."""
        if self._paced:
            return steady_stamp(self.number, self.rate)
        said = round(self.shown_ms * 1e6) if math.isfinite(self.shown_ms) else -1
        if said > self.stamp:
            return said
        return self.stamp + max(1, round(1e9 / self.rate)) if self.number else 0


def _open(path: Path) -> cv2.VideoCapture:
    with _quiet():
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        capture.release()
        raise FilmError(f'{path} is no film that can be opened')
    return capture


@contextmanager
def _quiet() -> Iterator[None]:
    """Without OpenCV's own lines about a file that it cannot open: we say it, and they would tear a progress bar."""
    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        log.setLogLevel(level)
