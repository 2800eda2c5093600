"""The biomechanical loss: how far hands are from what bones and joints allow. It needs no labels.

Source: fact sheet 5.3; Spurr et al. 2020. Three terms, each the mean of what lies outside its limits: bone lengths in
an interval, the palm's curvature and spread in intervals, and the pair (flexion, abduction) of each joint in a convex
region. The limits are statistics of our own posed hands (tools/build_biomechanics.py, assets/BIOMECHANICS.md).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from minimal_hand_core.arrays import check_finite, check_shape
from minimal_hand_core.detnet.anatomy import BONE_ENDS, CHAINS, NUM_BENDS, measure_hands
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS, NUM_KEYPOINTS, PALM_KEYPOINTS, WRIST

LIMITS = Path(__file__).resolve().parents[1] / 'assets' / 'biomechanics.npz'


class BiomechanicalTerms(NamedTuple):
    """Scalar tensors, 0 for a batch within all limits; `total` is their sum.

    Attributes:
        total: what is minimised.
        bones: mean excess of the 20 bone lengths, shares of the hand's length.
        palm: mean excess of the 4 curvatures (1 / hand length) plus that of the 4 spreads (radians).
        angles: mean distance of the 15 pairs of joint angles from their regions, radians.
    """

    total: Tensor
    bones: Tensor
    palm: Tensor
    angles: Tensor


class BiomechanicalLoss(nn.Module):
    """The loss with its limits, float32 buffers that `.to()` moves.

    Args:
        limits: an .npz with `lengths` (20, 2), `curvature` (4, 2), `spread` (4, 2), each lowest and highest, and
            `angles` (15, V, 2), anticlockwise corners of a convex region in the plane (flexion, abduction), radians;
            that of this package when None.

    Raises:
        ValueError: an array is missing or has another shape.
        OSError: the file cannot be read.
    """

    lengths: Tensor
    curvature: Tensor
    spread: Tensor
    corners: Tensor

    def __init__(self, limits: str | Path | None = None) -> None:
        super().__init__()
        path = Path(limits) if limits is not None else LIMITS
        with np.load(path) as file:
            arrays = dict(file)
        shapes: dict[str, tuple[int | str, ...]] = {
            'lengths': (len(BONE_ENDS), 2),
            'curvature': (4, 2),
            'spread': (4, 2),
            'angles': (NUM_BENDS, 'V', 2),
        }
        for name, shape in shapes.items():
            if name not in arrays:
                raise ValueError(f'{path}: expected arrays {", ".join(shapes)}, found {", ".join(arrays) or "none"}')
            check_shape(arrays[name], f'{path}: {name}', shape)
            check_finite(arrays[name], f'{path}: {name}')
            target = 'corners' if name == 'angles' else name
            self.register_buffer(target, torch.tensor(arrays[name], dtype=torch.float32), persistent=False)

    def forward(self, xyz: Tensor, visible: Tensor | None = None) -> BiomechanicalTerms:
        """Loss of a batch of right hands; mirror left hands (x → −x) first.

        Args:
            xyz: (B, 21, 3) floating point in network units, lengths over |X9 − X0|. The origin does not matter; the
                unit does, as the reference bone has the limits 1 … 1.
            visible: (B, 21) bool, None for all. A bone counts where both ends are visible; palm and joints only where
                the whole palm is (wrist and five finger bases), a joint with what lies between it and the palm. A batch
                in which nothing counts has a loss of 0.

        Raises:
            ValueError: wrong shape or dtype, or NaN or infinity where visible.
        """
        if not isinstance(xyz, Tensor) or not xyz.is_floating_point():
            found = getattr(xyz, 'dtype', type(xyz).__name__)
            raise ValueError(f'xyz: expected a floating point tensor, found {found}')
        check_shape(xyz, 'xyz', ('B', NUM_KEYPOINTS, 3))
        if visible is None:
            visible = torch.ones(xyz.shape[:2], dtype=torch.bool, device=xyz.device)
        elif visible.dtype != torch.bool:
            raise ValueError(f'visible: expected bool, found {visible.dtype}')
        check_shape(visible, 'visible', tuple(xyz.shape[:2]))
        xyz = torch.where(visible.unsqueeze(-1), xyz, 0.0)
        check_finite(xyz, 'xyz')

        hands = measure_hands(xyz)
        seen = visible[:, BONE_ENDS] & visible[:, KEYPOINT_PARENTS[1:]]
        palm = visible[:, (WRIST, *PALM_KEYPOINTS)].all(dim=1)
        chains = visible[:, torch.tensor(CHAINS, device=xyz.device)].long().cumprod(dim=-1).bool()
        bends = (palm[:, None, None] & chains[:, :, 2:]).flatten(1)

        bones = _mean(_excess(hands.lengths, self.lengths), seen)
        form = _excess(hands.curvature, self.curvature) + _excess(hands.spread, self.spread)
        form_loss = _mean(form, palm[:, None].expand_as(form))
        angles = _mean(region_distance(hands.angles, self.corners.to(xyz.dtype)), bends)
        return BiomechanicalTerms(bones + form_loss + angles, bones, form_loss, angles)


def region_distance(angles: Tensor, corners: Tensor) -> Tensor:
    """Distance of points from convex regions of the plane (flexion, abduction); 0 inside.

    The gradient of a point outside has length 1 and leads straight to the nearest place of the region. Flexion is a
    turn: it is taken on the turn nearest to the region's middle, so that a finger bent too far back is led back and one
    bent too far forward is led forward.

    Args:
        angles: (B, J, 2) radians.
        corners: (J, V, 2) radians, anticlockwise; corners may coincide.

    Returns:
        (B, J).
    """
    middle = (corners[..., 0].amax(-1) + corners[..., 0].amin(-1)) / 2
    turns = torch.round((angles[..., 0] - middle).detach() / (2 * math.pi))
    point = torch.stack((angles[..., 0] - 2 * math.pi * turns, angles[..., 1]), dim=-1).unsqueeze(-2)  # (B, J, 1, 2)
    edges = corners.roll(-1, dims=1) - corners
    offset = point - corners
    inside = (edges[..., 0] * offset[..., 1] - edges[..., 1] * offset[..., 0] >= 0).all(-1)
    # Where on each edge is the nearest point. Its own motion does not change the distance in first order.
    square = edges.square().sum(-1)
    share = ((offset.detach() * edges).sum(-1) / square.clamp_min(1e-12)).clamp(0, 1)
    nearest = (offset - share.unsqueeze(-1) * edges).square().sum(-1).amin(-1)
    outside = ~inside & (nearest > 0)
    return torch.where(outside, torch.where(outside, nearest, 1.0).sqrt(), 0.0)


def _excess(values: Tensor, limits: Tensor) -> Tensor:
    """How far values (B, N) are outside limits (N, 2)."""
    limits = limits.to(values.dtype)
    return (limits[:, 0] - values).clamp_min(0) + (values - limits[:, 1]).clamp_min(0)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return torch.where(counted, values, 0.0).sum() / counted.sum().clamp_min(1)
