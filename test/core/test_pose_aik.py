"""Analytic inverse kinematics: exact where it can be, proper and finite always."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from toy_hand import ToyHand, pose_keypoints

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.pose import ANATOMICAL_LIMITS, JointAxes, joint_angles, rotations_from_angles, solve_pose

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None)
HANDS = {side: ToyHand(side) for side in ('right', 'left')}
REST = HANDS['right'].rest(np.zeros((1, 10)))


def assert_proper(rotations):
    assert np.isfinite(rotations).all()
    identity = np.broadcast_to(np.eye(3), rotations.shape)
    np.testing.assert_allclose(rotations @ np.swapaxes(rotations, -1, -2), identity, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0, atol=1e-12)


def random_pose(rng, count):
    """Local rotations of anatomical poses and of a free wrist, and the angles."""
    angles = rng.uniform(*ANATOMICAL_LIMITS.T, size=(count, 20))
    wrists = Rotation.from_quat(rng.normal(size=(count, 4))).as_matrix()
    return angles, wrists


def place_like(points, template):
    """points scaled and shifted as solve_pose does."""
    scale = np.linalg.norm(template[:, 9] - template[:, 0], axis=-1) / np.linalg.norm(
        points[:, 9] - points[:, 0], axis=-1
    )
    return (points - points[:, :1]) * scale[:, None, None] + template[:, :1]


@FEW
@given(seed=SEEDS, side=st.sampled_from(['right', 'left']), unit=st.sampled_from([1.0, 1000.0, 0.01]))
def test_anatomical_poses_are_found_exactly(seed, side, unit):
    rng = np.random.default_rng(seed)
    hand = HANDS[side]
    template = hand.rest(rng.normal(size=(5, 10)))
    angles, wrists = random_pose(rng, 5)
    axes = [JointAxes.from_keypoints(rest, side) for rest in template]
    truth = np.stack([rotations_from_angles(a, x, w) for a, x, w in zip(angles, axes, wrists)])
    target = pose_keypoints(template, truth) * unit + unit * rng.normal(size=(5, 1, 3))
    rotations = solve_pose(template, target)
    assert_proper(rotations)
    error = np.linalg.norm(pose_keypoints(template, rotations) - place_like(target, template), axis=-1)
    assert error.max() < 1e-9
    np.testing.assert_allclose(rotations[:, 0], wrists, atol=1e-9)
    for i in range(5):
        np.testing.assert_allclose(joint_angles(rotations[i], axes[i]), angles[i], atol=1e-7)


@FEW
@given(seed=SEEDS)
def test_any_rotations_at_all_are_reproduced(seed):
    rng = np.random.default_rng(seed)
    template = HANDS['right'].rest(rng.normal(size=(5, 10)))
    truth = Rotation.from_quat(rng.normal(size=(80, 4))).as_matrix().reshape(5, 16, 3, 3)
    target = pose_keypoints(template, truth)
    rotations = solve_pose(template, target)
    assert_proper(rotations)
    np.testing.assert_allclose(pose_keypoints(template, rotations), target, atol=5e-8)


@FEW
@given(seed=SEEDS, noise=st.floats(0, 0.015), mirrored=st.booleans())
def test_noise_and_mirrored_hands_never_give_reflections_or_nan(seed, noise, mirrored):
    rng = np.random.default_rng(seed)
    _, wrists = random_pose(rng, 20)
    target = np.einsum('bij,bkj->bki', wrists, REST + noise * rng.normal(size=(20, 21, 3)))
    if mirrored:
        target[..., 0] *= -1
    rotations = solve_pose(REST, target)
    assert_proper(rotations)
    # Swing only: the axis is at right angles to the bone that turns.
    bones = {1: (6, 5), 2: (7, 6), 3: (8, 7), 13: (2, 1), 14: (3, 2), 15: (4, 3), 9: (20, 19)}
    for joint, (end, start) in bones.items():
        axis = Rotation.from_matrix(rotations[:, joint]).as_rotvec()
        along = axis @ (REST[0, end] - REST[0, start])
        np.testing.assert_allclose(along, 0, atol=1e-7)


@FEW
@given(seed=SEEDS, noise=st.floats(0.001, 0.05))
def test_wrist_is_the_best_proper_rotation(seed, noise):
    rng = np.random.default_rng(seed)
    _, wrists = random_pose(rng, 4)
    target = np.einsum('bij,bkj->bki', wrists, REST) + noise * rng.normal(size=(4, 21, 3))
    found = solve_pose(REST, target)[:, 0]
    palm = [1, 5, 9, 13, 17]
    for i in range(4):
        source, goal = REST[0, palm] - REST[0, 0], target[i, palm] - target[i, 0]
        u, _, vt = np.linalg.svd(goal.T @ source)
        best = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
        # By value, not by matrix: where two rotations are equally good either will do.
        np.testing.assert_allclose(np.sum(goal @ found[i] * source), np.sum(goal @ best * source), rtol=1e-10)


@FEW
@given(seed=SEEDS, noise=st.floats(0, 0.015), scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e3, 1e30]))
def test_scale_place_and_direction_of_the_target_do_not_matter(seed, noise, scale):
    """Fingers stay as they are; the wrist turns along. Noisy targets, too, and with limits."""
    rng = np.random.default_rng(seed)
    target = REST + noise * rng.normal(size=(4, 21, 3))
    turns = Rotation.from_quat(rng.normal(size=(4, 4))).as_matrix()
    moved = scale * (np.einsum('bij,bkj->bki', turns, target) + rng.normal(size=(4, 1, 3)))
    axes = JointAxes.from_keypoints(REST[0])
    for options in ({}, {'limits': ANATOMICAL_LIMITS, 'axes': axes}):
        still, turned = solve_pose(REST, target, **options), solve_pose(REST, moved, **options)
        np.testing.assert_allclose(turned[:, 0], turns @ still[:, 0], atol=1e-6)
        np.testing.assert_allclose(turned[:, 1:], still[:, 1:], atol=1e-6)


@FEW
@given(seed=SEEDS, noise=st.floats(0, 0.015))
def test_left_hands_are_mirrored_right_hands(seed, noise):
    rng = np.random.default_rng(seed)
    target = REST + noise * rng.normal(size=(4, 21, 3))
    mirror = np.array([-1.0, 1, 1])
    for options, mirrored in (
        ({}, {}),
        (
            {'limits': ANATOMICAL_LIMITS, 'axes': JointAxes.from_keypoints(REST[0])},
            {'limits': ANATOMICAL_LIMITS, 'axes': JointAxes.from_keypoints(REST[0] * mirror, 'left')},
        ),
    ):
        right, left = solve_pose(REST, target, **options), solve_pose(REST * mirror, target * mirror, **mirrored)
        np.testing.assert_allclose(left, right * np.outer(mirror, mirror), atol=1e-7)


def test_identity():
    np.testing.assert_allclose(solve_pose(REST[0], REST[0]), np.broadcast_to(np.eye(3), (16, 3, 3)), atol=1e-12)


@pytest.mark.parametrize('angle', [1e-12, 1e-8, 1e-4, 1.0, np.pi / 2, 3.0, np.pi - 1e-4, np.pi - 1e-8, np.pi - 1e-12])
def test_bones_at_every_angle(angle):
    axes = JointAxes.from_keypoints(REST[0])
    angles = np.zeros(20)
    angles[[4, 10, 19]] = angle
    target = pose_keypoints(REST, rotations_from_angles(angles, axes)[None])
    rotations = solve_pose(REST, target)
    assert_proper(rotations)
    np.testing.assert_allclose(pose_keypoints(REST, rotations), target, atol=1e-12)


def test_antiparallel_bone_flexes():
    target = REST.copy()
    target[:, 6:9] = 2 * REST[:, 5:6] - REST[:, 6:9]
    rotations = solve_pose(REST, target)
    assert_proper(rotations)
    np.testing.assert_allclose(pose_keypoints(REST, rotations), target, atol=1e-12)
    axes = JointAxes.from_keypoints(REST[0])
    axis = Rotation.from_matrix(rotations[0, 1]).as_rotvec() / np.pi
    np.testing.assert_allclose(abs(axis @ axes.flexion[1, 0]), 1.0, atol=1e-6)
    np.testing.assert_allclose(rotations[0, 2:4], np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-9)


def test_zero_length_bones_keep_the_identity():
    target = REST.copy()
    target[:, 7] = target[:, 6]
    rotations = solve_pose(REST, target)
    assert_proper(rotations)
    np.testing.assert_allclose(rotations[0, 2], np.eye(3), atol=1e-9)

    template = REST.copy()
    template[:, 12] = template[:, 11]
    rotations = solve_pose(template, REST)
    assert_proper(rotations)
    np.testing.assert_array_equal(rotations[0, 6], np.eye(3))

    collapsed = REST.copy()
    collapsed[:, 14:17] = collapsed[:, 13:14]
    assert_proper(solve_pose(REST, collapsed))
    assert_proper(solve_pose(collapsed, REST))


def test_palm_on_one_line_is_defined():
    target = REST.copy()
    target[..., 1:] = 0
    rotations = solve_pose(REST, target)
    assert_proper(rotations)
    np.testing.assert_array_equal(rotations, solve_pose(REST, target))


def test_batches_kinds_and_shapes():
    rng = np.random.default_rng(0)
    template = HANDS['right'].rest(rng.normal(size=(6, 10)))
    target = template + 0.01 * rng.normal(size=template.shape)
    together = solve_pose(template, target)
    assert together.shape == (6, 16, 3, 3) and together.dtype == np.float64
    for i in range(6):
        np.testing.assert_array_equal(solve_pose(template[i], target[i]), together[i])
    np.testing.assert_array_equal(solve_pose(template[2], target), solve_pose(template[2:3], target))
    assert solve_pose(template[2], target).shape == (6, 16, 3, 3)

    tensor = solve_pose(torch.from_numpy(template), torch.from_numpy(target).float())
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.numpy(), together, atol=1e-5)
    assert solve_pose(template, target.astype(np.float32)).dtype == np.float32


def test_with_the_open_hand():
    model = load_hand_model()
    rng = np.random.default_rng(0)
    betas = torch.as_tensor(rng.normal(size=(20, 10))).float()
    template = model.rest_keypoints(betas)
    angles, wrists = random_pose(rng, 20)
    truth = rotations_from_angles(angles, JointAxes.from_model(model), wrists)
    target = model(torch.as_tensor(truth).float(), betas).keypoints
    rotations = solve_pose(template, target)
    # The tips are vertices of the mesh that follow the last joint but for skinning, so they are not quite rigid.
    again = model(rotations, betas).keypoints
    error = (again - again[:, :1] - target + target[:, :1]).norm(dim=-1)
    joints = [k for k in range(21) if k % 4 or k == 0]
    assert error[:, joints].max() < 5e-5
    assert error.max() < 5e-3


def test_degenerate_palm_is_an_error():
    for name, template, target in (('template', 0 * REST, REST), ('target', REST, 0 * REST + 3)):
        with pytest.raises(ValueError, match=f'{name}: expected wrist and middle_mcp apart.*hand 0'):
            solve_pose(template, target)
    targets = np.repeat(REST, 3, axis=0)
    targets[1, 9] = targets[1, 0]
    with pytest.raises(ValueError, match='target: .*hand 1'):
        solve_pose(REST[0], targets)


@pytest.mark.parametrize(
    ('template', 'target', 'message'),
    [
        (REST[:, :20], REST, r'template: expected shape \(B, 21, 3\), found \(1, 20, 3\)'),
        (REST, REST[0, :, :2], r'target: expected shape \(21, 3\), found \(21, 2\)'),
        (REST, REST[:0], r'target: expected shape \(B, 21, 3\), found \(0, 21, 3\)'),
        (REST, REST * np.nan, 'target: expected finite numbers'),
        (REST + np.inf, REST, 'template: expected finite numbers'),
        (np.repeat(REST, 2, 0), np.repeat(REST, 3, 0), 'target: expected 2 hands as in template, found 3'),
        (REST, 'hand', 'target: expected an array of numbers, found str'),
    ],
)
def test_bad_input(template, target, message):
    with pytest.raises(ValueError, match=message):
        solve_pose(template, target)
