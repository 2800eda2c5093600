"""The hand model, one hand at a time: ours and a plain MANO layer that does everything at every call.

Three rows: axis–angle poses (the layer's cheaper way), rotation matrices (what the peer's demo and its AIK use, with an
SVD for each), and a hand of MANO's size with pose blend shapes, of random numbers. Both sides are given the same poses,
work without gradients, and their results are compared.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.baselines.mano_layer import PlainManoLayer
from minimal_hand_core.hand import OPEN_HAND, HandModel, HandParameters, read_npz

MANO_VERTICES, MANO_FACES = 778, 1538
TOLERANCE_MM = 0.01


@pytest.fixture(scope='module')
def open_hand() -> HandParameters:
    return read_npz(OPEN_HAND)


@pytest.fixture(scope='module')
def mano_sized() -> HandParameters:
    """Random numbers in MANO's shapes; speed does not depend on what they are."""
    rng = np.random.default_rng(0)
    count = MANO_VERTICES
    weights = rng.random((count, 16)) * (rng.random((count, 16)) < 0.25) + 1e-6
    regressor = rng.random((16, count))
    return HandParameters(
        side='right',
        vertices=0.05 * rng.normal(size=(count, 3)),
        faces=rng.integers(0, count, (MANO_FACES, 3)),
        weights=weights / weights.sum(axis=1, keepdims=True),
        shapedirs=0.002 * rng.normal(size=(count, 3, 10)),
        posedirs=0.001 * rng.normal(size=(count, 3, 135)),
        joint_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        tip_vertices=rng.permutation(count)[:5],
    )


@pytest.fixture(scope='module')
def pose() -> torch.Tensor:
    """(1, 48) axis–angle."""
    return 0.4 * torch.randn(1, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope='module')
def betas() -> torch.Tensor:
    return torch.randn(1, 10, generator=torch.Generator().manual_seed(1))


def check(layer: PlainManoLayer, hand: HandParameters, given: torch.Tensor, pose: torch.Tensor, betas: torch.Tensor):
    """The baseline does what our model does, so that the times are of the same work."""
    model = HandModel(hand)
    ours = model(model.pose_space.from_axis_angle(pose), betas)
    vertices, keypoints = layer(given, betas)
    assert (ours.vertices * 1000 - vertices).abs().max() < TOLERANCE_MM
    assert (ours.keypoints * 1000 - keypoints).abs().max() < TOLERANCE_MM


@pytest.mark.benchmark(group='hand model, one hand')
def test_ours_axis_angle(benchmark, open_hand, pose, betas):
    model = HandModel(open_hand)
    benchmark(lambda: model(model.pose_space.from_axis_angle(pose), betas))


@pytest.mark.benchmark(group='hand model, one hand')
@torch.no_grad()
def test_peer_axis_angle(benchmark, open_hand, pose, betas):
    layer = PlainManoLayer(open_hand, matrices=False)
    check(layer, open_hand, pose, pose, betas)
    benchmark(lambda: layer(pose, betas))


@pytest.mark.benchmark(group='hand model, one hand, rotation matrices')
def test_ours_matrices(benchmark, open_hand, pose, betas):
    model = HandModel(open_hand)
    rotations = model.pose_space.from_axis_angle(pose)
    benchmark(lambda: model(rotations, betas))


@pytest.mark.benchmark(group='hand model, one hand, rotation matrices')
@torch.no_grad()
def test_peer_matrices(benchmark, open_hand, pose, betas):
    layer = PlainManoLayer(open_hand, matrices=True)
    rotations = HandModel(open_hand).pose_space.from_axis_angle(pose)
    check(layer, open_hand, rotations, pose, betas)
    benchmark(lambda: layer(rotations, betas))


@pytest.mark.benchmark(group="hand model of MANO's size, one hand")
def test_ours_mano_sized(benchmark, mano_sized, pose, betas):
    model = HandModel(mano_sized)
    benchmark(lambda: model(model.pose_space.from_axis_angle(pose), betas))


@pytest.mark.benchmark(group="hand model of MANO's size, one hand")
@torch.no_grad()
def test_peer_mano_sized(benchmark, mano_sized, pose, betas):
    layer = PlainManoLayer(mano_sized, matrices=False)
    check(layer, mano_sized, pose, pose, betas)
    benchmark(lambda: layer(pose, betas))


def gradient_of_keypoints(model, pose: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
    pose = pose.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model(pose, betas).square().sum(), pose)
    return gradient


@pytest.mark.benchmark(group='keypoints and their gradient, 64 hands')
def test_ours_keypoints_gradient(benchmark, open_hand, pose, betas):
    model = HandModel(open_hand)

    def keypoints(pose: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
        return model.keypoints(model.pose_space.from_axis_angle(pose), betas)

    benchmark(gradient_of_keypoints, keypoints, pose.repeat(64, 1), betas.repeat(64, 1))


@pytest.mark.benchmark(group='keypoints and their gradient, 64 hands')
def test_peer_keypoints_gradient(benchmark, open_hand, pose, betas):
    layer = PlainManoLayer(open_hand, matrices=False)
    poses, shapes = pose.repeat(64, 1), betas.repeat(64, 1)
    benchmark.pedantic(
        gradient_of_keypoints, (lambda pose, betas: layer(pose, betas)[1], poses, shapes), rounds=5, warmup_rounds=1
    )
