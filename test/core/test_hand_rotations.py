"""Rotations: known values, round trips, the hard places (identity, 180°), gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from minimal_hand_core.hand import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
)


def random_vectors(count: int, longest: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)
    return directions * torch.rand(count, 1, generator=generator, dtype=torch.float64) * longest


def test_quarter_turn_about_z_takes_x_to_y():
    matrix = axis_angle_to_matrix(torch.tensor([0.0, 0.0, math.pi / 2], dtype=torch.float64))
    expected = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(matrix, expected)
    half = math.sqrt(0.5)
    torch.testing.assert_close(matrix_to_quaternion(matrix), torch.tensor([0, 0, half, half], dtype=torch.float64))


def test_matrices_are_proper():
    matrices = axis_angle_to_matrix(random_vectors(200, math.pi))
    identity = torch.eye(3, dtype=torch.float64).expand(200, 3, 3)
    torch.testing.assert_close(matrices @ matrices.transpose(1, 2), identity)
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(200, dtype=torch.float64))


@pytest.mark.parametrize('longest', [1e-9, 1e-4, 0.5, math.pi - 1e-6])
def test_axis_angle_round_trip(longest: float):
    vectors = random_vectors(200, longest)
    torch.testing.assert_close(matrix_to_axis_angle(axis_angle_to_matrix(vectors)), vectors, atol=1e-9, rtol=1e-7)


def test_quaternion_round_trip_and_order():
    matrices = axis_angle_to_matrix(random_vectors(200, math.pi))
    quaternions = matrix_to_quaternion(matrices)
    torch.testing.assert_close(quaternions.norm(dim=-1), torch.ones(200, dtype=torch.float64))
    assert (quaternions[:, 3] >= 0).all()
    torch.testing.assert_close(quaternion_to_matrix(quaternions), matrices)
    torch.testing.assert_close(quaternion_to_matrix(-3 * quaternions), matrices)


def test_half_turns_about_every_axis():
    axes = torch.cat([torch.eye(3), torch.tensor([[1.0, 1, 0], [-1, 2, 3]])]).double()
    axes = torch.nn.functional.normalize(axes, dim=-1)
    matrices = 2 * axes[:, :, None] * axes[:, None, :] - torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(quaternion_to_matrix(matrix_to_quaternion(matrices)), matrices)
    torch.testing.assert_close(axis_angle_to_matrix(matrix_to_axis_angle(matrices)), matrices, atol=1e-8, rtol=0)


def test_leading_dimensions_and_dtype_are_kept():
    vectors = random_vectors(6, 1.0).float().reshape(2, 3, 3)
    matrices = axis_angle_to_matrix(vectors)
    assert matrices.shape == (2, 3, 3, 3) and matrices.dtype == torch.float32
    assert matrix_to_quaternion(matrices).shape == (2, 3, 4)
    assert matrix_to_axis_angle(matrices).dtype == torch.float32


def test_gradients_are_right_and_finite_at_the_identity():
    vectors = random_vectors(4, 1.5).requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vectors)
    matrices = axis_angle_to_matrix(vectors).detach().requires_grad_()
    assert torch.autograd.gradcheck(matrix_to_quaternion, matrices)

    zero = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    there_and_back = matrix_to_axis_angle(axis_angle_to_matrix(zero))
    (gradient,) = torch.autograd.grad(there_and_back.sum(), zero)
    torch.testing.assert_close(gradient, torch.ones_like(gradient))


NEAR_PI = math.pi - 1e-7
ANGLES = st.one_of(
    st.floats(0, math.pi),
    st.floats(0, 1e-3),
    st.floats(math.pi - 1e-3, math.pi),
    st.sampled_from([0.0, 1e-160, 1e-12, 1e-8, 1e-5, 2e-4, NEAR_PI, math.pi]),
)
DIRECTIONS = st.tuples(*3 * [st.floats(-1, 1)]).filter(lambda v: math.hypot(*v) > 1e-3)


@given(direction=DIRECTIONS, angle=ANGLES, gradient=st.booleans())
@settings(max_examples=150, deadline=None)
def test_all_three_ways_round(direction: tuple[float, float, float], angle: float, gradient: bool):
    """Axis–angle, matrix and quaternion agree with SciPy and with each other, from no turn at all to a half turn."""
    axis = torch.tensor(direction, dtype=torch.float64)
    axis = axis / axis.norm()
    vector = (angle * axis).requires_grad_(gradient)
    matrix, quaternion = axis_angle_to_matrix(vector), axis_angle_to_quaternion(vector)
    truth = Rotation.from_rotvec(vector.detach().numpy())
    np.testing.assert_allclose(matrix.detach(), truth.as_matrix(), atol=4e-15)
    close = {'atol': 4e-15, 'rtol': 0}
    torch.testing.assert_close(quaternion_to_matrix(quaternion), matrix, **close)
    assert quaternion[3] >= 0 and matrix_to_quaternion(matrix)[3] >= 0
    # q and −q are one rotation, and so are the two half turns about ±axis.
    dot = (matrix_to_quaternion(matrix) * quaternion).sum().abs()
    torch.testing.assert_close(dot, torch.ones_like(dot), **close)
    for back in (matrix_to_axis_angle(matrix), quaternion_to_axis_angle(quaternion)):
        assert back.norm() < math.pi + 1e-14
        torch.testing.assert_close(axis_angle_to_matrix(back), matrix, atol=1e-14, rtol=0)
        if angle < NEAR_PI:
            torch.testing.assert_close(back, vector, atol=1e-15, rtol=1e-6)


@given(direction=DIRECTIONS, angle=ANGLES)
@settings(max_examples=100, deadline=None)
def test_float32_round_trip(direction: tuple[float, float, float], angle: float):
    axis = torch.tensor(direction) / math.hypot(*direction)
    matrix = axis_angle_to_matrix(angle * axis)
    exact = axis_angle_to_matrix((angle * axis).double())
    torch.testing.assert_close(matrix.double(), exact, atol=3e-7, rtol=0)
    for again in (
        axis_angle_to_matrix(matrix_to_axis_angle(matrix)),
        quaternion_to_matrix(matrix_to_quaternion(matrix)),
    ):
        torch.testing.assert_close(again, matrix, atol=2e-6, rtol=0)


@pytest.mark.parametrize('angle', [0.0, 1e-9, 1.9e-4, 2.1e-4, 0.7, 3.0, math.pi, 5.0])
def test_gradient_of_axis_angle_everywhere(angle: float):
    """First and second derivatives, also at zero and across the seam between series and formula (2e-4)."""
    vector = angle * torch.nn.functional.normalize(torch.tensor([[0.3, -0.8, 0.5]], dtype=torch.float64), dim=-1)
    vector.requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vector, eps=1e-7, atol=1e-6)
    assert torch.autograd.gradgradcheck(axis_angle_to_matrix, vector, atol=1e-5)
    if angle < math.pi:  # beyond, w changes sign
        assert torch.autograd.gradcheck(axis_angle_to_quaternion, vector, eps=1e-7, atol=1e-6)


@pytest.mark.parametrize('angle', [0.0, 1e-9, 1e-4, 1.0, 3.1, math.pi - 1e-6])
def test_gradient_through_matrix_and_back_is_the_identity(angle: float):
    vector = angle * torch.nn.functional.normalize(torch.tensor([0.3, -0.8, 0.5], dtype=torch.float64), dim=0)
    for way in (
        lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v)),
        lambda v: quaternion_to_axis_angle(axis_angle_to_quaternion(v)),
    ):
        jacobian = torch.autograd.functional.jacobian(way, vector)
        torch.testing.assert_close(jacobian, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize('axis', [[1.0, 0, 0], [0, 1, 0], [0, 0, -1], [0.6, 0, 0.8], [-0.48, 0.6, 0.64]])
def test_gradients_are_finite_at_half_turns(axis: list[float]):
    """There matrix_to_axis_angle jumps from π to −π; what it returns is one of the two, and its gradient is finite."""
    direction = torch.tensor(axis, dtype=torch.float64)
    matrix = (2 * direction[:, None] * direction - torch.eye(3, dtype=torch.float64)).requires_grad_()
    vector = matrix_to_axis_angle(matrix)
    torch.testing.assert_close((vector / math.pi * direction).sum().abs(), torch.ones(()).double())
    for entry in range(3):
        (gradient,) = torch.autograd.grad(vector[entry], matrix, retain_graph=True)
        assert gradient.isfinite().all()


def test_whole_turns_are_no_turns():
    vector = torch.tensor([0.0, 2 * math.pi, 0], dtype=torch.float64)
    torch.testing.assert_close(axis_angle_to_matrix(vector), torch.eye(3, dtype=torch.float64), atol=1e-15, rtol=0)
    assert axis_angle_to_quaternion(vector)[3] >= 0


@pytest.mark.parametrize(
    ('function', 'given', 'words'),
    [
        (axis_angle_to_matrix, torch.zeros(3, 4), r'vectors: expected shape \(…, 3\), found \(3, 4\)'),
        (axis_angle_to_matrix, torch.zeros(()), r'vectors: expected shape'),
        (axis_angle_to_matrix, torch.zeros(3, dtype=torch.int64), r'vectors: expected.*floating-point.*int64'),
        (axis_angle_to_matrix, np.zeros(3), r'vectors: expected a tensor.*found ndarray'),
        (axis_angle_to_quaternion, torch.zeros(4), r'vectors: expected shape \(…, 3\)'),
        (matrix_to_axis_angle, torch.zeros(3, 4), r'matrices: expected shape \(…, 3, 3\), found \(3, 4\)'),
        (matrix_to_quaternion, torch.zeros(9), r'matrices: expected shape \(…, 3, 3\), found \(9\)'),
        (quaternion_to_matrix, torch.zeros(3), r'quaternions: expected shape \(…, 4\)'),
        (quaternion_to_axis_angle, [0, 0, 0, 1], r'quaternions: .*found list'),
    ],
)
def test_bad_input_is_named(function, given, words: str):
    with pytest.raises(ValueError, match=words):
        function(given)


def test_no_rotations_at_all_are_fine():
    assert axis_angle_to_matrix(torch.zeros(0, 3)).shape == (0, 3, 3)
    assert matrix_to_axis_angle(torch.zeros(0, 2, 3, 3)).shape == (0, 2, 3)
