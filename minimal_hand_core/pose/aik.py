"""Analytic inverse kinematics: a template and 21 target keypoints → 16 local joint rotations.

The palm (wrist and five finger bases) turns rigidly; then every finger bone turns, base to tip, by the shortest
rotation (swing, no twist) that points it from where it really starts to its target, so that each joint makes good the
errors of those before it ("adaptive" error feedback, fact sheet 5.1; HybrIK, arXiv 2011.14672).

Unlike the peer: the palm's rotation is always proper, directions are exact at every angle without arccos, and parallel,
antiparallel and zero-length bones have a defined answer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, restore, to_float64
from minimal_hand_core.hand.skeleton import FINGER_KEYPOINTS, FINGERS, MIDDLE_MCP, NUM_JOINTS, PALM_KEYPOINTS
from minimal_hand_core.pose.axes import FINGER_JOINTS
from minimal_hand_core.pose.kabsch import best_rotation
from minimal_hand_core.pose.swing import swing

# Plain arrays: numba takes them into the kernel as constants.
_CHAINS = np.array([FINGER_KEYPOINTS[finger] for finger in FINGERS])
_JOINTS = np.array(FINGER_JOINTS)
_PALM = np.array(PALM_KEYPOINTS)
_INDEX_MCP, _LITTLE_MCP = FINGER_KEYPOINTS['index'][0], FINGER_KEYPOINTS['little'][0]
_TINY = 1e-9
"""Relative to the hand's length: a bone shorter than this has no direction."""


def solve_pose(template: ArrayLike, target: ArrayLike) -> Any:
    """Local joint rotations that pose the template like the target.

    The target is first scaled by |T9 − T0| / |P9 − P0| and shifted so that P0 = T0: its unit and place do not matter. A
    target that the template can reach is reproduced exactly; otherwise the palm is fitted by least squares over the
    five vectors wrist → finger base, and each bone points at its target.

    Defined cases: a bone of no length (in the template, or because its target is where the bone starts) keeps the
    identity; an antiparallel bone turns by π towards the palm's normal (it flexes); a palm whose points are on one
    line, or a mirrored palm, gets one of the best proper rotations. The same input always gives the same answer.

    Args:
        template: (B, 21, 3) or (21, 3) keypoints of the hand's rest pose (identity rotations, the hand's own shape).
        target: (B, 21, 3) or (21, 3) keypoints to reach. Any unit and frame; of the same side as the template.

    Both are NumPy arrays or torch tensors; one template serves a whole batch of targets and the reverse. The work is
    done in float64 on one CPU core, without a gradient.

    Returns:
        (B, 16, 3, 3) or (16, 3, 3) rotations in MANO's joint order, det = +1, the kind and dtype of target. [0] is the
        wrist's rotation, template frame → target frame; the others are relative to the parent joint. Unbatched only
        when both inputs are.

    Raises:
        ValueError: wrong shape, NaN or infinite, or wrist and middle_mcp of a template or target coincide.
    """
    rest, points = to_float64(template, 'template'), to_float64(target, 'target')
    for name, value in (('template', rest), ('target', points)):
        check_shape(value, name, (21, 3) if value.ndim == 2 else ('B', 21, 3))
        check_finite(value, name)
    unbatched = rest.ndim == 2 and points.ndim == 2
    rest, points = rest.reshape(-1, 21, 3), points.reshape(-1, 21, 3)
    if len(rest) != len(points) and 1 not in (len(rest), len(points)):
        raise ValueError(f'target: expected {len(rest)} hands as in template, found {len(points)}')

    rotations = np.empty((max(len(rest), len(points)), NUM_JOINTS, 3, 3))
    bad = _solve(np.ascontiguousarray(rest), np.ascontiguousarray(points), rotations)
    if bad >= 0:
        name, hand = ('template', bad) if _palm_is_point(rest[min(bad, len(rest) - 1)]) else ('target', bad)
        raise ValueError(f'{name}: expected wrist and middle_mcp apart, found them at one place in hand {hand}')
    return restore(rotations[0] if unbatched else rotations, target)


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
    return not root > _TINY * _TINY * longest


@njit(cache=True, nogil=True, error_model='numpy')
def _solve(rest: np.ndarray, points: np.ndarray, rotations: np.ndarray) -> int:
    """Fill rotations (B, 16, 3, 3); −1, or the first hand without scale."""
    palm_rest, palm_points = np.empty((5, 3)), np.empty((5, 3))
    local, parent, child = np.empty((21, 3)), np.empty((3, 3)), np.empty((3, 3))
    start, bone, towards, a, b, normal = np.empty((6, 3))
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
            chain = _CHAINS[finger]
            for i in range(3):
                start[i] = t[chain[0], i] - t[0, i]
                for j in range(3):
                    parent[i, j] = 1.0 if i == j else 0.0
            for place in range(3):
                for i in range(3):
                    bone[i] = t[chain[place + 1], i] - t[chain[place], i]
                    towards[i] = local[chain[place + 1], i] - start[i]
                bone_length = math.sqrt(bone[0] ** 2 + bone[1] ** 2 + bone[2] ** 2)
                distance = math.sqrt(towards[0] ** 2 + towards[1] ** 2 + towards[2] ** 2)
                turn = rotations[hand, _JOINTS[finger, place]]
                if min(bone_length, distance) < _TINY * length:
                    for i in range(3):
                        for j in range(3):
                            turn[i, j] = 1.0 if i == j else 0.0
                else:
                    for i in range(3):
                        a[i] = bone[i] / bone_length
                        # The target direction as the parent sees it.
                        b[i] = (
                            parent[0, i] * towards[0] + parent[1, i] * towards[1] + parent[2, i] * towards[2]
                        ) / distance
                    swing(a, b, normal, turn)
                for i in range(3):
                    for j in range(3):
                        child[i, j] = parent[i, 0] * turn[0, j] + parent[i, 1] * turn[1, j] + parent[i, 2] * turn[2, j]
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
