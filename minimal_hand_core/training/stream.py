"""An endless, repeatable stream of training batches.

Batch `step` depends on the seed and on `step` alone: not on the number of workers, nor on what was drawn before. That
is what makes a resumed run continue exactly.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from minimal_hand_core.data.augmentation import (
    TrainingCrop,
    Variation,
    negative_crop,
    varied_crop,
    whole_crop,
)
from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.datasets.rendered import TRAINING_SEED
from minimal_hand_core.data.synthetic import Backgrounds, SyntheticHands
from minimal_hand_core.tracking.crop import CROP_SIZE
from minimal_hand_core.training.config import TrainingConfig

BACKDROP_CHANCE = 0.6
"""Share of photos that another picture continues beyond their border."""

Batch = dict[str, torch.Tensor]


class CropStream(Dataset[Batch]):
    """Batch `step` as tensors: `images` (B, 3, 128, 128) uint8 RGB; the rest as in TrainingCrop.

    Raises:
        ValueError: a data folder is missing, empty or malformed; the message names it.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        data = config.data
        self.variation = Variation()
        self.real = RealHands(data.real_hands, 'train', leave_out=data.leave_out) if data.real_hands else None
        names = np.array([record['source'] for record in self.real.records] if self.real else [])
        self.sources = [np.flatnonzero(names == name) for name in np.unique(names)]
        self.backgrounds = Backgrounds(data.backgrounds, split='train') if data.backgrounds else None
        self.rendered = (
            SyntheticHands(TRAINING_SEED + config.seed, self.backgrounds, CROP_SIZE) if data.rendered_share else None
        )

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        cv2.setNumThreads(0)  # the trainer has the cores
        config = self.config
        rng = np.random.default_rng((config.seed, step))
        negative = round(config.batch * config.data.negative_share)
        rendered = round(config.batch * config.data.rendered_share)
        crops = [self._negative(rng) for _ in range(negative)]
        crops += [self._rendered(step * config.batch + i) for i in range(rendered)]
        crops += [self._real(rng) for _ in range(config.batch - negative - rendered)]
        return collate(crops)

    def _negative(self, rng: np.random.Generator) -> TrainingCrop:
        assert self.backgrounds is not None
        return negative_crop(self.backgrounds.sample(rng, CROP_SIZE), rng, self.variation)

    def _rendered(self, index: int) -> TrainingCrop:
        # Rendered hands come as crops, already varied in view and in looks.
        assert self.rendered is not None
        return whole_crop(self.rendered[index])

    def _real(self, rng: np.random.Generator) -> TrainingCrop:
        assert self.real is not None
        # Every source is drawn as often as any other: the large ones are the plain ones.
        source = self.sources[int(rng.integers(len(self.sources)))]
        sample = self.real[int(source[int(rng.integers(len(source)))])]
        backdrop = None
        if self.backgrounds is not None and rng.random() < BACKDROP_CHANCE:
            backdrop = self.backgrounds.sample(rng, CROP_SIZE)
        return varied_crop(sample, rng, self.variation, backdrop)


def collate(crops: list[TrainingCrop]) -> Batch:
    """Stack crops into one batch of tensors."""
    images = np.stack([crop.image for crop in crops])
    return {
        'images': torch.from_numpy(images).permute(0, 3, 1, 2),
        'uv': torch.from_numpy(np.stack([crop.uv for crop in crops])),
        'xyz': torch.from_numpy(np.stack([crop.xyz for crop in crops])),
        'weight': torch.from_numpy(np.stack([crop.weight for crop in crops])),
        'weight_3d': torch.tensor([crop.weight_3d for crop in crops]),
    }
