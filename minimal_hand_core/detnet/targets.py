"""Keypoints of a crop → target heat maps of the network's 32×32 cells."""

from __future__ import annotations

import torch
from torch import Tensor

from minimal_hand_core.detnet.output import CROP_SIZE, MAP_SIZE, cell_pixels


def heat_targets(uv: Tensor, sigma: float = 1.0, size: int = MAP_SIZE) -> Tensor:
    """Gaussians of peak 1 round each keypoint, never truncated to whole cells.

    Args:
        uv: (B, 21, 2) float, crop pixels (x, y), pixel centres at integers; may lie outside the crop.
        sigma: standard deviation in cells.
        size: cells a side; they share the same crop.

    Returns:
        (B, 21, size, size) float; all zero for a keypoint whose nearest cell is outside the map, where the peers still
        count a joint up to four cells outside as valid (fact sheet 2.6).
    """
    cell = (uv + 0.5) / cell_pixels(size) - 0.5
    axis = torch.arange(size, dtype=uv.dtype, device=uv.device)
    square = (axis - cell[..., None]).square()  # (B, 21, 2, size)
    profile = torch.exp(-square / (2 * sigma**2))
    maps = profile[:, :, 1, :, None] * profile[:, :, 0, None, :]
    return maps * in_crop(uv)[..., None, None]


def in_crop(uv: Tensor) -> Tensor:
    """(B, 21) bool: which keypoints (B, 21, 2), crop pixels, lie in the crop."""
    return ((uv > -0.5) & (uv < CROP_SIZE - 0.5)).all(-1)


def delta_targets(xyz: Tensor, parents: Tensor) -> Tensor:
    """(B, 21, 3) joints → (B, 21, 3) unit vectors from parent to child; zero for the wrist (fact sheet 2.6)."""
    return torch.nn.functional.normalize(xyz - xyz[:, parents], dim=-1, eps=1e-6)


def truncated_targets(uv: Tensor, size: int = MAP_SIZE) -> tuple[Tensor, Tensor]:
    """The peers' heat targets, faults included (fact sheet 2.6): a joint is moved to a whole pixel and then to a whole
    cell, both towards zero, and its Gaussian of σ = 1 cell is cut to the 7×7 cells round that.

    Args:
        uv, size: as `heat_targets`.

    Returns:
        (B, 21, size, size) float, peak 1; and (B, 21) bool, which joints the peers call valid: those of whose window
        not all is outside, as they count it, so up to four cells left of or above the map and three on the other sides.
    """
    cell = torch.trunc(torch.trunc(uv) / cell_pixels(size))
    axis = torch.arange(size, dtype=uv.dtype, device=uv.device)
    offset = axis - cell[..., None]  # (B, 21, 2, size)
    profile = torch.exp(-offset.square() / 2) * (offset.abs() <= 3)
    valid = ((cell >= -4) & (cell < size + 3)).all(-1)
    return profile[:, :, 1, :, None] * profile[:, :, 0, None, :], valid
