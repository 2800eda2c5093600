"""The compiled loops of analytic inverse kinematics (numba, float64). What they do and why: aik.py."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import FINGER_JOINTS, FINGER_KEYPOINTS, FINGERS, MIDDLE_MCP, PALM_KEYPOINTS
from minimal_hand_core.pose.kabsch import best_rotation
from minimal_hand_core.pose.limited_finger import bend_finger
from minimal_hand_core.pose.swing import multiply, set_identity, swing, turn_about

# Plain arrays: numba takes them into the kernel as constants.
_CHAINS = np.array([FINGER_KEYPOINTS[finger] for finger in FINGERS])
_JOINTS = np.array(FINGER_JOINTS)
_PALM = np.array(PALM_KEYPOINTS)
_INDEX_MCP, _LITTLE_MCP = FINGER_KEYPOINTS['index'][0], FINGER_KEYPOINTS['little'][0]
TINY = 1e-9
"""Relative to the hand's length: a bone shorter than this has no direction."""


@njit(cache=True, nogil=True, error_model='numpy')
def _palm_is_point(points: np.ndarray) -> bool:
    """Whether wrist → middle MCP vanishes beside the rest of the palm (21, 3)."""
    longest, root = 0.0, 0.0
    for base in _PALM:
        length = 0.0
        for i in range(3):
            length += (points[base, i] - points[0, i]) ** 2
        longest = max(longest, length)
        if base == MIDDLE_MCP:
            root = length
    return not root > TINY * TINY * longest


@njit(cache=True, nogil=True, error_model='numpy')
def solve_hands(
    rest: np.ndarray,
    points: np.ndarray,
    twist: np.ndarray,
    flexion: np.ndarray,
    abduction: np.ndarray,
    limits: np.ndarray,
    rotations: np.ndarray,
) -> int:
    """Fill rotations (B, 16, 3, 3); −1, or the first hand without scale.

    rest and points (B or 1, 21, 3). twist (B, 1 or 0, 15): angles by joint, 0 rows for none. flexion (B, 1 or 0, 5, 3,
    3), abduction (…, 5, 3), limits (20, 2): axes and ranges, 0 rows for no limits. All C-contiguous.
    """
    palm_rest, palm_points = np.empty((5, 3)), np.empty((5, 3))
    local, parent, child, twisting = np.empty((21, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    bones, targets, turns = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3, 3))
    start, towards, a, b, normal = np.empty((5, 3))
    for hand in range(rotations.shape[0]):
        t = rest[hand if rest.shape[0] > 1 else 0]
        p = points[hand if points.shape[0] > 1 else 0]
        if _palm_is_point(t) or _palm_is_point(p):
            return hand
        for n in range(5):
            for i in range(3):
                palm_rest[n, i] = t[_PALM[n], i] - t[0, i]
                palm_points[n, i] = p[_PALM[n], i] - p[0, i]
        length = _distance(t, MIDDLE_MCP)
        scale = length / _distance(p, MIDDLE_MCP)
        wrist = rotations[hand, 0]
        # The rotation does not depend on the scale of either side.
        best_rotation(palm_rest, palm_points, wrist)

        # In the wrist's own frame, with the wrist at its origin, the palm stands still.
        for k in range(21):
            for i in range(3):
                local[k, i] = scale * (
                    wrist[0, i] * (p[k, 0] - p[0, 0])
                    + wrist[1, i] * (p[k, 1] - p[0, 1])
                    + wrist[2, i] * (p[k, 2] - p[0, 2])
                )
        _set_palm_normal(t, normal)

        for finger in range(5):
            chain, joints = _CHAINS[finger], _JOINTS[finger]
            for place in range(3):
                for i in range(3):
                    bones[place, i] = t[chain[place + 1], i] - t[chain[place], i]
                    targets[place, i] = local[chain[place + 1], i] - (t[chain[0], i] - t[0, i])
            if flexion.shape[0] > 0:
                which = hand if flexion.shape[0] > 1 else 0
                ranges = limits[4 * finger : 4 * finger + 4]
                bend_finger(
                    bones, targets, flexion[which, finger], abduction[which, finger], ranges, TINY * length, turns
                )
                for place in range(3):
                    rotations[hand, joints[place]] = turns[place]
                continue
            start[:] = 0.0
            set_identity(parent)
            for place in range(3):
                bone = bones[place]
                for i in range(3):
                    towards[i] = targets[place, i] - start[i]
                bone_length = math.sqrt(bone[0] ** 2 + bone[1] ** 2 + bone[2] ** 2)
                distance = math.sqrt(towards[0] ** 2 + towards[1] ** 2 + towards[2] ** 2)
                turn = rotations[hand, joints[place]]
                if min(bone_length, distance) < TINY * length:
                    set_identity(turn)
                else:
                    for i in range(3):
                        a[i] = bone[i] / bone_length
                        # The target direction as the parent sees it.
                        b[i] = (
                            parent[0, i] * towards[0] + parent[1, i] * towards[1] + parent[2, i] * towards[2]
                        ) / distance
                    swing(a, b, normal, turn)
                if twist.shape[0] > 0 and bone_length >= TINY * length:
                    for i in range(3):
                        a[i] = bone[i] / bone_length
                    angle = twist[hand if twist.shape[0] > 1 else 0, joints[place] - 1]
                    turn_about(a, math.cos(angle), math.sin(angle), twisting)
                    multiply(turn, twisting, child)
                    turn[:] = child
                multiply(parent, turn, child)
                for i in range(3):
                    start[i] += child[i, 0] * bone[0] + child[i, 1] * bone[1] + child[i, 2] * bone[2]
                parent, child = child, parent
    return -1


@njit(cache=True, nogil=True, error_model='numpy')
def _distance(points: np.ndarray, k: int) -> float:
    """|keypoint k − wrist| of (21, 3)."""
    x, y, z = points[k, 0] - points[0, 0], points[k, 1] - points[0, 1], points[k, 2] - points[0, 2]
    return math.sqrt(x * x + y * y + z * z)


@njit(cache=True, nogil=True, error_model='numpy')
def _set_palm_normal(points: np.ndarray, out: np.ndarray) -> None:
    """Cross product of forward (wrist → middle MCP) and across (little → index MCP); its sign does not matter here."""
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        out[i] = (points[MIDDLE_MCP, j] - points[0, j]) * (points[_INDEX_MCP, k] - points[_LITTLE_MCP, k]) - (
            points[MIDDLE_MCP, k] - points[0, k]
        ) * (points[_INDEX_MCP, j] - points[_LITTLE_MCP, j])
