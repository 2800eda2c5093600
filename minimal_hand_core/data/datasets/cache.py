"""Keeping an index on disk: found again only while nothing it was made from has changed.

One `.npz` per data set, split, root and options. It holds the arrays and, under `meta`, JSON bytes: who made it, of
what, and the report. One file, so that it is replaced in one step and can never be half new. No pickle is involved.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.data.datasets.index import Index
from minimal_hand_core.data.datasets.tree import DatasetError
from minimal_hand_core.files import write_atomically

FORMAT = 1
"""Raise it when the layout of the cache file changes; each reader has a version of its own besides."""
_log = logging.getLogger(__name__)


def fingerprint(root: Path, paths: Iterable[Path]) -> str:
    """SHA-256 of name, size and time of change of each path; a folder stands for the names in it, not their contents.

    Args:
        root: names are taken relative to it.
        paths: files and folders; one that is missing counts as such.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            facts = f'{status.st_size} {status.st_mtime_ns}'
        except OSError:
            facts = 'missing'
        digest.update(f'{os.path.relpath(path, root)} {facts}\n'.encode())
    return digest.hexdigest()


def cache_path(folder: Path, identity: dict[str, Any]) -> Path:
    """Where the index of this data set, split, root and options lies."""
    text = json.dumps(identity, sort_keys=True)
    return folder / f'{identity["name"]}-{identity["split"]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz'


def load(path: Path, identity: dict[str, Any], stamp: str) -> Index | None:
    """The stored index; None when there is none, it is stale, or it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(bytes(stored['meta']))
            if meta['format'] != FORMAT or meta['identity'] != identity or meta['stamp'] != stamp:
                return None
            arrays = {name: stored[name] for name in stored.files if name != 'meta'}
        index = Index.from_arrays(arrays, [str(line) for line in meta['report']])
        index.check(identity['name'])
        return index
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, DatasetError) as error:
        _log.warning('%s is damaged and made again: %s', path, error)
        return None


def store(path: Path, index: Index, identity: dict[str, Any], stamp: str) -> None:
    """Write the index in one step. A folder that cannot be written to costs time at the next start, nothing else."""
    meta = {'format': FORMAT, 'identity': identity, 'stamp': stamp, 'report': index.report}
    arrays: dict[str, Any] = {**index.arrays(), 'meta': np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    content = io.BytesIO()
    np.savez(content, **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())
    except OSError as error:
        _log.warning('%s could not be written (%s); the data set will be scanned again next time', path, error.strerror)
