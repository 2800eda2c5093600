"""Rotation matrices, axis–angle vectors and quaternions (x, y, z, w).

Convention: matrices turn column vectors, angles in radians, quaternions of unit length with w ≥ 0. All functions work
on any leading dimensions, keep dtype and device, and are differentiable with finite gradients everywhere, also at the
identity and at half turns. Where a rotation has two names (axis–angle and quaternion of a half turn) the result jumps
from one to the other; its gradient there is that of the name it has. A tensor of another shape than stated, or not of
floating-point numbers, is a ValueError; NaN in gives NaN out.
"""

import numpy as np
import torch

from minimal_hand_core.hand.arguments import check_trailing, kernel_arrays
from minimal_hand_core.hand.kernels import name_turns, turn_vectors


def axis_angle_to_matrix(vectors: torch.Tensor) -> torch.Tensor:
    """Axis–angle (…, 3), axis · angle in radians, to rotation matrices (…, 3, 3), by Rodrigues' formula.

    Any angle; one beyond π is the same turn as the shorter one the other way round.
    """
    check_trailing(vectors, 'vectors', (3,))
    arrays = kernel_arrays(vectors)
    if arrays is not None:
        matrices = np.empty((*arrays[0].shape, 3), arrays[0].dtype)
        turn_vectors(arrays[0].reshape(-1, 3), matrices.reshape(-1, 3, 3))
        return torch.from_numpy(matrices)
    sinc, cosine = _half_turn((vectors * vectors).sum(dim=-1)[..., None, None])
    cross = _cross_matrix(vectors)
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    # sin(a)/a = 2·(sin(a/2)/a)·cos(a/2) and (1 − cos a)/a² = 2·(sin(a/2)/a)²: nothing cancels at small angles.
    return identity + 2 * sinc * cosine * cross + 2 * sinc * sinc * (cross @ cross)


def axis_angle_to_quaternion(vectors: torch.Tensor) -> torch.Tensor:
    """Axis–angle (…, 3), axis · angle in radians, to unit quaternions (…, 4), x y z w, w ≥ 0."""
    check_trailing(vectors, 'vectors', (3,))
    sinc, cosine = _half_turn((vectors * vectors).sum(dim=-1, keepdim=True))
    return _upper(torch.cat([sinc * vectors, cosine], dim=-1))


def quaternion_to_axis_angle(quaternions: torch.Tensor) -> torch.Tensor:
    """Quaternions (…, 4), x y z w, of any length but 0, to axis–angle (…, 3), angle in 0 … π."""
    check_trailing(quaternions, 'quaternions', (4,))
    unit = _upper(quaternions / quaternions.norm(dim=-1, keepdim=True))
    vector, w = unit[..., :3], unit[..., 3:]
    square = (vector * vector).sum(dim=-1, keepdim=True)
    small = square < 1e-10
    sine = torch.where(small, 1.0, square).sqrt()
    # w ≥ 0, so the half angle is in 0 … π/2; angle / sin(half angle) → 2 near 0.
    return vector * torch.where(small, 2 + square / 3, 2 * torch.atan2(sine, w) / sine)


def matrix_to_axis_angle(matrices: torch.Tensor) -> torch.Tensor:
    """Proper rotation matrices (…, 3, 3) to axis–angle (…, 3), angle in 0 … π."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrices))


def matrix_to_quaternion(matrices: torch.Tensor) -> torch.Tensor:
    """Proper rotation matrices (…, 3, 3) to unit quaternions (…, 4), x y z w, w ≥ 0.

    Each column of 4·q·qᵀ is a multiple of q and linear in the matrix; the one with the largest diagonal is the accurate
    one, for every rotation up to and including 180°.
    """
    check_trailing(matrices, 'matrices', (3, 3))
    arrays = kernel_arrays(matrices)
    if arrays is not None:
        quaternions = np.empty((*arrays[0].shape[:-2], 4), arrays[0].dtype)
        name_turns(arrays[0].reshape(-1, 3, 3), quaternions.reshape(-1, 4))
        return torch.from_numpy(quaternions)
    m = matrices
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    outer = torch.stack(
        [
            torch.stack([1 + xx - yy - zz, xy, xz, wx], dim=-1),
            torch.stack([xy, 1 - xx + yy - zz, yz, wy], dim=-1),
            torch.stack([xz, yz, 1 - xx - yy + zz, wz], dim=-1),
            torch.stack([wx, wy, wz, 1 + xx + yy + zz], dim=-1),
        ],
        dim=-2,
    )
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(dim=-1)
    column = outer.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    return _upper(column / column.norm(dim=-1, keepdim=True))


def quaternion_to_matrix(quaternions: torch.Tensor) -> torch.Tensor:
    """Quaternions (…, 4), x y z w, of any length but 0, to rotation matrices (…, 3, 3)."""
    check_trailing(quaternions, 'quaternions', (4,))
    unit = quaternions / quaternions.norm(dim=-1, keepdim=True)
    cross = _cross_matrix(unit[..., :3])
    w = unit[..., 3, None, None]
    identity = torch.eye(3, dtype=unit.dtype, device=unit.device)
    return identity + 2 * w * cross + 2 * (cross @ cross)


def _half_turn(square: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """sin(a/2)/a and cos(a/2) of squared angles a², smooth through 0."""
    quarter = 0.25 * square
    small = quarter < 1e-8
    # The branch not taken must not be infinite either, or its gradient would be NaN.
    half = torch.where(small, 1.0, quarter).sqrt()
    sinc = torch.where(small, 0.5 - quarter / 12, 0.5 * half.sin() / half)
    return sinc, torch.where(small, 1 - quarter / 2, half.cos())


def _upper(quaternions: torch.Tensor) -> torch.Tensor:
    """The one of q and −q, which are the same rotation, with w ≥ 0."""
    return torch.where(quaternions[..., 3:] < 0, -quaternions, quaternions)


def _cross_matrix(vectors: torch.Tensor) -> torch.Tensor:
    # Row i of [v]× is e_i × v.
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    return torch.linalg.cross(identity.expand(*vectors.shape[:-1], 3, 3), vectors[..., None, :])
