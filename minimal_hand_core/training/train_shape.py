"""Train the shape regressor: `train_shape --config config/training/shape_regressor.yaml --output runs/shape`.

It takes minutes on one core, for any hand model: `--model /path/MANO_RIGHT.pkl`. Hands are made on the fly (fact
sheet 4.3 stored a million). Run the same command again to continue where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml

from minimal_hand_core.files import write_atomically
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape.regressor import ShapeRegressor, save_shape_regressor
from minimal_hand_core.training.command import run_command
from minimal_hand_core.training.loop import Loop
from minimal_hand_core.training.recipe import read_recipe
from minimal_hand_core.training.run import TrainingRun
from minimal_hand_core.training.shape_hands import ShapeBatch, test_batch, training_batch
from minimal_hand_core.training.shape_recipe import ShapeRecipe

WEIGHTS = 'shape_regressor.safetensors'

EPILOG = """examples:
  train_shape --config config/training/shape_regressor.yaml --output runs/shape
  train_shape --config config/training/shape_regressor.yaml --output runs/mano --model /path/MANO_RIGHT.pkl
  train_shape --config config/training/shape_regressor.yaml --output runs/try --set steps=500 --set noise=0.1
"""
_TEST_HANDS = 2000
_TEST_NOISE = 0.03


class ShapeRun(TrainingRun[ShapeRegressor]):
    """Network, optimiser and moving average of one run.

    Raises:
        HandModelError: the recipe's model is none.
    """

    may_change = ('checkpoint_every', 'validate_every')

    def __init__(self, config: ShapeRecipe) -> None:
        torch.manual_seed(config.seed)
        model = ShapeRegressor(load_hand_model(config.model), config.limit)
        super().__init__(config, model, torch.optim.Adam(model.parameters(), lr=config.learning_rate))

    def settings(self) -> dict[str, Any]:
        """Also which hand it is: another may have come under the same path."""
        return {**super().settings(), 'hand': [round(float(value), 4) for value in self.model.signature]}


def shape_loss(model: ShapeRegressor, batch: ShapeBatch, weight: float) -> torch.Tensor:
    """mean Σ (ratio(β̂) − ratio)² + weight · mean |β̂|² (fact sheet 4.3), with the noise in what the network sees only.

    The true β are not asked for: many give the same ratios.
    """
    betas = model(batch.noisy)
    misfit = (model.ratios(betas) - batch.ratios).square().sum(dim=1).mean()
    return misfit + weight * betas.square().sum(dim=1).mean()


def train_step(run: ShapeRun) -> torch.Tensor:
    """One optimiser step; returns the loss."""
    with torch.no_grad():
        batch = training_batch(run.config, run.model, run.step)
    loss = shape_loss(run.model, batch, run.config.weight)
    run.descend(loss, limit=1.0)
    return loss.detach()


@torch.inference_mode()
def validate(run: ShapeRun) -> dict[str, float]:
    """Root mean square errors of the ratios, against the truth, from exact ratios and from noisy ones."""
    row: dict[str, float] = {}
    for name, noise in (('exact', 0.0), ('noisy', _TEST_NOISE)):
        batch = test_batch(run.config, run.averaged, _TEST_HANDS, noise)
        errors = run.averaged.ratios(run.averaged(batch.noisy)) - batch.ratios
        row[f'{name}_ratio_error'] = round(float(errors.square().mean().sqrt()), 6)
    return row


def train(config: ShapeRecipe, folder: Path, *, stop_after: int | None = None) -> ShapeRun:
    """Train until `config.steps` (or `stop_after` steps have been done), continuing what `folder` holds.

    Writes `config.yaml`, `last.pt` (all that is needed to continue), `loss.csv`, `metrics.csv` and, at each validation,
    `shape_regressor.safetensors` (the moving average).

    Raises:
        HandModelError: the recipe's model is none.
        ValueError: `folder` holds a run with other settings, or the loss is not finite.
        OSError: the folder cannot be written.
    """
    run = ShapeRun(config)
    folder.mkdir(parents=True, exist_ok=True)
    run.load(folder)
    write_atomically(folder / 'config.yaml', yaml.safe_dump(asdict(config), sort_keys=False).encode())

    def look() -> dict[str, float]:
        about = {'step': str(run.step), 'seed': str(config.seed), 'noise': str(config.noise)}
        save_shape_regressor(run.averaged, folder / WEIGHTS, about)
        return validate(run)

    loop = Loop(run, folder, lambda: {'total': train_step(run)}, look, every=config.validate_every, log_every=500)
    loop.go(stop_after)
    return run


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""

    def add_model(parser: argparse.ArgumentParser) -> None:
        parser.add_argument('--model', help="hand model: 'open' or a path; as --set model=…")

    def start(options: argparse.Namespace, overrides: dict[str, Any]) -> ShapeRun:
        if options.model is not None:
            overrides['model'] = options.model
        return train(read_recipe(ShapeRecipe, options.config, overrides), options.output, stop_after=options.stop_after)

    about = 'Train the shape regressor on hands made from a hand model.'
    return run_command('train_shape', about, EPILOG, start, arguments, add_model)


if __name__ == '__main__':
    sys.exit(main())
