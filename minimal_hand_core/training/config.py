"""The settings of a training run of DetNet, checked and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minimal_hand_core.detnet.network import BACKBONES, RESOLUTIONS
from minimal_hand_core.detnet.output import CROP_SIZE
from minimal_hand_core.training.data_config import DataConfig
from minimal_hand_core.training.optimizers import OPTIMIZERS
from minimal_hand_core.training.presets import PRESETS, with_preset
from minimal_hand_core.training.recipe import check, read_tree, recipe_from_dict

LOSSES = ('auto', 'cells', 'joints', 'peer')
SCHEDULES = ('cosine', 'steps')
PRECISIONS = ('auto', 'float32', 'bfloat16', 'float16')
DEVICES = ('auto', 'cpu', 'cuda')


@dataclass(frozen=True)
class ValidationSet:
    """A data set to look at besides the held-back parts of those trained on.

    Attributes:
        name, root, options: as DatasetConfig.
        split: 'validation': the data set's own split of that name, or a tenth of the groups of its training split,
            which is never trained on. Test sets are refused.
    """

    name: str
    root: str | None = None
    split: str = 'validation'
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ValidationConfig:
    """How often, in steps, and on what a run is looked at.

    Attributes:
        every: steps.
        rendered: number of rendered hands, of a seed of their own.
        count: at most so many samples of each data set.
        datasets: more than the held-back parts of those trained on.
    """

    every: int = 500
    rendered: int = 400
    count: int = 500
    datasets: tuple[ValidationSet, ...] = ()

    def __post_init__(self) -> None:
        check(self.every >= 1, 'validation.every', self.every, 'at least 1')
        check(self.rendered >= 0, 'validation.rendered', self.rendered, 'at least 0')
        check(self.count >= 1, 'validation.count', self.count, 'at least 1')


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run. `steps` fixes the learning rate's cosine, so it cannot change when a run is resumed.

    Attributes:
        recipe: 'paper' or 'modern' (training/presets.py): where settings that are not named come from; None: from here.
        start_from: weights to begin with, as `load_detnet` takes them ('default': those of this package), or None for
            random ones. A run that goes on does not read them again.
        batch: crops per step, of all processes together.
        resolution: pixels a side in which the network works, then and ever after. At 96 a step, and a picture for the
            tracker, takes little more than half the time of 128. 128 for resnet50.
        refiner: train a refiner of the keypoints beside the network (detnet/refiner.py). Where the weights of
            start_from have one, it must be true.
        deeper: more residual blocks for small, with 2.3 times the multiply-adds. Where the weights of start_from have
            none, those change nothing at first; where they have some, it must be true.
        loss: 'cells' (of the small network alone, detnet/losses.py), 'joints' or 'peer' (detnet/map_loss.py); 'auto'
            takes 'cells' for small and 'joints' for resnet50.
        reference: with loss 'peer', its targets too: whole cells in a window (fact sheet 2.6).
        schedule: of the learning rate after the warm-up: 'cosine' to 0, or 'steps', times drop_factor every drop_every.
        optimizer: 'adamw', or 'muon' for the kernels that mix channels and AdamW for the rest (training/optimizers.py).
        weight_decay: of either; without it, AdamW is Adam.
        clip: largest norm of the gradient; 0 for no limit.
        ema_decay: of the weights' moving average, reached after about 10 / (1 − ema_decay) steps; 0: no average.
        biomechanical: factor of the biomechanical loss (detnet/biomechanics.py); 0 leaves it out.
        precision: of the network's forward and backward pass; weights stay float32. 'auto' is bfloat16 where the device
            computes in it, else float32; float16 needs CUDA.
        sync_batchnorm: batch norms see the batch of all processes; CUDA alone.
        log_every: steps that a row of loss.csv is the mean of.
        tensorboard: also log for it, where it is installed.
    """

    recipe: str | None = None
    backbone: str = 'small'
    start_from: str | None = None
    seed: int = 1
    steps: int = 5000
    batch: int = 48
    resolution: int = CROP_SIZE
    refiner: bool = False
    deeper: bool = False
    loss: str = 'auto'
    reference: bool = False
    learning_rate: float = 2e-3
    schedule: str = 'cosine'
    drop_every: int = 0
    drop_factor: float = 0.1
    warmup: int = 200
    optimizer: str = 'adamw'
    weight_decay: float = 0.02
    clip: float = 5.0
    ema_decay: float = 0.998
    biomechanical: float = 0.0
    precision: str = 'float32'
    device: str = 'auto'
    sync_batchnorm: bool = False
    checkpoint_every: int = 100
    log_every: int = 50
    tensorboard: bool = True
    data: DataConfig = field(default_factory=DataConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        choices = {
            'recipe': (None, *PRESETS),
            'backbone': BACKBONES,
            'loss': LOSSES,
            'schedule': SCHEDULES,
            'optimizer': OPTIMIZERS,
            'precision': PRECISIONS,
            'device': DEVICES,
        }
        for name, values in choices.items():
            listed = ', '.join(value for value in values if value)
            check(getattr(self, name) in values, name, getattr(self, name), f'one of {listed}')
        for name in ('steps', 'batch', 'checkpoint_every', 'log_every'):
            check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')
        check(self.seed >= 0, 'seed', self.seed, 'at least 0')
        sizes = RESOLUTIONS[self.backbone]
        wanted = f'{" or ".join(map(str, sizes))} for backbone {self.backbone}'
        check(self.resolution in sizes, 'resolution', self.resolution, wanted)
        if self.backbone != 'small':
            check(not self.deeper, 'deeper', self.deeper, f'false for backbone {self.backbone}')
            check(self.loss != 'cells', 'loss', self.loss, f"'joints' or 'peer' for backbone {self.backbone}")
        check(not self.reference or self.loss == 'peer', 'reference', True, "false, unless loss is 'peer'")
        fine = self.biomechanical == 0 or self.loss != 'peer'
        check(fine, 'biomechanical', self.biomechanical, "0 with loss 'peer', which has no such term")
        check(0 <= self.warmup < self.steps, 'warmup', self.warmup, f'0 … {self.steps - 1} (steps − 1)')
        check(self.learning_rate > 0, 'learning_rate', self.learning_rate, 'above 0')
        least = 1 if self.schedule == 'steps' else 0
        check(self.drop_every >= least, 'drop_every', self.drop_every, f'at least {least}')
        check(0 < self.drop_factor <= 1, 'drop_factor', self.drop_factor, 'above 0 … 1')
        for name in ('weight_decay', 'clip', 'biomechanical'):
            check(getattr(self, name) >= 0, name, getattr(self, name), 'at least 0')
        check(0 <= self.ema_decay < 1, 'ema_decay', self.ema_decay, '0 … below 1')
        for part in self.validation.datasets:
            check(part.root or self.data.root, f'validation.datasets: root of {part.name}', None, 'one, or data.root')

    @property
    def loss_kind(self) -> str:
        """`loss` with 'auto' decided."""
        return ('cells' if self.backbone == 'small' else 'joints') if self.loss == 'auto' else self.loss


def load_config(path: Path | str | None, overrides: dict[str, Any] | None = None) -> TrainingConfig:
    """`read_recipe` of a TrainingConfig; without a path, the paper's recipe.

    Raises:
        ConfigError: as read_recipe, or no such recipe.
    """
    tree = read_tree(path, overrides)
    if path is None:
        tree.setdefault('recipe', 'paper')
    return config_from_dict(tree)


def config_from_dict(tree: dict[str, Any]) -> TrainingConfig:
    """`recipe_from_dict` of a TrainingConfig; what is not named comes from the recipe, if one is."""
    return recipe_from_dict(TrainingConfig, with_preset(tree))
