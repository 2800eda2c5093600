"""Holding back a part of a training split, for data sets that come without a validation split of their own."""

from __future__ import annotations

import zlib
from typing import Protocol

import numpy as np


class Grouped(Protocol):
    """A data set whose samples belong to groups: near copies, or pictures of one sequence."""

    def __len__(self) -> int: ...

    def group(self, row: int) -> str:
        """The group of sample `row`."""


def held_out(dataset: Grouped, parts: int = 10) -> np.ndarray:
    """Which samples to hold back: one in `parts` groups, chosen by the CRC-32 of their names.

    The choice depends on names alone, so it stays the same when samples are added, and on every machine.

    Args:
        dataset: anything with `__len__` and `group`, such as a `HandDataset`.
        parts: 10 holds back about a tenth of the groups.

    Returns:
        (N,) bool, True = validation.

    Raises:
        ValueError: fewer than two parts.
    """
    if parts < 2:
        raise ValueError(f'parts: expected 2 or more, found {parts}')
    return np.array([is_held_out(dataset.group(row), parts) for row in range(len(dataset))], bool)


def is_held_out(group: str, parts: int = 10) -> bool:
    """True for one in `parts` groups."""
    return zlib.crc32(group.encode()) % parts == 0
