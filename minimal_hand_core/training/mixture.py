"""Who is drawn when: turns of several sources by their shares, and every sample of a source once per pass.

Both are closed formulas of a running number, so that any batch can be made by anyone: a resumed run, a worker process,
or the machine that makes only its own part of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CYCLE = 10_000
"""Turns after which the order of sources repeats: shares are kept to within half of 1 / CYCLE."""


class Turn(NamedTuple):
    """source: position of who is drawn; before: how often it was drawn already."""

    source: int
    before: int


class Turns:
    """An endless order of sources, each as evenly spread as its share allows.

    Args:
        shares: (K,) how often each source is drawn, not negative; only their ratios count.

    Raises:
        ValueError: no share above 0, or one that is not finite or negative.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        wanted = np.asarray(shares, np.float64)
        if wanted.ndim != 1 or not np.isfinite(wanted).all() or (wanted < 0).any() or not wanted.sum() > 0:
            raise ValueError(f'shares: expected numbers of at least 0, one of them more, found {list(shares)}')
        quota = wanted / wanted.sum() * CYCLE
        counts = np.floor(quota).astype(int)
        # What rounding left goes to the largest remainders; nobody who has a share goes without.
        for source in np.argsort(counts - quota, kind='stable')[: CYCLE - counts.sum()]:
            counts[source] += 1
        for source in np.flatnonzero((counts == 0) & (wanted > 0)):
            counts[source] += 1
            counts[np.argmax(counts)] -= 1
        self.counts = counts
        places = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
        order = np.argsort(places, kind='stable')
        self._source = np.repeat(np.arange(len(counts)), counts)[order]
        self._rank = np.concatenate([np.arange(count) for count in counts])[order]

    @property
    def shares(self) -> np.ndarray:
        """(K,) the shares that are kept, of sum 1."""
        return np.asarray(self.counts / CYCLE)

    def __getitem__(self, number: int) -> Turn:
        """Whose turn number `number` is, from 0."""
        cycle, place = divmod(number, CYCLE)
        source = int(self._source[place])
        return Turn(source, cycle * int(self.counts[source]) + int(self._rank[place]))


class Passes:
    """Passes over N samples, each in another random order.

    Args:
        seed: numbers that make the orders.
        length: N.
    """

    def __init__(self, seed: tuple[int, ...], length: int) -> None:
        self._seed, self._length = seed, length
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, number: int) -> int:
        """The sample that draw `number`, from 0, takes."""
        epoch, place = divmod(number, self._length)
        if epoch != self._epoch:
            self._order = np.random.default_rng((*self._seed, epoch)).permutation(self._length)
            self._epoch = epoch
        return int(self._order[place])
