"""A progress bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar('Item')


def progress(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """The items, one after the other, with a bar on stderr that goes away at the end."""
    quiet = not sys.stderr.isatty()
    yield from track(items, what, total, console=Console(stderr=True), transient=True, disable=quiet)
