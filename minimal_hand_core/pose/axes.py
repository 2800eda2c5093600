"""The axes about which the joints of a hand turn, from its rest keypoints.

The choice is our own, from ordinary anatomy; the fact sheet has none. Angles and their signs: pose/angles.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, cross, describe_shape, for_kernel, to_float64
from minimal_hand_core.hand.skeleton import NUM_BETAS, NUM_KEYPOINTS, SIDES
from minimal_hand_core.pose.joint_kernel import AXES_FOUND, NO_ACROSS, NO_AXIS, NO_BONE, NO_FORWARD, find_axes

if TYPE_CHECKING:
    from minimal_hand_core.hand import HandModel

THUMB_PRONATION = math.radians(35.0)
"""How far the thumb's plane of flexion is turned out of the palm's plane, towards the palm."""

_FAILURES = {
    NO_FORWARD: 'wrist → middle_mcp',
    NO_ACROSS: 'little_mcp → index_mcp',
    NO_BONE: 'every finger bone',
    NO_AXIS: 'the part of an axis at right angles to its bone',
}


@dataclass(frozen=True, eq=False)
class JointAxes:
    """Rest bones and rotation axes of one hand or of many (leading dimensions …), in the model frame.

    Attributes:
        bones: (…, 5, 3, 3) rest direction of the bone that each joint turns, [finger, joint, xyz], thumb first; unit
            vectors, float64, as the axes.
        flexion: (…, 5, 3, 3) flexion axis of each joint, at right angles to its bone.
        abduction: (…, 5, 3) abduction axis of each finger's base joint; it turns the bone along ± flexion axis.
    """

    bones: np.ndarray
    flexion: np.ndarray
    abduction: np.ndarray

    @classmethod
    def from_keypoints(cls, rest_keypoints: ArrayLike, side: str = 'right') -> JointAxes:
        """Axes from the 21 keypoints of flat hands, in any frame and unit.

        Fingers: the flexion axis is at right angles to the bone and to the palm's normal. Thumb: its plane of flexion
        is the plane of the palm turned by THUMB_PRONATION about the thumb's bone.

        Args:
            rest_keypoints: (…, 21, 3) rest pose.
            side: 'right' or 'left'; keypoints alone do not tell the front of a flat hand from its back.

        Raises:
            ValueError: wrong shape, not finite, unknown side, or a zero-length bone or palm.
        """
        points = to_float64(rest_keypoints, 'rest_keypoints')
        if points.ndim < 2 or points.shape[-2:] != (NUM_KEYPOINTS, 3) or points.size == 0:
            raise ValueError(f'rest_keypoints: expected shape (…, 21, 3), found {describe_shape(points.shape)}')
        check_finite(points, 'rest_keypoints')
        if side not in SIDES:
            raise ValueError(f'side: expected one of {", ".join(SIDES)}, found {side!r}')

        leading = points.shape[:-2]
        bones, flexion = np.empty((*leading, 5, 3, 3)), np.empty((*leading, 5, 3, 3))
        abduction = np.empty((*leading, 5, 3))
        found = find_axes(
            for_kernel(points.reshape(-1, NUM_KEYPOINTS, 3)),
            side == 'right',
            math.cos(THUMB_PRONATION),
            math.sin(THUMB_PRONATION),
            bones.reshape(-1, 5, 3, 3),
            flexion.reshape(-1, 5, 3, 3),
            abduction.reshape(-1, 5, 3),
        )
        if found != AXES_FOUND:
            raise ValueError(f'rest_keypoints: {_FAILURES[found]} must not have zero length')
        return cls(bones, flexion, abduction)

    @classmethod
    def from_model(cls, model: HandModel, betas: ArrayLike | None = None) -> JointAxes:
        """Axes of a hand model's rest pose, of its mean shape or of betas (…, 10)."""
        offset, directions = (to_float64(part, 'rest_keypoint_basis') for part in model.rest_keypoint_basis())
        if betas is None:
            return cls.from_keypoints(offset, model.side)
        given = to_float64(betas, 'betas')
        if given.ndim < 1 or given.shape[-1] != NUM_BETAS:
            raise ValueError(f'betas: expected shape (…, 10), found {describe_shape(given.shape)}')
        shaped = offset + (directions @ given[..., None, :, None])[..., 0]
        return cls.from_keypoints(shaped, model.side)

    @cached_property
    def flexion_turns(self) -> tuple[np.ndarray, np.ndarray]:
        """Rodrigues' two constant matrices of the flexion axes, each (…, 5, 3, 3, 3): [axis]× and [axis]×²."""
        return _turns(self.flexion)

    @cached_property
    def abduction_turns(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of the abduction axes, each (…, 5, 3, 3)."""
        return _turns(self.abduction)


def _turns(axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(…, 3) → [axis]× and its square, (…, 3, 3) each; [a]× @ v = a × v."""
    # Row i of [a]× is e_i × a, negated columns of the identity crossed with the axis.
    matrices = cross(np.eye(3), axes[..., None, :])
    return matrices, matrices @ matrices
