"""A labelled picture in other proportions, as of pictures that somebody made square."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from minimal_hand_core.data.sample import Sample


def stretched(sample: Sample, amount: float) -> Sample:
    """The sample with its picture e^(amount/2) times as wide and as many times less high.

    2D labels, mask and intrinsics follow exactly. 3D labels stay as they are, with weight_3d 0: what the picture shows
    is no longer a hand of those proportions.

    Args:
        sample: what to stretch; not changed.
        amount: logarithm of the factor on width over height.
    """
    height, width = sample.image.shape[:2]
    size = max(1, round(width * math.exp(amount / 2))), max(1, round(height * math.exp(-amount / 2)))
    factor = np.array(size) / (width, height)

    def moved(points: np.ndarray) -> np.ndarray:
        return (points + 0.5) * factor - 0.5  # pixel centres are at integers, the picture's border half a pixel out

    intrinsics = sample.intrinsics
    if intrinsics is not None:
        x, y = factor
        intrinsics = np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]]) @ intrinsics
    mask = sample.mask
    if mask is not None:
        mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)
    return replace(
        sample,
        image=cv2.resize(sample.image, size, interpolation=cv2.INTER_LINEAR),
        keypoints_px=moved(sample.keypoints_px),
        extent_px=None if sample.extent_px is None else moved(sample.extent_px),
        intrinsics=intrinsics,
        mask=mask,
        weight_3d=0.0,
    )
