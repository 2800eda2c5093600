"""Where a robot's links are, and how they move with its joints."""

from __future__ import annotations

import numpy as np

from minimal_hand_core.arrays import check_finite, check_shape, to_float64
from minimal_hand_core.robots.robot import MOVING, Robot


class Kinematics:
    """Forward kinematics of a robot.

    Convention:
        * Positions (N,) are those of robot.actuated; joints that follow others are moved along.
        * Frames are those of the links, in the root link's frame, in the order of robot.links; metres.

    Args:
        robot: as `read_urdf` gives it.
    """

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        place = {name: i for i, name in enumerate(robot.links)}
        self._parents = [place[joint.parent] for joint in robot.joints]
        columns = {name: i for i, name in enumerate(robot.names)}
        count = len(robot.names)
        # (J, N) and (J,): position of every joint, fixed ones too, as an affine function of the actuated ones.
        self._drive = np.zeros((len(robot.joints), count))
        self._offset = np.zeros(len(robot.joints))
        for i, joint in enumerate(robot.joints):
            if joint.kind in MOVING:
                source = joint.mimic.joint if joint.mimic else joint.name
                self._drive[i, columns[source]] = joint.mimic.multiplier if joint.mimic else 1.0
                self._offset[i] = joint.mimic.offset if joint.mimic else 0.0
        self._turning = np.array([joint.kind in ('revolute', 'continuous') for joint in robot.joints], bool)
        self._sliding = np.array([joint.kind == 'prismatic' for joint in robot.joints], bool)
        axes = np.array([joint.axis for joint in robot.joints]).reshape(-1, 3)
        self._axes = axes
        self._cross = np.cross(np.eye(3), axes[:, None])
        self._square = self._cross @ self._cross
        self._origins = np.array([joint.origin for joint in robot.joints]).reshape(-1, 4, 4)
        # (L, J): which joints lie between the root and a link.
        self._above = np.zeros((len(robot.links), len(robot.joints)), bool)
        for i, parent in enumerate(self._parents):
            self._above[i + 1] = self._above[parent]
            self._above[i + 1, i] = True

    def link_frames(self, positions: np.ndarray) -> np.ndarray:
        """Frames of all links.

        Args:
            positions: (N,) radians or metres.

        Returns:
            (L, 4, 4) float64.

        Raises:
            ValueError: wrong shape or not finite.
        """
        values = to_float64(positions, 'positions')
        check_shape(values, 'positions', (len(self.robot.names),))
        check_finite(values, 'positions')
        joints = self._drive @ values + self._offset
        turns = np.where(self._turning, joints, 0.0)[:, None, None]
        # Rodrigues' formula, for all joints at once.
        local = self._origins.copy()
        rotation = np.eye(3) + np.sin(turns) * self._cross + (1.0 - np.cos(turns)) * self._square
        shift = np.where(self._sliding, joints, 0.0)[:, None] * self._axes
        local[:, :3, 3] += (self._origins[:, :3, :3] @ shift[..., None])[..., 0]
        local[:, :3, :3] = self._origins[:, :3, :3] @ rotation
        frames = np.empty((len(self.robot.links), 4, 4))
        frames[0] = np.eye(4)
        for i, parent in enumerate(self._parents):
            np.matmul(frames[parent], local[i], out=frames[i + 1])
        return frames

    def jacobian(self, frames: np.ndarray, links: np.ndarray) -> np.ndarray:
        """How the origins of some links move with the actuated joints.

        Args:
            frames: (L, 4, 4) of `link_frames`.
            links: (K,) integers, places in robot.links.

        Returns:
            (K, 3, N) float64, ∂ origin / ∂ position in the root's frame.
        """
        own = frames[1:]
        axes = (own[:, :3, :3] @ self._axes[..., None])[..., 0]
        arms = frames[links, None, :3, 3] - own[None, :, :3, 3]
        turned = np.cross(axes[None], arms)
        moved = np.where(self._turning[None, :, None], turned, np.where(self._sliding[None, :, None], axes[None], 0.0))
        moved = moved * self._above[links][..., None]
        return np.asarray(np.einsum('kjx,jn->kxn', moved, self._drive))
