"""How a crop looks, wherever its joints are: occluder, light, colour, blur, resolution, noise, JPEG.

The order is that in which light meets them: things and shadows in the scene, then lens, sensor, file.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numba import njit

from minimal_hand_core.data.augmentation.occluders import occlude
from minimal_hand_core.data.augmentation.variation import Variation
from minimal_hand_core.data.camera_effects import NOISE_STARTS, add_noise, coarsen, compress, defocus, smear

_GREY = np.array([[0.299, 0.587, 0.114]] * 3)
"""RGB → grey of the same luma (ITU-R BT.601)."""
_CROSS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
_LEVELS = np.arange(256)[:, None] / 255
_SAME = np.repeat(255 * _LEVELS, 3, axis=1)
_NO_JOINTS = np.zeros((0, 2), np.float32)


def vary_looks(image: np.ndarray, rng: np.random.Generator, variation: Variation) -> np.ndarray:
    """A (128, 128, 3) uint8 RGB crop with other looks; `image` is left as it is."""
    return vary(image, rng, variation)[0]


def vary(
    image: np.ndarray,
    rng: np.random.Generator,
    variation: Variation,
    uv: np.ndarray = _NO_JOINTS,
    backdrop: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Vary a crop's looks.

    Args:
        image: (n, n, 3) uint8 RGB; not changed.
        rng: source of chance.
        variation: how far.
        uv: (k, 2) pixels of the joints that can be seen, for occluders of their colour.
        backdrop: (n, n, 3) uint8 RGB picture without a hand, for occluders; or None.

    Returns:
        a new picture, and (n, n) float32, how much of each pixel an occluder covers; None without one.
    """
    cover = None
    chance = dict(zip(('occluder', 'shadow', 'light', 'blur', 'low', 'noise', 'jpeg'), rng.random(7)))
    if chance['occluder'] < variation.occluder:
        image, cover = occlude(image, rng, uv, backdrop)
    shaded, lit = chance['shadow'] < variation.shadow, chance['light'] < variation.light
    if shaded or lit:
        image = _relight(image, rng, shaded, lit)
    image = _recolor(image, rng, variation)
    if chance['blur'] < variation.blur:
        if rng.random() < 0.5:
            image = defocus(image, float(rng.uniform(0.5, 1.8)))
        else:
            image = smear(image, rng.uniform(0, np.pi), rng.uniform(1, 4.5))
    if chance['low'] < variation.low_resolution:
        image = coarsen(image, rng.uniform(0.3, 0.8), smooth=rng.random() < 0.5)
    if chance['noise'] < variation.noise:
        sigma, shot = float(rng.uniform(2, 14)), float(rng.uniform(0, 1))
        image = add_noise(image, int(rng.integers(NOISE_STARTS)), sigma * (1 - shot), 1.5 * sigma * shot)
    if chance['jpeg'] < variation.jpeg:
        image = compress(image, int(rng.integers(25, 80)))
    return image, cover


def _relight(image: np.ndarray, rng: np.random.Generator, shadow: bool, light: bool) -> np.ndarray:
    """Light that falls off towards one side, tinted a little, and a shadow with a soft edge."""
    size = image.shape[0] // 2  # everything here is soft
    gain = np.ones((size, size, 3), np.float32)
    if light:
        angle, strength = float(rng.uniform(0, 2 * np.pi)), rng.uniform(0.1, 0.5)
        axis = np.linspace(-1, 1, size, dtype=np.float32)
        ramp = math.cos(angle) * axis[None, :] + math.sin(angle) * axis[:, None]
        gain += ramp[..., None] * (strength * (1 + 0.15 * rng.uniform(-1, 1, 3))).astype(np.float32)
    if shadow:
        # Half a plane, or a bar across, as of a window frame or of somebody's head.
        middle, angle = rng.uniform(0.2, 0.8, 2) * size, float(rng.uniform(0, 2 * np.pi))
        along = 2 * size * np.array([math.cos(angle), math.sin(angle)])
        aside = np.array([-along[1], along[0]]) * (1.0 if rng.random() < 0.6 else rng.uniform(0.05, 0.25))
        corners = np.array([middle + along, middle - along, middle - along + aside, middle + along + aside])
        dark = np.zeros((size, size), np.float32)
        cv2.fillConvexPoly(dark, np.round(corners).astype(np.int32), float(rng.uniform(0.2, 0.6)))
        dark = cv2.GaussianBlur(dark, (0, 0), float(rng.uniform(1, 6)) * size / 128)
        gain *= 1 - dark[..., None]
    gain = cv2.resize(gain, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, gain, dtype=cv2.CV_8U)


def _recolor(image: np.ndarray, rng: np.random.Generator, variation: Variation) -> np.ndarray:
    """Brightness, contrast, gamma and white balance by one table; saturation, hue and channels by one matrix."""
    strength = variation.color
    chance = rng.random(2)
    grey, mixed = chance[0] < variation.grey, chance[1] < variation.channels
    if strength == 0 and not grey and not mixed:
        return image
    table, mix = _SAME, _GREY
    if strength > 0:
        draw = strength * rng.uniform(-1, 1, 8)
        contrast, offset, gamma = 1 + 0.4 * draw[3], 40 * draw[4], math.exp(0.35 * draw[5])
        curve = contrast * (255 * _LEVELS**gamma - 128)
        table = np.clip(curve * (1 + 0.15 * draw[:3]) + (128 + offset), 0, 255)
        if not grey:
            mix = _saturation(1 + 0.6 * float(draw[6])) @ _hue(0.2 * float(draw[7]))
    elif not grey:
        mix = np.eye(3)
    if mixed:
        mix = mix @ (np.eye(3)[::-1] if rng.random() < 0.3 else _crosstalk(rng))
    result = np.empty_like(image)
    _map_colors(image, table.astype(np.float32), mix.astype(np.float32), result)
    return result


@njit(cache=True, nogil=True)
def _map_colors(image: np.ndarray, table: np.ndarray, mix: np.ndarray, result: np.ndarray) -> None:
    """result = mix · table[value], rounded and kept within 0–255.

    Args:
        image, result: (h, w, 3) uint8. table: (256, 3) float32. mix: (3, 3) float32.
    """
    half, top = np.float32(0.5), np.float32(255)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            r, g, b = table[image[y, x, 0], 0], table[image[y, x, 1], 1], table[image[y, x, 2], 2]
            for c in range(3):
                value = mix[c, 0] * r + mix[c, 1] * g + mix[c, 2] * b + half
                result[y, x, c] = np.uint8(min(max(value, half), top))


def _saturation(factor: float) -> np.ndarray:
    """(3, 3): RGB → RGB with its distance from grey times `factor`, at the same luma."""
    return factor * np.eye(3) + (1 - factor) * _GREY


def _hue(angle: float) -> np.ndarray:
    """(3, 3): turns RGB about the grey axis by `angle` radians (Rodrigues)."""
    cos, sin = math.cos(angle), math.sin(angle) / math.sqrt(3)
    return cos * np.eye(3) + (1 - cos) / 3 + sin * _CROSS


def _crosstalk(rng: np.random.Generator) -> np.ndarray:
    """(3, 3): every channel takes up to a quarter of each other one; grey stays grey."""
    mix = np.eye(3) + rng.uniform(0, 0.25, (3, 3))
    return mix / mix.sum(axis=1, keepdims=True)
