"""What the tracker's stages hand on to each other. Arrays are NumPy; all are frozen."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from minimal_hand_core.tracking.crop import Crop

UNKNOWN_VARIANCE = 1e6
"""m²: the position variance of a hand whose place in the camera frame is not known."""


@dataclass(frozen=True, eq=False)
class Keypoints:
    """A hand as the network saw it in one picture.

    Attributes:
        side: 'right' or 'left'.
        stamp: of the picture, seconds.
        score: mean confidence of the keypoints, 0…1.
        uv: (21, 2) float64 pixels (x, y) of the picture; may lie beyond its border.
        xyz: (21, 3) float64 network units, (X − X9) / |X9 − X0|, camera axes (x right, y down, z forward). Without
            intrinsics the axes are those of the view along the crop's centre instead.
        confidence: (21,) float64, 0…1.
        crop: the square the network looked at, where known.
    """

    side: str
    stamp: float
    score: float
    uv: np.ndarray
    xyz: np.ndarray
    confidence: np.ndarray
    crop: Crop | None = None


@dataclass(frozen=True)
class NoHand:
    """No hand in this picture.

    Attributes:
        stamp: of the picture, seconds.
        score: the best score there was, 0…1, not enough (or not consistent).
    """

    stamp: float
    score: float


@dataclass(frozen=True, eq=False)
class HandState:
    """A hand, articulated and, with intrinsics, metric.

    Frame: the camera's (x right, y down, z forward, metres) when `metric`; otherwise the same axes with the origin at
    the wrist. Mesh, keypoints and rotations belong to the same articulated hand, whose bones keep their lengths; what
    the network saw is in `uv`, unfiltered.

    Attributes:
        side: 'right' or 'left'.
        stamp: of the picture, seconds.
        score: 0…1.
        uv: (21, 2) float64 pixels of the picture.
        confidence: (21,) float64, 0…1.
        keypoints_m: (21, 3) float64 metres.
        betas: (10,) float64.
        hand_length: |wrist − middle MCP|, metres.
        rotations: (16, 3, 3) float64, local, MANO's order; [0] turns the hand model's frame into the camera's axes.
        angles: (20,) float64 radians, order of `pose.ANGLE_NAMES`.
        wrist_position: (3,) float64 metres; zero when not metric.
        wrist_covariance: (6, 6) float64, x, y, z, turns about X, Y, Z of the camera (m², m·rad, rad²); position
            variances are UNKNOWN_VARIANCE when not metric.
        metric: whether the place in the camera frame is known.
        timings: seconds per stage.
    """

    side: str
    stamp: float
    score: float
    uv: np.ndarray
    confidence: np.ndarray
    keypoints_m: np.ndarray
    betas: np.ndarray
    hand_length: float
    rotations: np.ndarray
    angles: np.ndarray
    wrist_position: np.ndarray
    wrist_covariance: np.ndarray
    metric: bool
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def wrist_rotation(self) -> np.ndarray:
        """(3, 3) float64, hand model's frame → camera's axes."""
        return self.rotations[0]
