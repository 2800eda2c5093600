"""The one choice of how rotations are found: every node, tool and estimator goes through `PoseSolver`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.arrays import ArrayLike, restore, to_float64
from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.pose.aik import solve_pose
from minimal_hand_core.pose.angles import ANATOMICAL_LIMITS, joint_angles, rotations_from_angles
from minimal_hand_core.pose.axes import JointAxes
from minimal_hand_core.pose.iknet import load_iknet

POSE_METHODS = ('aik', 'iknet')
"""Analytic inverse kinematics, neural network."""


def check_pose_method(method: str, name: str = 'pose method') -> str:
    """method, if it is one.

    Raises:
        ValueError: it is none; lists those that are.
    """
    if method not in POSE_METHODS:
        raise ValueError(f'{name} is {method!r}; give one of {", ".join(POSE_METHODS)}')
    return method


class PoseSolver:
    """Keypoints to rotations by the method chosen; ready (weights read) once made.

    'aik' reproduces every target that the hand can reach. 'iknet' has learned what hands do: it is not exact, and less
    led astray by noise; measured in assets/IKNET.md.

    Args:
        method: 'aik' or 'iknet'.
        side: 'right' or 'left'.
        limits: bend no joint further than ANATOMICAL_LIMITS.
        weights: of 'iknet': 'default' or a file of train_iknet.

    Raises:
        ValueError: unknown method or side.
        IKNetError: the method is 'iknet' and its weights cannot be read.
    """

    def __init__(
        self, method: str = 'aik', *, side: str = 'right', limits: bool = True, weights: str | Path = 'default'
    ) -> None:
        self.method = check_pose_method(method)
        if side not in SIDES:
            raise ValueError(f'side: expected one of {", ".join(SIDES)}, found {side!r}')
        self.side, self.limits = side, limits
        self._network = load_iknet(weights) if method == 'iknet' else None

    def __call__(self, template: ArrayLike, target: ArrayLike, axes: JointAxes | None = None) -> Any:
        """Local joint rotations that pose the template like the target.

        Args:
            template, target: (B, 21, 3) or (21, 3) each, as of `solve_pose`.
            axes: JointAxes of the template, for who has them already; made from it when None and needed.

        Returns:
            (B, 16, 3, 3) or (16, 3, 3) as of `solve_pose`; within the limits if there are any.

        Raises:
            ValueError: as `solve_pose`.
        """
        if self.limits and axes is None:
            axes = JointAxes.from_keypoints(template, self.side)
        if self._network is None:
            if not self.limits:
                return solve_pose(template, target)
            return solve_pose(template, target, limits=ANATOMICAL_LIMITS, axes=axes)
        rotations = self._network.solve(template, target, self.side)
        if axes is None or not self.limits:
            return rotations
        turned = to_float64(rotations, 'rotations')
        angles = np.clip(joint_angles(turned, axes), *ANATOMICAL_LIMITS.T)
        return restore(rotations_from_angles(angles, axes, turned[..., 0, :, :]), target)
