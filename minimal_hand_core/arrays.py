"""NumPy or torch in, the same kind out: the checks and conversions every numeric entry point shares.

Convention:
    * Checks raise ValueError and name the argument, what was expected and what was found.
    * Sizes in an expected shape are integers, or names such as 'B' for a size that may be anything.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

ArrayLike = Any
"""numpy.ndarray, torch.Tensor, or something that numpy.asarray understands."""


def describe_shape(shape: tuple[int | str, ...]) -> str:
    """(21, 3) → '(21, 3)', ('B', 3) → '(B, 3)'."""
    return '(' + ', '.join(str(size) for size in shape) + (',)' if len(shape) == 1 else ')')


def check_shape(value: ArrayLike, name: str, expected: tuple[int | str, ...]) -> None:
    """Raise ValueError unless value.shape is the expected one; named sizes match any positive size."""
    found = tuple(value.shape)
    if found == expected:  # the usual case, and much quicker than looking at every size
        return
    fits = len(found) == len(expected) and all(
        size > 0 if isinstance(want, str) else size == want for size, want in zip(found, expected)
    )
    if not fits:
        raise ValueError(f'{name}: expected shape {describe_shape(expected)}, found {describe_shape(found)}')


def check_finite(value: ArrayLike, name: str) -> None:
    """Raise ValueError when anything in value is NaN or infinite."""
    # One pass without a temporary: a sum is finite only if every part of it is.
    total = value.detach().sum() if isinstance(value, torch.Tensor) else value.sum()
    if math.isfinite(float(total)):
        return
    finite = torch.isfinite(value) if isinstance(value, torch.Tensor) else np.isfinite(value)
    if not finite.all():
        bad, places = int((~finite).sum()), math.prod(value.shape)
        raise ValueError(f'{name}: expected finite numbers, found NaN or infinity in {bad} of {places} places')


def to_float64(value: ArrayLike, name: str) -> np.ndarray:
    """A float64 NumPy copy or view of value, off any device and graph.

    Raises:
        ValueError: value is not numeric, or complex.
    """
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            raise ValueError(f'{name}: expected real numbers, found {value.dtype}')
        return np.asarray(value.detach().to(device='cpu', dtype=torch.float64).numpy())
    try:
        array = np.asarray(value)
        # Texts would be read as numbers and complex numbers cut to their real part.
        if array.dtype.kind not in 'fiubO':
            raise TypeError
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        found = f'array of {value.dtype}' if isinstance(value, np.ndarray) else type(value).__name__
        raise ValueError(f'{name}: expected an array of numbers, found {found}') from error


def restore(result: np.ndarray, like: ArrayLike) -> Any:
    """result as the kind of `like`: a torch input gives a tensor of its floating dtype and device.

    A NumPy input gives its own floating dtype; integers and lists give float64. Booleans and integers in result keep
    their dtype.
    """
    floating = result.dtype.kind == 'f'
    if isinstance(like, torch.Tensor):
        dtype = like.dtype if floating and like.dtype.is_floating_point else None
        return torch.as_tensor(np.ascontiguousarray(result)).to(device=like.device, dtype=dtype)
    if floating and isinstance(like, np.ndarray) and like.dtype.kind == 'f':
        return result.astype(like.dtype, copy=False)
    return result


def for_kernel(array: np.ndarray) -> np.ndarray:
    """Contiguous and writeable: numba would compile a kernel once more for arrays that are not."""
    flags = array.flags
    return array if flags.c_contiguous and flags.writeable else np.array(array, order='C')


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a × b over the last axis, of (…, 3) each; np.cross takes ten times as long on a few vectors."""
    return np.asarray(a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]])
