"""Joint limits and twist of analytic inverse kinematics: exact within them, better under noise, off when off."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from test_pose_aik import assert_proper, place_like, random_pose
from toy_hand import ToyHand, pose_keypoints

from minimal_hand_core.evaluation.pose_methods import NOISES, FixedNoise, score_poses
from minimal_hand_core.pose import ANATOMICAL_LIMITS, JointAxes, joint_angles, rotations_from_angles, solve_pose
from minimal_hand_core.training.posed_hands import PoseSampler

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None)
HANDS = {side: ToyHand(side) for side in ('right', 'left')}
REST = HANDS['right'].rest(np.zeros((1, 10)))[0]
AXES = JointAxes.from_keypoints(REST)
LOW, HIGH = ANATOMICAL_LIMITS.T
WIDEST = np.tile([[-np.pi, np.pi], [-np.pi / 2, np.pi / 2], [-np.pi, np.pi], [-np.pi, np.pi]], (5, 1))


def limited(template, target, limits=ANATOMICAL_LIMITS):
    return solve_pose(template, target, limits=limits, axes=JointAxes.from_keypoints(template))


@FEW
@given(seed=SEEDS, side=st.sampled_from(['right', 'left']), unit=st.sampled_from([1.0, 1000.0, 0.01]))
def test_poses_within_the_limits_are_found_exactly(seed, side, unit):
    rng = np.random.default_rng(seed)
    template = HANDS[side].rest(rng.normal(size=(5, 10)))
    axes = JointAxes.from_keypoints(template, side)
    angles, wrists = random_pose(rng, 5)
    # Also at the very ends of the ranges.
    angles[0], angles[1] = LOW, HIGH
    truth = rotations_from_angles(angles, axes, wrists)
    target = pose_keypoints(template, truth) * unit + unit * rng.normal(size=(5, 1, 3))
    rotations = solve_pose(template, target, limits=ANATOMICAL_LIMITS, axes=axes)
    assert_proper(rotations)
    # Unlike the free solution, it has the truth's twist as well.
    np.testing.assert_allclose(rotations, truth, atol=1e-7)
    error = np.linalg.norm(pose_keypoints(template, rotations) - place_like(target, template), axis=-1)
    assert error.max() < 1e-8


@FEW
@given(seed=SEEDS)
def test_every_pose_of_the_chain_is_found_when_limits_are_as_wide_as_can_be(seed):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-1, 1, (5, 20)) * np.tile([3.0, 1.4, 3.0, 3.0], 5)
    target = pose_keypoints(np.repeat(REST[None], 5, 0), rotations_from_angles(angles, AXES))
    rotations = solve_pose(REST, target, limits=WIDEST, axes=AXES)
    np.testing.assert_allclose(joint_angles(rotations, AXES), angles, atol=1e-6)


@FEW
@given(seed=SEEDS, noise=st.floats(0, 0.05), mirrored=st.booleans(), narrow=st.floats(0, 1))
def test_no_angle_is_ever_beyond_its_limits(seed, noise, mirrored, narrow):
    rng = np.random.default_rng(seed)
    _, wrists = random_pose(rng, 20)
    target = np.einsum('bij,bkj->bki', wrists, REST + noise * rng.normal(size=(20, 21, 3)))
    if mirrored:
        target[..., 0] *= -1
    limits = narrow * ANATOMICAL_LIMITS
    rotations = solve_pose(REST, target, limits=limits, axes=AXES)
    assert_proper(rotations)
    angles = joint_angles(rotations, AXES)
    assert (angles >= limits[:, 0] - 1e-9).all() and (angles <= limits[:, 1] + 1e-9).all()
    # On the chain's manifold: no twist and no sideways bend anywhere.
    np.testing.assert_allclose(rotations_from_angles(angles, AXES, rotations[:, 0]), rotations, atol=1e-9)


def test_each_joint_stops_at_its_limit_and_the_next_makes_good_what_it_can():
    angles = np.zeros(20)
    angles[4] = np.radians(120)  # index MCP, 30° too far
    target = pose_keypoints(REST[None], rotations_from_angles(angles, AXES)[None])[0]
    found = np.degrees(joint_angles(limited(REST, target), AXES))
    assert found[4] == pytest.approx(90)
    assert 5 < found[6] < 80, 'the PIP joint bends on towards the target'
    np.testing.assert_allclose(found[[0, 1, 2, 3, 8, 9, 10, 11]], 0, atol=1e-7)


@pytest.mark.parametrize(('asked', 'given'), [(-170, 90), (-100, -25), (150, 90), (-30, -25)])
def test_the_nearer_end_of_a_range_is_taken_round_the_circle(asked, given):
    angles = np.zeros(20)
    angles[8] = np.radians(asked)
    target = pose_keypoints(REST[None], rotations_from_angles(angles, AXES)[None])[0]
    target[10:13] = target[10]  # the first bone alone
    assert np.degrees(joint_angles(limited(REST, target), AXES))[8] == pytest.approx(given, abs=1e-6)


def test_a_finger_that_cannot_be_reached_goes_as_near_as_brute_force_finds(rng):
    """The first bone's direction is the best within its box of flexion and abduction."""
    from minimal_hand_core.pose.limited_finger import bend_finger

    ranges = ANATOMICAL_LIMITS[4:8].copy()
    flexions, abductions = np.meshgrid(*(np.linspace(*row, 120) for row in ranges[:2]), indexing='ij')
    poses = np.zeros((120, 120, 20))
    poses[..., 4], poses[..., 5] = flexions, abductions
    bone = REST[6] - REST[5]
    reached = (rotations_from_angles(poses.reshape(-1, 20), AXES)[:, 1] @ bone) / np.linalg.norm(bone)
    bones = np.stack([bone, np.zeros(3), np.zeros(3)])
    for _ in range(50):
        towards = rng.normal(size=3)
        targets = np.zeros((3, 3))
        targets[:] = 0.04 * towards / np.linalg.norm(towards)
        turns = np.empty((3, 3, 3))
        bend_finger(bones, targets, AXES.flexion[1], AXES.abduction[1], ranges, 1e-12, turns)
        found = turns[0] @ bone / np.linalg.norm(bone) @ targets[0]
        assert found >= (reached @ targets[0]).max() - 1e-4 * 0.04


def test_limits_help_against_noise():
    """Figures of the open hand over the pose families of rendered hands; errors against the truth."""
    hands = PoseSampler(5, 300)
    for name, noise in (*NOISES.items(), ('15mm', FixedNoise(15.0))):
        batch = hands.batch(0, 300, noise)
        plain = score_poses(solve_pose, batch)
        within = score_poses(limited, batch)
        if name == 'exact':
            assert within.keypoint_mm < 1e-6 and within.rotation_deg < 1e-4
            continue
        assert within.keypoint_mm < plain.keypoint_mm
        assert within.angle_deg < 0.85 * plain.angle_deg
        assert within.rotation_deg < 0.7 * plain.rotation_deg
        if name == '10mm':
            assert within.angle_deg < 0.7 * plain.angle_deg


def test_options_that_are_off_change_nothing(rng):
    target = REST + 0.01 * rng.normal(size=(30, 21, 3))
    plain = solve_pose(REST, target)
    np.testing.assert_array_equal(solve_pose(REST, target, limits=None, axes=AXES, twist=None), plain)
    np.testing.assert_array_equal(solve_pose(REST, target, twist=np.zeros(15)), plain)


@FEW
@given(seed=SEEDS)
def test_twist_turns_bones_about_themselves_and_moves_nothing(seed):
    rng = np.random.default_rng(seed)
    template = HANDS['right'].rest(rng.normal(size=(4, 10)))
    angles, wrists = random_pose(rng, 4)
    target = pose_keypoints(template, rotations_from_angles(angles, JointAxes.from_keypoints(template), wrists))
    twist = rng.uniform(-3, 3, (4, 15))
    rotations = solve_pose(template, target, twist=twist)
    assert_proper(rotations)
    np.testing.assert_allclose(pose_keypoints(template, rotations), place_like(target, template), atol=1e-9)
    # swing · twist: what is left when the twist is taken off again turns about an axis across the bone.
    ends = [6, 7, 8, 10, 11, 12, 18, 19, 20, 14, 15, 16, 2, 3, 4]
    for joint, end in enumerate(ends, start=1):
        bone = template[:, end] - template[:, end - 1]
        bone /= np.linalg.norm(bone, axis=-1, keepdims=True)
        untwisted = Rotation.from_matrix(rotations[:, joint]) * Rotation.from_rotvec(-twist[:, joint - 1, None] * bone)
        np.testing.assert_allclose((untwisted.as_rotvec() * bone).sum(-1), 0, atol=1e-7)


def test_the_true_twist_gives_the_true_rotations(rng):
    """Swing-and-twist is a complete description: any pose comes back from its keypoints and twists."""
    truth = Rotation.random(16, random_state=3).as_matrix()[None]
    target = pose_keypoints(REST[None], truth)
    twist = np.zeros(15)
    for _ in range(3):  # chain by chain: a twist changes what the next joint's swing is
        rotations = solve_pose(REST, target[0], twist=twist)
        left = Rotation.from_matrix(np.swapaxes(rotations[1:], -1, -2) @ truth[0, 1:]).as_rotvec()
        ends = [6, 7, 8, 10, 11, 12, 18, 19, 20, 14, 15, 16, 2, 3, 4]
        bones = np.stack([REST[end] - REST[end - 1] for end in ends])
        twist = twist + (left * bones).sum(-1) / np.linalg.norm(bones, axis=-1)
    np.testing.assert_allclose(solve_pose(REST, target[0], twist=twist), truth[0], atol=1e-9)


def test_zero_length_bones_are_defined():
    target = REST.copy()
    target[7] = target[6]
    collapsed = REST.copy()
    collapsed[14:17] = collapsed[13]
    for hand in (target, collapsed):
        rotations = limited(REST, hand)
        assert_proper(rotations)
        np.testing.assert_array_equal(rotations, limited(REST, hand))
    np.testing.assert_allclose(joint_angles(limited(REST, collapsed), AXES)[12:14], 0, atol=1e-9)
    twisted = solve_pose(REST, collapsed, twist=np.full(15, 0.5))
    assert_proper(twisted)
    # Axes need directions; a template without them is named rather than guessed.
    with pytest.raises(ValueError, match='every finger bone must not have zero length'):
        limited(collapsed, REST)


def test_batches_kinds_and_shapes(rng):
    template = HANDS['right'].rest(rng.normal(size=(6, 10)))
    target = template + 0.01 * rng.normal(size=template.shape)
    together = limited(template, target)
    assert together.shape == (6, 16, 3, 3)
    for i in range(6):
        np.testing.assert_array_equal(limited(template[i], target[i]), together[i])
    axes = JointAxes.from_keypoints(template)
    assert solve_pose(template[0], target[0], limits=ANATOMICAL_LIMITS, axes=axes).shape == (6, 16, 3, 3)
    assert solve_pose(template[0], target[0], twist=np.zeros((3, 15))).shape == (3, 16, 3, 3)
    tensor = solve_pose(
        torch.from_numpy(template), torch.from_numpy(target).float(), limits=torch.tensor(ANATOMICAL_LIMITS), axes=axes
    )
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.numpy(), together, atol=1e-4)


ORDER, ABDUCTION = ANATOMICAL_LIMITS.copy(), ANATOMICAL_LIMITS.copy()
ORDER[3] = ORDER[3, ::-1]
ABDUCTION[5, 1] = 1.6


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'limits': ANATOMICAL_LIMITS}, 'axes: expected JointAxes with limits, found None'),
        ({'limits': ANATOMICAL_LIMITS[:19], 'axes': AXES}, r'limits: expected shape \(20, 2\), found \(19, 2\)'),
        ({'limits': ANATOMICAL_LIMITS * np.nan, 'axes': AXES}, 'limits: expected finite'),
        ({'limits': ORDER, 'axes': AXES}, r'limits: expected lowest ≤ highest within ±3\.1416 in row 3'),
        ({'limits': ABDUCTION, 'axes': AXES}, r'limits: .* within ±1\.5708 in row 5, found -0\.26.* … 1\.6'),
        ({'limits': ANATOMICAL_LIMITS, 'axes': AXES, 'twist': np.zeros(15)}, 'twist: expected None with limits'),
        ({'twist': np.zeros(16)}, r'twist: expected shape \(15,\), found \(16,\)'),
        ({'twist': np.full(15, np.inf)}, 'twist: expected finite'),
        ({'twist': np.zeros((2, 15))}, 'twist: expected 3 hands as in template and target, found 2'),
        (
            {'limits': ANATOMICAL_LIMITS, 'axes': JointAxes.from_keypoints(np.stack([REST, REST]))},
            'axes: expected 3 hands',
        ),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        solve_pose(REST, np.stack([REST] * 3), **options)
