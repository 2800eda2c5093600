"""Hand poses that people take: open, relaxed, fist, pointing, pinching, counting, grasping, and anything in between.

Angles are those of `pose.angles` (radians, flexion positive towards the palm); the tables here are in degrees. Always
within ANATOMICAL_LIMITS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minimal_hand_core.data.synthetic.chance import pick, pick_any
from minimal_hand_core.hand.skeleton import FINGERS
from minimal_hand_core.pose.angles import ANATOMICAL_LIMITS, JointAxes, rotations_from_angles

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

_LONG_FINGERS = FINGERS[1:]


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
    return HandPose(family, angles, rotations_from_angles(angles, axes))


def sample_angles(rng: np.random.Generator, family: str) -> np.ndarray:
    """(20,) radians within ANATOMICAL_LIMITS; see `sample_pose`."""
    if family not in _BUILDERS:
        raise ValueError(f'family: unknown {family!r}, choose one of {", ".join(FAMILIES)}')
    degrees = _BUILDERS[family](rng)
    # The last two joints share a tendon: the tip seldom bends by itself, and never alone when the middle is straight.
    tips, middles = degrees[1:, 3], degrees[1:, 2]
    degrees[1:, 3] = np.minimum(tips, 12 + 0.9 * np.maximum(middles, 0))
    # Bent fingers cannot be spread.
    wide = np.maximum(degrees[1:, 1], 0)
    degrees[1:, 1] -= wide * np.clip(degrees[1:, 0] / 90 - 0.15, 0, 0.85)
    low, high = ANATOMICAL_LIMITS.T
    return np.clip(np.radians(degrees.reshape(20)), low, high)


def sample_view(rng: np.random.Generator) -> np.ndarray:
    """Wrist rotation (3, 3) in the camera frame: mostly palm or back to the camera, fingers upwards."""
    if rng.random() < 0.12:
        return _random_rotation(rng)
    facing = PALM_VIEW if rng.random() < 0.55 else BACK_VIEW
    roll = np.clip(rng.normal(0, 0.7), -2.2, 2.2)
    axis = rng.uniform(0, 2 * np.pi)
    tilt = rng.normal(0, 0.65)
    return turn((0, 0, 1), roll) @ turn((np.cos(axis), np.sin(axis), 0), tilt) @ facing


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


_FAN = np.array([6.0, 0.0, 6.0, 11.0])
"""Degrees by which index … little fan out when flat; so much negative abduction makes them parallel."""


def _hand(thumb: np.ndarray, fingers: list[np.ndarray]) -> np.ndarray:
    """(5, 4) degrees."""
    return np.stack([thumb, *fingers]).astype(float)


def _straight(rng: np.random.Generator, spread: float = 0.0) -> np.ndarray:
    return np.array([rng.normal(2, 7), spread + rng.normal(0, 3), abs(rng.normal(3, 5)), rng.normal(2, 4)])


def _folded(rng: np.random.Generator, finger: int) -> np.ndarray:
    """Into the palm, finger 0 index … 3 little; folded fingers come together."""
    together = rng.normal(0, 1) - rng.uniform(0.4, 1.2) * _FAN[finger]
    return np.array([rng.uniform(64, 88), together, rng.uniform(84, 102), rng.uniform(26, 54)])


def _bent(rng: np.random.Generator, amount: float) -> np.ndarray:
    """Evenly curled: amount 0 straight … 1 closed."""
    pip = 100 * amount + rng.normal(0, 8)
    return np.array([70 * amount + rng.normal(0, 8), rng.normal(1, 3), pip, 0.55 * pip + rng.normal(0, 6)])


_THUMB = {
    'out': (-8, 18, 2, 0),
    'beside': (-2, -11, 2, 25),
    'across': (41, -10, 45, 62),
    'over': (30, -8, 31, 40),
    'opposed': (26, 12, 22, 16),
    'up': (-14, 6, -4, -10),
}
"""CMC flexion, CMC abduction, MCP, IP, degrees: found by fitting thumb tips to where they rest on the open hand."""


def _thumb(rng: np.random.Generator, state: str) -> np.ndarray:
    return np.array(_THUMB[state]) + rng.normal(0, (6, 6, 8, 9))


def _open(rng: np.random.Generator) -> np.ndarray:
    spread = rng.uniform(-1.1, 2.2) * _FAN
    bend = rng.normal(0, 5)
    fingers = [_straight(rng, s) + np.array([bend, 0, 0, 0]) for s in spread]
    return _hand(_thumb(rng, pick(rng, {'out': 0.5, 'beside': 0.25, 'up': 0.15, 'opposed': 0.1})), fingers)


def _relaxed(rng: np.random.Generator) -> np.ndarray:
    amount = rng.uniform(0.12, 0.5)
    step = rng.uniform(0, 0.08)
    return _hand(
        _thumb(rng, pick_any(rng, 'beside', 'opposed', 'out')), [_bent(rng, amount + i * step) for i in range(4)]
    )


def _fist(rng: np.random.Generator) -> np.ndarray:
    return _hand(
        _thumb(rng, pick(rng, {'over': 0.5, 'beside': 0.2, 'up': 0.2, 'across': 0.1})),
        [_folded(rng, i) for i in range(4)],
    )


def _raised(rng: np.random.Generator, raised: tuple[int, ...], thumb: str, spread: float) -> np.ndarray:
    """Some fingers (0 index … 3 little) straight, the others folded."""
    signs = np.array([1.0, 0.0, 0.6, 1.0])
    if raised == (0, 1):
        signs[1] = -0.6  # positive is towards the thumb: the V opens by turning the middle finger away from the index
    loose = rng.random() < 0.3
    fingers = [
        _straight(rng, spread * signs[i])
        if i in raised
        else (_bent(rng, rng.uniform(0.7, 1.0)) if loose else _folded(rng, i))
        for i in range(4)
    ]
    return _hand(_thumb(rng, thumb), fingers)


def _point(rng: np.random.Generator) -> np.ndarray:
    return _raised(rng, (0,), pick_any(rng, 'over', 'beside', 'across', 'out', 'up'), 0)


def _victory(rng: np.random.Generator) -> np.ndarray:
    return _raised(rng, (0, 1), pick_any(rng, 'over', 'across'), rng.uniform(0, 18))


def _count(rng: np.random.Generator) -> np.ndarray:
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
    return _raised(rng, raised, thumb, rng.uniform(0, 12))


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


def _pinch(rng: np.random.Generator) -> np.ndarray:
    """Thumb to one or more finger tips; the others straight, curled or with it."""
    partner = pick(rng, {0: 0.6, 1: 0.22, 2: 0.1, 3: 0.08})
    first, second = np.array(_PINCHES[partner], float)[rng.integers(len(_PINCHES[partner]), size=2)]
    share = rng.uniform(0, 1)
    touch = first * share + second * (1 - share) + rng.normal(0, 2, 7)
    closing = np.array([touch[4], 0, touch[5], touch[6]])
    style = rng.random()
    fingers = []
    for i in range(4):
        if i == partner:
            fingers.append(closing)
        elif style < 0.4:
            fingers.append(_straight(rng, 6.0) + np.array([6 * i, 0, 8, 4]))
        elif style < 0.7:
            fingers.append(_bent(rng, rng.uniform(0.25, 0.6)))
        else:
            fingers.append(closing + rng.normal(0, 5, 4) + np.array([4 * i, 0, 6 * i, 0]))
    return _hand(touch[:4], fingers)


def _grasp(rng: np.random.Generator) -> np.ndarray:
    """Round something: a rod, a bottle, a ball."""
    amount = rng.uniform(0.3, 0.8)
    spread = rng.uniform(0, 14) * (1 - amount)
    fingers = [_bent(rng, amount + 0.03 * i) + np.array([0, spread, 0, 0]) for i in range(4)]
    thumb = _thumb(rng, 'opposed')
    thumb[2:] += 20 * (amount - 0.4)
    return _hand(thumb, fingers)


def _hook(rng: np.random.Generator) -> np.ndarray:
    fingers = [
        np.array([rng.normal(0, 8), rng.normal(2, 3), rng.uniform(60, 105), rng.uniform(30, 65)]) for _ in range(4)
    ]
    return _hand(_thumb(rng, pick_any(rng, 'beside', 'out', 'opposed')), fingers)


def _any(rng: np.random.Generator) -> np.ndarray:
    """Each finger by itself, neighbours alike."""
    amount = rng.uniform(0, 1)
    fingers = []
    for _ in _LONG_FINGERS:
        amount = float(np.clip(amount + rng.normal(0, 0.3), 0, 1))
        mcp = np.clip(amount * 85 + rng.normal(0, 22), -20, 90)
        pip = np.clip(amount * 100 + rng.normal(0, 20), -3, 110)
        fingers.append(np.array([mcp, rng.uniform(-8, 18), pip, 0.55 * pip + rng.normal(0, 10)]))
    low, high = np.degrees(ANATOMICAL_LIMITS[:4]).T
    return _hand(rng.uniform(low, high), fingers)


_BUILDERS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
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
