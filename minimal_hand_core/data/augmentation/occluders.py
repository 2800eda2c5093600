"""Things in front of the hand. A joint that they hide is not visible any more; its label stays."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numba import njit

from minimal_hand_core.data.camera_effects import NOISE_STARTS, add_noise
from minimal_hand_core.data.synthetic.backgrounds import made_up_background
from minimal_hand_core.data.synthetic.chance import pick

KINDS = {'plain': 0.4, 'picture': 0.3, 'fingers': 0.3}
"""Kind of occluder → its share."""
_PALETTE = np.array([[236, 200, 176], [214, 165, 130], [168, 115, 82], [112, 72, 50], [66, 43, 32]], np.float64)
"""Skin in the light, sRGB, light to dark."""
_HIDDEN = 0.5


def occlude(
    image: np.ndarray, rng: np.random.Generator, uv: np.ndarray, backdrop: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Put one thing in front.

    Args:
        image: (n, n, 3) uint8 RGB.
        rng: source of chance.
        uv: (k, 2) pixels of the joints that can be seen, whose colour fingers take; they may lie anywhere.
        backdrop: (n, n, 3) uint8 RGB, parts of which patches show; made up when None.

    Returns:
        a new picture, and (n, n) float32, how much of each pixel is covered, 0–1.
    """
    kind = pick(rng, KINDS)
    if kind == 'fingers':
        content, cover = _fingers(image, rng, uv)
    else:
        size = image.shape[0]
        cover = _patch(rng, size)
        if kind == 'plain':
            content = _plain(rng, size)
        else:
            content = _piece(made_up_background(rng, (size, size)) if backdrop is None else backdrop, rng)
    return cv2.blendLinear(content, image, cover, 1 - cover), cover


def covered(cover: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(k,) bool: which of the pixels `uv` (k, 2) lie in `cover` (n, n), 0–1, and are more than half covered."""
    place = np.rint(uv).astype(int)
    inside = ((place >= 0) & (place < cover.shape[0])).all(axis=1)
    x, y = np.where(inside[:, None], place, 0).T
    return np.asarray(inside & (cover[y, x] > _HIDDEN))


def _patch(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size) float32: an ellipse, a box or an irregular polygon, 6–35 % of the side across."""
    unit = size / 128
    center = rng.uniform(10, 118, 2) * unit
    across = rng.uniform(8, 45, 2) * unit
    turn = float(rng.uniform(0, np.pi))
    if rng.random() < 0.5:
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        points = np.stack([np.cos(angles), np.sin(angles)], axis=-1) / 2
        if rng.random() < 0.4:
            points *= rng.uniform(0.75, 1.25, (24, 1))
    else:
        points = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    cos, sin = math.cos(turn), math.sin(turn)
    points = center + (points * across) @ np.array([[cos, sin], [-sin, cos]])
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def _plain(rng: np.random.Generator, size: int) -> np.ndarray:
    """One colour with grain."""
    color = rng.integers(0, 256, 3, np.uint8)
    grain = float(rng.uniform(0, 25))
    return add_noise(np.full((size, size, 3), color), int(rng.integers(NOISE_STARTS)), grain, 0.0)


def _piece(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another part of a picture, mirrored and rolled round, so that it does not continue what is behind."""
    picture = picture[::-1] if rng.random() < 0.5 else picture[:, ::-1]
    size = picture.shape[0]
    return np.ascontiguousarray(np.roll(picture, tuple(rng.integers(size // 4, 3 * size // 4, 2)), (0, 1)))


def _fingers(image: np.ndarray, rng: np.random.Generator, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One to four rounded fingers side by side, shaded across, that come in from beyond the border or lie about."""
    size = image.shape[0]
    unit = size / 128
    count = int(rng.integers(1, 5))
    turn, lit = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(-0.3, 0.3))
    radius = float(rng.uniform(4, 9)) * unit
    tip = rng.uniform(20, 108, 2) * unit
    fingers = radius * rng.uniform((0, 0.85, 5), (2.5, 1.1, 14), (count, 3))
    content = np.zeros((size, size, 3), np.float32)
    cover = np.zeros((size, size), np.float32)
    _draw_fingers(content, cover, _skin_color(image, rng, uv), tip, turn, 1.9 * radius, fingers, lit)
    grain = rng.standard_normal((size // 4, size // 4), np.float32) * 5
    content += cv2.resize(grain, (size, size))[..., None]
    return np.clip(content, 0, 255).astype(np.uint8), cover


@njit(cache=True, nogil=True)
def _draw_fingers(
    content: np.ndarray,
    cover: np.ndarray,
    color: np.ndarray,
    tip: np.ndarray,
    turn: float,
    apart: float,
    fingers: np.ndarray,
    lit: float,
) -> None:
    """In place: rounded strips that run back from near `tip`, the later ones over the earlier ones.

    Args:
        content: (n, n, 3) float32, colour where there is a finger. cover: (n, n) float32, share of the pixel they fill.
        color: (3,). tip: (2,) pixels, x and y.
        turn: direction in which they point, radians. apart: pixels from one to the next.
        fingers: (count, 3) pixels: how far each one's tip stays behind, its radius, its length.
        lit: how much brighter one side is than the middle.
    """
    cos, sin = math.cos(turn), math.sin(turn)
    for y in range(cover.shape[0]):
        for x in range(cover.shape[1]):
            for finger in range(len(fingers)):
                behind, radius, length = fingers[finger]
                left, top = x - (tip[0] - cos * behind), y - (tip[1] - sin * behind)
                back, aside = -cos * left - sin * top, cos * top - sin * left - apart * finger
                if abs(aside) > radius + 1:
                    continue
                beyond = back - min(max(back, 0.0), length)
                away = math.sqrt(aside * aside + beyond * beyond) / radius
                share = min(max((1 - away) * radius + 0.5, 0.0), 1.0)
                if share > 0:
                    shade = 0.45 + 0.55 * math.sqrt(max(1 - away * away, 0.0)) + lit * aside / radius
                    full = cover[y, x] == 0  # nothing to mix with: the cover alone lets the edge fade
                    for c in range(3):
                        content[y, x, c] += (1.0 if full else share) * (shade * color[c] - content[y, x, c])
                    cover[y, x] += share * (1 - cover[y, x])


def _skin_color(image: np.ndarray, rng: np.random.Generator, uv: np.ndarray) -> np.ndarray:
    """(3,) RGB: mostly that of the hand itself, which is the hardest to tell from it; sometimes somebody else's."""
    place = np.rint(uv).astype(int)
    inside = ((place >= 0) & (place < image.shape[0])).all(axis=1)
    if inside.sum() >= 4 and rng.random() < 0.7:
        x, y = place[inside].T
        color = np.median(image[y, x], axis=0)
    else:
        tone = rng.uniform(0, len(_PALETTE) - 1)
        low = min(int(tone), len(_PALETTE) - 2)
        color = _PALETTE[low] + (tone - low) * (_PALETTE[low + 1] - _PALETTE[low])
    return np.clip(color * np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.03, 3)), 0, 255)
