"""Tensors that callers hand in: what they must be, and whether a compiled kernel may look at their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.autograd import forward_ad

_KERNEL_DTYPES = (torch.float32, torch.float64)


def check_tensor(value: torch.Tensor, name: str, expected: tuple[int | str, ...], like: torch.Tensor) -> None:
    """Checks kind, dtype, device and shape of an argument.

    Args:
        value: what the caller gave.
        name: of the argument, for the message.
        expected: the shape; a name such as 'B' stands for any size but 0.
        like: a tensor of the model, whose dtype and device the argument must have.

    Raises:
        ValueError: names the argument, what was expected and what was found.
    """
    if not isinstance(value, torch.Tensor):
        raise ValueError(
            f'{name}: expected a tensor of {like.dtype}, found {type(value).__name__}; '
            f'torch.as_tensor(…, dtype={like.dtype}) makes one'
        )
    if value.dtype != like.dtype:
        raise ValueError(
            f'{name}: expected {like.dtype} as the hand model, found {value.dtype}; convert either with .to(…)'
        )
    # On the CPU asking for the two devices would take longer than everything else here.
    if not (value.is_cpu and like.is_cpu) and value.device != like.device:
        raise ValueError(f'{name}: expected on {like.device} as the hand model, found on {value.device}')
    found = value.shape
    fits = len(found) == len(expected)
    for size, want in zip(found, expected):
        if size != want and (size == 0 or isinstance(want, int)):
            fits = False
    if not fits:
        raise ValueError(f'{name}: expected shape ({_list(expected)}), found ({_list(found)})')


def check_trailing(value: torch.Tensor, name: str, sizes: tuple[int, ...]) -> None:
    """Raises ValueError unless value is a tensor of floating-point numbers of shape (…, *sizes)."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        found = value.dtype if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f'{name}: expected a tensor of floating-point numbers, found {found}')
    if value.shape[-len(sizes) :] != sizes:
        raise ValueError(f'{name}: expected shape (…, {_list(sizes)}), found ({_list(value.shape)})')


def check_finite(value: torch.Tensor, name: str) -> None:
    """Raises ValueError when a number of the argument is NaN or infinite; looks only where that costs next to nothing.

    Not looked at: tensors on other devices (the question would make the host wait for them), and tensors that are
    being compiled or transformed (torch.compile, torch.func).
    """
    seen = numbers(value)
    # A sum is finite only if all its parts are; the slow question is asked only then.
    if seen is None or math.isfinite(seen.sum()):
        return
    bad = int((~np.isfinite(seen)).sum())
    if bad:
        raise ValueError(f'{name}: expected finite numbers, found NaN or infinity in {bad} of {seen.size} places')


def numbers(tensor: torch.Tensor) -> np.ndarray | None:
    """A NumPy view of what the tensor holds; None where there is nothing to be seen (see check_finite)."""
    if not tensor.is_cpu or type(tensor) not in (torch.Tensor, nn.Parameter) or torch.compiler.is_compiling():
        return None
    try:
        return (tensor.detach() if tensor.requires_grad else tensor).numpy()
    except (RuntimeError, TypeError):  # Under torch.func a tensor has no storage; bfloat16 has no NumPy counterpart.
        return None


def kernel_arrays(*tensors: torch.Tensor) -> list[np.ndarray] | None:
    """The tensors as contiguous arrays for a compiled kernel, which knows no gradients.

    None when a result must stay connected with them (a gradient in either direction, tracing), or when they are not
    numbers a kernel can read: another device, another dtype than float32 and float64, being compiled or transformed.
    """
    if torch.jit.is_tracing() or (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        return None
    arrays = []
    for tensor in tensors:
        if tensor.dtype not in _KERNEL_DTYPES or forward_ad.unpack_dual(tensor).tangent is not None:
            return None
        array = numbers(tensor)
        if array is None:
            return None
        arrays.append(np.ascontiguousarray(array))
    return arrays


def _list(sizes: Sequence[int | str]) -> str:
    return ', '.join(map(str, sizes))
