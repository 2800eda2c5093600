"""One finger within joint limits: a universal joint and two hinges that follow three target points (numba, float64).

Each joint bends to where its bone comes nearest to its target, clamped to its range, base to tip, from where the bone
really starts. That is exact for points the finger can reach. For others the hinges cannot make good what the base joint
did sideways, and a base joint that looks at its own bone alone is levered by the finger's length; so the finger is
followed a second time with the abduction that fits all three points best (one Gauss–Newton step, which is zero where
the first pass was exact). Ours; measured in test/core/test_pose_limits.py.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.pose.swing import multiply, turn_about


@njit(cache=True, nogil=True, error_model='numpy')
def bend_finger(
    bones: np.ndarray,
    targets: np.ndarray,
    flexion: np.ndarray,
    abduction: np.ndarray,
    limits: np.ndarray,
    tiny: float,
    turns: np.ndarray,
) -> None:
    """Write into turns (3, 3, 3) the local rotations of a finger's joints, base first.

    bones (3, 3): rest vectors, any length. targets (3, 3): ends of the bones, from the finger's base, in the palm's
    frame. flexion (3, 3) and abduction (3,): unit axes, as in JointAxes. limits (4, 2): lowest and highest flexion and
    abduction of the base and flexion of the two hinges; the same order as ANGLE_NAMES.

    A target nearer than tiny to where its bone starts, or a bone of no length, gives the angle nearest to 0.
    """
    places, bending, spreading = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    first, sideways = bones[0], np.empty(3)
    cross(abduction, first, sideways)
    seen = targets[0].copy()
    if dot(seen, seen) < tiny * tiny:
        seen[:] = first
    along, towards = _parts(first, flexion[0], seen)
    angle = nearest(math.atan2(towards, along), limits[0, 0], limits[0, 1])
    cosine, sine = math.cos(angle), math.sin(angle)
    turn_about(flexion[0], cosine, sine, bending)
    # The best abduction once flexion is what it can be; without limits, atan2(sideways, √(along² + towards²)).
    lever = along * cosine + towards * sine
    spread = clamp(math.atan2(dot(sideways, seen), lever), limits[1, 0], limits[1, 1])
    turn_about(abduction, math.cos(spread), math.sin(spread), spreading)
    multiply(bending, spreading, turns[0])
    _follow(bones, targets, flexion, limits, tiny, turns, places)

    axis, motion = np.empty(3), np.empty(3)
    for i in range(3):
        axis[i] = bending[i, 0] * abduction[0] + bending[i, 1] * abduction[1] + bending[i, 2] * abduction[2]
    moment, inertia = 0.0, 0.0
    for k in range(3):
        cross(axis, places[k], motion)
        for i in range(3):
            moment += motion[i] * (targets[k, i] - places[k, i])
            inertia += motion[i] * motion[i]
    if inertia > 0.0:
        spread = clamp(spread + moment / inertia, limits[1, 0], limits[1, 1])
        turn_about(abduction, math.cos(spread), math.sin(spread), spreading)
        multiply(bending, spreading, turns[0])
        _follow(bones, targets, flexion, limits, tiny, turns, places)


@njit(cache=True, nogil=True, error_model='numpy')
def _follow(
    bones: np.ndarray,
    targets: np.ndarray,
    flexion: np.ndarray,
    limits: np.ndarray,
    tiny: float,
    turns: np.ndarray,
    places: np.ndarray,
) -> None:
    """Bend the two hinges, turns[1:], behind a base joint turns[0]; places (3, 3) become the ends of the bones."""
    parent, child, seen = turns[0].copy(), np.empty((3, 3)), np.empty(3)
    for i in range(3):
        places[0, i] = parent[i, 0] * bones[0, 0] + parent[i, 1] * bones[0, 1] + parent[i, 2] * bones[0, 2]
    for k in range(1, 3):
        for i in range(3):
            seen[i] = (
                parent[0, i] * (targets[k, 0] - places[k - 1, 0])
                + parent[1, i] * (targets[k, 1] - places[k - 1, 1])
                + parent[2, i] * (targets[k, 2] - places[k - 1, 2])
            )
        if dot(seen, seen) < tiny * tiny:
            seen[:] = bones[k]
        along, towards = _parts(bones[k], flexion[k], seen)
        angle = nearest(math.atan2(towards, along), limits[k + 1, 0], limits[k + 1, 1])
        turn_about(flexion[k], math.cos(angle), math.sin(angle), turns[k])
        multiply(parent, turns[k], child)
        for i in range(3):
            places[k, i] = (
                places[k - 1, i] + child[i, 0] * bones[k, 0] + child[i, 1] * bones[k, 1] + child[i, 2] * bones[k, 2]
            )
        parent, child = child, parent


@njit(cache=True, nogil=True, error_model='numpy')
def _parts(bone: np.ndarray, axis: np.ndarray, vector: np.ndarray) -> tuple[float, float]:
    """Parts of vector along bone and along axis × bone, each times the bone's length."""
    x = axis[1] * bone[2] - axis[2] * bone[1]
    y = axis[2] * bone[0] - axis[0] * bone[2]
    z = axis[0] * bone[1] - axis[1] * bone[0]
    return dot(bone, vector), x * vector[0] + y * vector[1] + z * vector[2]


@njit(cache=True, nogil=True, error_model='numpy')
def nearest(angle: float, low: float, high: float) -> float:
    """The angle in low…high that is nearest on the circle; angle and the range within ±π."""
    if low <= angle <= high:
        return angle
    to_low, to_high = abs(angle - low), abs(angle - high)
    return low if min(to_low, 2 * math.pi - to_low) <= min(to_high, 2 * math.pi - to_high) else high


@njit(cache=True, nogil=True, error_model='numpy')
def clamp(value: float, low: float, high: float) -> float:
    """value, or the end of low…high that it is beyond."""
    return min(max(value, low), high)


@njit(cache=True, nogil=True, error_model='numpy')
def dot(a: np.ndarray, b: np.ndarray) -> float:
    """a · b of (3,)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, nogil=True, error_model='numpy')
def cross(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Write a × b of (3,) into out."""
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]
