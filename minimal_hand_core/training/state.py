"""A training run of DetNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from minimal_hand_core.detnet.axes import CAMERA, VIEW
from minimal_hand_core.detnet.biomechanics import BiomechanicalLoss
from minimal_hand_core.detnet.checkpoint import load_detnet
from minimal_hand_core.detnet.decode import DecodedHands
from minimal_hand_core.detnet.losses import DetNetLoss, refined_loss, small_loss
from minimal_hand_core.detnet.map_loss import joint_loss, peer_loss
from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.detnet.output import DetNetOutput
from minimal_hand_core.detnet.small import maps_from_logits
from minimal_hand_core.inference.machine import has_bfloat16
from minimal_hand_core.training.config import TrainingConfig
from minimal_hand_core.training.optimizers import make_optimizer
from minimal_hand_core.training.ranks import Ranks, choose_device
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.run import TrainingRun
from minimal_hand_core.training.schedule import stepped_rate

DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}

REFINED_FACTOR = 3.0
"""Of the refiner's loss, which reaches no other weights: it sets how much of the clipped gradient is the refiner's."""


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """What the network computes in on this device.

    A processor without instructions for bfloat16 emulates it, ten times as slow as float32.

    Raises:
        ConfigError: float16 on a processor.
    """
    if precision == 'float16' and device.type != 'cuda':
        raise ConfigError(f'precision is float16, and the device is {device}; give auto, bfloat16 or float32')
    if precision != 'auto':
        return DTYPES[precision]
    fast = torch.cuda.is_bf16_supported(including_emulation=False) if device.type == 'cuda' else has_bfloat16()
    return torch.bfloat16 if fast else torch.float32


class RawMaps(nn.Module):
    """The maps that the loss takes, the small network's before normalisation or all of DetNetOutput, and behind them
    the hands that a refiner corrected.

    DistributedDataParallel hooks into the call of one module, so this is what it wraps.
    """

    def __init__(self, model: DetNet, logits: bool) -> None:
        super().__init__()
        self.model, self.logits = model, logits

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps: tuple[Tensor, ...] = self.model.small.logits(images) if self.logits else self.model(images)
        if self.model.refiner is None:
            return maps
        # In float32, as whoever uses the weights reads maps: autocast would decode them in bfloat16, pixels off.
        with torch.autocast(images.device.type, enabled=False):
            with torch.no_grad():
                exact = (part.float() for part in maps)
                output = maps_from_logits(*exact) if self.logits else DetNetOutput(*exact)
            return (*maps, *self.model.refiner(output))


class RunState(TrainingRun[DetNet]):
    """Network, optimiser and moving average of one run.

    Args:
        config: the settings.
        ranks: this process among those that train together; they must have joined (`working_together`).
        goes_on: what is in a checkpoint will be loaded: `config.start_from` is not read.

    Attributes:
        device: where the network is.

    Raises:
        CheckpointError: `config.start_from` names no weights of this backbone.
        ConfigError: a device that is not there, or a precision that it does not have.
    """

    # Where the data lie may change; that they are the same is checked by their labels. Of a recipe only its settings
    # count.
    may_change = (
        'recipe', 'checkpoint_every', 'log_every', 'tensorboard', 'validation', 'device', 'sync_batchnorm',
        'data.workers', 'data.root', 'data.real_hands', 'data.backgrounds', 'data.datasets.*.root',
    )  # fmt: skip

    def __init__(self, config: TrainingConfig, ranks: Ranks = Ranks(), *, goes_on: bool = False) -> None:  # noqa: B008
        torch.manual_seed(config.seed)
        self.device = choose_device(config.device, ranks)
        self.dtype = choose_dtype(config.precision, self.device)
        model = DetNet(config.backbone, config.resolution, refined=config.refiner, deeper=config.deeper)
        if config.start_from is not None and not goes_on:
            _begin_with(model, load_detnet(config.start_from, config.backbone), config)
        model.axes = VIEW if config.data.view_axes else CAMERA
        model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(config.optimizer, model, config.learning_rate, config.weight_decay, self.dtype)
        super().__init__(config, model, optimizer)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.biomechanics = BiomechanicalLoss().to(self.device) if config.biomechanical > 0 else None
        if config.sync_batchnorm and ranks.world > 1 and self.device.type == 'cuda':
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        self.maps: nn.Module = RawMaps(self.model, logits=config.loss_kind == 'cells')
        if ranks.world > 1:
            self.maps = nn.parallel.DistributedDataParallel(
                self.maps, device_ids=[self.device.index] if self.device.type == 'cuda' else None
            )

    def rate(self, step: int) -> float:
        """The learning rate of a step, by the schedule that the settings name."""
        return stepped_rate(self.config, step) if self.config.schedule == 'steps' else super().rate(step)

    def loss(self, images: Tensor, uv: Tensor, xyz: Tensor, weight: Tensor, weight_3d: Tensor) -> DetNetLoss:
        """The run's loss of a batch on its device: the network's part in the run's precision, the rest in float32.

        Args:
            images: (B, 3, 128, 128) float32 in −0.5…0.5.
            uv: (B, 21, 2) pixels of the crop; xyz (B, 21, 3); weight (B, 21); weight_3d (B,): as `small_loss`.
        """
        config = self.config
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            parts = self.maps(images)
        maps, corrected = DetNetOutput(*parts[:3]), parts[3:]
        labels = (uv, xyz, weight, weight_3d)
        if config.loss_kind == 'peer':
            loss = peer_loss(maps, *labels, reference=config.reference)
        else:
            of_maps = small_loss if config.loss_kind == 'cells' else joint_loss
            biomechanical = {'biomechanics': self.biomechanics, 'biomechanical_factor': config.biomechanical}
            loss = of_maps(maps, *labels, **biomechanical)
        if not corrected:
            return loss
        refined = refined_loss(DecodedHands(*corrected), *labels)
        return loss._replace(total=loss.total + REFINED_FACTOR * refined, refined=refined.detach())


def _begin_with(model: DetNet, weights: DetNet, config: TrainingConfig) -> None:
    """Take over trained weights; they may have worked in another resolution, had no refiner, and be less deep."""
    has = {'refiner': weights.refiner is not None, 'deeper': weights.deeper}
    for name, there in has.items():
        if there and not getattr(config, name):
            raise ConfigError(f'{name} is false, and the weights {config.start_from} have it; give true')
    # what the weights do not have stays as it is made, which changes nothing
    model.load_state_dict({**model.state_dict(), **weights.state_dict()})
