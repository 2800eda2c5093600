"""Cholesky's method for the small systems of the kernels (numba, float64): a call of LAPACK costs more than they do."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model='numpy')
def factorise(matrix: np.ndarray, damping: float, factor: np.ndarray) -> bool:
    """Write Cholesky's lower factor of matrix + damping · I into factor (N, N), whose upper half is left alone.

    Only the lower half of matrix (N, N), symmetric, is read. False when the sum is not positive definite.
    """
    n = matrix.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            if i == j:
                total += damping
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i > j:
                factor[i, j] = total / factor[j, j]
            elif total > 0.0:
                factor[i, i] = math.sqrt(total)
            else:  # also when NaN
                return False
    return True


@njit(cache=True, nogil=True, error_model='numpy')
def substitute(factor: np.ndarray, right: np.ndarray, solution: np.ndarray) -> None:
    """Solve factor factorᵀ solution = right (N,), the lower half of factor (N, N) being Cholesky's."""
    n = right.shape[0]
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
