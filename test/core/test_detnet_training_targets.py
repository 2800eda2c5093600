"""Targets and loss of the small network."""

import pytest
import torch

from minimal_hand_core.detnet.biomechanics import BiomechanicalLoss
from minimal_hand_core.detnet.decode import DecodedHands, decode
from minimal_hand_core.detnet.losses import losses_3d, parent_directions, refined_loss, small_loss
from minimal_hand_core.detnet.map_loss import joint_loss
from minimal_hand_core.detnet.output import DetNetOutput
from minimal_hand_core.detnet.small import HEAT_MASS, SmallNet
from minimal_hand_core.detnet.targets import delta_targets, heat_targets


def _batch(seed=0, hands=2):
    generator = torch.Generator().manual_seed(seed)
    uv = 20 + 88 * torch.rand(hands, 21, 2, generator=generator)
    xyz = torch.randn(hands, 21, 3, generator=generator)
    return uv, xyz, torch.ones(hands, 21), torch.ones(hands)


@pytest.mark.parametrize('size', [32, 24])
def test_targets_decode_to_the_keypoints_they_were_made_from(size):
    uv, xyz, _, _ = _batch()
    locations = xyz[..., None, None].expand(-1, -1, -1, size, size)
    found = decode(DetNetOutput(heat_targets(uv, size=size), locations, locations))
    torch.testing.assert_close(found.uv, uv, atol=0.02, rtol=0)
    torch.testing.assert_close(found.xyz, xyz, atol=1e-4, rtol=1e-4)


def test_a_keypoint_outside_the_crop_has_no_target():
    uv = torch.tensor([[[-0.6, 60.0], [-0.4, 60.0], [127.4, 60.0], [127.6, 60.0]]])
    present = heat_targets(uv).sum((-1, -2)) > 0
    assert present.tolist() == [[False, True, True, False]]


def test_deltas_are_unit_vectors_and_zero_for_the_wrist():
    _, xyz, _, _ = _batch()
    delta = delta_targets(xyz, torch.tensor([0, 0, *range(1, 20)]))
    assert (delta[:, 0] == 0).all()
    torch.testing.assert_close(delta[:, 1:].norm(dim=-1), torch.ones(2, 20))


def _perfect_logits(uv, xyz, parents):
    share = heat_targets(uv)
    share = share / share.sum((-1, -2), keepdim=True).clamp_min(1e-9)
    heat = torch.log(share.clamp_min(1e-12)) + 12  # +12: nearly all mass in the cells, none in "not here"
    maps = lambda v: v.reshape(len(uv), 63, 1, 1).expand(-1, -1, 32, 32)  # noqa: E731
    return heat, maps(delta_targets(xyz, parents)), maps(xyz)


def test_the_perfect_answer_costs_less_than_any_neighbour():
    from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS

    uv, xyz, weight, weight_3d = _batch()
    parents = torch.tensor(KEYPOINT_PARENTS)
    perfect = small_loss(_perfect_logits(uv, xyz, parents), uv, xyz, weight, weight_3d)
    assert perfect.location == 0
    assert perfect.delta == 0
    moved = small_loss(_perfect_logits(uv + 4, xyz, parents), uv, xyz, weight, weight_3d)
    assert moved.heat > perfect.heat + 0.1
    bent = small_loss(_perfect_logits(uv, xyz + 0.1, parents), uv, xyz, weight, weight_3d)
    assert bent.location > 0


@pytest.mark.parametrize('memory', [torch.contiguous_format, torch.channels_last])
def test_3d_is_read_where_the_joint_is_as_from_the_whole_map(memory):
    uv, xyz, weight, _ = _batch()
    uv[0, :4] = torch.tensor([[0.0, 0.0], [127.0, 0.0], [0.0, 127.0], [127.0, 127.0]])  # windows cut by the border
    generator = torch.Generator().manual_seed(2)
    maps = torch.randn(2, 63, 24, 24, generator=generator).contiguous(memory_format=memory).requires_grad_()
    share = heat_targets(uv, size=24)
    share = share / share.sum((-1, -2), keepdim=True)
    by_joint = maps.unflatten(1, (21, 3))
    losses = losses_3d(by_joint, by_joint, xyz, share, weight)
    for loss, target in zip(losses, (xyz, parent_directions(xyz)), strict=True):
        target = target[..., None, None].expand_as(by_joint)
        whole = torch.nn.functional.huber_loss(by_joint, target, reduction='none', delta=0.1)
        expected = (whole.sum(2) * share).sum((-1, -2)).mean() / 0.1
        torch.testing.assert_close(loss, expected, rtol=1e-3, atol=0)
        gradients = [torch.autograd.grad(value, maps, retain_graph=True)[0] for value in (loss, expected)]
        torch.testing.assert_close(*gradients, rtol=0, atol=1e-5)


def test_maps_of_half_precision_are_worked_on_in_float32():
    uv, xyz, weight, weight_3d = _batch()
    generator = torch.Generator().manual_seed(3)
    rounded = [torch.randn(2, c, 24, 24, generator=generator).bfloat16() for c in (21, 63, 63)]
    gradients = []
    for dtype in (torch.bfloat16, torch.float32):
        maps = [part.to(dtype).requires_grad_() for part in rounded]
        loss = small_loss(tuple(maps), uv, xyz, weight, weight_3d)
        assert loss.total.dtype == torch.float32
        gradients.append((loss.total.detach(), *torch.autograd.grad(loss.total, maps)))
    for half, exact in zip(*gradients, strict=True):
        assert (half - exact).norm() <= 0.004 * exact.norm()


def test_weights_switch_terms_off():
    uv, xyz, weight, _ = _batch()
    logits = tuple(torch.randn(2, c, 32, 32, generator=torch.Generator().manual_seed(1)) for c in (21, 63, 63))
    none = small_loss(logits, uv, xyz, weight, torch.zeros(2))
    assert none.location == 0 and none.delta == 0
    assert torch.isfinite(none.total)
    nothing = small_loss(logits, uv, xyz, torch.zeros(2, 21), torch.zeros(2))
    assert float(nothing.total) == 0


@pytest.mark.parametrize('loss', [small_loss, joint_loss])
def test_joints_that_are_not_in_the_crop_teach_nothing_in_3d(loss):
    uv, xyz, weight, weight_3d = _batch()
    uv[0, 8:12] = 300.0
    maps = DetNetOutput(*(torch.randn(2, c, 32, 32, generator=torch.Generator().manual_seed(1)) for c in (21, 63, 63)))
    if loss is joint_loss:
        maps = DetNetOutput(maps[0], *(part.unflatten(1, (21, 3)) for part in maps[1:]))
    before = loss(maps, uv, xyz, weight, weight_3d)
    other = xyz.clone()
    other[0, 8:12] += 50.0
    after = loss(maps, uv, other, weight, weight_3d)
    torch.testing.assert_close(after.location, before.location)
    in_crop, absent = uv.clone(), uv.clone()
    in_crop[0, 8:12], absent[0] = 60.0, 300.0
    assert loss(maps, in_crop, other, weight, weight_3d).location > 2 * before.location
    assert loss(maps, absent, xyz, weight, torch.tensor([1.0, 0.0])).location == 0
    # nor do they count as right: with one error everywhere, the mean is that error
    still, even = DetNetOutput(*(torch.zeros_like(part) for part in maps)), torch.full_like(xyz, 0.3)
    whole = loss(still, in_crop, even, weight, weight_3d).location
    torch.testing.assert_close(loss(still, uv, even, weight, weight_3d).location, whole, rtol=0.01, atol=0)


@pytest.mark.parametrize('loss', [small_loss, joint_loss])
def test_the_biomechanical_term_counts_by_its_factor_and_for_labelled_joints(loss):
    uv, xyz, weight, weight_3d = _batch()
    chance = torch.Generator().manual_seed(1)
    maps = DetNetOutput(*(torch.randn(2, c, 32, 32, generator=chance) for c in (21, 63, 63)))
    if loss is joint_loss:
        maps = DetNetOutput(maps[0], *(part.unflatten(1, (21, 3)) for part in maps[1:]))
    limits = BiomechanicalLoss()

    def terms(factor, weight=weight):
        return loss(maps, uv, xyz, weight, weight_3d, biomechanics=limits, biomechanical_factor=factor)

    none, some = terms(0.0), terms(0.25)
    assert some.biomechanical > 0
    torch.testing.assert_close(some.total - none.total, 0.25 * some.biomechanical, rtol=1e-3, atol=0)
    unlabelled = weight.clone()
    unlabelled[:, 1:] = 0.0
    assert terms(1.0, unlabelled).biomechanical == 0, 'a wrist alone has no bones'


def test_a_refiner_learns_from_joints_in_the_crop_alone():
    uv, xyz, weight, weight_3d = _batch()
    uv[0, 8:12] = 300.0
    hands = DecodedHands(uv + 3.0, xyz + 0.2, torch.ones(2, 21))
    before = refined_loss(hands, uv, xyz, weight, weight_3d)
    astray = DecodedHands(hands.uv.clone(), hands.xyz.clone(), hands.confidence)
    astray.uv[0, 8:12] += 500.0
    torch.testing.assert_close(refined_loss(astray, uv, xyz, weight, weight_3d), before)
    astray.xyz[0, 8:12] += 500.0
    torch.testing.assert_close(refined_loss(astray, uv, xyz, weight, weight_3d), before)
    astray.xyz[0, 2] += 500.0
    assert refined_loss(astray, uv, xyz, weight, weight_3d) > 10 * before


def test_an_absent_joint_is_taught_to_have_no_heat():
    uv = torch.full((1, 21, 2), -1e4)
    xyz, weight = torch.zeros(1, 21, 3), torch.ones(1, 21)
    maps = torch.zeros(1, 63, 32, 32)
    quiet = small_loss((torch.full((1, 21, 32, 32), -20.0), maps, maps), uv, xyz, weight, torch.zeros(1))
    loud = small_loss((torch.full((1, 21, 32, 32), 1.0), maps, maps), uv, xyz, weight, torch.zeros(1))
    assert float(quiet.heat) < 1e-3 < float(loud.heat)


def test_small_net_heat_is_a_share_of_one_probability():
    torch.manual_seed(0)
    net = SmallNet().eval()
    with torch.inference_mode():
        output = net(torch.rand(2, 3, 128, 128) - 0.5)
    assert output.heatmaps.shape == (2, 21, 32, 32)
    assert output.deltas.shape == output.locations.shape == (2, 21, 3, 32, 32)
    mass = output.heatmaps.sum((-1, -2))
    assert (output.heatmaps >= 0).all() and (mass <= HEAT_MASS * 1.0001).all() and (mass > 0).all()


def test_small_net_learns_one_batch():
    torch.manual_seed(0)
    # Channels last: the other layout's depthwise gradients are ten times slower on a CPU.
    net = SmallNet().to(memory_format=torch.channels_last)
    uv, xyz, weight, weight_3d = _batch(hands=2)
    images = (torch.rand(2, 3, 128, 128) - 0.5).contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = small_loss(net.logits(images), uv, xyz, weight, weight_3d)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    net = SmallNet().to(memory_format=torch.channels_last)
    uv, xyz, weight, weight_3d = _batch()
    images = (torch.rand(2, 3, 128, 128) - 0.5).contiguous(memory_format=torch.channels_last)
    small_loss(net.logits(images), uv, xyz, weight, weight_3d).total.backward()
    missing = [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert missing == []


def test_wrong_shapes_fail_loudly():
    uv, xyz, weight, weight_3d = _batch()
    logits = torch.zeros(2, 20, 32, 32), torch.zeros(2, 63, 32, 32), torch.zeros(2, 63, 32, 32)
    with pytest.raises(RuntimeError):
        small_loss(logits, uv, xyz, weight, weight_3d)
