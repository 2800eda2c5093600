"""Batch norm and ReLU in one go, for training in bfloat16 on processors.

There PyTorch's two are a fifth of a training step of the small network. Two compiled passes over the maps each way,
channels last, take half of that. What they compute is the same: batch norm with its running means, then max(0, ·). In
float32 nothing is gained, so that is left to PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit, types
from numba.extending import intrinsic
from torch import Tensor, nn

_LOWEST = -3e38
"""Nothing is less; −∞ is no number to fast mathematics."""


def norm_act(x: Tensor, norm: nn.Module, relu: bool) -> Tensor:
    """`norm(x)`, and ReLU of it if `relu`; maps (B, C, h, w). The running means go on as those of `norm` do."""
    # other kinds, such as SyncBatchNorm, see more than this batch
    if type(norm) is nn.BatchNorm2d and _is_usual(norm) and x.device.type == 'cpu' and x.dtype == torch.bfloat16:
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
        answer: Tensor = _NormAct.apply(x, norm.weight, norm.bias, norm, relu)
        return answer
    y: Tensor = norm(x)
    return y.relu_() if relu else y


def _is_usual(norm: nn.BatchNorm2d) -> bool:
    usual = norm.affine and norm.track_running_stats and norm.momentum is not None
    return usual and norm.training and norm.weight.dtype == torch.float32


class _NormAct(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d, relu: bool) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        y = torch.empty_like(x)
        mean, scale = (np.empty(x.shape[1], np.float32) for _ in range(2))
        assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
        running = norm.running_mean.numpy(), norm.running_var.numpy()
        own = weight.detach().numpy(), bias.detach().numpy()
        _normalise(_cells(x), *own, *running, norm.momentum, norm.eps, relu, _cells(y), mean, scale)
        context.save_for_backward(x, weight, bias)
        context.about = mean, scale, relu
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, bias = context.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x, of_weight, of_bias = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(weight)
        own = weight.detach().numpy(), bias.detach().numpy(), *context.about
        _differentiate(_cells(x), _cells(gradient), *own, _cells(of_x), of_weight.numpy(), of_bias.numpy())
        return of_x, of_weight, of_bias, None, None


def _cells(maps: Tensor) -> np.ndarray:
    """(B, C, h, w) bfloat16, channels last → the same memory as (B·h·w, C) uint16: NumPy has no bfloat16."""
    return maps.detach().permute(0, 2, 3, 1).flatten(0, 2).view(torch.uint16).numpy()


@intrinsic
def _float_of(typing: Any, bits: Any) -> Any:
    """The float32 with these 32 bits."""
    return types.float32(types.uint32), _same_bits


@intrinsic
def _bits_of(typing: Any, value: Any) -> Any:
    """The 32 bits of a float32."""
    return types.uint32(types.float32), _same_bits


def _same_bits(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))


@njit(inline='always')
def _read(bits: Any) -> Any:
    """A bfloat16 as float32."""
    return _float_of(np.uint32(bits) << np.uint32(16))


@njit(inline='always')
def _written(value: Any) -> Any:
    """A float32 as bfloat16, to the nearest, ties away from zero."""
    return np.uint16((_bits_of(value) + np.uint32(0x8000)) >> np.uint32(16))


@njit(fastmath=True, nogil=True, cache=True)
def _normalise(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    running_mean: np.ndarray,
    running_variance: np.ndarray,
    momentum: float,
    epsilon: float,
    relu: bool,
    y: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
) -> None:
    """y (N, C) of x (N, C); mean (C,) and scale (C,) = 1/√(variance + ε) of this batch."""
    count, channels = x.shape
    # Squares of differences from some number of each channel: of the numbers themselves a far mean would cost digits.
    about = np.empty(channels, np.float32)
    for c in range(channels):
        about[c] = _read(x[0, c])
    sums, squares = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    for n in range(count):
        for c in range(channels):
            value = _read(x[n, c]) - about[c]
            sums[c] += value
            squares[c] += value * value
    factor, offset = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for c in range(channels):
        shift = sums[c] / count
        variance = max(squares[c] / count - shift * shift, 0.0)
        mean[c] = about[c] + shift
        scale[c] = 1 / np.sqrt(variance + epsilon)
        running_mean[c] += momentum * (mean[c] - running_mean[c])
        running_variance[c] += momentum * (variance * count / max(count - 1, 1) - running_variance[c])
        factor[c] = weight[c] * scale[c]
        offset[c] = bias[c] - factor[c] * mean[c]
    least = np.float32(0.0 if relu else _LOWEST)
    for n in range(count):
        for c in range(channels):
            y[n, c] = _written(max(_read(x[n, c]) * factor[c] + offset[c], least))


@njit(fastmath=True, nogil=True, cache=True)
def _differentiate(
    x: np.ndarray,
    gradient: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    relu: bool,
    of_x: np.ndarray,
    of_weight: np.ndarray,
    of_bias: np.ndarray,
) -> None:
    """Gradients by x (N, C), weight (C,) and bias (C,), the latter two added to what is there, from that by y."""
    count, channels = x.shape
    nothing, least = np.float32(0), np.float32(0.0 if relu else _LOWEST)
    factor, height = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for c in range(channels):
        factor[c] = weight[c] * scale[c]
        height[c] = bias[c] - factor[c] * mean[c]
    # Whether a cell was above zero is worked out again: reading y instead would be half as much memory more.
    for n in range(count):
        for c in range(channels):
            value = _read(x[n, c])
            passed = _read(gradient[n, c]) if factor[c] * value + height[c] > least else nothing
            of_bias[c] += passed
            of_weight[c] += passed * (value - mean[c]) * scale[c]
    slope, offset = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for c in range(channels):
        slope[c] = -factor[c] * scale[c] * of_weight[c] / count
        offset[c] = -factor[c] * of_bias[c] / count - slope[c] * mean[c]
    for n in range(count):
        for c in range(channels):
            value = _read(x[n, c])
            passed = _read(gradient[n, c]) if factor[c] * value + height[c] > least else nothing
            of_x[n, c] = _written(factor[c] * passed + slope[c] * value + offset[c])
