"""The biomechanical loss: nothing for hands as people move them, a way back for broken ones, never NaN."""

import csv
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minimal_hand_core.data.augmentation import network_coordinates
from minimal_hand_core.data.synthetic.poses import sample_pose, sample_view
from minimal_hand_core.detnet.anatomy import measure_hands
from minimal_hand_core.detnet.biomechanics import LIMITS, BiomechanicalLoss, region_distance
from minimal_hand_core.detnet.losses import small_loss
from minimal_hand_core.detnet.output import read_maps
from minimal_hand_core.detnet.small import SmallNet
from minimal_hand_core.detnet.targets import heat_targets
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.pose import NUM_ANGLES, JointAxes, rotations_from_angles
from minimal_hand_core.training.config import config_from_dict
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.state import RunState
from minimal_hand_core.training.stream import CropStream
from minimal_hand_core.training.train_detnet import train, train_step

ROOT = Path(__file__).resolve().parents[2]
INDEX_PIP, INDEX_DIP, INDEX_TIP = 6, 7, 8


@pytest.fixture(scope='module')
def model():
    return load_hand_model()


@pytest.fixture(scope='module')
def axes(model):
    return JointAxes.from_model(model)


@pytest.fixture(scope='module')
def loss():
    return BiomechanicalLoss()


def network_hands(model, rotations, betas=None):
    """(B, 21, 3) float64 in network units."""
    betas = np.zeros((len(rotations), 10)) if betas is None else betas
    with torch.no_grad():
        keypoints = model(torch.from_numpy(rotations).float(), torch.from_numpy(betas).float()).keypoints
    return torch.from_numpy(np.stack([network_coordinates(hand.numpy().astype(np.float64)) for hand in keypoints]))


@pytest.fixture(scope='module')
def people(model, axes):
    """400 hands of other seeds than the limits', seen from anywhere."""
    rng = np.random.default_rng(1)
    rotations = np.stack([sample_pose(rng, axes).rotations for _ in range(400)])
    rotations[:, 0] = [sample_view(rng) for _ in range(400)]
    return network_hands(model, rotations, np.clip(rng.normal(0, 1, (400, 10)), -3, 3))


def angled(model, axes, **degrees):
    """The mean hand with some of its angles set, by their place in ANGLE_NAMES."""
    angles = np.zeros((1, NUM_ANGLES))
    for place, value in degrees.items():
        angles[0, int(place[1:])] = math.radians(value)
    return network_hands(model, rotations_from_angles(angles, axes))


def test_hands_of_people_cost_nothing(loss, people):
    totals = torch.stack([loss(hand[None]).total for hand in people])
    assert (totals < 1e-6).double().mean() > 0.97
    assert totals.max() < 0.01


def test_the_loss_does_not_depend_on_view_and_place(loss, people):
    broken = people[:5] + 0.1 * torch.randn(5, 21, 3, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    turn = turn * turn.det().sign()
    expected, found = loss(broken), loss(broken @ turn.T + 3.0)
    torch.testing.assert_close(found, expected)
    assert all(term > 0 for term in expected)


def test_a_left_hand_is_no_right_hand(loss, people):
    left = people * torch.tensor([-1.0, 1.0, 1.0])
    assert loss(left).angles > 0.05
    assert loss(left).bones < 1e-6


def angle_changes(model, axes, **degrees):
    """(15, 2) degrees by which the measured angles differ from those of the flat hand."""
    rest, bent = (measure_hands(hand).angles[0] for hand in (angled(model, axes), angled(model, axes, **degrees)))
    return torch.rad2deg(bent - rest)


@pytest.mark.parametrize(
    ('place', 'degrees', 'bend'),
    [('a4', 40, 3), ('a6', 90, 4), ('a7', -10, 5), ('a8', -20, 6), ('a10', 100, 7), ('a18', 60, 13), ('a19', 30, 14)],
)
def test_flexion_is_that_of_the_joint(model, axes, place, degrees, bend):
    """A hinge that is bent shows in its own flexion, hardly in its abduction, and in no other joint."""
    change = angle_changes(model, axes, **{place: degrees})
    assert change[bend, 0] == pytest.approx(degrees, abs=1.5)
    # The hinge's axis is not quite at right angles to the palm's normal at the finger's root bone.
    assert change[bend, 1].abs() < 0.3 * abs(degrees)
    change[bend] = 0
    assert change.abs().max() < 0.5


def test_abduction_is_that_of_the_joint(model, axes):
    assert angle_changes(model, axes, a5=15)[3, 1] == pytest.approx(15, abs=1.0)
    assert angle_changes(model, axes, a17=15)[12, 1] == pytest.approx(-15, abs=1.0)


def bent_back(model, axes):
    return angled(model, axes, a6=-70)


def stretched(model, axes):
    hand = angled(model, axes, a6=30)
    hand[:, [INDEX_DIP, INDEX_TIP]] += 1.5 * (hand[:, INDEX_DIP] - hand[:, INDEX_PIP])
    return hand


def sideways(model, axes):
    return angled(model, axes, a5=70)


def folded_palm(model, axes):
    """The knuckle of the little finger, and the finger with it, behind the back of the hand."""
    hand = angled(model, axes)
    away = torch.linalg.cross(hand[:, 9] - hand[:, 0], hand[:, 5] - hand[:, 0])
    hand[:, 17:] += 0.6 * away / away.norm()
    return hand


def test_gradient_descent_mends_broken_hands(loss, model, axes):
    xyz = torch.cat([broken(model, axes) for broken in (bent_back, stretched, sideways, folded_palm)])
    start = [loss(hand[None]) for hand in xyz]
    assert start[0].angles > 0.03 and start[0].bones < 1e-6
    assert start[1].bones > 0.01 and start[1].angles < 1e-6
    assert start[2].angles > 0.01
    assert start[3].palm > 0.2
    xyz.requires_grad_()
    # The loss is a mean and its steps are of one length: first long ones, then short ones, as for each hand alone.
    for rate in 60 * [0.06] + 40 * [0.01]:
        (slope,) = torch.autograd.grad(loss(xyz).total, xyz)
        xyz = (xyz - rate * len(xyz) * slope).detach().requires_grad_()
    for before, hand in zip(start, xyz, strict=True):
        assert loss(hand[None]).total < 0.15 * before.total


def test_only_the_broken_finger_is_pulled(loss, model, axes):
    xyz = bent_back(model, axes).requires_grad_()
    loss(xyz).angles.backward()
    pull = xyz.grad[0].norm(dim=-1)
    assert pull[[INDEX_PIP, INDEX_DIP]].min() > 10 * pull[9:].max()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31))
def test_gradients_are_those_of_finite_differences(loss, seed):
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.randn(2, 21, 3, dtype=torch.float64, generator=generator).requires_grad_()
    for function in (lambda x: loss(x).total, lambda x: tuple(measure_hands(x))):
        assert torch.autograd.gradcheck(function, xyz, eps=1e-7, atol=1e-4, fast_mode=True)


def degenerate_hands(model, axes):
    flat = angled(model, axes)[0]
    on_a_line = flat * torch.tensor([1.0, 0.0, 0.0])
    hands = [torch.zeros(21, 3), torch.full((21, 3), 7.0), on_a_line, 1e-30 * flat, 1e6 * flat]
    for end, start in ((INDEX_PIP, 5), (5, 0), (9, 0), (1, 0), (4, 3), (5, 9)):
        short = flat.clone()
        short[end] = short[start]
        hands.append(short)
    for tip, middle, base in ((INDEX_TIP, INDEX_DIP, INDEX_PIP), (INDEX_PIP, 5, 0)):
        folded = flat.clone()
        folded[tip] = 2 * folded[middle] - folded[tip] if base else -folded[tip]
        hands.append(folded)
    upright = flat.clone()
    upright[INDEX_PIP] = upright[5] + torch.tensor([0.0, 0.0, 0.4])
    return torch.stack([hand.double() for hand in (*hands, upright)])


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_degenerate_hands_have_a_loss_and_a_gradient(loss, model, axes, dtype):
    for hand in degenerate_hands(model, axes).to(dtype):
        xyz = hand[None].clone().requires_grad_()
        total = loss(xyz).total
        total.backward()
        assert torch.isfinite(total) and total > 0
        assert torch.isfinite(xyz.grad).all()


def test_what_is_not_visible_does_not_count(loss, people):
    visible = torch.rand(400, 21) < 0.9
    spoilt = torch.where(visible[..., None], people, torch.nan).requires_grad_()
    terms = loss(spoilt, visible)
    assert terms.total < 1e-4
    visible[0, 4] = True
    moved = torch.where(visible[..., None], people, torch.nan)
    moved[0, 4] = people[0, 3] + 5 * (people[0, 4] - people[0, 3])
    visible[0, 3] = False
    torch.testing.assert_close(loss(moved, visible).total, loss(people, visible).total)
    visible[0, :5] = True
    assert loss(torch.where(visible[..., None], moved.nan_to_num(), people), visible).bones > 0


def test_a_batch_without_a_hand_costs_nothing(loss):
    xyz = torch.randn(3, 21, 3, requires_grad=True)
    terms = loss(xyz, torch.zeros(3, 21, dtype=torch.bool))
    terms.total.backward()
    assert terms.total == 0 and (xyz.grad == 0).all()


def slow_distance(point, corners):
    """Of one point from one convex polygon, edge by edge."""
    inside, least = True, math.inf
    for i in range(len(corners)):
        a, b = corners[i], corners[(i + 1) % len(corners)]
        edge, offset = b - a, point - a
        inside &= bool(edge[0] * offset[1] - edge[1] * offset[0] >= 0)
        share = min(1.0, max(0.0, float(offset @ edge) / float(edge @ edge)))
        least = min(least, math.dist(point, a + share * edge))
    return 0.0 if inside else least


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_distances_are_those_of_the_plain_loops(seed):
    rng = np.random.default_rng(seed)
    corners = np.load(LIMITS)['angles'].astype(float)
    points = rng.uniform(-1.5, 1.5, (4, 15, 2)) + [0.6, 0.0]
    found = region_distance(torch.from_numpy(points), torch.from_numpy(corners))
    expected = [[slow_distance(points[i, j], corners[j]) for j in range(15)] for i in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_joint_bent_past_its_half_turn_goes_back_the_way_it_came():
    square = torch.tensor([[[0.0, -0.2], [2.0, -0.2], [2.0, 0.2], [0.0, 0.2]]])
    flexion = torch.tensor([math.pi - 0.1, -math.pi + 0.5, -math.pi + 1.5])
    angles = torch.stack((flexion, torch.zeros(3)), dim=-1)[:, None].requires_grad_()
    distance = region_distance(angles, square)
    torch.testing.assert_close(distance[:, 0], torch.tensor([math.pi - 2.1, math.pi - 1.5, math.pi - 1.5]))
    distance.sum().backward()
    torch.testing.assert_close(angles.grad[:, 0, 0], torch.tensor([1.0, 1.0, -1.0]))


def test_bad_input_is_named(loss, tmp_path):
    hands = torch.zeros(2, 21, 3)
    for arguments, message in (
        ((hands[0],), r'xyz: expected shape \(B, 21, 3\), found \(21, 3\)'),
        ((hands[:0],), r'xyz: expected shape \(B, 21, 3\), found \(0, 21, 3\)'),
        ((hands.long(),), 'xyz: expected a floating point tensor, found torch.int64'),
        ((hands.numpy(),), 'xyz: expected a floating point tensor, found float32'),
        ((hands * torch.nan,), 'xyz: expected finite numbers'),
        ((hands, torch.ones(2, 21)), 'visible: expected bool, found torch.float32'),
        ((hands, torch.ones(21, dtype=torch.bool)), r'visible: expected shape \(2, 21\), found \(21,\)'),
    ):
        with pytest.raises(ValueError, match=message):
            loss(*arguments)
    arrays = dict(np.load(LIMITS))
    np.savez(tmp_path / 'short.npz', **{**arrays, 'spread': arrays['spread'][:3]})
    with pytest.raises(ValueError, match=r'short.npz: spread: expected shape \(4, 2\), found \(3, 2\)'):
        BiomechanicalLoss(tmp_path / 'short.npz')
    np.savez(tmp_path / 'few.npz', spread=arrays['spread'])
    with pytest.raises(ValueError, match='few.npz: expected arrays lengths, .* found spread'):
        BiomechanicalLoss(tmp_path / 'few.npz')


def test_the_limits_are_those_of_the_script(tmp_path, monkeypatch):
    """A small sample of the script's lies within what is shipped, and not far within."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    spec = importlib.util.spec_from_file_location('build_biomechanics', ROOT / 'tools' / 'build_biomechanics.py')
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    path = tmp_path / 'limits.npz'
    monkeypatch.setattr('sys.argv', ['build_biomechanics.py', '--hands', '150', '--output', str(path)])
    script.main()
    small, shipped = np.load(path), np.load(LIMITS)
    assert set(small.files) == set(shipped.files)
    for name, slack in (('lengths', 0.1), ('curvature', 0.6), ('spread', 0.1)):
        low, high = (small[name] - shipped[name]).T
        # The curvature's slack depends on the sample's mean knuckle distance.
        assert low.min() > -0.02 and high.max() < 0.02
        assert low.max() < slack and high.min() > -slack
    outside = region_distance(torch.from_numpy(small['angles']).transpose(0, 1), torch.from_numpy(shipped['angles']))
    assert outside.max() < 0.01


def test_the_card_says_how_it_was_made():
    card = (LIMITS.parent / 'BIOMECHANICS.md').read_text()
    for name in ('tools/build_biomechanics.py', *np.load(LIMITS).files):
        assert name in card


def test_the_located_hand_is_that_of_the_maps(people):
    uv = torch.rand(400, 21, 2)[:3] * 100 + 10
    heat = heat_targets(uv)
    share = heat / heat.sum(dim=(-2, -1), keepdim=True)
    maps = people[:3].float()[..., None, None].expand(-1, -1, -1, 32, 32)
    torch.testing.assert_close(read_maps(maps, share), people[:3].float())


def batch_without_3d(people, hands):
    b = len(hands)
    uv = torch.rand(b, 21, 2) * 100 + 10
    uv[~torch.tensor(hands)] = -1e4
    return uv, torch.zeros(b, 21, 3), torch.ones(b, 21), torch.zeros(b)


def test_the_term_reaches_the_location_maps_without_3d_labels(loss, people):
    torch.manual_seed(0)
    network = SmallNet()
    labels = batch_without_3d(people, [True, True, False])
    # Leaves of their own: within the network the location maps also depend on the heat.
    logits = tuple(map_.detach().requires_grad_() for map_ in network.logits(torch.rand(3, 3, 128, 128) - 0.5))
    plain = small_loss(logits, *labels)
    whole = small_loss(logits, *labels, biomechanics=loss, biomechanical_factor=2.0)
    assert plain.biomechanical == 0 and plain.location == 0 and whole.biomechanical > 0
    torch.testing.assert_close(whole.total, plain.total + 2 * whole.biomechanical)
    assert (whole.heat, whole.delta, whole.location) == (plain.heat, plain.delta, plain.location)
    before, after = (torch.autograd.grad(terms.total, logits, retain_graph=True) for terms in (plain, whole))
    torch.testing.assert_close(after[0], before[0])  # the term moves what is at the joints, not the joints
    assert not before[2].any() and torch.isfinite(after[2]).all()
    assert after[2][:2].any() and not after[2][2].any()
    nothing = small_loss(logits, *batch_without_3d(people, [False] * 3), biomechanics=loss)
    assert nothing.biomechanical == 0 and torch.isfinite(nothing.total)


RUN = {'steps': 20, 'batch': 2, 'warmup': 1, 'validation': {'every': 20, 'rendered': 0}}


def test_training_without_the_term_is_what_it_was():
    """Weights after two steps are the same to the last bit as with the loss of labels alone."""
    config = config_from_dict(RUN)
    stream = CropStream(config)
    plain, off = RunState(config), RunState(config_from_dict({**RUN, 'biomechanical': 0.0}))
    assert off.biomechanics is None
    for step in range(2):
        assert train_step(off, stream[step]).biomechanical == 0
        plain.biomechanics = None
        train_step(plain, stream[step])
    on = RunState(config_from_dict({**RUN, 'biomechanical': 1.0}))
    for step in range(2):
        assert train_step(on, stream[step]).biomechanical > 0
    for a, b in zip(plain.model.parameters(), off.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(on.model.parameters(), off.model.parameters(), strict=True))


def test_a_run_reports_the_term(tmp_path):
    config = config_from_dict({**RUN, 'steps': 2, 'biomechanical': 0.5, 'validation': {'every': 2, 'rendered': 1}})
    train(config, tmp_path)
    (row,) = csv.DictReader((tmp_path / 'metrics.csv').open())
    assert float(row['biomechanical']) > 0 and float(row['rendered_mm']) > 0


def test_the_setting_is_checked_and_belongs_to_the_run(tmp_path):
    with pytest.raises(ConfigError, match='biomechanical is -1.0; give at least 0'):
        config_from_dict({**RUN, 'biomechanical': -1.0})
    train(config_from_dict(RUN), tmp_path, stop_after=1)
    with pytest.raises(ValueError, match='made with biomechanical: 0.0, not 0.5'):
        train(config_from_dict({**RUN, 'biomechanical': 0.5}), tmp_path)
    # Files from before there was such a setting go on.
    path = tmp_path / 'last.pt'
    state = torch.load(path, weights_only=True)
    del state['config']['biomechanical']
    torch.save(state, path)
    assert RunState(config_from_dict(RUN)).load(tmp_path)
