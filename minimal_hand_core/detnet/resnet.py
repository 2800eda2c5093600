"""A ResNet-50 variant that keeps a quarter of the resolution: the backbone of the large DetNet.

It has no max-pool after the stem and stops after the third stage. Only the stem and the ``pool`` bottleneck stride, so
128×128 pixels become 32×32 cells; blocks 2 and 3 see further by dilation instead. The attribute names are those of the
peer's checkpoints, so that its files load key by key.

Source: fact sheet 2.2 (layers), 2.4 (sizes), 2.5 (names).
"""

import torch
from torch import nn

FEATURE_CHANNELS = 256
"""Channels of the features that ``DilatedResNet50`` returns."""
EXPANSION = 4
"""A bottleneck's output has this many times its inner width."""


def conv_norm(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    """A convolution of stride 1 without bias and its norm: size in = size out."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]


class Bottleneck(nn.Module):
    """1×1 → 3×3 → 1×1 with a shortcut round it: (B, in_channels, H, W) → (B, 4·width, H/stride, W/stride).

    The shortcut is a 1×1 projection where the channels change, a 2×2 max-pool where the size changes, and nothing
    otherwise. The backbone never needs both at once.
    """

    def __init__(self, in_channels: int, width: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module
        if in_channels != out_channels:
            self.shortcut = nn.Sequential(*conv_norm(in_channels, out_channels, 1))
        elif stride != 1:
            self.shortcut = nn.MaxPool2d(stride)
        else:
            self.shortcut = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


def _block(in_channels: int, width: int, units: int, dilation: int) -> nn.Sequential:
    inputs = [in_channels] + [EXPANSION * width] * (units - 1)
    return nn.Sequential(*(Bottleneck(channels, width, dilation=dilation) for channels in inputs))


class DilatedResNet50(nn.Module):
    """(B, 3, H, W) images → (B, 256, H/4, W/4) features; H and W divisible by 4."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.block1 = _block(64, width=64, units=2, dilation=1)
        self.pool = nn.Sequential(Bottleneck(256, 64, stride=2))
        self.block2 = _block(256, width=128, units=4, dilation=2)
        self.block3 = _block(512, width=256, units=6, dilation=4)
        self.squeeze = nn.Sequential(*conv_norm(1024, FEATURE_CHANNELS, 3), nn.ReLU(inplace=True))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(images)))  # (B, 64, H/2, W/2)
        x = self.pool(self.block1(x))  # (B, 256, H/4, W/4)
        return self.squeeze(self.block3(self.block2(x)))
