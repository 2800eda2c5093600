"""`evaluate_pipeline`: the whole table, a network alone and with every way to shape and pose a hand model behind it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from minimal_hand_core.evaluation.inputs import (
    add_report_arguments,
    add_source_arguments,
    finish,
    protocols,
)
from minimal_hand_core.evaluation.peer_files import write_peer, write_shapes
from minimal_hand_core.evaluation.pipeline import looks_mirrored
from minimal_hand_core.evaluation.pipeline_files import Poses, Shapes
from minimal_hand_core.evaluation.pipeline_options import (
    add_pose_arguments,
    add_shape_arguments,
    gather_named,
    given_shapes,
    hand_model,
    printer,
    shape_stage,
    shapes_name,
)
from minimal_hand_core.evaluation.pipeline_report import Stages, describe, stages_table, write_stages
from minimal_hand_core.evaluation.pipeline_stages import PoseStage, ShapeStage, stored_poses, stored_shapes
from minimal_hand_core.evaluation.pipeline_truth import true_hands, truth_errors
from minimal_hand_core.evaluation.predictions import Predictions
from minimal_hand_core.evaluation.published import DETNET, IKNET, LM_AIK, NETWORK_AIK, PSO_AIK
from minimal_hand_core.evaluation.report import TITLES, Report, Row, check_output
from minimal_hand_core.exit_status import exit_status
from minimal_hand_core.hand import HandModel
from minimal_hand_core.shape import ShapeRegressorError

FOLDER = 'pipeline'
"""In the output folder, for shapes and poses."""


class Method(NamedTuple):
    """A row of the table.

    Attributes:
        title: of the row; as published, where others have it.
        shape, pose: methods.
        limits: bend no joint further than a hand bends; the peers do not know that.
    """

    title: str
    shape: str
    pose: str = 'aik'
    limits: bool = False


METHODS = {
    'lm': Method(LM_AIK, 'lm'),
    'pso': Method(PSO_AIK, 'pso'),
    'network': Method(NETWORK_AIK, 'network'),
    'iknet': Method(IKNET, 'lm', 'iknet'),
    'limits': Method(f'{LM_AIK}, limits', 'lm', limits=True),
}
"""By the name that --row knows them by."""

EPILOG = """rows:
  lm       DetNet + LM + AIK            network  DetNet + network + AIK       limits   DetNet + LM + AIK, joint limits
  pso      DetNet + PSO + AIK           iknet    DetNet + IKNet (shape: lm)   DetNet alone always stands above them

examples:
  evaluate_pipeline --dataset rendered                       the whole table; nothing needed on disk
  evaluate_pipeline --dataset rhd --dataset stb --dataset dexter_object --dataset ego_dexter --root ~/data --output out/
  evaluate_pipeline --predictions rhd.npz --row lm --row iknet --protocol reference
  evaluate_pipeline --dataset stb --root ~/data --per folder           one shape for each sequence
  evaluate_pipeline --from out_testset/ --shapes out_testset/ --model MANO_RIGHT.pkl     the peer's joints and shapes

Predictions are kept in OUTPUT/predictions or the user's cache, shapes and poses in OUTPUT/pipeline: interrupted, the
same command goes on. What the rows and protocols mean: docs/evaluation.md.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'evaluate_pipeline',
        description='Score keypoints, and a hand model shaped and posed to them, beside the published figures.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source_arguments(parser)
    add_shape_arguments(parser)
    parser.add_argument('--shapes', type=Path, help='folder with shapes of fit_shape or of the peer; found now without')
    add_pose_arguments(parser)
    add_report_arguments(parser)
    parser.add_argument(
        '--row', action='append', choices=tuple(METHODS), help='may be given several times (default: all)'
    )
    options = parser.parse_args(arguments)
    return exit_status('evaluate_pipeline', lambda: _run(options), goes_on='where it was')


def _run(options: argparse.Namespace) -> None:
    folder = None if options.output is None else check_output(options.output) / FOLDER
    model = hand_model(options)
    work = _Work(options, model, folder)
    report = Report()
    stages: list[Stages] = []
    for name, predictions in gather_named(options):
        if options.peer_files is not None:
            write_peer(options.peer_files, predictions)
        stages += work.evaluate(name, predictions, report)
    if report.rows:
        report.rows.sort(key=_place(report.rows))
    finish(report, options)
    if stages:
        printer().print(stages_table(stages))
        for line in work.notes:
            print(f'· {line}')
    if options.output is not None:
        for path in write_stages(stages, options.output):
            print(path)


class _Work:
    """Shapes and poses, each made once for all rows that share it.

    Args:
        options: of the command.
        model: the hand model.
        folder: for files; None keeps none.
    """

    def __init__(self, options: argparse.Namespace, model: HandModel, folder: Path | None) -> None:
        self._options, self._model, self._folder = options, model, folder
        self._rows = tuple(METHODS) if options.row is None else tuple(dict.fromkeys(options.row))
        self._stages = {METHODS[row].shape: shape_stage(options, METHODS[row].shape) for row in self._rows}
        self.notes: list[str] = []

    def evaluate(self, name: str, predictions: Predictions, report: Report) -> list[Stages]:
        """Score DetNet and every row on one data set."""
        names = protocols(self._options)
        alone = report.add(predictions, DETNET, names)
        title = TITLES.get(predictions.origin.dataset, predictions.origin.dataset)
        if not alone:
            return []  # no protocol has a meaning here, and the report says so
        if looks_mirrored(predictions.mirrored(predictions.xyz), self._model):
            self.notes.append(
                f'{title}: most hands bend backwards, as if left were taken for right; are the sides right?'
            )
        truth = true_hands(predictions, self._model)
        shapes: dict[str, Shapes] = {}
        found = []
        for row in self._rows:
            method = METHODS[row]
            try:
                if method.shape not in shapes:
                    shapes[method.shape] = self._shapes(name, predictions, self._stages[method.shape])
            except ShapeRegressorError as error:
                if self._options.row is not None:
                    raise
                report.skipped.append(f'{title}, {method.title}: {error}')
                continue
            poses = self._poses(name, predictions, shapes[method.shape], method)
            scored = _without_pixels(report, report.add(poses.predictions(predictions), method.title, names))
            errors = None if truth is None else truth_errors(poses, truth, self._model)
            found.append(describe(method.title, shapes[method.shape], poses, errors, scored, alone))
        return found

    def _shapes(self, name: str, predictions: Predictions, stage: ShapeStage) -> Shapes:
        options = self._options
        if options.shapes is not None:
            shapes = given_shapes(options.shapes, name, predictions, stage.method, self._model)
        elif self._folder is None:
            shapes = stage.run(predictions, self._model)
        else:
            path = self._folder / shapes_name(name, stage.method)
            shapes = stored_shapes(stage, predictions, self._model, path)[0]
        if options.peer_files is not None:
            write_shapes(options.peer_files, predictions.origin.dataset, stage.method, shapes.betas)
        return shapes

    def _poses(self, name: str, predictions: Predictions, shapes: Shapes, method: Method) -> Poses:
        stage = PoseStage(method.pose, method.limits, self._options.iknet_weights)
        if self._folder is None:
            return stage.run(predictions, shapes, self._model)
        path = self._folder / f'{name}_{method.shape}_{stage.title}.npz'
        return stored_poses(stage, predictions, shapes, self._model, path)[0]


def _place(rows: Sequence[Row]) -> Callable[[Row], tuple[int, int]]:
    """Data sets and protocols as they first come; a stable sort by it brings together what is to be compared."""
    titles, names = ([*dict.fromkeys(part)] for part in zip(*((row.title, row.score.protocol) for row in rows)))
    return lambda row: (titles.index(row.title), names.index(row.score.protocol))


def _without_pixels(report: Report, added: Sequence[Row]) -> list[Row]:
    """The last rows without 2D figures, which are the network's own whatever poses the hand."""
    plain = [replace(row, pixels=None) for row in added]
    report.rows[len(report.rows) - len(plain) :] = plain
    return plain


if __name__ == '__main__':
    sys.exit(main())
