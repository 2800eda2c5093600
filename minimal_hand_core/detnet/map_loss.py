"""Training losses on DetNet's maps as they are, for either backbone: the peers' and one without its faults.

The peers' (`peer_loss`, fact sheet 2.7) weighs a few bright cells against a thousand dark ones by one mean, and takes
one un-squared norm over the whole batch for delta and for location: the step's size then does not depend on the error
(10.1). `joint_loss` averages over joints instead, so that every joint of every hand counts by its own weight, and takes
the Huber distance. The small network has a loss of its own on logits (losses.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from minimal_hand_core.detnet.biomechanics import BiomechanicalLoss
from minimal_hand_core.detnet.losses import DetNetLoss, parent_directions, places, weighted_mean, with_3d
from minimal_hand_core.detnet.output import DetNetOutput, at_least_float32
from minimal_hand_core.detnet.ranks import sum_over_ranks
from minimal_hand_core.detnet.targets import heat_targets, truncated_targets


def joint_loss(
    output: DetNetOutput,
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
    """Mean over joints: squared difference of the heat map, summed over its cells, and Huber distances of delta and
    location where the joint is.

    Args:
        output: of the network, of any precision: what is in half of it is worked on in float32.
        uv: (B, 21, 2) pixels of the crop.
        xyz: (B, 21, 3) network units.
        weight: (B, 21) weight of each 2D label; a joint outside the crop is taught to have no heat.
        weight_3d: (B,) weight of the 3D labels; 0 where there are none. A batch without any has 3D terms of 0.
        biomechanics: adds its loss of the located hands, times biomechanical_factor; None leaves the term out.
    """
    heat, deltas, locations = at_least_float32(output.heatmaps), *output[1:]
    place = places(uv, heat)
    heat_loss = weighted_mean((heat - place.target).square().sum(dim=(-2, -1)), weight, least=1e-6)
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


def peer_loss(
    output: DetNetOutput,
    uv: Tensor,
    xyz: Tensor,
    weight: Tensor,
    weight_3d: Tensor,
    *,
    heat_factor: float = 100.0,
    delta_factor: float = 1.0,
    location_factor: float = 10.0,
    reference: bool = False,
) -> DetNetLoss:
    """The peers' loss (fact sheet 2.7): with validity v, B hands, N₃ of them with 3D, targets H*, D*, L*,

        heat     = Σ over joints of ½ · mean over B × cells of (v (H − H*))²
        delta    = ‖(D − D*) ⊙ H*‖ / N₃
        location = ‖(L − L*) ⊙ H*‖ / N₃

    with one norm over all hands with 3D, joints, coordinates and cells, not squared.

    Args:
        output, uv, xyz: as joint_loss.
        weight: (B, 21) v.
        weight_3d: (B,) a hand has 3D where it is above 0.
        reference: take the peers' targets too, whole cells and a window cut off (`truncated_targets`), and count as
            valid what they do; else a joint outside the crop is taught to have no heat, and joints lie where they lie.

    A batch without any 3D has terms of 0, where the peers divide by zero.
    """
    heat, deltas, locations = (at_least_float32(maps) for maps in output)
    size = heat.shape[-1]
    if reference:
        target, valid = truncated_targets(uv, size)
        weight = weight * valid
    else:
        target = heat_targets(uv, size=size)
    batch = torch.full((), float(heat.shape[0]), device=heat.device)
    with_3d = (weight_3d > 0).to(heat.dtype)

    def misfit(maps: Tensor, truth: Tensor) -> Tensor:
        seen = target.unsqueeze(2) * with_3d[:, None, None, None, None]
        return ((maps - truth[..., None, None]) * seen).square().sum()

    squares, delta, location, hands, spatial = sum_over_ranks(
        (weight[..., None, None] * (heat - target)).square().sum(),
        misfit(deltas, parent_directions(xyz)),
        misfit(locations, xyz),
        batch,
        with_3d.sum(),
    )
    heat_loss = 0.5 * squares / (hands * size**2)
    delta_loss = _root(delta) / spatial.clamp_min(1)
    location_loss = _root(location) / spatial.clamp_min(1)
    total = heat_factor * heat_loss + delta_factor * delta_loss + location_factor * location_loss
    parts = (part.detach() for part in (heat_loss, delta_loss, location_loss, torch.zeros_like(total)))
    return DetNetLoss(total, *parts)


def _root(square: Tensor) -> Tensor:
    """√square, with the gradient 0 at 0, where that of the root is infinite."""
    safe = torch.where(square > 0, square, 1.0)
    return torch.where(square > 0, safe.sqrt(), 0.0)
