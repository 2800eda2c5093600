"""Light of a scene: a sky with a gradient and one to three lights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.chance import around, between, pick

_STRENGTHS = np.array([1.0, 0.5, 0.3])
"""Of the first, second and third light."""
_WARM = np.array([1.0, 0.1, -1.2])
"""How much red, green and blue change with a light's warmth."""


@dataclass(frozen=True)
class Lighting:
    """The light of one scene, camera frame (y down), linear RGB; 1 makes a white surface just white.

    Attributes:
        ambient: (4, 3) float32, sky light on a surface with unit normal n: ambient[0] + n·ambient[1:].
        directions: (L, 3) float32 unit vectors towards the lights, L ≤ 3.
        colours: (L, 3) float32.
        softness: (L,) float32, tangent of the half-angle that each light fills; large = soft shadows.
    """

    ambient: np.ndarray
    directions: np.ndarray
    colours: np.ndarray
    softness: np.ndarray


ROOM = Lighting(
    ambient=np.array([[0.55, 0.55, 0.58], [0, 0, 0], [-0.18, -0.18, -0.18], [-0.05, -0.05, -0.05]], np.float32),
    directions=np.array([[0.45, -0.68, -0.58]], np.float32),
    colours=np.array([[0.75, 0.72, 0.66]], np.float32),
    softness=np.array([0.4], np.float32),
)
"""Daylight from above and the left of the camera's view of the hand; the renderer's default."""


def sample_lighting(rng: np.random.Generator, surroundings: np.ndarray | None = None) -> Lighting:
    """Random light, coloured and scaled after its surroundings.

    Args:
        rng: source of chance.
        surroundings: (3,) mean sRGB of the background, 0–255 in BGR order; None for neutral grey.
    """
    mean, tinted, brightened = np.full(3, 0.2), 0.0, 0.0
    if surroundings is not None:
        mean = np.asarray(surroundings, float)[::-1]
        tinted, brightened = between(rng, 0, 0.35), between(rng, 0, 0.4)
    exposure = math.exp(around(rng, 0.05, 0.3))
    share = rng.beta(2.2, 1.8)  # how much comes from the sky
    count = pick(rng, {1: 0.5, 2: 0.35, 3: 0.15})
    ambient, directions, colours = _compose(
        mean,
        tinted,
        brightened,
        exposure,
        share,
        rng.standard_normal((count, 3)),
        0.5 + 0.5 * rng.random(count),
        0.12 * rng.standard_normal(count),
        0.22 * rng.standard_normal(3),
        0.05 * rng.standard_normal(3),
        0.15 * rng.standard_normal((3, 3)),
    )
    softness = 0.08 + (0.7 - 0.08) * rng.random(count)
    return Lighting(ambient, directions, colours, softness.astype(np.float32))


@njit(cache=True, nogil=True, error_model='numpy')
def _compose(
    mean: np.ndarray,
    tinted: float,
    brightened: float,
    exposure: float,
    share: float,
    directions: np.ndarray,
    strengths: np.ndarray,
    warmth: np.ndarray,
    gradient: np.ndarray,
    sky: np.ndarray,
    colouring: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ambient (4, 3), directions (L, 3) and colours (L, 3), float32, of `Lighting`.

    Args:
        mean: (3,) sRGB of the surroundings, 0–255; how far the light takes their tint and their brightness.
        exposure: factor on all light; share: how much of it comes from the sky.
        directions: (L, 3) random ones, changed; strengths, warmth: (L,) of the lights, the former changed.
        gradient: (3,) of the sky, changed; sky, colouring: (3,) and (3, 3), by how much its colours are off.
    """
    linear = np.empty(3)
    for c in range(3):
        linear[c] = (max(mean[c], 8.0) / 255) ** 2.2
    grey = (linear[0] + linear[1] + linear[2]) / 3
    tint = (linear / grey) ** tinted
    level = min(max((grey / 0.2) ** brightened * exposure, 0.35), 2.2)
    count = len(directions)
    total = 0.0
    for i in range(count):
        directions[i, 1] -= 0.9  # lamps and windows hang above and are seldom behind the hand
        directions[i, 2] -= 0.9
        x, y, z = directions[i]
        directions[i] /= math.sqrt(x * x + y * y + z * z)
        strengths[i] *= _STRENGTHS[i]
        total += strengths[i]
    colours = np.empty((count, 3))
    for i in range(count):
        warm = min(max(warmth[i], -0.3), 0.3)
        for c in range(3):
            strength = level * (1 - share) * 1.7 * strengths[i] / total
            colours[i, c] = strength * math.exp(warm * _WARM[c]) * tint[c]
    gradient[1] -= 0.25
    gradient[2] -= 0.05
    ambient = np.empty((4, 3))
    for c in range(3):
        ambient[0, c] = share * level * tint[c] * math.exp(sky[c])
        for i in range(3):
            ambient[1 + i, c] = gradient[i] * ambient[0, c] * (1 + colouring[i, c])
    return ambient.astype(np.float32), directions.astype(np.float32), colours.astype(np.float32)
