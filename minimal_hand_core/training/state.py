"""A training run of DetNet."""

from __future__ import annotations

import torch

from minimal_hand_core.detnet.biomechanics import BiomechanicalLoss
from minimal_hand_core.detnet.checkpoint import load_detnet
from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.training.config import TrainingConfig
from minimal_hand_core.training.run import TrainingRun, decay_groups


class RunState(TrainingRun[DetNet]):
    """Network, optimiser and moving average of one run.

    Raises:
        CheckpointError: `config.start_from` names no weights of this backbone.
    """

    # Where the data lie may change; that they are the same is up to the user.
    may_change = ('checkpoint_every', 'data', 'validation')

    def __init__(self, config: TrainingConfig) -> None:
        torch.manual_seed(config.seed)
        model = DetNet(config.backbone)
        if config.start_from is not None:
            model = load_detnet(config.start_from, config.backbone).train()
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(decay_groups(model, config.weight_decay), lr=config.learning_rate)
        super().__init__(config, model, optimizer)
        self.biomechanics = BiomechanicalLoss() if config.biomechanical > 0 else None
