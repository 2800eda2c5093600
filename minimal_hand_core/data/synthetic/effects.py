"""What a camera does to a picture: exposure, white balance, blur, low resolution, sensor noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

_POOL = np.random.default_rng(7).normal(0, 1, 1 << 18).astype(np.float32)
"""Gaussian noise drawn once; pictures take it from a random start on. Drawing it anew costs more than rendering."""


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
            image = _smear(image, rng, unit)
        if chance[1] < self.defocus:
            image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.6) * unit))
        if chance[2] < self.low_resolution:
            image = _coarse(image, rng)
        if self.tone > 0:
            image = cv2.LUT(image, _tone_table(rng, self.tone))
        if chance[3] < self.noise:
            sigma = float(min(rng.exponential(2.5), 12.0))
            image = image.copy()
            _add_noise(image.reshape(-1), _POOL, int(rng.integers(len(_POOL))), sigma, sigma * float(rng.uniform(0, 1)))
        if chance[4] < self.jpeg:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
            image = np.asarray(cv2.imdecode(cv2.imencode('.jpg', image, quality)[1], cv2.IMREAD_COLOR))
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


def _smear(image: np.ndarray, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Motion blur along a line of 2–8 pixels (at 128 px), symmetric, so that labels stay in the middle of the smear."""
    angle = rng.uniform(0, np.pi)
    reach = rng.uniform(1, 4) * unit
    half = int(np.ceil(reach))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    step = reach * np.array([np.cos(angle), np.sin(angle)])
    ends = np.round((half + np.stack([-step, step])) * 16).astype(int)
    cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0, 1, cv2.LINE_AA, shift=4)
    total = kernel.sum()
    return cv2.filter2D(image, -1, kernel / total) if total > 0 else image


def _coarse(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As if the hand had been small in the camera's picture."""
    height, width = image.shape[:2]
    factor = rng.uniform(0.3, 0.8)
    small = cv2.resize(
        image, (max(8, round(width * factor)), max(8, round(height * factor))), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC)


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _add_noise(flat: np.ndarray, pool: np.ndarray, start: int, read: float, shot: float) -> None:
    """In place: read noise is the same everywhere, shot noise grows with the root of the light."""
    n = len(pool)
    j = start
    for i in range(len(flat)):
        light = np.float32(flat[i])
        value = light + pool[j] * (np.float32(read) + np.float32(shot) * np.sqrt(light * np.float32(1 / 255)))
        flat[i] = np.uint8(min(max(value + np.float32(0.5), np.float32(0)), np.float32(255)))
        j += 1
        if j == n:
            j = 0
