"""Who the hand belongs to and what light it is in: all of a picture that the pose does not say."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from minimal_hand_core.data.synthetic.chance import around, between, hold
from minimal_hand_core.data.synthetic.forearm import ArmPose
from minimal_hand_core.data.synthetic.lighting import ROOM, Lighting, sample_lighting
from minimal_hand_core.data.synthetic.skin import Skin, sample_cloth, sample_skin


@dataclass(frozen=True)
class Appearance:
    """All of a picture that the pose does not say: skin, light, arm, sleeve.

    Attributes:
        skin: colours of the skin.
        lighting: light in the camera frame.
        arm: shape of the forearm and where the sleeve starts.
        cloth: (2, 3) float32 linear RGB, the sleeve's two colours.
        cloth_pattern: 0–4 as in `Prop`.
        noise: offset into the skin's noise, so that no two hands have the same blotches.
    """

    skin: Skin = field(default_factory=lambda: sample_skin(np.random.default_rng(5)))
    lighting: Lighting = ROOM
    arm: ArmPose = ArmPose()
    cloth: np.ndarray = field(default_factory=lambda: np.full((2, 3), 0.2, np.float32))
    cloth_pattern: int = 0
    noise: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator, surroundings: np.ndarray | None = None) -> Appearance:
        """A random person in random light; `surroundings` (3,) is the background's mean BGR, 0–255."""
        arm = ArmPose(
            flexion=hold(around(rng, 0, 0.35), -0.9, 0.9),
            deviation=hold(around(rng, 0.05, 0.2), -0.35, 0.5),
            widening=between(rng, 1.15, 1.6),
            sleeve=between(rng, 0.006, 0.13) if rng.random() < 0.5 else None,
            sleeve_gap=between(rng, 1.08, 1.5),
        )
        return cls(
            skin=sample_skin(rng),
            lighting=sample_lighting(rng, surroundings),
            arm=arm,
            cloth=sample_cloth(rng),
            cloth_pattern=int(rng.integers(0, 5)),
            noise=between(rng, 0, 32),
        )
