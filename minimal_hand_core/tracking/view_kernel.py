"""The compiled loops between a picture and what the network says of a square of it (numba, float64)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model='numpy')
def set_view_rotation(x: float, y: float, out: np.ndarray) -> None:
    """Write the smallest rotation that takes (0, 0, 1) to the ray (x, y, 1) into out (3, 3)."""
    size = math.sqrt(1.0 + x * x + y * y)
    x, y, z = x / size, y / size, 1.0 / size
    # Rodrigues' formula for axis (0, 0, 1) × ray = (−y, x, 0); 1 + z ≥ 1, as the ray points forward.
    out[0, 0], out[0, 1], out[0, 2] = 1 - x * x / (1 + z), -x * y / (1 + z), x
    out[1, 0], out[1, 1], out[1, 2] = -x * y / (1 + z), 1 - y * y / (1 + z), y
    out[2, 0], out[2, 1], out[2, 2] = -x, -y, z


@njit(cache=True, nogil=True, error_model='numpy')
def box_of(points: np.ndarray) -> tuple[float, float, float, float]:
    """Smallest x, smallest y, largest x and largest y of (N, 2); all NaN when one of them is."""
    left, top, right, bottom = points[0, 0], points[0, 1], points[0, 0], points[0, 1]
    total = 0.0
    for n in range(points.shape[0]):
        x, y = points[n, 0], points[n, 1]
        left, top, right, bottom = min(left, x), min(top, y), max(right, x), max(bottom, y)
        total += x + y
    if math.isnan(total):
        return math.nan, math.nan, math.nan, math.nan
    return left, top, right, bottom


@njit(cache=True, nogil=True, error_model='numpy')
def into_picture(
    uv: np.ndarray,
    xyz: np.ndarray,
    confidence: np.ndarray,
    affine: np.ndarray,
    mirror: bool,
    angle: float,
    uv_out: np.ndarray,
    xyz_out: np.ndarray,
    confidence_out: np.ndarray,
) -> float:
    """Fill the same keypoints in pixels and axes of the picture, float64; their mean confidence.

    uv (21, 2), xyz (21, 3), confidence (21,) float32, of the crop. affine (2, 3): pixels of the crop → of the picture.
    mirror: the crop was flipped. angle: radians, of the crop in the picture.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    total = 0.0
    for k in range(uv.shape[0]):
        u, v = float(uv[k, 0]), float(uv[k, 1])
        for i in range(2):
            uv_out[k, i] = affine[i, 0] * u + affine[i, 1] * v + affine[i, 2]
        x, y = float(xyz[k, 0]), float(xyz[k, 1])
        if mirror:
            x = -x
        xyz_out[k, 0], xyz_out[k, 1], xyz_out[k, 2] = x * cos - y * sin, x * sin + y * cos, xyz[k, 2]
        confidence_out[k] = confidence[k]
        total += float(confidence[k])
    return total / confidence.shape[0]


@njit(cache=True, nogil=True, error_model='numpy')
def inconsistency(uv: np.ndarray, xyz: np.ndarray, confidence: np.ndarray) -> float:
    """How little uv (N, 2) looks like xyz (N, 3) seen from far away; see gates.inconsistency."""
    count, total = uv.shape[0], 0.0
    for n in range(count):
        total += max(confidence[n], 1e-6)
    u = v = x = y = 0.0
    for n in range(count):
        w = max(confidence[n], 1e-6) / total
        u, v, x, y = u + w * uv[n, 0], v + w * uv[n, 1], x + w * xyz[n, 0], y + w * xyz[n, 1]
    spread = shared = 0.0
    for n in range(count):
        w = max(confidence[n], 1e-6) / total
        p, q = xyz[n, 0] - x, xyz[n, 1] - y
        spread += w * (p * p + q * q)
        shared += w * ((uv[n, 0] - u) * p + (uv[n, 1] - v) * q)
    scale = shared / max(spread, 1e-12)
    if scale <= 0.0:
        return math.inf
    square = 0.0
    for n in range(count):
        w = max(confidence[n], 1e-6) / total
        p, q = uv[n, 0] - u - scale * (xyz[n, 0] - x), uv[n, 1] - v - scale * (xyz[n, 1] - y)
        square += w * (p * p + q * q)
    left, top, right, bottom = box_of(uv)
    return math.sqrt(square) / max(right - left, bottom - top, 1e-9)


@njit(cache=True, nogil=True, error_model='numpy')
def share_inside(uv: np.ndarray, width: int, height: int) -> float:
    """Share of the points (N, 2) that lie inside the picture."""
    inside = 0
    for n in range(uv.shape[0]):
        x, y = uv[n, 0], uv[n, 1]
        if x >= -0.5 and y >= -0.5 and x < width - 0.5 and y < height - 0.5:
            inside += 1
    return inside / uv.shape[0]


@njit(cache=True, nogil=True, error_model='numpy')
def apart(found: np.ndarray, uv: np.ndarray, least: int) -> float:
    """RMS distance of found (N, 2) from uv (N, 2), in longer sides of the box of uv.

    Rows of found that are not finite are left out; infinite when fewer than `least` remain.
    """
    count, square = 0, 0.0
    for n in range(uv.shape[0]):
        x, y = found[n, 0] - uv[n, 0], found[n, 1] - uv[n, 1]
        if math.isfinite(x + y):
            count += 1
            square += x * x + y * y
    if count < least:
        return math.inf
    left, top, right, bottom = box_of(uv)
    return math.sqrt(square / count) / max(right - left, bottom - top)
