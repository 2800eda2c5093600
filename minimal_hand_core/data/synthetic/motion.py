"""A scripted hand that moves smoothly in front of a camera, its truth known at every time.

Convention: camera frame x right, y down, z forward, metres. The script loops; motion is smooth across the seam.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from minimal_hand_core.data.synthetic.poses import PALM_VIEW, turn
from minimal_hand_core.hand import HandModel, load_hand_model
from minimal_hand_core.pose.angles import ANATOMICAL_LIMITS, JointAxes, rotations_from_angles

_TILT = np.radians(50)
# Thumb (CMC flexion, CMC abduction, MCP, IP) and fingers (MCP flexion, MCP abduction, PIP, DIP), degrees.
_OPEN, _SPREAD, _LOOSE = (4, 2, 5, 4), (2, 12, 4, 3), (32, 2, 40, 24)
_FOLDED, _CLOSING = (76, 0, 96, 52), (46, 0, 52, 28)
_THUMB_OUT, _THUMB_BESIDE, _THUMB_OVER, _THUMB_OPPOSED = (
    (-6, 16, 2, 2),
    (2, -6, 6, 14),
    (30, -8, 31, 40),
    (24, 10, 20, 16),
)
GESTURES = {
    'open': (_THUMB_OUT, _SPREAD, _OPEN, _SPREAD, _SPREAD),
    'closed': (_THUMB_OVER, _FOLDED, _FOLDED, _FOLDED, _FOLDED),
    'flat': (_THUMB_BESIDE, _OPEN, _OPEN, _OPEN, _OPEN),
    'relaxed': (_THUMB_BESIDE, _LOOSE, _LOOSE, _LOOSE, _LOOSE),
    'point': (_THUMB_OVER, _OPEN, _FOLDED, _FOLDED, _FOLDED),
    'victory': (_THUMB_OVER, (2, 11, 4, 3), (2, -8, 4, 3), _FOLDED, _FOLDED),
    'three': ((41, -10, 45, 30), _SPREAD, _OPEN, _SPREAD, _FOLDED),
    'pinch': ((22, 2, 19, 15), (45, 0, 50, 43), (30, 0, 30, 18), (20, 2, 22, 12), (12, 6, 16, 8)),
    'thumb': ((-12, 6, -2, -6), _FOLDED, _FOLDED, _FOLDED, _FOLDED),
    'grasp': (_THUMB_OPPOSED, _CLOSING, _CLOSING, _CLOSING, _CLOSING),
}
"""Name → (5, 4) degrees, thumb first; within ANATOMICAL_LIMITS."""


class MotionState(NamedTuple):
    """The hand at one time.

    Attributes:
        rotations: (16, 3, 3) float64 local; [0] is the wrist's in the camera frame.
        betas: (10,) float64, the same at all times.
        wrist: (3,) float64 metres, position of the wrist joint in the camera frame.
        angles: (20,) float64 radians, order of ANGLE_NAMES.
    """

    rotations: np.ndarray
    betas: np.ndarray
    wrist: np.ndarray
    angles: np.ndarray


class HandMotion:
    """A hand that opens and closes, makes gestures, turns and wanders; deterministic.

    Args:
        seed: another seed, another person, path and order of gestures.
        model: the hand whose axes the fingers bend about; the open hand when None.
        period: length of the loop, seconds.
        distance: nearest and farthest distance of the hand, metres.

    Raises:
        ValueError: period or distances not positive or in the wrong order.
    """

    def __init__(
        self,
        seed: int = 0,
        model: HandModel | None = None,
        period: float = 20.0,
        distance: tuple[float, float] = (0.36, 0.58),
    ) -> None:
        if not period > 0:
            raise ValueError(f'period: expected more than 0 s, found {period}')
        if not 0 < distance[0] <= distance[1]:
            raise ValueError(f'distance: expected 0 < nearest ≤ farthest in metres, found {distance}')
        self.period, self.distance = float(period), distance
        self._axes = JointAxes.from_model(model if model is not None else load_hand_model('open', 'right'))
        rng = np.random.default_rng((seed, 0x5EED))
        self.betas = np.clip(rng.normal(0, 0.8, 10), -2, 2)
        self._angles = self._gesture_curve(rng)
        # Slow waves of whole turns per period: periodic, and never faster than a calm hand.
        self._cycles = np.array([[1, 2, 1], [2, 1, 3]])
        self._phases = rng.uniform(0, 2 * np.pi, (4, 2, 3))

    def at(self, t: float) -> MotionState:
        """The hand `t` seconds after the start; any finite t."""
        turns = 2 * np.pi * (float(t) / self.period)
        waves = np.sin(self._cycles * turns + self._phases)  # (4, 2, 3)
        # Weighted so that the sum never leaves −1…1.
        place, tilt = 0.6 * waves[0, 0] + 0.4 * waves[0, 1], 0.65 * waves[1, 0] + 0.35 * waves[1, 1]
        near, far = self.distance
        z = near + (far - near) * (0.5 + 0.5 * place[2])
        # The wrist hangs half a hand below the middle of the view, so that the hand is in it at any distance.
        wrist = np.array([0.12 * place[0] * z, 0.08 + 0.04 * place[1] * z, z])
        # Fingers point away from −y by half a radian at most; the palm looks at the camera, or past it by 50°.
        facing = turn((0, 1, 0), _TILT * tilt[0]) @ turn((1, 0, 0), 0.6 * _TILT * tilt[1])
        rotation = turn((0, 0, 1), 0.55 * tilt[2]) @ facing @ PALM_VIEW
        angles = self._angles(float(t) % self.period)
        low, high = ANATOMICAL_LIMITS.T
        angles = np.clip(angles, low, high)
        rotations = rotations_from_angles(angles, self._axes)
        rotations[0] = rotation
        return MotionState(rotations, self.betas.copy(), wrist, angles)

    def _gesture_curve(self, rng: np.random.Generator) -> PchipInterpolator:
        """Angles over time: hold a gesture, go to the next, open and close in between."""
        names = list(GESTURES)[3:]
        order = ['open', 'closed', 'open', *rng.permutation(names), 'flat']
        slots = len(order)
        times, values = [], []
        for i, name in enumerate(order):
            pose = np.radians(np.array(GESTURES[name], float).reshape(20))
            for share in (0.0, 0.45):  # held for a good third of its slot
                times.append((i + share) * self.period / slots)
                values.append(pose)
        times.append(self.period)
        values.append(values[0])
        # Shape-preserving: it stands still while a gesture is held and never overshoots an anatomical limit.
        return PchipInterpolator(np.array(times), np.stack(values))
