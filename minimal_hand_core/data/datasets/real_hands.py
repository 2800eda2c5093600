"""Reader of a folder of real hand crops with pseudo labels (`labels.json` beside `images/`).

The labels are a list of records, one per hand, as in the folder's own README: `file`, `source`, `tier` (A or B),
`keypoints_px` 21×2, `world_m` 21×3 (metres, root-relative, scale not true), `near_dup_group`, `side` (right, left or
null). A folder of one's own needs `file` and `keypoints_px` alone: source 'photos', tier A, each file a group, unknown
side, no 3D. They come from another detector (MediaPipe Hands), not from people, so they carry a low weight where that
detector was unsure, and their 3D is weaker still: its proportions are wrong in the sources that were stretched to
squares.

Source and licences: five permissively licensed repositories, named with their makers in the folder's ATTRIBUTION.md.
5,611 crops; splits `train` (5,046), `validation` (565: a tenth of the near-duplicate groups) and `all`. No intrinsics;
`keypoints_m` is root-relative with the middle MCP at the origin, or None without `world_m`. All 21 keypoints count as
`visible`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.data.datasets.dataset import choose
from minimal_hand_core.data.datasets.holdout import is_held_out
from minimal_hand_core.data.datasets.tree import DatasetError, OptionError, Tree, present
from minimal_hand_core.data.decoding import load_picture
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_KEYPOINTS

STRETCHED_SOURCES = frozenset({'lebanese', 'asl_letters'})
_TIER_WEIGHT = {'A': 1.0, 'B': 0.5}
_WEIGHT_3D = 0.3
SPLITS = ('train', 'validation', 'all')
_DEFAULTS = {'source': 'photos', 'tier': 'A', 'side': None, 'world_m': None}
TREE = Tree(
    'A folder of labelled photos',
    """
real_hands/                    <- root
    labels.json
    images/SOURCE/*.jpg
""",
)


def _tiers(value: Any) -> str:
    if not isinstance(value, str | list | tuple) or not value or not all(tier in _TIER_WEIGHT for tier in value):
        raise OptionError(f'is {value!r}; give one or several of {"".join(_TIER_WEIGHT)}')
    return ''.join(value)


def _leave_out(value: Any) -> Sequence[str]:
    names = value.split(',') if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise OptionError(f'is {value!r}; give names of sources with commas between them, or a list of names')
    return names


OPTIONS: dict[str, Callable[[Any], Any]] = {'tiers': _tiers, 'leave_out': _leave_out}
"""Option → what makes its value of what was given, which may be text."""


class EmptySplitError(DatasetError):
    """The folder can be read, but nothing in it is of what was asked for."""


class RealHands(Sequence[Sample]):
    """Sequence of `Sample`; pictures are read when asked for.

    Args:
        root: folder that holds `labels.json` and the pictures it names.
        split: 'train', 'validation' (a tenth, by near-duplicate group) or 'all'.
        tiers: label grades to keep.
        leave_out: names of sources to drop.
        partial: go on without pictures that are not there; how many stands in `report`.

    Raises:
        DatasetError: no such folder, a missing picture, a missing or malformed `labels.json`, an unknown split, or
            nothing left (EmptySplitError).
    """

    def __init__(
        self,
        root: Path | str,
        split: str = 'train',
        *,
        tiers: str = 'AB',
        leave_out: Sequence[str] = (),
        partial: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.split = split
        self.report: list[str] = []
        choose('real_hands: split', split, SPLITS)
        self.records = [
            record
            for record in _read_labels(self.root)
            if record['tier'] in tiers
            and record['source'] not in leave_out
            and (split == 'all' or is_held_out(record['near_dup_group']) == (split == 'validation'))
        ]
        there = present(self.root, (record['file'] for record in self.records))
        if not there.all():
            first = self.records[int(np.argmin(there))]['file']
            note = f'{int((~there).sum())} of {len(there)} pictures are not there'
            if not partial:
                raise TREE.missing(self.root / first, f'{note}; give partial=True to go on without them')
            self.records = [record for record, found in zip(self.records, there) if found]
            self.report.append(f'{note} and left out')
        if not self.records:
            raise EmptySplitError(f'{self.root}: no picture in split {split!r} with tier in {tiers!r}')

    def __len__(self) -> int:
        return len(self.records)

    def key(self, row: int) -> str:
        """The name of sample `row`, without reading its picture."""
        return str(self.records[row]['key'])

    def group(self, row: int) -> str:
        """The near-duplicate group of sample `row`."""
        return str(self.records[row]['near_dup_group'])

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        """Sample `index`.

        Raises:
            PictureError: the picture cannot be read; the message names it.
            DatasetError: the hand lies wholly beyond its picture.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        record = self.records[index]
        image = load_picture(self.root / record['file'])
        height, width = image.shape[:2]
        points = np.asarray(record['keypoints_px'], np.float64)
        if not ((points > -0.5) & (points < (width - 0.5, height - 0.5))).all(axis=1).any():
            raise DatasetError(
                f'{self.root / "labels.json"}: keypoints_px of {record["key"]} all lie beyond its picture of '
                f'{width}×{height} pixels; give x right and y down in pixels of the file'
            )
        world = None if record['world_m'] is None else np.asarray(record['world_m'], np.float64)
        known_3d = world is not None and record['source'] not in STRETCHED_SOURCES
        return Sample(
            image=image,
            keypoints_px=points,
            keypoints_m=None if world is None else world - world[MIDDLE_MCP],
            visible=np.ones(NUM_KEYPOINTS, bool),
            intrinsics=None,
            side=record['side'],
            key=record['key'],
            weight=_TIER_WEIGHT[record['tier']],
            weight_3d=_WEIGHT_3D * _TIER_WEIGHT[record['tier']] if known_3d else 0.0,
        )


def _read_labels(root: Path) -> list[dict[str, Any]]:
    path = root / 'labels.json'
    records = TREE.read_json(path)
    if not isinstance(records, list):
        raise DatasetError(f'{path} holds a {type(records).__name__}; expected a list of records')
    records = [_checked(record, f'{path}, record {i}') for i, record in enumerate(records)]
    # One picture may show several hands.
    times: Counter[str] = Counter()
    for record in records:
        file = record['file']
        times[file] += 1
        record['key'] = file if times[file] == 1 else f'{file}#{times[file]}'
    return records


def _checked(record: Any, where: str) -> dict[str, Any]:
    """The record with what it leaves out."""
    if not isinstance(record, dict):
        raise DatasetError(f'{where} is a {type(record).__name__}; expected an object')
    record = {**_DEFAULTS, 'near_dup_group': record.get('file'), **record}
    for field, shape in (('keypoints_px', (21, 2)), ('world_m', (21, 3))):
        if field == 'world_m' and record[field] is None:
            continue
        try:
            values = np.asarray(record.get(field), np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != shape or not np.isfinite(values).all():
            raise DatasetError(f'{where}: {field} must be {shape[0]}×{shape[1]} finite numbers')
    for field in ('file', 'source', 'near_dup_group'):
        if not isinstance(record.get(field), str):
            raise DatasetError(f'{where}: {field} must be a text, found {record.get(field)!r}')
    if record['tier'] not in _TIER_WEIGHT:
        raise DatasetError(f'{where}: tier is {record["tier"]!r}; expected A or B')
    if record['side'] not in ('right', 'left', None):
        raise DatasetError(f'{where}: side is {record["side"]!r}; expected right, left or null')
    return record
