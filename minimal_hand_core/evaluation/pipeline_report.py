"""What the table of scores does not say of a pipeline: what each stage did to the hands, and to the score."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rich.table import Table

from minimal_hand_core.errors import first_line
from minimal_hand_core.evaluation.pipeline_files import Poses, Shapes
from minimal_hand_core.evaluation.pipeline_truth import TruthErrors
from minimal_hand_core.evaluation.published import DETNET
from minimal_hand_core.evaluation.report import ReportError, Row
from minimal_hand_core.files import write_atomically
from minimal_hand_core.hand.skeleton import NUM_BONES

JSON, CSV = 'pipeline.json', 'pipeline.csv'


@dataclass(frozen=True)
class Stages:
    """One row: a method on a data set.

    Attributes:
        dataset: its title; method: as in the table of scores.
        hands: number of hands; unposed: those that could not be posed and stayed at rest.
        ratio_residual: root mean square over hands and bones of how far the fitted hand's bone ratios are from those
            predicted; None where not known.
        beta_rms: root mean square of β.
        misfit: mean distance of the posed keypoints from the predicted ones, in hand lengths.
        angle_deg, mesh_mm, mesh_pa_mm: mean errors against true hands, see TruthErrors; None where not known.
        auc_change: protocol → AUC less that of DetNet alone.
    """

    dataset: str
    method: str
    hands: int
    unposed: int
    ratio_residual: float | None
    beta_rms: float
    misfit: float | None
    angle_deg: float | None = None
    mesh_mm: float | None = None
    mesh_pa_mm: float | None = None
    auc_change: Mapping[str, float] = field(default_factory=dict)


def describe(
    method: str, shapes: Shapes, poses: Poses, errors: TruthErrors | None, scored: Sequence[Row], alone: Sequence[Row]
) -> Stages:
    """The row of one method.

    Args:
        method: its name.
        shapes, poses: what its stages gave.
        errors: against the truth, where that is known.
        scored: its rows of scores, one or more.
        alone: those of DetNet on the same hands.
    """
    off = shapes.residual[np.isfinite(shapes.residual)]
    posed = np.isfinite(poses.misfit)
    without = {row.score.protocol: row.score.auc for row in alone}
    truth = {} if errors is None else {name: float(part.mean()) for name, part in errors._asdict().items()}
    return Stages(
        dataset=scored[0].title,
        method=method,
        hands=len(poses),
        unposed=int((~posed).sum()),
        ratio_residual=float(np.sqrt(off.mean() / NUM_BONES)) if len(off) else None,
        beta_rms=float(np.sqrt(np.mean(poses.betas**2))),
        misfit=float(poses.misfit[posed].mean()) if posed.any() else None,
        auc_change={row.score.protocol: row.score.auc - without[row.score.protocol] for row in scored},
        **truth,
    )


def stages_table(rows: Sequence[Stages]) -> Table:
    """All rows."""
    table = Table(title=f'what the stages did (ΔAUC: over {DETNET} alone; angles and mesh: errors against true hands)')
    for column in ('data set', 'method'):
        table.add_column(column)
    protocols = _protocols(rows)
    stages, truths = ('bone ratios off by', '|β|', 'off its target', 'not posed'), ('angles', 'mesh, mm', 'PA, mm')
    for column in (*stages, *(f'ΔAUC, {name}' for name in protocols), *truths):
        table.add_column(column, justify='right')
    before = None
    for i, row in enumerate(rows):
        table.add_row(
            '' if row.dataset == before else row.dataset,
            row.method,
            _number(row.ratio_residual, '.3f'),
            f'{row.beta_rms:.2f}',
            _number(row.misfit, '.1%'),
            str(row.unposed),
            *(_number(row.auc_change.get(name), '+.4f') for name in protocols),
            _number(row.angle_deg, '.1f', '°'),
            _number(row.mesh_mm, '.1f'),
            _number(row.mesh_pa_mm, '.1f'),
            end_section=i + 1 == len(rows) or rows[i + 1].dataset != row.dataset,
        )
        before = row.dataset
    return table


def write_stages(rows: Sequence[Stages], folder: Path) -> list[Path]:
    """Write pipeline.json and pipeline.csv and return their paths.

    Raises:
        ReportError: they cannot be written.
    """
    files = {JSON: json.dumps({'rows': [asdict(row) for row in rows]}, indent=1), CSV: _csv(rows)}
    for name, text in files.items():
        try:
            write_atomically(folder / name, text.encode())
        except OSError as error:
            raise ReportError(f'{folder / name} cannot be written: {first_line(error)}') from error
    return [folder / name for name in files]


def _csv(rows: Sequence[Stages]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    protocols = _protocols(rows)
    names = [name for name in Stages.__dataclass_fields__ if name != 'auc_change']
    writer.writerow([*names, *(f'auc_change_{name}' for name in protocols)])
    for row in rows:
        values = [getattr(row, name) for name in names] + [row.auc_change.get(name) for name in protocols]
        writer.writerow(['' if v is None else f'{v:.6f}' if isinstance(v, float) else v for v in values])
    return text.getvalue()


def _protocols(rows: Iterable[Stages]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.auc_change))


def _number(value: float | None, form: str, unit: str = '') -> str:
    return '–' if value is None else f'{value:{form}}{unit}'
