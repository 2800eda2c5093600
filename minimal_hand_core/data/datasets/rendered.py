"""Rendered hands as data set splits, by seeds that never meet.

Source: made on the spot by `data.synthetic`, licence of this project. Right hands only, exact labels, camera of the
crop. `root` is a folder of background photos (nine tenths of them for 'train', the other tenth for 'validation' and
'test'), or None for made-up backgrounds.

| split | samples | size | seed |
| --- | --- | --- | --- |
| train | no end | 128 px | 10,000 |
| validation | 500 | 256 px | 77 |
| test | 5,000 | 256 px | 5 |

Training crops are cut as varied as training wants them; the other two are centred on the hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from minimal_hand_core.data.datasets.dataset import choose
from minimal_hand_core.data.datasets.tree import OptionError
from minimal_hand_core.data.synthetic import CENTRED, Backgrounds, SceneVariation, SyntheticHands

TRAINING_SEED = 10_000
"""Training hands are seeded from here on, all others below."""


class _Split(NamedTuple):
    seed: int
    length: int
    size: int
    backgrounds: str


_SPLITS = {
    'train': _Split(TRAINING_SEED, 1 << 40, 128, 'train'),
    'validation': _Split(77, 500, 256, 'test'),
    'test': _Split(5, 5_000, 256, 'test'),
}
SPLITS = tuple(_SPLITS)


def _number(least: int) -> Callable[[Any], int | None]:
    def read(value: Any) -> int | None:
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < least):
            raise OptionError(f'is {value!r}; give a whole number, {least} or above')
        return number

    return read


def _variation(value: Any) -> SceneVariation | None:
    if value is not None and not isinstance(value, SceneVariation):
        raise OptionError(f'is {value!r}; it is a SceneVariation, which only Python can give')
    return value


OPTIONS: dict[str, Callable[[Any], Any]] = {
    'length': _number(1),
    'size': _number(16),
    'seed': _number(0),
    'variation': _variation,
}
"""Option → what makes its value of what was given, which may be text."""


def open_rendered(
    root: Path | str | None,
    split: str,
    *,
    length: int | None = None,
    size: int | None = None,
    seed: int = 0,
    variation: SceneVariation | None = None,
) -> SyntheticHands:
    """A split of rendered hands.

    Args:
        root: folder of background photos, or None.
        split: one of SPLITS.
        length, size: other than the table's.
        seed: added to the seed of 'train', so that runs differ; must be 0 for the fixed splits.
        variation: how far 'train' is varied, the training default when None; must be None for the fixed splits.

    Raises:
        DatasetError: an unknown split.
        ValueError: no such folder, or a seed or a variation for a fixed split.
    """
    how = _SPLITS[choose('rendered: split', split, SPLITS)]
    if split != 'train':
        if seed:
            raise ValueError(f'rendered: seed is {seed}; the {split} split is fixed, leave it 0')
        if variation is not None:
            raise ValueError(f'rendered: variation is given; the {split} split is fixed, leave it None')
        variation = CENTRED
    photos = Backgrounds(root, split=how.backgrounds) if root is not None else None
    return SyntheticHands(how.seed + seed, photos, size or how.size, length or how.length, variation)
