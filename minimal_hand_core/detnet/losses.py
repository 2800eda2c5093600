"""The training loss of the small network, and what the losses of both networks share.

Heat: cross-entropy between the target's shares and the predicted ones over 1,024 cells and the cell "not here"
(a joint outside the crop, and every joint of a picture without a hand, belongs there). It needs no balance between
the few bright and the many dark cells, which is what a squared loss on heat maps spends most of its training on.

Delta and location: Huber distance, averaged over the cells with the target's heat as weight, so the error's size sets
the step's size; the peers take one un-squared norm over the whole batch, which does not (fact sheet 10.1, 11).

Means are over the batch of all processes that train together (`ranks.sum_over_ranks`); the biomechanical term alone is
each process's own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from minimal_hand_core.detnet.biomechanics import BiomechanicalLoss
from minimal_hand_core.detnet.decode import DecodedHands
from minimal_hand_core.detnet.output import CROP_SIZE, at_least_float32, read_maps
from minimal_hand_core.detnet.ranks import sum_over_ranks
from minimal_hand_core.detnet.targets import delta_targets, heat_targets, in_crop
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS, NUM_KEYPOINTS

_NEAR, _CLOSE = 0.03, 0.1
"""Half crops and network units: an error counts by its square up to here, by its size beyond."""
_REACH = 4
"""Cells, standard deviations of a joint's Gaussian, within which the 3D maps are taught."""


class DetNetLoss(NamedTuple):
    """Scalar tensors; `total` is what is minimised. `refined` is None for a network without a refiner."""

    total: Tensor
    heat: Tensor
    delta: Tensor
    location: Tensor
    biomechanical: Tensor
    refined: Tensor | None = None


def small_loss(
    logits: tuple[Tensor, Tensor, Tensor],
    uv: Tensor,
    xyz: Tensor,
    weight: Tensor,
    weight_3d: Tensor,
    *,
    delta_factor: float = 1.0,
    location_factor: float = 5.0,
    biomechanics: BiomechanicalLoss | None = None,
    biomechanical_factor: float = 1.0,
) -> DetNetLoss:
    """Loss of one batch.

    Args:
        logits: heat (B, 21, 32, 32), delta (B, 63, 32, 32), location (B, 63, 32, 32), from `SmallNet.logits`; smaller
            maps of smaller crops will do. Of any precision: those in half of it are worked on in float32.
        uv: (B, 21, 2) pixels of the crop that the network saw.
        xyz: (B, 21, 3) network units.
        weight: (B, 21) weight of each 2D label.
        weight_3d: (B,) weight of the 3D labels; 0 where there are none. A batch without any has 3D terms of 0.
        biomechanics: adds its loss of the located hands, times biomechanical_factor; None leaves the term out.
    """
    heat, delta, location = at_least_float32(logits[0]), *logits[1:]
    b = heat.shape[0]
    place = places(uv, heat)

    flat = heat.reshape(b, NUM_KEYPOINTS, -1)
    log_share = functional.log_softmax(torch.cat([flat, torch.zeros_like(flat[..., :1])], dim=-1), dim=-1)
    cross = (
        -(place.share.reshape(b, NUM_KEYPOINTS, -1) * log_share[..., :-1]).sum(-1)
        - (1 - place.present) * log_share[..., -1]
    )
    heat_loss = weighted_mean(cross, weight, least=1e-6)

    locations, deltas = (maps.unflatten(1, (NUM_KEYPOINTS, 3)) for maps in (location, delta))
    return with_3d(
        heat_loss,
        locations,
        deltas,
        xyz,
        place,
        weight,
        weight_3d,
        delta_factor=delta_factor,
        location_factor=location_factor,
        biomechanics=biomechanics,
        biomechanical_factor=biomechanical_factor,
    )


class Places(NamedTuple):
    """Where joints lie on heat maps.

    Attributes:
        target: (B, 21, h, h) the map that is wanted.
        share: (B, 21, h, h) the same with the sum 1 per joint.
        present: (B, 21) 1 for joints in the crop, 0 for others, whose target and share are 0.
    """

    target: Tensor
    share: Tensor
    present: Tensor


def places(uv: Tensor, heat: Tensor) -> Places:
    """Of joints uv (B, 21, 2), in pixels of the crop, on heat maps (B, 21, h, h)."""
    target = heat_targets(uv, size=heat.shape[-1])
    mass = target.sum(dim=(-2, -1), keepdim=True)
    return Places(target, target / mass.clamp_min(1e-6), (mass > 0).to(heat.dtype)[..., 0, 0])


def with_3d(
    heat_loss: Tensor,
    locations: Tensor,
    deltas: Tensor,
    xyz: Tensor,
    place: Places,
    weight: Tensor,
    weight_3d: Tensor,
    *,
    delta_factor: float,
    location_factor: float,
    biomechanics: BiomechanicalLoss | None,
    biomechanical_factor: float,
) -> DetNetLoss:
    """A loss of heat maps together with those of the 3D maps.

    Args:
        heat_loss: scalar.
        locations, deltas, xyz: as of losses_3d.
        place: of `places`.
        weight, weight_3d: (B, 21) of the 2D and (B,) of the 3D labels.
        delta_factor, location_factor, biomechanical_factor: of each loss in the sum.
        biomechanics: as of small_loss.
    """
    _, share, present = place
    # only where the joint is in the crop is there a place to read it
    location_loss, delta_loss = losses_3d(locations, deltas, xyz, share, weight_3d[:, None] * present)
    total = heat_loss + delta_factor * delta_loss + location_factor * location_loss
    biomechanical = torch.zeros_like(total)
    if biomechanics is not None:
        biomechanical = biomechanics(read_maps(locations, share), (present > 0) & (weight > 0)).total
        total = total + biomechanical_factor * biomechanical
    return DetNetLoss(total, *(part.detach() for part in (heat_loss, delta_loss, location_loss, biomechanical)))


def refined_loss(hands: DecodedHands, uv: Tensor, xyz: Tensor, weight: Tensor, weight_3d: Tensor) -> Tensor:
    """Huber distances of corrected keypoints from the labels, in the picture and in space, of joints in the crop.

    Args:
        hands: of the refiner, float32.
        uv, xyz, weight, weight_3d: as small_loss.
    """
    inside = in_crop(uv).to(weight.dtype)
    half = CROP_SIZE / 2
    flat = functional.smooth_l1_loss(hands.uv / half, uv / half, reduction='none', beta=_NEAR)
    deep = functional.smooth_l1_loss(hands.xyz, xyz, reduction='none', beta=_CLOSE)
    picture = weighted_mean(flat.mean(dim=-1), weight * inside, least=1.0)
    return picture + weighted_mean(deep.mean(dim=-1), weight_3d[:, None] * inside, least=1.0)


def parent_directions(xyz: Tensor) -> Tensor:
    """`delta_targets` of xyz (B, 21, 3) along the skeleton."""
    return delta_targets(xyz, torch.tensor(KEYPOINT_PARENTS, device=xyz.device))


def losses_3d(locations: Tensor, deltas: Tensor, xyz: Tensor, share: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Huber distances of location and delta maps (B, 21, 3, h, w) from what xyz (B, 21, 3) says, where the joints are.

    Only the 9×9 cells that hold most of a joint's share are looked at: with whole maps the loss takes one and a half to
    two times as long, and beyond four standard deviations there is a thousandth of a Gaussian's peak at most.

    Args:
        locations, deltas, xyz: network units.
        share: (B, 21, h, w) how much each cell counts, of sum 1 per joint.
        weight: (B, 21) of each joint.
    """
    cells, near = _window(share)

    def loss(maps: Tensor, target: Tensor) -> Tensor:
        # Cells before channels, which is how convolutions on processors leave maps in memory: nothing is copied.
        by_cell = maps.flatten(1, 2).permute(0, 2, 3, 1).flatten(1, 2)  # (B, h·w, 63)
        there = at_least_float32(by_cell.gather(1, cells)).unflatten(2, (-1, 3))
        distance = functional.huber_loss(there, target[:, None].expand_as(there), reduction='none', delta=_CLOSE)
        per_joint = (distance.sum(3) * near).sum(dim=1) / _CLOSE
        return weighted_mean(per_joint, weight, least=1.0)

    return loss(locations, xyz), loss(deltas, parent_directions(xyz))


def _window(share: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of the cells round each map's peak, once for each coordinate (B, K, 63), and their shares (B, K, 21)."""
    height, width = share.shape[-2:]
    rows, columns = min(2 * _REACH + 1, height), min(2 * _REACH + 1, width)
    peak = share.flatten(2).argmax(-1)
    top = (peak // width - _REACH).clamp(0, height - rows)
    left = (peak % width - _REACH).clamp(0, width - columns)
    y = top[..., None] + torch.arange(rows, device=share.device)
    x = left[..., None] + torch.arange(columns, device=share.device)
    cells = (y[..., None] * width + x[..., None, :]).flatten(2)
    near = share.flatten(2).gather(2, cells)
    return cells.transpose(1, 2).repeat_interleave(3, dim=2), near.transpose(1, 2)


def weighted_mean(values: Tensor, weight: Tensor, least: float) -> Tensor:
    """Σ weight·values / Σ weight over all ranks, the divisor at least `least`."""
    total, mass = sum_over_ranks((weight * values).sum(), weight.sum())
    return total / mass.clamp_min(least)
