"""`solve_pose`: joint rotations, angles and posed keypoints of every predicted hand."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.table import Table

from minimal_hand_core.evaluation.inputs import add_source_arguments
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
from minimal_hand_core.evaluation.pipeline_stages import PoseStage, stored_poses, stored_shapes
from minimal_hand_core.evaluation.predictions import Predictions
from minimal_hand_core.evaluation.report import TITLES, check_output
from minimal_hand_core.exit_status import exit_status
from minimal_hand_core.hand import HandModel
from minimal_hand_core.pose import ANATOMICAL_LIMITS, POSE_METHODS
from minimal_hand_core.shape import SHAPE_METHODS

EPILOG = """examples:
  solve_pose --dataset rendered --output poses/                     shapes by lm, rotations by aik
  solve_pose --predictions rhd.npz --shapes shapes/ --shape-method pso --limits --output poses/
  solve_pose --predictions rhd.npz --method iknet --output poses/
  solve_pose --from out_testset/ --dataset rhd --shapes out_testset/rhd_dl.npy --model MANO_RIGHT.pkl --output poses/

Per data set the folder then holds NAME_SHAPEMETHOD_METHOD.npz:
  keys, sides           of the hands; 0 right, 1 left, 2 not known (taken for right)
  rotations (N,16,3,3)  local, MANO's order, det = +1; [0] turns the hand model's rest frame into the axes of the view
                        along the crop's centre (x right, y down, z forward)
  betas (N,10), angles (N,20) radians in the order of minimal_hand_core.pose.ANGLE_NAMES
  keypoints_m (N,21,3)  the posed hand model, metres at the model's own size, wrist at the origin, same axes
  misfit (N,)           mean distance from the predicted keypoints, in hand lengths (wrist to middle MCP)
Left hands are those of a left hand model. Started again, the same command keeps what was finished.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'solve_pose',
        description='Pose a hand model to predicted hands.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source_arguments(parser)
    add_shape_arguments(parser)
    parser.add_argument('--shapes', type=Path, help='of fit_shape or the peer, a file or folder; found now without it')
    parser.add_argument('--shape-method', default='lm', choices=SHAPE_METHODS, help='default lm')
    add_pose_arguments(parser)
    parser.add_argument('--method', default='aik', choices=POSE_METHODS, help='default aik')
    parser.add_argument('--limits', action='store_true', help='bend no joint further than a hand bends')
    parser.add_argument('--output', type=Path, required=True, help='folder for the poses')
    options = parser.parse_args(arguments)
    return exit_status('solve_pose', lambda: printer().print(_run(options)), goes_on='where it was')


def _run(options: argparse.Namespace) -> Table:
    stage = PoseStage(options.method, options.limits, options.iknet_weights)
    folder = check_output(options.output)
    model = hand_model(options)
    table = Table(title=f'{model.name} posed by {stage.title}')
    for column in ('data set', 'shapes'):
        table.add_column(column, no_wrap=True)
    for column in ('hands', 'off by, mean', 'median', 'angles out of range', 'not posed', ''):
        table.add_column(column, justify='right')
    for name, predictions in gather_named(options, need_truth=False):
        shapes = _shapes(options, name, predictions, model, folder)
        path = folder / f'{name}_{options.shape_method}_{stage.title}.npz'
        poses, kept = stored_poses(stage, predictions, shapes, model, path)
        if looks_mirrored(predictions.mirrored(predictions.xyz), model):
            print(
                f'solve_pose: warning: most hands of {name} bend backwards, as if left were taken for right; are the '
                'sides right?',
                file=sys.stderr,
            )
        title = TITLES.get(predictions.origin.dataset, predictions.origin.dataset)
        table.add_row(title, options.shape_method, *summary(poses), 'kept' if kept else '')
    return table


def _shapes(options: argparse.Namespace, name: str, predictions: Predictions, model: HandModel, folder: Path) -> Shapes:
    method = options.shape_method
    if options.shapes is not None:
        return given_shapes(options.shapes, name, predictions, method, model)
    return stored_shapes(shape_stage(options, method), predictions, model, folder / shapes_name(name, method))[0]


def summary(poses: Poses) -> tuple[str, ...]:
    """Hands; mean and median misfit; share of angles beyond ANATOMICAL_LIMITS; hands that could not be posed."""
    posed = np.isfinite(poses.misfit)
    off = poses.misfit[posed]
    figures = [f'{100 * off.mean():.1f} %', f'{100 * np.median(off):.1f} %'] if posed.any() else ['–', '–']
    low, high = ANATOMICAL_LIMITS.T
    # Angles are stored in single precision.
    beyond = (poses.angles < low - 1e-5) | (poses.angles > high + 1e-5)
    return (f'{len(poses):,}', *figures, f'{100 * beyond.mean():.1f} %', f'{int((~posed).sum()):,}')


if __name__ == '__main__':
    sys.exit(main())
