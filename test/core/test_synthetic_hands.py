"""Synthetic samples: exact labels, determinism, anatomy, and the command that writes them."""

import json
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from minimal_hand_core.data.synthetic import CENTRED, Backgrounds, SceneVariation, SyntheticHands, cli
from minimal_hand_core.data.synthetic.backgrounds import shrink
from minimal_hand_core.data.synthetic.chance import around, between
from minimal_hand_core.data.synthetic.cli import main
from minimal_hand_core.data.synthetic.collision import penetration, pose_keypoints, segment_gap
from minimal_hand_core.data.synthetic.labels import BEHIND_HAND, OUTSIDE, joint_visibility
from minimal_hand_core.data.synthetic.pose_kernel import turn_joints
from minimal_hand_core.data.synthetic.poses import FAMILIES, sample_angles, sample_view
from minimal_hand_core.data.synthetic.samples import ARM, OBJECT
from minimal_hand_core.data.synthetic.scenes import Studio
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.pose.angles import ANATOMICAL_LIMITS, JointAxes, joint_angles, rotations_from_angles


@pytest.fixture(scope='module')
def hands() -> SyntheticHands:
    return SyntheticHands(seed=3)


def test_labels_are_the_hand_models(hands: SyntheticHands) -> None:
    model = load_hand_model('open', 'right')
    axes = JointAxes.from_model(model)
    for i in range(12):
        sample = hands[i]
        out = model(
            torch.tensor(sample.rotations, dtype=torch.float32)[None],
            torch.tensor(sample.betas, dtype=torch.float32)[None],
        )
        keypoints = out.keypoints[0].detach().numpy()
        assert sample.keypoints_m is not None
        np.testing.assert_allclose(sample.keypoints_m - sample.keypoints_m[0], keypoints - keypoints[0], atol=1e-6)
        projected = sample.keypoints_m @ sample.intrinsics.T
        np.testing.assert_allclose(sample.keypoints_px, projected[:, :2] / projected[:, 2:], atol=1e-9)
        np.testing.assert_allclose(joint_angles(sample.rotations, axes), sample.angles, atol=1e-6)
        np.testing.assert_allclose(np.linalg.det(sample.rotations), 1, atol=1e-9)
        assert sample.side == 'right'
        assert sample.image.shape == (128, 128, 3)
        assert sample.image.dtype == np.uint8


def test_same_seed_same_sample_in_any_order_and_process(hands: SyntheticHands) -> None:
    other = pickle.loads(pickle.dumps(SyntheticHands(seed=3)))
    other[5]
    for i in (4, 0):
        first, second = hands[i], other[i]
        assert first.key == second.key
        for name in ('image', 'keypoints_px', 'keypoints_m', 'visible', 'betas', 'rotations', 'mask', 'depth'):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert (SyntheticHands(seed=4)[4].image != hands[4].image).any()
    assert (hands[1].image != hands[2].image).any()


@pytest.mark.parametrize(
    ('index', 'family', 'wrist', 'index_tip', 'middle_tip', 'colour', 'pixels', 'visibility'),
    [
        (0, 'count', (77.428, 106.155), (64.910, 25.654), (-0.04508, -0.06687, 0.39190), (212.15, 213.78, 215.79),
         2974, '222333333333333333333'),
        (1, 'any', (74.076, 122.652), (58.486, 27.887), (-0.03503, -0.03681, 0.24249), (138.43, 145.07, 152.10),
         3409, '333332333333333333333'),
        (5000, 'grasp', (95.615, 117.418), (10.872, 92.936), (-0.03607, 0.02415, 0.72848), (106.75, 114.44, 140.52),
         8624, '133223002332232223222'),
    ],
)  # fmt: skip
def test_a_seed_stands_for_the_same_hands_for_good(
    index: int, family: str, wrist: tuple, index_tip: tuple, middle_tip: tuple, colour: tuple, pixels: int,
    visibility: str,
) -> None:  # fmt: skip
    """Figures of test sets are published: what makes rendering faster must leave a seed's pictures what they are."""
    sample = SyntheticHands(seed=0)[index]
    assert sample.family == family
    np.testing.assert_allclose(sample.keypoints_px[[0, 8]], [wrist, index_tip], atol=1e-3)
    assert sample.keypoints_m is not None
    np.testing.assert_allclose(sample.keypoints_m[12], middle_tip, atol=1e-5)
    np.testing.assert_allclose(sample.image.mean(axis=(0, 1)), colour, atol=0.1)
    assert sample.mask.sum() == pytest.approx(pixels, abs=3)
    assert ''.join(map(str, sample.visibility)) == visibility


def test_quick_draws_are_numpys_own() -> None:
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    for low, high in ((0.3, 1.7), (-2.0, 5.0), (0.0, 1.0)):
        assert between(ours, low, high) == theirs.uniform(low, high)
        assert around(ours, low, high) == theirs.normal(low, high)


def test_quick_turns_are_the_angles_own() -> None:
    axes = JointAxes.from_model(load_hand_model('open', 'right'))
    rng = np.random.default_rng(4)
    for family in FAMILIES:
        angles = sample_angles(rng, family)
        np.testing.assert_allclose(
            turn_joints(angles, axes.flexion, axes.abduction), rotations_from_angles(angles, axes), atol=1e-12
        )


@pytest.mark.parametrize(('side', 'size'), [(129, 128), (200, 128), (256, 128), (100, 33)])
def test_backgrounds_shrink_to_the_mean_of_what_each_pixel_covers(side: int, size: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (270, 290, 3), dtype=np.uint8)
    square = shrink(picture, 7, 11, side, size)
    expected = cv2.resize(picture[7 : 7 + side, 11 : 11 + side], (size, size), interpolation=cv2.INTER_AREA)
    difference = np.abs(square.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.02


def test_a_centred_crop_is_the_networks() -> None:
    hands = SyntheticHands(seed=0, variation=CENTRED)
    for i in range(8):
        low, high = hands[i].keypoints_px.min(axis=0), hands[i].keypoints_px.max(axis=0)
        np.testing.assert_allclose((low + high) / 2, 63.5, atol=2.5)
        assert (high - low).max() == pytest.approx(128 / 1.5, rel=0.08)


def test_tight_crops_sit_nearly_on_the_hand_and_change_nothing_else() -> None:
    loose = SyntheticHands(seed=4, variation=SceneVariation(far=0.0, truncated=0.0))
    tight = SyntheticHands(seed=4, variation=SceneVariation(far=0.0, truncated=0.0, tight=1.0))
    off = []
    for i in range(24):
        points = tight[i].keypoints_px
        np.testing.assert_array_equal(tight[i].rotations, loose[i].rotations)
        low, high = points.min(axis=0), points.max(axis=0)
        off.append(np.abs((low + high) / 2 - 63.5).max() / 128)
        assert 0.82 * 0.92 < 128 / 1.5 / (high - low).max() < 1.07 * 1.08
    assert 0.01 < max(off) < 0.03 + 0.02
    assert min(np.ptp(loose[i].keypoints_px, axis=0).max() / (128 / 1.5) for i in range(24)) < 0.85


def test_stretched_pictures_are_cropped_alike_and_teach_no_3d() -> None:
    plain = SyntheticHands(seed=3, variation=CENTRED)
    wide = SyntheticHands(seed=3, variation=replace(CENTRED, stretched=1.0, stretched_by=0.6))
    ratios = []
    for i in range(12):
        sample = wide[i]
        assert sample.weight_3d == 0 and plain[i].weight_3d == 1
        np.testing.assert_array_equal(sample.rotations, plain[i].rotations)
        assert sample.intrinsics is not None
        ratios.append(np.log(sample.intrinsics[0, 0] / sample.intrinsics[1, 1]))
        # The longer side of the stretched hand, too, is two thirds of the crop (less what the small `stretch` adds).
        assert np.ptp(sample.keypoints_px, axis=0).max() == pytest.approx(128 / 1.5, rel=0.06)
    assert np.ptp(ratios) > 0.5
    assert np.abs(ratios).max() < 0.6 + 0.12


def test_joints_lie_on_the_hand(hands: SyntheticHands) -> None:
    seen, hit = 0, 0
    for i in range(20):
        sample = hands[i]
        assert (sample.visible == (sample.visibility >= BEHIND_HAND)).all()
        grown = cv2.dilate(sample.mask.astype(np.uint8), np.ones((5, 5), np.uint8))
        x, y = np.round(sample.keypoints_px[sample.visible]).astype(int).T
        seen += len(x)
        hit += int(grown[y, x].sum())
        outside = ((sample.keypoints_px < -0.5) | (sample.keypoints_px > 127.5)).any(axis=1)
        assert (sample.visibility[outside] == OUTSIDE).all()
        assert not sample.visible[outside].any()
    # The wrist may be under the sleeve's edge or beside the mask; the rest must be on it.
    assert hit / seen > 0.95


def test_objects_make_joints_invisible(hands: SyntheticHands) -> None:
    studio = Studio()
    sample = hands[0]
    assert sample.keypoints_m is not None
    parts = np.full((128, 128), OBJECT, np.uint8)
    depth = np.full((128, 128), 0.05, np.float32)
    from minimal_hand_core.data.synthetic.renderer import RenderedHand

    picture = RenderedHand(sample.image, parts == ARM, depth, parts)
    assert not (joint_visibility(picture, sample.keypoints_m, sample.keypoints_px) >= BEHIND_HAND).any()
    assert studio.renderer.num_vertices > 100


@pytest.mark.parametrize('family', FAMILIES)
def test_poses_stay_within_anatomical_limits(family: str) -> None:
    rng = np.random.default_rng(0)
    low, high = ANATOMICAL_LIMITS.T
    angles = np.stack([sample_angles(rng, family) for _ in range(200)])
    assert (angles >= low - 1e-12).all()
    assert (angles <= high + 1e-12).all()
    assert angles.std(axis=0).min() > 1e-3


def test_poses_hardly_penetrate() -> None:
    studio = Studio()
    rng = np.random.default_rng(0)
    surface = studio.renderer.surface
    rest = studio.model.rest_keypoints(torch.zeros(1, 10))[0].detach().numpy()
    depth = [
        penetration(pose_keypoints(rest, studio.pose(rng).rotations), surface.radii, surface.ignore) for _ in range(150)
    ]
    assert np.mean(np.array(depth) < 0.008) > 0.85
    assert max(depth) < 0.02


def test_pose_keypoints_follow_the_model() -> None:
    studio = Studio()
    pose = studio.pose(np.random.default_rng(5))
    _, keypoints = studio.mesh(pose.rotations, np.zeros(10))
    rest = studio.model.rest_keypoints(torch.zeros(1, 10))[0].detach().numpy()
    np.testing.assert_allclose(pose_keypoints(rest, pose.rotations), keypoints, atol=1e-5)


def test_segment_gap() -> None:
    a, b = np.array([0.0, 0, 0]), np.array([1.0, 0, 0])
    assert segment_gap(a, b, np.array([0.5, 0.3, -1]), np.array([0.5, 0.3, 1])) == pytest.approx(0.3)
    assert segment_gap(a, b, np.array([2.0, 0, 0]), np.array([3.0, 0, 0])) == pytest.approx(1.0)


def test_views_are_rotations_and_mostly_frontal() -> None:
    rng = np.random.default_rng(0)
    views = np.stack([sample_view(rng) for _ in range(500)])
    np.testing.assert_allclose(views @ views.transpose(0, 2, 1), np.broadcast_to(np.eye(3), views.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(views), 1, atol=1e-9)
    fingers_up = -views[:, :, 0][:, 1]  # model −x seen in the camera; up is −y
    palm_axis = np.abs(views[:, 2, 1])
    assert np.mean(fingers_up < 0) > 0.7
    assert np.mean(palm_axis > 0.6) > 0.6
    assert palm_axis.min() < 0.2


def test_truncation_and_far_crops_happen() -> None:
    hands = SyntheticHands(seed=1, variation=SceneVariation(truncated=1.0))
    assert min(sample.visible.sum() for sample in hands[:10]) < 21
    far = SyntheticHands(seed=1, variation=SceneVariation(far=1.0, truncated=0.0))
    assert all(np.ptp(sample.keypoints_px, axis=0).max() < 128 / 1.5 / 1.25 for sample in far[:5])


def test_backgrounds_are_split_and_read(tmp_path) -> None:
    for i in range(40):
        cv2.imwrite(str(tmp_path / f'{i:03d}.png'), np.full((40, 60, 3), i, np.uint8))
    everything = Backgrounds(tmp_path)
    train, test = Backgrounds(tmp_path, 'train'), Backgrounds(tmp_path, 'test')
    assert len(everything.files) == 40
    assert sorted(train.files + test.files) == everything.files
    assert test.files
    assert everything.sample(np.random.default_rng(0), 64).shape == (64, 64, 3)


def test_bad_backgrounds_are_named(tmp_path) -> None:
    with pytest.raises(ValueError, match='no folder'):
        Backgrounds(tmp_path / 'missing')
    with pytest.raises(ValueError, match='picture'):
        Backgrounds(tmp_path)
    with pytest.raises(ValueError, match='split'):
        Backgrounds(tmp_path, 'half')
    (tmp_path / 'broken.jpg').write_bytes(b'not a picture')
    with pytest.raises(ValueError, match=r'broken\.jpg'):
        Backgrounds(tmp_path).sample(np.random.default_rng(0), 32)


@pytest.mark.parametrize('options', [{'seed': -1}, {'seed': 0, 'size': 4}, {'seed': 0, 'length': -1}])
def test_bad_arguments_are_named(options: dict) -> None:
    with pytest.raises(ValueError, match='expected'):
        SyntheticHands(**options)
    with pytest.raises(IndexError):
        SyntheticHands(seed=0, length=3)[3]


def test_make_synthetic_writes_what_it_promises(tmp_path, capsys) -> None:
    folder = tmp_path / 'hands'
    assert main([str(folder), '-n', '3', '--size', '64', '--format', 'png', '--masks', '--seed', '9']) == 0
    labels = np.load(folder / 'labels.npz')
    records = json.loads((folder / 'labels.json').read_text())['samples']
    assert len(records) == 3
    expected = SyntheticHands(seed=9, size=64)[1]
    np.testing.assert_array_equal(cv2.imread(str(folder / records[1]['file'])), expected.image)
    np.testing.assert_array_equal(labels['keypoints_m'][1], expected.keypoints_m)
    assert (cv2.imread(str(folder / 'masks/0000001.png'), 0) > 0).sum() == expected.mask.sum()
    assert '3 pictures' in capsys.readouterr().err
    assert main([str(folder)]) == 2
    assert 'not empty' in capsys.readouterr().err


@pytest.mark.parametrize('done', [0, 2])
def test_an_interruption_keeps_what_was_made(tmp_path, capsys, monkeypatch, done: int) -> None:
    real, calls = cli._write, []

    def interrupted(path, image) -> None:
        calls.append(path)
        if len(calls) > done:
            raise KeyboardInterrupt
        real(path, image)

    monkeypatch.setattr(cli, '_write', interrupted)
    folder = tmp_path / 'hands'
    assert main([str(folder), '-n', '5', '--size', '64']) == 130
    said = capsys.readouterr().err.replace('\n', ' ')
    if not done:
        assert 'interrupted before the first picture' in said
        return
    assert 'interrupted; 2 of 5 pictures' in said
    assert np.load(folder / 'labels.npz')['keypoints_m'].shape == (2, 21, 3)
    assert len(json.loads((folder / 'labels.json').read_text())['samples']) == 2


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['-n', '0'], '--count'),
        (['--format', 'gif'], 'gif'),
        (['--backgrounds', '/nonexistent'], 'no folder'),
        (['--seed', '-1'], 'seed'),
        (['--split', 'bogus'], "--split: 'bogus' is of --backgrounds, which is not given"),
        (['--split', 'bogus', '--backgrounds', '.'], "split: unknown 'bogus', choose one of all, train, test"),
    ],
)
def test_make_synthetic_names_what_is_wrong(tmp_path, capsys, arguments: list, words: str) -> None:
    assert main([str(tmp_path / 'out'), *arguments]) == 2
    assert words in capsys.readouterr().err.replace('\n', ' ')


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'photos').mkdir()
    cv2.imwrite(str(tmp_path / 'photos' / 'a.png'), np.zeros((300, 300, 3), np.uint8))
    assert len(Backgrounds('~/photos').files) == 1
