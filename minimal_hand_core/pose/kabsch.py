"""The proper rotation that turns one set of vectors best onto another.

The optimum over proper rotations is U diag(1, 1, det UVᵀ) Vᵀ of the correlation's SVD (Umeyama 1991); the plain UVᵀ of
fact sheet 5.1 may be a reflection. Here the same optimum is found as the dominant eigenvector of Horn's quaternion
matrix (Horn 1987): a quaternion cannot be a reflection, so there is no case to mend, and Jacobi's method on a symmetric
4×4 matrix is accurate to the last digits whether or not the optimum is unique.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_SWEEPS = 12
"""Jacobi converges quadratically: four or five sweeps, the rest is a bound."""


@njit(cache=True, nogil=True, error_model='numpy')
def best_rotation(source: np.ndarray, target: np.ndarray, out: np.ndarray) -> None:
    """Write into out (3, 3) the proper rotation R that minimises Σ |R·source − target|².

    source and target (N, 3), float64, from a common origin. Where they do not determine R (all on a line, or a perfect
    mirror image), R is one of the best, the same one every time.
    """
    m = np.zeros((3, 3))
    for n in range(source.shape[0]):
        for i in range(3):
            for j in range(3):
                m[i, j] += target[n, i] * source[n, j]

    k = np.empty((4, 4))
    k[0, 0] = m[0, 0] + m[1, 1] + m[2, 2]
    k[1, 1] = m[0, 0] - m[1, 1] - m[2, 2]
    k[2, 2] = m[1, 1] - m[0, 0] - m[2, 2]
    k[3, 3] = m[2, 2] - m[0, 0] - m[1, 1]
    k[0, 1] = k[1, 0] = m[2, 1] - m[1, 2]
    k[0, 2] = k[2, 0] = m[0, 2] - m[2, 0]
    k[0, 3] = k[3, 0] = m[1, 0] - m[0, 1]
    k[1, 2] = k[2, 1] = m[0, 1] + m[1, 0]
    k[1, 3] = k[3, 1] = m[0, 2] + m[2, 0]
    k[2, 3] = k[3, 2] = m[1, 2] + m[2, 1]
    vectors = np.eye(4)
    _diagonalise(k, vectors)

    top = 0
    for i in range(1, 4):
        if k[i, i] > k[top, top]:
            top = i
    w, x, y, z = vectors[0, top], vectors[1, top], vectors[2, top], vectors[3, top]
    # Jacobi's rotations keep unit length only to rounding; one division makes the matrix orthogonal to the last digit.
    f = 2.0 / (w * w + x * x + y * y + z * z)
    out[0, 0] = 1.0 - f * (y * y + z * z)
    out[0, 1] = f * (x * y - w * z)
    out[0, 2] = f * (x * z + w * y)
    out[1, 0] = f * (x * y + w * z)
    out[1, 1] = 1.0 - f * (x * x + z * z)
    out[1, 2] = f * (y * z - w * x)
    out[2, 0] = f * (x * z - w * y)
    out[2, 1] = f * (y * z + w * x)
    out[2, 2] = 1.0 - f * (x * x + y * y)


@njit(cache=True, nogil=True, error_model='numpy')
def _diagonalise(matrix: np.ndarray, vectors: np.ndarray) -> None:
    """Cyclic Jacobi: symmetric matrix (n, n) becomes diagonal in place, vectors @ matrix @ vectorsᵀ stays the same."""
    n = matrix.shape[0]
    size = 0.0
    for i in range(n):
        for j in range(n):
            size += matrix[i, j] * matrix[i, j]
    for _ in range(_SWEEPS):
        off = 0.0
        for i in range(n - 1):
            for j in range(i + 1, n):
                off += matrix[i, j] * matrix[i, j]
        if off <= 1e-34 * size:
            return
        for p in range(n - 1):
            for q in range(p + 1, n):
                if matrix[p, q] == 0.0:
                    continue
                ratio = (matrix[q, q] - matrix[p, p]) / (2.0 * matrix[p, q])
                tangent = math.copysign(1.0, ratio) / (abs(ratio) + math.sqrt(ratio * ratio + 1.0))
                cosine = 1.0 / math.sqrt(tangent * tangent + 1.0)
                sine = tangent * cosine
                for i in range(n):
                    a, b = matrix[i, p], matrix[i, q]
                    matrix[i, p], matrix[i, q] = cosine * a - sine * b, sine * a + cosine * b
                for i in range(n):
                    a, b = matrix[p, i], matrix[q, i]
                    matrix[p, i], matrix[q, i] = cosine * a - sine * b, sine * a + cosine * b
                matrix[p, q] = matrix[q, p] = 0.0
                for i in range(n):
                    a, b = vectors[i, p], vectors[i, q]
                    vectors[i, p], vectors[i, q] = cosine * a - sine * b, sine * a + cosine * b
