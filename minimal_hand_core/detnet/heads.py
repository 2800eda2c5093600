"""What turns features into maps: a two-layer head, and the two constant channels that tell it where a cell lies.

Source: fact sheet 2.2.
"""

import torch
from torch import nn

from minimal_hand_core.detnet.resnet import conv_norm

HEAD_WIDTH = 256


class MapHead(nn.Module):
    """3×3 convolution, norm, ReLU, then a 1×1 convolution with bias: (B, in_channels, H, W) → (B, maps, H, W).

    There is no activation at the end; the heat head's caller applies the sigmoid.
    """

    def __init__(self, in_channels: int, maps: int) -> None:
        super().__init__()
        self.project = nn.Sequential(*conv_norm(in_channels, HEAD_WIDTH, 3), nn.ReLU(inplace=True))
        self.prediction = nn.Conv2d(HEAD_WIDTH, maps, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.prediction(self.project(features))


def position_channels(size: int) -> torch.Tensor:
    """Two constant maps: x, then y, from −1 (first column, first row) to 1 (last). Returns (1, 2, size, size) float."""
    line = torch.linspace(-1.0, 1.0, size)
    y, x = torch.meshgrid(line, line, indexing='ij')
    return torch.stack((x, y)).unsqueeze(0)
