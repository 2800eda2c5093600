"""What a lens, a sensor and a file format do to a picture: blur, few pixels, noise, JPEG.

Convention: pictures are (h, w, 3) uint8, BGR or RGB; lengths are pixels. Every effect is symmetric about a pixel, so
that labels stay in the middle of what they name.
"""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit

NOISE_STARTS = 1 << 18
"""How many different noises there are."""
_POOL = np.random.default_rng(7).normal(0, 1, NOISE_STARTS).astype(np.float32)
"""Gaussian noise drawn once; pictures take it from a random start on. Drawing it anew costs more than rendering."""


def defocus(image: np.ndarray, sigma: float) -> np.ndarray:
    """Out of focus: a Gaussian of this standard deviation."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def smear(image: np.ndarray, angle: float, reach: float) -> np.ndarray:
    """Motion blur along a line of 2 · reach pixels at `angle` radians."""
    half = int(np.ceil(reach))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    step = reach * np.array([np.cos(angle), np.sin(angle)])
    ends = np.round((half + np.stack([-step, step])) * 16).astype(int)
    cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0, 1, cv2.LINE_AA, shift=4)
    kernel += kernel[::-1, ::-1]  # OpenCV's line may lie half a pixel beside its ends
    total = kernel.sum()
    return cv2.filter2D(image, -1, kernel / total) if total > 0 else image


def coarsen(image: np.ndarray, factor: float, smooth: bool) -> np.ndarray:
    """As if taken with `factor` (below 1) times the pixels and enlarged, bicubically (`smooth`) or bilinearly."""
    height, width = image.shape[:2]
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR)


def add_noise(image: np.ndarray, start: int, read: float, shot: float) -> np.ndarray:
    """A copy with Gaussian noise of standard deviation `read` + `shot` · √(light / 255), in grey levels.

    Read noise is the same everywhere; shot noise grows with the root of the light. `start`, 0 … NOISE_STARTS − 1, says
    which noise it is.
    """
    noisy = image.copy()
    _add_noise(noisy.reshape(-1), _POOL, start, read, shot)
    return noisy


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Through a JPEG file of this quality, 1–100; `image` is taken as BGR, which RGB survives as well."""
    file = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))


@njit(cache=True, nogil=True, fastmath=True, error_model='numpy')
def _add_noise(flat: np.ndarray, pool: np.ndarray, start: int, read: float, shot: float) -> None:
    """In place."""
    # In pieces that do not reach over the pool's end: the compiler vectorises plain loops only.
    done = 0
    while done < len(flat):
        count = min(len(flat) - done, len(pool) - start)
        piece, noise = flat[done : done + count], pool[start : start + count]
        for i in range(count):
            light = np.float32(piece[i])
            value = light + noise[i] * (np.float32(read) + np.float32(shot) * np.sqrt(light * np.float32(1 / 255)))
            piece[i] = np.uint8(np.int32(min(max(value + np.float32(0.5), np.float32(0)), np.float32(255))))
        done += count
        start = 0
