"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path


def file_in_the_way(folder: Path) -> Path | None:
    """The folder or the one of those it is in that is a file, so that the folder cannot be made; None where none is."""
    for place in (folder, *folder.parents):
        if place.exists():
            return None if place.is_dir() else place
    return None


def write_atomically(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Write a file by way of another one beside it, so that it is never there in part.

    Args:
        path: of the file.
        content: all of it.
        synced: wait until the disk has it, so that a power cut leaves no empty file; not worth it for what can be made
            again and is checked when it is read.

    Raises:
        OSError: no space or no permission; it names `path`.
    """
    # not of the module tempfile, whose files nobody else may read
    part = path.with_name(f'.{path.name}.{uuid.uuid4().hex}.part')
    try:
        with open(part, 'wb') as file:
            file.write(content)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # who asked knows no other file
    finally:
        with suppress(OSError):  # the other error is the one to tell
            part.unlink(missing_ok=True)
