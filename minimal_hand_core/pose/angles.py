"""Twenty anatomical joint angles from local rotations, and back; three angles of the wrist.

Convention:
    * Angles are radians; zero is the hand model's rest pose. Order: thumb, index, middle, ring, little, four each
      (ANGLE_NAMES). A base joint (finger MCP, thumb CMC) has two angles, the other two joints of a finger have one.
    * A base joint turns by its abduction first, then by its flexion: R = Rot(flexion axis) · Rot(abduction axis), the
      flexion axis being fixed in the palm. So a finger is a universal joint and two hinges, which is what a URDF needs.

Axes, in the model frame at rest (pose/axes.py, JointAxes; right hand: fingers −x, palm −y, thumb +z):

    | Joint             | Angle     | Axis                                          | Positive                       |
    | ----------------- | --------- | --------------------------------------------- | ------------------------------ |
    | four fingers' MCP | flexion   | across the bone in the palm's plane, about +z | towards the palm               |
    | four fingers' MCP | abduction | across bone and flexion axis, about ±y        | away from the middle finger;   |
    |                   |           |                                               | its own: towards the thumb     |
    | PIP, DIP          | flexion   | across the bone, parallel to the MCP's        | towards the palm               |
    | thumb CMC         | flexion   | across the bone; it bends in the palm's plane | across the palm, towards the   |
    |                   |           | turned by THUMB_PRONATION about the bone      | little finger                  |
    | thumb CMC         | abduction | across bone and flexion axis                  | away from palm and index       |
    |                   |           |                                               | finger (palmar abduction)      |
    | thumb MCP, IP     | flexion   | across the bone, parallel to the CMC's        | as the CMC's                   |
    | wrist             | pronation | along the hand, +x                            | thumb to where the palm faced  |
    | wrist             | flexion   | +z                                            | towards the palm               |
    | wrist             | radial    | +y                                            | towards the thumb              |
    |                   | deviation |                                               |                                |

A left hand is the mirror image in x: the same angles look the same in a mirror.

The wrist's rotation is relative to the camera: one camera that follows a hand sees no forearm, so its angles are those
of an arm whose rest directions are the camera's axes until a forearm's rotation is given.

A chain of hinges cannot twist, while rotations found from points carry an arbitrary twist. `joint_angles` therefore
hands what a joint cannot do on to the next joint of the finger: the angles reproduce the directions of the bones, and
`joint_angles(solve_pose(...))` finds the angles of a posed hand exactly, whatever the twists.

Where angles are not unique they are still finite, in ±π, and give the same pose back: flexion of ±π is one place; at an
abduction of ±π/2 the bone lies along the flexion axis and any flexion will do, as any pronation at a wrist flexion of
±π/2. No hand gets there: ANATOMICAL_LIMITS, our own choice from ordinary anatomy, are far inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, describe_shape, for_kernel, restore, to_float64
from minimal_hand_core.hand.skeleton import FINGER_JOINTS, FINGERS, NUM_JOINTS, SIDES
from minimal_hand_core.pose.axes import JointAxes
from minimal_hand_core.pose.joint_kernel import find_angles

_JOINTS = np.array(FINGER_JOINTS)
_IDENTITY = np.eye(3)

_THUMB_ANGLES = ('thumb_cmc_flexion', 'thumb_cmc_abduction', 'thumb_mcp_flexion', 'thumb_ip_flexion')
_FINGER_ANGLES = ('mcp_flexion', 'mcp_abduction', 'pip_flexion', 'dip_flexion')
ANGLE_NAMES = _THUMB_ANGLES + tuple(f'{finger}_{angle}' for finger in FINGERS[1:] for angle in _FINGER_ANGLES)
"""The 20 angles, keypoint finger order."""
NUM_ANGLES = len(ANGLE_NAMES)
WRIST_ANGLE_NAMES = ('wrist_pronation', 'wrist_flexion', 'wrist_radial_deviation')

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


def rotations_from_angles(angles: ArrayLike, axes: JointAxes, wrist: ArrayLike | None = None) -> Any:
    """Local joint rotations of hands with the given angles.

    Args:
        angles: (…, 20) radians in the order of ANGLE_NAMES, NumPy or torch.
        axes: of the hand model, one for all hands or with leading dimensions that broadcast with those of angles.
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
    leading = _leading(values.shape[:-1], axes, 'angles')
    values = values.reshape(*values.shape[:-1], 5, 4)

    rotations = np.empty((*leading, NUM_JOINTS, 3, 3))
    rotations[..., 0, :, :] = _IDENTITY if wrist is None else _wrist(wrist, leading)
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
        axes: of the hand model, one for all hands or with leading dimensions that broadcast with those of rotations.

    Returns:
        (…, 20) radians in the order of ANGLE_NAMES, same kind and dtype as rotations (no gradient).

    Raises:
        ValueError: wrong shape or not finite.
    """
    local = to_float64(rotations, 'rotations')
    if local.ndim < 3 or local.shape[-3:] != (NUM_JOINTS, 3, 3):
        raise ValueError(f'rotations: expected shape (…, {NUM_JOINTS}, 3, 3), found {describe_shape(local.shape)}')
    check_finite(local, 'rotations')
    leading = _leading(local.shape[:-3], axes, 'rotations')
    angles = np.empty((*leading, NUM_ANGLES))
    find_angles(
        _hand_by_hand(local, leading, 3),
        _hand_by_hand(axes.bones, leading, 3),
        _hand_by_hand(axes.flexion, leading, 3),
        _hand_by_hand(axes.abduction, leading, 2),
        angles.reshape(-1, NUM_ANGLES),
    )
    return restore(angles, rotations)


def wrist_angles(wrist: ArrayLike, side: str = 'right', forearm: ArrayLike | None = None) -> Any:
    """Pronation, flexion and radial deviation of the wrist.

    R = forearm · Rot(x, pronation) · Rot(z, flexion) · Rot(y, deviation), for a left hand its mirror image. Unique for
    |flexion| < π/2; at ±π/2, where pronation and deviation turn about one axis, deviation is 0.

    Args:
        wrist: (…, 3, 3) rotation of the hand, rotations[…, 0] of a pose; NumPy or torch.
        side: 'right' or 'left'.
        forearm: (…, 3, 3) rotation of the forearm in the same frame, identity where the hand would be straight on it,
            palm up along −y. Nothing in this package observes it; None means identity, that is the camera's axes.

    Returns:
        (…, 3) radians in the order of WRIST_ANGLE_NAMES, same kind and dtype as wrist (no gradient). Pronation and
        deviation in ±π, flexion in ±π/2.

    Raises:
        ValueError: wrong shape, not finite or unknown side.
    """
    turn = _wrist(wrist)
    sign = _sign(side)
    if forearm is not None:
        turn = np.swapaxes(_wrist(forearm, name='forearm'), -1, -2) @ turn
    # Of Rx·Rz·Ry: row 0 is (cos f cos d, −sin f, cos f sin d), column 1 is (−sin f, cos p cos f, sin p cos f).
    cosine = np.hypot(turn[..., 0, 0], turn[..., 0, 2])
    locked = cosine < 1e-9
    flexion = np.arctan2(-turn[..., 0, 1], cosine)
    deviation = np.where(locked, 0.0, np.arctan2(turn[..., 0, 2], turn[..., 0, 0]))
    pronation = np.where(
        locked,
        np.arctan2(-turn[..., 1, 2], turn[..., 2, 2]),
        np.arctan2(turn[..., 2, 1], turn[..., 1, 1]),
    )
    return restore(np.stack([pronation, sign * flexion, sign * deviation], axis=-1), wrist)


def wrist_from_angles(angles: ArrayLike, side: str = 'right', forearm: ArrayLike | None = None) -> Any:
    """The wrist's rotation (…, 3, 3) of `wrist_angles` (…, 3), NumPy or torch, same kind and dtype.

    Raises:
        ValueError: wrong shape, not finite or unknown side.
    """
    values = to_float64(angles, 'angles')
    if values.ndim < 1 or values.shape[-1] != 3:
        raise ValueError(f'angles: expected shape (…, 3), found {describe_shape(values.shape)}')
    check_finite(values, 'angles')
    values = values * np.array([1.0, _sign(side), _sign(side)])
    about_x, about_y, about_z = (_turn(turns, values[..., i]) for turns, i in zip(_UNIT_TURNS, (0, 2, 1)))
    turn = about_x @ about_z @ about_y
    return restore(turn if forearm is None else _wrist(forearm, name='forearm') @ turn, angles)


def _turn(turns: tuple[np.ndarray, np.ndarray], angles: np.ndarray) -> np.ndarray:
    """Rotation matrices (…, 3, 3) by angles (…) about the axes of JointAxes.…_turns: Rodrigues' formula."""
    cross, square = turns
    return _IDENTITY + np.sin(angles)[..., None, None] * cross + (1.0 - np.cos(angles))[..., None, None] * square


def _unit_turns() -> list[tuple[np.ndarray, np.ndarray]]:
    """Rodrigues' constant matrices of the axes x, y, z."""
    crosses = [np.cross(_IDENTITY, axis) for axis in _IDENTITY]
    return [(cross, cross @ cross) for cross in crosses]


_UNIT_TURNS = _unit_turns()


def _sign(side: str) -> float:
    """Mirroring in x keeps turns about x and reverses those about y and z."""
    if side not in SIDES:
        raise ValueError(f'side: expected one of {", ".join(SIDES)}, found {side!r}')
    return 1.0 if side == 'right' else -1.0


def _wrist(value: ArrayLike, leading: tuple[int, ...] | None = None, name: str = 'wrist') -> np.ndarray:
    turn = to_float64(value, name)
    fits = turn.ndim >= 2 and turn.shape[-2:] == (3, 3)
    if fits and leading is not None:
        fits = turn.ndim - 2 <= len(leading) and all(n in (1, m) for n, m in zip(turn.shape[-3::-1], leading[::-1]))
    if not fits:
        wanted = '…, 3, 3' if leading is None else ', '.join(map(str, (*leading, 3, 3)))
        raise ValueError(f'{name}: expected shape ({wanted}), found {describe_shape(turn.shape)}')
    check_finite(turn, name)
    return turn


def _leading(shape: tuple[int, ...], axes: JointAxes, name: str) -> tuple[int, ...]:
    """Leading dimensions of the result for hands of `shape` with these axes."""
    of_axes = axes.bones.shape[:-3]
    if not of_axes:
        return shape
    try:
        return np.broadcast_shapes(shape, of_axes)
    except ValueError:
        raise ValueError(f'{name}: expected hands that fit axes of {of_axes} hands, found {shape}') from None


def _hand_by_hand(value: np.ndarray, leading: tuple[int, ...], own: int) -> np.ndarray:
    """(…, own dimensions) as (B or 1, …) for a kernel, B hands being the product of leading; 1 where it is for all."""
    found = value.shape[: value.ndim - own]
    if found not in ((), leading):
        value = np.broadcast_to(value, (*leading, *value.shape[value.ndim - own :]))
    return for_kernel(value.reshape(-1, *value.shape[value.ndim - own :]))
