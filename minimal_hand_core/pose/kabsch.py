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
    # Their size does not matter; near 1 no square overflows or vanishes, whatever the unit.
    largest = np.abs(m).max()
    if largest > 0.0:
        m /= largest

    k = np.empty((4, 4))
    k[0, 0] = m[0, 0] + m[1, 1] + m[2, 2]
    k[1, 1] = m[0, 0] - m[1, 1] - m[2, 2]
    k[2, 2] = m[1, 1] - m[0, 0] - m[2, 2]
    k[3, 3] = m[2, 2] - m[0, 0] - m[1, 1]
    k[0, 1] = m[2, 1] - m[1, 2]
    k[0, 2] = m[0, 2] - m[2, 0]
    k[0, 3] = m[1, 0] - m[0, 1]
    k[1, 2] = m[0, 1] + m[1, 0]
    k[1, 3] = m[0, 2] + m[2, 0]
    k[2, 3] = m[1, 2] + m[2, 1]
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
    """Cyclic Jacobi: symmetric matrix (4, 4) becomes diagonal in place, vectors @ matrix @ vectorsᵀ stays the same.

    Only the diagonal and what lies above it are read and written.
    """
    size = 0.0
    for i in range(4):
        size += matrix[i, i] ** 2
        for j in range(i + 1, 4):
            size += 2.0 * matrix[i, j] ** 2
    for _ in range(_SWEEPS):
        off = 0.0
        for i in range(3):
            for j in range(i + 1, 4):
                off += matrix[i, j] ** 2
        if off <= 1e-34 * size:
            return
        for p in range(3):
            for q in range(p + 1, 4):
                entry = matrix[p, q]
                if entry == 0.0:
                    continue
                # tan 2φ = 2 m_pq / (m_qq − m_pp), the smaller root for tan φ, without a quotient that may overflow.
                half = 0.5 * (matrix[q, q] - matrix[p, p])
                tangent = entry / (half + math.copysign(math.sqrt(half * half + entry * entry), half))
                cosine = 1.0 / math.sqrt(tangent * tangent + 1.0)
                sine = tangent * cosine
                matrix[p, p] -= tangent * entry
                matrix[q, q] += tangent * entry
                matrix[p, q] = 0.0
                for i in range(4):
                    if i not in (p, q):
                        u, v = (min(i, p), max(i, p)), (min(i, q), max(i, q))
                        a, b = matrix[u], matrix[v]
                        matrix[u], matrix[v] = cosine * a - sine * b, sine * a + cosine * b
                    a, b = vectors[i, p], vectors[i, q]
                    vectors[i, p], vectors[i, q] = cosine * a - sine * b, sine * a + cosine * b


@njit(cache=True, nogil=True, error_model='numpy')
def best_rotations(sources: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
    """`best_rotation` of each pair of (B, N, 3) sources and targets into out (B, 3, 3)."""
    for i in range(out.shape[0]):
        best_rotation(sources[i], targets[i], out[i])
