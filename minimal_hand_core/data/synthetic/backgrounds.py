"""What stands behind a rendered hand: squares of photos from a folder, or patterns made up on the spot."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

from minimal_hand_core.data.synthetic.chance import pick
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
        self.folder = Path(folder)
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
        side = int(min(height, width) * rng.uniform(0.35, 1.0))
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        square = picture[top : top + side, left : left + side]
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
        if rng.random() < 0.5:
            square = square[:, ::-1]
        return np.ascontiguousarray(np.rot90(square, pick(rng, {0: 7, 1: 1, 2: 1, 3: 1})))

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
    for cells, strength in (
        (int(rng.integers(2, 6)), rng.uniform(0, 40)),
        (int(rng.integers(8, 24)), rng.uniform(0, 22)),
    ):
        layer = NOISE_VOLUME[int(rng.integers(32)), :cells, :cells]
        cloud = cv2.resize(np.ascontiguousarray(layer), (width, height), interpolation=cv2.INTER_CUBIC)
        image += cloud[..., None] * (strength * (1 + 0.3 * rng.normal(0, 1, 3))).astype(np.float32)
    image = np.clip(image, 0, 255).astype(np.uint8)
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
