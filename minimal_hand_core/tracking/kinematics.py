"""Forward kinematics of the 21 keypoints: a template hand, posed by local joint rotations."""

from __future__ import annotations

import numpy as np

from minimal_hand_core.hand.skeleton import (
    FINGER_KEYPOINTS,
    FINGERS,
    JOINT_KEYPOINTS,
    NUM_KEYPOINTS,
    WRIST,
)

# (5 fingers, 4 keypoints) base → tip, and (5, 3) the joints at the first three of them.
_CHAINS = np.array([FINGER_KEYPOINTS[finger] for finger in FINGERS])
_JOINTS = np.array([[JOINT_KEYPOINTS.index(keypoint) for keypoint in chain[:3]] for chain in _CHAINS])


def articulate(template: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Keypoints of a posed hand relative to its wrist.

    Args:
        template: (21, 3) keypoints of the rest pose, hand model's frame.
        rotations: (16, 3, 3) local rotations, MANO's order; [0] turns the whole hand.

    Returns:
        (21, 3) float64, unit of the template; row 0 is zero. Every bone keeps the template's length.
    """
    posed = np.zeros((NUM_KEYPOINTS, 3))
    turned = np.broadcast_to(rotations[0], (5, 3, 3))
    place = np.zeros((5, 3))
    start = np.broadcast_to(template[WRIST], (5, 3))
    for step in range(4):
        end = template[_CHAINS[:, step]]
        place = place + (turned @ (end - start)[..., None])[..., 0]
        posed[_CHAINS[:, step]] = place
        start = end
        if step < 3:
            turned = turned @ rotations[_JOINTS[:, step]]
    return posed
