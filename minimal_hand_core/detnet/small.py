"""The small DetNet: an inverted-residual network with a feature pyramid, made for two CPU cores.

It answers what the peers' ResNet-50 answers (heat maps, delta maps and location maps of 32×32 cells, fact sheet 2.3)
at about one eightieth of the cost. Two things differ on purpose:

* The heat map of a joint is a share of one probability over the 1,024 cells *and* a "not in this crop" cell, so that
  missing mass is the network's own word that a joint is not there. It is scaled by 2π, the mass of a Gaussian of one
  cell's standard deviation, so that a certain joint peaks at 1 as in the peers' maps.
* Pixels outside a joint's neighbourhood carry no location of that joint; read the maps where the heat is.

Layout: inverted residuals with linear bottlenecks (Sandler et al. 2018, MobileNetV2), squeeze by lateral 1×1
convolutions and top-down sums (Lin et al. 2017, feature pyramid networks).
"""

import math

import torch
from torch import Tensor, nn

from minimal_hand_core.detnet.depthwise import DepthwiseConv2d
from minimal_hand_core.detnet.norm import norm_act
from minimal_hand_core.detnet.output import CELL_PIXELS, CROP_SIZE, HEAT_MASS, DetNetOutput
from minimal_hand_core.detnet.pointwise import PointwiseConv2d
from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS

_Row = tuple[str, int, int, int, int, int]
# (kind, expansion, channels, blocks, stride of the first block, kernel); each row ends one resolution.
_STAGES: tuple[_Row, ...] = (
    ('fused', 3, 32, 2, 2, 3),  # 32×32
    ('fused', 4, 48, 1, 2, 3),  # 16×16
    ('inverted', 4, 48, 2, 1, 5),
    ('inverted', 4, 96, 4, 2, 3),  # 8×8
    ('inverted', 4, 160, 3, 2, 5),  # 4×4
)
_PYRAMID_STAGES = (0, 2, 3, 4)
_PYRAMID_CHANNELS = 64
# What a deeper network has besides, as above, by the stage or the level of the pyramid that it comes after. Dense
# kernels, because arithmetic is cheap at these resolutions and memory traffic is not.
_DEEPER_STAGES: dict[int, _Row] = {
    2: ('fused', 4, 48, 3, 1, 3),
    3: ('fused', 4, 96, 4, 1, 3),
    4: ('inverted', 4, 160, 2, 1, 3),
}
_DEEPER_LEVELS: dict[int, _Row] = {1: ('fused', 2, _PYRAMID_CHANNELS, 1, 1, 3)}


class _Layers(nn.Sequential):
    """Convolution, norm and, unless there is none, ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm, *act = self
        return norm_act(convolution(x), norm, relu=bool(act))


class ConvNormAct(_Layers):
    """Convolution without bias, batch norm, and ReLU unless `act` is off; keeps the size when stride is 1."""

    def __init__(self, cin: int, cout: int, kernel: int, *, stride: int = 1, act: bool = True) -> None:
        if kernel == 1:
            convolution: nn.Conv2d = PointwiseConv2d(cin, cout, bias=False)
        else:
            convolution = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)
        layers: list[nn.Module] = [convolution, nn.BatchNorm2d(cout)]
        if act:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class DepthwiseNormAct(_Layers):
    """As ConvNormAct, each channel on its own."""

    def __init__(self, channels: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__(DepthwiseConv2d(channels, kernel, stride), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class InvertedResidual(nn.Module):
    """Expansion → depthwise k×k → 1×1 linear projection, with a shortcut where shapes allow.

    `fused` replaces expansion and depthwise by one dense k×k convolution (Tan & Le 2021, EfficientNetV2): more
    arithmetic but far less memory traffic, which is what costs time at the high resolutions.
    """

    def __init__(self, cin: int, cout: int, *, fused: bool, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        width = cin * expansion
        if fused:
            wide: list[nn.Module] = [ConvNormAct(cin, width, kernel, stride=stride)]
        else:
            wide = [ConvNormAct(cin, width, 1), DepthwiseNormAct(width, kernel, stride=stride)]
        self.body = nn.Sequential(*wide, ConvNormAct(width, cout, 1, act=False))
        self.residual = stride == 1 and cin == cout

    def silence(self) -> None:
        """Zero the last norm, so that the shortcut alone is left."""
        last = self.body[-1]
        assert isinstance(last, ConvNormAct) and isinstance(last[1], nn.BatchNorm2d)
        nn.init.zeros_(last[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + y if self.residual else y


class Smooth(nn.Sequential):
    """Depthwise 5×5 then pointwise: mixes one pyramid level after the coarser one was added."""

    def __init__(self, channels: int) -> None:
        super().__init__(DepthwiseNormAct(channels, 5), ConvNormAct(channels, channels, 1))


class Head(nn.Sequential):
    """1×1 mixing, then one biased 1×1 prediction; the pyramid has already looked around."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.project = ConvNormAct(cin, _PYRAMID_CHANNELS, 1)
        self.prediction = PointwiseConv2d(_PYRAMID_CHANNELS, cout)


class Deeper(nn.Module):
    """The residual blocks that a deeper SmallNet has besides.

    Args:
        there: with them; otherwise everything is passed on as it is.

    Attributes:
        stages: what goes on with each stage's maps.
        levels: what goes on with each level of the pyramid, the finest first.
    """

    def __init__(self, there: bool) -> None:
        super().__init__()
        stages, levels = (_DEEPER_STAGES, _DEEPER_LEVELS) if there else ({}, {})
        self.stages = nn.ModuleList(_further(stages.get(i)) for i in range(len(_STAGES)))
        self.levels = nn.ModuleList(_further(levels.get(i)) for i in range(len(_PYRAMID_STAGES)))

    def begin_as_nothing(self) -> None:
        """Let every block pass on what it is given, by a last norm of zero (Goyal et al. 2017)."""
        for block in self.modules():
            if isinstance(block, InvertedResidual):
                block.silence()


def _further(row: _Row | None) -> nn.Sequential:
    return nn.Sequential() if row is None else _blocks(row[2], row)


def _blocks(cin: int, row: _Row) -> nn.Sequential:
    kind, expansion, width, count, stride, kernel = row
    blocks: list[nn.Module] = []
    for i in range(count):
        block = InvertedResidual(
            width if i else cin,
            width,
            fused=kind == 'fused',
            expansion=expansion,
            stride=1 if i else stride,
            kernel=kernel,
        )
        blocks.append(block)
    return nn.Sequential(*blocks)


class SmallNet(nn.Module):
    """Backbone, pyramid and three chained heads.

    Args:
        resolution: pixels a side that a crop is shrunk to at first; a multiple of 32. Less is faster.
        deeper: with more residual blocks, which change nothing at first, so that a trained network can be made deeper.

    Args of `forward`:
        images: (B, 3, 128, 128) float, RGB, −0.5…0.5.

    Returns:
        DetNetOutput, with n = resolution / 4: heat maps (B, 21, n, n) in 0…2π with a sum of at most 2π per joint; delta
        maps and location maps (B, 21, 3, n, n) in network units.
    """

    def __init__(self, resolution: int = CROP_SIZE, *, deeper: bool = False) -> None:
        super().__init__()
        self.shrink = Shrink(resolution)
        self.stem = ConvNormAct(3, 24, 3, stride=2)
        widths = [row[2] for row in _STAGES]
        self.stages = nn.ModuleList(_blocks(cin, row) for cin, row in zip((24, *widths[:-1]), _STAGES, strict=True))
        self.deeper = Deeper(deeper)
        self.lateral = nn.ModuleList(ConvNormAct(widths[i], _PYRAMID_CHANNELS, 1, act=False) for i in _PYRAMID_STAGES)
        self.smooth = nn.ModuleList(Smooth(_PYRAMID_CHANNELS) for _ in _PYRAMID_STAGES)
        # The peers append two coordinate channels; in front of 1×1 convolutions a projected sum says the same for less.
        self.place = nn.Conv2d(2, _PYRAMID_CHANNELS, 1, bias=False)
        self.heat = Head(_PYRAMID_CHANNELS, NUM_KEYPOINTS)
        self.delta = Head(_PYRAMID_CHANNELS + NUM_KEYPOINTS, 3 * NUM_KEYPOINTS)
        self.location = Head(_PYRAMID_CHANNELS + 4 * NUM_KEYPOINTS, 3 * NUM_KEYPOINTS)
        cells = round(resolution / CELL_PIXELS)
        self.register_buffer('position', _positions(cells), persistent=False)
        self._initialise(cells)

    def _initialise(self, cells: int) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for head in (self.heat, self.delta, self.location):
            nn.init.normal_(head.prediction.weight, std=0.01)
        # Without this the many cells would start with almost all of the mass and the "not here" cell with none.
        assert self.heat.prediction.bias is not None
        nn.init.constant_(self.heat.prediction.bias, -2 * math.log(cells))
        self.deeper.begin_as_nothing()

    def logits(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Heat logits (B, 21, n, n) before normalisation, and the delta and location maps (B, 63, n, n).

        The training loss takes logits because the logarithm of a rounded probability has no gradient worth having.
        """
        x = self.stem(self.shrink(images))
        levels = []
        for i, stage in enumerate(self.stages):
            x = self.deeper.stages[i](stage(x))
            if i in _PYRAMID_STAGES:
                levels.append(x)
        y: Tensor | None = None
        for i in reversed(range(len(levels))):
            side = self.lateral[i](levels[i])
            if y is not None:
                side = side + nn.functional.interpolate(y, scale_factor=2.0, mode='nearest')
            y = self.deeper.levels[i](self.smooth[i](side))
        assert y is not None
        features = y + self._places(y.shape[0])
        heat = self.heat(features)
        # The 3D heads see where each joint is, as a bounded map.
        features = torch.cat([features, torch.sigmoid(heat)], dim=1)
        delta = self.delta(features)
        location = self.location(torch.cat([features, delta], dim=1))
        return heat, delta, location

    def _places(self, crops: int) -> Tensor:
        """What every cell is told of where it lies, (1 or crops, C, n, n)."""
        place: Tensor = self.place(self.get_buffer('position'))
        if not self.training:
            return place
        # The gradient of one map that is shared is a sum over crops, which in bfloat16 takes ten times as long as the
        # same sum as a product with ones.
        ones = place.new_ones(crops, 1)
        cells = place.permute(0, 2, 3, 1)
        return (ones @ cells.reshape(1, -1)).reshape(crops, *cells.shape[1:]).permute(0, 3, 1, 2)

    def forward(self, images: Tensor) -> DetNetOutput:
        return maps_from_logits(*self.logits(images))


def maps_from_logits(heat: Tensor, delta: Tensor, location: Tensor) -> DetNetOutput:
    """What the network answers, from `SmallNet.logits`."""
    b, j, h, w = heat.shape
    flat = heat.reshape(b, j, h * w)
    absent = torch.zeros_like(flat[..., :1])
    share = torch.softmax(torch.cat([flat, absent], dim=-1), dim=-1)[..., : h * w]
    return DetNetOutput(
        heatmaps=(HEAT_MASS * share).reshape(b, j, h, w),
        deltas=delta.reshape(b, j, 3, h, w),
        locations=location.reshape(b, j, 3, h, w),
    )


class Shrink(nn.Module):
    """Crops → smaller ones, by a triangle filter as wide as the new pixels, so that nothing folds over.

    The same as `torch.nn.functional.interpolate` with mode 'bilinear' and antialias, as two matrices: ONNX's opset 17
    has no such filter.

    Args:
        size: pixels a side of the smaller crops, at most 128; with 128 a crop stays as it is.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.does_nothing = size == CROP_SIZE
        points = torch.eye(CROP_SIZE)[None, None]
        spread = nn.functional.interpolate(points, size=(CROP_SIZE, size), mode='bilinear', antialias=True)
        self.register_buffer('rows', spread[0, 0].T.contiguous(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 128, 128) → (B, 3, size, size)."""
        if self.does_nothing:
            return images
        rows = self.get_buffer('rows')
        return (rows @ images @ rows.T).contiguous(memory_format=torch.channels_last)


def _positions(size: int) -> Tensor:
    """(1, 2, size, size): where a cell lies, x then y, each from −1 at the first to 1 at the last."""
    ruler = torch.linspace(-1.0, 1.0, size)
    return torch.stack([ruler.expand(size, size), ruler[:, None].expand(size, size)])[None].contiguous()
