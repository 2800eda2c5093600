"""An endless, repeatable stream of training batches.

Batch `step` depends on the seed and on `step` alone: not on the number of workers, nor on what was drawn before. That
is what makes a resumed run continue exactly. Of several ranks each makes its own crops of the same batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from minimal_hand_core.data.augmentation import (
    TrainingCrop,
    negative_crop,
    other_side_crop,
    varied_crop,
    whole_crop,
)
from minimal_hand_core.data.datasets.kept import HAND_PX, REACH, KeptPictures
from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.datasets.rendered import open_rendered
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.data.synthetic import Backgrounds, SceneVariation
from minimal_hand_core.data.synthetic.drawings import drawing
from minimal_hand_core.tracking.crop import CROP_SIZE
from minimal_hand_core.tracking.picture import PictureError
from minimal_hand_core.training.config import TrainingConfig
from minimal_hand_core.training.data_config import DataConfig
from minimal_hand_core.training.fingerprint import describe, describe_backgrounds
from minimal_hand_core.training.mixture import Passes, Turns
from minimal_hand_core.training.ranks import Ranks
from minimal_hand_core.training.splits import Parts, open_parts

BACKDROP_CHANCE = 0.6
"""Share of photos that another picture continues beyond their border."""
DRAWN_CHANCE = 0.25
"""Share of negatives that are made up: text, stripes and the like, which folders of photos have few of."""
ATTEMPTS = 20
"""Unreadable pictures one after the other, drawn at random, after which there is no hope."""

Batch = dict[str, torch.Tensor]


class Draw(NamedTuple):
    """What a worker process hands over.

    Attributes:
        batch: the tensors; empty when it failed.
        unreadable: names of the pictures that could not be read, for each of which another was drawn.
        failure: why there is no batch; a worker's own error would come with its whole traceback.
    """

    batch: Batch
    unreadable: list[str]
    failure: str = ''


class CropStream(Dataset[Batch]):
    """Batch `step` as tensors: `images` (B, 3, 128, 128) uint8 RGB; the rest as in TrainingCrop.

    Args:
        config: the settings.
        ranks: which part of each batch is made; B is the batch's size over the number of ranks.

    Attributes:
        parts: the data sets of the mixture, each in what is trained on and what is held back.
        samples: number of photos that may be drawn.

    Raises:
        ValueError: a data folder is missing, empty or malformed (the message names it), a split must not be trained
            on, or the batch cannot be shared out among the ranks.
    """

    def __init__(self, config: TrainingConfig, ranks: Ranks = Ranks()) -> None:  # noqa: B008 (frozen)
        data = config.data
        if config.batch % ranks.world:
            raise ValueError(f'batch is {config.batch}; give a multiple of the {ranks.world} processes')
        self.config, self.ranks = config, ranks
        self.real = RealHands(data.real_hands, 'train', leave_out=data.leave_out) if data.real_hands else None
        self.backgrounds = Backgrounds(data.backgrounds, split='train') if data.backgrounds else None
        self.rendered = None
        if data.rendered:
            how = data.variation
            scenes = SceneVariation(stretched=how.stretched, stretched_by=how.stretch, tight=how.tight)
            self.rendered = open_rendered(data.backgrounds, 'train', seed=config.seed, variation=scenes)
        names = np.array([record['source'] for record in self.real.records] if self.real else [])
        self.sources = [np.flatnonzero(names == name) for name in np.unique(names)]
        kept = _kept(data)
        self.parts: list[Parts] = [
            open_parts(part.name, str(part.root or data.root), part.split, part.options, kept) for part in data.datasets
        ]
        self.samples = len(self.real or ()) + sum(len(part.train) for part in self.parts)
        if self.parts:
            self.turns = Turns(self._shares())
            self.passes = [Passes((config.seed, i), len(part.train)) for i, part in enumerate(self.parts)]

    def _shares(self) -> list[float]:
        """Of a batch: negatives, rendered hands, and each data set."""
        data = self.config.data
        sizes = [len(part.train) if data.sampling == 'proportional' else 1 for part in self.parts]
        weights = np.array([part.weight for part in data.datasets]) * sizes
        photos = (1 - data.negative_share - data.rendered) * weights / weights.sum()
        return [data.negative_share, data.rendered, *photos.tolist()]

    def fingerprint(self) -> list[dict[str, Any]]:
        """What is trained on, see training/fingerprint.py; reads all labels."""
        entries = [
            describe(part.name, part.split, parts.train.whole, parts.train.rows)
            for part, parts in zip(self.config.data.datasets, self.parts)
        ]
        if self.real is not None:
            entries.append(describe('real_hands', 'train', self.real))
        return entries + ([describe_backgrounds(self.backgrounds)] if self.backgrounds is not None else [])

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        """Batch `step`.

        Raises:
            ValueError: a background, or one picture after the other, cannot be read.
        """
        return self.draw(step).batch

    def draw(self, step: int) -> Draw:
        """Batch `step`, and what could not be read."""
        cv2.setNumThreads(0)  # the trainer has the cores
        unreadable: list[str] = []
        crops = self._mixture(step, unreadable) if self.parts else self._shorthand(step, unreadable)
        return Draw(collate(crops), unreadable)

    def _mixture(self, step: int, unreadable: list[str]) -> list[TrainingCrop]:
        """Every crop has a random generator of its own, so that each rank makes its own ones only.

        A rank has a stretch of the batch, in every step the next one, so that it has its share of every data set.
        Every second crop, as turns go, may well be all of one set, and batch norms see what their rank sees.
        """
        batch = self.config.batch
        share = batch // self.ranks.world
        stretch = (self.ranks.rank + step) % self.ranks.world
        crops = []
        for slot in range(stretch * share, (stretch + 1) * share):
            rng = np.random.default_rng((self.config.seed, step, slot))
            source, before = self.turns[step * batch + slot]
            if source == 0:
                crops.append(self._negative(rng))
            elif source == 1:
                crops.append(self._rendered(before))
            else:
                part, passes = self.parts[source - 2].train, self.passes[source - 2]
                crops.append(self._photo(part, passes[before], range(len(part)), rng, unreadable))
        return crops

    def _shorthand(self, step: int, unreadable: list[str]) -> list[TrainingCrop]:
        """Negatives, then rendered hands, then photos of real_hands; random generators as in `_mixture`."""
        config = self.config
        negative = round(config.batch * config.data.negative_share)
        # without photos all others, whichever way both shares were rounded
        rendered = round(config.batch * config.data.rendered) if self.real is not None else config.batch - negative
        crops = []
        for slot in range(self.ranks.rank, config.batch, self.ranks.world):
            rng = np.random.default_rng((config.seed, step, slot))
            if slot < negative:
                crops.append(self._negative(rng))
            elif slot < negative + rendered:
                crops.append(self._rendered(step * config.batch + slot - negative))
            else:
                assert self.real is not None
                # Every source is drawn as often as any other: the large ones are the plain ones.
                source = self.sources[int(rng.integers(len(self.sources)))]
                row = source[int(rng.integers(len(source)))]
                crops.append(self._photo(self.real, row, source, rng, unreadable))
        return crops

    def _negative(self, rng: np.random.Generator) -> TrainingCrop:
        assert self.backgrounds is not None
        drawn = rng.random() < DRAWN_CHANCE
        picture = drawing(rng, CROP_SIZE) if drawn else self.backgrounds.sample(rng, CROP_SIZE)
        return negative_crop(picture, rng, self.config.data.variation)

    def _rendered(self, index: int) -> TrainingCrop:
        # Rendered hands come as crops, already varied in view and in looks.
        assert self.rendered is not None
        crop = self._weighed(whole_crop(self.rendered[index]))
        return self._sided(crop, np.random.default_rng((self.config.seed, index)))

    def _photo(
        self,
        samples: Sequence[Sample],
        row: int,
        choices: Sequence[int] | np.ndarray,
        rng: np.random.Generator,
        unreadable: list[str],
    ) -> TrainingCrop:
        """A crop of sample `row`; if its picture cannot be read, that is noted and another of `choices` is drawn."""
        sample = None
        for _ in range(ATTEMPTS):
            try:
                sample = samples[int(row)]
                break
            except PictureError as error:
                unreadable.append(str(error))
                row = choices[int(rng.integers(len(choices)))]
        if sample is None:
            raise ValueError(f'{ATTEMPTS} pictures one after the other cannot be read, the last: {unreadable[-1]}')
        backdrop = None
        if self.backgrounds is not None and rng.random() < BACKDROP_CHANCE:
            backdrop = self.backgrounds.sample(rng, CROP_SIZE)
        try:
            data = self.config.data
            crop = self._weighed(varied_crop(sample, rng, data.variation, backdrop, view_axes=data.view_axes))
        except ValueError as error:
            raise ValueError(f'{sample.key}: {error}') from None
        return crop if sample.side is None else self._sided(crop, rng)

    def _sided(self, crop: TrainingCrop, rng: np.random.Generator) -> TrainingCrop:
        """The crop, or now and then the same hand as a left one."""
        share = self.config.data.other_side_share
        return other_side_crop(crop) if share and rng.random() < share else crop

    def _weighed(self, crop: TrainingCrop) -> TrainingCrop:
        hidden = self.config.data.hidden_weight
        if hidden == 1:
            return crop
        return replace(crop, weight=np.where(crop.visible, crop.weight, hidden * crop.weight).astype(np.float32))


class StepDraws(Dataset[Draw]):
    """The draws of a stream by step, with an error in place of a traceback."""

    def __init__(self, stream: CropStream) -> None:
        self.stream = stream

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, step: int) -> Draw:
        try:
            return self.stream.draw(step)
        except (ValueError, OSError) as error:
            return Draw({}, [], str(error))


class StepSampler(Sampler[int]):
    """The steps that are still to do, in order."""

    def __init__(self, start: int, stop: int) -> None:
        self.steps = range(start, stop)

    def __iter__(self) -> Iterator[int]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


def load_batches(stream: CropStream, start: int, *, pinned: bool = False) -> DataLoader[Draw]:
    """The draws of a stream from step `start` on, made by its workers ahead of time; `pinned` for a GPU."""
    workers = stream.config.data.workers
    return DataLoader(
        StepDraws(stream),
        batch_size=None,
        sampler=StepSampler(start, stream.config.steps),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=pinned,
        worker_init_fn=_give_way,
        generator=torch.Generator(),  # the global one belongs to the run, and a sitting must not show in it
    )


def _give_way(_: int) -> None:
    """Let the trainer go first: a worker that takes its processor holds up all ranks, and its own work can wait."""
    if hasattr(os, 'nice'):
        os.nice(10)


def _kept(data: DataConfig) -> KeptPictures | None:
    """Where pictures are kept, with as much of them as the crops may show."""
    if data.kept is None:
        return None
    return KeptPictures(data.kept, max(REACH, data.variation.reach), max(HAND_PX, data.variation.hand_px))


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
