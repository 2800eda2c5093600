"""Draw the curves of training runs: `plot_results runs/small runs/large`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from minimal_hand_core.evaluation.run_curves import CurveError, read_runs
from minimal_hand_core.evaluation.run_figure import draw_runs
from minimal_hand_core.files import file_in_the_way, write_atomically

EPILOG = """examples:
  plot_results runs/small                                   results.png and results.svg
  plot_results runs/small 'wide crops=runs/other' --smooth 0.9 --log --output small_and_other
  plot_results runs                                         all runs in this folder
  plot_results Minimal-Hand-pytorch/out_loss_auc --only auc acc

A run is a folder of one of our trainers (loss.csv, metrics.csv) or of Minimal-Hand-pytorch (lossH.npy, lossD.npy,
lossL.npy, auc_all.npy, acc_hm_all.npy). Scores say where they were best. A run may be going on while it is drawn.

exit status: 0 drawn, 1 nothing to draw (it says why). What was left out of a drawing is told on stderr.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'plot_results',
        description='Draw losses, AUC and accuracy of training runs, several in one picture.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('runs', nargs='+', metavar='RUN', help='folder of a run, NAME=FOLDER, or a folder of runs')
    parser.add_argument(
        '--output', type=Path, default=Path('results'), help='.png and .svg are added (default results)'
    )
    parser.add_argument(
        '--smooth', type=float, default=0.0, metavar='WEIGHT', help='0 … below 1, such as 0.9 (default 0)'
    )
    parser.add_argument('--log', action='store_true', help='logarithmic axis for losses and learning rate')
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME', help='these quantities alone, e.g. heat auc')
    parser.add_argument('--title', default='', help='above all panels')
    options = parser.parse_args(arguments)
    base = options.output.with_suffix('') if options.output.suffix in ('.png', '.svg') else options.output
    try:
        file = file_in_the_way(base.parent)
        if file is not None:
            raise ValueError(f'--output {options.output}: {file} is a file; give a name in a folder')
        runs = read_runs(options.runs)
        for note in (note for run in runs for note in run.notes):
            print(f'plot_results: {note}', file=sys.stderr)
        pictures = draw_runs(runs, smooth=options.smooth, log=options.log, only=options.only, title=options.title)
        base.parent.mkdir(parents=True, exist_ok=True)
        for kind, content in pictures.items():
            write_atomically(base.with_name(f'{base.name}.{kind}'), content)
    except ModuleNotFoundError as error:
        print(f"plot_results: {error.name} is not installed: pip install '.[plots]'", file=sys.stderr)
        return 1
    except (CurveError, ValueError, OSError) as error:
        print(f'plot_results: {error}', file=sys.stderr)
        return 1
    print(f'{len(runs)} run{"s" * (len(runs) != 1)} in {base}.png and {base}.svg')
    return 0


if __name__ == '__main__':
    sys.exit(main())
