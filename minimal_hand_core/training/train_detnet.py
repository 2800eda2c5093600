"""Train DetNet: `train_detnet --config config/training/detnet_small.yaml --output runs/detnet_small`.

Run the same command again to continue where it stopped: a batch depends on the seed and its step alone, so a run that
was interrupted goes on with the batches it would have seen.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.data import DataLoader, Sampler

from minimal_hand_core.data.real_hands import DatasetError
from minimal_hand_core.detnet.checkpoint import save_detnet
from minimal_hand_core.detnet.losses import DetNetLoss, small_loss
from minimal_hand_core.training.config import ConfigError, TrainingConfig, load_config
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


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then half a cosine to zero at `config.steps`."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def train_step(state: RunState, batch: Batch) -> DetNetLoss:
    """One optimiser step on one batch of CropStream."""
    for group in state.optimizer.param_groups:
        group['lr'] = learning_rate(state.config, state.step)
    images = batch['images'].float().div_(255).sub_(0.5).contiguous(memory_format=torch.channels_last)
    loss = small_loss(state.model.small.logits(images), batch['uv'], batch['xyz'], batch['weight'], batch['weight_3d'])
    state.optimizer.zero_grad(set_to_none=True)
    loss.total.backward()
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)
    state.optimizer.step()
    state.average.update_parameters(state.model)
    state.step += 1
    return loss


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
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    first, started = state.step, time.monotonic()
    with Progress(*columns) as progress:
        task = progress.add_task('training', total=config.steps, completed=state.step)
        for batch in loader:
            if state.step >= stop:
                break
            loss = train_step(state, batch)
            if not math.isfinite(float(loss.total.detach())):
                raise ValueError(f'the loss is not finite at step {state.step}; {folder} keeps the state before it')
            described = f'heat {float(loss.heat):.3f} location {float(loss.location):.3f}'
            progress.update(task, advance=1, description=described)
            if not progress.console.is_terminal and state.step % 50 == 0:
                rate = (state.step - first) / (time.monotonic() - started)
                left = (config.steps - state.step) / rate / 60
                print(f'step {state.step}: {described}, {rate:.2f} steps/s, {left:.0f} min left', flush=True)
            if state.step % config.checkpoint_every == 0 or state.step == stop:
                state.save(folder)
            if state.step % config.validation.every == 0 or state.step == config.steps:
                metrics = validator.run(state.averaged, state.step, loss)
                progress.console.print(f'step {state.step}: {metrics}')
                save_weights(state, folder / WEIGHTS)
    return state


def save_weights(state: RunState, path: Path) -> None:
    """The moving average as a checkpoint that `load_detnet` reads."""
    metadata = {'backbone': state.config.backbone, 'step': str(state.step), 'seed': str(state.config.seed)}
    save_detnet(state.averaged, path, metadata)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'train_detnet',
        description='Train DetNet on photos and rendered hands.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--config', required=True, type=Path, help='YAML settings, see config/training/')
    parser.add_argument('--output', required=True, type=Path, help='folder of the run; an earlier run in it goes on')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', help='override a setting, e.g. data.workers=2'
    )
    parser.add_argument('--threads', type=int, default=0, help='processor threads for the network (0: all)')
    parser.add_argument('--stop-after', type=int, help='do this many steps now and leave the rest for another sitting')
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    started = time.monotonic()
    try:
        overrides = dict(_parse_override(text) for text in options.set)
        state = train(load_config(options.config, overrides), options.output, stop_after=options.stop_after)
    except (ConfigError, DatasetError, ValueError, OSError) as error:
        print(f'train_detnet: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'train_detnet: interrupted; the same command goes on from {options.output}', file=sys.stderr)
        return 130
    print(f'step {state.step} of {state.config.steps} after {time.monotonic() - started:.0f} s, in {options.output}')
    return 0


def _parse_override(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition('=')
    if not separator:
        raise ConfigError(f'--set {text!r}: give NAME=VALUE')
    return name, yaml.safe_load(value)


if __name__ == '__main__':
    sys.exit(main())
