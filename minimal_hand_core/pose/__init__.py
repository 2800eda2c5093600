"""Keypoints and shape → joint rotations, and joint rotations → anatomical angles."""

from minimal_hand_core.pose.absolute import absolute_from_local, keypoints_from_absolute, local_from_absolute
from minimal_hand_core.pose.aik import solve_pose
from minimal_hand_core.pose.angles import (
    ANATOMICAL_LIMITS,
    ANGLE_NAMES,
    NUM_ANGLES,
    WRIST_ANGLE_NAMES,
    joint_angles,
    rotations_from_angles,
    wrist_angles,
    wrist_from_angles,
)
from minimal_hand_core.pose.axes import JointAxes
from minimal_hand_core.pose.iknet import IKNet, IKNetError, load_iknet, save_iknet
from minimal_hand_core.pose.methods import POSE_METHODS, PoseSolver, check_pose_method

__all__ = [
    'ANATOMICAL_LIMITS',
    'ANGLE_NAMES',
    'IKNet',
    'IKNetError',
    'JointAxes',
    'NUM_ANGLES',
    'POSE_METHODS',
    'PoseSolver',
    'WRIST_ANGLE_NAMES',
    'absolute_from_local',
    'check_pose_method',
    'joint_angles',
    'keypoints_from_absolute',
    'load_iknet',
    'local_from_absolute',
    'rotations_from_angles',
    'save_iknet',
    'solve_pose',
    'wrist_angles',
    'wrist_from_angles',
]
