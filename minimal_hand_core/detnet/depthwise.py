"""Depthwise convolutions whose kernels' gradient is not slow on processors.

oneDNN, which PyTorch uses there, has no fast code for the gradient of a depthwise kernel on small maps: with 5×5 taps
on 3×3 cells it takes 60 times as long as the convolution itself, and all of them together a tenth of a training step of
the small network; in bfloat16 three quarters of it. Nor has it any for the gradient of the maps in bfloat16 where the
stride is 2, which is worked out in float32. Everything else about the convolution is PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

from minimal_hand_core.detnet.precision import dtype_in_training

_DTYPES = (torch.float32, torch.bfloat16)


class DepthwiseConv2d(nn.Conv2d):
    """Each channel with its own k×k kernel, without bias; keeps the size when stride is 1.

    Args:
        channels: C of the maps (B, C, h, w) in and out.
        kernel: k, odd.
        stride: of both axes.
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, ⌈h / stride⌉, ⌈w / stride⌉)."""
        dtype = dtype_in_training(self, x)
        if dtype in _DTYPES:
            answer: Tensor = _Depthwise.apply(x.to(dtype), self.weight, self.stride[0])
            return answer
        return super().forward(x)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        context.save_for_backward(x, weight)
        context.stride = stride
        channels, _, kernel, _ = weight.shape
        return nn.functional.conv2d(x, weight.to(x.dtype), stride=stride, padding=kernel // 2, groups=channels)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = context.saved_tensors
        channels, _, kernel, _ = weight.shape
        of_x = of_weight = None
        if context.needs_input_grad[0]:
            stride, padding = [context.stride] * 2, [kernel // 2] * 2
            wanted = [True, False, False]
            dtype = x.dtype if context.stride == 1 else torch.float32
            parts = [part.to(dtype) for part in (gradient, x, weight)]
            of_x = torch.ops.aten.convolution_backward(
                *parts, None, stride, padding, [1, 1], False, [0, 0], channels, wanted
            )[0].to(x.dtype)
        if context.needs_input_grad[1]:
            taps = np.zeros((kernel * kernel, channels), np.float32)
            _add_products(_by_cell(x), _by_cell(gradient), kernel, context.stride, taps)
            # in the strides of the kernel, which DistributedDataParallel expects
            of_weight = torch.empty_like(weight).copy_(torch.from_numpy(taps).T.reshape(weight.shape))
        return of_x, of_weight, None


def _by_cell(maps: Tensor) -> np.ndarray:
    """(B, C, h, w) → (B, h, w, C) float32, contiguous; float32 maps in the channels-last format are not copied."""
    return maps.detach().float().permute(0, 2, 3, 1).contiguous().numpy()


@njit(fastmath=True, nogil=True, cache=True)
def _add_products(x: np.ndarray, gradient: np.ndarray, kernel: int, stride: int, taps: np.ndarray) -> None:
    """taps[k·dy + dx] += Σ over crops and cells of gradient times the x that this tap saw."""
    crops, height, width, channels = x.shape
    _, rows, columns, _ = gradient.shape
    for b in range(crops):
        for dy in range(kernel):
            for row in range(rows):
                y = row * stride + dy - kernel // 2
                if y < 0 or y >= height:
                    continue
                for dx in range(kernel):
                    tap = taps[dy * kernel + dx]
                    for column in range(columns):
                        left = column * stride + dx - kernel // 2
                        if left < 0 or left >= width:
                            continue
                        seen = x[b, y, left]
                        wanted = gradient[b, row, column]
                        for c in range(channels):
                            tap[c] += seen[c] * wanted[c]
