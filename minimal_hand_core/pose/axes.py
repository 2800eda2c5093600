"""The axes about which the joints of a hand turn, from its rest keypoints.

The choice is our own, from ordinary anatomy; the fact sheet has none. Angles and their signs: pose/angles.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, describe_shape, to_float64
from minimal_hand_core.hand.skeleton import (
    FINGER_KEYPOINTS,
    FINGERS,
    JOINT_NAMES,
    KEYPOINT_NAMES,
    MIDDLE_MCP,
    NUM_BETAS,
    NUM_KEYPOINTS,
    SIDES,
    WRIST,
)

if TYPE_CHECKING:
    from minimal_hand_core.hand import HandModel

FINGER_JOINTS = tuple(
    tuple(JOINT_NAMES.index(KEYPOINT_NAMES[keypoint]) for keypoint in FINGER_KEYPOINTS[finger][:3])
    for finger in FINGERS
)
"""(5, 3): MANO joint index of each finger's base, middle and last joint, thumb first."""

THUMB_PRONATION = math.radians(35.0)
"""How far the thumb's plane of flexion is turned out of the palm's plane, towards the palm."""

_CHAINS = np.array([FINGER_KEYPOINTS[finger] for finger in FINGERS])
_INDEX_MCP, _LITTLE_MCP = FINGER_KEYPOINTS['index'][0], FINGER_KEYPOINTS['little'][0]


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

        forward = _unit(points[..., MIDDLE_MCP, :] - points[..., WRIST, :], 'wrist → middle_mcp')
        across = _unit(points[..., _INDEX_MCP, :] - points[..., _LITTLE_MCP, :], 'little_mcp → index_mcp')
        radial = _across(across, forward)
        palmar = _cross(radial, forward) if side == 'right' else _cross(forward, radial)
        chains = points[..., _CHAINS, :]
        bones = _unit(chains[..., 1:, :] - chains[..., :-1, :], 'every finger bone')
        first = bones[..., 0, :]

        # `towards`: where flexion takes each finger; `outward`: roughly where abduction takes it.
        towards = _across(np.broadcast_to(palmar[..., None, :], first.shape), first)
        ulnar = _across(-radial, first[..., 0, :])
        normal = _cross(first[..., 0, :], ulnar)
        normal = normal * np.copysign(1.0, (normal * palmar).sum(-1, keepdims=True))
        towards[..., 0, :] = math.cos(THUMB_PRONATION) * ulnar + math.sin(THUMB_PRONATION) * normal
        outward = np.stack([normal, radial, radial, -radial, -radial], axis=-2)

        axis = _cross(first, towards)
        # Abduction goes along the flexion axis, so that the two make a universal joint; only its sense is chosen.
        sense = np.where((axis * outward).sum(-1, keepdims=True) < 0, -1.0, 1.0)
        return cls(bones, _across(axis[..., None, :], bones), -sense * towards)

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
    def towards(self) -> np.ndarray:
        """(…, 5, 3, 3) where positive flexion moves each bone, a unit vector across it."""
        return _cross(self.flexion, self.bones)

    @cached_property
    def outward(self) -> np.ndarray:
        """(…, 5, 3) where positive abduction moves the first bone of each finger, a unit vector across it."""
        return _cross(self.abduction, self.bones[..., 0, :])

    @cached_property
    def flexion_turns(self) -> tuple[np.ndarray, np.ndarray]:
        """Rodrigues' two constant matrices of the flexion axes, each (…, 5, 3, 3, 3): [axis]× and [axis]×²."""
        return _turns(self.flexion)

    @cached_property
    def abduction_turns(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of the abduction axes, each (…, 5, 3, 3)."""
        return _turns(self.abduction)


def _unit(vectors: np.ndarray, what: str) -> np.ndarray:
    lengths = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    if not lengths.min() > 1e-9 * lengths.max():
        raise ValueError(f'rest_keypoints: {what} must not have zero length')
    return np.asarray(vectors / lengths)


def _across(directions: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Unit parts of directions (…, 3) at right angles to the unit vectors bones (…, 3)."""
    across = directions - (directions * bones).sum(-1, keepdims=True) * bones
    return _unit(across, 'the part of an axis at right angles to its bone')


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a × b over the last axis; np.cross takes ten times as long on a few vectors."""
    return np.asarray(a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]])


def _turns(axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(…, 3) → [axis]× and its square, (…, 3, 3) each; [a]× @ v = a × v."""
    # Row i of [a]× is e_i × a, negated columns of the identity crossed with the axis.
    cross = _cross(np.eye(3), axes[..., None, :])
    return cross, cross @ cross
