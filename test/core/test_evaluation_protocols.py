"""Protocols: known errors give known scores on every data set, and `reference` is what the peer does, step by step."""

import time
from dataclasses import replace

import numpy as np
import pytest
from native_layouts import dexter
from native_layouts.examples import EXAMPLES, scenes
from perfect_predictions import TIPS, UNIT, made_up, perfect
from scipy.spatial.transform import Rotation

from minimal_hand_core.data import open_dataset
from minimal_hand_core.detnet.axes import CAMERA, VIEW
from minimal_hand_core.evaluation.absolute import place_hands
from minimal_hand_core.evaluation.protocols import PROTOCOLS, ProtocolError, find_protocol
from minimal_hand_core.evaluation.scores import CURVE_MM, score, score_pixels
from minimal_hand_core.evaluation.view import rays
from minimal_hand_core.tracking.camera import CameraModel, view_rotation
from minimal_hand_core.tracking.wrist import place_hand

WHOLE = ('rhd', 'ganerated', 'stb', 'freihand', 'real_hands', 'rendered')
METRIC = ('rhd', 'ganerated', 'stb', 'freihand', 'rendered')
DEXTER = ('dexter_object', 'ego_dexter')
SPLITS = {'ganerated': 'train', 'real_hands': 'all'}


@pytest.fixture(scope='module')
def samples(tmp_path_factory):
    """name → samples of the native example; read once."""
    made = {}

    def get(name):
        if name not in made:
            split = SPLITS.get(name, 'test')
            if name == 'rendered':
                made[name] = list(open_dataset(name, None, split, length=3, size=64))
            else:
                root = tmp_path_factory.mktemp('data') / name
                EXAMPLES[name](root)
                options = {} if name == 'real_hands' else {'cache': False}
                made[name] = list(open_dataset(name, root, split, **options))
        return made[name]

    return get


def step_auc(errors_mm, steps):
    """AUC of keypoints with these fixed errors: shares jump from 0 to 1 at the first threshold that accepts them."""
    thresholds = np.linspace(20, 50, steps)
    areas = []
    for error in errors_mm:
        accepted = int((thresholds >= error - 1e-9).sum())
        # the last threshold weighs half, and so does the first, which is accepted only when all are
        areas.append(1.0 if accepted == steps else max(accepted - 0.5, 0.0) / (steps - 1))
    return float(np.mean(areas))


@pytest.mark.parametrize('protocol', ['reference', 'root-scale'])
@pytest.mark.parametrize(('name', 'axes'), [*((name, CAMERA) for name in WHOLE), *((name, VIEW) for name in METRIC)])
def test_a_faultless_network_scores_one_wherever_and_however_large(name, axes, protocol, samples):
    hands = perfect(name, samples(name))
    if axes == VIEW:
        hands = _in_view_axes(hands)
    for spoilt in (hands, hands.with_xyz(2.5 * hands.xyz), hands.with_xyz(hands.xyz + (3, -1, 2))):
        found = score(spoilt, protocol)
        assert found.auc == 1 and found.mean_mm < 0.01 and found.pa_mm < 0.01
        assert found.frames == len(hands) and found.points == 21 * len(hands) and found.left_out == 0


@pytest.mark.parametrize('name', METRIC)
def test_a_faultless_network_is_placed_in_space(name, samples):
    hands = perfect(name, samples(name))
    for seen in (hands, _in_view_axes(hands)):
        found = score(seen, 'absolute')
        assert found.auc == 1 and found.mean_mm < 0.1
    if name == 'rendered':
        assert score(hands, 'absolute').mean_mm < 3, 'there the camera looks at the hand'
    # Network units a tenth too large: the hand itself grows and so does its distance.
    larger = score(_in_view_axes(hands.with_xyz(1.1 * hands.xyz)), 'absolute')
    expected = 0.1 * 1000 * np.linalg.norm(hands.true_m, axis=2).mean()
    assert larger.mean_mm == pytest.approx(expected, rel=0.01)


def test_rays_of_many_pictures_are_those_of_their_cameras(rng):
    k = np.tile([[600.0, 4.0, 320.0], [0.0, 590.0, 240.0], [0.0, 0.0, 1.0]], (3, 1, 1)) + np.triu(rng.random((3, 3, 3)))
    k[:, 2] = (0, 0, 1)
    uv = rng.uniform(0, 400, (3, 21, 2))
    for found, matrix, pixels in zip(rays(uv, k), k, uv, strict=True):
        np.testing.assert_allclose(found, CameraModel(0, 0, matrix, []).normalize(pixels), atol=1e-12)


def _in_view_axes(hands):
    rays = [CameraModel(0, 0, k, []).normalize(c[None, :2])[0] for k, c in zip(hands.intrinsics, hands.crops)]
    turned = [points @ view_rotation(ray) for points, ray in zip(hands.xyz, rays)]
    return replace(hands, xyz=np.stack(turned), origin=replace(hands.origin, axes=VIEW))


@pytest.mark.parametrize('protocol', ['reference', 'root-scale'])
@pytest.mark.parametrize('name', WHOLE)
def test_known_shifts_give_the_known_auc(name, protocol, samples):
    """Joint j is off by j · 3.1 mm, root and wrist by nothing, so nothing of it is aligned away."""
    hands = perfect(name, samples(name))
    length = np.linalg.norm(hands.true_m[:, 9] - hands.true_m[:, 0], axis=1).astype(np.float64)
    errors = 3.1 * np.arange(21)  # none of them near a threshold
    errors[9] = 0
    direction = Rotation.random(len(hands) * 21, random_state=0).as_matrix()[:, 0].reshape(len(hands), 21, 3)
    shift = direction * errors[:, None] / 1000 / length[:, None, None]
    found = score(hands.with_xyz(hands.xyz + shift), protocol)
    assert found.auc == pytest.approx(step_auc(errors, PROTOCOLS[protocol].steps), abs=1e-9)
    assert found.mean_mm == pytest.approx(errors.mean(), abs=1e-2)
    assert found.median_mm == pytest.approx(np.median(errors), abs=1e-2)
    assert found.pck[25] == pytest.approx(np.mean(errors <= 25)) and found.pck[50] == pytest.approx(17 / 21)


@pytest.mark.parametrize('protocol', ['reference', 'root-scale'])
@pytest.mark.parametrize('name', WHOLE)
def test_a_turned_hand_keeps_its_error(name, protocol, samples):
    hands = perfect(name, samples(name))
    angle = 0.4
    turned = hands.xyz @ Rotation.from_rotvec((0, 0, angle)).as_matrix().T.astype(np.float32)
    radius = np.linalg.norm(hands.true_m[:, :, :2] - hands.true_m[:, 9:10, :2], axis=2)
    found = score(hands.with_xyz(turned), protocol)
    assert found.mean_mm == pytest.approx(1000 * (2 * np.sin(angle / 2) * radius).mean(), rel=1e-3)
    assert found.pa_mm < 0.01, 'which the best similarity takes away'


@pytest.mark.parametrize('name', DEXTER)
def test_tips_are_compared_in_the_frame_of_their_protocol(name, samples):
    """The peer's frame is the depth camera's; the truth is written there by the fixture, independently."""
    found = samples(name)
    hands = perfect(name, found)
    assert score(hands, 'root-scale').mean_mm < 0.01
    motion = dexter.DO_DEPTH_TO_COLOR if name == 'dexter_object' else dexter.EO_DEPTH_TO_COLOR
    view = scenes('do', dexter.SIZE, (('left',),), 4, seed=100, distance=0.4)
    if name == 'ego_dexter':
        view = scenes('eo', dexter.SIZE, (('left',),), 4, seed=120, distance=0.45)
    # Which scene each frame shows, see native_layouts.examples.
    shown = [0, 1] + [1 if name == 'dexter_object' else 0] * (len(found) - 2)
    xyz = hands.xyz.copy()
    for i, scene in enumerate(shown):
        xyz[i, TIPS] = dexter.depth_tips(view[scene].hands[0], motion) / 1000 / UNIT
    reference = score(hands.with_xyz(xyz), 'reference')
    assert reference.mean_mm < 0.01 and reference.auc == 1
    assert reference.points == int(hands.labelled.sum()) and reference.frames == len(hands)
    assert 0.1 < score(hands, 'reference').mean_mm < 3, 'the cameras are turned by a degree against each other'
    by_depth = perfect(name, found, camera='depth')
    truth = by_depth.true_m.copy()
    truth[:, TIPS] = xyz[:, TIPS] * UNIT
    truth[~hands.labelled] = np.nan
    again = score(type(by_depth)(**{**vars(by_depth), 'true_m': truth, 'xyz': xyz}), 'reference')
    assert again.mean_mm < 0.01, 'read with camera=depth nothing is left to be turned'


@pytest.mark.parametrize('name', DEXTER)
def test_turned_tips_keep_their_error(name, samples):
    """A turn about the centroid keeps centroid and mean distance, so nothing of it is aligned away."""
    hands = perfect(name, samples(name))
    angle = 0.5
    turned = hands.xyz @ Rotation.from_rotvec((0, 0, angle)).as_matrix().T.astype(np.float32)
    known = hands.labelled
    errors = 1000 * 2 * np.sin(angle / 2) * np.linalg.norm(hands.xyz[..., :2], axis=2)[known] * UNIT
    found = score(hands.with_xyz(2 * turned + 1), 'root-scale')
    assert found.mean_mm == pytest.approx(errors.mean(), rel=1e-3) and found.points == known.sum()
    assert found.auc == pytest.approx(step_auc(errors, 16), abs=2e-3)


def peers_score(predicted, truth, tips):
    """Fact sheet 6.1 and 6.2 word by word: lists of samples per slot, one hand, one joint, one threshold at a time."""
    samples = {}
    for pred, true in zip(predicted, truth):
        if tips:
            chosen = [j for j in TIPS if not np.isnan(true[j][0])]
            if len(chosen) < 2:
                continue
            pred, true = pred[chosen], true[chosen]
            pred_middle, true_middle = sum(pred) / len(pred), sum(true) / len(true)
            pred_size = np.mean([np.linalg.norm(p - pred_middle) for p in pred])
            true_size = np.mean([np.linalg.norm(p - true_middle) for p in true])
            aligned = [(p - pred_middle) * true_size / pred_size + true_middle for p in pred]
        else:
            ratio = np.linalg.norm(true[0] - true[9]) / np.linalg.norm(pred[0] - pred[9])
            aligned = [true[9] + ratio * (p - pred[9]) for p in pred]
        for slot, (a, b) in enumerate(zip(aligned, true)):
            samples.setdefault(slot, []).append(1000 * np.linalg.norm(a - b))
    thresholds = [20 + 30 * i / 14 for i in range(15)]
    areas = []
    for distances in samples.values():
        heights = [sum(d <= t for d in distances) / len(distances) for t in thresholds]
        trapezia = [(heights[i] + heights[i + 1]) / 2 * (thresholds[i + 1] - thresholds[i]) for i in range(14)]
        areas.append(sum(trapezia) / 30)
    return sum(areas) / len(areas), sum(map(len, samples.values()))


@pytest.mark.parametrize('noise', [0.15, 0.3, 0.6])
@pytest.mark.parametrize('dataset', ['rhd', 'stb', *DEXTER])
def test_reference_is_what_the_peer_does(dataset, noise, rng):
    options = {'camera': 'depth', 'labels': 'edited'} if dataset in DEXTER else {}
    hands = made_up(rng, 60, dataset, noise, **options)
    found = score(hands, 'reference')
    auc, points = peers_score(hands.xyz.astype(float), hands.true_m.astype(float), dataset in DEXTER)
    assert found.auc == pytest.approx(auc, abs=1e-12) and 0.05 < auc < 1
    assert found.points == points and not found.notes
    assert found.left_out == (hands.labelled.sum(axis=1) < 2).sum() >= (2 if dataset in DEXTER else 0)


def test_tips_move_up_in_reference_alone(rng):
    """Every second frame lacks its thumb, and only the index is wrong: by how it is filed, other columns suffer."""
    hands = made_up(rng, 40, 'dexter_object', camera='depth')
    true, xyz = hands.true_m.copy(), hands.xyz.copy()
    true[:, TIPS] = rng.normal(0, 0.05, (40, 5, 3)) + (0, 0, 0.5)
    xyz[:, TIPS] = true[:, TIPS] / 0.09
    xyz[:, 8] += rng.normal(0, 1.0, (40, 3))
    true[::2, 4] = np.nan
    hands = type(hands)(**{**vars(hands), 'true_m': true, 'xyz': xyz})
    reference, points = (PROTOCOLS[name].prepare(hands).counted.sum(axis=0) for name in ('reference', 'root-scale'))
    assert reference.tolist() == [40, 40, 40, 40, 20] and points.tolist() == [20, 40, 40, 40, 40]
    assert score(hands, 'reference').auc != pytest.approx(score(hands, 'root-scale').auc, abs=1e-4)


def test_hidden_keypoints_count(rng):
    hands = made_up(rng, 10, noise=0.3)
    hidden = type(hands)(**{**vars(hands), 'visible': np.zeros((10, 21), bool)})
    for name in PROTOCOLS:
        assert score(hidden, name).points == 210
        assert score(hidden, name).auc == score(hands, name).auc


def test_averages_are_as_the_protocols_say(rng):
    """One tip is labelled in one frame only; over joints it counts as much as each other one."""
    hands = made_up(rng, 20, 'dexter_object', noise=0.8, camera='depth')
    true = hands.true_m.copy()
    true[:, TIPS] = rng.normal(0, 0.05, (20, 5, 3)) + (0, 0, 0.5)
    true[1:, 20] = np.nan
    hands = type(hands)(**{**vars(hands), 'true_m': true})
    assert score(hands, 'root-scale').points == 81
    by_joint = PROTOCOLS['reference'].prepare(hands)
    errors = np.linalg.norm(by_joint.predicted - by_joint.truth, axis=2)
    shares = [(errors[by_joint.counted[:, j], j] <= 30).mean() for j in range(5)]
    assert score(hands, 'reference').pck[30] == pytest.approx(np.mean(shares))
    assert score(hands, 'root-scale').pck[30] == pytest.approx((errors[by_joint.counted] <= 30).mean())


def test_hands_are_placed_as_the_tracker_does(rng):
    hands = _in_view_axes(made_up(rng, 30, noise=0.1))
    uv = hands.uv + rng.normal(0, 3, hands.uv.shape)
    confidence = rng.uniform(0, 1, (30, 21))
    lengths = rng.uniform(0.07, 0.1, 30)
    placed = place_hands(hands.camera_xyz, uv, confidence, hands.intrinsics, lengths)
    for i in range(30):
        camera = CameraModel(0, 0, hands.intrinsics[i], [])
        turn = view_rotation(camera.normalize(hands.crops[i][None, :2])[0])
        points = (hands.xyz[i] - hands.xyz[i, 0]) @ turn.T * lengths[i]
        wrist = place_hand(camera.normalize(uv[i]), points, np.maximum(confidence[i], 0.02))[0]
        np.testing.assert_allclose(placed[i], points + wrist, atol=1e-6)


def test_wild_hands_and_missing_pixels_are_placed_as_the_tracker_does(rng):
    """Where the fit is still under way after the last turn, and where a keypoint has no pixel."""
    hands = made_up(rng, 20)
    uv = rng.uniform(0, 640, hands.uv.shape)
    uv[0] = hands.uv[0]
    uv[0, 5] = np.nan
    placed = place_hands(hands.xyz, uv, hands.confidence, hands.intrinsics, np.full(20, 0.09))
    for i in range(20):
        camera = CameraModel(0, 0, hands.intrinsics[i], [])
        points = (hands.xyz[i] - hands.xyz[i, 0]) * 0.09
        wrist = place_hand(camera.normalize(uv[i]), points, np.maximum(hands.confidence[i], 0.02))[0]
        np.testing.assert_allclose(placed[i], points + wrist, atol=1e-6)


def test_pixels_that_fix_no_place_are_a_large_error(rng):
    hands = made_up(rng, 5)
    uv = hands.uv.copy()
    uv[2] = 50.0
    xyz = hands.xyz.copy()
    xyz[3] = 0
    placed = place_hands(xyz, uv, hands.confidence, hands.intrinsics, np.full(5, 0.09))
    assert np.isfinite(placed).all()
    found = score(type(hands)(**{**vars(hands), 'uv': uv, 'xyz': xyz}), 'absolute')
    assert found.points == 105 and found.mean_mm > 50


@pytest.mark.parametrize(
    ('dataset', 'protocol', 'says'),
    [
        ('dexter_object', 'absolute', 'labels tips only'),
        ('ego_dexter', 'absolute', 'labels tips only'),
        ('rhd', 'relative', 'choose one of reference, root-scale, absolute'),
    ],
)
def test_protocols_without_a_meaning_say_so(dataset, protocol, says, rng):
    with pytest.raises(ProtocolError, match=says):
        score(made_up(rng, 4, dataset), protocol)


def test_what_a_protocol_needs_is_named(rng):
    hands = made_up(rng, 4)
    flat = type(hands)(**{**vars(hands), 'true_m': np.full((4, 21, 3), np.nan)})
    for name in PROTOCOLS:
        with pytest.raises(ProtocolError, match='has no 3D labels'):
            score(flat, name)
    without_camera = type(hands)(**{**vars(hands), 'intrinsics': np.full((4, 3, 3), np.nan)})
    with pytest.raises(ProtocolError, match='gives no intrinsics'):
        score(without_camera, 'absolute')
    relative = type(hands)(**{**vars(hands), 'true_m': hands.true_m - hands.true_m[:, 9:10]})
    with pytest.raises(ProtocolError, match='in the camera frame'):
        score(relative, 'absolute')
    without_pixels = type(hands)(**{**vars(hands), 'uv': np.full((4, 21, 2), np.nan)})
    with pytest.raises(ProtocolError, match='hold no pixels'):
        score(without_pixels, 'absolute')
    few = type(hands)(
        **{**vars(hands), 'intrinsics': np.where(np.arange(4)[:, None, None] < 3, hands.intrinsics, np.nan)}
    )
    assert score(few, 'absolute').left_out == 1
    assert find_protocol('reference').steps == 15


def test_original_labels_are_remarked_on(rng):
    assert 'edited by hand' in score(made_up(rng, 10, 'ego_dexter'), 'reference').notes[0]


def test_the_curve_is_in_steps_of_a_millimetre(rng):
    found = score(made_up(rng, 30, noise=0.3), 'reference')
    assert CURVE_MM.tolist() == list(range(51)) and (np.diff(found.curve) >= 0).all()
    assert found.curve[0] == pytest.approx(1 / 21), 'the middle MCP'
    assert found.auc_from_0 == pytest.approx(np.trapezoid(found.curve, CURVE_MM) / 50)
    assert {t: found.curve[t] for t in found.pck} == pytest.approx(found.pck)


def test_pixels_are_shares_of_the_box(rng):
    hands = made_up(rng, 6)
    side = np.ptp(hands.true_uv, axis=1).max(axis=1)
    moved = type(hands)(**{**vars(hands), 'uv': hands.true_uv + 0.15 * side[:, None, None] * (0.6, 0.8)})
    found = score_pixels(moved)
    assert (found.mean_error, found.pck_01, found.pck_02) == pytest.approx((0.15, 0, 1), abs=1e-4)
    assert (found.frames, found.points) == (6, 126)
    assert score_pixels(made_up(rng, 6, 'dexter_object')) is None


def test_acc_hm_is_the_peers_share_within_the_crop(rng):
    """Crops of 256 pixels: 12.8 of them are the 6.4 that decide. Joints left of the second cell do not count."""
    hands = made_up(rng, 8)
    uv = rng.uniform(320, 440, (8, 21, 2))
    crops = np.tile((380.0, 380.0, 256.0), (8, 1))
    uv[:, 3] = (256, 380)  # 124 pixels left of the middle: crop pixel 1.5, for left hands 125.5
    found = np.where(np.arange(21)[:, None] % 2, uv + (12.7, 0), uv + (0, 12.9))
    sides = np.array([0] * 4 + [1] * 4)
    hands = type(hands)(**{**vars(hands), 'uv': found, 'true_uv': uv, 'crops': crops, 'sides': sides})
    assert score_pixels(hands).acc_hm == pytest.approx(10 / 21)
    only_right = hands.take(sides == 0)
    assert score_pixels(only_right).acc_hm == pytest.approx(9 / 20)
    nowhere = type(hands)(**{**vars(hands), 'crops': np.full((8, 3), np.nan)})
    assert score_pixels(nowhere).acc_hm is None


def test_ten_thousand_hands_take_less_than_two_seconds(rng):
    hands = made_up(rng, 10_000, noise=0.2)
    for name in PROTOCOLS:
        score(hands.take(np.arange(4)), name)  # compiles
    start = time.process_time()
    for name in PROTOCOLS:
        score(hands, name)
    score_pixels(hands)
    assert time.process_time() - start < 2, 'all three protocols and 2D'
