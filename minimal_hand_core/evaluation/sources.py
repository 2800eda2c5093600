"""Which data sets to score: from the command line, or from a file."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from minimal_hand_core.data import DatasetError, dataset_splits, open_dataset
from minimal_hand_core.data.datasets.dataset import ALIASES
from minimal_hand_core.data.datasets.registry import reader_options
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.errors import one_line
from minimal_hand_core.tracking.picture import PictureError

ROOTLESS = 'rendered'
_TOO_MANY = 1 << 32


@dataclass(frozen=True)
class Source:
    """One data set to be scored.

    Attributes:
        dataset, split: as `open_dataset` knows them.
        root: its folder; None for rendered hands without background photos.
        options: of the reader.
        limit: only this many hands, evenly spread; None for all.
    """

    dataset: str
    root: str | None = None
    split: str = 'test'
    options: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None

    def open(self, crop: str, partial: bool) -> Sequence[Sample]:
        """Its samples.

        Raises:
            DatasetError: it cannot be read, or an option is none of its reader's; the message says what is missing.
        """
        if self.dataset != ROOTLESS and self.root is None:
            raise DatasetError(f'{self.dataset} needs its folder: give --root, or root: in the file of data sets')
        options: dict[str, Any] = reader_options(self.dataset, self.options)
        if self.dataset == 'rhd' and crop == 'peer':
            options['masks'] = True
        samples = open_dataset(self.dataset, self.root, self.split, partial=partial, **options)
        if self.limit is None or self.limit >= len(samples):
            if len(samples) > _TOO_MANY:
                raise DatasetError(f'{self.dataset}: split {self.split!r} has no end; give --limit or another split')
            return samples
        return _Some(samples, self.limit)

    def origin_options(self) -> dict[str, str]:
        """What makes its hands others than those of the whole split with default options."""
        limit = {} if self.limit is None else {'limit': str(self.limit)}
        return {**self.options, **self._behind(), **limit}

    def _behind(self) -> dict[str, str]:
        """Rendered hands before photos are others than those before made-up backgrounds."""
        if self.dataset != ROOTLESS or self.root is None:
            return {}
        return {'backgrounds': Path(self.root).expanduser().resolve().name}


class _Some(Sequence[Sample]):
    """A few samples, evenly spread."""

    def __init__(self, samples: Sequence[Sample], count: int) -> None:
        self._samples: Any = samples
        self._rows = [len(samples) * i // count for i in range(count)]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._samples[self._rows[index]]

    def __iter__(self) -> Iterator[Sample]:
        return (self._samples[row] for row in self._rows)

    def key(self, row: int) -> str:
        """The name of a sample, without reading its picture."""
        return str(self._samples.key(self._rows[row]))


def sources(options: argparse.Namespace) -> list[Source]:
    """The data sets that the options name.

    Raises:
        DatasetError: an unreadable file of data sets, an option without '=', or roots that do not pair with data sets.
    """
    found = [] if options.datasets is None else read_sources(options.datasets)
    chosen = dict(_assignment(text) for text in options.set)
    rooted = [name for name in options.dataset if name != ROOTLESS]
    roots = list(options.root)
    if roots and not rooted:
        raise DatasetError(
            '--root is given, but no data set that needs one; photos behind rendered hands are --backgrounds'
            if ROOTLESS in options.dataset
            else '--root is given without --dataset'
        )
    if len(roots) == 1:
        roots *= len(rooted)
    if len(roots) != len(rooted):
        raise DatasetError(
            f'{len(roots)} --root for {len(rooted)} data sets that need one ({", ".join(rooted) or "none"}); '
            'give one for each, in order, or one that holds them all'
        )
    pairs = iter(roots)
    for name in options.dataset:
        root = options.backgrounds if name == ROOTLESS else next(pairs)
        found.append(Source(name, root, ALIASES.get(options.split, options.split), chosen))
    if options.limit is not None:
        found = [replace(source, limit=options.limit) for source in found]
    return found


def read_sources(path: Path) -> list[Source]:
    """Data sets of a YAML file: a list of `{dataset: rhd, root: ~/data/RHD, split: test, options: {hands: main}}`.

    Raises:
        DatasetError: no such file, no YAML, or an entry that is not understood; the message names it.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetError(f'{path} cannot be read: {one_line(error)}') from None
    if not isinstance(content, list) or not content:
        raise DatasetError(f'{path}: expected a list of data sets, such as "- {{dataset: rhd, root: ~/data/RHD}}"')
    found = []
    for number, entry in enumerate(content, 1):
        where = f'{path}, data set {number}'
        if not isinstance(entry, dict) or not isinstance(entry.get('dataset'), str):
            raise DatasetError(f'{where}: expected dataset: NAME, and root:, split:, options: as needed')
        unknown = set(entry) - {'dataset', 'root', 'split', 'options'}
        if unknown:
            raise DatasetError(f'{where}: {sorted(unknown)[0]!r} is not known; choose of dataset, root, split, options')
        options = entry.get('options') or {}
        if not isinstance(options, dict):
            raise DatasetError(f'{where}: options are {options!r}; expected {{option: value}}')
        dataset_splits(entry['dataset'])  # which knows all names
        root = entry.get('root')
        split = str(entry.get('split', 'test'))
        texts = {str(name): str(value) for name, value in options.items()}
        found.append(Source(entry['dataset'], None if root is None else str(root), ALIASES.get(split, split), texts))
    return found


def fingerprint(samples: Sequence[Sample], partial: bool = False) -> str:
    """What three samples look like, pictures and labels: 16 hexadecimal digits that change when the data do.

    Args:
        samples: at least one.
        partial: a picture may be unreadable.

    Raises:
        PictureError: one is, and must not be.
    """
    digest = hashlib.sha256()
    for row in sorted({0, len(samples) // 2, len(samples) - 1}):
        try:
            sample = samples[row]
        except PictureError:
            if not partial:
                raise
            continue
        joints = np.zeros(0) if sample.keypoints_m is None else sample.keypoints_m
        for part in (sample.image, sample.keypoints_px.astype(np.float32), joints.astype(np.float32)):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition('=')
    if not equals or not name:
        raise DatasetError(f'--set {text}: expected OPTION=VALUE, such as hands=both')
    return name, value
