"""Train IKNet: `train_iknet --config config/training/iknet.yaml --output runs/iknet`.

Poses, shapes and noise are made up on the fly from the open hand; no data set is needed. Run the same command again to
continue where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml

from minimal_hand_core.evaluation.pose_methods import NOISES, score_poses
from minimal_hand_core.files import write_atomically
from minimal_hand_core.pose.absolute import RIGID, keypoints_from_absolute
from minimal_hand_core.pose.iknet import ACTIVATIONS, IKNet, iknet_features, save_iknet
from minimal_hand_core.training.command import run_command
from minimal_hand_core.training.loop import Loop
from minimal_hand_core.training.posed_hands import NoiseConfig, PosedHands, PoseSampler, RestConfig
from minimal_hand_core.training.recipe import check, read_recipe
from minimal_hand_core.training.run import TrainingRun
from minimal_hand_core.training.schedule import decay_groups

WEIGHTS = 'iknet.safetensors'
VALIDATION_SEED = 7
"""Training seeds are from TRAINING_SEED on, so that validation hands are never trained on."""
TRAINING_SEED = 10_000

EPILOG = """examples:
  train_iknet --config config/training/iknet.yaml --output runs/iknet
  train_iknet --config config/training/iknet.yaml --output runs/original --set width=1024 --set activation=sigmoid
"""


@dataclass(frozen=True)
class IKNetConfig:
    """A whole run. `steps` fixes the learning rate's cosine, so it cannot change when a run is resumed.

    Attributes:
        width, depth, activation: of the network, see IKNet.
        keypoint_factor: of the mean keypoint error (hand lengths) beside the squared difference of rotations.
        pool: poses that hands are drawn from.
        validation_every: steps from one look at held-out hands to the next.
    """

    width: int = 1024
    depth: int = 6
    activation: str = 'sigmoid'
    seed: int = 1
    steps: int = 20000
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 200
    ema_decay: float = 0.998
    keypoint_factor: float = 5.0
    pool: int = 20000
    checkpoint_every: int = 200
    validation_every: int = 1000
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    rest: RestConfig = field(default_factory=RestConfig)

    def __post_init__(self) -> None:
        for name in ('width', 'depth', 'steps', 'pool', 'checkpoint_every', 'validation_every'):
            check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')
        check(self.activation in ACTIVATIONS, 'activation', self.activation, f'one of {", ".join(ACTIVATIONS)}')
        check(self.batch >= 2, 'batch', self.batch, 'at least 2 (batch norms need two)')
        check(self.seed >= 0, 'seed', self.seed, 'at least 0')
        check(0 <= self.warmup < self.steps, 'warmup', self.warmup, f'0 … {self.steps - 1} (steps − 1)')
        check(self.learning_rate > 0, 'learning_rate', self.learning_rate, 'above 0')
        for name in ('weight_decay', 'keypoint_factor'):
            check(getattr(self, name) >= 0, name, getattr(self, name), 'at least 0')
        check(0 <= self.ema_decay < 1, 'ema_decay', self.ema_decay, '0 … below 1')


class IKNetLoss(NamedTuple):
    """Scalars; `total` is what is minimised."""

    total: torch.Tensor
    rotation: torch.Tensor
    keypoint: torch.Tensor


class IKNetRun(TrainingRun[IKNet]):
    """Network, optimiser and moving average of one run."""

    may_change = ('checkpoint_every', 'validation_every')

    def __init__(self, config: IKNetConfig) -> None:
        torch.manual_seed(config.seed)
        network = IKNet(config.width, config.depth, config.activation)
        optimizer = torch.optim.AdamW(decay_groups(network, config.weight_decay), lr=config.learning_rate)
        super().__init__(config, network, optimizer)


def iknet_loss(network: IKNet, hands: PosedHands, keypoint_factor: float) -> IKNetLoss:
    """Squared chordal distance of the 16 rotations, and distance of the keypoints that they give the template."""
    features, turned = iknet_features(hands.template, hands.target)
    found = network.matrices(torch.from_numpy(features).float())
    # The network answers in the template's frame, to which the noisy palm was turned back.
    absolute = np.swapaxes(turned, -1, -2)[:, None] @ hands.absolute
    truth = np.swapaxes(turned, -1, -2)[:, None] @ hands.truth[..., None]
    free = [k for k in range(21) if k == 0 or k not in RIGID]
    difference = found[:, free] - torch.from_numpy(absolute[:, free]).float()
    rotation = difference.square().sum(dim=(-2, -1)).mean()
    posed = keypoints_from_absolute(torch.from_numpy(hands.template).float(), found)
    keypoint = torch.linalg.vector_norm(posed - torch.from_numpy(truth[..., 0]).float(), dim=-1).mean()
    return IKNetLoss(rotation + keypoint_factor * keypoint, rotation, keypoint)


def train_step(run: IKNetRun, hands: PosedHands) -> IKNetLoss:
    """One optimiser step."""
    run.model.train()
    loss = iknet_loss(run.model, hands, run.config.keypoint_factor)
    run.descend(loss.total)
    return loss


def train(config: IKNetConfig, folder: Path, *, stop_after: int | None = None) -> IKNetRun:
    """Train until `config.steps` (or `stop_after` steps have been done), continuing what `folder` holds.

    Writes `config.yaml`, `last.pt` (all that is needed to continue), `loss.csv`, `metrics.csv` and, at each validation,
    `iknet.safetensors` (the moving average).

    Raises:
        ValueError: `folder` holds a run with other settings.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = IKNetRun(config)
    run.load(folder)
    write_atomically(folder / 'config.yaml', yaml.safe_dump(asdict(config), sort_keys=False).encode())
    sampler = PoseSampler(TRAINING_SEED + config.seed, config.pool)
    held_out = PoseSampler(VALIDATION_SEED, 500)

    def step() -> dict[str, torch.Tensor]:
        return train_step(run, sampler.batch(run.step, config.batch, config.noise, config.rest))._asdict()

    def look() -> dict[str, float]:
        save_iknet(run.averaged.eval(), folder / WEIGHTS, {'step': str(run.step), 'seed': str(config.seed)})
        return validate(run.averaged.eval(), held_out)

    every = config.validation_every
    Loop(run, folder, step, look, every=every, log_every=100, show=('rotation', 'keypoint')).go(stop_after)
    return run


def validate(network: IKNet, hands: PoseSampler) -> dict[str, float]:
    """Errors on 500 held-out hands per kind of noise: `…_mm`, `…_deg` (angles), rounded."""
    row = {}
    for name, noise in NOISES.items():
        score = score_poses(network.solve, hands.batch(0, 500, noise))
        row[f'{name}_mm'], row[f'{name}_deg'] = round(score.keypoint_mm, 3), round(score.angle_deg, 3)
    return row


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""

    def start(options: argparse.Namespace, overrides: dict[str, Any]) -> IKNetRun:
        config = read_recipe(IKNetConfig, options.config, overrides)
        return train(config, options.output, stop_after=options.stop_after)

    return run_command('train_iknet', 'Train IKNet on poses of the open hand.', EPILOG, start, arguments)


if __name__ == '__main__':
    sys.exit(main())
