"""A hand model of random numbers, poses for it, and fact sheet 3.1 once more in plain NumPy."""

import numpy as np
import torch

from minimal_hand_core.hand import JOINT_PARENTS, NUM_BETAS, NUM_JOINTS, HandParameters, axis_angle_to_matrix

VERTICES = 40


def made_up_parameters(seed: int = 3, posed: bool = True) -> HandParameters:
    """A model of random numbers: nothing in it is symmetric, small or zero by chance."""
    rng = np.random.default_rng(seed)
    weights = rng.random((VERTICES, NUM_JOINTS))
    regressor = rng.random((NUM_JOINTS, VERTICES))
    return HandParameters(
        side='right',
        vertices=rng.normal(size=(VERTICES, 3)),
        faces=rng.integers(0, VERTICES, (30, 3)),
        weights=weights / weights.sum(axis=1, keepdims=True),
        shapedirs=0.1 * rng.normal(size=(VERTICES, 3, NUM_BETAS)),
        posedirs=0.05 * rng.normal(size=(VERTICES, 3, 135)) if posed else None,
        joint_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        tip_vertices=rng.permutation(VERTICES)[:5],
        pose_mean=0.3 * rng.normal(size=45),
        pose_components=rng.normal(size=(45, 45)) / 7,
        pose_deviations=rng.random(45),
    )


def random_pose(batch: int, seed: int = 0, size: float = 0.6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    vectors = size * torch.randn(batch, NUM_JOINTS, 3, generator=generator, dtype=torch.float64)
    return axis_angle_to_matrix(vectors), torch.randn(batch, NUM_BETAS, generator=generator, dtype=torch.float64)


def plain_skinning(hand: HandParameters, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fact sheet 3.1 word by word, with 4×4 matrices and loops."""
    shaped = hand.vertices + hand.shapedirs @ betas
    joints = hand.joint_regressor @ shaped
    if hand.posedirs is not None:
        shaped = shaped + hand.posedirs @ (rotations[1:] - np.eye(3)).ravel()
    world = []
    for j in range(NUM_JOINTS):
        local = np.eye(4)
        local[:3, :3] = rotations[j]
        local[:3, 3] = joints[j] if j == 0 else joints[j] - joints[JOINT_PARENTS[j]]
        world.append(local if j == 0 else world[JOINT_PARENTS[j]] @ local)
    vertices = np.zeros_like(shaped)
    for j in range(NUM_JOINTS):
        moved = (shaped - joints[j]) @ world[j][:3, :3].T + world[j][:3, 3]
        vertices += hand.weights[:, j, None] * moved
    return vertices, np.array([m[:3, 3] for m in world])
