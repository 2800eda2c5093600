"""1×1 convolutions that are trained as the matrix products they are.

For small maps in bfloat16 oneDNN, which PyTorch uses on processors, takes up to seven times as long for the gradient of
a 1×1 kernel as for the matrix product that it is, and longer for the convolution itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from minimal_hand_core.detnet.precision import dtype_in_training


class PointwiseConv2d(nn.Conv2d):
    """Mixes the channels of each cell.

    Args:
        cin, cout: channels of the maps (B, C, h, w) in and out.
        bias: whether there is one.
    """

    def __init__(self, cin: int, cout: int, *, bias: bool = True) -> None:
        super().__init__(cin, cout, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, h, w) → (B, cout, h, w)."""
        if dtype_in_training(self, x) == torch.bfloat16:
            # by way of the channels-last layout, so that the kernel's gradient has the strides of the kernel
            mix = self.weight.permute(0, 2, 3, 1).flatten(1)
            return functional.linear(x.permute(0, 2, 3, 1), mix, self.bias).permute(0, 3, 1, 2)
        return super().forward(x)
