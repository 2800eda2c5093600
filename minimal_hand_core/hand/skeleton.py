"""Names and topology of a hand: 21 keypoints, 16 joints, 15 bones.

Convention:
    * A *keypoint* is a point. There are 21: wrist, then thumb, index, middle, ring, little, each from base to tip
      (the order of MPII, OpenPose, MediaPipe and FreiHAND).
    * A *joint* is a place where the hand bends. There are 16, in MANO's order: wrist, then index, middle, **little**,
      **ring**, thumb, three each. Every joint is also a keypoint; the five finger tips are keypoints only.
    * A *bone* is named by the keypoint at its far end.

Source: fact sheet, sections 1.1 and 1.2.
"""

FINGERS = ('thumb', 'index', 'middle', 'ring', 'little')
SIDES = ('right', 'left')

NUM_KEYPOINTS = 21
NUM_JOINTS = 16
NUM_BETAS = 10
NUM_BONES = 15

WRIST = 0
MIDDLE_MCP = 9
"""The root of network coordinates; the hand length is the distance from it to the wrist."""

KEYPOINT_NAMES = (
    'wrist',
    'thumb_cmc', 'thumb_mcp', 'thumb_ip', 'thumb_tip',
    'index_mcp', 'index_pip', 'index_dip', 'index_tip',
    'middle_mcp', 'middle_pip', 'middle_dip', 'middle_tip',
    'ring_mcp', 'ring_pip', 'ring_dip', 'ring_tip',
    'little_mcp', 'little_pip', 'little_dip', 'little_tip',
)  # fmt: skip
KEYPOINT_PARENTS = (0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
"""The wrist is its own parent."""

FINGER_KEYPOINTS = {finger: tuple(range(1 + 4 * i, 5 + 4 * i)) for i, finger in enumerate(FINGERS)}
"""Four keypoints of each finger, base to tip."""
TIP_KEYPOINTS = (4, 8, 12, 16, 20)
PALM_KEYPOINTS = (1, 5, 9, 13, 17)
"""The five finger bases; with the wrist they are the palm that the pose solver takes as rigid."""

JOINT_NAMES = (
    'wrist',
    'index_mcp', 'index_pip', 'index_dip',
    'middle_mcp', 'middle_pip', 'middle_dip',
    'little_mcp', 'little_pip', 'little_dip',
    'ring_mcp', 'ring_pip', 'ring_dip',
    'thumb_cmc', 'thumb_mcp', 'thumb_ip',
)  # fmt: skip
JOINT_PARENTS = (0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)

JOINT_KEYPOINTS = tuple(KEYPOINT_NAMES.index(name) for name in JOINT_NAMES)
"""For each joint, the keypoint at the same place."""
FINGER_JOINTS = tuple(
    tuple(JOINT_KEYPOINTS.index(keypoint) for keypoint in FINGER_KEYPOINTS[finger][:3]) for finger in FINGERS
)
"""(5, 3): the joint at each finger's base, middle and last joint, thumb first."""
KEYPOINTS_FROM_JOINTS_AND_TIPS = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
"""keypoints = concatenate(joints (16), tips thumb…little (5))[these]."""

BONE_KEYPOINTS = (1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19)
"""The 15 bones whose lengths say something about shape (tip bones left out); each runs from the keypoint's parent."""
REFERENCE_BONE = 6
"""Position of bone wrist → middle MCP in BONE_KEYPOINTS."""

FINGER_COLORS_BGR = {
    'thumb': (53, 31, 216),
    'index': (0, 208, 214),
    'middle': (152, 72, 136),
    'ring': (216, 199, 126),
    'little': (230, 0, 0),
}
"""Drawing colours, uint8 BGR, as in fact sheet 1.1."""
