"""Labels that follow from the picture: where a joint is and whether it can be seen."""

from __future__ import annotations

import numpy as np

from minimal_hand_core.data.synthetic.renderer import RenderedHand
from minimal_hand_core.data.synthetic.shading import ARM, OBJECT

OUTSIDE, BEHIND_OBJECT, BEHIND_HAND, SEEN = 0, 1, 2, 3
"""Values of `SyntheticSample.visibility`."""
_TOLERANCE = 0.004
_FLESH = 0.02
"""Metres; a joint lies at most about this far below the skin that covers it."""


def project(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Points (N, 3) in the camera frame → pixels (N, 2)."""
    homogeneous = points @ intrinsics.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def joint_visibility(picture: RenderedHand, keypoints: np.ndarray, keypoints_px: np.ndarray) -> np.ndarray:
    """(21,) uint8 as in `SyntheticSample.visibility`, from what the depth buffer says at each joint's pixel."""
    height, width = picture.mask.shape
    pixels = np.round(keypoints_px).astype(int)
    out = np.full(len(keypoints), SEEN, np.uint8)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    out[~inside] = OUTSIDE
    x, y = pixels[inside].T
    part, front = picture.parts[y, x], picture.depth[y, x]
    buried = keypoints[inside, 2] - front
    state = np.full(len(x), SEEN, np.uint8)
    state[(front > 0) & (buried > _FLESH)] = BEHIND_HAND
    state[(front > 0) & ((part == OBJECT) | ((part == ARM) & (buried > _FLESH))) & (buried > _TOLERANCE)] = (
        BEHIND_OBJECT
    )
    out[inside] = state
    return out
