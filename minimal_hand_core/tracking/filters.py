"""Filters that steady a stream of points: One-Euro, and a Kalman filter of constant velocity.

Both take the real time between two stamps, never a nominal rate, and treat the last axis as a vector in space, so that
they do the same whichever way the axes point.

One-Euro is a first-order low-pass whose cut-off grows with the speed of what it filters:

    cutoff = min_cutoff + beta · max(0, |speed| − rest_speed),   alpha = 1 / (1 + 1 / (2π · cutoff · dt))

Source: Casiez, Roussel, Vogel: "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012, but for four things. Speed is measured from the filtered value to the new one, so that what the
filter still owes counts as speed and is paid back soon. Noise alone has a speed, which would keep the filter open at
rest: rest_speed is taken off. And alpha falls no faster than 1, 1/2, 1/3, …: from where a point came to rest the filter
is its plain mean, until that is as steady as the cut-off wants it. With the cut-off's alpha at once, the first sample,
noise and all, would be crept away from for seconds. Last, a single sample that jumps away does not open the filter: a
change counts as fast as it and the one before go the same way (√ of their scalar product, at least rest_speed). A
finger that is taken for another one in one picture stays where it was; a motion is believed from its second picture on.

The Kalman filter knows position and velocity of every point, driven by white acceleration:

    F = [1 dt; 0 1],   Q = q [dt³/3 dt²/2; dt²/2 dt],   H = [1 0],   R = noise²

A hand rests and hurries, which no single q fits. The squared innovations, over what they should be, are averaged over
the last few samples; where they are larger than chance explains, the point has started or turned, and its q is raised
by that factor to the power `agility`. At rest that leaves a filter slow enough to be steady; in motion at constant
speed there is no lag at any q.
Source: Bar-Shalom, Li, Kirubarajan: "Estimation with Applications to Tracking and Navigation", Wiley 2001, sections
6.2 (the model) and 11.6 (adjustable level of process noise).
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from minimal_hand_core.arrays import for_kernel
from minimal_hand_core.tracking.filters_kernel import one_euro_step

FILTERS = ('one_euro', 'kalman', 'none')
"""Ways to steady wrist and pose."""


class Filter(Protocol):
    """A filter of an array of vectors."""

    def reset(self) -> None:
        """Forget everything; the next value passes unchanged."""
        ...

    def __call__(self, value: np.ndarray, stamp: float) -> np.ndarray:
        """Filter one sample.

        Args:
            value: (…, D), finite; another shape than before is a reset.
            stamp: seconds. A stamp before the last one resets the filter; the same stamp again gives the same answer.

        Returns:
            (…, D) float64, filtered.
        """
        ...


class NoFilter:
    """Passes every value as it is."""

    def reset(self) -> None:
        """Nothing to forget."""

    def __call__(self, value: np.ndarray, stamp: float) -> np.ndarray:
        """(…, D) float64, the same."""
        return np.array(value, np.float64)


class OneEuro:
    """One-Euro filter of an array of vectors, one cut-off per vector: each follows the length of its own velocity.

    A point that moves does not loosen the filter of one that rests. The parameters may be set at any time.

    Args:
        min_cutoff: cut-off at rest, Hz, > 0. Lower is steadier.
        beta: growth of the cut-off with speed, Hz per (unit of the signal per second), ≥ 0. Higher lags less.
        derivative_cutoff: cut-off of the speed estimate, Hz, > 0.
        rest_speed: speed that is taken for noise, units of the signal per second, ≥ 0.

    Raises:
        ValueError: a parameter out of its range, named.
    """

    def __init__(
        self, min_cutoff: float = 1.0, beta: float = 0.0, derivative_cutoff: float = 1.0, rest_speed: float = 0.0
    ) -> None:
        self.set_parameters(min_cutoff, beta, derivative_cutoff, rest_speed)
        self.reset()

    def set_parameters(self, min_cutoff: float, beta: float, derivative_cutoff: float, rest_speed: float = 0.0) -> None:
        """Go on from the same state with other parameters; those of the constructor, with its errors."""
        _check_positive('min_cutoff', min_cutoff, 'a frequency above 0 Hz')
        _check_positive('derivative_cutoff', derivative_cutoff, 'a frequency above 0 Hz')
        _check_not_negative('beta', beta)
        _check_not_negative('rest_speed', rest_speed)
        self.min_cutoff, self.beta = min_cutoff, beta
        self.derivative_cutoff, self.rest_speed = derivative_cutoff, rest_speed

    def reset(self) -> None:
        """Forget everything; the next value passes unchanged."""
        self._stamp = math.nan
        self._value: np.ndarray | None = None
        self._speed: np.ndarray | None = None
        self._change = np.zeros(1)
        self._alpha = np.ones(1)

    def __call__(self, value: np.ndarray, stamp: float) -> np.ndarray:
        """Filter one sample, as `Filter` says."""
        value = np.asarray(value, np.float64)
        step = stamp - self._stamp
        if self._value is None or self._speed is None or value.shape != self._value.shape or step < 0:
            self._stamp, self._value = stamp, value.copy()
            self._speed, self._change = np.zeros_like(value), np.zeros_like(value)
            self._alpha = np.ones_like(value[..., :1])
            return value.copy()
        if step > 0:
            one_euro_step(
                for_kernel(value.reshape(-1, value.shape[-1])),
                step,
                self.min_cutoff,
                self.beta,
                self.derivative_cutoff,
                self.rest_speed,
                self._value.reshape(-1, value.shape[-1]),
                self._speed.reshape(-1, value.shape[-1]),
                self._change.reshape(-1, value.shape[-1]),
                self._alpha.reshape(-1),
            )
            self._stamp = stamp
        return self._value.copy()


class Kalman:
    """Kalman filter of constant velocity of an array of vectors, each with a process noise of its own.

    The parameters may be set at any time.

    Args:
        noise: standard deviation of one coordinate of one sample, units of the signal, > 0.
        acceleration: root of q at rest, units per s^1.5, > 0. Lower is steadier.
        agility: how fast q rises with innovations that are larger than they should be, ≥ 0; 0 = never.

    Raises:
        ValueError: a parameter out of its range, named.
    """

    def __init__(self, noise: float = 0.001, acceleration: float = 0.0001, agility: float = 3.0) -> None:
        self.set_parameters(noise, acceleration, agility)
        self.reset()

    def set_parameters(self, noise: float, acceleration: float, agility: float) -> None:
        """Go on from the same state with other parameters; those of the constructor, with its errors."""
        _check_positive('noise', noise, 'a standard deviation above 0')
        _check_positive('acceleration', acceleration, 'a value above 0')
        _check_not_negative('agility', agility)
        self.noise, self.acceleration, self.agility = noise, acceleration, agility

    def reset(self) -> None:
        """Forget everything; the next value passes unchanged."""
        self._stamp = math.nan
        self._value: np.ndarray | None = None

    def __call__(self, value: np.ndarray, stamp: float) -> np.ndarray:
        """Filter one sample, as `Filter` says."""
        value = np.asarray(value, np.float64)
        step = stamp - self._stamp
        if self._value is None or value.shape != self._value.shape or step < 0:
            self._start(value, stamp)
        elif step > 0:
            self._step(value, step)
            self._stamp = stamp
        assert self._value is not None
        return self._value.copy()

    def _start(self, value: np.ndarray, stamp: float) -> None:
        self._stamp, self._value, self._speed = stamp, value.copy(), np.zeros_like(value)
        one = np.ones((*value.shape[:-1], 1))
        # Per vector: variances of position and velocity and what they share, and the innovations' excess.
        self._pp, self._pv, self._vv = self.noise**2 * one, 0 * one, (self.noise / _START) ** 2 * one
        self._excess = one

    def _step(self, value: np.ndarray, step: float) -> None:
        assert self._value is not None
        q = self.acceleration**2
        innovation = value - (self._value + step * self._speed)
        mean_square = (innovation**2).mean(axis=-1, keepdims=True)
        usual = self._pp + 2 * step * self._pv + step**2 * self._vv + q * step**3 / 3 + self.noise**2
        share = 1 - math.exp(-step / MEMORY)
        self._excess = self._excess + share * (mean_square / usual - self._excess)
        power = q * np.maximum(self._excess, 1) ** self.agility
        pp = self._pp + 2 * step * self._pv + step**2 * self._vv + power * step**3 / 3
        pv = self._pv + step * self._vv + power * step**2 / 2
        vv = self._vv + power * step
        gain_p, gain_v = pp / (pp + self.noise**2), pv / (pp + self.noise**2)
        self._value = self._value + step * self._speed + gain_p * innovation
        self._speed = self._speed + gain_v * innovation
        self._pp, self._pv, self._vv = (1 - gain_p) * pp, (1 - gain_p) * pv, vv - gain_v * pv


MEMORY = 0.1
"""Seconds over which the innovations of the Kalman filter are averaged."""
_START = 1.0
"""Seconds: the velocity at the start is unknown by the noise over this, which is little: most hands that are found
rest, and of the others the innovations tell at once."""


def _check_positive(name: str, value: float, wanted: str) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f'{name} is {value}; give {wanted}')


def _check_not_negative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f'{name} is {value}; give 0 or more')
