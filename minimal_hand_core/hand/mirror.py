"""Right hand ↔ left hand: the mirror x → −x.

Source: fact sheet 3.3 (rotations are conjugated with diag(−1, 1, 1)).
"""

import dataclasses
from typing import TypeVar

import numpy as np
import torch

from minimal_hand_core.hand.parameters import HandParameters

Array = TypeVar('Array', np.ndarray, torch.Tensor)

_SIGNS = (-1.0, 1.0, 1.0)


def mirror_points(points: Array) -> Array:
    """Mirrors points or vectors (…, 3) in x; NumPy or torch in, same out, same dtype."""
    return points * _like(np.array(_SIGNS), points)


def mirror_rotations(rotations: Array) -> Array:
    """Mirrors rotation matrices (…, 3, 3): the pose of the other hand that looks like this one in a mirror."""
    return rotations * _like(np.outer(_SIGNS, _SIGNS), rotations)


def mirror_axis_angles(vectors: Array) -> Array:
    """Mirrors axis–angle vectors (…, 3), as mirror_rotations does matrices: what turns counts, so y and z change."""
    return vectors * _like(-np.array(_SIGNS), vectors)


def mirror_parameters(hand: HandParameters) -> HandParameters:
    """The same hand of the other side.

    Vertex numbers, weights and joints stay; the faces change direction so that they still run anticlockwise seen from
    outside. For all betas and rotations, the mirrored model posed with mirror_rotations(R) is the mirror image of this
    one posed with R; coefficients of the pose space give mirror images with the same numbers. Mirrored twice, every bit
    is as it was.
    """
    signs = np.array(_SIGNS)
    posedirs = hand.posedirs
    if posedirs is not None:
        per_entry = np.tile(np.outer(signs, signs).ravel(), posedirs.shape[2] // 9)
        posedirs = posedirs * signs[:, None] * per_entry
    mirrored = ' (mirrored)'
    name = hand.name.removesuffix(mirrored) if hand.name.endswith(mirrored) else hand.name + mirrored
    return dataclasses.replace(
        hand,
        side='left' if hand.side == 'right' else 'right',
        vertices=hand.vertices * signs,
        shapedirs=hand.shapedirs * signs[:, None],
        posedirs=posedirs,
        faces=hand.faces[:, ::-1],
        pose_mean=_mirror_poses(hand.pose_mean),
        pose_components=_mirror_poses(hand.pose_components),
        name=name,
    )


def _mirror_poses(poses: np.ndarray | None) -> np.ndarray | None:
    """(…, 45), or None."""
    if poses is None:
        return None
    return mirror_axis_angles(poses.reshape(*poses.shape[:-1], -1, 3)).reshape(poses.shape)


def _like(values: np.ndarray, reference: Array) -> Array:
    if isinstance(reference, torch.Tensor):
        return torch.as_tensor(values, dtype=reference.dtype, device=reference.device)
    return values.astype(np.asarray(reference).dtype)
