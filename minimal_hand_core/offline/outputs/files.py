"""Files that are written whole or not at all, piece by piece."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` once all went well and goes away otherwise.

    Raises:
        OSError: no space or no permission.
    """
    part = path.with_name(f'.{path.name}.part')
    try:
        with open(part, 'w+b') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def copy_into(file: IO[bytes], source: Path) -> None:
    """Append a file to an open one."""
    with source.open('rb') as other:
        shutil.copyfileobj(other, file, 1 << 20)


def to_disk(path: Path) -> None:
    """Have what was written to a file lie on the disk.

    Raises:
        OSError: it does not, or there is no such file.
    """
    with path.open('rb') as file:
        os.fsync(file.fileno())
