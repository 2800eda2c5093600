"""Train DetNet: `train_detnet --config config/training/modern.yaml --data-root ~/data --output runs/modern`.

Run the same command again to continue where it stopped: a batch depends on the seed and its step alone, so a run that
was interrupted goes on with the batches it would have seen. docs/training.md tells the rest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from minimal_hand_core.detnet.checkpoint import save_detnet
from minimal_hand_core.detnet.losses import DetNetLoss
from minimal_hand_core.files import write_atomically
from minimal_hand_core.training.command import run_command
from minimal_hand_core.training.comparison import plain
from minimal_hand_core.training.config import TrainingConfig, load_config
from minimal_hand_core.training.logs import METRICS, open_board, read_rows
from minimal_hand_core.training.loop import Loop
from minimal_hand_core.training.presets import PRESETS
from minimal_hand_core.training.ranks import (
    Ranks,
    check_agreement,
    choose_device,
    ranks_from_environment,
    working_together,
)
from minimal_hand_core.training.run import CHECKPOINT, tell
from minimal_hand_core.training.state import RunState
from minimal_hand_core.training.stream import Batch, CropStream, load_batches
from minimal_hand_core.training.unreadable import Unreadable
from minimal_hand_core.training.validation import Validator

WEIGHTS = 'detnet.safetensors'
"""In the folder of a run: the moving average at the last validation."""
BEST = 'best.safetensors'
"""The one with the least 2D error on what is held back, of all validations so far."""

EPILOG = """examples:
  the paper's recipe, on the peers' data sets in one folder:
    train_detnet --data-root ~/data --output runs/paper
  the improved recipe, for the small network or for resnet50:
    train_detnet --config config/training/modern.yaml --data-root ~/data --output runs/modern
    train_detnet --config config/training/modern_resnet50.yaml --data-root ~/data --output runs/modern_resnet50
  on rendered hands alone, without any data set:
    train_detnet --recipe modern --set data.datasets=[] --set data.rendered_share=1.0 --output runs/rendered
  a short look:
    train_detnet --recipe modern --set data.datasets=[] --set data.rendered_share=1.0 --output runs/try \
      --set steps=200 --set warmup=20 --set batch=16
  four GPUs of this machine (several machines: docs/training.md):
    torchrun --nproc-per-node 4 -m minimal_hand_core.training.train_detnet --data-root ~/data --output runs/paper

The same command goes on with a run that was stopped or killed.
"""


def train_step(state: RunState, batch: Batch) -> DetNetLoss:
    """One optimiser step on one batch of CropStream."""
    batch = {name: part.to(state.device, non_blocking=True) for name, part in batch.items()}
    loss = state.loss(network_input(batch), batch['uv'], batch['xyz'], batch['weight'], batch['weight_3d'])
    state.descend(loss.total, state.config.clip)
    return loss


def network_input(batch: Batch) -> Tensor:
    """A batch's images as the network takes them, (B, 3, 128, 128) in −0.5…0.5."""
    return batch['images'].float().div_(255).sub_(0.5).contiguous(memory_format=torch.channels_last)


def train(
    config: TrainingConfig,
    folder: Path,
    *,
    stop_after: int | None = None,
    allow_data_change: bool = False,
    ranks: Ranks = Ranks(),  # noqa: B008 (frozen)
) -> RunState:
    """Train until `config.steps` (or `stop_after` steps have been done), continuing what `folder` holds.

    Writes `config.yaml`, `last.pt` (all that is needed to continue), `loss.csv`, `metrics.csv`, `unreadable.txt` where
    pictures could not be read, `tensorboard/` where that is installed and, at each validation, `detnet.safetensors`
    (the moving average) and `best.safetensors`.

    Args:
        config: the settings.
        folder: of the run.
        stop_after: steps to do now.
        allow_data_change: go on where the data are not those that the run was begun with.
        ranks: this process among those that train together; all are given the same arguments otherwise.

    Raises:
        DatasetError: a data folder is missing or malformed.
        ValueError: `folder` holds a run with other settings or data, a split must not be trained on, the loss is not
            finite, or too many pictures cannot be read.
        OSError: the folder cannot be written; the last checkpoint is still there.
    """
    device = choose_device(config.device, ranks)
    with working_together(ranks, device):
        stream = CropStream(config, ranks)
        state = RunState(config, ranks, goes_on=(folder / CHECKPOINT).exists())
        state.data = stream.fingerprint()
        folder.mkdir(parents=True, exist_ok=True)
        state.load(folder, allow_data_change=allow_data_change)
        check_agreement(state.step, ranks)
        validator = Validator(config, stream) if ranks.first else None
        unreadable = Unreadable(folder, ranks, stream.samples)
        batches = _batches(stream, state, unreadable)
        latest: dict[str, Tensor] = {}

        def step() -> dict[str, Tensor]:
            terms = train_step(state, next(batches))._asdict()
            losses: dict[str, Tensor] = {name: loss for name, loss in terms.items() if loss is not None}
            if state.biomechanics is None:
                del losses['biomechanical']
            latest.update({name: loss.detach() for name, loss in losses.items()})
            return losses

        def validate() -> dict[str, float]:
            assert validator is not None
            scores = validator.run(state.averaged)
            unreadable.note(validator.unreadable, limited=False)
            keep_weights(state, folder, scores)
            shown = [name for name in ('heat', 'location', 'biomechanical', 'refined') if name in latest]
            return {**{name: round(float(latest[name]), 4) for name in shown}, **scores}

        board = None
        if ranks.first:
            write_atomically(folder / 'config.yaml', yaml.safe_dump(plain(asdict(config)), sort_keys=False).encode())
            board = open_board(folder, state.step, tell) if config.tensorboard else None
        loop = Loop(
            state,
            folder,
            step,
            validate,
            every=config.validation.every,
            log_every=config.log_every,
            board=board,
            writes=ranks.first,
            show=('heat', 'location'),
        )
        loop.go(stop_after)
    return state


def _batches(stream: CropStream, state: RunState, unreadable: Unreadable) -> Iterator[Batch]:
    for draw in load_batches(stream, state.step, pinned=state.device.type == 'cuda'):
        if draw.failure:
            raise ValueError(draw.failure)
        unreadable.note(draw.unreadable)
        yield draw.batch


def keep_weights(state: RunState, folder: Path, scores: dict[str, float]) -> None:
    """Write the moving average as WEIGHTS, and as BEST where no validation before had a smaller 2D error, the mean of
    all sets that are looked at."""
    save_weights(state, folder / WEIGHTS)
    names = [name for name in scores if name.endswith('_error')]
    if not names:
        return
    before = [
        sum(float(row[name]) for name in names)
        for row in read_rows(folder / METRICS)
        if all(row.get(name) for name in names)
    ]
    if all(sum(scores[name] for name in names) < error for error in before):
        save_weights(state, folder / BEST)


def save_weights(state: RunState, path: Path) -> None:
    """The moving average as a checkpoint that `load_detnet` reads."""
    config = state.config
    metadata = {'backbone': config.backbone, 'step': str(state.step), 'seed': str(config.seed)}
    save_detnet(state.averaged, path, {**metadata, 'recipe': config.recipe or 'none', 'loss': config.loss_kind})


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument('--recipe', choices=tuple(PRESETS), help='for all that is not set otherwise')
        parser.add_argument('--data-root', metavar='DIR', help='folder of all data sets; as --set data.root=…')
        parser.add_argument(
            '--allow-data-change', action='store_true', help='go on with other data than the run was begun with'
        )

    def start(options: argparse.Namespace, overrides: dict[str, Any]) -> RunState:
        if options.recipe is not None:
            overrides['recipe'] = options.recipe
        if options.data_root is not None:
            overrides['data.root'] = options.data_root
        return train(
            load_config(options.config, overrides),
            options.output,
            stop_after=options.stop_after,
            allow_data_change=options.allow_data_change,
            ranks=ranks_from_environment(),
        )

    about = "Train DetNet on any mix of data sets and rendered hands; without --config, by the paper's recipe."
    return run_command('train_detnet', about, EPILOG, start, arguments, add_arguments, config_needed=False)


if __name__ == '__main__':
    sys.exit(main())
