"""Laws of the hand model that hold for every shape and pose, tried on random ones, with and without gradients."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_hand import made_up_parameters

from minimal_hand_core.hand import (
    KEYPOINT_PARENTS,
    OPEN_HAND,
    HandModel,
    HandOutput,
    axis_angle_to_matrix,
    mirror_parameters,
    mirror_points,
    mirror_rotations,
    read_npz,
)

DOUBLE = torch.float64
OPEN = read_npz(OPEN_HAND)
# In the file, of float32, the weights of a vertex sum to 1 only to seven digits.
OPEN = dataclasses.replace(OPEN, weights=OPEN.weights / OPEN.weights.sum(axis=1, keepdims=True))
HANDS = {'open': OPEN, 'made up': made_up_parameters()}
"""A hand, and random numbers with pose blend shapes in which no mistake can hide."""
MODELS = {name: HandModel(hand, DOUBLE) for name, hand in HANDS.items()}
MIRRORED = {name: HandModel(mirror_parameters(hand), DOUBLE) for name, hand in HANDS.items()}
SINGLE = {name: HandModel(hand) for name, hand in HANDS.items()}

CASES = {
    'name': st.sampled_from(sorted(HANDS)),
    'batch': st.integers(1, 6),
    'bend': st.sampled_from([0.0, 1e-9, 0.1, 1.0, 3.0]),
    'seed': st.integers(0, 2**32),
    'gradient': st.booleans(),
}
tried = settings(max_examples=40, deadline=None)


def pose(batch: int, bend: float, seed: int, gradient: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rotations (B, 16, 3, 3), betas (B, 10), translation (B, 3); with a gradient they take the way through PyTorch."""
    generator = torch.Generator().manual_seed(seed)
    vectors = bend * torch.randn(batch, 16, 3, generator=generator, dtype=DOUBLE)
    betas, translation = (torch.randn(batch, n, generator=generator, dtype=DOUBLE) for n in (10, 3))
    return axis_angle_to_matrix(vectors), betas.requires_grad_(gradient), translation


def assert_close(found: HandOutput, expected: HandOutput, atol: float = 1e-12) -> None:
    for name in HandOutput._fields:
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), atol=atol, rtol=0, check_dtype=False)


@given(**CASES)
@tried
def test_a_mirrored_hand_is_the_mirror_image(name, batch, bend, seed, gradient):
    rotations, betas, translation = pose(batch, bend, seed, gradient)
    right = MODELS[name](rotations, betas, translation)
    left = MIRRORED[name](mirror_rotations(rotations), betas, mirror_points(translation))
    assert_close(left, HandOutput(*map(mirror_points, right)))
    turned = mirror_rotations(rotations)
    assert torch.equal(mirror_rotations(turned), rotations) and (torch.linalg.det(turned) > 0).all()


@given(**CASES)
@tried
def test_a_batch_is_its_hands_one_by_one(name, batch, bend, seed, gradient):
    rotations, betas, translation = pose(batch, bend, seed, gradient)
    together = MODELS[name](rotations, betas, translation)
    alone = [MODELS[name](*(value[i : i + 1] for value in (rotations, betas, translation))) for i in range(batch)]
    assert_close(together, HandOutput(*map(torch.cat, zip(*alone))))


@given(**CASES)
@tried
def test_a_rigid_motion_moves_everything_rigidly(name, batch, bend, seed, gradient):
    """x → R x + t about the origin, not about the wrist: the wrist's rotation and the translation say it all."""
    rotations, betas, translation = pose(batch, bend, seed, gradient)
    before = MODELS[name](rotations, betas, translation)
    generator = torch.Generator().manual_seed(seed + 1)
    turn = axis_angle_to_matrix(torch.randn(3, generator=generator, dtype=DOUBLE))
    shift = torch.randn(3, generator=generator, dtype=DOUBLE)
    turned = torch.cat([turn @ rotations[:, :1], rotations[:, 1:]], dim=1)
    wrist = MODELS[name].rest_joints(betas)[:, 0]
    moved = MODELS[name](turned, betas, (wrist + translation) @ turn.T + shift - wrist)
    assert_close(moved, HandOutput(*(points @ turn.T + shift for points in before)))


@given(**CASES)
@tried
def test_single_precision_is_close(name, batch, bend, seed, gradient):
    rotations, betas, translation = pose(batch, bend, seed, gradient)
    exact = MODELS[name](rotations, betas, translation)
    single = SINGLE[name](rotations.float(), betas.float(), translation.float())
    assert single.vertices.dtype == torch.float32
    # Metres: the open hand is some 0.2 long, a metre or so away; the made-up one is several metres of random numbers.
    assert_close(HandOutput(*(part.double() for part in single)), exact, atol=2e-6 if name == 'open' else 2e-4)


@given(**CASES)
@tried
def test_keypoints_alone_are_those_of_forward(name, batch, bend, seed, gradient):
    rotations, betas, translation = pose(batch, bend, seed, gradient)
    whole = MODELS[name](rotations, betas, translation).keypoints
    alone = MODELS[name].keypoints(rotations, betas, translation)
    torch.testing.assert_close(alone, whole, atol=1e-13, rtol=0)
    if gradient:
        slopes = [torch.autograd.grad((points**3).sum(), betas)[0] for points in (whole, alone)]
        torch.testing.assert_close(*slopes, atol=1e-9, rtol=1e-9)


@given(**CASES)
@tried
def test_bones_keep_their_length(name, batch, bend, seed, gradient):
    """Joints are hinges: between two joints nothing stretches. Tips are skin and may."""
    rotations, betas, _ = pose(batch, bend, seed, gradient)
    ends = [k for k in range(1, 21) if k % 4]
    starts = [KEYPOINT_PARENTS[k] for k in ends]
    posed, rest = MODELS[name](rotations, betas).keypoints, MODELS[name].rest_keypoints(betas)
    lengths = [(points[:, ends] - points[:, starts]).norm(dim=-1) for points in (posed, rest)]
    torch.testing.assert_close(*lengths, atol=1e-12, rtol=0)


@pytest.mark.parametrize('name', sorted(HANDS))
def test_gradients_of_both_precisions_agree(name: str):
    rotations, betas, translation = pose(3, 0.5, 0, True)
    slopes = []
    for model, dtype in ((MODELS[name], DOUBLE), (SINGLE[name], torch.float32)):
        inputs = [value.detach().to(dtype).requires_grad_() for value in (rotations, betas, translation)]
        slopes.append(torch.autograd.grad(model(*inputs).vertices.square().sum(), inputs))
    for exact, single in zip(*slopes):
        torch.testing.assert_close(single.double(), exact, atol=1e-4 * float(exact.abs().max()), rtol=0)
