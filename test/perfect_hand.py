"""The state that a tracker without fault would give of a rendered hand."""

from __future__ import annotations

import numpy as np

from minimal_hand_core.data.synthetic import HandTruth
from minimal_hand_core.tracking import HandState


def perfect_state(truth: HandTruth, stamp: float, keypoints_m: np.ndarray, *, metric: bool = True) -> HandState:
    """All but the places as in truth; keypoints_m (21, 3) metres says where the hand is taken to be."""
    return HandState(
        side=truth.side,
        stamp=stamp,
        score=0.9,
        uv=truth.keypoints_px,
        confidence=np.ones(21),
        keypoints_m=keypoints_m,
        betas=truth.betas,
        hand_length=truth.hand_length,
        rotations=truth.rotations,
        angles=truth.angles,
        wrist_position=keypoints_m[0],
        wrist_covariance=np.eye(6),
        metric=metric,
    )
