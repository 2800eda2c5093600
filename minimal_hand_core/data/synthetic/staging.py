"""Where objects go: into a closing hand, or between hand and camera."""

from __future__ import annotations

import numpy as np

from minimal_hand_core.data.synthetic.chance import pick, pick_any
from minimal_hand_core.data.synthetic.collision import segment_gap
from minimal_hand_core.data.synthetic.props import Prop, make_prop
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS

_PARENTS = np.array(KEYPOINT_PARENTS)


def held_prop(rng: np.random.Generator, keypoints: np.ndarray, radii: np.ndarray) -> Prop | None:
    """A rod or ball that just fits between fingers and palm; None when there is no room.

    Args:
        rng: source of chance.
        keypoints: (21, 3) metres, camera frame.
        radii: (20,) flesh round the bones, metres.
    """
    knuckles, middles = keypoints[[5, 9, 13, 17]], keypoints[[7, 11, 15, 19]]
    palm = knuckles.mean(axis=0) + 0.35 * (keypoints[0] - knuckles.mean(axis=0))
    axis = knuckles[0] - knuckles[3] + keypoints[6] - keypoints[18]
    axis /= np.linalg.norm(axis)
    centre = 0.5 * (palm + middles.mean(axis=0))
    ball = rng.random() < 0.3
    reach = 0.004 if ball else 0.5
    ends = np.stack([centre - reach * axis, centre + reach * axis])
    # Room round the axis: nearest bone, less its flesh.
    gaps = [
        segment_gap(keypoints[_PARENTS[k]], keypoints[k], ends[0], ends[1]) - float(radii[k - 1]) for k in range(1, 21)
    ]
    radius = min(gaps)
    if radius < 0.006:
        return None
    radius = min(radius, 0.045)
    turn = _frame(axis)
    if ball:
        return make_prop('ball', np.full(3, radius), turn, centre, rng)
    length = float(rng.uniform(0.05, 0.16))
    shape = pick(rng, {'cylinder': 0.75, 'box': 0.25})
    size = np.array([radius, radius, length]) * ((0.707, 0.707, 1) if shape == 'box' else (1, 1, 1))
    return make_prop(shape, size, turn, centre + axis * float(rng.normal(0, 0.03)), rng)


def front_prop(rng: np.random.Generator, keypoints: np.ndarray) -> Prop:
    """An object nearer to the camera than the hand that hides one joint and some of its surroundings."""
    target = keypoints[int(rng.integers(21))] + rng.normal(0, 0.012, 3)
    nearest = keypoints[:, 2].min()
    share = float(rng.uniform(0.55, 0.9)) * nearest / target[2]
    centre = target * share
    size = np.exp(rng.uniform(np.log(0.01), np.log(0.04), 3)) * share
    if rng.random() < 0.4:
        size[2] *= rng.uniform(2, 8)  # pens, cables, edges
    size = np.minimum(size, 0.3 * nearest)
    return make_prop(pick_any(rng, 'box', 'ball', 'cylinder'), size, _frame(rng.normal(0, 1, 3)), centre, rng)


def _frame(axis: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) whose z column is the direction of `axis`."""
    z = axis / np.linalg.norm(axis)
    x = np.cross(z, np.eye(3)[np.abs(z).argmin()])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)
