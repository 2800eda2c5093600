"""The three maps that every DetNet returns."""

import math
from typing import NamedTuple

import torch

CROP_SIZE = 128
"""Pixels along a side of the crop."""
CELL_PIXELS = 4.0
"""Pixels along a side of a cell, in the resolution the network works in."""
MAP_SIZE = 32
"""Cells along a side of a map, of a network that works on the crop as it is."""
HEAT_MASS = 2.0 * math.pi
"""Mass of the heat map of a certain keypoint: a Gaussian of σ = 1 cell and peak 1."""


class DetNetOutput(NamedTuple):
    """Maps of a batch of B crops, float, on a grid of 32×32 cells (one cell = 4×4 pixels of the 128×128 crop).

    A small network that works on less than the crop's 128 pixels has fewer cells, of as much of the crop as before: at
    96 pixels 24×24. `cell_pixels` tells how much one covers.

    heatmaps: (B, 21, 32, 32), where each keypoint is. A certain keypoint is a Gaussian of σ = 1 cell and peak 1,
        thus of mass 2π; less mass is less certainty.
    deltas: (B, 21, 3, 32, 32), direction of the bone that ends at the keypoint (parent → keypoint, unit vector,
        camera axes: x right, y down, z forward), meaningful near the keypoint's peak.
    locations: (B, 21, 3, 32, 32), position of the keypoint in network units, (X − X9) / |X9 − X0|, camera axes,
        meaningful near the keypoint's peak.

    Source: fact sheet 1.4, 2.2 and 2.3.
    """

    heatmaps: torch.Tensor
    deltas: torch.Tensor
    locations: torch.Tensor


def cell_pixels(size: int) -> float:
    """Pixels of the crop along a side of a cell, of maps of size×size cells.

    The centre of cell c is pixel cell_pixels·(c + 0.5) − 0.5, pixel centres being at integers.
    """
    return CROP_SIZE / size


def at_least_float32(maps: torch.Tensor) -> torch.Tensor:
    """Maps of half precision in float32, others as they are."""
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


def read_maps(maps: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Means (B, 21, 3) of delta or location maps (B, 21, 3, h, w), weighted by share (B, 21, h, w), which is at least
    float32."""
    # As a product of rows with columns. That of maps with columns takes three times as long, for any number of hands.
    return (share.flatten(2).unsqueeze(2) @ at_least_float32(maps).flatten(3).transpose(2, 3)).squeeze(2)
