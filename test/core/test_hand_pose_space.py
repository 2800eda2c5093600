"""Axis–angle and PCA input of the hand model: flat and mean poses, gradients, inverses, errors."""

import dataclasses

import numpy as np
import pytest
import torch
from made_up_hand import made_up_parameters

from minimal_hand_core.hand import (
    HandModel,
    axis_angle_to_matrix,
    load_hand_model,
    mirror_axis_angles,
    mirror_parameters,
    mirror_points,
    mirror_rotations,
)

DOUBLE = torch.float64


@pytest.fixture(scope='module')
def parameters():
    return made_up_parameters()


@pytest.fixture(scope='module')
def model(parameters):
    return HandModel(parameters, DOUBLE)


def vectors(*shape: int, size: float = 0.5) -> torch.Tensor:
    return size * torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=DOUBLE)


def test_zero_is_the_flat_hand_or_the_mean_pose(model, parameters):
    zero = torch.zeros(1, 16, 3, dtype=DOUBLE)
    identities = torch.eye(3, dtype=DOUBLE).expand(1, 16, 3, 3)
    expected = axis_angle_to_matrix(torch.tensor(parameters.pose_mean).view(1, 15, 3))
    space = model.pose_space
    torch.testing.assert_close(space.flat(), identities)
    torch.testing.assert_close(space.from_axis_angle(zero), identities)
    none = torch.zeros(1, 7, dtype=DOUBLE)
    torch.testing.assert_close(space.from_pca(none, flat_hand_mean=True), identities)
    for mean in (space.mean(), space.from_axis_angle(zero, flat_hand_mean=False), space.from_pca(none)):
        torch.testing.assert_close(mean[:, 1:], expected)
        torch.testing.assert_close(mean[:, 0], identities[:, 0])
    assert space.mean(3).shape == space.flat(3).shape == (3, 16, 3, 3)


@pytest.mark.parametrize('flat_hand_mean', [True, False])
def test_axis_angle_in_both_shapes(model, parameters, flat_hand_mean: bool):
    pose = vectors(3, 16, 3)
    expected = pose.clone()
    if not flat_hand_mean:
        expected[:, 1:] += torch.tensor(parameters.pose_mean).view(15, 3)
    for given in (pose, pose.reshape(3, 48)):
        found = model.pose_space.from_axis_angle(given, flat_hand_mean)
        torch.testing.assert_close(found, axis_angle_to_matrix(expected))


@pytest.mark.parametrize('count', [1, 6, 45])
@pytest.mark.parametrize('flat_hand_mean', [True, False])
def test_pca_by_hand(model, parameters, count: int, flat_hand_mean: bool):
    coefficients, wrist = vectors(2, count), vectors(2, 3)
    fingers = coefficients.numpy() @ parameters.pose_components[:count]
    if not flat_hand_mean:
        fingers = fingers + parameters.pose_mean
    whole = np.concatenate([wrist.numpy(), fingers], axis=1).reshape(2, 16, 3)
    found = model.pose_space.from_pca(coefficients, wrist, flat_hand_mean)
    torch.testing.assert_close(found, axis_angle_to_matrix(torch.from_numpy(whole)))


@pytest.mark.parametrize('flat_hand_mean', [True, False])
def test_and_back(model, flat_hand_mean: bool):
    space = model.pose_space
    pose = vectors(4, 16, 3)
    rotations = space.from_axis_angle(pose, flat_hand_mean)
    torch.testing.assert_close(space.to_axis_angle(rotations, flat_hand_mean), pose)
    coefficients, wrist = space.to_pca(rotations, flat_hand_mean=flat_hand_mean)
    torch.testing.assert_close(space.from_pca(coefficients, wrist, flat_hand_mean), rotations)


def test_few_coefficients_are_the_nearest_pose(model, parameters):
    """What lies in the span comes back exactly; of what does not, the rest is at right angles to it."""
    space = model.pose_space
    inside = vectors(2, 5, size=0.3)
    found, _ = space.to_pca(space.from_pca(inside), 5)
    torch.testing.assert_close(found, inside)
    pose = vectors(2, 16, 3)
    found, wrist = space.to_pca(space.from_axis_angle(pose), 5)
    components = torch.tensor(parameters.pose_components[:5])
    left = pose[:, 1:].flatten(1) - torch.tensor(parameters.pose_mean) - found @ components
    torch.testing.assert_close(left @ components.T, torch.zeros(2, 5, dtype=DOUBLE), atol=1e-10, rtol=0)
    torch.testing.assert_close(wrist, pose[:, 0])


@pytest.mark.parametrize('start', [0.0, 0.4], ids=['at zero', 'elsewhere'])
def test_gradcheck_of_every_input(model, start: float):
    """Through the whole model: axis–angle, PCA coefficients, wrist, betas and translation."""
    pose, coefficients = start * vectors(1, 48, size=1), start * vectors(1, 6, size=1)
    wrist, betas, translation = start * vectors(1, 3, size=1), vectors(1, 10), vectors(1, 3)

    def by_axis_angle(pose, betas, translation):
        return tuple(model(model.pose_space.from_axis_angle(pose), betas, translation))

    def by_pca(coefficients, wrist, betas):
        return tuple(model(model.pose_space.from_pca(coefficients, wrist, flat_hand_mean=start == 0), betas))

    def keypoints(pose, betas, translation):
        return model.keypoints(model.pose_space.from_axis_angle(pose), betas, translation)

    for function, inputs, fast in (
        (by_axis_angle, (pose, betas, translation), True),
        (keypoints, (pose, betas, translation), False),
        (by_pca, (coefficients, wrist, betas), True),
    ):
        inputs = [value.clone().requires_grad_() for value in inputs]
        assert torch.autograd.gradcheck(function, inputs, atol=1e-6, fast_mode=fast)


def test_mirrored_hand_takes_the_same_coefficients(parameters, model):
    other = HandModel(mirror_parameters(parameters), DOUBLE)
    coefficients, wrist, betas = vectors(2, 45), vectors(2, 3), vectors(2, 10)
    right = model.pose_space.from_pca(coefficients, wrist)
    left = other.pose_space.from_pca(coefficients, mirror_axis_angles(wrist))
    torch.testing.assert_close(left, mirror_rotations(right))
    torch.testing.assert_close(other(left, betas).vertices, mirror_points(model(right, betas).vertices))


def test_float32_and_conversion_of_the_model(parameters):
    model = HandModel(parameters)
    coefficients = vectors(2, 9)
    single = model.pose_space.from_pca(coefficients.float())
    assert single.dtype == torch.float32
    double = model.double().pose_space.from_pca(coefficients)
    assert double.dtype == DOUBLE
    torch.testing.assert_close(single.double(), double, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ('call', 'words'),
    [
        (
            lambda s: s.from_axis_angle(torch.zeros(48, dtype=DOUBLE)),
            r'pose: expected shape \(B, 16, 3\), found \(48\)',
        ),
        (
            lambda s: s.from_axis_angle(torch.zeros(2, 45, dtype=DOUBLE)),
            r'pose: expected shape \(B, 48\), found \(2, 45',
        ),
        (
            lambda s: s.from_axis_angle(torch.zeros(0, 48, dtype=DOUBLE)),
            r'pose: expected shape \(B, 48\), found \(0, 48',
        ),
        (lambda s: s.from_axis_angle(torch.zeros(1, 48)), r'pose: expected torch\.float64.*found torch\.float32'),
        (lambda s: s.from_axis_angle(np.zeros((1, 48))), r'pose: expected a tensor of torch\.float64, found ndarray'),
        (lambda s: s.from_axis_angle(torch.full((1, 48), torch.nan, dtype=DOUBLE)), r'pose:.*NaN.*48 of 48'),
        (lambda s: s.from_pca(torch.zeros(1, 46, dtype=DOUBLE)), r'coefficients:.*1 to 45, found n = 46'),
        (lambda s: s.from_pca(torch.zeros(1, 0, dtype=DOUBLE)), r'coefficients: expected shape \(B, n\)'),
        (lambda s: s.from_pca(torch.zeros(6, dtype=DOUBLE)), r'coefficients: expected shape \(B, n\)'),
        (lambda s: s.from_pca(torch.zeros(2, 6, dtype=DOUBLE), torch.zeros(1, 3, dtype=DOUBLE)), r'wrist: .*\(2, 3\)'),
        (lambda s: s.from_pca(torch.full((1, 6), torch.inf, dtype=DOUBLE)), r'coefficients:.*infinity'),
        (lambda s: s.to_pca(torch.zeros(1, 16, 3, 3, dtype=DOUBLE), 46), 'count: expected 1 to 45, found 46'),
        (lambda s: s.to_axis_angle(torch.zeros(1, 15, 3, 3, dtype=DOUBLE)), r'rotations: expected shape'),
    ],
)
def test_bad_input_is_named(model, call, words: str):
    with pytest.raises(ValueError, match=words):
        call(model.pose_space)


def test_a_hand_without_statistics_says_so(parameters):
    bare = dataclasses.replace(parameters, pose_mean=None, pose_components=None, pose_deviations=None)
    space = HandModel(bare, DOUBLE).pose_space
    space.from_axis_angle(vectors(1, 48))
    with pytest.raises(ValueError, match='holds no mean pose'):
        space.mean()
    with pytest.raises(ValueError, match='holds no pose components'):
        space.from_pca(torch.zeros(1, 3, dtype=DOUBLE))


@pytest.mark.parametrize('side', ['right', 'left'])
def test_the_open_hand_has_a_pose_space(side: str):
    space = load_hand_model(side=side).pose_space
    assert space.components.shape == (45, 45) and space.deviations.shape == (45,)
    turns = space.to_axis_angle(space.mean())[0, 1:].norm(dim=-1)
    assert turns.min() > 0.1 and turns.max() < 1.1, 'every joint a little bent'
