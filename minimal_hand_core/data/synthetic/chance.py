"""Single draws, without what `Generator.choice`, `.uniform` and `.normal` spend on checks: a scene takes a hundred.

The numbers are those that the Generator's own methods would have drawn.
"""

from __future__ import annotations

import math
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


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Evenly distributed; one draw, as `Generator.uniform`."""
    return low + (high - low) * rng.random()


def between_logs(rng: np.random.Generator, low: float, high: float) -> float:
    """Its logarithm is evenly distributed: as often doubled as halved; one draw."""
    return math.exp(between(rng, math.log(low), math.log(high)))


def around(rng: np.random.Generator, mean: float, deviation: float) -> float:
    """Normally distributed; one draw, as `Generator.normal`."""
    return mean + deviation * rng.standard_normal()


def hold(value: float, low: float, high: float) -> float:
    """The value, kept within low … high."""
    return min(max(value, low), high)


def pick_any(rng: np.random.Generator, *options: T) -> T:
    """One of the options, all equally often; one draw."""
    return options[int(rng.random() * len(options))]
