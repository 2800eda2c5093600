"""`fit_shape`: the shape of every predicted hand, from its bone lengths."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from rich.table import Table

from minimal_hand_core.evaluation.inputs import add_source_arguments
from minimal_hand_core.evaluation.peer_files import SHAPE_SUFFIXES, write_shapes
from minimal_hand_core.evaluation.pipeline_files import Shapes
from minimal_hand_core.evaluation.pipeline_options import (
    add_shape_arguments,
    gather_named,
    hand_model,
    printer,
    shape_stage,
    shapes_name,
)
from minimal_hand_core.evaluation.pipeline_stages import stored_shapes
from minimal_hand_core.evaluation.report import TITLES, check_output
from minimal_hand_core.exit_status import exit_status
from minimal_hand_core.hand.skeleton import NUM_BONES
from minimal_hand_core.shape import SHAPE_METHODS

ALL = 'all'
EPILOG = """examples:
  fit_shape --dataset rendered --output shapes/                     5,000 fixed hands, nothing needed on disk
  fit_shape --predictions rhd.npz --method all --output shapes/
  fit_shape --dataset stb --root ~/data --per folder --output shapes/         one shape for each sequence
  fit_shape --from out_testset/ --model MANO_RIGHT.pkl --method pso --output shapes/     the peer's joints

Per data set and method the folder then holds
  NAME_METHOD.npz                    keys, betas (N,10), residual (N,), and what they were made of
  SET_shapes.npy, _pso.npy, _dl.npy  betas in the peer's layout, for lm, pso, network
The residual is the sum over 15 bones of the squared difference of bone ratios, the fitted hand's and those predicted.
Started again, the same command keeps what was finished.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'fit_shape',
        description='Fit the shape of a hand model to predicted hands.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source_arguments(parser)
    parser.add_argument('--method', default='lm', choices=(*SHAPE_METHODS, ALL), help='default lm')
    add_shape_arguments(parser)
    parser.add_argument('--output', type=Path, required=True, help='folder for the shapes')
    options = parser.parse_args(arguments)
    return exit_status('fit_shape', lambda: printer().print(_run(options)), goes_on='where it was')


def _run(options: argparse.Namespace) -> Table:
    methods = SHAPE_METHODS if options.method == ALL else (options.method,)
    stages = [shape_stage(options, method) for method in methods]
    folder = check_output(options.output)
    model = hand_model(options)
    table = Table(title=f'shapes of {model.name}, per {options.per}')
    for column in ('data set', 'method'):
        table.add_column(column, no_wrap=True)
    for column in ('hands', 'bone ratios off by', 'median', '|β|', 'without shape', 'per hand'):
        table.add_column(column, justify='right')
    for name, predictions in gather_named(options, need_truth=False):
        for stage in stages:
            start = time.process_time()
            shapes, kept = stored_shapes(stage, predictions, model, folder / shapes_name(name, stage.method))
            spent = (time.process_time() - start) / len(shapes)
            if stage.method in SHAPE_SUFFIXES:
                write_shapes(folder, predictions.origin.dataset, stage.method, shapes.betas)
            title = TITLES.get(predictions.origin.dataset, predictions.origin.dataset)
            time_spent = 'kept' if kept else f'{1e6 * spent:.0f} µs'
            table.add_row(title, stage.method, *summary(shapes), time_spent, end_section=stage is stages[-1])
    return table


def summary(shapes: Shapes) -> tuple[str, ...]:
    """Hands; root mean square and median of how far bone ratios are off; root mean square of β; hands without shape."""
    known = np.isfinite(shapes.residual)
    off = np.sqrt(shapes.residual[known] / NUM_BONES)
    figures = [f'{np.sqrt(np.mean(off**2)):.4f}', f'{np.median(off):.4f}'] if known.any() else ['–', '–']
    size = float(np.sqrt(np.mean(shapes.betas**2)))
    return (f'{len(shapes):,}', *figures, f'{size:.2f}', f'{int((~known).sum()):,}')


if __name__ == '__main__':
    sys.exit(main())
