"""Whether something became slower since a run that was kept: `make bench-check`.

    python -m benchmarks.check benchmarks/baseline.json bench_output/bench.json
    python -m benchmarks.check --keep bench_output/bench.json benchmarks/baseline.json

Compares ratios, each of a row of the table to its peer in the same run, which another machine changes less than times.
A row without a peer is held against the peer's AIK, the yardstick of how fast the machine is, and says so in its name;
one whose peer was left out of a run (`-k small`) is not compared. A row fails when the
ratio of the medians and the ratio of the fastest rounds are both more than 20 % worse: other programs slow down many
rounds of one side, but seldom all. For the same reason rows by the clock are left out. What one of the runs did not
measure is named and fails nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.rows import BY_THE_CLOCK
from benchmarks.table import Line, Timing, read_lines
from minimal_hand_core.files import write_atomically

WORSE = 0.20
"""Share of its ratio that a row may lose."""
YARDSTICK = 'AIK, one hand'
"""Row whose peer stands in where a row has none: Python and NumPy, a little of both."""
BY_YARDSTICK = f' (beside the peer of {YARDSTICK})'
"""After the title of such a row: ratios to different peers are never compared."""
OK, SLOWER, UNREADABLE = 0, 1, 2


class Ratio(NamedTuple):
    """The peer's time over ours, of the medians and of the fastest rounds."""

    median: float
    fastest: float


class Run(NamedTuple):
    """machine: what it ran on, for a reader; ratios: row of the table → ratio."""

    machine: str
    ratios: dict[str, Ratio]


def read_run(path: Path) -> Run:
    """A run, from what pytest-benchmark wrote or from what `keep` made of it.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is neither of them; names the file.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        return _kept(content) if 'ratios' in content else _measured(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path}: neither a run of `make bench` nor one kept by benchmarks.check ({error!r})'
        ) from error


def _kept(content: dict[str, Any]) -> Run:
    ratios = {str(title): Ratio(*(float(value) for value in pair)) for title, pair in content['ratios'].items()}
    for title, ratio in ratios.items():
        if not all(math.isfinite(value) and value > 0 for value in ratio):
            raise ValueError(f'{title}: ratios are {list(ratio)}')
    return Run(str(content['machine']), ratios)


def _measured(report: dict[str, Any]) -> Run:
    lines = read_lines(report)
    yardstick = next((line.peer for line in lines if line.title == YARDSTICK), None)
    pairs = dict(pair for line in lines if (pair := _ratio(line, yardstick)) is not None)
    machine = report['machine_info']['ours']
    load = max(machine['load_average'][0], report['load_average_after'][0])
    described = f'{machine["cpu_model"]}, {machine["cores"]} cores, load up to {load:g}, {report["datetime"][:10]}'
    return Run(described, pairs)


def _ratio(line: Line, yardstick: Timing | None) -> tuple[str, Ratio] | None:
    """Title and ratio of a row; None where it has no peer in this run, or goes by the clock."""
    peer, title = line.peer, line.title
    if peer is None and line.goal.ratio is None and line.goal.peer is None:
        peer, title = yardstick, title + BY_YARDSTICK
    if line.ours is None or peer is None or BY_THE_CLOCK in line.title:
        return None
    return title, Ratio(peer.median / line.ours.median, peer.low / line.ours.low)


def keep(run: Run, path: Path) -> None:
    """Write what later runs are compared with: ratios with three digits, and the machine."""
    rows = [
        f'{json.dumps(title, ensure_ascii=False)}: {[float(f"{value:.3g}") for value in ratio]}'
        for title, ratio in run.ratios.items()
    ]
    machine = json.dumps(run.machine, ensure_ascii=False)
    lines = ',\n'.join(rows)  # one row a line, which reads well in a change of the file
    write_atomically(path, f'{{"machine": {machine}, "ratios": {{\n{lines}\n}}}}\n'.encode())


def compare(before: Run, after: Run) -> list[str]:
    """A line for each row that became slower, worst first."""
    lost = {}
    for title in before.ratios.keys() & after.ratios.keys():
        old, new = before.ratios[title], after.ratios[title]
        left = max(new.median / old.median, new.fastest / old.fastest)
        if left < 1 - WORSE:
            lost[title] = left
    return [
        f'{title}: the ratio fell from {before.ratios[title].median:.3g}× to {after.ratios[title].median:.3g}×, '
        f'{1 - left:.0%} worse at the least'
        for title, left in sorted(lost.items(), key=lambda item: item[1])
    ]


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status: 0, 1 when a row became slower, 2 when a file cannot be read."""
    parser = argparse.ArgumentParser(
        'benchmarks.check', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('before', type=Path, help='JSON of the run to compare with, or to keep')
    parser.add_argument('after', type=Path, help='JSON of the new run, or where to keep')
    parser.add_argument('--keep', action='store_true', help='write the ratios of the first file to the second')
    options = parser.parse_args(arguments)
    try:
        before = read_run(options.before)
        if options.keep:
            keep(before, options.after)
            return OK
        after = read_run(options.after)
    except (OSError, ValueError) as error:
        hint = '; `make bench` makes one' if isinstance(error, FileNotFoundError) else ''
        print(f'bench-check: {error}{hint}', file=sys.stderr)
        return UNREADABLE
    both = before.ratios.keys() & after.ratios.keys()
    if not both:
        print(f'bench-check: {options.before} and {options.after} have no row in common', file=sys.stderr)
        return UNREADABLE
    print(f'before: {before.machine}\nafter:  {after.machine}')
    for name, missing in (
        ('the new run', before.ratios.keys() - both),
        (f'{options.before}', after.ratios.keys() - both),
    ):
        if missing:
            print(f'not in {name}: {"; ".join(sorted(missing))}')
    slower = compare(before, after)
    for line in slower:
        print(f'bench-check: {line}', file=sys.stderr)
    print(f'{len(both)} rows compared, {len(slower)} more than {WORSE:.0%} worse')
    if slower:
        print('a machine with more work than cores shifts ratios too: see the load above, and measure again')
    return SLOWER if slower else OK


if __name__ == '__main__':
    sys.exit(main())
