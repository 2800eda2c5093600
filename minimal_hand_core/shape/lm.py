"""Shape from bone ratios by Levenberg–Marquardt: the public fit, batched, NumPy or torch.

Minimised is Σ (ρ_i − ratio_i)² + weight · |β|², the peer's objective (fact sheet 4.1) with its norm squared, so that it
is smooth at 0. Unlike the peer: a step on all residuals rather than on one sum, the weight is used, a step that does
not lower the objective is rejected, and the model is read once. The solver is in lm_kernel.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minimal_hand_core.arrays import ArrayLike
from minimal_hand_core.shape.fit import (
    ShapeFit,
    bone_basis,
    check_count,
    check_weight,
    read_ratios,
    read_start,
    restore_fit,
)
from minimal_hand_core.shape.lm_kernel import fit_hands


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
        max_iterations: bound on the trial steps of a descent; a hand whose ratios no hand has gets up to nine more.

    Returns:
        ShapeFit; its objective is never above that of the start.

    Raises:
        ValueError: wrong shape, empty batch, NaN or infinite, negative weight, max_iterations below 1.
    """
    target = read_ratios(ratios)
    betas = read_start(initial, len(target))
    weight, max_iterations = check_weight(weight), check_count('max_iterations', max_iterations)
    residual = np.empty(len(target))
    iterations = np.empty(len(target), np.int64)
    converged = np.empty(len(target), np.bool_)
    fit_hands(*bone_basis(model), target, weight, max_iterations, betas, residual, iterations, converged)
    return restore_fit(betas, residual, iterations, converged, ratios)
