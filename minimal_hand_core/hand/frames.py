"""A frame at each of the 21 keypoints, each relative to its parent: the tree that TF and URDF want.

Convention:
    The frame of keypoint k lies at the keypoint. Its rotation relative to its parent's frame is the local rotation of
    the joint at that keypoint; a finger tip has no joint and is parallel to its parent. So the frames of a flat hand
    are all parallel to the wrist's. The wrist's frame is relative to the camera.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import JOINT_KEYPOINTS, KEYPOINT_PARENTS, NUM_JOINTS, NUM_KEYPOINTS

# Plain arrays: numba takes them into the kernel as constants.
_PARENTS = np.array(KEYPOINT_PARENTS)
# The joint at each keypoint, −1 at a finger's tip.
_JOINTS = np.array([JOINT_KEYPOINTS.index(k) if k in JOINT_KEYPOINTS else -1 for k in range(NUM_KEYPOINTS)])


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
    translations, local = np.empty((NUM_KEYPOINTS, 3)), np.empty((NUM_KEYPOINTS, 3, 3))
    _relate(
        np.require(keypoints, requirements=('C', 'W')),
        np.require(rotations, requirements=('C', 'W')),
        translations,
        local,
    )
    return translations, local


@njit(cache=True, nogil=True, error_model='numpy')
def _relate(keypoints: np.ndarray, rotations: np.ndarray, translations: np.ndarray, local: np.ndarray) -> None:
    """Fill translations (21, 3) and local (21, 3, 3)."""
    turned = np.empty((NUM_KEYPOINTS, 3, 3))
    for k in range(NUM_KEYPOINTS):
        local[k] = 0.0
        for i in range(3):
            local[k, i, i] = 1.0
        if _JOINTS[k] >= 0:
            local[k] = rotations[_JOINTS[k]]
        if k == 0:
            turned[0], translations[0] = local[0], keypoints[0]
            continue
        parent = turned[_PARENTS[k]]
        offset = keypoints[k] - keypoints[_PARENTS[k]]
        for i in range(3):
            translations[k, i] = parent[0, i] * offset[0] + parent[1, i] * offset[1] + parent[2, i] * offset[2]
            for j in range(3):
                turned[k, i, j] = (
                    parent[i, 0] * local[k, 0, j] + parent[i, 1] * local[k, 1, j] + parent[i, 2] * local[k, 2, j]
                )
