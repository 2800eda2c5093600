"""Linear blend skinning: how joints move, and points with them (PyTorch, differentiable, batched).

Source: fact sheet 3.1. hand/kernels.py does the same for few hands without gradients.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from minimal_hand_core.hand.parameters import NUM_POSE_FEATURES, HandParameters
from minimal_hand_core.hand.skeleton import NUM_BETAS, NUM_JOINTS


def joint_transforms(
    rotations: torch.Tensor, rest: torch.Tensor, translation: torch.Tensor, bottom: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Forward kinematics.

    MANO's joints 1…15 are five chains of three in a row, so the tree is walked in three batched steps.

    Args:
        rotations: (B, 16, 3, 3), local.
        rest: (B, 16, 3), joints of the rest pose.
        translation: (B or 1, 3), of the wrist, and so of all.
        bottom: (4,), 0 0 0 1, of the dtype and device of the others.

    Returns:
        transforms (B, 16, 3, 4), what each joint does to points of the rest pose (rotation, then shift); and the
        joints (B, 16, 3).
    """
    batch = rotations.shape[0]
    chains = rest[:, 1:].reshape(batch, 5, 3, 3)
    above = torch.cat([rest[:, :1, None].expand(-1, 5, -1, -1), chains[:, :, :2]], dim=2)
    bones = torch.cat([rest[:, :1] + translation.unsqueeze(1), (chains - above).view(batch, -1, 3)], dim=1)
    local = torch.cat([rotations, bones.unsqueeze(-1)], dim=-1)
    local = torch.cat([local, bottom.expand(batch, NUM_JOINTS, 1, 4)], dim=-2)

    root, fingers = local[:, :1], local[:, 1:].view(batch, 5, 3, 4, 4)
    first = root @ fingers[:, :, 0]
    second = first @ fingers[:, :, 1]
    third = second @ fingers[:, :, 2]
    world = torch.stack([first, second, third], dim=2).view(batch, NUM_JOINTS - 1, 4, 4)
    world = torch.cat([root, world], dim=1)[:, :, :3]

    # A point p of joint j goes to R_j p + (P_j − R_j J_j).
    turns, joints = world[..., :3], world[..., 3]
    shift = joints - (turns @ rest.unsqueeze(-1)).squeeze(-1)
    return torch.cat([turns, shift.unsqueeze(-1)], dim=-1), joints


class SkinnedPoints(nn.Module):
    """Points of the skin, all or some, that move with the joints.

    Coordinates lead, (3, P), so that skinning is plain products of long rows.

    Attributes:
        template: (3·P,), metres.
        shape_basis: (10, 3·P).
        pose_basis: (135, 3·P), or (0, 3·P) for a hand without pose blend shapes.
        weights: (16, P).
        tips: (5,) int64, the points that stand for the finger tips, thumb … little.

    Args:
        hand: the arrays of the hand.
        dtype: torch.float32 or torch.float64.
        tips_only: take the five tip vertices instead of all.
    """

    template: torch.Tensor
    shape_basis: torch.Tensor
    pose_basis: torch.Tensor
    weights: torch.Tensor
    tips: torch.Tensor

    def __init__(self, hand: HandParameters, dtype: torch.dtype, tips_only: bool = False) -> None:
        super().__init__()
        chosen = hand.tip_vertices if tips_only else slice(None)
        posedirs = hand.posedirs if hand.posedirs is not None else np.zeros((len(hand.vertices), 3, 0))

        def constant(name: str, value: np.ndarray) -> None:
            self.register_buffer(name, torch.tensor(np.ascontiguousarray(value), dtype=dtype), persistent=False)

        constant('template', hand.vertices[chosen].T.reshape(-1))
        for name, directions in (('shape_basis', hand.shapedirs), ('pose_basis', posedirs)):
            turned = directions[chosen].transpose(2, 1, 0)
            constant(name, turned.reshape(len(turned), 3 * turned.shape[2]))
        constant('weights', hand.weights[chosen].T)
        tips = np.arange(len(hand.tip_vertices)) if tips_only else hand.tip_vertices
        self.register_buffer('tips', torch.tensor(tips), persistent=False)

    @property
    def count(self) -> int:
        return self.weights.shape[1]

    def constants(self) -> tuple[torch.Tensor, ...]:
        """The buffers in the order in which the kernel takes them."""
        return self.template, self.shape_basis, self.pose_basis, self.weights, self.tips

    def forward(
        self, transforms: torch.Tensor, rotations: torch.Tensor, betas: torch.Tensor, identity: torch.Tensor
    ) -> torch.Tensor:
        """Points (B, P, 3).

        Args:
            transforms: (B, 16, 3, 4), of joint_transforms.
            rotations: (B, 16, 3, 3), local; they bend the pose blend shapes.
            betas: (B or 1, 10).
            identity: (3, 3), of the dtype and device of the others.
        """
        batch = transforms.shape[0]
        shaped = torch.addmm(self.template, betas, self.shape_basis)
        if self.pose_basis.shape[0]:
            # Row by row: entry 3·r + c of a joint's nine features is R[r, c] − I[r, c].
            feature = (rotations[:, 1:] - identity).reshape(batch, NUM_POSE_FEATURES)
            shaped = shaped + feature @ self.pose_basis
        per_point = transforms.flatten(2).transpose(1, 2) @ self.weights
        per_point = per_point.view(batch, 3, 4, -1)
        points = (per_point[:, :, :3] * shaped.view(-1, 1, 3, self.count)).sum(dim=2) + per_point[:, :, 3]
        return points.transpose(1, 2).contiguous()


def shape_of_joints(hand: HandParameters) -> tuple[np.ndarray, np.ndarray]:
    """Rest joints as an affine function of the betas: offset (16, 3) and directions (16, 3, 10), float64."""
    offset = hand.joint_regressor @ hand.vertices
    directions = hand.joint_regressor @ hand.shapedirs.reshape(len(hand.vertices), 3 * NUM_BETAS)
    return offset, directions.reshape(NUM_JOINTS, 3, NUM_BETAS)
