"""What is known of all samples of a data set before any picture is read: plain arrays, one row per sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from minimal_hand_core.data.datasets.tree import DatasetError
from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS, SIDES


@dataclass
class Index:
    """Labels of N samples.

    Attributes:
        files: (N,) bytes, pictures, relative to the root, with '/'.
        keypoints_px: (N, 21, 2) float32 pixels of the picture, NaN = not labelled.
        visible: (N, 21) bool, as `Sample.visible`.
        sides: (N,) uint8, positions in SIDES.
        keypoints_m: (N, 21, 3) float32 metres, camera frame, NaN = not labelled; None without 3D.
        intrinsics: (N, 3, 3) or, one for all, (1, 3, 3) float64; NaN = not known; None without.
        keys: (N,) bytes, names of the samples; None: `files`.
        groups: (N,) bytes, samples that must not be torn apart by a split; None: `files`.
        masks: (N,) bytes, mask pictures, relative to the root; None without.
        extents_px: (N, n, 2) float32, as `Sample.extent_px`; None without.
        extra: more arrays with N rows, as the data set has them.
        report: sentences on what was left out or looked odd.
    """

    files: np.ndarray
    keypoints_px: np.ndarray
    visible: np.ndarray
    sides: np.ndarray
    keypoints_m: np.ndarray | None = None
    intrinsics: np.ndarray | None = None
    keys: np.ndarray | None = None
    groups: np.ndarray | None = None
    masks: np.ndarray | None = None
    extents_px: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keypoints_px = np.asarray(self.keypoints_px, np.float32)
        self.visible = np.asarray(self.visible, bool)
        self.sides = np.asarray(self.sides, np.uint8)
        if self.keypoints_m is not None:
            self.keypoints_m = np.asarray(self.keypoints_m, np.float32)
        if self.intrinsics is not None:
            self.intrinsics = np.asarray(self.intrinsics, np.float64).reshape(-1, 3, 3)

    def __len__(self) -> int:
        return len(self.files)

    def check(self, name: str) -> None:
        """Raise DatasetError unless all rows fit together and every visible keypoint has finite labels."""
        count = len(self.files)
        shapes = {
            'keypoints_px': (self.keypoints_px, (count, NUM_KEYPOINTS, 2)),
            'visible': (self.visible, (count, NUM_KEYPOINTS)),
            'sides': (self.sides, (count,)),
            'keypoints_m': (self.keypoints_m, (count, NUM_KEYPOINTS, 3)),
        }
        for what, (value, shape) in shapes.items():
            if value is not None and value.shape != shape:
                raise DatasetError(f'{name}: {what} is {value.shape}, expected {shape} for {count} pictures')
        for what, value in self._rows().items():
            if len(value) != count and not (what == 'intrinsics' and len(value) == 1):
                raise DatasetError(f'{name}: {len(value)} {what} for {count} pictures')
        for what, value in (('2D', self.keypoints_px), ('3D', self.keypoints_m)):
            if value is None:
                continue
            bad = self.visible & ~np.isfinite(value).all(axis=2)
            if bad.any():
                row, joint = np.argwhere(bad)[0]
                raise DatasetError(
                    f'{name}: the {what} label of keypoint {joint} of {self.files[row].decode()} is not a number, '
                    f'and so in {int(bad.any(axis=1).sum())} of {count} samples; get the annotations again'
                )

    def take(self, rows: np.ndarray) -> Index:
        """The same with these rows only: positions, or (N,) bool."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in self._rows().items():
            if not (name == 'intrinsics' and len(value) == 1):
                values[name] = value[rows]
        values['extra'] = {name: value[rows] for name, value in self.extra.items()}
        return Index(**values)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the report, under names that `from_arrays` knows."""
        return self._rows() | {f'extra.{name}': value for name, value in self.extra.items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], report: list[str]) -> Index:
        """The inverse of `arrays`.

        Raises:
            TypeError: a name that is not known, or one that is missing.
        """
        extra = {name[6:]: value for name, value in arrays.items() if name.startswith('extra.')}
        rows: dict[str, Any] = {name: value for name, value in arrays.items() if not name.startswith('extra.')}
        return cls(**rows, extra=extra, report=report)

    def _rows(self) -> dict[str, np.ndarray]:
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ('extra', 'report')}
        return {name: value for name, value in values.items() if value is not None}


def as_bytes(texts: Iterable[str]) -> np.ndarray:
    """(N,) UTF-8 bytes of fixed width: a quarter of the memory of text, and shared between worker processes."""
    return np.array([text.encode() for text in texts], dtype=np.bytes_)


def side_codes(sides: Iterable[str]) -> np.ndarray:
    """Names of sides → (N,) uint8 positions in SIDES."""
    return np.array([SIDES.index(side) for side in sides], np.uint8)


def one_side(side: str, count: int) -> np.ndarray:
    """(count,) uint8: everybody has this side."""
    return np.full(count, SIDES.index(side), np.uint8)
