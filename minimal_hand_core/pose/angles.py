"""Twenty anatomical joint angles from local rotations, and back.

Convention:
    * Angles are radians; zero is the hand model's rest pose. Order: thumb, index, middle, ring, little, four each
      (ANGLE_NAMES). A base joint (finger MCP, thumb CMC) has two angles, the other two joints of a finger have one.
    * Flexion is positive towards the palm (thumb: across the palm, towards the little finger).
    * Abduction is positive away from the middle finger; the middle finger's own is positive towards the thumb; the
      thumb's is positive away from the palm and the index finger (palmar abduction).
    * A base joint turns by its abduction first, then by its flexion: R = Rot(flexion axis) · Rot(abduction axis), the
      flexion axis being fixed in the palm. So a finger is a universal joint and two hinges, which is what a URDF needs.

A chain of hinges cannot twist, while rotations found from points carry an arbitrary twist. `joint_angles` therefore
hands what a joint cannot do on to the next joint of the finger: the angles reproduce the directions of the bones, and
`joint_angles(solve_pose(...))` finds the angles of a posed hand exactly, whatever the twists.

The axes, and the limits below, are our own choice from ordinary anatomy; the fact sheet has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from minimal_hand_core.arrays import ArrayLike, check_finite, describe_shape, restore, to_float64
from minimal_hand_core.hand.skeleton import (
    FINGER_KEYPOINTS,
    FINGERS,
    JOINT_NAMES,
    KEYPOINT_NAMES,
    MIDDLE_MCP,
    NUM_JOINTS,
    SIDES,
    WRIST,
)

if TYPE_CHECKING:
    from minimal_hand_core.hand import HandModel

_THUMB_ANGLES = ('thumb_cmc_flexion', 'thumb_cmc_abduction', 'thumb_mcp_flexion', 'thumb_ip_flexion')
_FINGER_ANGLES = ('mcp_flexion', 'mcp_abduction', 'pip_flexion', 'dip_flexion')
ANGLE_NAMES = _THUMB_ANGLES + tuple(f'{finger}_{angle}' for finger in FINGERS[1:] for angle in _FINGER_ANGLES)
"""The 20 angles, keypoint finger order."""
NUM_ANGLES = len(ANGLE_NAMES)

FINGER_JOINTS = tuple(
    tuple(JOINT_NAMES.index(KEYPOINT_NAMES[keypoint]) for keypoint in FINGER_KEYPOINTS[finger][:3])
    for finger in FINGERS
)
"""(5, 3): MANO joint index of each finger's base, middle and last joint, thumb first."""

THUMB_PRONATION = math.radians(35.0)
"""How far the thumb's plane of flexion is turned out of the palm's plane, towards the palm."""

_THUMB_LIMITS = ((-20, 45), (-15, 50), (-10, 60), (-20, 85))
_FINGER_LIMITS = {
    'index': ((-25, 90), (-15, 25), (-5, 110), (-10, 80)),
    'middle': ((-25, 90), (-15, 15), (-5, 110), (-10, 80)),
    'ring': ((-25, 90), (-15, 20), (-5, 115), (-10, 80)),
    'little': ((-25, 90), (-15, 35), (-5, 110), (-10, 80)),
}
ANATOMICAL_LIMITS = np.radians(
    np.array([*_THUMB_LIMITS, *(row for rows in _FINGER_LIMITS.values() for row in rows)], float)
)
"""(20, 2) radians, lowest and highest angle of an ordinary hand moved by its own muscles. Our own choice."""
ANATOMICAL_LIMITS.flags.writeable = False


def _unit(vectors: np.ndarray, what: str) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not (lengths > 1e-9 * np.abs(lengths).max(initial=1e-12)).all():
        raise ValueError(f'rest_keypoints: {what} must not have zero length')
    return vectors / lengths


def _across(direction: np.ndarray, bone: np.ndarray) -> np.ndarray:
    """Unit part of direction at right angles to the unit vector bone."""
    return _unit(direction - (direction @ bone) * bone, 'the part of an axis at right angles to its bone')


@dataclass(frozen=True)
class JointAxes:
    """Rest bones and rotation axes of one hand, in the model frame; unit vectors, float64.

    Attributes:
        bones: (5, 3, 3) rest direction of the bone that each joint turns, [finger, joint, xyz], thumb first.
        flexion: (5, 3, 3) flexion axis of each joint, at right angles to its bone.
        abduction: (5, 3) abduction axis of each finger's base joint; abduction turns the bone along ± flexion axis.
    """

    bones: np.ndarray
    flexion: np.ndarray
    abduction: np.ndarray

    @classmethod
    def from_keypoints(cls, rest_keypoints: ArrayLike, side: str = 'right') -> JointAxes:
        """Axes from the 21 keypoints of a flat hand, in any frame and unit.

        Fingers: the flexion axis is at right angles to the bone and to the palm's normal. Thumb: its plane of flexion
        is the plane of the palm turned by THUMB_PRONATION about the thumb's bone.

        Args:
            rest_keypoints: (21, 3) rest pose.
            side: 'right' or 'left'; keypoints alone do not tell the front of a flat hand from its back.

        Raises:
            ValueError: wrong shape, not finite, unknown side, or a zero-length bone or palm.
        """
        points = to_float64(rest_keypoints, 'rest_keypoints')
        if points.shape != (21, 3):
            raise ValueError(f'rest_keypoints: expected shape (21, 3), found {describe_shape(points.shape)}')
        check_finite(points, 'rest_keypoints')
        if side not in SIDES:
            raise ValueError(f'side: expected one of {", ".join(SIDES)}, found {side!r}')

        forward = _unit(points[MIDDLE_MCP] - points[WRIST], 'wrist → middle_mcp')
        radial = points[FINGER_KEYPOINTS['index'][0]] - points[FINGER_KEYPOINTS['little'][0]]
        radial = _across(_unit(radial, 'little_mcp → index_mcp'), forward)
        palmar = np.cross(radial, forward) if side == 'right' else np.cross(forward, radial)

        chains = np.array([FINGER_KEYPOINTS[finger] for finger in FINGERS])
        bones = _unit(np.diff(points[chains], axis=1), 'every finger bone')
        flexion = np.empty((5, 3, 3))
        abduction = np.empty((5, 3))
        for finger, name in enumerate(FINGERS):
            bone = bones[finger, 0]
            if name == 'thumb':
                ulnar = _across(-radial, bone)
                # `ulnar` and `normal` span the plane across the thumb's bone; `normal` is the palmar one of the two.
                normal = np.cross(bone, ulnar)
                normal *= math.copysign(1.0, float(normal @ palmar))
                towards = math.cos(THUMB_PRONATION) * ulnar + math.sin(THUMB_PRONATION) * normal
                outward = math.cos(THUMB_PRONATION) * normal - math.sin(THUMB_PRONATION) * ulnar
            else:
                towards = _across(palmar, bone)
                outward = _across(radial if name in ('index', 'middle') else -radial, bone)
                outward = _across(outward, towards)
            axis = np.cross(bone, towards)
            flexion[finger] = [axis if joint == 0 else _across(axis, bones[finger, joint]) for joint in range(3)]
            abduction[finger] = np.cross(bone, outward)
        return cls(bones, flexion, abduction)

    @classmethod
    def from_model(cls, model: HandModel, betas: ArrayLike | None = None) -> JointAxes:
        """Axes of a hand model's rest pose, of its mean shape or of betas (10,)."""
        if betas is None:
            rest = model.rest_keypoint_basis()[0]
        else:
            given = torch.as_tensor(to_float64(betas, 'betas'))
            if given.shape != (10,):
                raise ValueError(f'betas: expected shape (10,), found {describe_shape(tuple(given.shape))}')
            offset, directions = model.rest_keypoint_basis()
            rest = offset + directions @ given.to(offset)
        return cls.from_keypoints(rest, model.side)


def _cross_matrices(axes: np.ndarray) -> np.ndarray:
    """(…, 3) → (…, 3, 3) with matrix @ v = axis × v."""
    x, y, z = np.moveaxis(axes, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*axes.shape, 3)


def _turn(axes: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Rotation matrices (…, 3, 3) by angles (…) about unit axes (…, 3): Rodrigues' formula."""
    cross = _cross_matrices(axes)
    sine, cosine = np.sin(angles)[..., None, None], np.cos(angles)[..., None, None]
    return np.eye(3) + sine * cross + (1.0 - cosine) * (cross @ cross)


def rotations_from_angles(angles: ArrayLike, axes: JointAxes, wrist: ArrayLike | None = None) -> Any:
    """Local joint rotations of a hand with the given angles.

    Args:
        angles: (…, 20) radians in the order of ANGLE_NAMES, NumPy or torch.
        axes: of the hand model.
        wrist: (…, 3, 3) global rotation, rotations[…, 0]; identity when None.

    Returns:
        (…, 16, 3, 3) local rotations in MANO's joint order, proper, same kind and dtype as angles (no gradient).

    Raises:
        ValueError: wrong shape or not finite.
    """
    values = to_float64(angles, 'angles')
    if values.ndim < 1 or values.shape[-1] != NUM_ANGLES:
        raise ValueError(f'angles: expected shape (…, {NUM_ANGLES}), found {describe_shape(values.shape)}')
    check_finite(values, 'angles')
    values = values.reshape(*values.shape[:-1], 5, 4)

    rotations = np.empty((*values.shape[:-2], NUM_JOINTS, 3, 3))
    rotations[..., 0, :, :] = np.eye(3) if wrist is None else to_float64(wrist, 'wrist')
    bends = _turn(axes.flexion, values[..., [0, 2, 3]])
    bends[..., 0, :, :] = bends[..., 0, :, :] @ _turn(axes.abduction, values[..., 1])
    rotations[..., np.array(FINGER_JOINTS), :, :] = bends
    return restore(rotations, angles)


def joint_angles(rotations: ArrayLike, axes: JointAxes) -> Any:
    """The 20 angles that point every bone where the rotations point it.

    Exact inverse of rotations_from_angles for |abduction| < π/2 and |flexion| < π. What the joints cannot do (twist,
    sideways bending of a hinge) is handed to the next joint of the finger and left out at the last.

    Args:
        rotations: (…, 16, 3, 3) local, NumPy or torch; [0] is not used.
        axes: of the hand model.

    Returns:
        (…, 20) radians in the order of ANGLE_NAMES, same kind and dtype as rotations (no gradient).

    Raises:
        ValueError: wrong shape or not finite.
    """
    local = to_float64(rotations, 'rotations')
    if local.ndim < 3 or local.shape[-3:] != (NUM_JOINTS, 3, 3):
        raise ValueError(f'rotations: expected shape (…, {NUM_JOINTS}, 3, 3), found {describe_shape(local.shape)}')
    check_finite(local, 'rotations')
    joints = np.array(FINGER_JOINTS)

    angles = np.empty((*local.shape[:-3], 5, 4))
    left_over = np.broadcast_to(np.eye(3), (*local.shape[:-3], 5, 3, 3))
    for joint in range(3):
        turned = left_over @ local[..., joints[:, joint], :, :]
        bone, axis = axes.bones[:, joint], axes.flexion[:, joint]
        direction = (turned @ bone[..., None])[..., 0]
        along = (direction * bone).sum(-1)
        towards = (direction * np.cross(axis, bone)).sum(-1)
        flexion = np.arctan2(towards, along)
        done = _turn(axis, flexion)
        angles[..., 0 if joint == 0 else joint + 1] = flexion
        if joint == 0:
            sideways = (direction * np.cross(axes.abduction, bone)).sum(-1)
            angles[..., 1] = np.arctan2(sideways, np.hypot(along, towards))
            done = done @ _turn(axes.abduction, angles[..., 1])
        left_over = np.swapaxes(done, -1, -2) @ turned
    return restore(angles.reshape(*angles.shape[:-2], NUM_ANGLES), rotations)
