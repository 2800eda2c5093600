"""Rotations: known values, round trips, the hard places (identity, 180°), gradients."""

import math

import pytest
import torch

from minimal_hand_core.hand import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    matrix_to_quaternion,
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
