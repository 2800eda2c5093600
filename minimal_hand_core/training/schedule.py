"""How a run goes on from step to step: its learning rate, what decays, and the moving average of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn


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


class SteppedSchedule(Schedule, Protocol):
    """A schedule that drops."""

    @property
    def drop_every(self) -> int: ...
    @property
    def drop_factor(self) -> float: ...


def learning_rate(schedule: Schedule, step: int) -> float:
    """Linear warm-up, then half a cosine to zero at `schedule.steps`."""
    if step < schedule.warmup:
        return schedule.learning_rate * (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def stepped_rate(schedule: SteppedSchedule, step: int) -> float:
    """Linear warm-up, then times `drop_factor` after every `drop_every` steps."""
    if step < schedule.warmup:
        return schedule.learning_rate * (step + 1) / schedule.warmup
    return schedule.learning_rate * schedule.drop_factor ** (step // schedule.drop_every)


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: weights decay, norms and biases do not."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    kept = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{'params': decayed, 'weight_decay': weight_decay}, {'params': kept, 'weight_decay': 0.0}]


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
