"""The skin of a hand in six pieces, palm and fingers, so that each can have the colour of its own confidence.

A mesh in viser has one colour, and only the places of its vertices can be sent anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minimal_hand_core.hand import FINGER_KEYPOINTS, FINGERS, PALM_KEYPOINTS, WRIST, HandModel
from minimal_hand_core.robots.hand_pieces import strongest_fingers

PALM = 'palm'


@dataclass(frozen=True, eq=False)
class SkinPart:
    """One piece.

    Attributes:
        name: 'palm' or a finger.
        vertices: (N,) int, which vertices of the hand it has.
        faces: (M, 3) int, numbers of `vertices`.
        keypoints: whose confidences it shows.
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    keypoints: tuple[int, ...]


def skin_parts(model: HandModel) -> tuple[SkinPart, ...]:
    """Palm and fingers of a hand; every face is in one of them.

    A face belongs to the finger that moves most of it, by skinning weights, or else to the palm.
    """
    faces = model.faces.numpy()
    owner = strongest_fingers(model.skinning_weights.numpy(), faces)
    keypoints = [(WRIST, *PALM_KEYPOINTS), *(FINGER_KEYPOINTS[finger] for finger in FINGERS)]
    parts = []
    for number, name in enumerate((PALM, *FINGERS)):
        vertices, numbers = np.unique(faces[owner == number], return_inverse=True)
        parts.append(SkinPart(name, vertices, numbers.reshape(-1, 3), keypoints[number]))
    return tuple(parts)
