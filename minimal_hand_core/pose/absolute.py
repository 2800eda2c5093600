"""Absolute rotations, one per keypoint, and local ones, one per joint: two ways to write the same pose.

Convention:
    * Absolute rotation k turns the bone that *ends* at keypoint k from the rest pose to where it is; template frame →
      target frame. The wrist and the five finger bases share the wrist's. This is what IKNet gives (fact sheet 5.2).
    * Local rotations are those of the hand model: 16, MANO's order, relative to the parent joint.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from minimal_hand_core.arrays import ArrayLike, check_finite, describe_shape, restore, to_float64
from minimal_hand_core.hand.skeleton import (
    JOINT_KEYPOINTS,
    KEYPOINT_PARENTS,
    NUM_JOINTS,
    NUM_KEYPOINTS,
    PALM_KEYPOINTS,
    WRIST,
)

# A joint other than the wrist turns the bone from its keypoint to the next one.
_STARTS = np.array(JOINT_KEYPOINTS[1:])
_ENDS = _STARTS + 1
RIGID = (WRIST, *PALM_KEYPOINTS)
"""Keypoints whose absolute rotation is the wrist's."""


def absolute_from_local(rotations: ArrayLike) -> Any:
    """Local (…, 16, 3, 3) → absolute (…, 21, 3, 3), NumPy or torch, same kind and dtype (no gradient).

    Raises:
        ValueError: wrong shape or not finite.
    """
    local = _rotations(rotations, 'rotations', NUM_JOINTS)
    absolute = np.empty((*local.shape[:-3], NUM_KEYPOINTS, 3, 3))
    absolute[..., RIGID, :, :] = local[..., :1, :, :]
    # Joints are numbered base to tip, so that the rotation at the start of a bone is known before its end's.
    for joint, (start, end) in enumerate(zip(_STARTS, _ENDS), start=1):
        absolute[..., end, :, :] = absolute[..., start, :, :] @ local[..., joint, :, :]
    return restore(absolute, rotations)


def local_from_absolute(absolute: ArrayLike) -> Any:
    """Absolute (…, 21, 3, 3) → local (…, 16, 3, 3), NumPy or torch, same kind and dtype (no gradient).

    The inverse of `absolute_from_local`. A finger's first joint is relative to its base's rotation, and the wrist's own
    is [0]; should they differ, which no pose of a hand model does, what is between them is lost.

    Raises:
        ValueError: wrong shape or not finite.
    """
    given = _rotations(absolute, 'absolute', NUM_KEYPOINTS)
    local = np.empty((*given.shape[:-3], NUM_JOINTS, 3, 3))
    local[..., 0, :, :] = given[..., WRIST, :, :]
    local[..., 1:, :, :] = np.swapaxes(given[..., _STARTS, :, :], -1, -2) @ given[..., _ENDS, :, :]
    return restore(local, absolute)


def _rotations(value: ArrayLike, name: str, count: int) -> np.ndarray:
    found = to_float64(value, name)
    if found.ndim < 3 or found.shape[-3:] != (count, 3, 3) or found.size == 0:
        raise ValueError(f'{name}: expected shape (…, {count}, 3, 3), found {describe_shape(found.shape)}')
    check_finite(found, name)
    return found


def keypoints_from_absolute(template: torch.Tensor, absolute: torch.Tensor) -> torch.Tensor:
    """Forward kinematics: keypoints (B, 21, 3) relative to the wrist; differentiable.

    Args:
        template: (B, 21, 3) keypoints of the rest pose.
        absolute: (B, 21, 3, 3); what the wrist's turns is nothing.
    """
    bones = template[:, 1:] - template[:, KEYPOINT_PARENTS[1:]]
    turned = (absolute[:, 1:] @ bones[..., None])[..., 0]
    fingers = turned.reshape(-1, 5, 4, 3).cumsum(dim=2).reshape(-1, NUM_KEYPOINTS - 1, 3)
    return torch.cat([torch.zeros_like(fingers[:, :1]), fingers], dim=1)
