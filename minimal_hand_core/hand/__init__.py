"""What a hand is: names and topology, the hand model, reading MANO's files safely, the open hand."""

from minimal_hand_core.hand.left_file import HandModelWarning, length_width_correlation
from minimal_hand_core.hand.loading import OPEN_HAND, load_hand_model, read_npz
from minimal_hand_core.hand.mano import read_mano, read_mano_dict
from minimal_hand_core.hand.mirror import mirror_axis_angles, mirror_parameters, mirror_points, mirror_rotations
from minimal_hand_core.hand.model import HandModel, HandOutput
from minimal_hand_core.hand.parameters import HandModelError, HandParameters
from minimal_hand_core.hand.pose_space import PoseSpace
from minimal_hand_core.hand.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
)
from minimal_hand_core.hand.skeleton import (
    BONE_KEYPOINTS,
    FINGER_COLORS_BGR,
    FINGER_KEYPOINTS,
    FINGERS,
    JOINT_KEYPOINTS,
    JOINT_NAMES,
    JOINT_PARENTS,
    KEYPOINT_NAMES,
    KEYPOINT_PARENTS,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    MIDDLE_MCP,
    NUM_BETAS,
    NUM_BONES,
    NUM_JOINTS,
    NUM_KEYPOINTS,
    PALM_KEYPOINTS,
    REFERENCE_BONE,
    SIDES,
    TIP_KEYPOINTS,
    WRIST,
)

__all__ = [
    'BONE_KEYPOINTS',
    'FINGERS',
    'FINGER_COLORS_BGR',
    'FINGER_KEYPOINTS',
    'HandModel',
    'HandModelError',
    'HandModelWarning',
    'HandOutput',
    'HandParameters',
    'JOINT_KEYPOINTS',
    'JOINT_NAMES',
    'JOINT_PARENTS',
    'KEYPOINTS_FROM_JOINTS_AND_TIPS',
    'KEYPOINT_NAMES',
    'KEYPOINT_PARENTS',
    'MIDDLE_MCP',
    'NUM_BETAS',
    'NUM_BONES',
    'NUM_JOINTS',
    'NUM_KEYPOINTS',
    'OPEN_HAND',
    'PALM_KEYPOINTS',
    'PoseSpace',
    'REFERENCE_BONE',
    'SIDES',
    'TIP_KEYPOINTS',
    'WRIST',
    'axis_angle_to_matrix',
    'axis_angle_to_quaternion',
    'length_width_correlation',
    'load_hand_model',
    'matrix_to_axis_angle',
    'matrix_to_quaternion',
    'mirror_axis_angles',
    'mirror_parameters',
    'mirror_points',
    'mirror_rotations',
    'quaternion_to_axis_angle',
    'quaternion_to_matrix',
    'read_mano',
    'read_mano_dict',
    'read_npz',
]
