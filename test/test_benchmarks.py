"""The benchmarks are all there, and their table says what was measured. Nothing here looks at how fast anything is."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.rows import MEDIAPIPE, ROWS, Goal
from benchmarks.table import Line, Timing, duration, main, read_lines, to_markdown

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / 'benchmarks').glob('test_*.py'))
BASELINES = sorted((ROOT / 'benchmarks' / 'baselines').glob('*.py'))

TINY = """
import pytest

GROUP = 'AIK, one hand'

@pytest.mark.benchmark(group=GROUP)
def test_ours_tiny(benchmark):
    benchmark(sum, range(100))
    benchmark.extra_info['items'] = 10
    benchmark.extra_info['note'] = 'exact'

@pytest.mark.benchmark(group=GROUP)
def test_peer_tiny(benchmark):
    benchmark(sum, range(10_000))
"""


def benchmarks() -> dict[str, list[str]]:
    """Group → names of its benchmarks, read from the sources."""
    groups = {}
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith('test_'):
                marks = [mark for mark in node.decorator_list if 'mark.benchmark(' in ast.unparse(mark)]
                named = [word.value for mark in marks for word in mark.keywords if word.arg == 'group']
                assert len(named) == 1, f'{path.name}: {node.name} has no group'
                # Names of groups are literals, or made of those of rows.py.
                group = eval(compile(ast.Expression(named[0]), str(path), 'eval'), vars(rows))
                groups.setdefault(group, []).append(node.name)
                assert 'benchmark' in [argument.arg for argument in node.args.args], f'{node.name} measures nothing'
    return groups


def test_every_benchmark_is_a_row_of_the_table():
    for group, names in benchmarks().items():
        assert group in ROWS, f'{names}: {group!r} is not in benchmarks/rows.py'
        assert all(name.startswith(('test_ours', 'test_peer')) for name in names)


def test_every_row_is_measured():
    found = benchmarks()
    for group, goal in ROWS.items():
        if group in MEDIAPIPE.values():
            continue  # measured on request, by mediapipe_hands
        assert any(name.startswith('test_ours') for name in found.get(group, [])), f'{group}: nobody measures ours'
        if goal.ratio is not None:
            peers = found.get(group, []) + found.get(goal.peer or group, [])
            assert any(name.startswith('test_peer') for name in peers), f'{group}: a ratio without a peer'


def test_nothing_of_the_product_uses_a_baseline():
    for package in ('minimal_hand_core', 'minimal_hand_ros', 'tools'):
        for path in (ROOT / package).rglob('*.py'):
            assert 'benchmarks' not in path.read_text(), path
    for path in BASELINES:
        assert 'baseline' in ast.get_docstring(ast.parse(path.read_text())).splitlines()[0].lower(), path


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    """The path of a real run's JSON: three quick benchmarks."""
    pytest.importorskip('pytest_benchmark')
    folder = tmp_path_factory.mktemp('bench')
    (folder / 'test_tiny.py').write_text(TINY)
    command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', 'benchmarks/test_tracking.py']
    command += [str(folder / 'test_tiny.py'), '-k', 'one_euro or tiny', f'--benchmark-json={folder / "bench.json"}']
    command += ['--benchmark-timer=time.process_time', '--benchmark-max-time=0.02', '--benchmark-min-rounds=3']
    # To pytest-benchmark a worker of pytest-xdist is no place to measure; this is a run of its own.
    env = {name: value for name, value in os.environ.items() if not name.startswith('PYTEST_XDIST')}
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**env, 'COLUMNS': '200'})
    assert run.returncode == 0, run.stdout + run.stderr
    assert 'load [' in run.stdout and 'benchmarks:' in run.stdout
    return folder / 'bench.json'


def test_a_run_becomes_a_table(report, capsys):
    lines = {line.title: line for line in read_lines(json.loads(report.read_text()))}
    assert list(lines) == ['AIK, one hand', 'One-Euro filter, 21 keypoints']  # what was not measured is left out
    tiny = lines['AIK, one hand']
    assert tiny.ours.median < tiny.peer.median / 100
    assert tiny.ratio == pytest.approx(tiny.peer.median / tiny.ours.median) and tiny.met
    keep = lines['One-Euro filter, 21 keypoints']
    assert keep.ours.low <= keep.ours.median <= keep.ours.high and keep.peer is None and keep.met is None

    assert main([str(report)]) == 0
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if line.startswith('|')]
    assert [row.split('|')[1].strip() for row in rows[2:]] == list(lines)
    assert len({len(row) for row in rows}) == 1
    machine = json.loads(report.read_text())['machine_info']['ours']
    assert machine['threads'] == 1 and machine['cpu_model'] in text and machine['versions']['torch'] in text
    assert (
        'load average' in text
        and 'Processor time of one item, unless' in text
        and '* AIK, one hand, ours: exact' in text
    )


def entry(name, median, group='AIK, one hand', **extra):
    stats = {'median': median, 'min': median / 2, 'max': 2 * median}
    return {'name': name, 'fullname': name, 'group': group, 'stats': stats, 'extra_info': extra}


def rows_of(*entries):
    return {line.title: line for line in read_lines({'benchmarks': list(entries)})}


def test_times_are_those_of_one_item():
    line = rows_of(entry('test_ours', 1.0, items=1000), entry('test_peer', 1.0))['AIK, one hand']
    assert line.ours == Timing(0.001, 0.0005, 0.002) and line.ratio == 1000


def test_variants_meet_their_own_peer():
    peers = [entry('test_peer[a]', 6.0), entry('test_peer[b]', 8.0)]
    ours = [entry('test_ours[a]', 1.0), entry('test_ours[b]', 2.0), entry('test_ours[c]', 2.0)]
    rows = rows_of(*ours, *peers)
    assert [rows[f'AIK, one hand, {variant}'].ratio for variant in 'abc'] == [6.0, 4.0, None]
    assert rows_of(*ours, peers[0])['AIK, one hand, c'].ratio == 3.0


def test_a_row_may_be_measured_against_the_peer_of_another():
    rows = rows_of(
        entry('test_peer_resnet50', 2.0, 'DetNet resnet50, one crop'), entry('test_ours', 0.1, 'DetNet small, one crop')
    )
    assert rows['DetNet small, one crop'].ratio == 20 and rows['DetNet small, one crop'].met
    assert rows['DetNet resnet50, one crop'].ours is None


def test_a_group_without_a_goal_is_shown_last():
    assert list(rows_of(entry('test_ours', 1.0, 'new')))[-1] == 'new'


@pytest.mark.parametrize(
    ('goal', 'ours', 'peer', 'met'),
    [
        (Goal(), 1.0, 1.0, None),
        (Goal(ratio=5), 1.0, 5.0, True),
        (Goal(ratio=5), 1.0, 4.9, False),
        (Goal(ratio=5), 1.0, None, None),
        (Goal(seconds=0.5), 0.5, None, True),
        (Goal(seconds=0.5), 0.6, None, False),
        (Goal(ratio=5, seconds=0.5), 1.0, 9.0, False),
        (Goal(ratio=5, seconds=0.5), None, 9.0, None),
    ],
)
def test_goals(goal, ours, peer, met):
    line = Line('row', *(None if time is None else Timing(time, time, time) for time in (ours, peer)), goal)
    assert line.met is met
    assert {None: '–', True: 'yes', False: '**no**'}[met] in to_markdown([line]).splitlines()[-1]


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(1.5, '1.50 s'), (0.9999, '1.00 s'), (0.00123, '1.23 ms'), (0.0123, '12.3 ms'), (0.123, '123 ms'),
     (0.000123, '123 µs'), (2.5e-8, '25.0 ns'), (1234.0, '1,234 s')],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_defects_are_named(tmp_path, capsys):
    assert main([str(tmp_path / 'none.json')]) == 1
    for report in ({'benchmarks': [entry('test_theirs', 1.0)]}, {'benchmarks': [entry('test_ours', 1.0, None)]}, {}):
        path = tmp_path / 'bad.json'
        path.write_text(json.dumps(report))
        assert main([str(path)]) == 1
    error = capsys.readouterr().err
    assert 'none.json' in error and 'test_theirs: expected a group' in error and error.count('\n') == 4
