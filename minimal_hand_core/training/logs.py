"""What a run writes down as it goes: rows of CSV files, and the same numbers for TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from minimal_hand_core.files import write_atomically

METRICS = 'metrics.csv'
"""In the folder of a run: one row per validation."""
LOSSES = 'loss.csv'
"""One row per `log_every` steps: mean losses, learning rate, seconds per step."""
NO_TENSORBOARD = 'TensorBoard is not installed (pip install tensorboard); losses and scores are in the CSV files alone'


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file that begins with the names of its columns; none without a file.

    A last row that was cut off, by a full disk or a killed process, is left out.
    """
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind('\n') + 1]
    return [row for row in csv.DictReader(io.StringIO(whole)) if None not in row.values() and None not in row]


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a CSV file, which begins with the names of its columns. Columns that are new come last, empty in the
    rows before; those that the row does not have are left empty."""
    columns = _header(path)
    added = [name for name in row if name not in columns]
    if added:
        columns += added
        _write(path, columns, read_rows(path))
    with path.open('a', newline='') as file:
        csv.DictWriter(file, columns, restval='').writerow(dict(row))


def trim_rows(path: Path, step: int) -> None:
    """Take out rows behind `step`, and a broken one: a run that goes on from there writes them again."""
    columns = _header(path)
    rows = read_rows(path)
    kept = [row for row in rows if float(row.get('step') or 0) <= step]
    broken = bool(columns) and not path.read_text().endswith('\n')
    if broken or len(kept) < len(rows):
        _write(path, columns, kept)


def _header(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(newline='') as file:
        return next(csv.reader(file), [])


def _write(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval='')
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


class Board(Protocol):
    """Where numbers go to be drawn."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> Any: ...
    def close(self) -> Any: ...


def open_board(folder: Path, step: int, tell: Callable[[str], None]) -> Board | None:
    """A TensorBoard log of a run at `step`, or None, with a word to `tell`, where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        tell(NO_TENSORBOARD)
        return None
    return SummaryWriter(str(folder / 'tensorboard'), purge_step=step + 1 if step else None)
