"""Lengths of the 15 bones relative to the reference bone: what keypoints say about shape, whatever the pose."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, to_float64
from minimal_hand_core.hand.skeleton import BONE_KEYPOINTS, KEYPOINT_PARENTS, REFERENCE_BONE

_ENDS = list(BONE_KEYPOINTS)
_STARTS = [KEYPOINT_PARENTS[keypoint] for keypoint in BONE_KEYPOINTS]


def bone_ratios(keypoints: ArrayLike) -> Any:
    """Bone lengths over the length of bone wrist → middle MCP (fact sheet 4, but normalised on both sides).

    Args:
        keypoints: (B, 21, 3) or (21, 3), any unit and frame, NumPy or torch.

    Returns:
        (B, 15) or (15,) in the order of BONE_KEYPOINTS; the reference bone's own entry is 1. Same kind, floating dtype
        and device as keypoints; differentiable for tensors (a bone of no length has gradient 0).

    Raises:
        ValueError: wrong shape, NaN or infinite, or a reference bone of no length.
    """
    if not isinstance(keypoints, torch.Tensor):
        floating = isinstance(keypoints, np.ndarray) and np.issubdtype(keypoints.dtype, np.floating)
        keypoints = keypoints if floating else to_float64(keypoints, 'keypoints')
    elif not keypoints.is_floating_point():
        keypoints = keypoints.double()
    check_shape(keypoints, 'keypoints', (21, 3) if keypoints.ndim == 2 else ('B', 21, 3))
    check_finite(keypoints, 'keypoints')

    bones = keypoints[..., _ENDS, :] - keypoints[..., _STARTS, :]
    lengths: Any
    if isinstance(bones, torch.Tensor):
        lengths = torch.linalg.vector_norm(bones, dim=-1)
    else:
        lengths = np.linalg.norm(bones, axis=-1)
    reference = lengths[..., REFERENCE_BONE, None]
    if not (reference > 0).all():
        raise ValueError('keypoints: expected a distance from wrist to middle_mcp above 0, found 0')
    return lengths / reference
