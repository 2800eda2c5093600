"""One place that says what a picture is: BGR, uint8, (H, W, 3), not empty.

Everything that enters the tracker passes `as_bgr`; everything below it may rely on `check_bgr`.
"""

from __future__ import annotations

import cv2
import numpy as np

SENSOR_BITS = (8, 10, 12, 14, 16)
"""Depths of cameras that send 16 bits per channel."""


class PictureError(ValueError):
    """A picture that cannot be used; the message names what was found and what would be right."""


def check_bgr(image: np.ndarray) -> None:
    """Raise PictureError unless `image` is a non-empty (H, W, 3) uint8 array."""
    _check_array(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise PictureError(f'picture has shape {image.shape}; give (height, width, 3) BGR')


def as_bgr(image: np.ndarray) -> np.ndarray:
    """A picture as (H, W, 3) BGR uint8; grey pictures (H, W) and (H, W, 1) become three equal channels.

    Raises:
        PictureError: not an array, empty, not 8 bits per channel, or another number of channels than 1 or 3.
    """
    _check_array(image)
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return cv2.cvtColor(np.ascontiguousarray(image.reshape(image.shape[:2])), cv2.COLOR_GRAY2BGR)
    if image.ndim == 3 and image.shape[2] == 4:
        raise PictureError(f'picture has 4 channels {image.shape}; drop alpha and give (height, width, 3) BGR')
    check_bgr(image)
    return image


def eight_bits(image: np.ndarray) -> np.ndarray:
    """A picture of 16 bits per channel as one of 8, same shape: the upper 8 bits of what the sensor gives.

    Most cameras put their 10, 12 or 14 bits at the low end, where a plain `>> 8` leaves next to nothing. The depth is
    taken to be the smallest of SENSOR_BITS that holds the brightest value of the picture. A picture is thus brightened
    when it is dark altogether, in steps of 4, and never by a hot pixel or a lamp at its border.

    Args:
        image: (…) uint16, at least one pixel.
    """
    brightest = int(image.max())
    bits = next(bits for bits in SENSOR_BITS if brightest < 1 << bits)
    return (image >> (bits - 8)).astype(np.uint8)


def _check_array(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray):
        raise PictureError(f'picture is a {type(image).__name__}; give a NumPy array (height, width, 3) BGR uint8')
    if image.size == 0:
        raise PictureError(f'picture is empty, shape {image.shape}; give at least one pixel')
    if image.dtype == np.uint16:
        raise PictureError('picture is 16 bits per channel (uint16); scale it to 8 bits, e.g. (picture >> 8) as uint8')
    if image.dtype != np.uint8:
        raise PictureError(f'picture is {image.dtype}; give uint8, 0…255')
