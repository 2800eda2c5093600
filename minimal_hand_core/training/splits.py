"""Which parts of the data sets may be trained on, and which are held back to choose between runs: never a test set.

A data set with a validation split of its own keeps to it; of the others a tenth of the groups of the training split is
held back (`held_out`), always the same tenth, whether a run looks at it or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from minimal_hand_core.data.datasets.dataset import ALIASES, HandDataset
from minimal_hand_core.data.datasets.holdout import held_out
from minimal_hand_core.data.datasets.kept import KeptPictures
from minimal_hand_core.data.datasets.real_hands import EmptySplitError
from minimal_hand_core.data.datasets.registry import dataset_splits, open_dataset
from minimal_hand_core.data.datasets.tree import DatasetError, OptionError
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.run import tell

TRAINING: dict[str, tuple[str, ...]] = {
    'cmu_panoptic': ('train',),
    'cmu_hand_labels': ('train',),
    'rhd': ('train',),
    'ganerated': ('train', 'no_object', 'with_object'),
    'stb': ('train', 'train_val'),
    'dexter_object': (),
    'ego_dexter': (),
    'freihand': ('train',),
    'real_hands': ('train',),
    'rendered': ('train',),
}
"""Splits that hold no test sample, of each data set."""
OWN_VALIDATION = {'stb': 'train_val', 'real_hands': 'train', 'rendered': 'train'}
"""Data sets with a split 'validation', and the training split that has nothing of it."""


class Part(Sequence[Sample]):
    """Some samples of a data set.

    Attributes:
        whole: the data set.
        rows: (N,) their positions in it.
    """

    def __init__(self, whole: Any, rows: np.ndarray) -> None:
        self.whole, self.rows = whole, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """Sample `index`, as the data set gives it, errors included."""
        if isinstance(index, slice):
            return [self.whole[int(row)] for row in self.rows[index]]
        return self.whole[int(self.rows[index])]

    def key(self, row: int) -> str:
        """The name of sample `row`, without reading its picture."""
        return str(self.whole.key(int(self.rows[row])))


class Parts(NamedTuple):
    """train: what may be trained on; validation: what is held back, None where there are too few groups for that."""

    train: Part
    validation: Part | None


def open_parts(name: str, root: str, split: str, options: dict[str, Any], kept: KeptPictures | None = None) -> Parts:
    """A training split in two.

    Args:
        name, root, split, options: as `open_dataset`.
        kept: as `open_dataset`, for what is trained on; what is held back is scored on pictures as they are.

    Raises:
        ConfigError: a test or validation split, or an option that the reader does not know.
        DatasetError: as `open_dataset`, or everything is held back.
    """
    split = ALIASES.get(split, split)
    if split not in TRAINING[name] and split in dataset_splits(name):
        wanted = f'one of {", ".join(TRAINING[name])}' if TRAINING[name] else 'another data set; this one only tests'
        raise ConfigError(
            f'data.datasets: split {split!r} of {name} has samples that runs are tested or compared on; give {wanted}'
        )
    if name in OWN_VALIDATION:
        train = _all_of(_open(name, root, OWN_VALIDATION[name], options, kept))
        try:
            return Parts(train, _all_of(_open(name, root, 'validation', options)))
        except EmptySplitError as error:
            tell(f'nothing is held back: {error}')
            return Parts(train, None)
    whole = _open(name, root, split, options)
    back, usable = held_out(whole), _usable(whole)
    if not usable.all():
        left = int((~usable).sum())
        tell(f'{name}: {left} of {len(usable)} samples are left out, fewer than two keypoints are labelled')
    trained = whole if kept is None else _open(name, root, split, options, kept)
    train, validation = Part(trained, np.flatnonzero(~back & usable)), Part(whole, np.flatnonzero(back & usable))
    if not len(train):
        raise DatasetError(f'{name}, split {split!r} of {root}: nothing is left beside what is held back')
    return Parts(train, validation if len(validation) else None)


def open_validation(name: str, root: str, split: str, options: dict[str, Any]) -> Part:
    """What is held back: the data set's own validation split, or a tenth of its training split's groups.

    Raises:
        ConfigError: any other split, a test set above all, or an option that the reader does not know.
        DatasetError: as `open_dataset`, or nothing is held back.
    """
    names = [known for known in TRAINING if known != 'rendered']
    if name not in names:
        hint = ' (the number of rendered hands is validation.rendered)' if name == 'rendered' else ''
        raise ConfigError(f'validation.datasets: name is {name!r}; give one of {", ".join(names)}{hint}')
    if ALIASES.get(split, split) != 'validation' or not TRAINING[name]:
        raise ConfigError(
            f"validation.datasets: split {split!r} of {name}; a run is only looked at on 'validation', which is held "
            'back from training, never on a test set: evaluate_detnet scores on those'
        )
    if name in OWN_VALIDATION:
        return _all_of(_open(name, root, 'validation', options))
    part = open_parts(name, root, TRAINING[name][0], options).validation
    if part is None:
        raise DatasetError(f'{name} of {root}: nothing is held back of so few samples; leave it out')
    return part


def _all_of(whole: Any) -> Part:
    return Part(whole, np.arange(len(whole)))


def _usable(whole: HandDataset) -> np.ndarray:
    """(N,) bool: samples whose labelled keypoints span a box to cut a crop round."""
    points = whole.labels.keypoints_px
    shown = np.isfinite(points).all(axis=2, keepdims=True)
    low, high = np.where(shown, points, np.inf).min(axis=1), np.where(shown, points, -np.inf).max(axis=1)
    return np.asarray((high - low).max(axis=1) > 0)


def _open(name: str, root: str, split: str, options: dict[str, Any], kept: KeptPictures | None = None) -> Any:
    try:
        return open_dataset(name, root, split, kept=kept, **options)
    except (TypeError, OptionError) as error:
        raise ConfigError(f'data.datasets: options of {name}: {error}') from None
