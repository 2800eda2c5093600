"""The network with its decoder, as one graph from bytes to keypoints: what every engine runs."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from minimal_hand_core.detnet import DetNet, DetNetOutput


class KeypointGraph(nn.Module):
    """Crops → keypoints and maps.

    Args:
        network: a DetNet; it is put in eval mode. Its numbers may be of half precision: then the maps are worked out in
            it, and read in float32.
    """

    def __init__(self, network: DetNet) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """uv, xyz, confidence, heatmaps, deltas and locations, float32, of (B, 128, 128, 3) uint8 RGB crops."""
        # (B, H, W, 3) seen as (B, 3, H, W) is channels last already.
        images = crops.permute(0, 3, 1, 2).to(torch.float32) / 255.0 - 0.5
        output = self.network(images.to(next(self.network.parameters()).dtype))
        output = DetNetOutput(*(maps.to(torch.float32) for maps in output))
        return (*self.network.read(output), *output)


def channels_last(module: nn.Module) -> nn.Module:
    """The same module with its kernels laid out as channels-last convolutions want them."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """The same module, in eval mode, with every batch norm folded into its convolution: a third of the layers less.

    Belonging together is told by the order of definition: a norm follows its convolution at once, as in all our layers.
    """
    module.eval()
    children = list(module.named_children())
    for (conv_name, conv), (norm_name, norm) in zip(children, children[1:]):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())
    for _, child in children:
        fold_batch_norms(child)
    return module
