"""Which precision a layer of ours works in."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def dtype_in_training(layer: nn.Conv2d, x: Tensor) -> torch.dtype | None:
    """What a layer computes on maps x in while its kernel is trained on a processor; None anywhere else, where PyTorch
    is left alone."""
    if not (torch.is_grad_enabled() and layer.weight.requires_grad and x.device.type == 'cpu'):
        return None
    return torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else x.dtype
