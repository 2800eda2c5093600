"""The hand model without gradients, hand by hand (numba kernels, float32 or float64).

The same formulas as hand/skinning.py and hand/rotations.py. For a single hand PyTorch spends several times as long on
calling its many small operations as this takes altogether; in large batches it spends it on temporaries.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import JOINT_PARENTS, KEYPOINTS_FROM_JOINTS_AND_TIPS, NUM_JOINTS

# Plain arrays: numba takes them into the kernel as constants.
_PARENTS = np.array(JOINT_PARENTS)
_ORDER = np.array(KEYPOINTS_FROM_JOINTS_AND_TIPS)
# Of the narrower type: a plain 1 would lift float32 to float64.
_ONE = np.float32(1)


@njit(cache=True, nogil=True, error_model='numpy')
def pose_hands(
    rotations: np.ndarray,
    betas: np.ndarray,
    translation: np.ndarray,
    joint_offset: np.ndarray,
    joint_basis: np.ndarray,
    template: np.ndarray,
    shape_basis: np.ndarray,
    pose_basis: np.ndarray,
    weights: np.ndarray,
    tips: np.ndarray,
    points: np.ndarray,
    joints: np.ndarray,
    keypoints: np.ndarray,
) -> bool:
    """Fill points (B, P, 3), joints (B, 16, 3) and keypoints (B, 21, 3); False if an argument is not finite.

    rotations (B, 16, 3, 3); betas (B or 1, 10); translation (B or 1, 3); joint_offset (48,) and joint_basis (10, 48);
    the rest as the buffers of SkinnedPoints; tips (5,) rows of points.
    """
    hands, count = points.shape[0], points.shape[1]
    transforms = np.empty((NUM_JOINTS, 3, 4), rotations.dtype)
    rest = np.empty((NUM_JOINTS, 3), rotations.dtype)
    shaped = np.empty(3 * count, rotations.dtype)
    moved = np.empty((3, count), rotations.dtype)
    total = 0.0
    for hand in range(hands):
        shape = hand if betas.shape[0] > 1 else 0
        place = hand if translation.shape[0] > 1 else 0
        for j in range(NUM_JOINTS):
            for i in range(3):
                rest[j, i] = joint_offset[3 * j + i]
                for k in range(betas.shape[1]):
                    rest[j, i] += betas[shape, k] * joint_basis[k, 3 * j + i]
                    total += betas[shape, k]
                for k in range(3):
                    total += rotations[hand, j, i, k]
        for i in range(3 * count):
            shaped[i] = template[i]
        for k in range(betas.shape[1]):
            _add(betas[shape, k], shape_basis[k], shaped)
        for k in range(pose_basis.shape[0]):
            entry = rotations[hand, 1 + k // 9, k % 9 // 3, k % 3]
            _add(entry if k % 9 % 4 != 0 else entry - _ONE, pose_basis[k], shaped)

        _chain(hand, place, rotations, rest, translation, transforms, joints)
        for i in range(3):
            total += translation[place, i]
            for v in range(count):
                moved[i, v] = 0
            for j in range(NUM_JOINTS):
                _skin(weights[j], transforms[j, i], shaped, moved[i])
            for v in range(count):
                points[hand, v, i] = moved[i, v]
            for k in range(_ORDER.size):
                j = _ORDER[k]
                keypoints[hand, k, i] = joints[hand, j, i] if j < NUM_JOINTS else moved[i, tips[j - NUM_JOINTS]]
    return math.isfinite(total)


@njit(cache=True, nogil=True, error_model='numpy')
def _add(factor: float, row: np.ndarray, total: np.ndarray) -> None:
    if factor != 0:
        for i in range(total.size):
            total[i] += factor * row[i]


@njit(cache=True, nogil=True, error_model='numpy')
def _chain(
    hand: int,
    place: int,
    rotations: np.ndarray,
    rest: np.ndarray,
    translation: np.ndarray,
    transforms: np.ndarray,
    joints: np.ndarray,
) -> None:
    """What each joint does to points of the rest pose, transforms (16, 3, 4), and where the joints go."""
    for j in range(NUM_JOINTS):
        p = _PARENTS[j]
        for i in range(3):
            if j == 0:
                joints[hand, 0, i] = rest[0, i] + translation[place, i]
                for k in range(3):
                    transforms[0, i, k] = rotations[hand, 0, i, k]
            else:
                # The parent's transform takes the joint along; the joint's own leaves it where it is.
                joints[hand, j, i] = transforms[p, i, 3]
                for k in range(3):
                    joints[hand, j, i] += transforms[p, i, k] * rest[j, k]
                    transforms[j, i, k] = (
                        transforms[p, i, 0] * rotations[hand, j, 0, k]
                        + transforms[p, i, 1] * rotations[hand, j, 1, k]
                        + transforms[p, i, 2] * rotations[hand, j, 2, k]
                    )
            transforms[j, i, 3] = joints[hand, j, i]
            for k in range(3):
                transforms[j, i, 3] -= transforms[j, i, k] * rest[j, k]


@njit(cache=True, nogil=True, error_model='numpy')
def _skin(weights: np.ndarray, row: np.ndarray, shaped: np.ndarray, moved: np.ndarray) -> None:
    """Add one joint's share of one coordinate to all points."""
    count = moved.size
    a, b, c, d = row[0], row[1], row[2], row[3]
    for v in range(count):
        moved[v] += weights[v] * (a * shaped[v] + b * shaped[count + v] + c * shaped[2 * count + v] + d)


@njit(cache=True, nogil=True, error_model='numpy')
def turn_vectors(vectors: np.ndarray, matrices: np.ndarray) -> None:
    """Fill matrices (N, 3, 3) with the rotations of axis–angle vectors (N, 3), by Rodrigues' formula in float64."""
    for n in range(vectors.shape[0]):
        x, y, z = float(vectors[n, 0]), float(vectors[n, 1]), float(vectors[n, 2])
        square = x * x + y * y + z * z
        angle = math.sqrt(square)
        half = 0.5 * angle
        # sin(angle / 2) / angle; below the threshold the next term of its series is below rounding.
        share = math.sin(half) / angle if square > 1e-16 else 0.5
        first, second = 2.0 * share * math.cos(half), 2.0 * share * share
        out = matrices[n]
        out[0, 0] = 1.0 - second * (y * y + z * z)
        out[1, 1] = 1.0 - second * (x * x + z * z)
        out[2, 2] = 1.0 - second * (x * x + y * y)
        out[0, 1], out[1, 0] = second * x * y - first * z, second * x * y + first * z
        out[0, 2], out[2, 0] = second * x * z + first * y, second * x * z - first * y
        out[1, 2], out[2, 1] = second * y * z - first * x, second * y * z + first * x


@njit(cache=True, nogil=True, error_model='numpy')
def name_turns(matrices: np.ndarray, quaternions: np.ndarray) -> None:
    """Fill quaternions (N, 4), x y z w, w ≥ 0, with the rotations of proper matrices (N, 3, 3), in float64.

    As rotations.matrix_to_quaternion: of the columns of 4·q·qᵀ, the one with the largest diagonal.
    """
    q = np.empty(4)
    for n in range(matrices.shape[0]):
        m = matrices[n]
        a, b, c = float(m[0, 0]), float(m[1, 1]), float(m[2, 2])
        x, y, z, w = 1.0 + a - b - c, 1.0 - a + b - c, 1.0 - a - b + c, 1.0 + a + b + c
        xy, xz, yz = float(m[0, 1]) + m[1, 0], float(m[0, 2]) + m[2, 0], float(m[1, 2]) + m[2, 1]
        wx, wy, wz = float(m[2, 1]) - m[1, 2], float(m[0, 2]) - m[2, 0], float(m[1, 0]) - m[0, 1]
        largest = max(x, y, z, w)
        if largest == x:
            q[0], q[1], q[2], q[3] = x, xy, xz, wx
        elif largest == y:
            q[0], q[1], q[2], q[3] = xy, y, yz, wy
        elif largest == z:
            q[0], q[1], q[2], q[3] = xz, yz, z, wz
        else:  # also when NaN
            q[0], q[1], q[2], q[3] = wx, wy, wz, w
        size = math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
        if q[3] < 0.0:
            size = -size
        for i in range(4):
            quaternions[n, i] = q[i] / size
