"""Pictures kept ready for training: cut round the hand, shrunk where no crop loses by it, as JPEG.

Decoding takes most of a loader's time: a PNG of 320×320 needs as long as everything that is done to the crop, a JPEG of
1920×1080 ten times as long. So each picture is decoded once, and what a training crop can show of it is written to a
folder; later epochs read that. A kept picture is found by the path, size and time of change of the one it was made
from, and by the labels, so it can never be a stale one. Delete the folder at any time.

JPEG changes pixels a little (by 2–3 grey levels on a noisy picture): for training, not for scores.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from minimal_hand_core.data.decoding import decode_picture, load_picture
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.files import write_atomically
from minimal_hand_core.tracking.picture import PictureError

REACH = 2.95
"""How far to each side of the middle of the keypoints' box a varied crop may show, in longer sides of the box."""
HAND_PX = 107
"""Pixels that the longer side of the box keeps at least when a picture is shrunk: what the nearest crop shows of it."""
QUALITY = 95
_HEAD = struct.Struct('<4sIIII')
_MAGIC = b'mhk1'
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cutout:
    """A part of a picture from pixel (left, top) on; `over` of the picture's pixels became `under` of its own."""

    left: int = 0
    top: int = 0
    over: int = 1
    under: int = 1

    @property
    def shrink(self) -> float:
        """Side of its pixels, in the picture's."""
        return self.over / self.under

    def to_cutout(self, uv: np.ndarray) -> np.ndarray:
        """Pixels of the picture (…, 2) → pixels of the cut-out."""
        return np.asarray((uv - (self.left, self.top) + 0.5) / self.shrink - 0.5)

    def apply(self, sample: Sample, image: np.ndarray) -> Sample:
        """A sample of the whole picture → one of the cut-out, which is `image`."""
        camera, mask = sample.intrinsics, sample.mask
        if self == Cutout():  # cut on the far sides at most
            return replace(sample, image=image, mask=None if mask is None else mask[: image.shape[0], : image.shape[1]])
        if camera is not None:
            offset = (1 - self.shrink) / 2
            to_cutout = np.array([[1, 0, offset - self.left], [0, 1, offset - self.top], [0, 0, self.shrink]])
            camera = to_cutout @ camera / self.shrink
        if mask is not None:
            share = self.cut(mask.view(np.uint8) * np.uint8(255), image.shape[0], image.shape[1])
            mask = share > 127
        return replace(
            sample,
            image=image,
            keypoints_px=self.to_cutout(sample.keypoints_px),
            extent_px=None if sample.extent_px is None else self.to_cutout(sample.extent_px),
            intrinsics=camera,
            mask=mask,
        )

    def cut(self, picture: np.ndarray, height: int, width: int) -> np.ndarray:
        """The cut-out of this height and width, multiples of `under`; each of its pixels averages what it covers."""
        bottom, right = self.top + height * self.over // self.under, self.left + width * self.over // self.under
        part = picture[self.top : bottom, self.left : right]
        return part if self.over == self.under else cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


class KeptPictures:
    """The folder; workers may share it. A folder that cannot be written to costs time, nothing else.

    Args:
        folder: made when the first picture is kept.
        reach, hand_px, quality: as the constants of this module, which suit `Variation()`.
    """

    def __init__(
        self, folder: Path | str, reach: float = REACH, hand_px: float = HAND_PX, quality: int = QUALITY
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.reach, self.hand_px, self.quality = reach, hand_px, quality
        self._how = f'{reach} {hand_px} {quality}'
        self._root = str(self.folder)
        self._warned = False

    def load(self, path: Path | str, points: np.ndarray) -> tuple[np.ndarray, Cutout]:
        """What is kept of a picture; it is made when there is nothing yet. The first time gives the same as any other.

        Args:
            path: of the picture.
            points: (n, 2) pixels that span the hand, all finite; none: the picture is not cut and not kept.

        Returns:
            (h, w, 3) uint8 BGR and where it lies in the picture.

        Raises:
            PictureError: the picture cannot be read; the message names it.
        """
        if not len(points):
            return load_picture(path), Cutout()
        place = self._place(path, points)
        found = _read(place)
        if found is None:
            picture = load_picture(path)
            cutout, height, width = self._choose(picture, points)
            if (
                cutout == Cutout()
                and str(path).lower().endswith(('.jpg', '.jpeg'))
                and 2 * height * width > _area(picture)
            ):
                return picture, cutout  # nothing to be gained
            data = self._encode(cutout.cut(picture, height, width))
            self._write(place, _HEAD.pack(_MAGIC, cutout.left, cutout.top, cutout.over, cutout.under) + data.tobytes())
            found = decode_picture(data, str(path)), cutout
        return found

    def _place(self, path: Path | str, points: np.ndarray) -> str:
        try:
            status = os.stat(path)
        except OSError as error:
            raise PictureError(f'{path} cannot be read: {error.strerror}') from None
        facts = f'{os.path.abspath(path)} {status.st_size} {status.st_mtime_ns} {self._how} '
        name = hashlib.sha256(facts.encode() + np.asarray(points, np.float32).tobytes()).hexdigest()
        return f'{self._root}/{name[:2]}/{name[2:34]}.kept'

    def _choose(self, picture: np.ndarray, points: np.ndarray) -> tuple[Cutout, int, int]:
        """Where to cut, and the cut-out's height and width."""
        low, high = points.min(axis=0), points.max(axis=0)
        box = float((high - low).max())
        most = box / self.hand_px  # in quarters below 2, whole above, so that pixels meet again after a few
        over, under = (max(int(4 * most), 4), 4) if most < 2 else (int(most), 1)
        over, under = over // math.gcd(over, under), under // math.gcd(over, under)
        limit = np.array([picture.shape[1], picture.shape[0]])
        start = np.clip(np.floor((low + high) / 2 - self.reach * box), 0, limit - over).astype(int)
        end = np.clip(np.ceil((low + high) / 2 + self.reach * box), start + over, limit).astype(int)
        width, height = ((end - start) // over * under).tolist()  # less than `over` pixels at the far border are lost
        return Cutout(int(start[0]), int(start[1]), over, under), height, width

    def _encode(self, image: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1])

    def _write(self, place: str, content: bytes) -> None:
        try:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(Path(place), content, synced=False)
        except OSError as error:
            if not self._warned:
                _log.warning('%s: pictures cannot be kept there (%s); it goes on without', self.folder, error.strerror)
                self._warned = True


def _read(place: str) -> tuple[np.ndarray, Cutout] | None:
    """A kept picture; None where there is none, or a damaged one."""
    try:
        with open(place, 'rb', buffering=0) as file:
            content = file.readall()
        magic, *numbers = _HEAD.unpack_from(content)
        if magic != _MAGIC:
            return None
        return decode_picture(np.frombuffer(content, np.uint8, offset=_HEAD.size), place), Cutout(*numbers)
    except (OSError, struct.error, ValueError):
        return None


def _area(picture: np.ndarray) -> int:
    return math.prod(picture.shape[:2])
