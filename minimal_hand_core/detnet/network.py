"""DetNet: a crop of a right hand → heat, delta and location maps → keypoints.

Two backbones give the same maps: ``resnet50``, the network of the paper with the peer's checkpoint layout, and
``small``, ours, made for a CPU. Either can have a refiner, which corrects the keypoints that are read off the maps.

Source: fact sheet 2.1 (input), 2.2 (layers), 2.8 (initialisation).
"""

import torch
from torch import nn

from minimal_hand_core.detnet.axes import VIEW
from minimal_hand_core.detnet.decode import DecodedHands, decode
from minimal_hand_core.detnet.heads import MapHead, position_channels
from minimal_hand_core.detnet.output import CROP_SIZE, MAP_SIZE, DetNetOutput
from minimal_hand_core.detnet.refiner import KeypointRefiner
from minimal_hand_core.detnet.resnet import FEATURE_CHANNELS, DilatedResNet50
from minimal_hand_core.detnet.small import SmallNet
from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS

BACKBONES = ('resnet50', 'small')
RESOLUTIONS = {'resnet50': (CROP_SIZE,), 'small': (128, 96, 64, 32)}
"""Pixels a side in which each can work."""


class DetNet(nn.Module):
    """The keypoint network.

    Args:
        backbone: ``'resnet50'`` (13.0 M parameters, 13.8 G multiply-adds) or ``'small'``.
        resolution: pixels a side in which the network works. Crops have 128; ``'small'`` can shrink them to 96, 64 or
            32 at first, and is faster then.
        refined: with a KeypointRefiner.
        deeper: with more residual blocks; ``'small'`` alone.

    Attributes:
        axes: in which it says xyz, one of `axes.AXES`; who teaches or loads it sets them.

    Raises:
        ValueError: the backbone is neither of them, does not work in that resolution, or cannot be deeper.
    """

    positions: torch.Tensor

    def __init__(
        self, backbone: str = 'resnet50', resolution: int = CROP_SIZE, *, refined: bool = False, deeper: bool = False
    ) -> None:
        super().__init__()
        self.backbone, self.resolution, self.deeper = backbone, resolution, deeper
        self.axes = VIEW
        known = RESOLUTIONS.get(backbone, (resolution,))
        if resolution not in known:
            choices = ', '.join(map(str, known))
            raise ValueError(f'resolution of DetNet {backbone} is {resolution!r}: choose one of {choices}')
        if backbone == 'small':
            self.small = SmallNet(resolution, deeper=deeper)
        elif backbone == 'resnet50':
            if deeper:
                raise ValueError(
                    "DetNet resnet50 has no deeper form, its layers are the paper's: choose small, or leave it"
                )
            # Each head also sees what the heads before it said.
            heat_inputs = FEATURE_CHANNELS + 2
            delta_inputs = heat_inputs + NUM_KEYPOINTS
            self.resnet50 = DilatedResNet50()
            self.hmap_0 = MapHead(heat_inputs, NUM_KEYPOINTS)
            self.dmap_0 = MapHead(delta_inputs, 3 * NUM_KEYPOINTS)
            self.lmap_0 = MapHead(delta_inputs + 3 * NUM_KEYPOINTS, 3 * NUM_KEYPOINTS)
            # Not persistent: a constant has no place in a checkpoint, and the peer's files do not have it.
            self.register_buffer('positions', position_channels(MAP_SIZE), persistent=False)
            self._initialise()
        else:
            raise ValueError(f'unknown DetNet backbone {backbone!r}: choose one of {", ".join(BACKBONES)}')
        self.refiner = KeypointRefiner() if refined else None

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_in', nonlinearity='relu')
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: torch.Tensor) -> DetNetOutput:
        """Maps of a batch of crops.

        Args:
            images: (B, 3, 128, 128) float, RGB, pixel / 255 − 0.5 (so −0.5…0.5), of right hands; a left hand is
                mirrored left to right before.

        Returns:
            heatmaps (B, 21, 32, 32), deltas and locations (B, 21, 3, 32, 32); see ``DetNetOutput``. A smaller
            resolution gives fewer cells: resolution / 4 a side.

        Raises:
            ValueError: the shape is another, or the numbers are not floating point.
        """
        _check_images(images)
        if self.backbone == 'small':
            return self.small(images)
        features = self.resnet50(images)  # (B, 256, 32, 32)
        positions = self.positions.to(features.dtype).expand(features.shape[0], -1, -1, -1)
        features = torch.cat((features, positions), dim=1)  # (B, 258, 32, 32)
        heatmaps = torch.sigmoid(self.hmap_0(features))
        features = torch.cat((features, heatmaps), dim=1)  # (B, 279, 32, 32)
        deltas = self.dmap_0(features)
        locations = self.lmap_0(torch.cat((features, deltas), dim=1))  # from (B, 342, 32, 32)
        # Channel 3·j + c is coordinate c of keypoint j.
        return DetNetOutput(
            heatmaps,
            deltas.unflatten(1, (NUM_KEYPOINTS, 3)),
            locations.unflatten(1, (NUM_KEYPOINTS, 3)),
        )

    def read(self, output: DetNetOutput) -> DecodedHands:
        """The keypoints of maps that `forward` gave: decoded and, where there is a refiner, corrected by it.

        As `decode` says, but corrected keypoints may lie beyond the crop's border.
        """
        hands: DecodedHands = decode(output) if self.refiner is None else self.refiner(output)
        return hands


def _check_images(images: torch.Tensor) -> None:
    # The batch size is never looked at, so that an exporter may leave it open; a tracer would record the comparisons.
    if torch.jit.is_tracing():
        return
    wanted = (3, CROP_SIZE, CROP_SIZE)
    if images.ndim != 4 or tuple(images.shape[1:]) != wanted:
        raise ValueError(f'DetNet images have shape {tuple(images.shape)}: give (B, 3, {CROP_SIZE}, {CROP_SIZE})')
    if not images.is_floating_point():
        raise ValueError(f'DetNet images are {images.dtype}: give floating point RGB, pixel / 255 - 0.5')
