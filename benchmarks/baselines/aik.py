"""BASELINE, for comparison only: analytic inverse kinematics as the peer does it.

Our own re-implementation of fact sheet 5.1 with what it lists as wrong: one hand at a time, rotations kept in
dictionaries, a reflection kept as it is unless a singular value is tiny, 1e-8 terms, arccos that is not clipped.
Nothing of the package uses it.
"""

from __future__ import annotations

import math

import numpy as np

PARENTS = {k: 0 if k in (1, 5, 9, 13, 17) else k - 1 for k in range(1, 21)}
PALM = (1, 5, 9, 13, 17)
JOINT_OF_BONE = {
    2: 13,
    3: 14,
    4: 15,
    6: 1,
    7: 2,
    8: 3,
    10: 4,
    11: 5,
    12: 6,
    14: 10,
    15: 11,
    16: 12,
    18: 7,
    19: 8,
    20: 9,
}
"""Bone (keypoint at its end) → MANO joint that turns it, fact sheet 1.1."""


def match_scale(template: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The target (21, 3) in the template's size and with the template's wrist."""
    ratio = np.linalg.norm(template[9] - template[0]) / np.linalg.norm(target[9] - target[0])
    scaled = target * ratio
    return scaled - scaled[0] + template[0]


def palm_rotation(template: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Arun's rotation (3, 3) of the five palm vectors; may be a reflection."""
    a = np.stack([template[k] - template[0] for k in PALM], axis=1)
    b = np.stack([target[k] - target[0] for k in PALM], axis=1)
    u, s, vt = np.linalg.svd(a @ b.T)
    v = vt.T
    rotation = v @ u.T
    if abs(np.linalg.det(rotation) + 1) < 1e-6 and (np.abs(s) < 1e-4).any():
        v[:, 2] = -v[:, 2]
        rotation = v @ u.T
    return rotation


def axis_angle(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation (3, 3) about an axis of any length."""
    x, y, z = axis
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    c, s = math.cos(angle), math.sin(angle)
    d = 1 - c
    return np.array(
        [
            [x * x * d + c, x * y * d - z * s, x * z * d + y * s],
            [x * y * d + z * s, y * y * d + c, y * z * d - x * s],
            [x * z * d - y * s, y * z * d + x * s, z * z * d + c],
        ]
    )


def solve_pose(template: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Local rotations (16, 3, 3) of one hand, template and target (21, 3) in metres."""
    points = match_scale(template, target)
    rotation = {0: palm_rotation(template, points)}
    place = {0: template[0]}
    for k in PALM:
        rotation[k] = rotation[0]
    pose = np.tile(np.eye(3), (16, 1, 1))
    pose[0] = rotation[0]
    for k in sorted(JOINT_OF_BONE):
        parent = PARENTS[k]
        grandparent = PARENTS[parent]
        place[parent] = rotation[parent] @ (template[parent] - template[grandparent]) + place[grandparent]
        bone = template[k] - template[parent]
        towards = np.linalg.inv(rotation[parent]) @ (points[k] - place[parent])
        normal = np.cross(bone, towards)
        normal = normal / (np.linalg.norm(normal) + 1e-8)
        cosine = bone @ towards / ((np.linalg.norm(bone) + 1e-8) * (np.linalg.norm(towards) + 1e-8))
        swing = axis_angle(normal, np.arccos(cosine))
        twist = axis_angle(bone, 0.0)
        local = swing @ twist
        rotation[k] = rotation[parent] @ local
        pose[JOINT_OF_BONE[k]] = local
    return pose
