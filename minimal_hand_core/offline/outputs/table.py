"""The table of results as NPZ and as CSV."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.evaluation.array_file import load_arrays, save_arrays
from minimal_hand_core.files import write_atomically
from minimal_hand_core.hand.skeleton import JOINT_NAMES, KEYPOINT_NAMES
from minimal_hand_core.offline.outputs.columns import COLUMNS, KIND, TRIANGLE, arrays, rows
from minimal_hand_core.offline.outputs.files import copy_into, replacing
from minimal_hand_core.offline.outputs.output import Output
from minimal_hand_core.offline.tracking import TrackedFrame
from minimal_hand_core.pose import ANGLE_NAMES

NPZ, CSV = '.npz', '.csv'
_NAMES = {'keypoint_names': KEYPOINT_NAMES, 'angle_names': ANGLE_NAMES, 'joint_names': JOINT_NAMES}


class TableOutput(Output):
    """hands.npz and hands.csv; the parts in NPZ are always made, since others work from them.

    Args:
        npz, csv: which of the two files are made.
        about: goes into the NPZ file: the settings.
    """

    def __init__(self, npz: bool, csv: bool, about: dict[str, Any]) -> None:
        self._npz, self._csv, self._about = npz, csv, about
        self._rows: list[dict[str, Any]] = []

    def begin(self, part: Path) -> None:
        """As Output says."""
        self._part, self._rows = part, []

    def add(self, tracked: TrackedFrame) -> None:
        """As Output says."""
        self._rows += rows(tracked)

    def end(self) -> None:
        """As Output says."""
        columns = arrays(self._rows)
        if self._csv:
            write_atomically(_end(self._part, CSV), csv_lines(columns).encode())
        save_arrays(_end(self._part, NPZ), KIND, columns, {})

    def join(self, parts: Sequence[Path], folder: Path) -> list[Path]:
        """As Output says."""
        made = []
        if self._npz:
            made.append(folder / f'hands{NPZ}')
            join_arrays([_end(part, NPZ) for part in parts], made[-1], self._about)
        if self._csv:
            made.append(folder / f'hands{CSV}')
            with replacing(made[-1]) as file:
                file.write((','.join(name for column in COLUMNS.values() for name in column.names) + '\n').encode())
                for part in parts:
                    copy_into(file, _end(part, CSV))
        return made


def load_part(part: Path) -> dict[str, np.ndarray]:
    """The columns of a part.

    Raises:
        ArrayFileError: it is not there, or damaged.
    """
    return load_arrays(_end(part, NPZ), KIND, list(COLUMNS))[0]


def csv_lines(columns: dict[str, np.ndarray]) -> str:
    """The rows as text, seven digits, the wrist's nine; what is NaN is left empty, yes and no are 1 and 0."""
    blocks: list[list[list[str]]] = []
    for name, column in COLUMNS.items():
        values = columns[name]
        if column.shape == (6, 6):
            values = values[:, TRIANGLE[0], TRIANGLE[1]]
        flat = values.reshape(len(values), len(column.names)).tolist()
        write = _writer(column.dtype)
        blocks.append([[write(value) for value in row] for row in flat])
    return ''.join(','.join(cell for block in blocks for cell in block[i]) + '\n' for i in range(len(blocks[0])))


def join_arrays(parts: Sequence[Path], path: Path, about: dict[str, Any]) -> None:
    """Parts → one NPZ file of the same columns, and the names of keypoints, angles and joints.

    One part and column at a time, so that hours of video need no more memory than seconds.
    """
    counts = [len(load_arrays(part, KIND, ['picture'])[0]['picture']) for part in parts]
    meta = np.frombuffer(json.dumps({'kind': KIND, **about}).encode(), np.uint8)
    with replacing(path) as file, zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, column in COLUMNS.items():
            head = {
                'descr': column.dtype.replace('?', '|b1'),
                'fortran_order': False,
                'shape': (sum(counts), *column.shape),
            }
            with archive.open(_entry(name), 'w', force_zip64=True) as entry:
                buffer = io.BytesIO()
                np.lib.format.write_array_header_1_0(buffer, head)
                entry.write(buffer.getvalue())
                for part in parts:
                    entry.write(np.ascontiguousarray(load_arrays(part, KIND, [name])[0][name]).tobytes())
        for name, value in {'meta': meta, **{name: np.array(names) for name, names in _NAMES.items()}}.items():
            buffer = io.BytesIO()
            np.save(buffer, value)
            archive.writestr(_entry(name), buffer.getvalue())


def _entry(name: str) -> zipfile.ZipInfo:
    """Without the time of day: the same results are the same file."""
    return zipfile.ZipInfo(f'{name}.npy')


def _end(part: Path, suffix: str) -> Path:
    return part.with_name(part.name + suffix)


def _writer(dtype: str) -> Callable[[Any], str]:
    if 'f' in dtype:
        pattern = '%.9g' if dtype == '<f8' else '%.7g'
        return lambda value: '' if value != value else pattern % value
    return (lambda value: '1' if value else '0') if dtype == '?' else str
