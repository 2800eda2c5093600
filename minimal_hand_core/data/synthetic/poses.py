"""Hand poses that people take: open, relaxed, fist, pointing, pinching, counting, grasping, and anything in between.

Angles are those of `pose.angles` (radians, flexion positive towards the palm); the tables here are in degrees. Always
within ANATOMICAL_LIMITS.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minimal_hand_core.data.synthetic.chance import around, between, hold, pick, pick_any
from minimal_hand_core.data.synthetic.pose_kernel import combine_turns, hold_to_limits, turn_joints
from minimal_hand_core.pose.angles import ANATOMICAL_LIMITS, JointAxes

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILIES = {
    'open': 0.14,
    'relaxed': 0.12,
    'fist': 0.08,
    'point': 0.06,
    'victory': 0.05,
    'pinch': 0.10,
    'count': 0.16,
    'grasp': 0.12,
    'hook': 0.03,
    'any': 0.14,
}
"""Share of each family."""

_LIMITS = np.array(ANATOMICAL_LIMITS)


class HandPose(NamedTuple):
    """A pose without the wrist's direction.

    Attributes:
        family: one of FAMILIES.
        angles: (20,) radians in the order of ANGLE_NAMES.
        rotations: (16, 3, 3) local; [0] is the identity.
    """

    family: str
    angles: np.ndarray
    rotations: np.ndarray


def sample_pose(rng: np.random.Generator, axes: JointAxes, family: str | None = None) -> HandPose:
    """A random pose of a random or the given family.

    Raises:
        ValueError: unknown family.
    """
    if family is None:
        family = pick(rng, FAMILIES)
    angles = sample_angles(rng, family)
    return HandPose(family, angles, turn_joints(angles, axes.flexion, axes.abduction))


def sample_angles(rng: np.random.Generator, family: str) -> np.ndarray:
    """(20,) radians within ANATOMICAL_LIMITS; see `sample_pose`."""
    if family not in _BUILDERS:
        raise ValueError(f'family: unknown {family!r}, choose one of {", ".join(FAMILIES)}')
    return hold_to_limits(np.array(_BUILDERS[family](rng), float), _LIMITS)


def sample_view(rng: np.random.Generator) -> np.ndarray:
    """Wrist rotation (3, 3) in the camera frame: mostly palm or back to the camera, fingers upwards."""
    if rng.random() < 0.12:
        return _random_rotation(rng)
    facing = PALM_VIEW if rng.random() < 0.55 else BACK_VIEW
    roll = hold(around(rng, 0, 0.7), -2.2, 2.2)
    axis = between(rng, 0, 2 * math.pi)
    tilt = around(rng, 0, 0.65)
    return combine_turns(roll, axis, tilt, facing)


def turn(axis: tuple[float, float, float], angle: float) -> np.ndarray:
    """Rotation matrix (3, 3) by `angle` radians about a unit axis: Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


PALM_VIEW = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float)
"""Wrist rotation with the palm to the camera and the fingers up (model −x → −y of the camera, −y → −z)."""
BACK_VIEW = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], float)
"""The same with the back of the hand to the camera."""


def _random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Uniform over all rotations, from a uniform unit quaternion."""
    x, y, z, w = (q := rng.normal(0, 1, 4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


Finger = list[float]
"""Four angles of one finger, degrees: MCP flexion and abduction, PIP, DIP; of the thumb CMC twice, MCP, IP."""

_FAN = (6.0, 0.0, 6.0, 11.0)
"""Degrees by which index … little fan out when flat; so much negative abduction makes them parallel."""


def _plus(finger: Finger, *more: float) -> Finger:
    return [a + b for a, b in zip(finger, more, strict=True)]


def _straight(rng: np.random.Generator, spread: float = 0.0) -> Finger:
    mcp, side, pip, dip = rng.standard_normal(4).tolist()
    return [2 + 7 * mcp, spread + 3 * side, abs(3 + 5 * pip), 2 + 4 * dip]


def _folded(rng: np.random.Generator, finger: int) -> Finger:
    """Into the palm, finger 0 index … 3 little; folded fingers come together."""
    together = rng.standard_normal() - between(rng, 0.4, 1.2) * _FAN[finger]
    return [between(rng, 64, 88), together, between(rng, 84, 102), between(rng, 26, 54)]


def _bent(rng: np.random.Generator, amount: float) -> Finger:
    """Evenly curled: amount 0 straight … 1 closed."""
    pip = 100 * amount + around(rng, 0, 8)
    return [70 * amount + around(rng, 0, 8), around(rng, 1, 3), pip, 0.55 * pip + around(rng, 0, 6)]


_THUMB = {
    'out': (-8, 18, 2, 0),
    'beside': (-2, -11, 2, 25),
    'across': (41, -10, 45, 62),
    'over': (30, -8, 31, 40),
    'opposed': (26, 12, 22, 16),
    'up': (-14, 6, -4, -10),
}
"""CMC flexion, CMC abduction, MCP, IP, degrees: found by fitting thumb tips to where they rest on the open hand."""


def _thumb(rng: np.random.Generator, state: str) -> Finger:
    return [a + b * c for a, b, c in zip(_THUMB[state], (6, 6, 8, 9), rng.standard_normal(4).tolist(), strict=True)]


def _open(rng: np.random.Generator) -> list[Finger]:
    spread = between(rng, -1.1, 2.2)
    bend = around(rng, 0, 5)
    fingers = [_plus(_straight(rng, spread * fan), bend, 0, 0, 0) for fan in _FAN]
    return [_thumb(rng, pick(rng, {'out': 0.5, 'beside': 0.25, 'up': 0.15, 'opposed': 0.1})), *fingers]


def _relaxed(rng: np.random.Generator) -> list[Finger]:
    amount = between(rng, 0.12, 0.5)
    step = between(rng, 0, 0.08)
    return [_thumb(rng, pick_any(rng, 'beside', 'opposed', 'out')), *(_bent(rng, amount + i * step) for i in range(4))]


def _fist(rng: np.random.Generator) -> list[Finger]:
    return [
        _thumb(rng, pick(rng, {'over': 0.5, 'beside': 0.2, 'up': 0.2, 'across': 0.1})),
        *(_folded(rng, i) for i in range(4)),
    ]


def _raised(rng: np.random.Generator, raised: tuple[int, ...], thumb: str, spread: float) -> list[Finger]:
    """Some fingers (0 index … 3 little) straight, the others folded."""
    # Positive is towards the thumb: the V opens by turning the middle finger away from the index.
    signs = (1.0, -0.6 if raised == (0, 1) else 0.0, 0.6, 1.0)
    loose = rng.random() < 0.3
    fingers = [
        _straight(rng, spread * signs[i])
        if i in raised
        else (_bent(rng, between(rng, 0.7, 1.0)) if loose else _folded(rng, i))
        for i in range(4)
    ]
    return [_thumb(rng, thumb), *fingers]


def _point(rng: np.random.Generator) -> list[Finger]:
    return _raised(rng, (0,), pick_any(rng, 'over', 'beside', 'across', 'out', 'up'), 0)


def _victory(rng: np.random.Generator) -> list[Finger]:
    return _raised(rng, (0, 1), pick_any(rng, 'over', 'across'), between(rng, 0, 18))


def _count(rng: np.random.Generator) -> list[Finger]:
    raised, thumb = [
        ((), 'up'),
        ((0,), 'up'),
        ((0, 1), 'out'),
        ((0, 1, 2), 'across'),
        ((1, 2, 3), 'opposed'),
        ((0, 1, 2, 3), 'across'),
        ((3,), 'over'),
        ((3,), 'out'),
        ((0, 3), 'over'),
        ((0, 3), 'out'),
        ((0, 1, 2, 3), 'out'),
    ][rng.integers(0, 11)]
    return _raised(rng, raised, thumb, between(rng, 0, 12))


# Per finger (index … little): thumb (4), then MCP, PIP and DIP flexion of the finger, tips touching; fitted likewise.
_PINCHES = (
    (
        (19, -5, 15, 17, 30, 69, 38),
        (22, 2, 19, 15, 45, 50, 43),
        (20, 10, 26, 18, 60, 60, 14),
        (29, 16, 22, 15, 70, 43, 15),
    ),
    ((35, -6, 15, 16, 40, 74, 21), (36, 6, 21, 20, 60, 60, 14)),
    ((42, -7, 25, 16, 45, 78, 16), (42, 5, 32, 15, 65, 48, 29)),
    ((43, -13, 46, 17, 50, 73, 7), (43, -6, 45, 18, 75, 34, 8)),
)


def _pinch(rng: np.random.Generator) -> list[Finger]:
    """Thumb to one or more finger tips; the others straight, curled or with it."""
    partner = pick(rng, {0: 0.6, 1: 0.22, 2: 0.1, 3: 0.08})
    first, second = (_PINCHES[partner][i] for i in rng.integers(len(_PINCHES[partner]), size=2))
    share = rng.random()
    noise = rng.standard_normal(7).tolist()
    touch = [a * share + b * (1 - share) + 2 * c for a, b, c in zip(first, second, noise, strict=True)]
    closing = [touch[4], 0.0, touch[5], touch[6]]
    style = rng.random()
    fingers = []
    for i in range(4):
        if i == partner:
            fingers.append(closing)
        elif style < 0.4:
            fingers.append(_plus(_straight(rng, 6.0), 6 * i, 0, 8, 4))
        elif style < 0.7:
            fingers.append(_bent(rng, between(rng, 0.25, 0.6)))
        else:
            noise = [5 * c for c in rng.standard_normal(4).tolist()]
            fingers.append(_plus(_plus(closing, *noise), 4 * i, 0, 6 * i, 0))
    return [touch[:4], *fingers]


def _grasp(rng: np.random.Generator) -> list[Finger]:
    """Round something: a rod, a bottle, a ball."""
    amount = between(rng, 0.3, 0.8)
    spread = between(rng, 0, 14) * (1 - amount)
    fingers = [_plus(_bent(rng, amount + 0.03 * i), 0, spread, 0, 0) for i in range(4)]
    further = 20 * (amount - 0.4)
    return [_plus(_thumb(rng, 'opposed'), 0, 0, further, further), *fingers]


def _hook(rng: np.random.Generator) -> list[Finger]:
    fingers = [[around(rng, 0, 8), around(rng, 2, 3), between(rng, 60, 105), between(rng, 30, 65)] for _ in range(4)]
    return [_thumb(rng, pick_any(rng, 'beside', 'out', 'opposed')), *fingers]


def _any(rng: np.random.Generator) -> list[Finger]:
    """Each finger by itself, neighbours alike."""
    amount = rng.random()
    fingers = []
    for _ in range(4):
        amount = hold(amount + around(rng, 0, 0.3), 0, 1)
        mcp = hold(amount * 85 + around(rng, 0, 22), -20, 90)
        pip = hold(amount * 100 + around(rng, 0, 20), -3, 110)
        fingers.append([mcp, between(rng, -8, 18), pip, 0.55 * pip + around(rng, 0, 10)])
    return [[between(rng, low, high) for low, high in _THUMB_RANGE], *fingers]


_THUMB_RANGE = np.degrees(_LIMITS[:4]).tolist()
_BUILDERS: dict[str, Callable[[np.random.Generator], list[Finger]]] = {
    'open': _open,
    'relaxed': _relaxed,
    'fist': _fist,
    'point': _point,
    'victory': _victory,
    'pinch': _pinch,
    'count': _count,
    'grasp': _grasp,
    'hook': _hook,
    'any': _any,
}
