"""From a labelled picture to a varied 128-pixel training crop.

Everything but the one anti-aliased warp works on the 128-pixel crop, never on the full picture. Every draw comes from
the generator that is handed in, so a crop depends on its seed alone and not on the worker that made it.
"""

from minimal_hand_core.data.augmentation.crops import (
    TrainingCrop,
    crop_rng,
    extent,
    negative_crop,
    network_coordinates,
    other_side_crop,
    plain_crop,
    varied_crop,
    whole_crop,
)
from minimal_hand_core.data.augmentation.looks import vary_looks
from minimal_hand_core.data.augmentation.variation import PLAIN, Variation

__all__ = [
    'PLAIN',
    'TrainingCrop',
    'Variation',
    'crop_rng',
    'extent',
    'negative_crop',
    'network_coordinates',
    'other_side_crop',
    'plain_crop',
    'varied_crop',
    'vary_looks',
    'whole_crop',
]
