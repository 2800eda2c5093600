"""BASELINE, to be measured against and for nothing else: a MANO layer as the peer computes it.

Our own plain re-implementation of what fact sheet 3.1 describes: everything from the raw arrays at every call, one
homogeneous 4×4 transform per vertex, results in millimetres, and, for rotation matrices, a projection of each of the
16 matrices by an SVD of its own in a Python loop. The projection keeps the peer's wrong repair of reflections; proper
rotations come through it unchanged.
"""

from __future__ import annotations

import torch
from torch import nn

from minimal_hand_core.hand import JOINT_PARENTS, KEYPOINTS_FROM_JOINTS_AND_TIPS, NUM_JOINTS, HandParameters

# Joints at the same distance from the wrist, with their parents: what can be chained in one batched product.
_LEVELS = ((1, 4, 7, 10, 13), (2, 5, 8, 11, 14), (3, 6, 9, 12, 15))


class PlainManoLayer(nn.Module):
    """Pose and betas to vertices and keypoints, millimetres.

    Args:
        hand: the model's arrays; missing pose blend shapes are left out of the sum.
        matrices: poses are rotation matrices (B, 16, 3, 3); else axis–angle (B, 48), flat hand at zero.
    """

    def __init__(self, hand: HandParameters, matrices: bool) -> None:
        super().__init__()
        self.matrices = matrices
        for name in ('vertices', 'shapedirs', 'posedirs', 'joint_regressor', 'weights'):
            value = getattr(hand, name)
            self.register_buffer(name, None if value is None else torch.tensor(value, dtype=torch.float32))
        self.tips = hand.tip_vertices.tolist()

    def forward(self, pose: torch.Tensor, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Vertices (B, V, 3) and keypoints (B, 21, 3), millimetres, of pose as the mode has it and betas (B, 10)."""
        batch = pose.shape[0]
        if self.matrices:
            rotations = project_one_by_one(pose.reshape(-1, 3, 3)).view(batch, NUM_JOINTS, 3, 3)
        else:
            rotations = rodrigues(pose.reshape(-1, 3)).view(batch, NUM_JOINTS, 3, 3)

        shaped = self.vertices + torch.matmul(self.shapedirs, betas.transpose(0, 1)).permute(2, 0, 1)
        joints = torch.matmul(self.joint_regressor, shaped)
        if self.posedirs is not None:
            identity = torch.eye(3, dtype=pose.dtype, device=pose.device)
            feature = (rotations[:, 1:] - identity).reshape(batch, -1)
            shaped = shaped + torch.matmul(self.posedirs, feature.transpose(0, 1)).permute(2, 0, 1)

        world = forward_kinematics(rotations, joints)
        # Each transform less what it does to its own rest joint, so that it can be put on points of the rest pose.
        moved = torch.matmul(world, torch.cat([joints, joints.new_zeros(batch, NUM_JOINTS, 1)], dim=2)[..., None])
        relative = world - torch.cat([moved.new_zeros(batch, NUM_JOINTS, 4, 3), moved], dim=3)
        per_vertex = torch.matmul(self.weights, relative.view(batch, NUM_JOINTS, 16)).view(batch, -1, 4, 4)
        homogeneous = torch.cat([shaped, shaped.new_ones(batch, shaped.shape[1], 1)], dim=2)
        vertices = torch.matmul(per_vertex, homogeneous[..., None])[:, :, :3, 0]

        keypoints = torch.cat([world[:, :, :3, 3], vertices[:, self.tips]], dim=1)
        return vertices * 1000, keypoints[:, list(KEYPOINTS_FROM_JOINTS_AND_TIPS)] * 1000


def forward_kinematics(rotations: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
    """World transforms (B, 16, 4, 4), one level of the tree at a time."""
    parents = list(JOINT_PARENTS)
    offsets = torch.cat([joints[:, :1], joints[:, 1:] - joints[:, parents[1:]]], dim=1)
    local = homogeneous_transforms(rotations, offsets)
    world: list[torch.Tensor] = [local[:, 0]] * NUM_JOINTS
    for level in _LEVELS:
        above = torch.stack([world[parents[joint]] for joint in level], dim=1)
        for joint, transform in zip(level, torch.matmul(above, local[:, level]).unbind(dim=1)):
            world[joint] = transform
    return torch.stack(world, dim=1)


def homogeneous_transforms(rotations: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Rotations (B, J, 3, 3) and offsets (B, J, 3) to (B, J, 4, 4)."""
    batch, count = offsets.shape[:2]
    last = rotations.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(batch, count, 1, 4)
    return torch.cat([torch.cat([rotations, offsets[..., None]], dim=3), last], dim=2)


def rodrigues(vectors: torch.Tensor) -> torch.Tensor:
    """Axis–angle (N, 3) to matrices (N, 3, 3) by way of quaternions."""
    angle = torch.norm(vectors + 1e-8, dim=1, keepdim=True)
    axis = vectors / angle
    w, xyz = torch.cos(angle / 2), torch.sin(angle / 2) * axis
    quaternion = torch.cat([w, xyz], dim=1)
    w, x, y, z = (quaternion / quaternion.norm(dim=1, keepdim=True)).unbind(dim=1)
    entries = (
        w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (w * y + x * z),
        2 * (w * z + x * y), w * w - x * x + y * y - z * z, 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (w * x + y * z), w * w - x * x - y * y + z * z,
    )  # fmt: skip
    return torch.stack(entries, dim=1).view(-1, 3, 3)


def project_one_by_one(matrices: torch.Tensor) -> torch.Tensor:
    """Each of matrices (N, 3, 3) through an SVD on the CPU; a reflection has its third column negated."""
    projected = []
    for matrix in matrices:
        u, _, vt = torch.linalg.svd(matrix.cpu())
        rotation = u @ vt
        if torch.det(rotation) < 0:
            rotation = torch.cat([rotation[:, :2], -rotation[:, 2:]], dim=1)
        projected.append(rotation.to(matrices.device))
    return torch.stack(projected)
