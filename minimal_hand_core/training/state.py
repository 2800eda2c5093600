"""What a run needs to continue exactly: weights, their moving average, the optimiser, the step."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from minimal_hand_core.detnet.checkpoint import load_detnet
from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.training.config import TrainingConfig

CHECKPOINT = 'last.pt'


class RunState:
    """Network, optimiser and moving average of one run; saved whole and atomically.

    The moving average also averages the batch norms' buffers, so its weights can be used as they are.

    Raises:
        CheckpointError: `config.start_from` names no weights of this backbone.
    """

    def __init__(self, config: TrainingConfig) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.step = 0
        model = DetNet(config.backbone)
        if config.start_from is not None:
            model = load_detnet(config.start_from, config.backbone).train()
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(self.model, multi_avg_fn=_moving_average(config.ema_decay), use_buffers=True)
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        kept = [p for p in self.model.parameters() if p.ndim <= 1]  # norms and biases
        self.optimizer = torch.optim.AdamW(
            [{'params': decayed, 'weight_decay': config.weight_decay}, {'params': kept, 'weight_decay': 0.0}],
            lr=config.learning_rate,
        )

    @property
    def averaged(self) -> DetNet:
        """The network with averaged weights."""
        network = self.average.module
        assert isinstance(network, DetNet)
        return network

    def save(self, folder: Path) -> None:
        """Write `last.pt`; a write that fails leaves the one before.

        Raises:
            OSError: no space or no permission.
        """
        state = {
            'step': self.step,
            'config': asdict(self.config),
            'model': self.model.state_dict(),
            'average': self.average.state_dict(),
            'optimizer': self.optimizer.state_dict(),
        }
        temporary = folder / (CHECKPOINT + '.part')
        try:
            with temporary.open('wb') as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, folder / CHECKPOINT)
        finally:
            temporary.unlink(missing_ok=True)

    def load(self, folder: Path) -> bool:
        """Continue from `last.pt` if there is one.

        Raises:
            ValueError: the file was written with other settings that shape the run; the message names the first.
        """
        path = folder / CHECKPOINT
        if not path.exists():
            return False
        state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
        then, now = state['config'], asdict(self.config)
        for name in ('backbone', 'start_from', 'seed', 'steps', 'batch', 'learning_rate', 'weight_decay', 'warmup', 'ema_decay'):
            if then.get(name) != now[name]:
                raise ValueError(
                    f'{path} was made with {name}: {then.get(name)}, not {now[name]}; use its settings, or another folder'
                )
        self.model.load_state_dict(state['model'])
        self.average.load_state_dict(state['average'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.step = state['step']
        return True


def _moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential moving average whose decay grows to `decay`: a fixed one would show for 1 / (1 − decay) steps
    little but the first weights, the worst of the run."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - now)
        else:  # counters; the lists hold one type each
            torch._foreach_copy_(averaged, current)

    return update
