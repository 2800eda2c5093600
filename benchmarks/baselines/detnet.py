"""Baseline: the resnet50 DetNet as the peer runs it, fact sheet 2.1–2.3: eager float32 PyTorch, channels first.

Layers and weights are those of our DetNet, which are the peer's; what differs is how they are run. The position maps
are made in NumPy in every pass, batch norms stay by themselves, and a keypoint is the cell of the highest value. Unlike
the peer's demo it divides by 255 and runs in eval mode without autograd, which is faster too.
"""

from __future__ import annotations

import numpy as np
import torch

from minimal_hand_core.detnet import DetNet, DetNetOutput


class PeerDetNet:
    """One crop after another; takes a DetNet('resnet50') in eval mode."""

    def __init__(self, network: DetNet) -> None:
        self.network = network

    @torch.no_grad()
    def maps(self, crops: np.ndarray) -> DetNetOutput:
        """Maps of crops (B, 128, 128, 3) uint8 RGB."""
        network = self.network
        images = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float() / 255 - 0.5
        features = network.resnet50(images)
        line = np.linspace(-1, 1, 32, dtype=np.float32)
        positions = np.stack([np.tile(line, (32, 1)), np.tile(line[:, None], (1, 32))])
        positions = torch.from_numpy(np.repeat(positions[None], len(crops), axis=0))
        features = torch.cat([features, positions], dim=1)
        heat = torch.sigmoid(network.hmap_0(features))
        features = torch.cat([features, heat], dim=1)
        delta = network.dmap_0(features)
        location = network.lmap_0(torch.cat([features, delta], dim=1))
        shape = (len(crops), 21, 3, 32, 32)
        return DetNetOutput(heat, delta.reshape(shape), location.reshape(shape))

    def run(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells (B, 21, 2) row and column, and xyz (B, 21, 3) read there."""
        heat, _, location = self.maps(crops)
        cell = heat.flatten(2).argmax(dim=-1)
        xyz = location.flatten(3).gather(3, cell[:, :, None, None].expand(-1, -1, 3, 1))[..., 0]
        return torch.stack([cell // 32, cell % 32], dim=-1).numpy(), xyz.numpy()
