"""What stands behind a rendered hand: squares of photos from a folder, or patterns made up on the spot."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.chance import between, pick
from minimal_hand_core.data.synthetic.materials import NOISE_VOLUME

SUFFIXES = ('.jpg', '.jpeg', '.png')
SPLITS = ('all', 'train', 'test')
_LONGEST = 288


class Backgrounds:
    """Photos of a folder and its sub-folders, read when first wanted and kept, reduced to 288 px.

    Args:
        folder: with .jpg or .png pictures without hands.
        split: 'all', or 'train' / 'test': nine tenths and the other tenth of the files, by the CRC-32 of their names.

    Raises:
        ValueError: no such folder, no picture in it, or an unknown split.
    """

    def __init__(self, folder: Path | str, split: str = 'all') -> None:
        self.folder = Path(folder).expanduser()
        if split not in SPLITS:
            raise ValueError(f'split: unknown {split!r}, choose one of {", ".join(SPLITS)}')
        if not self.folder.is_dir():
            raise ValueError(f'backgrounds: no folder {self.folder}; give a folder of pictures without hands')
        files = sorted(path for path in self.folder.rglob('*') if path.suffix.lower() in SUFFIXES)
        self.files = [path for path in files if split == 'all' or _is_test(path.name) == (split == 'test')]
        if not self.files:
            raise ValueError(f'backgrounds: no {" or ".join(SUFFIXES)} picture for split {split!r} in {self.folder}')
        self._pictures: dict[int, np.ndarray] = {}

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """A random square of a random photo, (size, size, 3) uint8 BGR, turned or mirrored at random."""
        picture = self._read(int(rng.integers(len(self.files))))
        height, width = picture.shape[:2]
        side = int(min(height, width) * between(rng, 0.35, 1.0))
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        if side > size:
            square = shrink(picture, top, left, side, size)
        else:
            square = cv2.resize(picture[top : top + side, left : left + side], (size, size))
        if rng.random() < 0.5:
            square = cv2.flip(square, 1)
        turn = pick(rng, {None: 7, cv2.ROTATE_90_COUNTERCLOCKWISE: 1, cv2.ROTATE_180: 1, cv2.ROTATE_90_CLOCKWISE: 1})
        return square if turn is None else cv2.rotate(square, turn)

    def _read(self, index: int) -> np.ndarray:
        if index not in self._pictures:
            path = self.files[index]
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is None:
                raise ValueError(f'backgrounds: {path} cannot be read as a picture; remove it or replace it')
            scale = _LONGEST / max(picture.shape[:2])
            if scale < 1:
                picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            self._pictures[index] = picture
        return self._pictures[index]


def _is_test(name: str) -> bool:
    return zlib.crc32(name.encode()) % 10 == 0


def made_up_background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A gradient with clouds of noise, patches and bars, (height, width, 3) uint8 BGR."""
    height, width = size
    tones = np.clip(rng.uniform(0, 255) + rng.normal(0, 45, (2, 2, 3)), 0, 255).astype(np.float32)
    image = cv2.resize(tones, (width, height), interpolation=cv2.INTER_LINEAR)
    kinds = [
        (int(rng.integers(2, 6)), between(rng, 0, 40)),
        (int(rng.integers(8, 24)), between(rng, 0, 22)),
    ]
    clouds, tints = [], []
    for cells, strength in kinds:
        layer = np.ascontiguousarray(NOISE_VOLUME[int(rng.integers(32)), :cells, :cells])
        clouds.append(cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC))
        tints.append((strength * (1 + 0.3 * rng.standard_normal(3))).astype(np.float32))
    image = _overcast(image, *clouds, *tints)
    for _ in range(int(rng.integers(0, 7))):
        colour = tuple(float(c) for c in rng.uniform(0, 255, 3))
        centre = rng.uniform(0, 1, 2) * (width, height)
        if rng.random() < 0.5:
            corners = centre + rng.normal(0, 0.3, (int(rng.integers(3, 6)), 2)) * (width, height)
            cv2.fillConvexPoly(image, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA)
        else:
            away = centre + rng.normal(0, 0.7, 2) * (width, height)
            thickness = int(rng.integers(1, max(2, width // 10)))
            cv2.line(image, _whole(centre), _whole(away), colour, thickness, cv2.LINE_AA)
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.6, 4) * width / 128))
    return image


@njit(cache=True, nogil=True, error_model='numpy')
def _overcast(
    image: np.ndarray, first: np.ndarray, second: np.ndarray, first_tint: np.ndarray, second_tint: np.ndarray
) -> np.ndarray:
    """An image (h, w, 3) with two layers of noise (h, w), tints (3,), on it as uint8; all float32 grey levels."""
    out = np.empty(image.shape, np.uint8)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                value = image[y, x, c] + first[y, x] * first_tint[c] + second[y, x] * second_tint[c]
                out[y, x, c] = np.uint8(np.int32(min(max(value, np.float32(0)), np.float32(255))))
    return out


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def shrink(picture: np.ndarray, top: int, left: int, side: int, size: int) -> np.ndarray:
    """A square of a picture (h, w, 3) uint8 reduced to (size, size, 3), each pixel the mean of what it covers.

    OpenCV's INTER_AREA in less of its time; `side`, of the square, is more than `size`.
    """
    rows = picture.reshape(len(picture), 3 * picture.shape[1])[top : top + side, 3 * left : 3 * (left + side)]
    scale = side / size
    out = np.empty((size, size, 3), np.uint8)
    # Rows first: sums of whole rows are what the compiler vectorises.
    row = np.empty(3 * side, np.float32)
    # First source pixel of each pixel, and how much of it and of the last one belongs to it.
    taps = np.empty((size, 2), np.int64)
    ends = np.empty((size, 2), np.float32)
    for i in range(size):
        low, high = i * scale, min((i + 1) * scale, float(side))
        first, last = int(low), min(int(np.ceil(high)) - 1, side - 1)
        taps[i, 0], taps[i, 1] = first, last
        ends[i, 0], ends[i, 1] = first + 1 - low, high - last
    share = np.float32(1 / (scale * scale))
    for y in range(size):
        row[:] = 0
        for j in range(taps[y, 0], taps[y, 1] + 1):
            weight = ends[y, 0] if j == taps[y, 0] else (ends[y, 1] if j == taps[y, 1] else np.float32(1))
            _add_row(row, rows[j], weight * share)
        for x in range(size):
            first, last = taps[x, 0], taps[x, 1]
            for c in range(3):
                value = row[3 * first + c] * ends[x, 0] + row[3 * last + c] * ends[x, 1]
                for i in range(first + 1, last):
                    value += row[3 * i + c]
                out[y, x, c] = np.uint8(np.int32(value + np.float32(0.5)))
    return out


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _add_row(total: np.ndarray, row: np.ndarray, weight: np.float32) -> None:
    for i in range(len(total)):
        total[i] += weight * np.float32(row[i])


def room(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A calm, blurred room: wall, table edge, shelf and a few things, (height, width, 3) uint8 BGR."""
    height, width = size
    wall = np.clip(rng.uniform(120, 190) + rng.normal(0, 9, 3), 60, 230)
    light = np.linspace(1.12, 0.82, width)[None, :, None] * np.linspace(1.05, 0.9, height)[:, None, None]
    image = np.clip(wall * light, 0, 255).astype(np.uint8)

    def block(left: float, top: float, right: float, bottom: float, colour: np.ndarray) -> None:
        corners = [(round(left * width), round(top * height)), (round(right * width), round(bottom * height))]
        cv2.rectangle(image, corners[0], corners[1], tuple(float(c) for c in colour), -1)

    shelf = rng.uniform(0.12, 0.3)
    block(0, shelf, 0.34, shelf + 0.03, wall * 0.45)
    edge = 0.02
    while edge < 0.3:
        wide, high = rng.uniform(0.015, 0.05), rng.uniform(0.06, 0.11)
        block(edge, shelf - high, edge + wide, shelf, rng.uniform(30, 190, 3))
        edge += wide + rng.uniform(0, 0.02)
    block(0.7, 0.06, 0.94, 0.42, wall * 0.55)
    block(0.72, 0.09, 0.92, 0.39, np.clip(wall * rng.uniform(0.8, 1.3, 3), 0, 245))
    block(0, 0.84, 1, 1, np.array([70, 95, 125]) * rng.uniform(0.6, 1.2))
    block(0.08, 0.72, 0.2, 0.88, rng.uniform(30, 200, 3))
    return cv2.GaussianBlur(image, (0, 0), 0.006 * width)


def _whole(point: np.ndarray) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def with_shadow(rng: np.random.Generator, background: np.ndarray, keypoints_px: np.ndarray) -> np.ndarray:
    """Darken a soft, shifted outline of the hand, as on a table or wall."""
    size = background.shape[0]
    shift = rng.normal(0, 0.08 * size, 2)
    shade = np.ones(background.shape[:2], np.float32)
    points = np.round((keypoints_px + shift) * 8).astype(np.int32)
    spread = float(np.abs(keypoints_px - keypoints_px.mean(axis=0)).max())
    thickness = max(1, round(0.2 * spread))
    dark = float(rng.uniform(0.4, 0.9))
    for finger in range(5):
        chain = points[[0, *range(1 + 4 * finger, 5 + 4 * finger)]]
        cv2.polylines(shade, [chain], False, dark, thickness, cv2.LINE_AA, shift=3)
    shade = cv2.GaussianBlur(shade, (0, 0), float(rng.uniform(0.02, 0.06) * size))
    return _darken(background, shade)


@njit(cache=True, nogil=True, error_model='numpy')
def _darken(picture: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """Picture (h, w, 3) uint8 times shade (h, w) float32."""
    out = np.empty_like(picture)
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            for c in range(3):
                out[y, x, c] = np.uint8(np.int32(np.float32(picture[y, x, c]) * shade[y, x]))
    return out
