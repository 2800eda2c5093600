"""Weighted choice, without what `Generator.choice` spends on checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

T = TypeVar('T')


def pick(rng: np.random.Generator, shares: Mapping[T, float]) -> T:
    """One of the keys, each as often as its share of the total; one draw."""
    left = rng.random() * sum(shares.values())
    for option, share in shares.items():
        left -= share
        if left < 0:
            return option
    return option


def pick_any(rng: np.random.Generator, *options: T) -> T:
    """One of the options, all equally often; one draw."""
    return options[int(rng.random() * len(options))]
