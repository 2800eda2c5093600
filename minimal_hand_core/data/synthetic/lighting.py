"""Light of a scene: a sky with a gradient and one to three lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minimal_hand_core.data.synthetic.chance import pick


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
    tint = np.ones(3)
    level = 1.0
    if surroundings is not None:
        mean = (np.maximum(np.asarray(surroundings, float)[::-1], 8) / 255) ** 2.2
        tint = (mean / mean.mean()) ** rng.uniform(0, 0.35)
        level = (mean.mean() / 0.2) ** rng.uniform(0, 0.4)
    level = float(np.clip(level * np.exp(rng.normal(0.05, 0.3)), 0.35, 2.2))
    share = rng.beta(2.2, 1.8)  # how much comes from the sky
    count = pick(rng, {1: 0.5, 2: 0.35, 3: 0.15})
    directions = rng.normal(0, 1, (count, 3))
    directions += np.array([0.0, -0.9, -0.9])  # lamps and windows hang above and are seldom behind the hand
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    strengths = np.array([1.0, 0.5, 0.3])[:count] * rng.uniform(0.5, 1.0, count)
    strengths /= strengths.sum()
    warmth = np.clip(rng.normal(0, 0.12, (count, 1)), -0.3, 0.3) * np.array([[1.0, 0.1, -1.2]])
    colours = level * (1 - share) * 1.7 * strengths[:, None] * np.exp(warmth) * tint
    gradient = rng.normal(0, 0.22, 3) + np.array([0, -0.25, -0.05])
    ambient = np.empty((4, 3))
    ambient[0] = share * level * tint * np.exp(rng.normal(0, 0.05, 3))
    ambient[1:] = gradient[:, None] * ambient[0] * (1 + rng.normal(0, 0.15, (3, 3)))
    return Lighting(
        ambient.astype(np.float32),
        directions.astype(np.float32),
        colours.astype(np.float32),
        rng.uniform(0.08, 0.7, count).astype(np.float32),
    )
