"""From the axes of the view along a crop's centre to the camera's, for many hands at once."""

from __future__ import annotations

import numpy as np


def rays(uv: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Pixels (N, K, 2), of pictures with camera matrices (N, 3, 3) → points (N, K, 2) of the plane Z = 1, float64."""
    uv = np.asarray(uv, np.float64)
    y = (uv[..., 1] - k[:, None, 1, 2]) / k[:, None, 1, 1]
    x = (uv[..., 0] - k[:, None, 0, 2] - k[:, None, 0, 1] * y) / k[:, None, 0, 0]
    return np.stack([x, y], axis=-1)


def view_rotations(centers: np.ndarray, k: np.ndarray) -> np.ndarray:
    """(N, 3, 3) of crops with their centres at pixels (N, 2): `tracking.camera.view_rotation` of each ray."""
    ray = rays(centers[:, None], k)[:, 0]
    x, y, z = np.concatenate([ray, np.ones((len(ray), 1))], axis=1).T / np.sqrt(1 + (ray**2).sum(axis=1))
    rows = [[1 - x * x / (1 + z), -x * y / (1 + z), x], [-x * y / (1 + z), 1 - y * y / (1 + z), y], [-x, -y, z]]
    return np.moveaxis(np.array(rows), 2, 0)
