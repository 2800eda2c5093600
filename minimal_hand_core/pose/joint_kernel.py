"""The compiled loops of joint axes and joint angles, hand by hand (numba, float64). What they do and why: axes.py and
angles.py. Arrays are C-contiguous and writeable; for a single hand NumPy spends a hundred times as long on its calls.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import FINGER_JOINTS, FINGER_KEYPOINTS, FINGERS, MIDDLE_MCP
from minimal_hand_core.pose.limited_finger import cross, dot
from minimal_hand_core.pose.swing import multiply, set_identity, turn_about

_JOINTS = np.array(FINGER_JOINTS)
_CHAINS = np.array([FINGER_KEYPOINTS[finger] for finger in FINGERS])
_INDEX_MCP, _LITTLE_MCP = FINGER_KEYPOINTS['index'][0], FINGER_KEYPOINTS['little'][0]
_TINY = 1e-9
AXES_FOUND, NO_FORWARD, NO_ACROSS, NO_BONE, NO_AXIS = range(5)
"""What find_axes says of a hand."""


@njit(cache=True, nogil=True, error_model='numpy')
def _subtract(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> float:
    """Write a − b of (3,) into out; its length."""
    for i in range(3):
        out[i] = a[i] - b[i]
    return math.sqrt(dot(out, out))


@njit(cache=True, nogil=True, error_model='numpy')
def _scale(vector: np.ndarray, factor: float) -> None:
    for i in range(3):
        vector[i] *= factor


@njit(cache=True, nogil=True, error_model='numpy')
def _set_across(direction: np.ndarray, bone: np.ndarray, out: np.ndarray) -> bool:
    """Write the unit part of direction (3,) at right angles to unit bone (3,) into out; False when there is none."""
    along = dot(direction, bone)
    for i in range(3):
        out[i] = direction[i] - along * bone[i]
    length = math.sqrt(dot(out, out))
    _scale(out, 1.0 / length)
    return length > _TINY


@njit(cache=True, nogil=True, error_model='numpy')
def find_axes(
    points: np.ndarray,
    right: bool,
    cosine: float,
    sine: float,
    bones: np.ndarray,
    flexion: np.ndarray,
    abduction: np.ndarray,
) -> int:
    """Fill bones and flexion (B, 5, 3, 3) and abduction (B, 5, 3) for rest keypoints (B, 21, 3).

    cosine and sine are those of the thumb's pronation. AXES_FOUND, or what the first bad hand lacks.
    """
    forward, across, radial, palmar = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    ulnar, normal, towards, outward, axis = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for hand in range(points.shape[0]):
        p = points[hand]
        size = _subtract(p[MIDDLE_MCP], p[0], forward)
        if not size > 0.0:
            return NO_FORWARD
        _scale(forward, 1.0 / size)
        size = _subtract(p[_INDEX_MCP], p[_LITTLE_MCP], across)
        if not size > 0.0:
            return NO_ACROSS
        _scale(across, 1.0 / size)
        if not _set_across(across, forward, radial):
            return NO_AXIS
        if right:
            cross(radial, forward, palmar)
        else:
            cross(forward, radial, palmar)
        shortest, longest = math.inf, 0.0
        for finger in range(5):
            for joint in range(3):
                bone = bones[hand, finger, joint]
                size = _subtract(p[_CHAINS[finger, joint + 1]], p[_CHAINS[finger, joint]], bone)
                _scale(bone, 1.0 / size)
                shortest, longest = min(shortest, size), max(longest, size)
        if not shortest > _TINY * longest:
            return NO_BONE
        for finger in range(5):
            first = bones[hand, finger, 0]
            # towards: where flexion takes the finger; outward: roughly where abduction takes it.
            if finger == 0:
                for i in range(3):
                    across[i] = -radial[i]
                if not _set_across(across, first, ulnar):
                    return NO_AXIS
                cross(first, ulnar, normal)
                if dot(normal, palmar) < 0.0:
                    _scale(normal, -1.0)
                for i in range(3):
                    towards[i] = cosine * ulnar[i] + sine * normal[i]
                outward[:] = normal
            else:
                if not _set_across(palmar, first, towards):
                    return NO_AXIS
                outward[:] = radial
                if finger > 2:
                    _scale(outward, -1.0)
            cross(first, towards, axis)
            # Abduction goes along the flexion axis, so that the two make a universal joint; only its sense is chosen.
            sense = -1.0 if dot(axis, outward) < 0.0 else 1.0
            for i in range(3):
                abduction[hand, finger, i] = -sense * towards[i]
            for joint in range(3):
                if not _set_across(axis, bones[hand, finger, joint], flexion[hand, finger, joint]):
                    return NO_AXIS
    return AXES_FOUND


@njit(cache=True, nogil=True, error_model='numpy')
def find_angles(
    rotations: np.ndarray, bones: np.ndarray, flexion: np.ndarray, abduction: np.ndarray, angles: np.ndarray
) -> None:
    """Fill angles (B, 20) of local rotations (B or 1, 16, 3, 3) and axes, each of B hands or of one for all."""
    left_over, turned, done, aside, whole = (
        np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)),
    )  # fmt: skip
    direction, towards = np.empty(3), np.empty(3)
    for hand in range(angles.shape[0]):
        local = rotations[hand if rotations.shape[0] > 1 else 0]
        own = hand if bones.shape[0] > 1 else 0
        for finger in range(5):
            set_identity(left_over)
            for joint in range(3):
                bone, axis = bones[own, finger, joint], flexion[own, finger, joint]
                multiply(left_over, local[_JOINTS[finger, joint]], turned)
                for i in range(3):
                    direction[i] = turned[i, 0] * bone[0] + turned[i, 1] * bone[1] + turned[i, 2] * bone[2]
                cross(axis, bone, towards)
                x, y = dot(direction, bone), dot(direction, towards)
                angle = math.atan2(y, x)
                angles[hand, 4 * finger + (0 if joint == 0 else joint + 1)] = angle
                if joint == 2:
                    break
                turn_about(axis, math.cos(angle), math.sin(angle), done)
                if joint == 0:
                    cross(abduction[own, finger], bone, towards)
                    angle = math.atan2(dot(direction, towards), math.sqrt(x * x + y * y))
                    angles[hand, 4 * finger + 1] = angle
                    turn_about(abduction[own, finger], math.cos(angle), math.sin(angle), aside)
                    multiply(done, aside, whole)
                    done[:] = whole
                # What the joint cannot do: its turn undone first, then what was asked of it.
                for i in range(3):
                    for j in range(3):
                        left_over[i, j] = (
                            done[0, i] * turned[0, j] + done[1, i] * turned[1, j] + done[2, i] * turned[2, j]
                        )
