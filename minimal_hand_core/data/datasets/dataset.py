"""A data set on disk as a sequence of samples: labels in memory, pictures read when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from minimal_hand_core.cache import cache_folder
from minimal_hand_core.data.datasets import cache as index_cache
from minimal_hand_core.data.datasets.index import Index
from minimal_hand_core.data.datasets.kept import KeptPictures
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.tree import DatasetError, present
from minimal_hand_core.data.decoding import load_mask, load_picture
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.hand.skeleton import SIDES

ALIASES = {'training': 'train', 'evaluation': 'test', 'val': 'validation'}
"""Other spellings of splits, as some data sets have them."""


class HandDataset(Sequence[Sample]):
    """Sequence of `Sample`, read from a data set's own files; made by `open_dataset`.

    Attributes:
        name: of the data set.
        root: its folder.
        split: the split.
        labels: the labels of all samples as arrays.
        published: number of samples that this split is known to have with default options; None when not known.
        report: sentences on what was left out or looked odd.
    """

    def __init__(
        self,
        layout: Layout,
        request: Request,
        index: Index,
        masks: bool = False,
        kept: KeptPictures | Path | str | None = None,
    ) -> None:
        self.name, self.root, self.split, self.labels = layout.name, request.root, request.split, index
        usual = all(value == layout.options[name][0] for name, value in request.options.items())
        self.published = layout.splits[request.split] if usual else None
        self.report = tuple(index.report)
        self._read_mask = layout.read_mask if masks else None
        self._kept = KeptPictures(kept) if isinstance(kept, str | Path) else kept
        self._folder = str(request.root)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """Sample `index`, or a list of them for a slice.

        Raises:
            PictureError: the picture cannot be read; the message names it. No other sample is given in its place.
            IndexError: no such sample.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        labels = self.labels
        side = SIDES[labels.sides[row]]
        mask = None
        if self._read_mask is not None and labels.masks is not None:
            mask = self._read_mask(load_mask(self.root / labels.masks[row].decode()), side)
        path, cutout = f'{self._folder}/{labels.files[row].decode()}', None
        if self._kept is None:
            image = load_picture(path)
        else:
            points = (labels.keypoints_px if labels.extents_px is None else labels.extents_px)[row]
            image, cutout = self._kept.load(path, points[np.isfinite(points).all(axis=1)])
        sample = Sample(
            image=image,
            keypoints_px=labels.keypoints_px[row].astype(np.float64),
            keypoints_m=None if labels.keypoints_m is None else labels.keypoints_m[row].astype(np.float64),
            visible=labels.visible[row].copy(),
            intrinsics=self._intrinsics(row),
            side=side,
            key=self.key(row),
            mask=mask,
            extent_px=None if labels.extents_px is None else labels.extents_px[row].astype(np.float64),
        )
        return sample if cutout is None else cutout.apply(sample, image)

    def key(self, row: int) -> str:
        """The name of sample `row`, without reading its picture."""
        keys = self.labels.files if self.labels.keys is None else self.labels.keys
        return str(keys[row].decode())

    def group(self, row: int) -> str:
        """The group of sample `row`: near copies, or pictures of one sequence, share one."""
        groups = self.labels.files if self.labels.groups is None else self.labels.groups
        return str(groups[row].decode())

    def _intrinsics(self, row: int) -> np.ndarray | None:
        all_of_them = self.labels.intrinsics
        if all_of_them is None:
            return None
        one = all_of_them[row if len(all_of_them) > 1 else 0]
        return one.copy() if np.isfinite(one).all() else None


def choose(what: str, value: str, choices: Sequence[str]) -> str:
    """`value`, which must be one of the choices.

    Raises:
        DatasetError: it is not; the message lists them.
    """
    if value not in choices:
        raise DatasetError(f'{what} is {value!r}; choose one of {", ".join(choices)}')
    return value


def open_layout(
    layout: Layout,
    root: Path | str,
    split: str,
    *,
    cache: Path | str | bool = True,
    partial: bool = False,
    masks: bool = False,
    kept: KeptPictures | Path | str | None = None,
    **options: str,
) -> HandDataset:
    """Index a data set, or find its index again, and check it against the pictures that are there.

    Args:
        layout: which data set.
        root, split, cache, partial, masks, kept, options: as `open_dataset`.

    Raises:
        DatasetError: as `open_dataset`.
    """
    root = Path(root).expanduser()
    split = choose(f'{layout.name}: split', ALIASES.get(split, split), tuple(layout.splits))
    for name, value in options.items():
        choose(f'{layout.name}: option', name, tuple(layout.options))
        choose(f'{layout.name}: {name}', value, layout.options[name])
    if masks and layout.read_mask is None:
        raise DatasetError(f'{layout.name} has no masks; leave masks=True away')
    root = layout.find_root(layout.tree.folder(root))
    chosen = {name: options.get(name, values[0]) for name, values in layout.options.items()}
    request = Request(root, split, chosen, partial)
    index = _index(layout, request, cache)
    if masks and index.masks is None:
        raise DatasetError(f'{layout.name} has no masks in split {split!r}; leave masks=True away')
    index = _with_pictures(layout, root, index, partial, masks)
    if not len(index):
        raise DatasetError(f'{layout.name}: no sample in split {split!r} of {root}')
    return HandDataset(layout, request, index, masks, kept)


def _index(layout: Layout, request: Request, cache: Path | str | bool) -> Index:
    identity = {
        'name': layout.name,
        'version': layout.version,
        'split': request.split,
        'root': str(request.root.resolve()),
        'options': dict(request.options),
        'partial': request.partial,
    }
    # Taken before the scan: what changes while it runs makes the index stale.
    stamp = index_cache.fingerprint(request.root, layout.stamps(request)) if cache is not False else ''
    folder = cache_folder('datasets') if cache is True else Path(cache or '.').expanduser()
    path = index_cache.cache_path(folder, identity)
    if cache is not False:
        index = index_cache.load(path, identity, stamp)
        if index is not None:
            return index
    index = layout.scan(request)
    index.check(layout.name)
    if cache is not False:
        index_cache.store(path, index, identity, stamp)
    return index


def _with_pictures(layout: Layout, root: Path, index: Index, partial: bool, masks: bool) -> Index:
    """The samples whose pictures are there. It is looked up at each start: unpacking may have gone on since."""
    wanted = [index.files] + ([index.masks] if masks and index.masks is not None else [])
    there = np.ones(len(index), bool)
    for files in wanted:
        found = present(root, (file.decode() for file in files))
        if not partial and not found.all():
            first = files[np.argmin(found)].decode()
            count = int((~found).sum())
            raise layout.tree.missing(
                root / first,
                f'{count} of {len(files)} pictures of this split are not there: unpack the rest, or give '
                'partial=True to go on without them',
            )
        there &= found
    if there.all():
        return index
    index = index.take(there)
    index.report.append(f'{int((~there).sum())} of {len(there)} samples left out: their pictures are not there')
    return index
