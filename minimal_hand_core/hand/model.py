"""The hand model: shape and pose in, vertices and keypoints out (linear blend skinning).

Source: fact sheet 3.1 (algorithm, order of joints and keypoints).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from minimal_hand_core.hand.arguments import check_finite, check_tensor, kernel_arrays
from minimal_hand_core.hand.kernels import pose_hands
from minimal_hand_core.hand.parameters import HandParameters
from minimal_hand_core.hand.pose_space import PoseSpace
from minimal_hand_core.hand.skeleton import (
    BONE_KEYPOINTS,
    JOINT_PARENTS,
    KEYPOINT_PARENTS,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    MIDDLE_MCP,
    NUM_BETAS,
    NUM_JOINTS,
    NUM_KEYPOINTS,
    REFERENCE_BONE,
)
from minimal_hand_core.hand.skinning import SkinnedPoints, joint_transforms, shape_of_joints


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

    def centred(self, keypoint: int = MIDDLE_MCP) -> HandOutput:
        """The same hands moved so that one keypoint (0 … 20) is at the origin; by default the root of the network."""
        origin = self.keypoints[:, keypoint, None]
        return HandOutput(self.vertices - origin, self.joints - origin, self.keypoints - origin)


class HandModel(nn.Module):
    """A skinned hand of 16 joints and 10 betas.

    Convention:
        * Metres. At rest (all rotations identity) the right hand is flat: fingers towards −x, thumb towards +z, palm
          towards −y. The left hand is its mirror image in x.
        * rotations[:, j] turns joint j and everything beyond it, in the frame of its parent joint; at rest all frames
          are parallel. rotations[:, 0] turns the whole hand about the wrist joint.
        * Rotations are used as given; they are not projected onto SO(3).
        * The model's numbers are buffers that no state dict holds: a network with a hand inside must not carry MANO's
          data into its checkpoints.

    Poses in axis–angle or PCA coefficients become rotations in `pose_space`. Where no gradient is asked for, hands on
    the CPU go through a compiled kernel (hand/kernels.py); the results agree to rounding.

    Args:
        parameters: the arrays of the hand.
        dtype: torch.float32 or torch.float64; .to(dtype) and .to(device) work as for any module, but the digits that
            float32 has lost do not come back.

    Raises:
        ValueError: another dtype.
    """

    faces: torch.Tensor
    _joint_offset: torch.Tensor
    _joint_basis: torch.Tensor
    _keypoint_offset: torch.Tensor
    _keypoint_basis: torch.Tensor
    _order: torch.Tensor
    _identity: torch.Tensor
    _no_translation: torch.Tensor

    def __init__(self, parameters: HandParameters, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f'dtype: expected torch.float32 or torch.float64, found {dtype}')
        self.side = parameters.side
        self.name = parameters.name
        self.parents = JOINT_PARENTS
        self.tip_vertices: tuple[int, ...] = tuple(parameters.tip_vertices.tolist())
        self.pose_space = PoseSpace(parameters, dtype)
        self._skin = SkinnedPoints(parameters, dtype)
        self._tips = SkinnedPoints(parameters, dtype, tips_only=True)
        self._copies: dict[tuple[bool, torch.dtype], tuple[np.ndarray, ...]] = {}

        # Rest joints are affine in the betas: regressed once here instead of at every call.
        joints, joint_dirs = shape_of_joints(parameters)
        order, tips = list(KEYPOINTS_FROM_JOINTS_AND_TIPS), list(self.tip_vertices)
        keypoints = np.concatenate([joints, parameters.vertices[tips]])[order]
        keypoint_dirs = np.concatenate([joint_dirs, parameters.shapedirs[tips]])[order]

        def constant(name: str, value: np.ndarray, kind: torch.dtype = dtype) -> None:
            self.register_buffer(name, torch.tensor(np.ascontiguousarray(value), dtype=kind), persistent=False)

        constant('_joint_offset', joints.reshape(-1))
        constant('_joint_basis', joint_dirs.reshape(-1, NUM_BETAS).T)
        constant('_keypoint_offset', keypoints)
        constant('_keypoint_basis', keypoint_dirs)
        constant('faces', parameters.faces, torch.int64)
        constant('_order', np.array(order), torch.int64)
        constant('_identity', np.eye(4))
        constant('_no_translation', np.zeros((1, 3)))
        # Compiles the kernel, or reads it from numba's cache: that must not happen at the first hand.
        self.keypoints(self.pose_space.flat(), self._identity.new_zeros(1, NUM_BETAS))

    @property
    def num_vertices(self) -> int:
        return self._skin.count

    @property
    def dtype(self) -> torch.dtype:
        return self._identity.dtype

    @property
    def skinning_weights(self) -> torch.Tensor:
        """(V, 16), how much each joint moves each vertex; rows add up to 1."""
        return self._skin.weights.T

    def forward(
        self, rotations: torch.Tensor, betas: torch.Tensor, translation: torch.Tensor | None = None
    ) -> HandOutput:
        """Poses the hand. Differentiable in all arguments.

        Args:
            rotations: (B, 16, 3, 3) local, MANO's joint order, of the model's dtype and on its device.
            betas: (B, 10); (1, 10) stands for one shape in all poses.
            translation: (B, 3) or (1, 3) metres, added to everything; none when left out.

        Returns:
            HandOutput.

        Raises:
            ValueError: an argument has another shape, dtype or device than expected, holds no hand at all, or is not
                finite (looked for on the CPU only; not under torch.compile and torch.func).
        """
        points, joints, keypoints = self._pose(self._skin, rotations, betas, translation)
        return HandOutput(points, joints, keypoints)

    def keypoints(
        self, rotations: torch.Tensor, betas: torch.Tensor, translation: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The keypoints (B, 21, 3) of forward alone, without the rest of the skin: for fitting and training.

        Arguments and errors as forward; differentiable like it.
        """
        return self._pose(self._tips, rotations, betas, translation)[2]

    def pose_arrays(self, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (B, V, 3) and keypoints (B, 21, 3) of forward, NumPy in and out: a fifth of its time for one hand.

        Args:
            rotations: (B, 16, 3, 3) local, MANO's joint order, any real dtype.
            betas: (B, 10); (1, 10) stands for one shape in all poses.

        Returns:
            arrays of the model's dtype, metres.

        Raises:
            ValueError: a shape that does not fit, or numbers that are not finite.
        """
        batch = len(rotations)
        if rotations.shape[1:] != (NUM_JOINTS, 3, 3) or not batch:
            raise ValueError(f'rotations: expected (B, {NUM_JOINTS}, 3, 3), found {rotations.shape}')
        if betas.shape not in ((batch, NUM_BETAS), (1, NUM_BETAS)):
            raise ValueError(f'betas: expected ({batch} or 1, {NUM_BETAS}), found {betas.shape}')
        constants = self._arrays(self._skin)
        dtype = constants[0].dtype
        turns, shape = np.require(rotations, dtype, ('C', 'W')), np.require(betas, dtype, ('C', 'W'))
        points, joints, keypoints = (
            np.empty((batch, n, 3), dtype) for n in (self.num_vertices, NUM_JOINTS, NUM_KEYPOINTS)
        )
        if not pose_hands(turns, shape, np.zeros((1, 3), dtype), *constants, points, joints, keypoints):
            for value, name in ((turns, 'rotations'), (shape, 'betas')):
                check_finite(torch.from_numpy(value), name)
        return points, keypoints

    def _pose(
        self, skin: SkinnedPoints, rotations: torch.Tensor, betas: torch.Tensor, translation: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Points of the skin (B, P, 3), joints (B, 16, 3) and keypoints (B, 21, 3); arguments as forward."""
        check_tensor(rotations, 'rotations', ('B', NUM_JOINTS, 3, 3), self._identity)
        batch = rotations.shape[0]
        check_tensor(betas, 'betas', (_own_or_shared(betas, batch), NUM_BETAS), self._identity)
        if translation is None:
            translation = self._no_translation
        else:
            check_tensor(translation, 'translation', (_own_or_shared(translation, batch), 3), self._identity)

        arrays = kernel_arrays(rotations, betas, translation)
        if arrays is not None:
            return self._pose_by_kernel(skin, *arrays)
        for value, name in ((rotations, 'rotations'), (betas, 'betas'), (translation, 'translation')):
            check_finite(value, name)
        rest = torch.addmm(self._joint_offset, betas, self._joint_basis).view(-1, NUM_JOINTS, 3)
        transforms, joints = joint_transforms(rotations, rest.expand(batch, -1, -1), translation, self._identity[3])
        points = skin(transforms, rotations, betas, self._identity[:3, :3])
        keypoints = torch.cat([joints, points[:, skin.tips]], dim=1)[:, self._order]
        return points, joints, keypoints

    def _pose_by_kernel(
        self, skin: SkinnedPoints, rotations: np.ndarray, betas: np.ndarray, translation: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        batch, dtype = rotations.shape[0], rotations.dtype
        points, joints, keypoints = (np.empty((batch, n, 3), dtype) for n in (skin.count, NUM_JOINTS, NUM_KEYPOINTS))
        finite = pose_hands(rotations, betas, translation, *self._arrays(skin), points, joints, keypoints)
        if not finite:
            for value, name in ((rotations, 'rotations'), (betas, 'betas'), (translation, 'translation')):
                check_finite(torch.from_numpy(value), name)
        return torch.from_numpy(points), torch.from_numpy(joints), torch.from_numpy(keypoints)

    def _arrays(self, skin: SkinnedPoints) -> tuple[np.ndarray, ...]:
        """The constants of pose_hands. Copies: a buffer may be given other memory (share_memory) without notice."""
        key = (skin is self._tips, self._identity.dtype)
        if key not in self._copies:
            buffers = (self._joint_offset, self._joint_basis, *skin.constants())
            self._copies[key] = tuple(buffer.cpu().numpy().copy() for buffer in buffers)
        return self._copies[key]

    def rest_joints(self, betas: torch.Tensor) -> torch.Tensor:
        """Joints (B, 16, 3) of the flat hand of shape betas (B, 10), metres."""
        check_tensor(betas, 'betas', ('B', NUM_BETAS), self._identity)
        return torch.addmm(self._joint_offset, betas, self._joint_basis).view(-1, NUM_JOINTS, 3)

    def rest_keypoints(self, betas: torch.Tensor) -> torch.Tensor:
        """Keypoints (B, 21, 3) of the flat hand of shape betas (B, 10), metres."""
        check_tensor(betas, 'betas', ('B', NUM_BETAS), self._identity)
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

    def extra_repr(self) -> str:
        return f'{self.name}, side={self.side}, vertices={self.num_vertices}, faces={self.faces.shape[0]}'


def _own_or_shared(value: torch.Tensor, batch: int) -> int:
    """How many rows an argument should have: 1, which all hands share, if it has 1; else one for each hand."""
    return 1 if isinstance(value, torch.Tensor) and value.shape[:1] == (1,) else batch
