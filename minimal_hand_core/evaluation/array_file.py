"""Named arrays and what they are, in one `.npz` file: written whole or not at all, read without running code."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.errors import first_line
from minimal_hand_core.files import write_atomically

_META = 'meta'


class ArrayFileError(ValueError):
    """A file cannot be written, or does not hold what is looked for; names the file and says why."""


def save_arrays(path: Path | str, kind: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write arrays; whoever reads the path sees the old file or the new one, never a part.

    Args:
        path: ends in .npz; its folder is made.
        kind: what the file is, checked when it is read.
        arrays: by name, no objects among them.
        meta: whatever JSON can hold.

    Raises:
        ArrayFileError: another kind of path, or it cannot be written (no space, no permission).
    """
    path = Path(path)
    if path.suffix != '.npz':
        raise ArrayFileError(f'{path}: {kind} are written as .npz; give such a name')
    whole: dict[str, Any] = dict(arrays)
    whole[_META] = np.frombuffer(json.dumps({'kind': kind, **meta}).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **whole)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise ArrayFileError(f'{path} cannot be written: {first_line(error)}') from error


def load_arrays(path: Path | str, kind: str, names: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of those names, and the meta data, of a file of `save_arrays`.

    Raises:
        ArrayFileError: no such file, damaged, of another kind, or an array is not there.
    """
    path = Path(path)
    if not path.is_file():
        raise ArrayFileError(f'{path}: {"is a folder" if path.is_dir() else "no such file"}; give a file of {kind}')
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(bytes(stored[_META])) if _META in stored.files else {}
            if not isinstance(meta, dict) or meta.get('kind') != kind:
                raise ArrayFileError(f'{path} is no file of {kind}: it holds {", ".join(stored.files)}')
            missing = [name for name in names if name not in stored.files]
            if missing:
                raise ArrayFileError(f'{path} is no file of {kind}: it lacks {", ".join(missing)}')
            return {name: stored[name] for name in names}, meta
    except ArrayFileError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ArrayFileError(f'{path} is damaged or no file of {kind} ({first_line(error)})') from None
