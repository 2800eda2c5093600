"""From the JSON of a run to one table in Markdown: `python -m benchmarks.table bench_output/bench.json`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.rows import ROWS, Goal

HEAD = ('', 'ours', 'peer', 'ratio', 'goal', 'met')


class Timing(NamedTuple):
    """Seconds of one item (hand, picture, …): median, fastest and slowest round."""

    median: float
    low: float
    high: float
    note: str = ''

    def __str__(self) -> str:
        return f'{duration(self.median)} ({duration(self.low)} – {duration(self.high)})'


class Line(NamedTuple):
    """One line of the table; `met` is None where nothing was to be reached or something is missing to tell."""

    title: str
    ours: Timing | None
    peer: Timing | None
    goal: Goal

    @property
    def ratio(self) -> float | None:
        """The peer's median over ours."""
        return None if self.ours is None or self.peer is None else self.peer.median / self.ours.median

    @property
    def met(self) -> bool | None:
        if self.ours is None or (self.goal.ratio is None and self.goal.seconds is None):
            return None
        if self.goal.ratio is not None and self.ratio is None:
            return None
        fast_enough = self.goal.seconds is None or self.ours.median <= self.goal.seconds
        return fast_enough and (self.goal.ratio is None or (self.ratio or 0.0) >= self.goal.ratio)


def duration(seconds: float) -> str:
    """Three digits and a unit: 0.00123 → '1.23 ms'."""
    units = ((1.0, 's'), (1e-3, 'ms'), (1e-6, 'µs'), (1e-9, 'ns'))
    size, unit = next((pair for pair in units if seconds >= 0.9995 * pair[0]), units[-1])
    return f'{_three_digits(seconds / size)} {unit}'


def _three_digits(value: float) -> str:
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f'{value:,.{decimals}f}'


def read_lines(report: dict[str, Any]) -> list[Line]:
    """Lines in the order of ROWS, then those of groups without a goal.

    Args:
        report: what pytest-benchmark writes.

    Raises:
        ValueError: a benchmark without a group, or whose name is neither test_ours… nor test_peer….
    """
    timings: dict[str, dict[str, dict[str, Timing]]] = {}
    for entry in report['benchmarks']:
        name, _, variant = entry['name'].partition('[')
        role = name.removeprefix('test_')[:4]
        if entry['group'] is None or role not in ('ours', 'peer'):
            raise ValueError(
                f'{entry["fullname"]}: expected a group, and a name that begins with test_ours or test_peer'
            )
        stats, extra = entry['stats'], entry['extra_info']
        items = extra.get('items', 1)
        timing = Timing(*(stats[key] / items for key in ('median', 'min', 'max')), str(extra.get('note', '')))
        timings.setdefault(entry['group'], {}).setdefault(role, {})[variant.rstrip(']')] = timing
    lines = []
    for group in [*ROWS, *(name for name in timings if name not in ROWS)]:
        goal = ROWS.get(group, Goal())
        found = timings.get(group, {})
        peers = found.get('peer') or timings.get(goal.peer or group, {}).get('peer', {})
        for variant, ours in (found.get('ours') or ({'': None} if found else {})).items():
            peer = peers.get(variant, next(iter(peers.values())) if len(peers) == 1 else None)
            lines.append(Line(f'{group}, {variant}' if variant else group, ours, peer, goal))
    return lines


def describe_goal(goal: Goal) -> str:
    parts = [] if goal.ratio is None else [f'≥ {goal.ratio:,g}×']
    if goal.seconds is not None:
        parts.append(f'≤ {duration(goal.seconds)}')
    return ', '.join(parts) or '–'


def to_markdown(lines: Iterable[Line]) -> str:
    """The table, its columns padded so that it reads well in a terminal too."""
    cells = [HEAD]
    for line in lines:
        ratio = '–' if line.ratio is None else f'{_three_digits(line.ratio)}×'
        met = {None: '–', True: 'yes', False: '**no**'}[line.met]
        times = ('–' if timing is None else str(timing) for timing in (line.ours, line.peer))
        cells.append((line.title, *times, ratio, describe_goal(line.goal), met))
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEAD))]
    texts = ['| ' + ' | '.join(f'{cell:<{width}}' for cell, width in zip(row, widths)) + ' |' for row in cells]
    texts.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return '\n'.join(texts)


def describe_run(report: dict[str, Any]) -> str:
    """One sentence: machine, load, versions, and what was counted."""
    machine = report['machine_info']['ours']
    versions = ', '.join(f'{name} {number}' for name, number in machine['versions'].items())
    timers = {entry['options']['timer'] for entry in report['benchmarks']}
    clock = 'Processor time' if 'process_time' in timers else 'Time by the clock'
    load = f'{machine["load_average"][0]:g} before, {report["load_average_after"][0]:g} after'
    return (
        f'{report["datetime"][:10]}, {machine["cpu_model"]}, {machine["cores"]} cores, {machine["threads"]} thread, '
        f'load average {load}; {machine["system"]}, Python {machine["python"]}, {versions}. '
        f'{clock} of one item, unless the row says otherwise: median (fastest – slowest round).'
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser('benchmarks.table', description=__doc__)
    parser.add_argument('report', type=Path, help='JSON written by pytest --benchmark-json')
    options = parser.parse_args(arguments)
    try:
        report = json.loads(options.report.read_text())
        lines = read_lines(report)
        print(f'{to_markdown(lines)}\n\n{describe_run(report)}')
    except (OSError, ValueError, KeyError) as error:
        print(f'benchmarks.table: {options.report}: {error!r}', file=sys.stderr)
        return 1
    for line in lines:
        for role, timing in (('ours', line.ours), ('peer', line.peer)):
            if timing is not None and timing.note:
                print(f'* {line.title}, {role}: {timing.note}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
