"""One-Euro filter: steady at rest, quick in motion.

A first-order low-pass whose cut-off grows with the speed of what it filters:

    cutoff = min_cutoff + beta · |speed|,   alpha = 1 / (1 + 1 / (2π · cutoff · dt))

Source: Casiez, Roussel, Vogel: "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012. The time step is the real one between two stamps, never a nominal rate.
"""

from __future__ import annotations

import math

import numpy as np


class OneEuro:
    """One-Euro filter of an array of vectors, one cut-off per vector.

    The last axis is a vector in space: its cut-off follows the length of its velocity, so that the filter does the same
    whichever way the axes point. A point that moves does not loosen the filter of one that rests.

    Args:
        min_cutoff: cut-off at rest, Hz, > 0. Lower is steadier.
        beta: growth of the cut-off with speed, Hz per (unit of the signal per second), ≥ 0. Higher lags less.
        derivative_cutoff: cut-off of the speed estimate, Hz, > 0.

    Raises:
        ValueError: a parameter out of its range, named.
    """

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.0, derivative_cutoff: float = 1.0) -> None:
        for name, value, lowest in (('min_cutoff', min_cutoff, 0), ('derivative_cutoff', derivative_cutoff, 0)):
            if not (math.isfinite(value) and value > lowest):
                raise ValueError(f'{name} is {value}; give a frequency above 0 Hz')
        if not (math.isfinite(beta) and beta >= 0):
            raise ValueError(f'beta is {beta}; give 0 or more')
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.derivative_cutoff = derivative_cutoff
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next value passes unchanged."""
        self._stamp = math.nan
        self._value: np.ndarray | None = None
        self._speed: np.ndarray | None = None

    def __call__(self, value: np.ndarray, stamp: float) -> np.ndarray:
        """Filter one sample.

        Args:
            value: (…, D), finite; the same shape as before the last reset.
            stamp: seconds. A stamp before the last one resets the filter; the same stamp again gives the same answer.

        Returns:
            (…, D) float64, filtered.
        """
        value = np.asarray(value, np.float64)
        step = stamp - self._stamp
        if self._value is None or self._speed is None or value.shape != self._value.shape or step < 0:
            self._stamp, self._value, self._speed = stamp, value.copy(), np.zeros_like(value)
            return value.copy()
        if step > 0:
            speed = (value - self._value) / step
            self._speed = self._speed + smoothing(self.derivative_cutoff, step) * (speed - self._speed)
            length = np.linalg.norm(self._speed, axis=-1, keepdims=True)
            alpha = smoothing(self.min_cutoff + self.beta * length, step)
            self._value = self._value + alpha * (value - self._value)
            self._stamp = stamp
        return self._value.copy()


def smoothing(cutoff: float | np.ndarray, step: float) -> float | np.ndarray:
    """Weight of the newest sample of a first-order low-pass with this cut-off (Hz) after `step` seconds."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * step))
