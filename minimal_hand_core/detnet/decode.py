"""Maps → keypoints, finer than a cell.

Convention: crop pixels are (x, y) with pixel centres at integers, so the centre of cell c lies at 4·c + 1.5, on maps of
32×32 cells. Maps of any other size lie over the same crop of 128 pixels, and have larger or smaller cells.

The peers read the cell of the highest value, which leaves errors of ±2 pixels of the crop (fact sheet 2.3, 10.1).
Here that cell is only the start. A Gaussian window is laid round it, the centroid of the heat under the window is
taken, and the position is moved until a *perfect* heat map (σ = 1 cell) there would have the same centroid under the
same window and on the same cells. So neither the window's cut nor the border of the map pulls the answer, as they
would pull a plain centroid, and no logarithm is taken of small noisy values, as in the other usual refinement. On a
broad or noisy map the answer moves towards the middle of the mass near the peak.

A window is the product of a row and a column weight over the whole map, so that all sums are small matrix products:
no gathering, no shapes that depend on data, no loop over keypoints.
"""

from typing import NamedTuple

import torch

from minimal_hand_core.detnet.output import HEAT_MASS, DetNetOutput, at_least_float32, cell_pixels

WINDOW_SIGMA = 2.0
"""Standard deviation, in cells, of the window. Wider is better on noise, worse when a second peak is near."""
REFINEMENTS = 2
"""The first settles a perfect map away from the border; the second serves the border and broad maps."""
MAX_SHIFT = 2.0
"""Cells by which the refined position may leave the peak cell, per axis."""
CONFIDENCE_RADIUS = 3
"""The confidence counts the mass in the square of 2·radius + 1 cells round the peak."""
_MIN_SPREAD = 0.1
"""Floor, in cells², for the spread of a perfect map under the window; it vanishes for positions beyond the map."""
_PINCH = 1e-12
"""Mass of perfect heat added to what is seen, so that a map without heat holds its place instead of giving 0 / 0."""
_FAR = 100.0
"""Squared distances in cells² beyond this are taken as this: window weights there (4e-6) vanish, but do not become
denormal numbers, which are slow."""


class DecodedHands(NamedTuple):
    """Keypoints of a batch of B crops, floating point.

    uv: (B, 21, 2) position (x, y) in pixels of the crop, within the crop (−0.5…127.5).
    xyz: (B, 21, 3) position in network units, (X − X9) / |X9 − X0|, camera axes (x right, y down, z forward).
    confidence: (B, 21) in 0…1, the share of a certain keypoint's heat that lies round the peak.
    """

    uv: torch.Tensor
    xyz: torch.Tensor
    confidence: torch.Tensor


def decode(output: DetNetOutput) -> DecodedHands:
    """Read the keypoints off DetNet's maps.

    On Gaussian heat maps of σ = 1 cell the position is exact to 0.001 pixels of the crop from 2 cells off its border,
    and to 0.02 pixels up to the border itself. Half precision is worked on in float32; gradients flow.

    Args:
        output: heatmaps (B, 21, 32, 32), not negative, and locations (B, 21, 3, 32, 32); deltas are not read. Any
            other square size, of the same crop, and number of keypoints works alike.

    Returns:
        uv (B, 21, 2); xyz (B, 21, 3), the mean of the location map weighted by the heat round the keypoint;
        confidence (B, 21), the mass of the 7×7 cells round the peak over 2π, clipped to 0…1. A map without any heat
        gives confidence 0, xyz 0 and the middle of the first cell; finite maps never give NaN. A keypoint on the
        border of the crop has half of its mass outside, so its confidence is at most 0.5.

    Raises:
        ValueError: the maps' shapes do not belong together.
    """
    _check_maps(output)
    batch, keypoints, size = output.heatmaps.shape[:3]
    # Maps of all hands are one list of N = B·21; 2 stands for (x, y), along columns and along rows.
    heat = at_least_float32(output.heatmaps).flatten(0, 1)  # (N, size, size)
    dtype = heat.dtype
    locations = output.locations.to(dtype).flatten(0, 1).flatten(2)  # (N, 3, size²)
    # A ruler with its zero in the middle of the map, which keeps squares small.
    middle = (size - 1) / 2.0
    ruler = torch.arange(size, dtype=dtype, device=heat.device) - middle

    peak = _peak_cells(heat).to(dtype) - middle  # (N, 2)
    position, window = _refine(heat, ruler, peak)

    near = ((ruler - peak.unsqueeze(-1)).abs() <= CONFIDENCE_RADIUS).to(dtype)
    confidence = ((near[:, 1:] @ heat)[:, 0] * near[:, 0]).sum(dim=-1) / HEAT_MASS

    weights = (heat * window[:, 1].unsqueeze(-1) * window[:, 0].unsqueeze(-2)).flatten(1)
    # Multiplying and summing is five times as fast as the matrix product for a single hand.
    xyz = (locations * weights.unsqueeze(1)).sum(dim=-1) / (weights.sum(dim=-1, keepdim=True) + _PINCH)

    cell = cell_pixels(size)
    uv = cell * position + (cell * (middle + 0.5) - 0.5)
    return DecodedHands(
        uv=uv.reshape(batch, keypoints, 2),
        xyz=xyz.reshape(batch, keypoints, 3),
        confidence=confidence.reshape(batch, keypoints).clamp(0.0, 1.0),
    )


def _peak_cells(heat: torch.Tensor) -> torch.Tensor:
    """(N, 2) column and row of the highest cell of (N, size, size); of equal ones, the first in reading order."""
    # Row first, then the column within it: the same as argmax over all cells, which is not vectorised.
    row = heat.amax(dim=-1).argmax(dim=-1, keepdim=True)
    cells = heat.gather(1, row.unsqueeze(-1).expand(-1, -1, heat.shape[-1]))[:, 0]
    return torch.cat((cells.argmax(dim=-1, keepdim=True), row), dim=-1)


def _refine(heat: torch.Tensor, ruler: torch.Tensor, peak: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions (N, 2) on the ruler, from peaks (N, 2); also the last window (N, 2, size).

    With the window fixed, a perfect map's centroid m(p) under it has the derivative dm/dp = variance / σ², σ = 1: the
    product of window and Gaussian is an exponential family with p as its natural parameter. So each step is Newton's.
    """
    edge = ruler.shape[0] / 2.0
    lowest = (peak - MAX_SHIFT).clamp(min=-edge)
    highest = (peak + MAX_SHIFT).clamp(max=edge)
    powers = torch.stack((torch.ones_like(ruler), ruler, ruler.square()), dim=-1)  # (size, 3)

    # The heat under a window across the axis, as a profile along it. Only the window along it will follow the position.
    window = torch.exp(_squares(ruler, peak) * (-0.5 / WINDOW_SIGMA**2))
    profile = torch.cat((window[:, 1:] @ heat, (heat * window[:, :1]).sum(dim=-1).unsqueeze(1)), dim=1)  # (N, 2, size)

    position = peak
    for _ in range(REFINEMENTS):
        squares = _squares(ruler, position)
        window = torch.exp(squares * (-0.5 / WINDOW_SIGMA**2))
        perfect = torch.exp(squares * (-0.5 / WINDOW_SIGMA**2 - 0.5))
        # Moments, (N, 2) each, first of a perfect map there, then of the heat.
        mass, first, second = (perfect @ powers).unbind(dim=-1)
        expected = first / mass
        spread = second / mass - expected.square()
        mass, first = ((profile * window) @ powers[:, :2]).unbind(dim=-1)
        centroid = torch.add(first, expected, alpha=_PINCH) / (mass + _PINCH)
        step = (centroid - expected) / spread.clamp(min=_MIN_SPREAD)
        position = torch.clamp(position + step, lowest, highest)
    return position, window


def _squares(ruler: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Squared distances (N, 2, size) of the cells from positions (N, 2)."""
    return (ruler - position.unsqueeze(-1)).square().clamp(max=_FAR)


def _check_maps(output: DetNetOutput) -> None:
    if torch.jit.is_tracing():
        return
    heat, locations = tuple(output.heatmaps.shape), tuple(output.locations.shape)
    if len(heat) != 4 or heat[2] != heat[3]:
        raise ValueError(f'heat maps have shape {heat}: give (B, 21, 32, 32)')
    wanted = (*heat[:2], 3, *heat[2:])
    if locations != wanted:
        raise ValueError(f'location maps have shape {locations}: heat maps of shape {heat} need {wanted}')
