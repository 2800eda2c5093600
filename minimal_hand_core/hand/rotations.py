"""Rotation matrices, axis–angle vectors and quaternions (x, y, z, w).

Convention: matrices turn column vectors, angles in radians, quaternions of unit length with w ≥ 0. All functions work
on any leading dimensions, keep dtype and device, and have finite gradients at the identity.
"""

import torch


def axis_angle_to_matrix(vectors: torch.Tensor) -> torch.Tensor:
    """Axis–angle (…, 3), axis · angle in radians, to rotation matrices (…, 3, 3), by Rodrigues' formula."""
    square = (vectors * vectors).sum(dim=-1)[..., None, None]
    small = square < 1e-8
    safe = torch.where(small, torch.ones_like(square), square)
    angle = safe.sqrt()
    # sin(a)/a and (1 − cos a)/a², by their series near 0.
    first = torch.where(small, 1 - square / 6, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / safe)
    cross = _cross_matrix(vectors)
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + first * cross + second * (cross @ cross)


def matrix_to_axis_angle(matrices: torch.Tensor) -> torch.Tensor:
    """Proper rotation matrices (…, 3, 3) to axis–angle (…, 3), angle in 0 … π."""
    quaternions = matrix_to_quaternion(matrices)
    vector, w = quaternions[..., :3], quaternions[..., 3:]
    square = (vector * vector).sum(dim=-1, keepdim=True)
    small = square < 1e-10
    sine = torch.where(small, torch.ones_like(square), square).sqrt()
    # w ≥ 0, so the half angle is in 0 … π/2; angle / sin(half angle) → 2 near 0.
    return vector * torch.where(small, 2 + square / 3, 2 * torch.atan2(sine, w) / sine)


def matrix_to_quaternion(matrices: torch.Tensor) -> torch.Tensor:
    """Proper rotation matrices (…, 3, 3) to unit quaternions (…, 4), x y z w, w ≥ 0.

    Each column of 4·q·qᵀ is a multiple of q and linear in the matrix; the one with the largest diagonal is the accurate
    one, for every rotation up to and including 180°.
    """
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
    quaternions = column / column.norm(dim=-1, keepdim=True)
    return torch.where(quaternions[..., 3:] < 0, -quaternions, quaternions)


def quaternion_to_matrix(quaternions: torch.Tensor) -> torch.Tensor:
    """Quaternions (…, 4), x y z w, of any length but 0, to rotation matrices (…, 3, 3)."""
    unit = quaternions / quaternions.norm(dim=-1, keepdim=True)
    cross = _cross_matrix(unit[..., :3])
    w = unit[..., 3, None, None]
    identity = torch.eye(3, dtype=unit.dtype, device=unit.device)
    return identity + 2 * w * cross + 2 * (cross @ cross)


def _cross_matrix(vectors: torch.Tensor) -> torch.Tensor:
    x, y, z = vectors.unbind(dim=-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
