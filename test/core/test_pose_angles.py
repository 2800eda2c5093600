"""Anatomical joint angles: signs on both sides, exact round trip, errors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from toy_hand import ToyHand, pose_keypoints

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.hand.skeleton import FINGERS
from minimal_hand_core.pose import (
    ANATOMICAL_LIMITS,
    ANGLE_NAMES,
    JointAxes,
    joint_angles,
    rotations_from_angles,
    wrist_angles,
    wrist_from_angles,
)

SIDES = ('right', 'left')
HANDS = {side: ToyHand(side) for side in SIDES}
AXES = {side: JointAxes.from_model(hand) for side, hand in HANDS.items()}
TIPS = dict(zip(FINGERS, (4, 8, 12, 16, 20)))


def tip_motion(side, name, angle=0.3):
    """Where the finger's tip goes for one positive angle, (3,) metres, mirrored back to the right hand."""
    rest = HANDS[side].rest(np.zeros((1, 10)))
    angles = np.zeros(20)
    angles[ANGLE_NAMES.index(name)] = angle
    moved = pose_keypoints(rest, rotations_from_angles(angles, AXES[side])[None])
    return (moved - rest)[0, TIPS[name.split('_')[0]]] * (1 if side == 'right' else np.array([-1, 1, 1]))


def test_names():
    assert len(ANGLE_NAMES) == len(set(ANGLE_NAMES)) == 20
    assert ANGLE_NAMES[:5] == (
        'thumb_cmc_flexion', 'thumb_cmc_abduction', 'thumb_mcp_flexion', 'thumb_ip_flexion', 'index_mcp_flexion',
    )  # fmt: skip
    assert [name.split('_')[0] for name in ANGLE_NAMES] == [finger for finger in FINGERS for _ in range(4)]


def test_limits():
    assert ANATOMICAL_LIMITS.shape == (20, 2)
    assert (ANATOMICAL_LIMITS[:, 0] <= 0).all() and (ANATOMICAL_LIMITS[:, 1] > 0).all()
    assert np.abs(ANATOMICAL_LIMITS).max() < np.pi
    abduction = [i for i, name in enumerate(ANGLE_NAMES) if 'abduction' in name]
    assert np.abs(ANATOMICAL_LIMITS[abduction]).max() < np.pi / 2
    with pytest.raises(ValueError, match='read-only'):
        ANATOMICAL_LIMITS[0, 0] = 1


@pytest.mark.parametrize('side', SIDES)
@pytest.mark.parametrize('name', [name for name in ANGLE_NAMES if name.endswith('flexion') and name[0] != 't'])
def test_flexion_goes_towards_the_palm(side, name):
    x, y, z = tip_motion(side, name)
    assert y < -0.004 and abs(z) < 0.3 * abs(y) and x > 0


@pytest.mark.parametrize('side', SIDES)
@pytest.mark.parametrize('name', [name for name in ANGLE_NAMES if name.endswith('abduction') and name[0] != 't'])
def test_abduction_goes_away_from_the_middle_finger(side, name):
    x, y, z = tip_motion(side, name)
    outward = z if name.split('_')[0] in ('index', 'middle') else -z
    assert outward > 0.015 and abs(y) < 0.2 * outward


@pytest.mark.parametrize('side', SIDES)
def test_thumb(side):
    for name in ('thumb_cmc_flexion', 'thumb_mcp_flexion', 'thumb_ip_flexion'):
        _, y, z = tip_motion(side, name)
        assert y < 0 and z < 0, f'{name} does not go across the palm'
    _, y, z = tip_motion(side, 'thumb_cmc_abduction')
    assert y < 0 < z


@pytest.mark.parametrize('side', SIDES)
def test_left_is_the_mirror_of_right(side):
    mirror = np.diag([-1.0, 1, 1])
    angles = np.random.default_rng(0).uniform(*ANATOMICAL_LIMITS.T, size=(5, 20))
    right, left = (rotations_from_angles(angles, AXES[s]) for s in SIDES)
    np.testing.assert_allclose(left, mirror @ right @ mirror, atol=1e-12)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from(SIDES), width=st.floats(0, 1))
def test_round_trip_is_exact(seed, side, width):
    rng = np.random.default_rng(seed)
    angles = width * rng.uniform(-1, 1, size=(3, 2, 20)) * np.where(np.arange(20) % 4 == 1, 1.5, 3.1)
    rotations = rotations_from_angles(angles, AXES[side])
    assert rotations.shape == (3, 2, 16, 3, 3)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-12)
    np.testing.assert_allclose(joint_angles(rotations, AXES[side]), angles, atol=1e-9)
    np.testing.assert_allclose(
        rotations_from_angles(joint_angles(rotations, AXES[side]), AXES[side]), rotations, atol=1e-9
    )


def test_twist_moves_on_and_keeps_the_bones_where_they_are():
    rng = np.random.default_rng(1)
    axes = AXES['right']
    angles = rng.uniform(*ANATOMICAL_LIMITS.T, size=20)
    rotations = rotations_from_angles(angles, axes)
    twist = Rotation.from_rotvec(0.7 * axes.bones[1, 0]).as_matrix()
    rotations[1] = rotations[1] @ twist
    rotations[2] = twist.T @ rotations[2]
    np.testing.assert_allclose(joint_angles(rotations, axes), angles, atol=1e-12)


def test_any_rotation_gives_finite_angles():
    rotations = Rotation.from_quat(np.random.default_rng(2).normal(size=(1600, 4))).as_matrix().reshape(100, 16, 3, 3)
    angles = joint_angles(rotations, AXES['right'])
    assert np.isfinite(angles).all() and np.abs(angles).max() <= np.pi


def test_wrist_and_kinds():
    wrist = Rotation.from_rotvec([0.1, 0.2, 0.3]).as_matrix()
    rotations = rotations_from_angles(np.zeros(20), AXES['right'], wrist)
    np.testing.assert_array_equal(rotations[0], wrist)
    np.testing.assert_allclose(rotations[1:], np.broadcast_to(np.eye(3), (15, 3, 3)), atol=0)
    tensor = rotations_from_angles(torch.zeros(2, 20), AXES['right'])
    assert tensor.dtype == torch.float32 and tensor.shape == (2, 16, 3, 3)
    angles = joint_angles(tensor, AXES['right'])
    assert isinstance(angles, torch.Tensor) and angles.dtype == torch.float32


@pytest.mark.parametrize('side', SIDES)
def test_axes_of_the_open_hand(side):
    model = load_hand_model('open', side)
    axes = JointAxes.from_model(model, np.ones(10))
    for vectors in (axes.bones, axes.flexion, axes.abduction):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1, atol=1e-9)
    np.testing.assert_allclose((axes.bones * axes.flexion).sum(-1), 0, atol=1e-9)
    mirrored = 1 if side == 'right' else -1
    # Index finger, right hand: flexion about +z, towards the thumb.
    assert axes.flexion[1, 0, 2] * mirrored > 0.9
    angles = np.zeros((1, 20))
    angles[0, ANGLE_NAMES.index('index_mcp_flexion')] = 0.5
    posed = model(torch.as_tensor(rotations_from_angles(angles, axes)).float(), torch.ones(1, 10)).keypoints
    assert posed[0, 8, 1] < model.rest_keypoints(torch.ones(1, 10))[0, 8, 1] - 0.02


REST = HANDS['right'].rest(np.zeros((1, 10)))[0]


@pytest.mark.parametrize('side', SIDES)
def test_axes_of_many_hands_are_those_of_each(side, rng):
    rest = HANDS[side].rest(rng.normal(size=(4, 10)))
    together = JointAxes.from_keypoints(rest, side)
    angles = rng.uniform(*ANATOMICAL_LIMITS.T, size=(4, 20))
    rotations = rotations_from_angles(angles, together)
    for i in range(4):
        alone = JointAxes.from_keypoints(rest[i], side)
        for name in ('bones', 'flexion', 'abduction'):
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name), atol=1e-15)
        np.testing.assert_allclose(rotations_from_angles(angles[i], alone), rotations[i], atol=1e-15)
    np.testing.assert_allclose(joint_angles(rotations, together), angles, atol=1e-12)
    # One pose for four hands, and the same axes from the model.
    assert rotations_from_angles(angles[0], together).shape == (4, 16, 3, 3)
    assert joint_angles(rotations[0], together).shape == (4, 20)
    betas = rng.normal(size=(2, 10))
    of_model = JointAxes.from_model(HANDS[side], betas)
    np.testing.assert_allclose(of_model.flexion[1], JointAxes.from_model(HANDS[side], betas[1]).flexion, atol=1e-15)


@pytest.mark.parametrize('side', SIDES)
@pytest.mark.parametrize('flexion', [np.pi, -np.pi, np.pi / 2, 3.2])
@pytest.mark.parametrize('abduction', [np.pi / 2, -np.pi / 2, 1.7, 0.2])
def test_at_and_beyond_the_singularities_the_pose_comes_back(side, flexion, abduction):
    """The angles may be others of the same pose; the bones lie where they lay."""
    angles = np.tile([flexion, abduction, flexion, -flexion], 5)
    rotations = rotations_from_angles(angles, AXES[side])
    found = joint_angles(rotations, AXES[side])
    assert np.isfinite(found).all() and np.abs(found).max() <= np.pi
    rest = HANDS[side].rest(np.zeros((1, 10)))
    posed = pose_keypoints(rest, rotations[None])
    again = pose_keypoints(rest, rotations_from_angles(found, AXES[side])[None])
    # The first bones always; the others too unless the base joint came back as its other half, which bends hinges
    # about the opposite side.
    firsts = [1, 2, 5, 6, 9, 10, 13, 14, 17, 18]
    np.testing.assert_allclose(again[:, firsts], posed[:, firsts], atol=1e-9)
    if abs(abduction) < np.pi / 2:
        np.testing.assert_allclose(again, posed, atol=1e-9)


def test_wrist_angles_have_their_signs():
    """Right hand: fingers −x, thumb +z, palm −y."""
    fingers, thumb, palm = np.array([-1.0, 0, 0]), np.array([0, 0, 1.0]), np.array([0, -1.0, 0])
    pronated, flexed, deviated = (wrist_from_angles(0.4 * row) for row in np.eye(3))
    assert (pronated @ thumb) @ palm > 0.3 and (pronated @ fingers) @ fingers == pytest.approx(1)
    assert (flexed @ fingers) @ palm > 0.3 and (flexed @ thumb) @ thumb == pytest.approx(1)
    assert (deviated @ fingers) @ thumb > 0.3 and (deviated @ palm) @ palm == pytest.approx(1)
    mirror = np.diag([-1.0, 1, 1])
    angles = np.array([0.3, -0.5, 0.2])
    np.testing.assert_allclose(
        wrist_from_angles(angles, 'left'), mirror @ wrist_from_angles(angles) @ mirror, atol=1e-15
    )


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from(SIDES))
def test_wrist_round_trip(seed, side):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-1, 1, (6, 3)) * (np.pi, np.pi / 2 - 1e-3, np.pi)
    forearm = Rotation.random(6, random_state=seed % 1000).as_matrix()
    wrist = wrist_from_angles(angles, side, forearm)
    np.testing.assert_allclose(wrist @ np.swapaxes(wrist, -1, -2), np.tile(np.eye(3), (6, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(wrist_angles(wrist, side, forearm), angles, atol=1e-9)
    any_wrist = Rotation.random(6, random_state=seed % 999).as_matrix()
    np.testing.assert_allclose(wrist_from_angles(wrist_angles(any_wrist, side), side), any_wrist, atol=1e-9)


@pytest.mark.parametrize('side', SIDES)
@pytest.mark.parametrize('flexion', [np.pi / 2, -np.pi / 2])
def test_wrist_at_the_lock(side, flexion):
    wrist = wrist_from_angles([0.7, flexion, -0.4], side)
    found = wrist_angles(wrist, side)
    assert found[2] == 0
    np.testing.assert_allclose(wrist_from_angles(found, side), wrist, atol=1e-9)
    tensor = wrist_angles(torch.eye(3), side)
    assert tensor.dtype == torch.float32 and (tensor == 0).all()


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: JointAxes.from_keypoints(REST[:20]), r'rest_keypoints: expected shape \(…, 21, 3\), found \(20, 3\)'),
        (lambda: JointAxes.from_keypoints(REST * np.nan), 'rest_keypoints: expected finite'),
        (lambda: JointAxes.from_keypoints(REST, 'up'), "side: expected one of right, left, found 'up'"),
        (lambda: JointAxes.from_keypoints(0 * REST), 'rest_keypoints: .*zero length'),
        (lambda: JointAxes.from_model(HANDS['right'], np.zeros(9)), r'betas: expected shape \(…, 10\), found \(9,\)'),
        (
            lambda: rotations_from_angles(np.zeros(19), AXES['right']),
            r'angles: expected shape \(…, 20\), found \(19,\)',
        ),
        (lambda: rotations_from_angles(np.full(20, np.nan), AXES['right']), 'angles: expected finite'),
        (lambda: joint_angles(np.zeros((15, 3, 3)), AXES['right']), r'rotations: expected shape \(…, 16, 3, 3\)'),
        (lambda: joint_angles(np.full((16, 3, 3), np.inf), AXES['right']), 'rotations: expected finite'),
        (
            lambda: joint_angles(np.zeros((3, 16, 3, 3)), JointAxes.from_keypoints(np.stack([REST, REST]))),
            r'rotations: expected hands that fit axes of \(2,\) hands, found \(3,\)',
        ),
        (
            lambda: rotations_from_angles(np.zeros((3, 20)), AXES['right'], np.zeros((2, 3, 3))),
            r'wrist: expected shape \(3, 3, 3\), found \(2, 3, 3\)',
        ),
        (lambda: wrist_angles(np.zeros((3, 4))), r'wrist: expected shape \(…, 3, 3\), found \(3, 4\)'),
        (lambda: wrist_angles(np.eye(3), 'both'), "side: expected one of right, left, found 'both'"),
        (lambda: wrist_angles(np.eye(3), forearm=np.full((3, 3), np.nan)), 'forearm: expected finite'),
        (lambda: wrist_from_angles(np.zeros(4)), r'angles: expected shape \(…, 3\), found \(4,\)'),
        (lambda: wrist_from_angles(np.full(3, np.nan)), 'angles: expected finite'),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
