"""Rows of scores beside the published figures: as a table on the terminal, as JSON, as CSV, as curves."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from minimal_hand_core.errors import first_line
from minimal_hand_core.evaluation.predictions import Origin, Predictions
from minimal_hand_core.evaluation.protocols import ProtocolError
from minimal_hand_core.evaluation.published import PAPER, PEER, Published, published
from minimal_hand_core.evaluation.scores import PCK_MM, PixelScore, Score, score, score_pixels
from minimal_hand_core.files import file_in_the_way, write_atomically

FORMAT = 1
JSON, CSV, CURVES = 'scores.json', 'scores.csv', 'pck_curves'
TITLES = {
    'cmu_panoptic': 'CMU Panoptic',
    'cmu_hand_labels': 'CMU hand labels',
    'rhd': 'RHD',
    'ganerated': 'GANerated',
    'stb': 'STB',
    'dexter_object': 'Dexter+Object',
    'ego_dexter': 'EgoDexter',
    'freihand': 'FreiHAND',
    'real_hands': 'photos',
    'rendered': 'rendered',
}
"""Data set → what tables call it."""

_NAMES = ('data set', 'protocol', 'method')
_COLUMNS = (
    *_NAMES,
    *('AUC', 'peer', 'paper', 'AUC 0–50'),
    *(f'≤ {threshold}' for threshold in PCK_MM),
    *('mean', 'median', 'PA', 'frames', 'points'),
)
_LESSER = ('≤ 25', '≤ 40', '≤ 30', 'median', 'AUC 0–50', '≤ 50', '≤ 20', 'points', 'PA', 'frames')
"""Columns that a narrow terminal goes without, the least first; files have them all."""
WIDE = 200
_SAME_HANDS = {'labels': '', 'camera': '', 'hands': 'main', 'frames': 'scored'}
"""Options of readers that leave the hands those of the published figures, and with which value ('' any)."""


class ReportError(ValueError):
    """A report cannot be written; says where and why."""


@dataclass(frozen=True)
class Row:
    """Scores of one method on one data set under one protocol.

    Attributes:
        method: one of `published.METHODS`, or another name.
        origin: of the predictions.
        score: the figures.
        pixels: 2D figures, where there are any.
    """

    method: str
    origin: Origin
    score: Score
    pixels: PixelScore | None = None

    @property
    def title(self) -> str:
        """The data set, see `dataset_title`."""
        return dataset_title(self.origin)

    @property
    def beside(self) -> tuple[Published, ...]:
        """What others published for this row; nothing where the hands are not those of the whole test split."""
        if any(_SAME_HANDS.get(option) not in ('', value) for option, value in self.origin.options.items()):
            return ()
        return published(self.origin.dataset, self.origin.split, self.method, self.score.protocol)

    @property
    def hands(self) -> int:
        """How many were predicted."""
        return self.score.frames + self.score.left_out

    def published_auc(self, source: str) -> float | None:
        return next((row.auc for row in self.beside if row.source == source), None)


@dataclass
class Report:
    """Collects rows, prints and writes them.

    Attributes:
        rows: in the order of the table.
        flat: title, method and 2D figures of what has no row for want of 3D labels.
        skipped: sentences on what could not be scored.
    """

    rows: list[Row] = field(default_factory=list)
    flat: list[tuple[str, str, PixelScore]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, predictions: Predictions, method: str, protocols: Iterable[str]) -> list[Row]:
        """Score predictions under each protocol; those without a meaning for the data set go to `skipped`.

        Returns:
            the new rows.

        Raises:
            ValueError: an unknown protocol, or labels or predictions that cannot be measured.
        """
        pixels = score_pixels(predictions)
        added = []
        for protocol in protocols:
            try:
                figures = score(predictions, protocol)
            except ProtocolError as error:
                self.skipped.append(f'{dataset_title(predictions.origin)}, {method}, {protocol}: {error}')
                continue
            added.append(Row(method, predictions.origin, figures, pixels))
        self.rows += added
        if pixels is not None and not added:
            self.flat.append((dataset_title(predictions.origin), method, pixels))
        return added

    def table(self, without: Sequence[str] = ()) -> Table:
        """All rows; shares as in papers, without the zero before the point.

        Args:
            without: columns to leave out.
        """
        table = Table(title='3D keypoints: AUC of PCK from 20 to 50 mm')
        for name in (name for name in _COLUMNS if name not in without):
            table.add_column(name, justify='left' if name in _NAMES else 'right', no_wrap=True)
        before = None
        for i, row in enumerate(self.rows):
            group = (row.title, row.score.protocol)
            last = i + 1 == len(self.rows) or (self.rows[i + 1].title, self.rows[i + 1].score.protocol) != group
            cells = dict(zip(_COLUMNS, _cells(row)))
            if group == before:
                cells['data set'] = cells['protocol'] = ''
            table.add_row(*(cell for name, cell in cells.items() if name not in without), end_section=last)
            before = group
        return table

    def fitting_table(self, console: Console) -> Table:
        """The table without as many of its lesser columns as a terminal is too narrow for."""
        for count in range(len(_LESSER) + 1):
            table = self.table(_LESSER[:count])
            if console.measure(table, options=console.options.update(width=WIDE)).maximum <= console.width:
                break
        return table

    def notes(self) -> list[str]:
        """Sentences that belong under the table."""
        lines = [f'{row.title}, {row.score.protocol}: {note}' for row in self.rows for note in row.score.notes]
        lines += [
            f'{row.title}: {row.origin.length - row.hands:,} of {row.origin.length:,} hands were not predicted'
            for row in self.rows
            if row.hands < row.origin.length
        ]
        lines += [
            f'{row.title}, {row.score.protocol}: {row.score.left_out} hands have nothing that counts'
            for row in self.rows
            if row.score.left_out
        ]
        flat = [(row.title, row.method, row.pixels) for row in self.rows if row.pixels is not None]
        lines += [
            f'{title}, {method}, 2D: mean {100 * pixels.mean_error:.2f} % of the box, '
            f'PCK@0.1 {_share(pixels.pck_01)}, PCK@0.2 {_share(pixels.pck_02)}, ACC_HM {_share(pixels.acc_hm)} '
            f'({pixels.frames:,} hands)'
            for title, method, pixels in [*flat, *self.flat]
        ]
        lines += [f'not scored: {line}' for line in self.skipped]
        return list(dict.fromkeys(lines))

    def show(self, console: Console | None = None) -> None:
        """Print table and notes."""
        if console is None:
            console = Console()
            if not console.is_terminal:
                console = Console(width=WIDE)  # in files and pipes a table may be as wide as it likes
        if self.rows:
            console.print(self.fitting_table(console))
        for line in self.notes():
            console.print(f'· {line}', markup=False, highlight=False, soft_wrap=True)
        if any(row.beside for row in self.rows):
            console.print(
                f'· peer: {PEER}, a checkpoint for each set; paper: {PAPER}. Both as published (docs/evaluation.md).',
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def as_dict(self) -> dict[str, Any]:
        """Everything, in plain types."""
        return {
            'format': FORMAT,
            'rows': [
                {
                    'dataset': row.origin.dataset,
                    'split': row.origin.split,
                    'method': row.method,
                    'score': row.score.as_dict(),
                    'pixels': None if row.pixels is None else asdict(row.pixels),
                    'published': [entry._asdict() for entry in row.beside],
                    'origin': asdict(row.origin),
                }
                for row in self.rows
            ],
            'flat': [{'dataset': title, 'method': method, **asdict(pixels)} for title, method, pixels in self.flat],
            'skipped': list(self.skipped),
        }

    def write(self, folder: Path | str) -> list[Path]:
        """Write scores.json, scores.csv and, where matplotlib is installed, pck_curves.png and .svg.

        Returns:
            the files.

        Raises:
            ReportError: the folder cannot be made or written to.
        """
        folder = check_output(folder)
        files = {JSON: json.dumps(self.as_dict(), indent=1).encode(), CSV: _csv(self.rows).encode()}
        if self.rows:
            from minimal_hand_core.evaluation.curves import draw_curves

            files |= {f'{CURVES}.{kind}': data for kind, data in draw_curves(self.rows).items()}
        for name, data in files.items():
            write_output(folder / name, data)
        return [folder / name for name in files]


def dataset_title(origin: Origin) -> str:
    """What tables call a data set, with its options, and with its split where that is not the test."""
    name = TITLES.get(origin.dataset, origin.dataset or 'predictions')
    options = ', '.join(f'{option}={value}' for option, value in origin.options.items())
    details = [part for part in (origin.split if origin.split != 'test' else '', options) if part]
    return f'{name} ({"; ".join(details)})' if details else name


def check_output(folder: Path | str) -> Path:
    """Make a folder, before any work is done for it, and see that it can be written to.

    Raises:
        ReportError: it cannot.
    """
    folder = Path(folder).expanduser()
    try:
        file = file_in_the_way(folder)
        if file is not None:
            raise ReportError(f'output folder {folder} cannot be written to: {file} is a file; choose another')
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / '.writable', b'')
        (folder / '.writable').unlink()
    except OSError as error:
        raise ReportError(f'output folder {folder} cannot be written to: {first_line(error)}; choose another') from None
    return folder


def check_output_file(path: Path | str) -> Path:
    """As `check_output`, for a file that is to be written when the work is done: its folder is made.

    Raises:
        ReportError: it cannot be written; the message names the file.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise ReportError(f'output {path} is a folder; give a file')
    try:
        check_output(path.parent)
    except ReportError as error:
        raise ReportError(f'output {path} cannot be written: {error}') from None
    return path


def write_output(path: Path, data: bytes) -> None:
    """Write a file.

    Raises:
        ReportError: it cannot be written; the message names it.
    """
    try:
        write_atomically(path, data)
    except OSError as error:
        raise ReportError(f'{path} cannot be written: {error.strerror or first_line(error)}') from error


def _csv(rows: Sequence[Row]) -> str:
    """One line per row, shares with six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    head = ['dataset', 'split', 'options', 'method', 'protocol', 'auc_20_50', 'auc_0_50']
    head += [f'pck_{threshold}' for threshold in PCK_MM]
    head += ['mean_mm', 'median_mm', 'pa_mm', 'frames', 'points', 'left_out', 'published_peer', 'published_paper']
    head += ['weights', 'weights_sha256']
    writer.writerow(head)
    for row in rows:
        origin, figures = row.origin, row.score
        shares = [figures.auc, figures.auc_from_0, *figures.pck.values()]
        lengths = [figures.mean_mm, figures.median_mm, figures.pa_mm]
        beside = [row.published_auc(source) for source in (PEER, PAPER)]
        writer.writerow(
            [origin.dataset, origin.split, ' '.join(f'{k}={v}' for k, v in origin.options.items())]
            + [row.method, figures.protocol]
            + [f'{share:.6f}' for share in shares]
            + ['' if math.isnan(value) else f'{value:.4f}' for value in lengths]
            + [figures.frames, figures.points, figures.left_out]
            + ['' if auc is None else f'{auc:.4f}' for auc in beside]
            + [origin.weights, origin.weights_sha256]
        )
    return text.getvalue()


def _cells(row: Row) -> list[str]:
    """In the order of _COLUMNS."""
    figures = row.score
    shares = [figures.auc, row.published_auc(PEER), row.published_auc(PAPER), figures.auc_from_0]
    shares += [figures.pck[threshold] for threshold in PCK_MM]
    lengths = [figures.mean_mm, figures.median_mm, figures.pa_mm]
    names = [row.title, figures.protocol, row.method]
    counts = [f'{figures.frames:,}', f'{figures.points:,}']
    return [*names, *map(_share, shares), *map(_length, lengths), *counts]


def _share(value: float | None) -> str:
    if value is None:
        return '–'
    return '1.000' if value >= 0.99995 else f'{value:.4f}'[1:]


def _length(value: float) -> str:
    return '–' if math.isnan(value) else f'{value:.1f}'
