"""Keypoints → articulated metric hand."""

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
        estimator = PoseEstimator(PoseConfig(side=side), model)
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


def test_wrist_covariance_is_calibrated():
    """Noise of the configured size on pixels and hand length, exact xyz: 68 % of errors within one sigma."""
    rng = np.random.default_rng(2)
    inside = []
    for _ in range(300):
        model, betas, _, points = a_pose(rng)
        wrist = rng.uniform((-0.1, -0.1, 0.35), (0.1, 0.1, 0.8))
        keypoints = seen(points, wrist, PLAIN)
        box = np.ptp(keypoints.uv, axis=0).max()
        noisy = keypoints.uv + rng.normal(size=(21, 2)) * 0.02 * box / np.sqrt(0.9)
        estimator = PoseEstimator(PoseConfig(keypoint_sigma=0.02, hand_length_sigma=0.05, xyz_sigma=1e-4), model)
        shape = HandShape(betas, LENGTH * (1 + 0.05 * rng.normal()))
        state = estimator.update(Keypoints('right', 0.0, 0.9, noisy, keypoints.xyz, keypoints.confidence), shape, PLAIN)
        inside.append(np.abs(state.wrist_position - wrist) < np.sqrt(np.diag(state.wrist_covariance)[:3]))
    assert np.mean(inside, axis=0) == pytest.approx(0.683, abs=0.08)


def test_smoothing_steadies_a_hand_at_rest():
    rng = np.random.default_rng(4)
    model, betas, _, points = a_pose(rng)
    spread = {}
    for smoothing in (False, True):
        noise = np.random.default_rng(5)
        estimator = PoseEstimator(PoseConfig(smoothing=smoothing), model)
        states = []
        for i in range(150):
            keypoints = seen(points + noise.normal(size=points.shape) * 0.001, (0, 0, 0.5), PLAIN, i / 30)
            states.append(estimator.update(keypoints, HandShape(betas, LENGTH), PLAIN))
        places = np.array([state.wrist_position for state in states[50:]])
        angles = np.array([state.angles for state in states[50:]])
        spread[smoothing] = places.std(axis=0).mean(), angles.std(axis=0).mean()
    assert spread[True][0] < 0.5 * spread[False][0]
    assert spread[True][1] < 0.5 * spread[False][1]


def test_comes_back_without_a_jump_through_stale_filters():
    model, betas, rotations, points = a_pose(np.random.default_rng(6))
    estimator = PoseEstimator(PoseConfig(lost_timeout=0.3), model)
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
    estimator = PoseEstimator(PoseConfig(), model)
    shape = HandShape(betas, LENGTH)
    estimator.update(seen(points, (0.2, 0, 0.7), PLAIN, 100.0), shape, PLAIN)
    state = estimator.update(seen(points, (-0.2, 0, 0.4), PLAIN, 1.0), shape, PLAIN)
    assert np.allclose(state.wrist_position, (-0.2, 0, 0.4), atol=1e-6)
    estimator.miss(0.5)
    assert estimator.lost


@pytest.mark.parametrize('spoil', ['nan', 'no palm', 'behind', 'elsewhere'])
def test_keypoints_that_cannot_be_a_hand_give_none(spoil):
    model, betas, _, points = a_pose(np.random.default_rng(8), wrist=np.eye(3))
    good = seen(points, (0, 0, 0.5), PLAIN)
    uv, xyz = good.uv.copy(), good.xyz.copy()
    if spoil == 'nan':
        xyz[3] = np.nan
    elif spoil == 'no palm':
        xyz[9] = xyz[0]
    elif spoil == 'behind':
        uv = 2 * uv.mean(axis=0) - uv
    else:
        uv = np.random.default_rng(0).permutation(uv)
    estimator = PoseEstimator(PoseConfig(), model)
    bad = Keypoints('right', 0.0, 0.9, uv, xyz, good.confidence)
    assert estimator.update(bad, HandShape(betas, LENGTH), PLAIN) is None
    assert estimator.lost


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
