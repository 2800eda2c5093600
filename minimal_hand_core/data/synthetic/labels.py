"""Labels that follow from the picture: where a joint is and whether it can be seen."""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.renderer import RenderedHand
from minimal_hand_core.data.synthetic.samples import ARM, OBJECT

OUTSIDE, BEHIND_OBJECT, BEHIND_HAND, SEEN = 0, 1, 2, 3
"""Values of `SyntheticSample.visibility`."""
_TOLERANCE = 0.004
_FLESH = 0.02
"""Metres; a joint lies at most about this far below the skin that covers it."""


def project(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Points (N, 3) in the camera frame → pixels (N, 2)."""
    return _project(points, intrinsics)


def joint_visibility(picture: RenderedHand, keypoints: np.ndarray, keypoints_px: np.ndarray) -> np.ndarray:
    """(21,) uint8 as in `SyntheticSample.visibility`, from what the depth buffer says at each joint's pixel."""
    return _visibility(picture.parts, picture.depth, keypoints, keypoints_px)


@njit(cache=True, nogil=True, error_model='numpy')
def _project(points: np.ndarray, k: np.ndarray) -> np.ndarray:
    out = np.empty((len(points), 2))
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        w = k[2, 0] * x + k[2, 1] * y + k[2, 2] * z
        for row in range(2):
            out[i, row] = (k[row, 0] * x + k[row, 1] * y + k[row, 2] * z) / w
    return out


@njit(cache=True, nogil=True, error_model='numpy')
def _visibility(parts: np.ndarray, depth: np.ndarray, keypoints: np.ndarray, keypoints_px: np.ndarray) -> np.ndarray:
    height, width = parts.shape
    out = np.full(len(keypoints), SEEN, np.uint8)
    for i in range(len(keypoints)):
        column, row = np.rint(keypoints_px[i, 0]), np.rint(keypoints_px[i, 1])
        if not (0 <= column < width and 0 <= row < height):
            out[i] = OUTSIDE
            continue
        x, y = int(column), int(row)
        part, front = parts[y, x], depth[y, x]
        buried = keypoints[i, 2] - front
        if front <= 0:
            continue
        if (part == OBJECT or (part == ARM and buried > _FLESH)) and buried > _TOLERANCE:
            out[i] = BEHIND_OBJECT
        elif buried > _FLESH:
            out[i] = BEHIND_HAND
    return out
