"""Sums over all processes that train together, so that a loss is that of the whole batch whoever holds its parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


class _SumOverRanks(torch.autograd.Function):
    """Every rank gets the same sum and computes the same loss L of it. The gradient of its own part is dL / dsum, times
    the number of ranks, because DistributedDataParallel takes the mean over ranks, not the sum."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * distributed.get_world_size()


def world_size() -> int:
    """How many processes train together; 1 when alone."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def sum_over_ranks(*parts: Tensor) -> tuple[Tensor, ...]:
    """The sum of each scalar over all ranks; in a single process the scalars themselves.

    Args:
        parts: scalar float tensors on one device; one message carries them all. Every rank must call this, with as
            many parts and in the same order.

    Returns:
        as many scalars. Gradients of what is made of them are right under DistributedDataParallel, see above.
    """
    if world_size() == 1:
        return parts
    return _SumOverRanks.apply(torch.stack(parts)).unbind()
