"""Train DetNet: `train_detnet --config config/training/detnet_small.yaml --output runs/detnet_small`.

Run the same command again to continue where it stopped: a batch depends on the seed and its step alone, so a run that
was interrupted goes on with the batches it would have seen.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Sampler

from minimal_hand_core.detnet.checkpoint import save_detnet
from minimal_hand_core.detnet.losses import DetNetLoss, small_loss
from minimal_hand_core.training.command import run_command
from minimal_hand_core.training.config import TrainingConfig, load_config
from minimal_hand_core.training.progress import RunProgress
from minimal_hand_core.training.state import RunState
from minimal_hand_core.training.stream import Batch, CropStream
from minimal_hand_core.training.validation import Validator

WEIGHTS = 'detnet.safetensors'

EPILOG = """examples:
  train_detnet --config config/training/detnet_small.yaml --output runs/small
  train_detnet --config config/training/detnet_small.yaml --output runs/try --set steps=200 --set batch=16
"""


class StepSampler(Sampler[int]):
    """The steps that are still to do, in order."""

    def __init__(self, start: int, stop: int) -> None:
        self.steps = range(start, stop)

    def __iter__(self) -> Any:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


def train_step(state: RunState, batch: Batch) -> DetNetLoss:
    """One optimiser step on one batch of CropStream."""
    images, uv = network_input(batch, state.config.crop)
    loss = small_loss(
        state.model.small.logits(images),
        uv,
        batch['xyz'],
        batch['weight'],
        batch['weight_3d'],
        biomechanics=state.biomechanics,
        biomechanical_factor=state.config.biomechanical,
    )
    state.descend(loss.total)
    return loss


def network_input(batch: Batch, size: int) -> tuple[Tensor, Tensor]:
    """A batch's images as the network takes them, (B, 3, size, size) in −0.5…0.5, and its keypoints in their pixels."""
    images = batch['images'].float().div_(255).sub_(0.5)
    uv = batch['uv']
    if size != images.shape[-1]:
        scale = size / images.shape[-1]
        images = functional.interpolate(images, size=(size, size), mode='bilinear', antialias=True)
        uv = (uv + 0.5) * scale - 0.5
    return images.contiguous(memory_format=torch.channels_last), uv


def train(config: TrainingConfig, folder: Path, *, stop_after: int | None = None) -> RunState:
    """Train until `config.steps` (or `stop_after` steps have been done), continuing what `folder` holds.

    Writes `config.yaml`, `last.pt` (all that is needed to continue), `metrics.csv` and, at each validation,
    `detnet.safetensors` (the moving average).

    Raises:
        DatasetError: a data folder is missing or malformed.
        ValueError: `folder` holds a run with other settings.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = RunState(config)
    stream = CropStream(config)
    state.load(folder)
    (folder / 'config.yaml').write_text(yaml.safe_dump(asdict(config), sort_keys=False))
    validator = Validator(config, folder / 'metrics.csv')
    loader: DataLoader[Batch] = DataLoader(
        stream,
        batch_size=None,
        sampler=StepSampler(state.step, config.steps),
        num_workers=config.data.workers,
        prefetch_factor=4,
    )
    stop = config.steps if stop_after is None else min(config.steps, state.step + stop_after)
    with RunProgress(state.step, config.steps) as progress:
        for batch in loader:
            if state.step >= stop:
                break
            loss = train_step(state, batch)
            if not math.isfinite(float(loss.total.detach())):
                raise ValueError(f'the loss is not finite at step {state.step}; {folder} keeps the state before it')
            progress.advance(state.step, f'heat {float(loss.heat):.3f} location {float(loss.location):.3f}')
            if state.step % config.checkpoint_every == 0 or state.step == stop:
                state.save(folder)
            if state.step % config.validation.every == 0 or state.step == config.steps:
                metrics = validator.run(state.averaged, state.step, loss)
                progress.print(f'step {state.step}: {metrics}')
                save_weights(state, folder / WEIGHTS)
    return state


def save_weights(state: RunState, path: Path) -> None:
    """The moving average as a checkpoint that `load_detnet` reads."""
    metadata = {'backbone': state.config.backbone, 'step': str(state.step), 'seed': str(state.config.seed)}
    save_detnet(state.averaged, path, metadata)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""

    def start(options: argparse.Namespace, overrides: dict[str, Any]) -> RunState:
        return train(load_config(options.config, overrides), options.output, stop_after=options.stop_after)

    return run_command('train_detnet', 'Train DetNet on photos and rendered hands.', EPILOG, start, arguments)


if __name__ == '__main__':
    sys.exit(main())
