"""All data sets by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from minimal_hand_core.data.datasets.dataset import ALIASES, choose, open_layout
from minimal_hand_core.data.datasets.kept import KeptPictures
from minimal_hand_core.data.datasets.tree import OptionError
from minimal_hand_core.data.sample import Sample

_PACKAGE = 'minimal_hand_core.data.datasets'
_MODULES = {
    'cmu_panoptic': 'cmu_panoptic',
    'cmu_hand_labels': 'cmu_hand_labels',
    'rhd': 'rhd',
    'ganerated': 'ganerated',
    'stb': 'stb',
    'dexter_object': 'dexter_object',
    'ego_dexter': 'ego_dexter',
    'freihand': 'freihand',
}
DATASETS = (*_MODULES, 'real_hands', 'rendered')
"""Names that `open_dataset` knows."""


def dataset_splits(name: str) -> tuple[str, ...]:
    """The splits of a data set.

    Raises:
        DatasetError: no such data set.
    """
    choose('data set', name, DATASETS)
    if name in _MODULES:
        return tuple(_layout(name).splits)
    return tuple(import_module(f'{_PACKAGE}.{name}').SPLITS)


def reader_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a reader, as it takes them: numbers that are given as text become numbers.

    Args:
        name: one of `DATASETS`.
        options: of its reader, none of those that all readers have, such as `partial`.

    Raises:
        OptionError: one that the reader does not have (the message lists what there is), or a value it cannot take.
        DatasetError: no such data set.
    """
    choose('data set', name, DATASETS)
    module = None if name in _MODULES else import_module(f'{_PACKAGE}.{name}')
    known = _layout(name).options if module is None else module.OPTIONS
    read = dict(options)
    for option, value in options.items():
        if option not in known:
            there = f'choose one of {", ".join(known)}' if known else 'there is none'
            raise OptionError(f'{name}: option is {option!r}; {there}')
        if module is not None:
            try:
                read[option] = known[option](value)
            except OptionError as error:
                raise OptionError(f'{name}: {option} {error}') from None
        elif value not in known[option]:
            raise OptionError(f'{name}: {option} is {value!r}; choose one of {", ".join(known[option])}')
    return read


def open_dataset(
    name: str,
    root: Path | str | None,
    split: str,
    *,
    cache: Path | str | bool = True,
    partial: bool = False,
    masks: bool = False,
    kept: KeptPictures | Path | str | None = None,
    **options: Any,
) -> Sequence[Sample]:
    """A data set in its native layout as a sequence of samples in one form.

    Keypoints are in canonical order (wrist, then thumb … little, base → tip), metres in the frame of the camera that
    took `image`, pixels of `image`. Hands are as the picture shows them, left or right: nothing is mirrored here.
    Labels are read once and kept in an index; pictures are read when a sample is asked for.

    Args:
        name: one of `DATASETS`.
        root: its folder, as each reader's module describes, or the folder that holds all data sets as the peers lay
            them out (`RHD/RHD_published_v2`, `CMU/hand_labels`, …); for 'rendered' one of background photos, or None.
        split: one of `dataset_splits(name)`; 'training', 'evaluation' and 'val' are understood too.
        cache: True keeps the index in the user's cache folder (`minimal_hand_core.cache`), a path keeps it there, False
            scans anew. The data folder itself is never written to unless it is the path given.
        partial: go on when pictures are missing; how many were left out stands in `report`.
        masks: read each sample's mask too, where the data set has them.
        kept: folder where pictures are kept cut round the hand and quick to decode, for training that sees them again
            and again; `image` is then that part of the picture, with labels and intrinsics in its pixels. How large a
            part, a KeptPictures says. None, and for 'real_hands' and 'rendered': pictures as they are.
        options: of the reader, see its module, such as `hands='both'` for RHD.

    Returns:
        a `HandDataset`; for 'real_hands' a `RealHands`, for 'rendered' a `SyntheticHands`, without index and report.

    Raises:
        DatasetError: unknown name, split or option (the message lists what there is), a missing or malformed file (the
            message names it and shows the expected tree), labels that are not numbers, or no sample at all.
    """
    choose('data set', name, DATASETS)
    split = ALIASES.get(split, split)
    if name == 'rendered':
        from minimal_hand_core.data.datasets.rendered import open_rendered

        return open_rendered(root, split, **reader_options(name, options))
    if root is None:
        raise ValueError(f'root of {name} is None; give the folder it is unpacked in')
    if name == 'real_hands':
        from minimal_hand_core.data.datasets.real_hands import RealHands

        return RealHands(root, split, partial=partial, **reader_options(name, options))
    return open_layout(_layout(name), root, split, cache=cache, partial=partial, masks=masks, kept=kept, **options)


def _layout(name: str) -> Any:
    return import_module(f'{_PACKAGE}.{_MODULES[name]}').LAYOUT
