"""Keypoints → articulated metric hand."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from toy_hand import ToyHand, pose_keypoints

from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS
from minimal_hand_core.pose import ANATOMICAL_LIMITS, JointAxes, joint_angles, rotations_from_angles
from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking import CameraModel, Keypoints, PoseConfig, PoseEstimator
from minimal_hand_core.tracking.kinematics import articulate
from minimal_hand_core.tracking.state import UNKNOWN_VARIANCE
from minimal_hand_core.tracking.wrist import rotation_covariance
from minimal_hand_core.weights import ASSETS

LENGTH = 0.095
PLAIN = CameraModel(640, 480, [600, 0, 320, 0, 600, 240, 0, 0, 1], [])
LENS = CameraModel(640, 480, [600, 0, 320, 0, 600, 240, 0, 0, 1], [-0.2, 0.05, 0.001, 0.0, 0.0])


def a_pose(rng, side='right', wrist=None):
    """A pose of the toy hand: model, betas, rotations (16, 3, 3), keypoints (21, 3) in metres from the wrist."""
    model = ToyHand(side)
    betas = rng.normal(size=10) * 0.5
    rest = model.rest(betas[None])[0]
    axes = JointAxes.from_keypoints(rest, side)
    turn = Rotation.random(random_state=rng).as_matrix() if wrist is None else wrist
    angles = rng.uniform(*ANATOMICAL_LIMITS.T)
    rotations = np.asarray(rotations_from_angles(angles, axes, turn))
    scaled = rest * (LENGTH / np.linalg.norm(rest[9] - rest[0]))
    points = pose_keypoints(scaled[None], rotations[None])[0]
    return model, betas, rotations, points - points[0]


def seen(points, wrist, camera, stamp=0.0, side='right'):
    """The Keypoints of a perfect network."""
    uv = camera.project(points + wrist)
    xyz = (points - points[9]) / np.linalg.norm(points[9] - points[0])
    return Keypoints(side, stamp, 0.9, uv, xyz, np.full(21, 0.9))


def test_articulate_is_forward_kinematics():
    rng = np.random.default_rng(0)
    model = ToyHand()
    rest = model.rest(rng.normal(size=(1, 10)))
    rotations = Rotation.random(16, random_state=1).as_matrix()
    expected = pose_keypoints(rest, rotations[None])[0]
    assert np.allclose(articulate(rest[0], rotations), expected - expected[0])


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('camera', [PLAIN, LENS], ids=['plain', 'lens'])
def test_recovers_a_perfectly_seen_hand(side, camera):
    rng = np.random.default_rng(3)
    for _ in range(5):
        model, betas, rotations, points = a_pose(rng, side)
        wrist = rng.uniform((-0.1, -0.08, 0.4), (0.1, 0.08, 0.7))
        estimator = PoseEstimator(PoseConfig(side=side, keypoint_scale=1.0), model)
        state = estimator.update(seen(points, wrist, camera, side=side), HandShape(betas, LENGTH), camera)
        assert np.allclose(state.wrist_position, wrist, atol=1e-6)
        assert np.allclose(state.keypoints_m, points + wrist, atol=1e-6)
        assert np.allclose(state.wrist_rotation, rotations[0], atol=1e-6)
        axes = JointAxes.from_keypoints(model.rest(betas[None])[0], side)
        assert np.allclose(state.angles, joint_angles(rotations, axes), atol=1e-5)
        assert np.allclose(np.linalg.det(state.rotations), 1)
        assert state.metric and state.side == side and state.hand_length == LENGTH and state.timings['pose'] > 0


def test_without_a_camera_the_hand_is_relative_to_its_wrist():
    model, betas, _, points = a_pose(np.random.default_rng(0))
    keypoints = seen(points, (0, 0, 0.5), PLAIN)
    state = PoseEstimator(PoseConfig(), model).update(keypoints, HandShape(betas, LENGTH))
    assert not state.metric
    assert (state.wrist_position == 0).all() and np.allclose(state.keypoints_m, points, atol=1e-9)
    assert (np.diag(state.wrist_covariance)[:3] == UNKNOWN_VARIANCE).all()
    assert (np.diag(state.wrist_covariance)[3:] < 1).all()
    palm = points[[1, 5, 9, 13, 17]]
    independent = rotation_covariance(palm, PoseConfig().xyz_sigma * LENGTH)
    turns = np.diag(state.wrist_covariance)[3:]
    assert (turns > 2 * np.diag(independent)).all(), 'networks tilt the palm as a whole'


def test_bones_keep_their_lengths_under_noise():
    rng = np.random.default_rng(1)
    model, betas, _, points = a_pose(rng)
    estimator = PoseEstimator(PoseConfig(), model)
    rest = model.rest(betas[None])[0]
    rest = rest * LENGTH / np.linalg.norm(rest[9] - rest[0])
    wanted = np.linalg.norm(rest - rest[list(KEYPOINT_PARENTS)], axis=1)
    for i in range(10):
        keypoints = seen(points + rng.normal(size=points.shape) * 0.004, (0, 0, 0.5), PLAIN, i / 30)
        state = estimator.update(keypoints, HandShape(betas, LENGTH), PLAIN)
        bones = np.linalg.norm(state.keypoints_m - state.keypoints_m[list(KEYPOINT_PARENTS)], axis=1)
        assert np.allclose(bones, wanted)


def test_filters_steady_a_hand_at_rest():
    rng = np.random.default_rng(4)
    model, betas, _, points = a_pose(rng)
    spread = {}
    for kind in ('none', 'one_euro', 'kalman'):
        noise = np.random.default_rng(5)
        estimator = PoseEstimator(PoseConfig(filter=kind), model)
        states = []
        for i in range(70):
            keypoints = seen(points + noise.normal(size=points.shape) * 0.001, (0, 0, 0.5), PLAIN, i / 30)
            states.append(estimator.update(keypoints, HandShape(betas, LENGTH), PLAIN))
        places = np.array([state.wrist_position for state in states[25:]])
        angles = np.array([state.angles for state in states[25:]])
        spread[kind] = places.std(axis=0).mean(), angles.std(axis=0).mean()
    for kind in ('one_euro', 'kalman'):
        assert spread[kind][0] < 0.5 * spread['none'][0]
        assert spread[kind][1] < 0.5 * spread['none'][1]


def test_comes_back_without_a_jump_through_stale_filters():
    model, betas, rotations, points = a_pose(np.random.default_rng(6))
    estimator = PoseEstimator(PoseConfig(lost_timeout=0.3, keypoint_scale=1.0), model)
    shape = HandShape(betas, LENGTH)
    estimator.update(seen(points, (0.2, 0, 0.7), PLAIN, 0.0), shape, PLAIN)
    assert not estimator.lost
    estimator.miss(0.2)
    assert not estimator.lost
    estimator.miss(0.4)
    assert estimator.lost
    state = estimator.update(seen(points, (-0.2, 0, 0.4), PLAIN, 0.43), shape, PLAIN)
    assert np.allclose(state.wrist_position, (-0.2, 0, 0.4), atol=1e-6)
    assert not estimator.lost


def test_time_running_backwards_starts_afresh():
    model, betas, _, points = a_pose(np.random.default_rng(7))
    estimator = PoseEstimator(PoseConfig(keypoint_scale=1.0), model)
    shape = HandShape(betas, LENGTH)
    estimator.update(seen(points, (0.2, 0, 0.7), PLAIN, 100.0), shape, PLAIN)
    state = estimator.update(seen(points, (-0.2, 0, 0.4), PLAIN, 1.0), shape, PLAIN)
    assert np.allclose(state.wrist_position, (-0.2, 0, 0.4), atol=1e-6)
    estimator.miss(0.5)
    assert estimator.lost


@pytest.mark.parametrize('kind', ['one_euro', 'kalman'])
def test_after_a_gap_without_pictures_the_filters_start_afresh(kind):
    model, betas, _, points = a_pose(np.random.default_rng(7))
    estimator = PoseEstimator(PoseConfig(lost_timeout=0.3, filter=kind, keypoint_scale=1.0), model)
    shape = HandShape(betas, LENGTH)
    estimator.update(seen(points, (0.2, 0, 0.7), PLAIN, 0.0), shape, PLAIN)
    state = estimator.update(seen(points, (0.21, 0, 0.7), PLAIN, 0.35), shape, PLAIN)
    assert np.allclose(state.wrist_position, (0.21, 0, 0.7), atol=1e-6)


@pytest.mark.parametrize('spoil', ['nan', 'no palm', 'huge', 'behind', 'elsewhere'])
def test_keypoints_that_cannot_be_a_hand_give_none(spoil):
    model, betas, _, points = a_pose(np.random.default_rng(8), wrist=np.eye(3))
    good = seen(points, (0, 0, 0.5), PLAIN)
    uv, xyz = good.uv.copy(), good.xyz.copy()
    if spoil == 'nan':
        xyz[3] = np.nan
    elif spoil == 'no palm':
        xyz[9] = xyz[0]
    elif spoil == 'huge':
        xyz[7] = 1e30
    elif spoil == 'behind':
        uv = 2 * uv.mean(axis=0) - uv
    else:
        uv = np.random.default_rng(0).permutation(uv)
    estimator = PoseEstimator(PoseConfig(), model)
    bad = Keypoints('right', 0.0, 0.9, uv, xyz, good.confidence)
    assert estimator.update(bad, HandShape(betas, LENGTH), PLAIN) is None
    assert estimator.lost


@pytest.mark.parametrize('spoil', ['short palm', 'far finger'])
def test_xyz_that_no_hand_has_gives_none_without_a_camera_too(spoil):
    model, betas, _, points = a_pose(np.random.default_rng(8))
    bad = seen(points, (0, 0, 0.5), PLAIN)
    if spoil == 'short palm':
        bad.xyz[0] = bad.xyz[9] - (0.05, 0, 0)
    else:
        bad.xyz[7] = (0, 0, 40)
    estimator = PoseEstimator(PoseConfig(), model)
    assert estimator.update(bad, HandShape(betas, LENGTH)) is None
    assert estimator.lost


@pytest.mark.parametrize('kind', ['one_euro', 'kalman'])
@pytest.mark.parametrize('part', ['uv', 'xyz'])
def test_one_impossible_picture_does_not_spoil_the_next(kind, part):
    model, betas, _, points = a_pose(np.random.default_rng(8), wrist=np.eye(3))
    estimator = PoseEstimator(PoseConfig(filter=kind, keypoint_scale=1.0), model)
    shape = HandShape(betas, LENGTH)
    for i in range(3):
        before = estimator.update(seen(points, (0, 0, 0.5), PLAIN, i / 30), shape, PLAIN)
    spoilt = seen(points, (0, 0, 0.5), PLAIN, 3 / 30)
    getattr(spoilt, part)[5:8] = 1e30
    assert estimator.update(spoilt, shape, PLAIN) is None
    after = estimator.update(seen(points, (0, 0, 0.5), PLAIN, 4 / 30), shape, PLAIN)
    assert np.allclose(after.keypoints_m, before.keypoints_m, atol=1e-6)


def test_the_wrong_side_is_named():
    model, betas, _, points = a_pose(np.random.default_rng(0))
    with pytest.raises(ValueError, match='hand model is right, side is left'):
        PoseEstimator(PoseConfig(side='left'), model)
    keypoints = seen(points, (0, 0, 0.5), PLAIN, side='left')
    with pytest.raises(ValueError, match='left hand, side is right'):
        PoseEstimator(PoseConfig(), model).update(keypoints, HandShape(betas, LENGTH))


@pytest.mark.parametrize(
    'settings, said',
    [
        ({'side': 'middle'}, "side is 'middle'"),
        ({'hand_length': 9.0}, 'hand_length is 9.0; give 0.03…0.15 m'),
        ({'lost_timeout': -1}, 'lost_timeout is -1'),
        ({'wrist_min_cutoff': 0.0}, 'wrist_min_cutoff is 0.0'),
        ({'xyz_sigma': float('inf')}, 'xyz_sigma is inf'),
    ],
)
def test_bad_settings_are_named(settings, said):
    with pytest.raises(ValueError, match=said):
        PoseConfig(**settings)


def test_limits_change_without_the_weights_being_read_again(tmp_path):
    weights = tmp_path / 'iknet.safetensors'
    shutil.copyfile(ASSETS / 'iknet.safetensors', weights)
    estimator = PoseEstimator(PoseConfig(pose_method='iknet', pose_weights=str(weights)))
    weights.unlink()
    estimator.reconfigure(replace(estimator.config, pose_limits=False))
    assert not estimator.config.pose_limits and not estimator._solve.limits


@pytest.mark.parametrize('kind', ['one_euro', 'kalman'])
def test_parameters_change_while_running_without_a_jump(kind):
    rng = np.random.default_rng(9)
    model, betas, _, points = a_pose(rng)
    shape = HandShape(betas, LENGTH)
    running, untouched = (PoseEstimator(PoseConfig(filter=kind), model) for _ in range(2))
    for i in range(20):
        keypoints = seen(points + rng.normal(size=points.shape) * 0.0005, (0, 0, 0.5), PLAIN, i / 30)
        for estimator in (running, untouched):
            before = estimator.update(keypoints, shape, PLAIN)
    changed = PoseConfig(filter=kind, wrist_min_cutoff=0.5, wrist_noise=0.002, lost_timeout=0.1, xyz_sigma=0.09)
    running.reconfigure(changed)
    assert running.config is changed
    keypoints = seen(points, (0, 0, 0.5), PLAIN, 20 / 30)
    a, b = (estimator.update(keypoints, shape, PLAIN) for estimator in (running, untouched))
    assert 0 < np.abs(a.wrist_position - b.wrist_position).max() < 0.001
    assert np.abs(a.wrist_position - before.wrist_position).max() < 0.002
    running.miss(0.8)
    assert running.lost and not untouched.lost


@pytest.mark.parametrize(
    'settings, said',
    [({'side': 'left'}, 'side'), ({'model': 'other.npz'}, 'model'), ({'pose_method': 'iknet'}, 'pose_method')],
)
def test_what_cannot_change_while_running_is_refused(settings, said):
    model, *_ = a_pose(np.random.default_rng(0))
    estimator = PoseEstimator(PoseConfig(), model)
    before = estimator.config
    with pytest.raises(ValueError, match=f'{said} cannot change'):
        estimator.reconfigure(PoseConfig(**settings))
    assert estimator.config is before


@pytest.mark.parametrize('kind', ['one_euro', 'kalman'])
def test_pictures_without_times_are_posed_one_by_one(kind):
    model, betas, _, points = a_pose(np.random.default_rng(7))
    estimator = PoseEstimator(PoseConfig(keypoint_scale=1.0, filter=kind), model)
    shape = HandShape(betas, LENGTH)
    for place in ((0.2, 0, 0.7), (0.1, 0, 0.6), (-0.2, 0, 0.4)):
        state = estimator.update(seen(points, place, PLAIN, 0.0), shape, PLAIN)
        assert np.allclose(state.wrist_position, place, atol=1e-6)


@pytest.mark.parametrize('kind', ['one_euro', 'kalman', 'none'])
def test_the_place_is_forgotten_while_there_is_no_camera(kind):
    model, betas, _, points = a_pose(np.random.default_rng(6))
    shape = HandShape(betas, LENGTH)
    estimator = PoseEstimator(PoseConfig(filter=kind, keypoint_scale=1.0), model)
    for i in range(91):
        wrist, camera = (0.01 * min(max(i - 30, 0), 30), 0, 0.6), None if 30 < i <= 60 else PLAIN
        state = estimator.update(seen(points, wrist, PLAIN, i / 30), shape, camera)
        assert state.metric == (camera is not None)
        assert np.allclose(state.wrist_position, wrist if camera else 0, atol=1e-6), i
        assert np.allclose(state.keypoints_m - state.wrist_position, points, atol=1e-6), i


@pytest.mark.parametrize('kind', ['one_euro', 'kalman', 'none'])
def test_a_short_gap_is_bridged_and_a_long_one_forgotten(kind):
    model, betas, _, points = a_pose(np.random.default_rng(6))
    shape = HandShape(betas, LENGTH)
    estimator = PoseEstimator(PoseConfig(lost_timeout=0.3, filter=kind, keypoint_scale=1.0), model)
    for i in range(10):
        estimator.update(seen(points, (0.1, 0, 0.6), PLAIN, i / 30), shape, PLAIN)
    estimator.miss(0.5)
    assert not estimator.lost
    state = estimator.update(seen(points, (0.1, 0, 0.601), PLAIN, 0.55), shape, PLAIN)
    filtered = state.wrist_position[2] - 0.6
    assert filtered == pytest.approx(0.001, abs=1e-6) if kind == 'none' else 0 < filtered < 0.001
    estimator.miss(0.9)
    assert estimator.lost
    state = estimator.update(seen(points, (-0.1, 0, 0.4), PLAIN, 0.92), shape, PLAIN)
    assert np.allclose(state.wrist_position, (-0.1, 0, 0.4), atol=1e-3)
    again = estimator.update(seen(points, (-0.1, 0, 0.4), PLAIN, 0.95), shape, PLAIN)
    assert np.abs(again.wrist_position - state.wrist_position).max() < 1e-3, 'no old velocity'
