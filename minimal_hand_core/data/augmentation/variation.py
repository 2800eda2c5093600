"""How far training crops are varied."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minimal_hand_core.data.synthetic.aiming import TIGHT_SCALE
from minimal_hand_core.detnet.output import CROP_SIZE
from minimal_hand_core.tracking.crop import CROP_FACTOR

_CHANCES = (
    *('upright', 'far', 'tight', 'stretched', 'background', 'occluder', 'shadow', 'light', 'grey', 'channels'),
    *('blur', 'low_resolution', 'noise', 'jpeg'),
)


@dataclass(frozen=True)
class Variation:
    """How far crops are varied.

    Attributes:
        rotation: largest turn either way, radians.
        upright: share of crops turned by at most a third of that; photos are mostly taken upright.
        scale: smallest and largest factor on the crop's side, drawn log-uniformly.
        far: share of crops in which the hand is made small (side × up to `far_scale`), so that the network can find a
            hand with a wide crop.
        far_scale: see `far`.
        shift: largest shift of the centre, as a share of the side.
        tight: share of crops, rendered ones too, that are cut nearly on the hand, as the tracker cuts them from its
            second picture on: see `data.synthetic.aiming`. Off unless a recipe asks for it.
        stretched: share of crops, rendered ones too, that are stretched along one side of the picture, as pictures are
            that were made square; their 3D is not taught. Off unless a recipe asks for it.
        stretch: largest logarithm of width over height, either way, of those.
        background: share of crops with a mask that get another background.
        occluder: chance of something in front: a plain patch, a piece of another picture, or fingers of a skin colour.
        shadow: chance of a shadow with a soft edge.
        light: chance of light that falls off across the crop.
        color: strength of brightness, contrast, gamma, white balance, saturation and hue; 0 = none.
        grey: chance of a picture without colour.
        channels: chance of mixed or exchanged colour channels.
        blur: chance of blur, half of it out of focus, half of it by motion.
        low_resolution: chance that the crop has fewer pixels of its own than 128.
        noise, jpeg: chance of each.

    Raises:
        ValueError: a chance outside 0…1, or a length, angle or factor that makes no sense; the message names it.
    """

    rotation: float = np.pi / 2
    upright: float = 0.5
    scale: tuple[float, float] = (0.8, 1.3)
    far: float = 0.12
    far_scale: float = 2.4
    shift: float = 0.1
    tight: float = 0.0
    stretched: float = 0.0
    stretch: float = 0.6
    background: float = 0.5
    occluder: float = 0.2
    shadow: float = 0.1
    light: float = 0.12
    color: float = 1.0
    grey: float = 0.06
    channels: float = 0.02
    blur: float = 0.2
    low_resolution: float = 0.1
    noise: float = 0.2
    jpeg: float = 0.15

    def __post_init__(self) -> None:
        for name in _CHANCES:
            _check(0 <= getattr(self, name) <= 1, name, getattr(self, name), 'a chance, 0…1')
        for name in ('rotation', 'shift', 'stretch', 'color'):
            _check(0 <= getattr(self, name) < np.inf, name, getattr(self, name), '0 or more')
        low, high = self.scale
        _check(0 < low <= high < np.inf, 'scale', self.scale, '(smallest, largest), both above 0')
        fine = self.far == 0 or high <= self.far_scale < np.inf
        _check(fine, 'far_scale', self.far_scale, f'at least {high}, the largest scale')

    @property
    def reach(self) -> float:
        """How far to each side of the middle of the keypoints' box a crop may show, in longer sides of the box."""
        largest = self.far_scale if self.far > 0 else self.scale[1]
        longer = math.exp(self.stretch) if self.stretched > 0 else 1.0
        return CROP_FACTOR * largest * longer * (math.sqrt(0.5) + self.shift)

    @property
    def hand_px(self) -> float:
        """Pixels that the longer side of the keypoints' box has in the nearest crop."""
        smallest = min(self.scale[0], TIGHT_SCALE[0]) if self.tight else self.scale[0]
        return CROP_SIZE / (CROP_FACTOR * smallest)


def _check(fine: bool, name: str, found: object, wanted: str) -> None:
    if not fine:
        raise ValueError(f'variation: {name} is {found}; give {wanted}')


PLAIN = Variation(**dict.fromkeys(_CHANCES, 0.0), rotation=0.0, scale=(1.0, 1.0), shift=0.0, color=0.0)
"""No variation at all: a starting point for `dataclasses.replace`."""
