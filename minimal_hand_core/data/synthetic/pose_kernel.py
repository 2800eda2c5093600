"""Arithmetic of random poses and views (numba kernels, float64): a hand has too few numbers for whole-array calls."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import FINGER_JOINTS

_JOINTS = np.array(FINGER_JOINTS)


@njit(cache=True, nogil=True, error_model='numpy')
def hold_to_limits(degrees: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Angles (20,) radians within limits (20, 2) from degrees (5, 4), thumb first, which are changed."""
    for finger in range(1, 5):
        d = degrees[finger]
        # The last two joints share a tendon: the tip seldom bends by itself, never alone when the middle is straight.
        d[3] = min(d[3], 12 + 0.9 * max(d[2], 0.0))
        # Bent fingers cannot be spread.
        d[1] -= max(d[1], 0.0) * min(max(d[0] / 90 - 0.15, 0.0), 0.85)
    angles = np.empty(20)
    for i in range(20):
        angles[i] = min(max(math.radians(degrees[i // 4, i % 4]), limits[i, 0]), limits[i, 1])
    return angles


@njit(cache=True, nogil=True, error_model='numpy')
def turn_joints(angles: np.ndarray, flexion: np.ndarray, abduction: np.ndarray) -> np.ndarray:
    """What `pose.angles.rotations_from_angles` gives for one hand: (16, 3, 3) local, the wrist's the identity.

    Args:
        angles: (20,) radians in the order of ANGLE_NAMES.
        flexion, abduction: (5, 3, 3) and (5, 3) of JointAxes.
    """
    rotations = np.zeros((16, 3, 3))
    for i in range(3):
        rotations[0, i, i] = 1.0
    bend, spread = np.empty((3, 3)), np.empty((3, 3))
    for finger in range(5):
        for joint in range(3):
            angle = angles[4 * finger + (0 if joint == 0 else joint + 1)]
            axis = flexion[finger, joint]
            if joint == 0:
                _turn(bend, axis[0], axis[1], axis[2], angle)
                side = abduction[finger]
                _turn(spread, side[0], side[1], side[2], angles[4 * finger + 1])
                _product(rotations[_JOINTS[finger, 0]], bend, spread)
            else:
                _turn(rotations[_JOINTS[finger, joint]], axis[0], axis[1], axis[2], angle)
    return rotations


@njit(cache=True, nogil=True, error_model='numpy')
def combine_turns(roll: float, axis: float, tilt: float, facing: np.ndarray) -> np.ndarray:
    """`facing` (3, 3), then `tilt` about the axis in the picture's plane at angle `axis`, then `roll` about z."""
    first, second, both, out = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    _turn(first, 0.0, 0.0, 1.0, roll)
    _turn(second, math.cos(axis), math.sin(axis), 0.0, tilt)
    _product(both, first, second)
    _product(out, both, facing)
    return out


@njit(cache=True, nogil=True, error_model='numpy')
def _turn(out: np.ndarray, x: float, y: float, z: float, angle: float) -> None:
    """Fill out (3, 3) with the rotation by `angle` radians about a unit axis: Rodrigues' formula."""
    s, c = math.sin(angle), 1.0 - math.cos(angle)
    out[0, 0], out[0, 1], out[0, 2] = 1.0 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y
    out[1, 0], out[1, 1], out[1, 2] = c * x * y + s * z, 1.0 - c * (x * x + z * z), c * y * z - s * x
    out[2, 0], out[2, 1], out[2, 2] = c * x * z - s * y, c * y * z + s * x, 1.0 - c * (x * x + y * y)


@njit(cache=True, nogil=True, error_model='numpy')
def _product(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]
