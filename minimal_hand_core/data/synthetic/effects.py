"""What a camera does to a picture: exposure, white balance, blur, low resolution, sensor noise, JPEG."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from minimal_hand_core.data.camera_effects import NOISE_STARTS, add_noise, coarsen, compress, defocus, smear
from minimal_hand_core.data.synthetic.chance import around, between


@dataclass(frozen=True)
class Effects:
    """Strength and chance of each effect; 0 switches one off.

    Attributes:
        tone: strength of exposure, contrast, gamma and white balance.
        motion, defocus, low_resolution, noise, jpeg: chance of each.
    """

    tone: float = 1.0
    motion: float = 0.15
    defocus: float = 0.15
    low_resolution: float = 0.2
    noise: float = 0.7
    jpeg: float = 0.4

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(h, w, 3) uint8 BGR → the same, effects in the order in which light passes through a camera."""
        unit = image.shape[1] / 128
        chance = rng.random(5)
        if chance[0] < self.motion:
            image = smear(image, between(rng, 0, math.pi), between(rng, 1, 4) * unit)
        if chance[1] < self.defocus:
            image = defocus(image, between(rng, 0.5, 1.6) * unit)
        if chance[2] < self.low_resolution:
            image = coarsen(image, between(rng, 0.3, 0.8), smooth=rng.random() >= 0.5)
        if self.tone > 0:
            image = _look_up(image, _tone_table(rng, self.tone))
        if chance[3] < self.noise:
            sigma = float(min(rng.exponential(2.5), 12.0))
            image = add_noise(image, int(rng.integers(NOISE_STARTS)), sigma, sigma * rng.random())
        if chance[4] < self.jpeg:
            image = compress(image, int(rng.integers(25, 95)))
        return image


NO_EFFECTS = Effects(tone=0, motion=0, defocus=0, low_resolution=0, noise=0, jpeg=0)


def _tone_table(rng: np.random.Generator, strength: float) -> np.ndarray:
    """(256, 3) uint8 look-up table, BGR."""
    exposure = math.exp(around(rng, 0, 0.15 * strength))
    white = np.exp(0.055 * strength * rng.standard_normal(3))
    gamma = math.exp(around(rng, 0, 0.12 * strength))
    contrast = 1 + around(rng, 0, 0.12 * strength)
    haze = strength * max(0.0, around(rng, -4, 12))
    return _tones(exposure * white, gamma, contrast, haze)


@njit(cache=True, nogil=True, error_model='numpy')
def _tones(exposure: np.ndarray, gamma: float, contrast: float, haze: float) -> np.ndarray:
    table = np.empty((256, 3), np.uint8)
    factor = exposure**gamma
    for value in range(256):
        share = (value / 255) ** gamma
        for c in range(3):
            ramp = share * factor[c]
            curve = 255 * ((ramp - 0.45) * contrast + 0.45)
            table[value, c] = np.uint8(min(max(haze + curve * (1 - haze / 255), 0.0), 255.0))
    return table


@njit(cache=True, nogil=True, error_model='numpy')
def _look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Picture (h, w, 3) uint8 through a table (256, 3) uint8; OpenCV's LUT, with a table a channel in half its time."""
    out = np.empty(image.shape, np.uint8)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                out[y, x, c] = table[image[y, x, c], c]
    return out
