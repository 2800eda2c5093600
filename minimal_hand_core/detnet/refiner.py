"""Corrects decoded keypoints by what all of them say together.

A heat map is read joint by joint: nothing keeps two fingers from taking the same place, and the bones' directions,
which the network tells as well (deltas), are not looked at. The refiner sees the whole hand: of each joint where it was
read, how surely, where else it might be, and what delta and location maps say there. It answers with corrections in the
picture and in space.

Layout: an MLP-Mixer (Tolstikhin et al. 2021) whose tokens are the 21 joints: in turns, a small network mixes joints,
channel by channel, and another mixes channels, joint by joint. Its last layer begins at zero, so that a new refiner
changes nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from minimal_hand_core.detnet.decode import DecodedHands, decode
from minimal_hand_core.detnet.output import CROP_SIZE, DetNetOutput, cell_pixels, read_maps
from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS

TOKEN_SIZE = 26
"""Numbers that describe a joint, see `describe_joints`."""
CHANNELS = 96
LAYERS = 3
REACH = 0.3
"""What 1 of the last layer moves a keypoint by, in half crops and in network units."""
_HALF = CROP_SIZE / 2
_AWAY = 3.5
"""Cells; heat further from the keypoint than this, along either axis, is somewhere else."""
_PINCH = 1e-9


class KeypointRefiner(nn.Module):
    """Decoded keypoints → better ones; 0.13 M parameters, 3.5 M multiply-adds a hand."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(TOKEN_SIZE, CHANNELS)
        self.joints = nn.Parameter(0.3 * torch.randn(NUM_KEYPOINTS, CHANNELS))
        self.layers = nn.Sequential(*(MixerLayer(CHANNELS) for _ in range(LAYERS)))
        self.leave = nn.Linear(CHANNELS, 5)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, output: DetNetOutput) -> DecodedHands:
        """What `decode` makes of maps of B crops, of any size, corrected; the confidence stays as it is.

        Corrected places may lie beyond the crop's border. Gradients reach the refiner alone, not the maps.
        """
        with torch.no_grad():
            # In one layout, which maps from a convolution may not have: over two layouts at once a product takes five
            # times as long.
            plain = torch.contiguous_format
            output = DetNetOutput(*(maps.to(torch.float32, memory_format=plain) for maps in output))
            decoded = decode(output)
            tokens = describe_joints(output, decoded)
        change = self.leave(self.layers(self.enter(tokens.to(self.enter.weight.dtype)) + self.joints)).float()
        uv = decoded.uv + (REACH * _HALF) * change[..., :2]
        return DecodedHands(uv, decoded.xyz + REACH * change[..., 2:], decoded.confidence)


class MixerLayer(nn.Module):
    """(B, 21, C) → (B, 21, C): joints are mixed, then channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.joint_norm, self.channel_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.mix_joints = _mlp(NUM_KEYPOINTS, channels)
        self.mix_channels = _mlp(channels, 2 * channels)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.mix_joints(self.joint_norm(tokens).transpose(1, 2)).transpose(1, 2)
        return tokens + self.mix_channels(self.channel_norm(tokens))


def _mlp(size: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, width), nn.GELU(), nn.Linear(width, size))


def describe_joints(output: DetNetOutput, decoded: DecodedHands) -> Tensor:
    """What is known of each joint, (B, 21, TOKEN_SIZE) float32, numbers of about −1…1.

    In this order, places as shares of half a crop from its middle, the rest in network units: the decoded place and its
    confidence (3), the decoded position (3), delta and location where the heat is highest (6), the location's mean over
    all of the heat (3), middle and spread of all of the heat (4), the most probable other place, how much heat there is
    elsewhere, the location there, and its heat (7).
    """
    heat = output.heatmaps.float()
    size = heat.shape[-1]
    share = heat / (heat.sum(dim=(-2, -1), keepdim=True) + _PINCH)
    sharp = share.square()
    sharp = sharp / (sharp.sum(dim=(-2, -1), keepdim=True) + _PINCH**2)
    locations, deltas = output.locations.float(), output.deltas.float()

    cell = cell_pixels(size) / _HALF
    ruler = (torch.arange(size, device=heat.device, dtype=torch.float32) + 0.5) * cell - 1
    place = (decoded.uv + 0.5) / _HALF - 1
    profiles = torch.stack((share.sum(dim=-2), share.sum(dim=-1)), dim=2)  # (B, 21, 2, size), along x and along y
    middle = (profiles * ruler).sum(dim=-1)
    spread = ((profiles * ruler.square()).sum(dim=-1) - middle.square()).clamp_min(0).sqrt()

    away = (ruler - place[..., None]).abs() > _AWAY * cell  # (B, 21, 2, size)
    elsewhere = (share * (away[:, :, :1] | away[:, :, 1, :, None])).flatten(2)
    most, best = elsewhere.max(dim=-1, keepdim=True)
    other = torch.stack((ruler[best % size], ruler[best // size]), dim=-1)[:, :, 0]
    there = locations.flatten(3).gather(3, best[:, :, None].expand(-1, -1, 3, -1))[..., 0]

    parts = (
        place,
        decoded.confidence[..., None],
        decoded.xyz,
        read_maps(deltas, sharp),
        read_maps(locations, sharp),
        read_maps(locations, share),
        middle,
        spread,
        other,
        elsewhere.sum(dim=-1, keepdim=True),
        there,
        most,
    )
    return torch.cat(parts, dim=-1)
