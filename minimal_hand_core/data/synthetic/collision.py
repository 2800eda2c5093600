"""How deep the fingers of a pose run into each other and into the palm."""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import JOINT_KEYPOINTS, KEYPOINT_PARENTS

_PARENTS = np.array(KEYPOINT_PARENTS)
_JOINT_OF_KEYPOINT = np.array([JOINT_KEYPOINTS.index(k) if k in JOINT_KEYPOINTS else -1 for k in range(21)])


def pose_keypoints(rest: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Keypoints (21, 3) of a rest hand (21, 3) under local rotations (16, 3, 3), the wrist where it was."""
    return _chain(
        np.ascontiguousarray(rest, np.float64),
        np.ascontiguousarray(rotations, np.float64),
        _PARENTS,
        _JOINT_OF_KEYPOINT,
    )


def penetration(keypoints: np.ndarray, radii: np.ndarray, ignore: np.ndarray) -> float:
    """Deepest overlap, metres (negative: the smallest gap), of the bones' capsules.

    Args:
        keypoints: (21, 3) metres.
        radii: (20,) flesh round bone k − 1 → k, `HandSurface.radii`.
        ignore: (20, 20) bool, `HandSurface.ignore`.
    """
    return float(_deepest(np.ascontiguousarray(keypoints, np.float64), radii, ignore, _PARENTS))


# Plain loops over numbers below: whole-array expressions of three numbers run slower and compile ten times as long.


@njit(cache=True, nogil=True, error_model='numpy')
def segment_gap(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """Distance of segments a–b and c–d, (3,) each: five points of the first against the whole second.

    Never below the true distance, and above it by at most an eighth of |a − b|.
    """
    ex, ey, ez = d[0] - c[0], d[1] - c[1], d[2] - c[2]
    square = max(ex * ex + ey * ey + ez * ez, 1e-12)
    nearest = np.inf
    for i in range(5):
        t = i / 4
        x, y, z = a[0] + t * (b[0] - a[0]) - c[0], a[1] + t * (b[1] - a[1]) - c[1], a[2] + t * (b[2] - a[2]) - c[2]
        s = min(max((x * ex + y * ey + z * ez) / square, 0.0), 1.0)
        x, y, z = x - s * ex, y - s * ey, z - s * ez
        nearest = min(nearest, x * x + y * y + z * z)
    return np.sqrt(nearest)


@njit(cache=True, nogil=True, error_model='numpy')
def _chain(rest: np.ndarray, rotations: np.ndarray, parents: np.ndarray, joint: np.ndarray) -> np.ndarray:
    turned = np.empty((21, 3, 3))
    out = np.empty((21, 3))
    for i in range(3):
        out[0, i] = rest[0, i]
        for j in range(3):
            turned[0, i, j] = rotations[0, i, j]
    for k in range(1, 21):
        p = parents[k]
        for i in range(3):
            total = out[p, i]
            for j in range(3):
                total += turned[p, i, j] * (rest[k, j] - rest[p, j])
            out[k, i] = total
        if joint[k] < 0:
            continue
        for i in range(3):
            for j in range(3):
                total = 0.0
                for m in range(3):
                    total += turned[p, i, m] * rotations[joint[k], m, j]
                turned[k, i, j] = total
    return out


@njit(cache=True, nogil=True, error_model='numpy')
def _deepest(keypoints: np.ndarray, radii: np.ndarray, ignore: np.ndarray, parents: np.ndarray) -> float:
    worst = -1.0
    for a in range(1, 21):
        for b in range(a + 1, 21):
            if not ignore[a - 1, b - 1]:
                gap = segment_gap(keypoints[parents[a]], keypoints[a], keypoints[parents[b]], keypoints[b])
                worst = max(worst, float(radii[a - 1]) + float(radii[b - 1]) - gap)
    return worst


@njit(cache=True, nogil=True, error_model='numpy')
def room_around(keypoints: np.ndarray, radii: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Distance from the segment a–b to the nearest flesh of a hand, keypoints (21, 3) and radii (20,), metres."""
    least = np.inf
    for k in range(1, 21):
        least = min(least, segment_gap(keypoints[_PARENTS[k]], keypoints[k], a, b) - radii[k - 1])
    return least
