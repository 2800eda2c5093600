"""Analytic inverse kinematics: a template and 21 target keypoints → 16 local joint rotations.

The palm (wrist and five finger bases) turns rigidly; then every finger bone turns, base to tip, by the shortest
rotation (swing, no twist) that points it from where it really starts to its target, so that each joint makes good the
errors of those before it ("adaptive" error feedback, fact sheet 5.1; HybrIK, arXiv 2011.14672).

Unlike the peer: the palm's rotation is always proper, directions are exact at every angle without arccos, and parallel,
antiparallel and zero-length bones have a defined answer.

Two options. *Twist*: each bone also turns about itself by a given angle (HybrIK), which moves no keypoint. *Limits*:
each finger is a universal joint and two hinges, as in pose/angles.py, bent no further than a hand bends; a hinge turns
about its own axis alone. There the swing is not free, so the rotations have the twist that the joints give them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, for_kernel, restore, to_float64
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_JOINTS, PALM_KEYPOINTS, WRIST
from minimal_hand_core.pose.aik_kernel import TINY, solve_hands
from minimal_hand_core.pose.angles import ANATOMICAL_LIMITS, NUM_ANGLES
from minimal_hand_core.pose.axes import JointAxes

_WIDEST = np.where(np.arange(NUM_ANGLES) % 4 == 1, math.pi / 2, math.pi)
"""Largest angle that limits may allow: beyond it the same pose has other angles."""
_ANATOMICAL = for_kernel(ANATOMICAL_LIMITS)
_NO_TWIST = np.empty((0, NUM_JOINTS - 1))
_NO_AXES = np.empty((0, 5, 3, 3)), np.empty((0, 5, 3)), np.empty((0, 2))


def solve_pose(
    template: ArrayLike,
    target: ArrayLike,
    *,
    limits: ArrayLike | None = None,
    axes: JointAxes | None = None,
    twist: ArrayLike | None = None,
) -> Any:
    """Local joint rotations that pose the template like the target.

    The target is first scaled by |T9 − T0| / |P9 − P0| and shifted so that P0 = T0: its unit and place do not matter. A
    target that the template can reach (with limits: within them) is reproduced exactly; otherwise the palm is fitted by
    least squares over the five vectors wrist → finger base, and each bone points at its target, or as near to it as
    limits let it.

    Defined cases: a bone of no length (in the template, or because its target is where the bone starts) keeps the
    identity; an antiparallel bone turns by π towards the palm's normal (it flexes); a palm whose points are on one
    line, or a mirrored palm, gets one of the best proper rotations. The same input always gives the same answer.

    Args:
        template: (B, 21, 3) or (21, 3) keypoints of the hand's rest pose (identity rotations, the hand's own shape).
        target: (B, 21, 3) or (21, 3) keypoints to reach. Any unit and frame; of the same side as the template.
        limits: (20, 2) radians, lowest and highest angle in the order of ANGLE_NAMES, such as ANATOMICAL_LIMITS; None
            leaves every joint free. The angles of the result (`joint_angles`) are within them.
        axes: JointAxes of the template, of one hand or of B; needed with limits (points do not tell a hand's front from
            its back).
        twist: (B, 15) or (15,) radians about the rest bone, before its swing, of MANO's joints 1…15; None means 0. Not
            together with limits: a chain of hinges cannot twist.

    Template and target are NumPy arrays or torch tensors; one template serves a whole batch of targets and the reverse.
    The work is done in float64 on one CPU core, without a gradient.

    Returns:
        (B, 16, 3, 3) or (16, 3, 3) rotations in MANO's joint order, det = +1, the kind and dtype of target. [0] is the
        wrist's rotation, template frame → target frame; the others are relative to the parent joint. Unbatched only
        when both inputs are (and twist and axes, if given).

    Raises:
        ValueError: wrong shape, NaN or infinite, or wrist and middle_mcp of a template or target coincide; limits out
            of order or beyond ±π, or ±π/2 for abduction; limits without axes or with twist.
    """
    rest, points, unbatched = _hands(template, target)
    count = max(len(rest), len(points))
    flexion, abduction, ranges = _NO_AXES
    twists = _NO_TWIST
    if limits is not None:
        if twist is not None:
            raise ValueError('twist: expected None with limits, found angles: hinges cannot twist; give one of the two')
        ranges = check_limits(limits)
        if axes is None:
            raise ValueError(
                'axes: expected JointAxes with limits, found None: JointAxes.from_keypoints(template, side)'
            )
        flexion, abduction = axes.flexion.reshape(-1, 5, 3, 3), axes.abduction.reshape(-1, 5, 3)
        count = _common(count, len(flexion), 'axes')
        unbatched = unbatched and axes.flexion.ndim == 3
    elif twist is not None:
        twists = to_float64(twist, 'twist')
        check_shape(twists, 'twist', (15,) if twists.ndim == 1 else ('B', 15))
        check_finite(twists, 'twist')
        unbatched = unbatched and twists.ndim == 1
        twists = twists.reshape(-1, 15)
        count = _common(count, len(twists), 'twist')

    rotations = np.empty((count, NUM_JOINTS, 3, 3))
    arrays = (rest, points, twists, flexion, abduction, ranges)
    bad = solve_hands(*(for_kernel(array) for array in arrays), rotations)
    if bad >= 0:
        shares = [_root_share(hands[[min(bad, len(hands) - 1)]])[0] for hands in (rest, points)]
        raise _no_length('template' if shares[0] <= shares[1] else 'target', bad)
    return restore(rotations[0] if unbatched else rotations, target)


def check_limits(limits: ArrayLike) -> np.ndarray:
    """Limits of the 20 angles as float64 (20, 2).

    Raises:
        ValueError: wrong shape, not finite, lowest above highest, or beyond ±π (abduction: ±π/2).
    """
    if limits is ANATOMICAL_LIMITS:  # as for every picture; they cannot be written to
        return _ANATOMICAL
    ranges = to_float64(limits, 'limits')
    check_shape(ranges, 'limits', (NUM_ANGLES, 2))
    check_finite(ranges, 'limits')
    wrong = (ranges[:, 0] > ranges[:, 1]) | (np.abs(ranges).max(axis=1) > _WIDEST)
    if wrong.any():
        row = int(wrong.argmax())
        low, high = ranges[row]
        raise ValueError(
            f'limits: expected lowest ≤ highest within ±{_WIDEST[row]:.4f} in row {row}, found {low:g} … {high:g}'
        )
    return ranges


def read_hands(template: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray, bool]:
    """Template and target as float64 (B, 21, 3), as many of one as of the other, and whether both came unbatched.

    Raises:
        ValueError: as solve_pose.
    """
    rest, points, unbatched = _hands(template, target)
    for name, hands in (('template', rest), ('target', points)):
        bad = ~(_root_share(hands) > TINY)
        if bad.any():
            raise _no_length(name, int(bad.argmax()))
    count = max(len(rest), len(points))
    return np.broadcast_to(rest, (count, 21, 3)), np.broadcast_to(points, (count, 21, 3)), unbatched


def _hands(template: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray, bool]:
    rest, points = to_float64(template, 'template'), to_float64(target, 'target')
    for name, value in (('template', rest), ('target', points)):
        check_shape(value, name, (21, 3) if value.ndim == 2 else ('B', 21, 3))
        check_finite(value, name)
    unbatched = rest.ndim == 2 and points.ndim == 2
    rest, points = rest.reshape(-1, 21, 3), points.reshape(-1, 21, 3)
    if len(rest) != len(points) and 1 not in (len(rest), len(points)):
        raise ValueError(f'target: expected {len(rest)} hands as in template, found {len(points)}')
    return rest, points, unbatched


def _root_share(hands: np.ndarray) -> np.ndarray:
    """|wrist → middle MCP| of (B, 21, 3) as a share of the longest such vector of the palm; 0 for a point."""
    lengths = np.linalg.norm(hands[:, PALM_KEYPOINTS] - hands[:, WRIST, None], axis=-1)
    longest = lengths.max(axis=1)
    return np.asarray(lengths[:, PALM_KEYPOINTS.index(MIDDLE_MCP)] / np.where(longest > 0, longest, 1))


def _no_length(name: str, hand: int) -> ValueError:
    return ValueError(f'{name}: expected wrist and middle_mcp apart, found them at one place in hand {hand}')


def _common(count: int, found: int, name: str) -> int:
    """Number of hands when `found` meet `count`, either of which may be one for all."""
    if found != count and 1 not in (found, count):
        raise ValueError(f'{name}: expected {count} hands as in template and target, found {found}')
    return max(found, count)
