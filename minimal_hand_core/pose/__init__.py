"""Keypoints and shape → joint rotations, and joint rotations → anatomical angles."""

from minimal_hand_core.pose.aik import solve_pose
from minimal_hand_core.pose.angles import (
    ANATOMICAL_LIMITS,
    ANGLE_NAMES,
    NUM_ANGLES,
    joint_angles,
    rotations_from_angles,
)
from minimal_hand_core.pose.axes import JointAxes

__all__ = [
    'ANATOMICAL_LIMITS',
    'ANGLE_NAMES',
    'NUM_ANGLES',
    'JointAxes',
    'joint_angles',
    'rotations_from_angles',
    'solve_pose',
]
