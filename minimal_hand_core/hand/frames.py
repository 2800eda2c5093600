"""A frame at each of the 21 keypoints, each relative to its parent: the tree that TF and URDF want.

Convention:
    The frame of keypoint k lies at the keypoint. Its rotation relative to its parent's frame is the local rotation of
    the joint at that keypoint; a finger tip has no joint and is parallel to its parent. So the frames of a flat hand
    are all parallel to the wrist's. The wrist's frame is relative to the camera.
"""

from __future__ import annotations

import numpy as np

from minimal_hand_core.hand.skeleton import JOINT_KEYPOINTS, KEYPOINT_PARENTS, NUM_JOINTS, NUM_KEYPOINTS


def keypoint_frames(keypoints: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative frames of one hand.

    Args:
        keypoints: (21, 3) metres, camera frame.
        rotations: (16, 3, 3) local, MANO's joint order; [0] is the wrist in the camera frame.

    Returns:
        translations (21, 3) float64 metres and rotations (21, 3, 3) float64, each in its parent's frame; [0] in the
        camera frame.

    Raises:
        ValueError: wrong shape.
    """
    keypoints = np.asarray(keypoints, np.float64)
    rotations = np.asarray(rotations, np.float64)
    if keypoints.shape != (NUM_KEYPOINTS, 3):
        raise ValueError(f'keypoints: expected shape (21, 3), found {keypoints.shape}')
    if rotations.shape != (NUM_JOINTS, 3, 3):
        raise ValueError(f'rotations: expected shape (16, 3, 3), found {rotations.shape}')
    local = np.tile(np.eye(3), (NUM_KEYPOINTS, 1, 1))
    local[list(JOINT_KEYPOINTS)] = rotations
    turned = np.empty_like(local)
    translations = np.empty((NUM_KEYPOINTS, 3))
    turned[0] = local[0]
    translations[0] = keypoints[0]
    for k in range(1, NUM_KEYPOINTS):
        parent = KEYPOINT_PARENTS[k]
        turned[k] = turned[parent] @ local[k]
        translations[k] = turned[parent].T @ (keypoints[k] - keypoints[parent])
    return translations, local
