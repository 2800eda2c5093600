"""What is behind the hand: another picture beyond the border, or all round a hand that is cut out. RGB throughout."""

from __future__ import annotations

import cv2
import numpy as np

from minimal_hand_core.data.synthetic.backgrounds import made_up_background
from minimal_hand_core.tracking.crop import Crop


def fill_outside(
    image: np.ndarray, picture_shape: tuple[int, ...], crop: Crop, mirror: bool, backdrop: np.ndarray
) -> np.ndarray:
    """The crop `image` with the backdrop where it reaches beyond the picture it was cut from."""
    height, width = picture_shape[:2]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.round(crop.to_crop(corners, mirror=mirror) * 16).astype(np.int32), 1, cv2.LINE_8, 4)
    return np.where(inside[..., None] == 0, backdrop, image)


def replace_background(
    image: np.ndarray, coverage: np.ndarray, enlarged: float, rng: np.random.Generator, backdrop: np.ndarray | None
) -> np.ndarray:
    """The hand on another background, with an edge about two pixels wide.

    Args:
        image: (n, n, 3) uint8, the crop.
        coverage: (n, n) uint8, 255 where all of a pixel belongs to the hand.
        enlarged: pixels of the crop per pixel of the mask; the steps of an enlarged mask are smoothed away.
        rng: draws the background where there is no backdrop.
        backdrop: (n, n, 3) uint8, or None.

    Returns:
        a new picture.
    """
    if backdrop is None:
        backdrop = made_up_background(rng, (image.shape[0], image.shape[1]))
    soft = cv2.GaussianBlur(coverage, (0, 0), 0.8 * max(1.0, 1.25 * enlarged)).astype(np.float32)
    # Pixels on the edge have the old background in them: the hand is drawn in by a fraction of a pixel.
    hand = np.clip((soft - 90) / 150, 0, 1)
    return cv2.blendLinear(image, backdrop, hand, 1 - hand)
