"""Mean losses since they were last written down; part of the checkpoint, so that no step is missing after a resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Meter:
    """Running sums of losses, kept where they are computed: nothing waits for a GPU until means are asked for."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._seconds = 0.0

    def add(self, losses: Mapping[str, Tensor], seconds: float) -> None:
        """One step's losses, scalars by name, and how long it took."""
        for name, loss in losses.items():
            value = loss.detach().double()
            self._sums[name] = self._sums[name].to(value.device) + value if name in self._sums else value
        self._count += 1
        self._seconds += seconds

    def means(self) -> dict[str, float]:
        """Mean of each loss; none before the first step."""
        return {name: float(value) / self._count for name, value in self._sums.items()}

    def seconds(self) -> float:
        """Mean time of a step."""
        return self._seconds / max(1, self._count)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {'sums': {k: v.cpu() for k, v in self._sums.items()}, 'count': self._count, 'seconds': self._seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of state_dict."""
        self._sums = {name: torch.as_tensor(value) for name, value in state['sums'].items()}
        self._count, self._seconds = int(state['count']), float(state['seconds'])
