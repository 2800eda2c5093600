"""How deep the fingers of a pose run into each other and into the palm."""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import JOINT_KEYPOINTS, KEYPOINT_PARENTS

_JOINT_OF_KEYPOINT = np.array([JOINT_KEYPOINTS.index(k) if k in JOINT_KEYPOINTS else -1 for k in range(21)])


def pose_keypoints(rest: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Keypoints (21, 3) of a rest hand (21, 3) under local rotations (16, 3, 3), the wrist where it was."""
    return _chain(
        np.ascontiguousarray(rest, np.float64),
        np.ascontiguousarray(rotations, np.float64),
        np.array(KEYPOINT_PARENTS),
        _JOINT_OF_KEYPOINT,
    )


def penetration(keypoints: np.ndarray, radii: np.ndarray, ignore: np.ndarray) -> float:
    """Deepest overlap, metres (negative: the smallest gap), of the bones' capsules.

    Args:
        keypoints: (21, 3) metres.
        radii: (20,) flesh round bone k − 1 → k, `HandSurface.radii`.
        ignore: (20, 20) bool, `HandSurface.ignore`.
    """
    return float(
        _deepest(np.ascontiguousarray(keypoints, np.float64), radii.astype(np.float64), ignore, np.array(KEYPOINT_PARENTS))
    )


@njit(cache=True, nogil=True, error_model='numpy')
def segment_gap(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """Distance of segments a–b and c–d, (3,) each: five points of the first against the whole second.

    Never below the true distance, and above it by at most an eighth of |a − b|.
    """
    along = d - c
    square = max((along * along).sum(), 1e-12)
    nearest = np.inf
    for i in range(5):
        p = a + (b - a) * (i / 4)
        s = min(max(((p - c) * along).sum() / square, 0.0), 1.0)
        nearest = min(nearest, np.sqrt(((p - c - s * along) ** 2).sum()))
    return nearest


@njit(cache=True, nogil=True, error_model='numpy')
def _chain(rest: np.ndarray, rotations: np.ndarray, parents: np.ndarray, joint: np.ndarray) -> np.ndarray:
    turned = np.empty((21, 3, 3))
    out = np.empty((21, 3))
    turned[0] = rotations[0]
    out[0] = rest[0]
    for k in range(1, 21):
        p = parents[k]
        out[k] = out[p]
        for i in range(3):
            for j in range(3):
                out[k, i] += turned[p, i, j] * (rest[k, j] - rest[p, j])
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
                worst = max(worst, radii[a - 1] + radii[b - 1] - gap)
    return worst
