"""Forward kinematics of the 21 keypoints: a template hand, posed by local joint rotations."""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.arrays import for_kernel
from minimal_hand_core.hand.skeleton import FINGER_JOINTS, FINGER_KEYPOINTS, FINGERS, NUM_KEYPOINTS
from minimal_hand_core.pose.swing import multiply

# (5 fingers, 4 keypoints) base → tip, and (5, 3) the joints at the first three of them.
_CHAINS = np.array([FINGER_KEYPOINTS[finger] for finger in FINGERS])
_JOINTS = np.array(FINGER_JOINTS)


def articulate(template: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Keypoints of a posed hand relative to its wrist.

    Args:
        template: (21, 3) keypoints of the rest pose, hand model's frame.
        rotations: (16, 3, 3) local rotations, MANO's order; [0] turns the whole hand.

    Returns:
        (21, 3) float64, unit of the template; row 0 is zero. Every bone keeps the template's length.
    """
    posed = np.empty((NUM_KEYPOINTS, 3))
    _pose(*(for_kernel(np.asarray(part, np.float64)) for part in (template, rotations)), posed)
    return posed


@njit(cache=True, nogil=True, error_model='numpy')
def _pose(template: np.ndarray, rotations: np.ndarray, posed: np.ndarray) -> None:
    """Fill posed (21, 3)."""
    turned, child = np.empty((3, 3)), np.empty((3, 3))
    posed[0] = 0.0
    for finger in range(5):
        turned[:] = rotations[0]
        start = 0
        for step in range(4):
            end = _CHAINS[finger, step]
            x, y, z = (
                template[end, 0] - template[start, 0],
                template[end, 1] - template[start, 1],
                template[end, 2] - template[start, 2],
            )
            for i in range(3):
                posed[end, i] = posed[start, i] + turned[i, 0] * x + turned[i, 1] * y + turned[i, 2] * z
            if step < 3:
                multiply(turned, rotations[_JOINTS[finger, step]], child)
                turned, child = child, turned
            start = end
