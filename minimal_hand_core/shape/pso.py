"""Shape from bone ratios by a particle swarm (Kennedy & Eberhart 1995), batched, NumPy or torch.

The swarm is the peer's (fact sheet 4.2): 100 particles, inertia 0.4, pulls 2 and 2, one random number per particle and
pull, coordinates cut at ±3, positions N(0, 1). Unlike the peer's:

    * the swarm is led by the best position any particle has had, not by where the particle that had it is now;
    * the search ends when `patience` generations in a row gain nothing worth having, not at the first such one;
    * velocities start uniform in −1…1 rather than 0…1, which sends the whole swarm in one direction;
    * particle 0 starts at `initial`, so a fit is never worse than its start;
    * random numbers come from a seed, and every hand gets the same, so that neither its place in the batch nor the
      other hands change its result;
    * the model is read once, and only the 15 bones are computed, not a mesh.

The loop over generations is in pso_kernel.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minimal_hand_core.arrays import ArrayLike
from minimal_hand_core.hand.skeleton import NUM_BETAS
from minimal_hand_core.shape.fit import (
    ShapeFit,
    bone_basis,
    check_count,
    check_weight,
    read_ratios,
    read_start,
    restore_fit,
)
from minimal_hand_core.shape.pso_kernel import swarm_hands


def fit_shape_pso(
    ratios: ArrayLike,
    model: Any,
    weight: float = 1e-3,
    initial: ArrayLike | None = None,
    *,
    squared: bool = False,
    particles: int = 100,
    generations: int = 100,
    patience: int = 10,
    tolerance: float = 1e-6,
    inertia: float = 0.4,
    own_pull: float = 2.0,
    best_pull: float = 2.0,
    bound: float = 3.0,
    seed: int = 0,
) -> ShapeFit:
    """β within ±bound whose rest pose has the given bone ratios, for each hand of a batch.

    Minimised is Σ (ρ_i − ratio_i)² + weight · |β|, the peer's fitness; with `squared`, weight · |β|², fit_shape_lm's.
    For hands of |β_k| well below the bound it ends within a thousandth of the least; where some β press against the
    bound the swarm may stay a tenth above it.

    Args:
        ratios: (B, 15) as from bone_ratios (divided by the reference bone), NumPy or torch.
        model: a HandModel, or anything with rest_keypoint_basis() -> (offset (21, 3), directions (21, 3, 10)).
        weight: of |β| or |β|², not negative.
        initial: (B, 10) or (10,), where particle 0 starts (cut at ±bound); zero when None.
        squared: take |β|² in place of |β|.
        particles: of the swarm, 2 or more.
        generations: at most so many.
        patience: generations without progress after which the search ends.
        tolerance: progress is a fitness lower by more than this.
        inertia: share of its velocity that a particle keeps.
        own_pull, best_pull: largest pull towards a particle's own best position and towards the swarm's.
        bound: largest |β_k|.
        seed: of all random numbers; the same seed gives the same result, whatever else is in the batch.

    Returns:
        ShapeFit; converged says that the search ended for want of progress; its fitness is never above that of
        `initial` cut at ±bound.

    Raises:
        ValueError: wrong shape, empty batch, NaN or infinite, or a setting out of its range.
    """
    target = read_ratios(ratios)
    betas = read_start(initial, len(target))
    weight = check_weight(weight)
    particles = check_count('particles', particles, 2)
    generations, patience = check_count('generations', generations), check_count('patience', patience)
    settings = {'inertia': inertia, 'own_pull': own_pull, 'best_pull': best_pull, 'tolerance': tolerance}
    for name, value in settings.items():
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f'{name}: expected a finite number of 0 or more, found {value!r}')
    if not (bound > 0 and math.isfinite(bound)):
        raise ValueError(f'bound: expected a finite number above 0, found {bound!r}')

    # Drawn once and used for every hand; rows of one generation lie together, so that a bound on the generations
    # cuts the same search short rather than making another.
    rng = np.random.default_rng(check_count('seed', seed, 0))
    positions = rng.standard_normal((NUM_BETAS, particles))
    velocities = rng.uniform(-1.0, 1.0, (NUM_BETAS, particles))
    chances = rng.random((generations, 2, particles))

    residual = np.empty(len(target))
    iterations = np.empty(len(target), np.int64)
    converged = np.empty(len(target), np.bool_)
    swarm_hands(
        *bone_basis(model),
        target,
        weight,
        bool(squared),
        positions,
        velocities,
        chances,
        float(inertia),
        float(own_pull),
        float(best_pull),
        float(bound),
        float(tolerance),
        patience,
        betas,
        residual,
        iterations,
        converged,
    )
    return restore_fit(betas, residual, iterations, converged, ratios)
