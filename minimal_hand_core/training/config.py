"""The settings of a training run of DetNet, checked and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minimal_hand_core.tracking.crop import CROP_SIZE
from minimal_hand_core.training.recipe import check, read_recipe, recipe_from_dict


@dataclass(frozen=True)
class DataConfig:
    """Where crops come from.

    Attributes:
        real_hands: folder of labelled photos (`labels.json`), or None for rendered hands alone.
        backgrounds: folder of pictures without a hand, or None: negatives, and what is behind rendered hands. A tenth
            is held back for tests.
        negative_share, rendered_share: share of a batch; photos take the rest.
        leave_out: sources of photos that are never trained on.
        workers: processes that make batches.
    """

    real_hands: str | None = None
    backgrounds: str | None = None
    negative_share: float = 0.0
    rendered_share: float = 1.0
    leave_out: tuple[str, ...] = ()
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ('negative_share', 'rendered_share'):
            check(0 <= getattr(self, name) <= 1, f'data.{name}', getattr(self, name), '0…1')
        total = self.negative_share + self.rendered_share
        check(total <= 1, 'data.negative_share + data.rendered_share', total, 'at most 1')
        if self.real_hands is None:
            check(
                abs(total - 1) < 1e-6,
                'data.real_hands',
                None,
                'a folder, unless rendered_share + negative_share is 1',
            )
        if self.backgrounds is None:
            check(self.negative_share == 0, 'data.backgrounds', None, 'a folder, or negative_share: 0')
        check(self.workers >= 1, 'data.workers', self.workers, 'at least 1')


@dataclass(frozen=True)
class ValidationConfig:
    """How often, in steps, and on how many rendered hands (of a seed of their own) a run is looked at."""

    every: int = 500
    rendered: int = 400

    def __post_init__(self) -> None:
        check(self.every >= 1, 'validation.every', self.every, 'at least 1')
        check(self.rendered >= 0, 'validation.rendered', self.rendered, 'at least 0')


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run. `steps` fixes the learning rate's cosine, so it cannot change when a run is resumed.

    Attributes:
        start_from: weights to begin with, as `load_detnet` takes them ('default': those of this package), or None for
            random ones. A run that goes on does not read them again.
        ema_decay: of the weights' moving average, reached after about 10 / (1 − ema_decay) steps.
        crop: side in pixels of the crops that the network is trained on, shrunk from 128. At 96 a step takes little
            more than half the time; a network so trained needs a short run at 128 afterwards.
        biomechanical: factor of the biomechanical loss (detnet/biomechanics.py); 0 leaves it out.
    """

    backbone: str = 'small'
    start_from: str | None = None
    seed: int = 1
    steps: int = 5000
    batch: int = 48
    crop: int = CROP_SIZE
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: int = 200
    ema_decay: float = 0.998
    biomechanical: float = 0.0
    checkpoint_every: int = 100
    data: DataConfig = field(default_factory=DataConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        # The loss here is the small network's; the peers' loss for resnet50 is not written yet.
        check(self.backbone == 'small', 'backbone', self.backbone, "'small'")
        for name in ('steps', 'batch', 'checkpoint_every'):
            check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')
        check(self.crop in range(32, CROP_SIZE + 1, 32), 'crop', self.crop, '32, 64, 96 or 128')
        check(0 <= self.warmup < self.steps, 'warmup', self.warmup, f'0 … {self.steps - 1} (steps − 1)')
        check(self.learning_rate > 0, 'learning_rate', self.learning_rate, 'above 0')
        check(self.weight_decay >= 0, 'weight_decay', self.weight_decay, 'at least 0')
        check(0 <= self.ema_decay < 1, 'ema_decay', self.ema_decay, '0 … below 1')
        check(self.biomechanical >= 0, 'biomechanical', self.biomechanical, 'at least 0')


def load_config(path: Path | str, overrides: dict[str, Any] | None = None) -> TrainingConfig:
    """`read_recipe` of a TrainingConfig."""
    return read_recipe(TrainingConfig, path, overrides)


def config_from_dict(tree: dict[str, Any]) -> TrainingConfig:
    """`recipe_from_dict` of a TrainingConfig."""
    return recipe_from_dict(TrainingConfig, tree)
