"""Particle swarm on bone ratios, hand by hand (numba kernel, float64).

Arrays hold one row per coordinate and one column per particle, so that every inner loop runs over particles that lie
side by side in memory: the compiler turns it into vector instructions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import NUM_BETAS, REFERENCE_BONE


@njit(cache=True, nogil=True, error_model='numpy', fastmath={'contract'})
def swarm_hands(
    offset: np.ndarray,
    directions: np.ndarray,
    ratios: np.ndarray,
    weight: float,
    squared: bool,
    positions: np.ndarray,
    velocities: np.ndarray,
    chances: np.ndarray,
    inertia: float,
    own_pull: float,
    best_pull: float,
    bound: float,
    tolerance: float,
    patience: int,
    betas: np.ndarray,
    residual: np.ndarray,
    iterations: np.ndarray,
    converged: np.ndarray,
) -> None:
    """Fit every hand; betas (B, 10) is start and result.

    positions, velocities (10, P) are the swarm's start, the same for every hand but for particle 0, which sits at the
    hand's own; chances (G, 2, P) what its G generations draw.
    """
    n, particles = positions.shape
    x, v, own_x = np.empty((n, particles)), np.empty((n, particles)), np.empty((n, particles))
    costs, misfits, own_cost = np.empty(particles), np.empty(particles), np.empty(particles)
    lengths, reference = np.empty(particles), np.empty(particles)
    best = np.empty(n)
    for hand in range(betas.shape[0]):
        x[:] = positions
        v[:] = velocities
        for k in range(n):
            x[k, 0] = min(max(betas[hand, k], -bound), bound)
            for p in range(particles):
                x[k, p] = min(max(x[k, p], -bound), bound)
        _costs(offset, directions, ratios[hand], weight, squared, x, lengths, reference, misfits, costs)
        own_x[:] = x
        own_cost[:] = costs
        leader = int(np.argmin(own_cost))
        best_cost, best_misfit = own_cost[leader], misfits[leader]
        best[:] = own_x[:, leader]
        count, idle = 0, 0
        settled = best_cost
        while count < chances.shape[0] and idle < patience:
            for k in range(n):
                for p in range(particles):
                    speed = inertia * v[k, p]
                    speed += own_pull * chances[count, 0, p] * (own_x[k, p] - x[k, p])
                    speed += best_pull * chances[count, 1, p] * (best[k] - x[k, p])
                    v[k, p] = speed
                    x[k, p] = min(max(x[k, p] + speed, -bound), bound)
            _costs(offset, directions, ratios[hand], weight, squared, x, lengths, reference, misfits, costs)
            for p in range(particles):
                # NaN, where the reference bone vanished, fails this comparison as it should.
                if costs[p] < own_cost[p]:
                    own_cost[p] = costs[p]
                    for k in range(n):
                        own_x[k, p] = x[k, p]
                    if costs[p] < best_cost:
                        best_cost, best_misfit, leader = costs[p], misfits[p], p
            best[:] = own_x[:, leader]
            count += 1
            if settled - best_cost > tolerance:
                settled = best_cost
                idle = 0
            else:
                idle += 1
        betas[hand] = best
        residual[hand] = best_misfit
        iterations[hand] = count
        converged[hand] = idle >= patience


@njit(cache=True, nogil=True, error_model='numpy', fastmath={'contract'})
def _costs(
    offset: np.ndarray,
    directions: np.ndarray,
    ratios: np.ndarray,
    weight: float,
    squared: bool,
    x: np.ndarray,
    lengths: np.ndarray,
    reference: np.ndarray,
    misfits: np.ndarray,
    costs: np.ndarray,
) -> None:
    """Fill misfits (P,), the squared errors of the ratios at x (10, P), and costs (P,), with the weight's term."""
    n, particles = x.shape
    _lengths(offset, directions, REFERENCE_BONE, x, reference)
    for p in range(particles):
        misfits[p] = (1.0 - ratios[REFERENCE_BONE]) ** 2
    for bone in range(offset.shape[0]):
        if bone != REFERENCE_BONE:
            _lengths(offset, directions, bone, x, lengths)
            for p in range(particles):
                error = lengths[p] / reference[p] - ratios[bone]
                misfits[p] += error * error
    for p in range(particles):
        lengths[p] = 0.0
    for k in range(n):
        for p in range(particles):
            lengths[p] += x[k, p] * x[k, p]
    for p in range(particles):
        costs[p] = misfits[p] + weight * (lengths[p] if squared else math.sqrt(lengths[p]))


@njit(cache=True, nogil=True, error_model='numpy', fastmath={'contract'})
def _lengths(offset: np.ndarray, directions: np.ndarray, bone: int, x: np.ndarray, lengths: np.ndarray) -> None:
    """Fill lengths (P,) of one bone at x (10, P)."""
    for p in range(x.shape[1]):
        square = 0.0
        # Both loops have a length known to the compiler, which unrolls them and takes several particles at a time.
        for axis in range(3):
            part = offset[bone, axis]
            for k in range(NUM_BETAS):
                part += directions[bone, axis, k] * x[k, p]
            square += part * part
        lengths[p] = math.sqrt(square)
