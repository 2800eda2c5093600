"""Keypoints → shape → pose → keypoints of a hand model, for many hands at once: the second half of the peers' pipeline.

Convention:
    * Keypoints are *right* hands, (N, 21, 3), in any unit: `Predictions.mirrored` turns left ones before and after.
    * Shape is found from bone lengths alone, pose by the solvers of `pose`; the answer is the hand model's own: its
      keypoints, tips on its skin, at the found β and rotations.
    * That answer is in metres, of the model's own size, wrist at the origin, in the axes of the keypoints. To be scored
      it is laid on the network's hand (`lay_on`), and every protocol then scales and places it as it does that one.
    * rotations[:, 0] turns the hand model's rest frame (fingers −x, palm −y, thumb +z) into the axes of the keypoints;
      the others are relative to the parent joint.

Source: fact sheet 4 (shape), 5.1 (pose), 6.2 and 6.6 (how the peer scores the result).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, to_float64
from minimal_hand_core.hand import HandModel
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_BETAS, NUM_BONES, NUM_KEYPOINTS, PALM_KEYPOINTS, WRIST
from minimal_hand_core.pose import JointAxes, PoseSolver, joint_angles
from minimal_hand_core.shape import ShapeFit, bone_ratios, fit_shape
from minimal_hand_core.shape.window import PLAUSIBLE, robust_mean

FRAME_WEIGHT = 2e-3
"""Of |β|² for the shape of one picture: the variance of its bone ratios but for outliers, 0.045². The best of those
tried on 400 rendered validation hands, see docs/evaluation.md."""
SHARED_WEIGHT = 1e-3
"""Of |β|² for a shape from many pictures: the tracker's."""
LEAST_SCALE = 0.1
"""Shortest bone wrist – middle MCP, network units, that a posed hand is given."""
NO_LENGTH = 1e-6
"""Share of the longest vector of the palm below which wrist and middle MCP are at one place."""
_CHUNK = 2048
"""Hands posed at once: bounds memory, costs no time."""


class Posed(NamedTuple):
    """N right hands posed to keypoints; float64, frames as in the module's head.

    Attributes:
        rotations: (N, 16, 3, 3) local, proper, MANO's order.
        keypoints_m: (N, 21, 3) metres, the hand model's own size, wrist at the origin.
        angles: (N, 20) radians, order of ANGLE_NAMES, about the axes of each hand's own shape.
        misfit: (N,) mean distance of the posed keypoints from the given ones, wrist and hand length aligned, in hand
            lengths; infinite for a hand that could not be posed, which is left at rest.
    """

    rotations: np.ndarray
    keypoints_m: np.ndarray
    angles: np.ndarray
    misfit: np.ndarray


def fit_shapes(
    points: ArrayLike,
    model: HandModel,
    method: str = 'lm',
    *,
    groups: ArrayLike | None = None,
    weight: float = FRAME_WEIGHT,
    weights: str = 'default',
    seed: int = 0,
) -> ShapeFit:
    """β of every hand.

    Each hand by itself, or one shape for all hands of a group, from the robust mean of their bone ratios as the
    tracker takes it (`shape.window`). A hand whose wrist and middle MCP coincide says nothing of shape: it gets β = 0,
    or its group's.

    Args:
        points: (N, 21, 3), any unit and side.
        model: the hand model that β are for.
        method: one of SHAPE_METHODS.
        groups: (N,) anything that tells whose hands are one person's; None: every hand by itself.
        weight: of |β|²; SHARED_WEIGHT suits large groups. Not used by 'network'.
        weights: of 'network', see `fit_shape`.
        seed: of 'pso'.

    Returns:
        ShapeFit of N float64 rows; residual is infinite for hands that say nothing.

    Raises:
        ValueError: wrong shapes, NaN or infinite, unknown method, groups of another number.
        ShapeRegressorError: 'network' has no weights for this model.
    """
    hands = _read(points, 'points')
    sized = has_palm(hands)
    if groups is None:
        if not sized.any():
            return _nothing(len(hands))
        ratios = bone_ratios(hands[sized])
        found = fit_shape(method, ratios, model, weight, weights=weights, seed=seed)
        whole = _nothing(len(hands))
        for part, values in zip(whole, found):
            part[sized] = values
        return whole

    names = np.asarray(groups)
    check_shape(names, 'groups', (len(hands),))
    kinds, member = np.unique(names, return_inverse=True)
    shared = np.full((len(kinds), NUM_BONES), np.nan)
    for kind in range(len(kinds)):
        chosen = sized & (member == kind)
        if chosen.any():
            ratios = bone_ratios(hands[chosen])
            shared[kind] = robust_mean(np.where(_plausible(ratios), ratios, np.nan))[0]
    known = np.isfinite(shared).all(axis=1)
    whole = _nothing(len(kinds))
    if known.any():
        found = fit_shape(method, shared[known], model, weight, weights=weights, seed=seed)
        for part, values in zip(whole, found):
            part[known] = values
    return ShapeFit(*(part[member] for part in whole))


def pose_hands(points: ArrayLike, betas: ArrayLike, model: HandModel, solver: PoseSolver) -> Posed:
    """Pose the hand model to keypoints.

    A hand whose wrist and middle MCP coincide has no palm to turn by: it stays at rest, with an infinite misfit, so
    that it is counted, with a large error.

    Args:
        points: (N, 21, 3) right hands, any unit and place.
        betas: (N, 10), or (1, 10) for all.
        model: a right hand, of either dtype.
        solver: for right hands.

    Raises:
        ValueError: wrong shapes, NaN or infinite, a left model or solver.
    """
    hands, shapes = _read(points, 'points'), to_float64(betas, 'betas')
    count = len(hands)
    check_shape(shapes, 'betas', (1 if len(shapes) == 1 else count, NUM_BETAS))
    check_finite(shapes, 'betas')
    for name, side in (('model', model.side), ('solver', solver.side)):
        if side != 'right':
            raise ValueError(f'{name}: expected one of right hands, found {side}; mirror the keypoints of left hands')
    shapes = np.broadcast_to(shapes, (count, NUM_BETAS))
    parts = [_pose_some(hands[i : i + _CHUNK], shapes[i : i + _CHUNK], model, solver) for i in range(0, count, _CHUNK)]
    return Posed(*(np.concatenate(part) for part in zip(*parts)))


def has_palm(hands: np.ndarray) -> np.ndarray:
    """(N,) bool: wrist and middle MCP of hands (N, 21, 3) are apart, beside the rest of the palm."""
    lengths = np.linalg.norm(hands[:, PALM_KEYPOINTS] - hands[:, WRIST, None], axis=-1)
    own = lengths[:, PALM_KEYPOINTS.index(MIDDLE_MCP)]
    return np.asarray((own > 0) & (own > NO_LENGTH * lengths.max(axis=1)))


def lay_on(points: np.ndarray, network: np.ndarray) -> np.ndarray:
    """Move and scale hands to where their squared distances from the network's are least; they are not turned.

    Protocols that align root and scale undo this. Where a hand is placed by its pixels and its size, the network's own
    size has to stay: where it is unsure of depth its hand is flatter, at the right size across the view, and its bone
    wrist – middle MCP is shorter than 1. Scaled to a bone of 1 the hand would be too large across the view and be put
    too far away: AUC of the protocol `absolute` .477 in place of .560 (docs/evaluation.md).

    Args:
        points: (N, 21, 3) any unit.
        network: (N, 21, 3) the network's, whose units, axes and places the result has.
    """
    own, other = (np.asarray(part, np.float64) for part in (points, network))
    centred = own - own.mean(axis=1, keepdims=True)
    place = other.mean(axis=1, keepdims=True)
    size = np.einsum('nkd,nkd->n', centred, centred)
    scale = np.einsum('nkd,nkd->n', centred, other - place) / size
    # A hand that has nothing in common with the network's must not vanish or turn inside out.
    least = LEAST_SCALE / np.linalg.norm(own[:, MIDDLE_MCP] - own[:, WRIST], axis=1)
    return np.asarray(centred * np.maximum(scale, least)[:, None, None] + place)


def looks_mirrored(points: ArrayLike, model: HandModel) -> bool:
    """Whether most of the hands bend backwards, as left hands do that are taken for right ones.

    The palm is nearly flat, so a mirrored one can be matched by turning its back to the front; then every finger bends
    towards the back of the hand, which no hand does far. Arguments and errors as pose_hands.
    """
    posed = pose_hands(points, np.zeros((1, NUM_BETAS)), model, PoseSolver(limits=False))
    # Three flexions per finger; the other angle is abduction.
    bend = posed.angles.reshape(-1, 5, 4)[:, 1:, [0, 2, 3]].sum(axis=(1, 2))
    return bool((bend < 0).mean() > 0.5)


def _pose_some(hands: np.ndarray, betas: np.ndarray, model: HandModel, solver: PoseSolver) -> Posed:
    offset, directions = (to_float64(part, 'rest_keypoint_basis') for part in model.rest_keypoint_basis())
    rest = offset + np.einsum('kcd,nd->nkc', directions, betas)
    axes = JointAxes.from_keypoints(rest, model.side)
    sized = has_palm(hands)
    target = np.where(sized[:, None, None], hands, rest)
    rotations = np.asarray(solver(rest, target, axes))
    with torch.inference_mode():
        turned, shapes = (torch.tensor(part, dtype=model.dtype) for part in (rotations, betas))
        keypoints = model.keypoints(turned, shapes).numpy().astype(np.float64)
    keypoints -= keypoints[:, WRIST, None]
    # The network's hand and the model's, both with the wrist at the origin and a hand length of 1.
    pair = [part - part[:, WRIST, None] for part in (target, keypoints)]
    given, found = (part / np.linalg.norm(part[:, MIDDLE_MCP], axis=1)[:, None, None] for part in pair)
    misfit = np.where(sized, np.linalg.norm(given - found, axis=2).mean(axis=1), np.inf)
    return Posed(rotations, keypoints, np.asarray(joint_angles(rotations, axes)), misfit)


def _read(points: ArrayLike, name: str) -> np.ndarray:
    hands = to_float64(points, name)
    check_shape(hands, name, ('N', NUM_KEYPOINTS, 3))
    check_finite(hands, name)
    return hands


def _plausible(ratios: np.ndarray) -> np.ndarray:
    return (ratios >= PLAUSIBLE[0]) & (ratios <= PLAUSIBLE[1])


def _nothing(count: int) -> ShapeFit:
    """The fit of hands that say nothing of their shape."""
    numbers = np.zeros((count, NUM_BETAS)), np.full(count, np.inf)
    return ShapeFit(*numbers, np.zeros(count, np.int64), np.zeros(count, np.bool_))
