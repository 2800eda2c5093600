"""Curves of training runs: our `loss.csv` and `metrics.csv`, and Minimal-Hand-pytorch's `out_loss_auc/*.npy`.

A column `NAME` of loss.csv is the quantity NAME of the training batches; a column `WHAT_NAME` of metrics.csv is the
quantity NAME of WHAT (`real_pck10`: pck10 of the photos), one without `_` is that of the validation hands. The peer's
`lossH.npy`, `lossD.npy` and `lossL.npy` are (E, 2) epoch and value; `auc_all.npy` and `acc_hm_all.npy` are pickled
dictionaries data set → (E, 2) (fact sheet 6.6). They are read without running what a pickle may name.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.errors import first_line
from minimal_hand_core.hand.safe_pickle import BrokenPickleError, RefusedPickleError, load_restricted
from minimal_hand_core.training.logs import LOSSES, METRICS, read_rows

PEER_LOSSES = {'lossH.npy': 'heat', 'lossD.npy': 'delta', 'lossL.npy': 'location'}
"""File → quantity."""
PEER_SCORES = {'auc_all.npy': 'auc', 'acc_hm_all.npy': 'acc'}
_FILES = (LOSSES, METRICS, *PEER_LOSSES, *PEER_SCORES)
_ASIDE = ('seconds',)
"""Columns that are no result."""


class CurveError(ValueError):
    """There is nothing to draw in a folder; the message names it and says what is looked for."""


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        quantity: what it is, such as 'heat', 'auc', 'pck10'.
        of: what of: 'training', 'validation', or the part of the data, such as 'real' or 'rhd'.
        unit: of x: 'step' or 'epoch'.
        x, y: (n,) float64, x rising; y may be NaN.
    """

    quantity: str
    of: str
    unit: str
    x: np.ndarray
    y: np.ndarray


@dataclass
class RunCurves:
    """All curves of a folder.

    Attributes:
        name: for the legend.
        folder: where they are from.
        curves: at least one.
        notes: what was left out, each with its file's name.
    """

    name: str
    folder: Path
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_runs(places: Sequence[str]) -> list[RunCurves]:
    """Runs by their folders, each `FOLDER` or `NAME=FOLDER`; a folder of runs stands for all runs in it.

    Raises:
        CurveError: no such folder, or one without curves; the message says what was wrong with its files.
    """
    runs = []
    for place in places:
        name, folder = _split(place)
        found = _folders(folder)
        for one in found:
            runs.append(_read_run(name if name and len(found) == 1 else _join(name, one.name), one))
    _tell_apart(runs)
    return runs


def _split(place: str) -> tuple[str, Path]:
    folder = Path(place).expanduser()
    if '=' in place and not folder.exists():
        name, _, rest = place.partition('=')
        return name, Path(rest).expanduser()
    return '', folder


def _join(name: str, folder: str) -> str:
    return f'{name} {folder}' if name else folder


def _folders(folder: Path) -> list[Path]:
    folder = folder.resolve()
    expected = f'expected {LOSSES} or {METRICS} of a trainer, or {", ".join([*PEER_LOSSES, *PEER_SCORES])} of the peer'
    if not folder.is_dir():
        raise CurveError(
            f'{folder} {"is a file; give its folder" if folder.exists() else "does not exist"}; {expected}'
        )
    if _has_curves(folder):
        return [folder]
    below = sorted(path for path in folder.iterdir() if path.is_dir() and _has_curves(path))
    if not below:
        raise CurveError(f'{folder} holds no curves, nor does a folder in it; {expected}')
    return below


def _has_curves(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _FILES)


def _read_run(name: str, folder: Path) -> RunCurves:
    run = RunCurves(name, folder)
    trained: set[str] = set()
    for file, read in (
        (LOSSES, _read_losses),
        (METRICS, _read_metrics),
        *((file, _read_peer_loss) for file in PEER_LOSSES),
        *((file, _read_peer_scores) for file in PEER_SCORES),
    ):
        if not (folder / file).is_file():
            continue
        try:
            curves = list(read(folder / file, run.notes))
            if not curves:
                run.notes.append(f'{folder / file} holds no rows yet')
        except (OSError, ValueError) as error:
            run.notes.append(f'{folder / file} left out: {first_line(error)}')
            continue
        # metrics.csv repeats, more coarsely, what loss.csv has
        run.curves += [curve for curve in curves if not (file == METRICS and curve.of == 'training' and trained)]
        trained |= {curve.quantity for curve in curves} if file == LOSSES else set()
    if not run.curves:
        raise CurveError(f'{folder} holds no curve that can be read: {"; ".join(run.notes)}')
    return run


def _read_losses(path: Path, notes: list[str]) -> Iterator[Curve]:
    for name, x, y in _columns(path, notes):
        yield Curve(name, 'training', 'step', x, y)


def _read_metrics(path: Path, notes: list[str]) -> Iterator[Curve]:
    for name, x, y in _columns(path, notes):
        of, _, quantity = name.rpartition('_')
        yield Curve(quantity, {'': 'validation', 'train': 'training'}.get(of, of), 'step', x, y)


def _columns(path: Path, notes: list[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, steps and values of each column; a step that was written twice counts as written last."""
    rows = read_rows(path)
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    broken = max(0, len(lines) - 1 - len(rows))
    if lines and 'step' not in lines[0].split(','):
        raise ValueError(f'it has no column "step"; its first line is {lines[0][:60]!r}')
    values: dict[int, dict[str, float]] = {}
    for row in rows:
        try:
            numbers = {name: float(text) if text else np.nan for name, text in row.items()}
            values[int(numbers['step'])] = numbers
        except ValueError:
            broken += 1
    if broken:
        notes.append(f'{path}: {broken} of {len(lines) - 1} rows are cut off or no numbers, and left out')
    steps = sorted(values)
    for name in rows[0] if steps else ():
        y = np.array([values[step].get(name, np.nan) for step in steps])
        if name != 'step' and name not in _ASIDE and np.isfinite(y).any():
            yield name, np.array(steps, float), y


def _read_peer_loss(path: Path, notes: list[str]) -> Iterator[Curve]:
    yield Curve(PEER_LOSSES[path.name], 'training', 'epoch', *_epochs(_load(path), 'it'))


def _read_peer_scores(path: Path, notes: list[str]) -> Iterator[Curve]:
    content = _load(path)
    if isinstance(content, np.ndarray) and content.shape == () and content.dtype == object:
        content = content.item()
    if not isinstance(content, dict):
        raise ValueError(f'it holds {_describe(content)}; expected a dictionary data set → (epochs, 2)')
    for name, values in content.items():
        yield Curve(PEER_SCORES[path.name], str(name), 'epoch', *_epochs(values, f'{name}'))


def _epochs(values: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """(E, 2) epoch and value → both, epochs rising."""
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or table.shape[1] != 2 or not len(table):
        raise ValueError(f'{what} holds {_describe(values)}; expected numbers (epochs, 2): epoch and value')
    if not np.isfinite(table[:, 0]).all():
        raise ValueError(f'{what} has epochs that are not finite')
    table = table[np.argsort(table[:, 0], kind='stable')]
    return table[:, 0], table[:, 1]


def _describe(value: Any) -> str:
    return f'an array of {value.dtype} {value.shape}' if isinstance(value, np.ndarray) else f'a {type(value).__name__}'


def _load(path: Path) -> Any:
    """A .npy file; objects in it are unpickled by a list of names."""
    content = io.BytesIO(path.read_bytes())
    try:
        version = np.lib.format.read_magic(content)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if not read_header[version](content)[2].hasobject:
            content.seek(0)
            return np.load(content, allow_pickle=False)
        return load_restricted(content.read())
    except RefusedPickleError as error:
        raise ValueError(f'it wants to run {error}, which is refused') from None
    except (KeyError, EOFError, BrokenPickleError, ValueError) as error:
        raise ValueError(f'it is no whole .npy file ({error})') from None


def _tell_apart(runs: list[RunCurves]) -> None:
    """Runs of one name get that of the folder above as well."""
    names = [run.name for run in runs]
    for run in runs:
        if names.count(run.name) > 1:
            run.name = f'{run.folder.parent.name}/{run.name}'
