"""The settings of a training run of the shape regressor, checked and frozen."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_core.hand.skeleton import NUM_BONES
from minimal_hand_core.training.recipe import check

BONE_SIGMA = (
    0.02906406, 0.02663224, 0.01769793,
    0.0274501, 0.02573783, 0.0222863,
    0.0, 0.02855567, 0.02330295,
    0.0253288, 0.0266308, 0.02495683,
    0.03685857, 0.02430637, 0.02349446,
)  # fmt: skip
"""How uncertain each bone ratio is, from fact sheet 4.3; the reference bone's is 1 by definition."""


@dataclass(frozen=True)
class ShapeRecipe:
    """A whole run. `steps` fixes the learning rate's cosine, so it cannot change when a run is resumed.

    Attributes:
        model: 'open' or the path of a hand model.
        spread: standard deviation of the β that hands are made of.
        reach: hands with a |β| above this are not made.
        limit: |β| the network can answer with, above reach, so that no target is out of its reach.
        noise: multiple of noise_sigma that is added to the ratios, drawn per hand from 0 up to this; the peer's is 0.1.
        noise_sigma: (15,) standard deviations.
        weight: of |β|² in the loss. Hands that look the same are told apart by it: the smaller β is answered.
        ema_decay: of the weights' moving average.
    """

    model: str = 'open'
    seed: int = 1
    steps: int = 6000
    batch: int = 128
    learning_rate: float = 1.5e-3
    warmup: int = 200
    ema_decay: float = 0.998
    checkpoint_every: int = 500
    validate_every: int = 1000
    spread: float = 1.0
    reach: float = 3.0
    limit: float = 4.0
    noise: float = 1.2
    noise_sigma: tuple[float, ...] = BONE_SIGMA
    weight: float = 1e-5

    def __post_init__(self) -> None:
        for name in ('steps', 'batch', 'checkpoint_every', 'validate_every'):
            check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')
        check(bool(self.model), 'model', self.model, "'open' or a path")
        check(self.seed >= 0, 'seed', self.seed, 'at least 0')
        check(0 <= self.warmup < self.steps, 'warmup', self.warmup, f'0 … {self.steps - 1} (steps − 1)')
        check(self.learning_rate > 0, 'learning_rate', self.learning_rate, 'above 0')
        check(0 <= self.ema_decay < 1, 'ema_decay', self.ema_decay, '0 … below 1')
        check(self.spread > 0, 'spread', self.spread, 'above 0')
        check(self.reach > 0, 'reach', self.reach, 'above 0')
        check(self.limit > self.reach, 'limit', self.limit, f'above reach, {self.reach:g}')
        check(self.noise >= 0, 'noise', self.noise, 'at least 0')
        fine = len(self.noise_sigma) == NUM_BONES and min(self.noise_sigma) >= 0
        check(fine, 'noise_sigma', self.noise_sigma, f'{NUM_BONES} numbers of at least 0')
        check(self.weight >= 0, 'weight', self.weight, 'at least 0')
