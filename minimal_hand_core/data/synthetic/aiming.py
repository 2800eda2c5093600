"""Where the hand is put before the camera, and the camera that makes it fill the crop as wanted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.chance import around, between, between_logs

if TYPE_CHECKING:
    from minimal_hand_core.data.synthetic.scenes import SceneVariation

CROP_FACTOR = 1.5
"""Crop side over the longer side of the keypoints' box, before jitter."""
TIGHT_SCALE, TIGHT_SHIFT = (0.82, 1.07), 0.03
"""Of a tight crop: smallest and largest factor on its side, drawn log-uniformly, and how far its centre is off at most,
as a share of the side. About what a tracker leaves that knows where the hand was; and closer, to see more of it."""


def aim(
    rng: np.random.Generator, keypoints: np.ndarray, how: SceneVariation, size: int, stretched: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Where to put the hand (an offset (3,)) and the camera matrix (3, 3) that makes it fill the crop as wanted."""
    distance = between_logs(rng, *how.distance)
    factor = between_logs(rng, *how.scale)
    aside = 2 * rng.random(2) - 1
    shift = aside * how.shift
    chance = rng.random()
    if chance < how.truncated:
        factor *= between(rng, 0.6, 0.9)
        away = 2 * rng.random(2) - 1
        shift = shift + 0.25 * np.sign(away) * np.sqrt(np.abs(away))  # rather to the edge than to the middle
    elif chance < how.truncated + how.far:
        factor = between(rng, how.scale[1], max(how.far_scale, how.scale[1]))
    elif chance < how.truncated + how.far + how.tight:
        factor = between_logs(rng, *TIGHT_SCALE)
        shift = aside * min(how.shift, TIGHT_SHIFT)
    amount = between(rng, -how.stretched_by, how.stretched_by) / 2 if stretched else 0.0
    aspect = np.array([math.exp(amount), math.exp(-amount)])
    offset, side = _centre(keypoints, distance, CROP_FACTOR * factor, shift, aspect)
    stretch = math.exp(around(rng, 0, how.stretch) / 2) if how.stretch > 0 else 1.0
    focal, middle = aspect * (size / side), (size - 1) / 2
    return offset, np.array([[focal[0] * stretch, 0, middle], [0, focal[1] / stretch, middle], [0, 0, 1]])


@njit(cache=True, nogil=True)
def _centre(
    keypoints: np.ndarray, distance: float, factor: float, shift: np.ndarray, aspect: np.ndarray
) -> tuple[np.ndarray, float]:
    """Offset (3,) that puts the keypoints' box `shift` sides off the axis, and the crop's side at z = 1, all of them
    along an axis in the unit that `aspect` (2,) stretches it to."""
    offset = np.zeros(3)
    offset[2] = distance - (keypoints[:, 2].min() + keypoints[:, 2].max()) / 2
    side = 0.0
    for _ in range(6):  # moving the hand aside changes its outline a little, so again
        middle = np.empty(2)
        side = 0.0
        for axis in range(2):
            low, high = np.inf, -np.inf
            for k in range(len(keypoints)):
                at = (keypoints[k, axis] + offset[axis]) / (keypoints[k, 2] + offset[2])
                low, high = min(low, at), max(high, at)
            middle[axis] = (low + high) / 2
            side = max(side, factor * (high - low) * aspect[axis])
        for axis in range(2):
            offset[axis] -= (middle[axis] - shift[axis] * side / aspect[axis]) * distance
    return offset, side
