"""What a camera does to a picture: exposure, white balance, blur, low resolution, sensor noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from minimal_hand_core.data.camera_effects import NOISE_STARTS, add_noise, coarsen, compress, defocus, smear


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
            image = smear(image, rng.uniform(0, np.pi), rng.uniform(1, 4) * unit)
        if chance[1] < self.defocus:
            image = defocus(image, float(rng.uniform(0.5, 1.6) * unit))
        if chance[2] < self.low_resolution:
            image = coarsen(image, rng.uniform(0.3, 0.8), smooth=rng.random() >= 0.5)
        if self.tone > 0:
            image = cv2.LUT(image, _tone_table(rng, self.tone))
        if chance[3] < self.noise:
            sigma = float(min(rng.exponential(2.5), 12.0))
            image = add_noise(image, int(rng.integers(NOISE_STARTS)), sigma, sigma * float(rng.uniform(0, 1)))
        if chance[4] < self.jpeg:
            image = compress(image, int(rng.integers(25, 95)))
        return image


NO_EFFECTS = Effects(tone=0, motion=0, defocus=0, low_resolution=0, noise=0, jpeg=0)


def _tone_table(rng: np.random.Generator, strength: float) -> np.ndarray:
    """(1, 256, 3) uint8 look-up table, BGR."""
    exposure = np.exp(strength * rng.normal(0, 0.15))
    white = np.exp(strength * rng.normal(0, 0.055, 3))
    gamma = np.exp(strength * rng.normal(0, 0.12))
    contrast = 1 + strength * rng.normal(0, 0.12)
    haze = strength * max(0.0, rng.normal(-4, 12))
    ramp = (np.arange(256)[:, None] / 255 * exposure * white) ** gamma
    curve = 255 * ((ramp - 0.45) * contrast + 0.45)
    curve = haze + curve * (1 - haze / 255)
    return np.clip(curve, 0, 255).astype(np.uint8)[None]
