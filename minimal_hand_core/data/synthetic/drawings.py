"""Flat things without a hand that a network takes for one: pages of text, stripes, checks, dots and strokes.

Photos of rooms and landscapes hold few of them, and five dark strokes side by side look like fingers.
"""

from __future__ import annotations

import string

import cv2
import numpy as np

from minimal_hand_core.data.synthetic.chance import between, pick

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX | cv2.FONT_ITALIC,
)
_LETTERS = string.ascii_letters * 2 + string.digits + '.,;:-()'


def drawing(rng: np.random.Generator, size: int) -> np.ndarray:
    """A random one, turned, bent a little and unevenly lit, (size, size, 3) uint8 BGR."""
    paper, ink = _colours(rng)
    picture = np.full((2 * size, 2 * size, 3), paper, np.uint8)
    kinds = {_text: 3, _stripes: 2, _checks: 1, _dots: 1, _strokes: 2}
    pick(rng, kinds)(rng, picture, ink)
    # As a camera sees a page: from the side, and only a part of it.
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    angle = float(rng.normal(0, 0.35)) + 0.5 * np.pi * int(rng.integers(4))
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    there = (corners - 0.5) @ spin.T * between(rng, 1.5, 2.4) + 0.5 + rng.normal(0, 0.06, (4, 2))
    warp = cv2.getPerspectiveTransform((2 * size * corners).astype(np.float32), (size * there).astype(np.float32))
    seen = cv2.warpPerspective(picture, warp, (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101)
    light = cv2.resize(rng.uniform(0.55, 1.1, (2, 2)).astype(np.float32), (size, size))
    return np.asarray(np.clip(seen * light[..., None], 0, 255).astype(np.uint8))


def _colours(rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Paper and ink: mostly dark on light, and now and then the other way about, or any two colours."""
    light = np.clip(rng.uniform(150, 250) + rng.normal(0, 12, 3), 0, 255)
    dark = np.clip(rng.uniform(0, 110) + rng.normal(0, 20, 3), 0, 255)
    kind = pick(rng, {'page': 6, 'screen': 2, 'any': 2})
    paper, ink = {'page': (light, dark), 'screen': (dark, light), 'any': tuple(rng.uniform(0, 255, (2, 3)))}[kind]
    blue, green, red = (float(c) for c in ink)
    return paper.astype(np.uint8), (blue, green, red)


def _text(rng: np.random.Generator, picture: np.ndarray, ink: tuple[float, float, float]) -> None:
    side = len(picture)
    font = _FONTS[int(rng.integers(len(_FONTS)))]
    scale = float(np.exp(rng.uniform(np.log(0.3), np.log(2.5)))) * side / 256
    thickness = max(1, round(scale * between(rng, 0.8, 3)))
    spacing = between(rng, 28, 45) * scale
    left = between(rng, -0.1, 0.3) * side
    for line in np.arange(spacing, side + spacing, spacing):
        if rng.random() < 0.12:
            continue  # between paragraphs
        letters = rng.integers(len(_LETTERS), size=int(rng.integers(4, 40)))
        words = ''.join(' ' if rng.random() < 0.17 else _LETTERS[letter] for letter in letters)
        cv2.putText(picture, words, (round(left), round(line)), font, scale, ink, thickness, cv2.LINE_AA)


def _stripes(rng: np.random.Generator, picture: np.ndarray, ink: tuple[float, float, float]) -> None:
    side = len(picture)
    step = between(rng, 0.03, 0.2) * side
    share, wave = between(rng, 0.2, 0.8), between(rng, 0, 0.06) * side * (rng.random() < 0.4)
    period, phase = between(rng, 0.3, 1.5) * side, between(rng, 0, 2 * np.pi)
    down = np.arange(-step, side + 2 * step, 4.0)
    sway = wave * np.sin(2 * np.pi * down / period + phase)
    for left in np.arange(-step, side + step, step):
        path = np.stack([left + sway, down], axis=1).round().astype(np.int32)
        cv2.polylines(picture, [path], False, ink, max(1, round(share * step)), cv2.LINE_AA)


def _checks(rng: np.random.Generator, picture: np.ndarray, ink: tuple[float, float, float]) -> None:
    cell = max(2, round(between(rng, 0.03, 0.2) * len(picture)))
    rows, columns = np.indices(picture.shape[:2]) // cell
    picture[(rows + columns) % 2 == 1] = np.array(ink)


def _dots(rng: np.random.Generator, picture: np.ndarray, ink: tuple[float, float, float]) -> None:
    side = len(picture)
    step, radius = between(rng, 0.06, 0.2) * side, between(rng, 0.15, 0.55)
    for y in np.arange(0, side + step, step):
        for x in np.arange(0, side + step, step):
            cv2.circle(picture, (round(x), round(y)), max(1, round(radius * step)), ink, -1, cv2.LINE_AA)


def _strokes(rng: np.random.Generator, picture: np.ndarray, ink: tuple[float, float, float]) -> None:
    """Crooked strokes from one region, as of a twig, a cable, a fork or a scribble."""
    side = len(picture)
    root = rng.uniform(0.2, 0.8, 2) * side
    for _ in range(int(rng.integers(2, 12))):
        turns = rng.normal(rng.normal(0, 0.12, 2), 0.05, (int(rng.integers(2, 7)), 2)) * side
        path = root + rng.normal(0, 0.08, 2) * side + np.cumsum(turns, axis=0)
        width = max(1, round(between(rng, 0.004, 0.06) * side))
        cv2.polylines(picture, [path.round().astype(np.int32)], False, ink, width, cv2.LINE_AA)
