"""The compiled loop of the One-Euro filter (numba, float64). What it does and why: filters.py."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

SUDDEN = 0.3
"""Share of the speed of one sample alone that One-Euro heeds."""


@njit(cache=True, nogil=True, error_model='numpy')
def _smoothing(cutoff: float, step: float) -> float:
    """Weight of the newest sample of a first-order low-pass with this cut-off (Hz) after `step` seconds."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff * step))


@njit(cache=True, nogil=True, error_model='numpy')
def one_euro_step(
    new: np.ndarray,
    step: float,
    min_cutoff: float,
    beta: float,
    derivative_cutoff: float,
    rest_speed: float,
    value: np.ndarray,
    speed: np.ndarray,
    change: np.ndarray,
    alpha: np.ndarray,
) -> None:
    """Take in new (N, D), `step` seconds after the last sample; value, speed and change (N, D) and alpha (N,) go on."""
    share = _smoothing(derivative_cutoff, step)
    for n in range(new.shape[0]):
        along, sudden = 0.0, 0.0
        for i in range(new.shape[1]):
            last = change[n, i]
            change[n, i] = (new[n, i] - value[n, i]) / step
            along += last * change[n, i]
            sudden += change[n, i] * change[n, i]
        sudden = math.sqrt(sudden)
        # A sample that jumps away is believed once a second one goes the same way; until then it is noise at rest.
        believed = max(math.sqrt(max(along, 0.0)), rest_speed)
        trust = min(1.0, believed / sudden) if sudden > 0.0 else 1.0
        square = 0.0
        for i in range(new.shape[1]):
            speed[n, i] += share * (trust * change[n, i] - speed[n, i])
            square += speed[n, i] * speed[n, i]
        # Where a motion turns round, its mean speed passes through zero; what just happened keeps the filter open.
        length = max(math.sqrt(square), SUDDEN * trust * sudden)
        cutoff = min_cutoff + beta * max(length - rest_speed, 0.0)
        alpha[n] = max(_smoothing(cutoff, step), alpha[n] / (1.0 + alpha[n]))
        for i in range(new.shape[1]):
            value[n, i] += alpha[n] * (new[n, i] - value[n, i])
