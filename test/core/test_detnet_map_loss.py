"""The losses on maps: the peers' beside a direct formula of the fact sheet, and the one without its faults."""

import math

import numpy as np
import pytest
import torch

from minimal_hand_core.detnet.map_loss import joint_loss, peer_loss
from minimal_hand_core.detnet.output import DetNetOutput
from minimal_hand_core.detnet.targets import delta_targets, heat_targets, truncated_targets
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS


def made_up(seed=0, hands=3, size=32):
    """Maps that need a gradient, in float64, and labels."""
    chance = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.rand(*shape, generator=chance, dtype=torch.float64)

    maps = DetNetOutput(
        random(hands, 21, size, size).requires_grad_(),
        (random(hands, 21, 3, size, size) - 0.5).requires_grad_(),
        (random(hands, 21, 3, size, size) - 0.5).requires_grad_(),
    )
    uv = 160 * random(hands, 21, 2) - 16  # some joints lie outside
    return maps, uv, random(hands, 21, 3), (random(hands, 21) > 0.2).double(), torch.tensor([1.0, 0.0, 0.3][:hands])


def window(u, v):
    """Fact sheet 2.6, joint by joint and cell by cell: the target map, and whether the joint is valid."""
    column, row = int(int(u) / 4), int(int(v) / 4)
    target = np.zeros((32, 32))
    for y in range(row - 3, row + 4):
        for x in range(column - 3, column + 4):
            if 0 <= x < 32 and 0 <= y < 32:
                target[y, x] = math.exp(-((x - column) ** 2 + (y - row) ** 2) / 2)
    outside = column - 3 >= 32 or row - 3 >= 32 or column + 4 < 0 or row + 4 < 0
    return target, not outside


def direct(maps, uv, xyz, weight, weight_3d, reference):
    """Fact sheet 2.7, hand by hand and joint by joint; scalars."""
    heat, deltas, locations = maps
    hands = len(uv)
    spatial = [b for b in range(hands) if weight_3d[b] > 0]
    squares = {'heat': 0.0, 'delta': 0.0, 'location': 0.0}
    for b in range(hands):
        for j in range(21):
            if reference:
                target, valid = window(*uv[b, j].tolist())
                target = torch.from_numpy(target)
            else:
                target, valid = heat_targets(uv[b : b + 1, j : j + 1])[0, 0], True
            v = float(weight[b, j]) if valid else 0.0
            squares['heat'] = squares['heat'] + 0.5 * ((v * (heat[b, j] - target)) ** 2).sum() / (hands * 1024)
            if b not in spatial:
                continue
            bone = xyz[b, j] - xyz[b, KEYPOINT_PARENTS[j]]
            direction = bone / bone.norm() if j else bone * 0
            for c in range(3):
                for name, part, truth in (('delta', deltas, direction), ('location', locations, xyz[b, j])):
                    squares[name] = squares[name] + (((part[b, j, c] - truth[c]) * target) ** 2).sum()
    norms = [squares[name] ** 0.5 / len(spatial) for name in ('delta', 'location')]
    return 100 * squares['heat'] + norms[0] + 10 * norms[1], squares['heat'], *norms


@pytest.mark.parametrize('reference', [False, True])
def test_the_peers_loss_and_its_gradient_are_the_direct_formula(reference):
    maps, *labels = made_up()
    loss = peer_loss(maps, *labels, reference=reference)
    wanted = direct(maps, *labels, reference)
    for found, want in zip((loss.total, loss.heat, loss.delta, loss.location), wanted):
        torch.testing.assert_close(found, want)
    gradients = torch.autograd.grad(loss.total, maps), torch.autograd.grad(wanted[0], maps)
    for found, want in zip(*gradients):
        torch.testing.assert_close(found, want)


def test_the_peers_targets_are_whole_cells_in_a_window():
    uv = torch.tensor([[[66.0, 50.9], [-15.0, 10.0], [-16.9, 10.0], [-20.0, 10.0], [139.9, 10.0], [140.0, 10.0]]])
    target, valid = truncated_targets(uv)
    assert np.unravel_index(int(target[0, 0].argmax()), (32, 32)) == (12, 16)
    row = target[0, 0, 12, 13:20]
    np.testing.assert_allclose(row, [0.0111, 0.1353, 0.6065, 1, 0.6065, 0.1353, 0.0111], atol=5e-5)
    assert target[0, 0, 12, 12] == 0 and target[0, 0, 9, 13] > 0
    assert valid[0].tolist() == [True, True, True, False, True, False], '4 cells outside on the left, 3 on the right'
    assert target[0, 2].sum() == 0, 'valid all the same, with nothing in its map'


def test_a_batch_without_3d_has_a_loss_and_a_gradient():
    maps, uv, xyz, weight, weight_3d = made_up()
    for loss in (peer_loss, joint_loss):
        terms = loss(maps, uv, xyz, weight, 0 * weight_3d)
        assert terms.delta == 0 and terms.location == 0 and torch.isfinite(terms.total)
        heat, delta, location = torch.autograd.grad(terms.total, maps)
        assert torch.isfinite(heat).all() and heat.any() and not delta.any() and not location.any()


def perfect(uv, xyz):
    directions = delta_targets(xyz, torch.tensor(KEYPOINT_PARENTS))
    wide = [part[..., None, None].expand(-1, -1, -1, 32, 32) for part in (directions, xyz)]
    return DetNetOutput(heat_targets(uv), *wide)


def test_the_perfect_answer_costs_nothing():
    _, uv, xyz, weight, weight_3d = made_up()
    for loss in (peer_loss, joint_loss):
        assert float(loss(perfect(uv, xyz), uv, xyz, weight, weight_3d).total) == pytest.approx(0, abs=1e-9)
        assert loss(perfect(uv + 2, xyz), uv, xyz, weight, weight_3d).heat > 1e-4
        assert loss(perfect(uv, xyz + 0.1), uv, xyz, weight, weight_3d).location > 1e-2


def test_each_joint_counts_by_its_weight():
    """The gradient of a joint of weight 0 is 0, and one of weight ½ has half of what it has with 1."""
    maps, uv, xyz, _, weight_3d = made_up(hands=2)
    uv = uv.clamp(10, 110)
    weight = torch.ones(2, 21, dtype=torch.float64)
    weight[0, 3], weight[1, 4] = 0.0, 0.5
    heat = torch.autograd.grad(joint_loss(maps, uv, xyz, weight, weight_3d).total, maps)[0]
    even = torch.autograd.grad(joint_loss(maps, uv, xyz, torch.ones_like(weight), weight_3d).total, maps)[0]
    scale = 42 / weight.sum()
    torch.testing.assert_close(heat, even * weight[..., None, None] * scale)


def test_a_larger_error_has_a_larger_gradient_unlike_the_peers():
    """The peers' norm has the same length of gradient whatever the error; ours grows with it."""
    _, uv, xyz, weight, weight_3d = made_up(hands=2)
    lengths = {}
    for loss in (peer_loss, joint_loss):
        for error in (0.01, 0.05):
            maps = perfect(uv.clamp(10, 110), xyz)
            locations = (maps.locations + error).requires_grad_()
            terms = loss(maps._replace(locations=locations), uv.clamp(10, 110), xyz, weight, weight_3d)
            lengths[loss, error] = float(torch.autograd.grad(terms.total, locations)[0].norm())
    assert lengths[peer_loss, 0.05] == pytest.approx(lengths[peer_loss, 0.01], rel=1e-6)
    assert lengths[joint_loss, 0.05] == pytest.approx(5 * lengths[joint_loss, 0.01], rel=1e-6)
