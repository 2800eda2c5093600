"""How well photos of places and people are read that were never trained on: `evaluate_unseen`.

Each source of a folder of labelled photos is left out in turn: a network is trained by one recipe on the photos of all
others and scored on every hand of that source. Beside it stands how well networks read the source that did see it,
which is what so short a training can reach at all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.evaluation.photos import evaluate
from minimal_hand_core.exit_status import exit_status
from minimal_hand_core.files import write_atomically
from minimal_hand_core.training.config import TrainingConfig, load_config
from minimal_hand_core.training.recipe import ConfigError, parse_override
from minimal_hand_core.training.train_detnet import WEIGHTS

EPILOG = """examples:
  evaluate_unseen --config config/training/detnet_small_unseen.yaml --output runs/unseen
  evaluate_unseen --config config/training/detnet_small_unseen.yaml --set steps=1600 --at-once 2 --output runs/longer

The same command goes on with trainings that were stopped, and scores again what is trained.
"""

SCORES = 'unseen.json'
LOG = 'training.log'
Scores = dict[str, dict[str, dict[str, Any]]]


def sources_of(config: TrainingConfig, tiers: str = 'A') -> list[str]:
    """The sources of the photos that a recipe trains on; all have hands of these tiers, to be scored on.

    Raises:
        ConfigError: it has none, leaves some out already, there is one only, or one has no such hands.
        DatasetError: the folder of photos is missing or malformed.
    """
    if config.data.real_hands is None:
        raise ConfigError('data.real_hands is None: give the folder of photos whose sources are to be left out')
    if config.data.leave_out:
        raise ConfigError(f'data.leave_out is {list(config.data.leave_out)}: leave it empty, each source has its turn')
    records = RealHands(config.data.real_hands, 'all').records
    sources = sorted({record['source'] for record in records})
    if len(sources) < 2:
        raise ConfigError(f'{config.data.real_hands} has one source, {sources[0]}: without it nothing is left')
    scored = {record['source'] for record in records if record['tier'] in tiers}
    bare = [source for source in sources if source not in scored]
    if bare:
        raise ConfigError(f'{bare[0]} has no hand of tier {tiers}, to be scored on: give other --tiers')
    return sources


def train_without(source: str, folder: Path, config: Path, overrides: list[str]) -> None:
    """Train on all other sources, or go on, in a process of its own with one thread; its words go to LOG in `folder`.

    Raises:
        ChildProcessError: it failed; says its last line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = [part for text in [*overrides, f'data.leave_out=[{source}]'] for part in ('--set', text)]
    command = ['-m', 'minimal_hand_core.training.train_detnet', '--config', str(config), '--output', str(folder)]
    with (folder / LOG).open('ab') as log:
        status = subprocess.run(
            [sys.executable, *command, *settings, '--threads', '1'],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode
    if status:
        lines = (folder / LOG).read_text(errors='replace').split('\n')
        last = next((line for line in reversed(lines) if line.strip()), f'exit status {status}')
        raise ChildProcessError(f'training without {source} failed: {last} (all of it in {folder / LOG})')


def score_all(config: TrainingConfig, folder: Path, sources: list[str], tiers: str) -> Scores:
    """Summaries (`photos.summarise`) of each training, by the source it had not, then by the source looked at."""
    assert config.data.real_hands is not None
    samples = RealHands(config.data.real_hands, 'all', tiers=tiers)
    return {source: evaluate(samples, str(folder / source / WEIGHTS))[0] for source in sources}


def table(scores: Scores) -> Table:
    """One row per source, and the mean of the rows."""
    shown = Table(title='Each source, of networks trained without it')
    for name in ('source', 'hands', 'mean error', 'PCK@0.1', 'PCK@0.2', 'PCK@0.2 of those that saw it'):
        shown.add_column(name, justify='left' if name == 'source' else 'right')
    rows = [left_out_row(scores, source) for source in scores]
    for source, row in zip(scores, rows, strict=True):
        shown.add_row(source, str(scores[source][source]['hands']), *_texts(row), end_section=source == [*scores][-1])
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    shown.add_row('mean', '', *_texts(means))
    return shown


def left_out_row(scores: Scores, source: str) -> list[float]:
    """Mean error, PCK@0.1 and PCK@0.2 of a source left out, and the mean PCK@0.2 of the trainings that saw it."""
    own = scores[source][source]
    seen = [of[source]['pck@0.2'] for name, of in scores.items() if name != source]
    return [own['mean_error'], own['pck@0.1'], own['pck@0.2'], sum(seen) / len(seen)]


def _texts(row: list[float]) -> list[str]:
    return [f'{100 * row[0]:.2f} %', *(f'{share:.3f}' for share in row[1:])]


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'evaluate_unseen',
        description='Leave out each source of photos in turn, train, and score on it.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--config', required=True, type=Path, help='YAML settings of one training')
    parser.add_argument('--output', required=True, type=Path, help=f'folder of the trainings and of {SCORES}')
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE', help='override a setting')
    parser.add_argument('--at-once', type=int, default=1, help='trainings that run side by side, a thread each')
    parser.add_argument('--tiers', default='A', help='grades of labels to score, e.g. AB')
    options = parser.parse_args(arguments)

    def work() -> None:
        if options.at_once < 1:
            raise ConfigError(f'--at-once is {options.at_once}: give 1 or more')
        config = load_config(options.config, dict(parse_override(text) for text in options.set))
        sources = sources_of(config, options.tiers)
        with ThreadPoolExecutor(options.at_once) as pool:
            runs = [
                pool.submit(train_without, source, options.output / source, options.config, options.set)
                for source in sources
            ]
            try:
                for run in runs:
                    run.result()
            except ChildProcessError:
                pool.shutdown(cancel_futures=True)
                raise
        scores = score_all(config, options.output, sources, options.tiers)
        write_atomically(options.output / SCORES, json.dumps(scores, indent=1).encode())
        Console().print(table(scores))

    return exit_status('evaluate_unseen', work, goes_on='where it was')


if __name__ == '__main__':
    sys.exit(main())
