"""What every training run shares: its schedule, its steps, the average of its weights, its checkpoint and its log."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from minimal_hand_core.weights import write_atomically

CHECKPOINT = 'last.pt'
"""In the folder of a run: all that is needed to continue."""


Network = TypeVar('Network', bound=nn.Module)


class Schedule(Protocol):
    """The settings that every run has; they are fields of a dataclass whose fields all have defaults."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def warmup(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def ema_decay(self) -> float: ...


class TrainingRun(Generic[Network]):
    """What a run needs to continue exactly: network, optimiser, moving average, step; saved whole and atomically.

    The moving average also averages the buffers, batch norms' among them, so its weights can be used as they are.

    Args:
        config: the settings.
        model: the network to be trained.
        optimizer: of the network's parameters.

    Attributes:
        may_change: settings that may be others when a run goes on; all the rest shape it.
    """

    may_change: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any, model: Network, optimizer: torch.optim.Optimizer) -> None:
        self.config = config
        self.step = 0
        self.model = model
        self.optimizer = optimizer
        self.average = AveragedModel(model, multi_avg_fn=moving_average(config.ema_decay), use_buffers=True)

    @property
    def averaged(self) -> Network:
        """The network with averaged weights."""
        return cast(Network, self.average.module)

    def descend(self, loss: Tensor, limit: float = 5.0) -> None:
        """One optimiser step down the loss, a scalar, at the schedule's rate, with gradients of at most `limit`."""
        for group in self.optimizer.param_groups:
            group['lr'] = learning_rate(self.config, self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.step += 1

    def settings(self) -> dict[str, Any]:
        """What the run depends on, by name, in plain types."""
        return asdict(self.config)

    def save(self, folder: Path) -> None:
        """Write `last.pt`; a write that fails leaves the one before.

        Raises:
            OSError: no space or no permission.
        """
        parts: dict[str, Any] = {'model': self.model, 'average': self.average, 'optimizer': self.optimizer}
        state = {name: part.state_dict() for name, part in parts.items()}
        save_checkpoint({'step': self.step, 'config': self.settings(), **state}, folder / CHECKPOINT)

    def load(self, folder: Path) -> bool:
        """Continue from `last.pt` if there is one.

        Raises:
            ValueError: the file was written with other settings that shape the run; the message names the first.
        """
        path = folder / CHECKPOINT
        if not path.exists():
            return False
        state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
        self._check_same_run(path, state['config'])
        self.model.load_state_dict(state['model'])
        self.average.load_state_dict(state['average'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.step = state['step']
        return True

    def _check_same_run(self, path: Path, saved: dict[str, Any]) -> None:
        now = self.settings()
        then = {**asdict(type(self.config)()), **saved}  # a setting that is newer than the file had its default
        for name in now:
            if name not in self.may_change and then.get(name) != now[name]:
                raise ValueError(
                    f'{path} was made with {name}: {then.get(name)}, not {now[name]}; '
                    'use its settings, or another folder'
                )


def learning_rate(schedule: Schedule, step: int) -> float:
    """Linear warm-up, then half a cosine to zero at `schedule.steps`."""
    if step < schedule.warmup:
        return schedule.learning_rate * (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: weights decay, norms and biases do not."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    kept = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{'params': decayed, 'weight_decay': weight_decay}, {'params': kept, 'weight_decay': 0.0}]


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row to a CSV file, which begins with the names of its columns."""
    new = not path.exists()
    with path.open('a', newline='') as file:
        writer = csv.DictWriter(file, row.keys())
        if new:
            writer.writeheader()
        writer.writerow(row)


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """`torch.save`; a write that fails leaves the file that was there before.

    Raises:
        OSError: no space or no permission.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
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
