"""The hand as retargeting sees it: joint angles and keypoints in the hand's own frame, wherever the camera is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minimal_hand_core.arrays import check_finite, check_shape, to_float64
from minimal_hand_core.hand import HandModel
from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS, SIDES, WRIST
from minimal_hand_core.pose import NUM_ANGLES, JointAxes, rotations_from_angles
from minimal_hand_core.robots.hand_pieces import rest_hand
from minimal_hand_core.tracking.kinematics import articulate

LONGEST_HAND = 0.5
"""Metres; whatever is larger is a mistake."""

_DIRECTIONS = {
    f'{sign}{axis}': (-1.0 if sign == '-' else 1.0) * np.eye(3)[i]
    for i, axis in enumerate('xyz')
    for sign in ('', '+', '-')
}


@dataclass(frozen=True, eq=False)
class HandObservation:
    """One hand at one moment.

    Attributes:
        side: 'right' or 'left'.
        stamp: seconds, of the picture.
        angles: (20,) float64 radians, ANGLE_NAMES' order.
        keypoints: (21, 3) float64 metres, origin at the wrist, axes of the hand model (right: fingers −x, palm −y).
    """

    side: str
    stamp: float
    angles: np.ndarray
    keypoints: np.ndarray

    @classmethod
    def from_pose(
        cls, side: str, stamp: float, angles: np.ndarray, keypoints: np.ndarray, wrist_rotation: np.ndarray
    ) -> HandObservation:
        """Of a tracked hand.

        Args:
            side: 'right' or 'left'.
            stamp: seconds.
            angles: (20,) radians.
            keypoints: (21, 3) metres, in the camera's frame or relative to the wrist.
            wrist_rotation: (3, 3), hand model's frame → camera's axes.

        Raises:
            ValueError: wrong shape, not finite, an unknown side, or larger than any hand.
        """
        values = to_float64(angles, 'angles'), to_float64(keypoints, 'keypoints'), to_float64(wrist_rotation, 'wrist')
        for value, name, shape in zip(
            values, ('angles', 'keypoints', 'wrist'), ((NUM_ANGLES,), (NUM_KEYPOINTS, 3), (3, 3))
        ):
            check_shape(value, name, shape)
            check_finite(value, name)
        if side not in SIDES:
            raise ValueError(f'side: expected one of {", ".join(SIDES)}, found {side!r}')
        own = (values[1] - values[1][WRIST]) @ values[2]
        if not np.abs(own).max() < LONGEST_HAND:
            raise ValueError(f'keypoints: a hand is no longer than {LONGEST_HAND} m, found {np.abs(own).max():.3g} m')
        return cls(side, stamp, values[0], own)


class AnglesToObservation:
    """Observations from joint angles alone: the keypoints are those of a hand of given shape and size.

    Args:
        model: the hand.
        betas: (10,), mean shape when None.
        hand_length: metres, that of the shape when None.

    Raises:
        ValueError: as `rest_hand`.
    """

    def __init__(self, model: HandModel, betas: np.ndarray | None = None, hand_length: float | None = None) -> None:
        self.side = model.side
        self._template = rest_hand(model, betas, hand_length).keypoints
        self._axes = JointAxes.from_keypoints(self._template, model.side)

    def __call__(self, stamp: float, angles: np.ndarray) -> HandObservation:
        """Raises ValueError unless angles are (20,) and finite."""
        values = to_float64(angles, 'angles')
        check_shape(values, 'angles', (NUM_ANGLES,))
        keypoints = articulate(self._template, rotations_from_angles(values, self._axes))
        return HandObservation(self.side, stamp, values, keypoints)


def hand_to_robot(side: str, fingers: str, palm: str) -> np.ndarray:
    """Rotation from the hand's frame to a robot's.

    Args:
        side: of the human hand, 'right' or 'left'.
        fingers: axis of the robot's frame along which its straight fingers point: 'x', '-x', 'y', …
        palm: axis that the robot's palm faces.

    Returns:
        (3, 3) proper rotation.

    Raises:
        ValueError: not an axis, or both the same one.
    """
    for value, name in ((fingers, 'fingers'), (palm, 'palm')):
        if value not in _DIRECTIONS:
            raise ValueError(f'{name} is {value!r}; give one of x, y, z, -x, -y, -z')
    ours = np.array([1.0 if side == 'left' else -1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])
    theirs = _DIRECTIONS[fingers], _DIRECTIONS[palm]
    if abs(theirs[0] @ theirs[1]) > 0.5:
        raise ValueError(f'fingers is {fingers!r} and palm {palm!r}; they must be at right angles')
    frames = [np.stack([f, p, np.cross(f, p)], axis=1) for f, p in (ours, theirs)]
    return np.asarray(frames[1] @ frames[0].T)
