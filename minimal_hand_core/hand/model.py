"""The hand model: shape and pose in, vertices and keypoints out (linear blend skinning).

Source: fact sheet 3.1 (algorithm, order of joints and keypoints).
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from minimal_hand_core.hand.parameters import HandParameters
from minimal_hand_core.hand.skeleton import (
    BONE_KEYPOINTS,
    JOINT_PARENTS,
    KEYPOINT_PARENTS,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    NUM_BETAS,
    NUM_JOINTS,
    NUM_KEYPOINTS,
    REFERENCE_BONE,
)


class HandOutput(NamedTuple):
    """A posed hand, metres, in the frame of the model (plus translation).

    Attributes:
        vertices: (B, V, 3).
        joints: (B, 16, 3), MANO's order.
        keypoints: (B, 21, 3).
    """

    vertices: torch.Tensor
    joints: torch.Tensor
    keypoints: torch.Tensor


class HandModel(nn.Module):
    """A skinned hand of 16 joints and 10 betas.

    Convention:
        * Metres. At rest (all rotations identity) the right hand is flat: fingers towards −x, thumb towards +z, palm
          towards −y. The left hand is its mirror image in x.
        * rotations[:, j] turns joint j and everything beyond it, in the frame of its parent joint; at rest all frames
          are parallel. rotations[:, 0] turns the whole hand about the wrist joint.
        * Rotations are used as given; they are not projected onto SO(3).

    Args:
        parameters: the arrays of the hand.
        dtype: torch.float32 or torch.float64.
    """

    faces: torch.Tensor
    _template: torch.Tensor
    _shape_basis: torch.Tensor
    _pose_basis: torch.Tensor | None
    _weights: torch.Tensor
    _joint_offset: torch.Tensor
    _joint_basis: torch.Tensor
    _keypoint_offset: torch.Tensor
    _keypoint_basis: torch.Tensor
    _tips: torch.Tensor
    _order: torch.Tensor
    _identity: torch.Tensor

    def __init__(self, parameters: HandParameters, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.side = parameters.side
        self.name = parameters.name
        self.parents = JOINT_PARENTS
        self.tip_vertices: tuple[int, ...] = tuple(parameters.tip_vertices.tolist())

        # Rest joints are affine in the betas: regress once here instead of at every call.
        joints = parameters.joint_regressor @ parameters.vertices
        joint_dirs = np.einsum('jv,vck->jck', parameters.joint_regressor, parameters.shapedirs)
        order = list(KEYPOINTS_FROM_JOINTS_AND_TIPS)
        tips = list(self.tip_vertices)
        keypoints = np.concatenate([joints, parameters.vertices[tips]])[order]
        keypoint_dirs = np.concatenate([joint_dirs, parameters.shapedirs[tips]])[order]

        def constant(name: str, value: np.ndarray, kind: torch.dtype = dtype) -> None:
            self.register_buffer(name, torch.tensor(np.ascontiguousarray(value), dtype=kind), persistent=False)

        # Coordinates lead (3, V), so that skinning is plain products of long rows.
        constant('_template', parameters.vertices.T.reshape(-1))
        constant('_shape_basis', parameters.shapedirs.transpose(2, 1, 0).reshape(NUM_BETAS, -1))
        constant('_weights', parameters.weights.T)
        constant('_joint_offset', joints.reshape(-1))
        constant('_joint_basis', joint_dirs.reshape(-1, NUM_BETAS).T)
        constant('_keypoint_offset', keypoints)
        constant('_keypoint_basis', keypoint_dirs)
        constant('faces', parameters.faces, torch.int64)
        constant('_tips', parameters.tip_vertices, torch.int64)
        constant('_order', np.array(order), torch.int64)
        constant('_identity', np.eye(3))
        if parameters.posedirs is None:
            self.register_buffer('_pose_basis', None, persistent=False)
        else:
            constant('_pose_basis', parameters.posedirs.transpose(2, 1, 0).reshape(9 * (NUM_JOINTS - 1), -1))

    @property
    def num_vertices(self) -> int:
        return self._template.shape[0] // 3

    @property
    def dtype(self) -> torch.dtype:
        return self._template.dtype

    def forward(
        self, rotations: torch.Tensor, betas: torch.Tensor, translation: torch.Tensor | None = None
    ) -> HandOutput:
        """Poses the hand. Differentiable in all arguments.

        Args:
            rotations: (B, 16, 3, 3), local, MANO's order.
            betas: (B, 10), or (1, 10) for one shape in all poses.
            translation: (B, 3) metres, added to every point; none by default.

        Raises:
            ValueError: an argument has another shape.
        """
        batch = rotations.shape[0]
        if rotations.shape != (batch, NUM_JOINTS, 3, 3):
            raise ValueError(f'rotations must be (B, {NUM_JOINTS}, 3, 3), found {tuple(rotations.shape)}')
        self._check_betas(betas, batch)
        if translation is not None and translation.shape not in ((batch, 3), (1, 3)):
            raise ValueError(f'translation must be ({batch}, 3), found {tuple(translation.shape)}')

        shaped = torch.addmm(self._template, betas, self._shape_basis)
        if self._pose_basis is not None:
            feature = (rotations[:, 1:] - self._identity).reshape(batch, -1)
            shaped = shaped + feature @ self._pose_basis
        rest = torch.addmm(self._joint_offset, betas, self._joint_basis).view(-1, NUM_JOINTS, 3)
        rest = rest.expand(batch, -1, -1)

        world, joints = self._kinematics(rotations, rest)
        # A point p of joint j goes to R_j p + (P_j − R_j J_j).
        shift = joints - (world @ rest.unsqueeze(-1)).squeeze(-1)
        if translation is not None:
            shift = shift + translation.unsqueeze(1)
            joints = joints + translation.unsqueeze(1)
        per_joint = torch.cat([world, shift.unsqueeze(-1)], dim=-1).flatten(2)  # (B, 16, 12)
        per_vertex = (per_joint.transpose(1, 2) @ self._weights).view(batch, 3, 4, -1)
        points = (per_vertex[:, :, :3] * shaped.view(-1, 1, 3, self.num_vertices)).sum(dim=2) + per_vertex[:, :, 3]
        vertices = points.transpose(1, 2).contiguous()
        keypoints = torch.cat([joints, vertices[:, self._tips]], dim=1)[:, self._order]
        return HandOutput(vertices, joints, keypoints)

    def _kinematics(self, rotations: torch.Tensor, rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """World rotations (B, 16, 3, 3) and joint positions (B, 16, 3).

        MANO's joints 1…15 are five chains of three in a row, so the tree is walked in three batched steps.
        """
        batch = rotations.shape[0]
        local = rotations[:, 1:].reshape(batch, 5, 3, 3, 3)
        chain = rest[:, 1:].reshape(batch, 5, 3, 3, 1)
        root, wrist = rotations[:, :1], rest[:, :1].unsqueeze(-1)

        turn1 = root @ local[:, :, 0]
        turn2 = turn1 @ local[:, :, 1]
        turn3 = turn2 @ local[:, :, 2]
        place1 = wrist + root @ (chain[:, :, 0] - wrist)
        place2 = place1 + turn1 @ (chain[:, :, 1] - chain[:, :, 0])
        place3 = place2 + turn2 @ (chain[:, :, 2] - chain[:, :, 1])
        turns = torch.stack([turn1, turn2, turn3], dim=2).view(batch, NUM_JOINTS - 1, 3, 3)
        places = torch.stack([place1, place2, place3], dim=2).view(batch, NUM_JOINTS - 1, 3)
        return torch.cat([root, turns], dim=1), torch.cat([rest[:, :1], places], dim=1)

    def rest_joints(self, betas: torch.Tensor) -> torch.Tensor:
        """Joints (B, 16, 3) of the flat hand of shape betas (B, 10), metres."""
        self._check_betas(betas)
        return torch.addmm(self._joint_offset, betas, self._joint_basis).view(-1, NUM_JOINTS, 3)

    def rest_keypoints(self, betas: torch.Tensor) -> torch.Tensor:
        """Keypoints (B, 21, 3) of the flat hand of shape betas (B, 10), metres."""
        self._check_betas(betas)
        basis = self._keypoint_basis.view(-1, NUM_BETAS).T
        return torch.addmm(self._keypoint_offset.view(-1), betas, basis).view(-1, NUM_KEYPOINTS, 3)

    def rest_keypoint_basis(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Rest keypoints as an affine function: keypoints = offset (21, 3) + directions (21, 3, 10) · betas."""
        return self._keypoint_offset, self._keypoint_basis

    def bone_ratios(self, betas: torch.Tensor) -> torch.Tensor:
        """Lengths (B, 15) of the bones of BONE_KEYPOINTS over the length of wrist → middle MCP (fact sheet 4)."""
        keypoints = self.rest_keypoints(betas)
        ends = list(BONE_KEYPOINTS)
        starts = [KEYPOINT_PARENTS[end] for end in ends]
        lengths = (keypoints[:, ends] - keypoints[:, starts]).norm(dim=-1)
        return lengths / lengths[:, REFERENCE_BONE, None]

    def _check_betas(self, betas: torch.Tensor, batch: int | None = None) -> None:
        wrong_batch = batch is not None and betas.dim() == 2 and betas.shape[0] not in (1, batch)
        if betas.dim() != 2 or betas.shape[1] != NUM_BETAS or wrong_batch:
            wanted = 'B' if batch is None else str(batch)
            raise ValueError(f'betas must be ({wanted}, {NUM_BETAS}), found {tuple(betas.shape)}')

    def extra_repr(self) -> str:
        return f'{self.name}, side={self.side}, vertices={self.num_vertices}, faces={self.faces.shape[0]}'
