"""A small hand for tests of shape and pose: no mesh, rest keypoints affine in ten betas."""

from __future__ import annotations

import numpy as np
import torch

from minimal_hand_core.hand.skeleton import JOINT_PARENTS, KEYPOINT_PARENTS, KEYPOINTS_FROM_JOINTS_AND_TIPS

# Metres, right hand: fingers towards −x, thumb towards +z, palm −y; an arched palm, so that mirrored hands differ.
_BASES = {
    1: (-0.030, -0.012, 0.026),
    5: (-0.089, 0.001, 0.025),
    9: (-0.092, 0.003, 0.0),
    13: (-0.085, 0.0, -0.02),
    17: (-0.075, -0.006, -0.037),
}
_SEGMENTS = {
    1: (0.040, 0.033, 0.027),
    5: (0.036, 0.023, 0.021),
    9: (0.040, 0.026, 0.023),
    13: (0.037, 0.025, 0.023),
    17: (0.029, 0.019, 0.020),
}
_DIRECTIONS = {
    1: (-0.75, -0.15, 0.65),
    5: (-1.0, 0.0, 0.12),
    9: (-1.0, 0.0, 0.01),
    13: (-1.0, 0.0, -0.09),
    17: (-1.0, -0.02, -0.2),
}


class ToyHand:
    """What shape/ and pose/ need of a HandModel: side and rest_keypoint_basis; and its own posed keypoints."""

    def __init__(self, side: str = 'right', seed: int = 0, variety: float = 0.02) -> None:
        self.side = side
        offset = np.zeros((21, 3))
        for base, position in _BASES.items():
            offset[base] = position
            direction = np.array(_DIRECTIONS[base]) / np.linalg.norm(_DIRECTIONS[base])
            for step, length in enumerate(_SEGMENTS[base], start=1):
                offset[base + step] = offset[base + step - 1] + length * direction
        rng = np.random.default_rng(seed)
        directions = np.zeros((21, 3, 10))
        for k in range(1, 21):
            parent = KEYPOINT_PARENTS[k]
            bone = offset[k] - offset[parent]
            stretch = bone[:, None] * rng.normal(0.0, variety, 10) + rng.normal(
                0.0, 0.1 * variety, (3, 10)
            ) * np.linalg.norm(bone)
            directions[k] = directions[parent] + stretch
        if side == 'left':
            offset[:, 0] *= -1
            directions[:, 0] *= -1
        self._offset, self._directions = offset, directions

    def rest_keypoint_basis(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(self._offset), torch.from_numpy(self._directions)

    def rest(self, betas: np.ndarray) -> np.ndarray:
        """(B, 10) → (B, 21, 3)."""
        return self._offset + np.einsum('kcd,bd->bkc', self._directions, betas)

    def keypoints(self, rotations: np.ndarray, betas: np.ndarray) -> np.ndarray:
        return pose_keypoints(self.rest(betas), rotations)


def pose_keypoints(rest: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Plain forward kinematics: rest (B, 21, 3) and local rotations (B, 16, 3, 3) → (B, 21, 3)."""
    keypoint_of_joint = [KEYPOINTS_FROM_JOINTS_AND_TIPS.index(joint) for joint in range(16)]
    turns, places = [rotations[:, 0]], [rest[:, 0]]
    for joint in range(1, 16):
        parent = JOINT_PARENTS[joint]
        bone = rest[:, keypoint_of_joint[joint]] - rest[:, keypoint_of_joint[parent]]
        places.append(places[parent] + np.einsum('bij,bj->bi', turns[parent], bone))
        turns.append(turns[parent] @ rotations[:, joint])
    for last, tip in zip((15, 3, 6, 12, 9), (4, 8, 12, 16, 20)):
        bone = rest[:, tip] - rest[:, keypoint_of_joint[last]]
        places.append(places[last] + np.einsum('bij,bj->bi', turns[last], bone))
    return np.stack([places[index] for index in KEYPOINTS_FROM_JOINTS_AND_TIPS], axis=1)
