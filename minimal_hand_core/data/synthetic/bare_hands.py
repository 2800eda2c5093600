"""The hand of a random scene before anything is drawn: shape, pose and view."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minimal_hand_core.data.synthetic.poses import sample_view

if TYPE_CHECKING:
    from minimal_hand_core.data.synthetic.scenes import SceneVariation, Studio


class BareHand(NamedTuple):
    """Parameters of a right hand.

    Attributes:
        betas: (10,) float64 shape.
        rotations: (16, 3, 3) float64 local; [0] is the wrist's in the camera frame.
        angles: (20,) float64 radians, order of ANGLE_NAMES, about the axes of the mean hand.
        family: what kind of pose it is.
    """

    betas: np.ndarray
    rotations: np.ndarray
    angles: np.ndarray
    family: str


def bare_hand(rng: np.random.Generator, studio: Studio, how: SceneVariation) -> BareHand:
    """A random hand. It is the first thing that a scene draws, so the same `rng` gives the hand of its sample."""
    pose = studio.pose(rng)
    betas = np.minimum(np.maximum(how.beta * rng.standard_normal(10), -3), 3)
    rotations = pose.rotations.copy()
    rotations[0] = sample_view(rng)
    return BareHand(betas, rotations, pose.angles, pose.family)
