"""The processes that train together, as `torchrun` starts them; a single one is rank 0 of 1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from minimal_hand_core.training.recipe import ConfigError

_PATIENCE = timedelta(hours=2)
"""How long ranks wait for one another: rank 0 validates and writes while the others wait."""


@dataclass(frozen=True)
class Ranks:
    """Who this process is.

    Attributes:
        rank: 0 … world − 1; rank 0 writes and validates.
        world: number of processes.
        local: this process's number on its machine, which is that of its GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0


def ranks_from_environment() -> Ranks:
    """As `torchrun` says in RANK, WORLD_SIZE and LOCAL_RANK; alone without them."""
    return Ranks(*(int(os.environ.get(name, default)) for name, default in _VARIABLES))


_VARIABLES = (('RANK', '0'), ('WORLD_SIZE', '1'), ('LOCAL_RANK', '0'))


def choose_device(name: str, ranks: Ranks) -> torch.device:
    """'auto' (CUDA where there is one), 'cpu' or 'cuda' → a device; of several GPUs, the one of this rank.

    Raises:
        ConfigError: CUDA is asked for and there is none, or fewer GPUs than ranks of this machine.
    """
    if name == 'cpu' or (name == 'auto' and not torch.cuda.is_available()):
        return torch.device('cpu')
    if not torch.cuda.is_available():
        raise ConfigError("device is 'cuda', and PyTorch finds none here; give auto or cpu")
    if ranks.local >= torch.cuda.device_count():
        raise ConfigError(
            f'this is process {ranks.local + 1} of this machine, which has {torch.cuda.device_count()} GPUs; '
            'give torchrun a smaller --nproc-per-node'
        )
    return torch.device('cuda', ranks.local)


def check_agreement(step: int, ranks: Ranks) -> None:
    """Raise ValueError unless all ranks found the same step to go on from."""
    if ranks.world == 1:
        return
    steps: list[int] = [0] * ranks.world
    distributed.all_gather_object(steps, step)
    if len(set(steps)) > 1:
        raise ValueError(
            f'the processes found checkpoints of steps {", ".join(map(str, steps))}; '
            'give an --output on a disk that all of them see'
        )


@contextmanager
def working_together(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Join the other ranks (NCCL between GPUs, Gloo between processors) and leave at the end; do nothing when alone, or
    when they are together already."""
    if ranks.world == 1 or distributed.is_initialized():
        yield
        return
    if device.type == 'cuda':
        torch.cuda.set_device(device)
    distributed.init_process_group(
        'nccl' if device.type == 'cuda' else 'gloo', rank=ranks.rank, world_size=ranks.world, timeout=_PATIENCE
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()
