"""What a reader is: a few facts on a data set and the function that scans its labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.index import Index
from minimal_hand_core.data.datasets.tree import Tree


@dataclass(frozen=True)
class Request:
    """What a reader is asked for.

    Attributes:
        root: folder of the data set.
        split: one of the layout's.
        options: the layout's options, all of them.
        partial: go on, with a line in the report, where pictures are missing.
    """

    root: Path
    split: str
    options: Mapping[str, str]
    partial: bool = False


@dataclass(frozen=True)
class Layout:
    """One data set in its native form.

    Attributes:
        name: as `open_dataset` knows it.
        version: raise it when `scan` gives something else for the same files, so that old indices are not used.
        splits: split → published number of samples with default options; None = not published.
        tree: the expected folder.
        scan: reads all labels of a split; may take long.
        stamps: files and folders whose change makes an index stale; cheap.
        options: option → its values, the default first.
        places: where below the folder given the root may be, most likely first: so one folder may hold all data sets,
            as the peers want it.
        markers: what is in the root, to know it by; one of them is enough, as a user may have a part of the set alone.
        read_mask: (grey or colour mask picture, side) → (H, W) bool, where the data set has masks.
    """

    name: str
    version: int
    splits: Mapping[str, int | None]
    tree: Tree
    scan: Callable[[Request], Index]
    stamps: Callable[[Request], Iterable[Path]]
    markers: tuple[str, ...]
    places: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read_mask: Callable[[np.ndarray, str], np.ndarray] | None = None

    def find_root(self, folder: Path) -> Path:
        """The data set's root: `folder` itself or one of the places below it; `folder` when none has a marker."""
        roots = [folder, *(folder / place for place in self.places)]
        return next((root for root in roots if any((root / marker).exists() for marker in self.markers)), folder)
