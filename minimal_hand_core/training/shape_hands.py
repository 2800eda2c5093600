"""Hands to train and test the shape regressor on: β drawn, bone ratios computed, nothing read from a file."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from minimal_hand_core.shape.regressor import ShapeRegressor
from minimal_hand_core.training.shape_recipe import ShapeRecipe

_TEST_SEED = 10_000_000_000
"""Far from the seeds of training batches."""


class ShapeBatch(NamedTuple):
    """Hands as the network sees them, float32.

    Attributes:
        betas: (B, 10), what they are made of.
        ratios: (B, 15), without noise.
        noisy: (B, 15), with noise; a tensor of its own.
    """

    betas: torch.Tensor
    ratios: torch.Tensor
    noisy: torch.Tensor


def training_batch(recipe: ShapeRecipe, hand: ShapeRegressor, step: int) -> ShapeBatch:
    """Batch `step`: depends on the seed and the step alone, so that a resumed run continues exactly."""
    chance = torch.Generator().manual_seed(recipe.seed * 1_000_000 + step)
    betas = draw_betas(recipe, recipe.batch, chance)
    ratios = hand.ratios(betas)
    amount = recipe.noise * torch.rand(len(betas), 1, generator=chance)
    noise = amount * torch.tensor(recipe.noise_sigma) * torch.randn(ratios.shape, generator=chance)
    return ShapeBatch(betas, ratios, ratios + noise)


def test_batch(recipe: ShapeRecipe, hand: ShapeRegressor, count: int, noise: float = 0.0) -> ShapeBatch:
    """Hands of a seed of their own, always the same.

    Args:
        recipe: how β are drawn; its own noise is not used.
        hand: whose ratios.
        count: of hands.
        noise: standard deviation of the noise on every ratio but the reference bone's.
    """
    chance = torch.Generator().manual_seed(_TEST_SEED)
    betas = draw_betas(recipe, count, chance)
    ratios = hand.ratios(betas)
    seen = torch.tensor(recipe.noise_sigma) > 0
    return ShapeBatch(betas, ratios, ratios + noise * seen * torch.randn(ratios.shape, generator=chance))


def draw_betas(recipe: ShapeRecipe, count: int, chance: torch.Generator) -> torch.Tensor:
    """β (count, 10) of the normal distribution cut off at ±reach, by its inverse."""
    most = math.erf(recipe.reach / recipe.spread / math.sqrt(2))
    uniform = torch.rand(count, 10, generator=chance, dtype=torch.float64) * 2 - 1
    return (recipe.spread * math.sqrt(2) * torch.erfinv(most * uniform)).float()
