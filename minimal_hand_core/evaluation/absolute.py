"""Predicted hands in metres, in the camera frame: each placed by `tracking.wrist.place_hand`, as the tracker begins.

xyz · hand length is the hand about its middle MCP, and the pixels say where it is. Pixels are weighed by confidence.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from minimal_hand_core.arrays import check_shape
from minimal_hand_core.evaluation.view import rays
from minimal_hand_core.tracking.locate import MIN_WEIGHT
from minimal_hand_core.tracking.wrist import WristError, place_hand


def place_hands(
    xyz: np.ndarray,
    uv: np.ndarray,
    confidence: np.ndarray,
    intrinsics: np.ndarray,
    lengths: np.ndarray,
) -> np.ndarray:
    """Keypoints in the camera frame.

    Args:
        xyz: (N, 21, 3) network units, camera axes.
        uv: (N, 21, 2) pixels of the picture, no lens distortion; those that are not finite are left out.
        confidence: (N, 21) weights of the pixels.
        intrinsics: (N, 3, 3).
        lengths: (N,) |wrist − middle MCP|, metres.

    Returns:
        (N, 21, 3) float64 metres. A prediction whose pixels fix no place is put at the camera: a large, finite error.

    Raises:
        ValueError: shapes that do not belong together.
    """
    count = len(lengths)
    for name, value, shape in (
        ('xyz', xyz, (count, 21, 3)),
        ('uv', uv, (count, 21, 2)),
        ('confidence', confidence, (count, 21)),
        ('intrinsics', intrinsics, (count, 3, 3)),
    ):
        check_shape(value, name, shape)
    k = np.asarray(intrinsics, np.float64)
    points = np.asarray(xyz, np.float64) * np.asarray(lengths)[:, None, None]
    points = points - points[:, :1]
    weights = np.maximum(np.asarray(confidence, np.float64), MIN_WEIGHT)
    wrists = np.zeros((count, 3))
    for wrist, *hand in zip(wrists, rays(uv, k), points, weights, strict=True):
        with suppress(WristError):
            wrist[:] = place_hand(*hand)[0]
    return points + wrists[:, None]
