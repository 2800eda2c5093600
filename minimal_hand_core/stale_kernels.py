"""Compiled kernels that are older than a kernel they may have taken in.

numba keeps what it compiled beside the source (`__pycache__/*.nbi`) and compiles anew when that one file changes. But
kernels take in kernels of other files, and nothing tells numba of those: after an update of a source install, old
machine code would go on running.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_INDEX = '.nbi'
_FUTURE = 60.0
"""Seconds; a source that is changed later than that from now is of a clock that went wrong."""


def drop_stale_kernels(package: Path) -> list[Path]:
    """Remove every compiled kernel of a package that is older than the source of any of its kernels.

    Has to be called before kernels are loaded. Whoever compiles at the same time is not disturbed, and where nothing
    may be removed, as in an install for all users, nothing is.

    Args:
        package: its folder; kernels are compiled in it and in folders below.

    Returns:
        what was removed.
    """
    indexes = [Path(entry) for folder in _folders(package) for entry in _indexes(folder)]
    sources = {index.parent.parent / f'{index.name.split(".")[0]}.py' for index in indexes}
    # numba names an index after the module and the function: 'shading.shade-31.py311.nbi'
    times = [source.stat().st_mtime for source in sources if source.is_file()]
    newest = max((changed for changed in times if changed < time.time() + _FUTURE), default=0.0)
    removed = []
    for index in indexes:
        try:
            if index.stat().st_mtime < newest:
                index.unlink()
                removed.append(index)
        except OSError:  # another process did, or it is not ours to remove
            continue
    return removed


def _folders(package: Path) -> list[str]:
    return [folder for folder, _, _ in os.walk(package) if folder.endswith('__pycache__')]


def _indexes(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.path for entry in entries if entry.name.endswith(_INDEX)]
