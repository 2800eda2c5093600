"""Shape from bone ratios: the public fit, batched, NumPy or torch.

Minimised is Σ (ρ_i − ratio_i)² + weight · |β|², the peer's objective (fact sheet 4.1) with its norm squared, so that it
is smooth at 0. Unlike the peer: a step on all residuals rather than on one sum, the weight is used, a step that does
not lower the objective is rejected, and the model is read once. The solver is in lm_kernel.py.
"""

from __future__ import annotations

import math
import weakref
from typing import Any, NamedTuple

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, restore, to_float64
from minimal_hand_core.hand.skeleton import BONE_KEYPOINTS, KEYPOINT_PARENTS, NUM_BETAS, NUM_BONES
from minimal_hand_core.shape.lm_kernel import fit_hands

_bases: weakref.WeakKeyDictionary[Any, tuple[np.ndarray, np.ndarray]] = weakref.WeakKeyDictionary()


class ShapeFit(NamedTuple):
    """Result of a shape fit.

    Attributes:
        betas: (B, 10), kind and dtype of the ratios given.
        residual: (B,) Σ over the 15 bones of (model ratio − ratio)², without the weight's term.
        iterations: (B,) int64, trial steps taken.
        converged: (B,) bool; False when max_iterations ended the fit.
    """

    betas: Any
    residual: Any
    iterations: Any
    converged: Any


def bone_basis(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Bones of a model's rest pose as an affine function of β: offset (15, 3), directions (15, 3, 10), float64, metres.

    Read from model.rest_keypoint_basis() once per model and kept as long as the model lives.
    """
    basis = _bases.get(model)
    if basis is None:
        offset, directions = (to_float64(part, 'rest_keypoint_basis') for part in model.rest_keypoint_basis())
        ends = list(BONE_KEYPOINTS)
        starts = [KEYPOINT_PARENTS[keypoint] for keypoint in BONE_KEYPOINTS]
        basis = _bases[model] = (offset[ends] - offset[starts], directions[ends] - directions[starts])
    return basis


def fit_shape_lm(
    ratios: ArrayLike,
    model: Any,
    weight: float = 1e-5,
    initial: ArrayLike | None = None,
    max_iterations: int = 100,
) -> ShapeFit:
    """β whose rest pose has the given bone ratios, for each hand of a batch.

    Ratios say nothing of absolute size; what they leave open is decided by the weight, in favour of small β.

    Args:
        ratios: (B, 15) as from bone_ratios (divided by the reference bone), NumPy or torch.
        model: a HandModel, or anything with rest_keypoint_basis() -> (offset (21, 3), directions (21, 3, 10)).
        weight: of |β|², not negative.
        initial: (B, 10) or (10,) start, for example the last frame's β; zero when None.
        max_iterations: bound on the trial steps per hand.

    Returns:
        ShapeFit; its objective is never above that of the start.

    Raises:
        ValueError: wrong shape, empty batch, NaN or infinite, negative weight, max_iterations below 1.
    """
    target = to_float64(ratios, 'ratios')
    check_shape(target, 'ratios', ('B', NUM_BONES))
    check_finite(target, 'ratios')
    if not (weight >= 0 and math.isfinite(weight)):
        raise ValueError(f'weight: expected a finite number of 0 or more, found {weight!r}')
    if max_iterations < 1:
        raise ValueError(f'max_iterations: expected 1 or more, found {max_iterations!r}')
    betas = np.zeros((len(target), NUM_BETAS))
    if initial is not None:
        start = to_float64(initial, 'initial')
        check_shape(start, 'initial', (NUM_BETAS,) if start.ndim == 1 else (len(target), NUM_BETAS))
        check_finite(start, 'initial')
        betas[:] = start

    residual = np.empty(len(target))
    iterations = np.empty(len(target), np.int64)
    converged = np.empty(len(target), np.bool_)
    fit_hands(
        *bone_basis(model),
        np.ascontiguousarray(target),
        float(weight),
        int(max_iterations),
        betas,
        residual,
        iterations,
        converged,
    )
    return ShapeFit(*(restore(part, ratios) for part in (betas, residual, iterations, converged)))
