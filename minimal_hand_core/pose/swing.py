"""Rotations by hand, exact at every angle (numba kernels on float64 arrays): the shortest one from one direction to
another, the one about an axis, and their products."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_OPPOSITE = 1e-9
"""Sine of an angle beyond a right angle below which two directions count as opposite."""


@njit(cache=True, nogil=True, error_model='numpy')
def swing(a: np.ndarray, b: np.ndarray, normal: np.ndarray, out: np.ndarray) -> None:
    """Write into out (3, 3) the shortest rotation from unit vector a (3,) to unit vector b (3,).

    A rotation is two mirrors, M(n) = I − 2 n nᵀ. Up to a right angle they are M(a + b)·M(a), multiplied out. Beyond
    it a + b loses its digits, and they are M(a − b), which takes a to b, and M(m), m the part of b across a, which
    leaves a alone: a comes to lie on b exactly however ill-determined m is. No arccos, no axis to normalise.

    Opposite vectors turn by π through the part across a of `normal` (3,), any length; through some direction across a
    where there is none.
    """
    cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    if cosine >= 0.0:
        s0, s1, s2 = a[0] + b[0], a[1] + b[1], a[2] + b[2]
        f = 2.0 / (s0 * s0 + s1 * s1 + s2 * s2)
        s = (s0, s1, s2)
        for i in range(3):
            for j in range(3):
                out[i, j] = 2.0 * b[i] * a[j] - f * s[i] * s[j]
            out[i, i] += 1.0
        return

    m = np.empty(3)
    for i in range(3):
        m[i] = b[i] - cosine * a[i]
    if m[0] * m[0] + m[1] * m[1] + m[2] * m[2] < _OPPOSITE * _OPPOSITE:
        _set_across(a, normal, m)
    # Twice: the subtraction above cancels digits when a and b are nearly opposite.
    for _ in range(2):
        along = a[0] * m[0] + a[1] * m[1] + a[2] * m[2]
        for i in range(3):
            m[i] -= along * a[i]
        length = math.sqrt(m[0] * m[0] + m[1] * m[1] + m[2] * m[2])
        for i in range(3):
            m[i] /= length
    e = (a[0] - b[0], a[1] - b[1], a[2] - b[2])
    f = 2.0 / (e[0] * e[0] + e[1] * e[1] + e[2] * e[2])
    g = 2.0 * f * (e[0] * m[0] + e[1] * m[1] + e[2] * m[2])
    for i in range(3):
        for j in range(3):
            out[i, j] = g * e[i] * m[j] - f * e[i] * e[j] - 2.0 * m[i] * m[j]
        out[i, i] += 1.0


@njit(cache=True, nogil=True, error_model='numpy')
def _set_across(a: np.ndarray, normal: np.ndarray, out: np.ndarray) -> None:
    """A direction (any length, not zero) across unit a: that of normal, or of the coordinate axis furthest from a."""
    size = normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]
    along = a[0] * normal[0] + a[1] * normal[1] + a[2] * normal[2]
    if size - along * along > 1e-6 * size:
        root = math.sqrt(size)
        for i in range(3):
            out[i] = (normal[i] - along * a[i]) / root
        return
    furthest = 0
    for i in range(1, 3):
        if abs(a[i]) < abs(a[furthest]):
            furthest = i
    for i in range(3):
        out[i] = -a[furthest] * a[i]
    out[furthest] += 1.0


@njit(cache=True, nogil=True, error_model='numpy')
def turn_about(axis: np.ndarray, cosine: float, sine: float, out: np.ndarray) -> None:
    """Write into out (3, 3) the rotation about a unit axis (3,) by the angle of this cosine and sine (Rodrigues)."""
    x, y, z = axis[0], axis[1], axis[2]
    rest = 1.0 - cosine
    out[0, 0], out[0, 1], out[0, 2] = cosine + rest * x * x, rest * x * y - sine * z, rest * x * z + sine * y
    out[1, 0], out[1, 1], out[1, 2] = rest * x * y + sine * z, cosine + rest * y * y, rest * y * z - sine * x
    out[2, 0], out[2, 1], out[2, 2] = rest * x * z - sine * y, rest * y * z + sine * x, cosine + rest * z * z


@njit(cache=True, nogil=True, error_model='numpy')
def multiply(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Write a @ b of (3, 3) into out, which is neither of them."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@njit(cache=True, nogil=True, error_model='numpy')
def set_identity(out: np.ndarray) -> None:
    """Write the identity into out (3, 3)."""
    for i in range(3):
        for j in range(3):
            out[i, j] = 1.0 if i == j else 0.0
