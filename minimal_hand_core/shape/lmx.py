"""Shape from bone ratios by Levenberg–Marquardt on the 15 ratio residuals.

Rest keypoints are affine in β, so bone i is o_i + D_i β, its ratio ρ_i = |o_i + D_i β| / |o_ref + D_ref β|, and the
Jacobian is known in closed form. Minimised is Σ (ρ_i − ratio_i)² + weight · |β|² (the peer's objective of fact sheet 4.1,
its norm squared so that it is smooth at 0). Unlike the peer: a step on all residuals rather than on one sum, the
weight is used, a step that does not lower the objective is rejected, and the model is read once.
"""

from __future__ import annotations

import math
import weakref
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, restore, to_float64
from minimal_hand_core.hand.skeleton import BONE_KEYPOINTS, KEYPOINT_PARENTS, NUM_BETAS, NUM_BONES, REFERENCE_BONE

_GRADIENT_TOLERANCE = 1e-12
_STEP_TOLERANCE = 1e-9
_FIRST_DAMPING = 1e-4
"""Relative to the largest diagonal entry of the normal matrix: nearly Gauss–Newton, but no giant first step."""

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
    offset, directions = bone_basis(model)
    _fit(
        offset,
        directions,
        np.ascontiguousarray(target),
        float(weight),
        int(max_iterations),
        betas,
        residual,
        iterations,
        converged,
    )
    return ShapeFit(*(restore(part, ratios) for part in (betas, residual, iterations, converged)))


@njit(cache=True, nogil=True, error_model='numpy')
def _fit(
    offset: np.ndarray,
    directions: np.ndarray,
    ratios: np.ndarray,
    weight: float,
    max_iterations: int,
    betas: np.ndarray,
    residual: np.ndarray,
    iterations: np.ndarray,
    converged: np.ndarray,
) -> None:
    """Fit every hand; betas (B, 10) is start and result. Damping after Nielsen: by the gain ratio of each step."""
    n = betas.shape[1]
    errors, trial_errors = np.empty(NUM_BONES), np.empty(NUM_BONES)
    jacobian, normal, hessian, factor = np.empty((NUM_BONES, n)), np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    bones, gradient, step, trial = np.empty((NUM_BONES, 3)), np.empty(n), np.empty(n), np.empty(n)
    for hand in range(betas.shape[0]):
        beta = betas[hand]
        cost = _objective(offset, directions, beta, ratios[hand], weight, bones, errors)
        _linearise(directions, bones, errors, beta, ratios[hand], weight, jacobian, normal, hessian, gradient)
        damping, growth = 0.0, 2.0
        for i in range(n):
            damping = max(damping, _FIRST_DAMPING * normal[i, i])
        done, count = False, 0
        while count < max_iterations:
            if np.abs(gradient).max() < _GRADIENT_TOLERANCE:
                done = True
                break
            count += 1
            if not (
                _solve_damped(hessian, damping, gradient, factor, step)
                or _solve_damped(normal, damping, gradient, factor, step)
            ):
                damping = max(damping * growth, 1e-15)
                growth *= 2.0
                continue
            predicted, moved, size = 0.0, 0.0, 0.0
            for i in range(n):
                trial[i] = beta[i] - step[i]
                predicted += step[i] * (damping * step[i] + gradient[i])
                moved += step[i] * step[i]
                size += beta[i] * beta[i]
            trial_cost = _objective(offset, directions, trial, ratios[hand], weight, bones, trial_errors)
            # NaN, where the reference bone vanished, fails this comparison as it should.
            better = trial_cost < cost
            if better:
                gain = (cost - trial_cost) / predicted
                cost = trial_cost
                for i in range(n):
                    beta[i] = trial[i]
                for i in range(NUM_BONES):
                    errors[i] = trial_errors[i]
                _linearise(directions, bones, errors, beta, ratios[hand], weight, jacobian, normal, hessian, gradient)
                damping *= max(0.1, 1.0 - (2.0 * gain - 1.0) ** 3)
                growth = 2.0
            else:
                damping *= growth
                growth *= 2.0
            # The second test: what is left to gain is below the rounding of the objective itself.
            if math.sqrt(moved) < _STEP_TOLERANCE * (1.0 + math.sqrt(size)) or (
                not better and predicted < 1e-14 * cost
            ):
                done = True
                break
        residual[hand] = np.sum(errors * errors)
        iterations[hand] = count
        converged[hand] = done


@njit(cache=True, nogil=True, error_model='numpy')
def _objective(
    offset: np.ndarray,
    directions: np.ndarray,
    beta: np.ndarray,
    ratios: np.ndarray,
    weight: float,
    bones: np.ndarray,
    errors: np.ndarray,
) -> float:
    """The objective at beta; fills bones (15, 3) and errors (15,) = model ratio − ratio."""
    for i in range(bones.shape[0]):
        square = 0.0
        for j in range(3):
            value = offset[i, j]
            for k in range(beta.shape[0]):
                value += directions[i, j, k] * beta[k]
            bones[i, j] = value
            square += value * value
        errors[i] = math.sqrt(square)
    reference = errors[REFERENCE_BONE]
    cost = 0.0
    for i in range(bones.shape[0]):
        errors[i] = errors[i] / reference - ratios[i]
        cost += errors[i] * errors[i]
    for k in range(beta.shape[0]):
        cost += weight * beta[k] * beta[k]
    return cost


@njit(cache=True, nogil=True, error_model='numpy')
def _linearise(
    directions: np.ndarray,
    bones: np.ndarray,
    errors: np.ndarray,
    beta: np.ndarray,
    ratios: np.ndarray,
    weight: float,
    jacobian: np.ndarray,
    normal: np.ndarray,
    hessian: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Fill jacobian (15, 10), normal = JᵀJ + weight·I and gradient = Jᵀ errors + weight·β at beta.

    ∂|v|/∂β = vᵀD / |v| and ∂ρ_i/∂β = (∂|v_i|/∂β − ρ_i ∂|v_ref|/∂β) / |v_ref|; a bone of no length gets 0.
    """
    n = beta.shape[0]
    lengths = np.empty(bones.shape[0])
    slopes = np.empty((bones.shape[0], n))
    for i in range(bones.shape[0]):
        lengths[i] = math.sqrt(bones[i, 0] ** 2 + bones[i, 1] ** 2 + bones[i, 2] ** 2)
        inverse = 1.0 / lengths[i] if lengths[i] > 0.0 else 0.0
        for k in range(n):
            total = 0.0
            for j in range(3):
                total += bones[i, j] * directions[i, j, k]
            slopes[i, k] = total * inverse
    reference = lengths[REFERENCE_BONE]
    shared = slopes[REFERENCE_BONE]
    pull = 0.0
    for i in range(bones.shape[0]):
        pull += errors[i] * (errors[i] + ratios[i])
        for k in range(n):
            jacobian[i, k] = (slopes[i, k] - (errors[i] + ratios[i]) * shared[k]) / reference
    for k in range(n):
        total = weight * beta[k]
        for i in range(bones.shape[0]):
            total += jacobian[i, k] * errors[i]
        gradient[k] = total
    for k in range(n):
        bent = gradient[k] - weight * beta[k]
        for other in range(k + 1):
            total = weight if other == k else 0.0
            curve = 0.0
            for i in range(bones.shape[0]):
                total += jacobian[i, k] * jacobian[i, other]
                f = errors[i]
                if i == REFERENCE_BONE:
                    f -= pull
                if lengths[i] > 0.0:
                    dd = (
                        directions[i, 0, k] * directions[i, 0, other]
                        + directions[i, 1, k] * directions[i, 1, other]
                        + directions[i, 2, k] * directions[i, 2, other]
                    )
                    curve += f * (dd - slopes[i, k] * slopes[i, other]) / lengths[i]
            curve -= bent * shared[other] + shared[k] * (gradient[other] - weight * beta[other])
            normal[k, other] = normal[other, k] = total
            hessian[k, other] = hessian[other, k] = total + curve / reference


@njit(cache=True, nogil=True, error_model='numpy')
def _solve_damped(
    normal: np.ndarray, damping: float, right: np.ndarray, factor: np.ndarray, solution: np.ndarray
) -> bool:
    """(normal + damping·I) solution = right by Cholesky; False when that matrix is not positive definite."""
    n = right.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = normal[i, j] + (damping if i == j else 0.0)
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if not total > 0.0:
                    return False
                factor[i, i] = math.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    for i in range(n):
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * solution[k]
        solution[i] = total / factor[i, i]
    for i in range(n - 1, -1, -1):
        total = solution[i]
        for k in range(i + 1, n):
            total -= factor[k, i] * solution[k]
        solution[i] = total / factor[i, i]
    return True
