"""Levenberg–Marquardt on bone ratios, hand by hand (numba kernels, float64).

Rest keypoints are affine in β: bone i is v_i = o_i + D_i β, its ratio ρ_i = |v_i| / |v_ref|, so all derivatives are
known in closed form. The step is taken with the exact Hessian where that is positive definite under the damping, and
with Gauss–Newton's matrix where it is not: noisy ratios leave large residuals, where Gauss–Newton alone takes ten times
the iterations. The damping follows each step's gain ratio (Nielsen 1999); a step that gains nothing is rejected.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.cholesky import factorise, substitute
from minimal_hand_core.hand.skeleton import NUM_BETAS, NUM_BONES, REFERENCE_BONE

_GRADIENT_TOLERANCE = 1e-12
_STEP_TOLERANCE = 1e-9
_ROUNDING = 1e-14
"""Relative to the objective: a promised gain below this is below its rounding."""
_FIRST_DAMPING = 1e-4
"""Relative to the largest diagonal entry of Gauss–Newton's matrix."""
_POOR = 0.1
"""Residual, a root mean square of 8 % per bone, above which ratios are taken for those of no hand."""
_OTHER_STARTS = np.vstack([np.zeros((1, NUM_BETAS)), 2.0 * np.random.default_rng(0).standard_normal((7, NUM_BETAS))])
"""Where else to start from then."""


@njit(cache=True, nogil=True, error_model='numpy')
def fit_hands(
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
    """Fit every hand; betas (B, 10) is start and result.

    Ratios that are no hand's have several minima, and which of them a descent ends in depends on its path. Where the
    fit is poor, other paths are walked as well and the best end kept: Gauss–Newton's from the same start, and some from
    other starts.
    """
    other, errors = np.empty(betas.shape[1]), np.empty(NUM_BONES)
    for hand in range(betas.shape[0]):
        start, target = betas[hand].copy(), ratios[hand]
        cost, count, done = _descend(offset, directions, target, weight, max_iterations, True, betas[hand], errors)
        residual[hand] = np.sum(errors * errors)
        for path in range(_OTHER_STARTS.shape[0] + 1):
            if residual[hand] < _POOR and done:
                break
            other[:] = start if path == 0 else _OTHER_STARTS[path - 1]
            end, more, ended = _descend(offset, directions, target, weight, max_iterations, path > 0, other, errors)
            count += more
            if end < cost:
                cost, done = end, ended
                betas[hand] = other
                residual[hand] = np.sum(errors * errors)
        iterations[hand] = count
        converged[hand] = done


@njit(cache=True, nogil=True, error_model='numpy')
def _descend(
    offset: np.ndarray,
    directions: np.ndarray,
    ratios: np.ndarray,
    weight: float,
    max_iterations: int,
    exact: bool,
    beta: np.ndarray,
    errors: np.ndarray,
) -> tuple[float, int, bool]:
    """Objective, trial steps and whether it converged, of the descent from beta (10,), which is moved, with the exact
    Hessian or with Gauss–Newton's matrix alone; errors (15,) are those at the end."""
    n = beta.shape[0]
    trial_errors = np.empty(NUM_BONES)
    jacobian, normal, hessian, factor = np.empty((NUM_BONES, n)), np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    bones, gradient, step, trial = np.empty((NUM_BONES, 3)), np.empty(n), np.empty(n), np.empty(n)
    cost = _objective(offset, directions, beta, ratios, weight, bones, errors)
    _linearise(directions, bones, errors, beta, ratios, weight, jacobian, normal, hessian, gradient)
    damping, growth = 0.0, 2.0
    for i in range(n):
        damping = max(damping, _FIRST_DAMPING * normal[i, i])
    for count in range(max_iterations):
        if np.abs(gradient).max() < _GRADIENT_TOLERANCE:
            return cost, count, True
        if not ((exact and factorise(hessian, damping, factor)) or factorise(normal, damping, factor)):
            damping = max(damping * growth, 1e-15)
            growth *= 2.0
            continue
        substitute(factor, gradient, step)
        predicted, moved, size = 0.0, 0.0, 0.0
        for i in range(n):
            trial[i] = beta[i] - step[i]
            predicted += step[i] * (damping * step[i] + gradient[i])
            moved += step[i] * step[i]
            size += beta[i] * beta[i]
        trial_cost = _objective(offset, directions, trial, ratios, weight, bones, trial_errors)
        # NaN, where the reference bone vanished, fails this comparison as it should.
        better = trial_cost < cost
        if better:
            gain = (cost - trial_cost) / predicted
            cost = trial_cost
            for i in range(n):
                beta[i] = trial[i]
            for i in range(NUM_BONES):
                errors[i] = trial_errors[i]
            _linearise(directions, bones, errors, beta, ratios, weight, jacobian, normal, hessian, gradient)
            damping *= max(0.1, 1.0 - (2.0 * gain - 1.0) ** 3)
            growth = 2.0
        else:
            damping *= growth
            growth *= 2.0
        # The second test: what is left to gain is below the rounding of the objective itself.
        if math.sqrt(moved) < _STEP_TOLERANCE * (1.0 + math.sqrt(size)) or (
            not better and predicted < _ROUNDING * cost
        ):
            return cost, count + 1, True
    return cost, max_iterations, False


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
    """Fill the first and second derivatives of half the objective at beta.

    jacobian (15, 10) of the errors, gradient (10,), normal = JᵀJ + weight·I (Gauss–Newton's matrix), and hessian, the
    exact one: with l = |v|, ∂l/∂β = vᵀD / l, ∂²l/∂β² = (DᵀD − ∂l ∂lᵀ) / l, and ρ_i = l_i / l_ref,
    ∂ρ_i = (∂l_i − ρ_i ∂l_ref) / l_ref, ∂²ρ_i = (∂²l_i − ρ_i ∂²l_ref − ∂ρ_i ∂l_refᵀ − ∂l_ref ∂ρ_iᵀ) / l_ref.
    A bone of no length gets no derivatives.
    """
    n = beta.shape[0]
    lengths, slopes = np.empty(NUM_BONES), np.empty((NUM_BONES, n))
    for i in range(NUM_BONES):
        lengths[i] = math.sqrt(bones[i, 0] ** 2 + bones[i, 1] ** 2 + bones[i, 2] ** 2)
        inverse = 1.0 / lengths[i] if lengths[i] > 0.0 else 0.0
        for k in range(n):
            along = bones[i, 0] * directions[i, 0, k] + bones[i, 1] * directions[i, 1, k]
            slopes[i, k] = inverse * (along + bones[i, 2] * directions[i, 2, k])
    reference, shared = lengths[REFERENCE_BONE], slopes[REFERENCE_BONE]

    # factors[i]: what multiplies ∂²l_i / l_ref in the sum of errors_i ∂²ρ_i.
    factors = errors.copy()
    for i in range(NUM_BONES):
        ratio = errors[i] + ratios[i]
        factors[REFERENCE_BONE] -= errors[i] * ratio
        for k in range(n):
            jacobian[i, k] = (slopes[i, k] - ratio * shared[k]) / reference
    pull = np.zeros(n)
    for k in range(n):
        for i in range(NUM_BONES):
            pull[k] += jacobian[i, k] * errors[i]
        gradient[k] = pull[k] + weight * beta[k]

    for k in range(n):
        for other in range(k + 1):
            straight = weight if other == k else 0.0
            bent = -pull[k] * shared[other] - shared[k] * pull[other]
            for i in range(NUM_BONES):
                straight += jacobian[i, k] * jacobian[i, other]
                if lengths[i] > 0.0:
                    product = (
                        directions[i, 0, k] * directions[i, 0, other] + directions[i, 1, k] * directions[i, 1, other]
                    )
                    product += directions[i, 2, k] * directions[i, 2, other]
                    bent += factors[i] * (product - slopes[i, k] * slopes[i, other]) / lengths[i]
            normal[k, other] = normal[other, k] = straight
            hessian[k, other] = hessian[other, k] = straight + bent / reference
