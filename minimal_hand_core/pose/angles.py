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

The limits below are our own choice from ordinary anatomy; the axes are in pose/axes.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, describe_shape, restore, to_float64
from minimal_hand_core.hand.skeleton import FINGERS, NUM_JOINTS
from minimal_hand_core.pose.axes import FINGER_JOINTS, JointAxes

_JOINTS = np.array(FINGER_JOINTS)
_IDENTITY = np.eye(3)

_THUMB_ANGLES = ('thumb_cmc_flexion', 'thumb_cmc_abduction', 'thumb_mcp_flexion', 'thumb_ip_flexion')
_FINGER_ANGLES = ('mcp_flexion', 'mcp_abduction', 'pip_flexion', 'dip_flexion')
ANGLE_NAMES = _THUMB_ANGLES + tuple(f'{finger}_{angle}' for finger in FINGERS[1:] for angle in _FINGER_ANGLES)
"""The 20 angles, keypoint finger order."""
NUM_ANGLES = len(ANGLE_NAMES)

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


def _turn(turns: tuple[np.ndarray, np.ndarray], angles: np.ndarray) -> np.ndarray:
    """Rotation matrices (…, 3, 3) by angles (…) about the axes of JointAxes.…_turns: Rodrigues' formula."""
    cross, square = turns
    return _IDENTITY + np.sin(angles)[..., None, None] * cross + (1.0 - np.cos(angles))[..., None, None] * square


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
    rotations[..., 0, :, :] = _IDENTITY if wrist is None else to_float64(wrist, 'wrist')
    bends = _turn(axes.flexion_turns, values[..., [0, 2, 3]])
    bends[..., 0, :, :] = bends[..., 0, :, :] @ _turn(axes.abduction_turns, values[..., 1])
    rotations[..., _JOINTS, :, :] = bends
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
    angles = np.empty((*local.shape[:-3], 5, 4))
    left_over: np.ndarray | None = None
    for joint in range(3):
        turned = local[..., _JOINTS[:, joint], :, :]
        if left_over is not None:
            turned = left_over @ turned
        direction = (turned @ axes.bones[:, joint, :, None])[..., 0]
        along = (direction * axes.bones[:, joint]).sum(-1)
        towards = (direction * axes.towards[:, joint]).sum(-1)
        flexion = np.arctan2(towards, along)
        angles[..., 0 if joint == 0 else joint + 1] = flexion
        if joint == 2:
            break
        cross, square = axes.flexion_turns
        done = _turn((cross[:, joint], square[:, joint]), flexion)
        if joint == 0:
            sideways = (direction * axes.outward).sum(-1)
            angles[..., 1] = np.arctan2(sideways, np.hypot(along, towards))
            done = done @ _turn(axes.abduction_turns, angles[..., 1])
        left_over = np.swapaxes(done, -1, -2) @ turned
    return restore(angles.reshape(*angles.shape[:-2], NUM_ANGLES), rotations)
