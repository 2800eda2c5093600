"""Where objects go: into a closing hand, or between hand and camera."""

from __future__ import annotations

import numpy as np
from numba import njit

from minimal_hand_core.data.synthetic.chance import around, between, pick, pick_any
from minimal_hand_core.data.synthetic.collision import room_around
from minimal_hand_core.data.synthetic.props import Prop, make_prop


def held_prop(rng: np.random.Generator, keypoints: np.ndarray, radii: np.ndarray) -> Prop | None:
    """A rod or ball that just fits between fingers and palm; None when there is no room.

    Args:
        rng: source of chance.
        keypoints: (21, 3) metres, camera frame.
        radii: (20,) flesh round the bones, metres.
    """
    axis, centre = _grip(keypoints)
    ball = rng.random() < 0.3
    reach = 0.004 if ball else 0.5
    radius = room_around(keypoints, radii, centre - reach * axis, centre + reach * axis)
    if radius < 0.006:
        return None
    radius = min(radius, 0.045)
    turn = _frame(axis)
    if ball:
        return make_prop('ball', np.full(3, radius), turn, centre, rng)
    length = between(rng, 0.05, 0.16)
    shape = pick(rng, {'cylinder': 0.75, 'box': 0.25})
    wide = radius * (0.707 if shape == 'box' else 1)
    return make_prop(shape, np.array([wide, wide, length]), turn, centre + axis * around(rng, 0, 0.03), rng)


def front_prop(rng: np.random.Generator, keypoints: np.ndarray) -> Prop:
    """An object nearer to the camera than the hand that hides one joint and some of its surroundings."""
    target = keypoints[int(rng.integers(21))] + 0.012 * rng.standard_normal(3)
    nearest = keypoints[:, 2].min()
    share = between(rng, 0.55, 0.9) * nearest / target[2]
    centre = target * share
    size = np.exp(rng.uniform(np.log(0.01), np.log(0.04), 3)) * share
    if rng.random() < 0.4:
        size[2] *= between(rng, 2, 8)  # pens, cables, edges
    size = np.minimum(size, 0.3 * nearest)
    return make_prop(pick_any(rng, 'box', 'ball', 'cylinder'), size, _frame(rng.standard_normal(3)), centre, rng)


@njit(cache=True, nogil=True, error_model='numpy')
def _grip(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direction and middle, (3,) each, of what a hand of keypoints (21, 3) would hold."""
    axis, centre = np.empty(3), np.empty(3)
    for i in range(3):
        axis[i] = keypoints[5, i] - keypoints[17, i] + keypoints[6, i] - keypoints[18, i]
        knuckles = (keypoints[5, i] + keypoints[9, i] + keypoints[13, i] + keypoints[17, i]) / 4
        middles = (keypoints[7, i] + keypoints[11, i] + keypoints[15, i] + keypoints[19, i]) / 4
        centre[i] = 0.5 * (knuckles + 0.35 * (keypoints[0, i] - knuckles) + middles)
    return axis / np.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2), centre


@njit(cache=True, nogil=True, error_model='numpy')
def _frame(axis: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) whose z column is the direction of `axis`."""
    frame = np.empty((3, 3))
    x, y, z = axis / np.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
    # The first column is at right angles to it and to the coordinate axis that it is farthest from.
    if abs(x) <= abs(y) and abs(x) <= abs(z):
        a, b, c = 0.0, z, -y
    elif abs(y) <= abs(z):
        a, b, c = -z, 0.0, x
    else:
        a, b, c = y, -x, 0.0
    length = np.sqrt(a * a + b * b + c * c)
    a, b, c = a / length, b / length, c / length
    frame[0], frame[1] = (a, y * c - z * b, x), (b, z * a - x * c, y)
    frame[2] = (c, x * b - y * a, z)
    return frame
