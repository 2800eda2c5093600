"""bench-check: what fails, what does not, and files that are no runs; all of made-up figures."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from benchmarks.check import BY_YARDSTICK, Ratio, main, read_run
from benchmarks.rows import BY_THE_CLOCK, MEDIAPIPE, ROWS, TWO_THREADS

BASELINE = Path(__file__).resolve().parents[1] / 'benchmarks' / 'baseline.json'
MACHINE = {'cpu_model': 'an abacus', 'cores': 2, 'load_average': [0.5, 0, 0]}


def entry(name, group, median, low=None):
    stats = {'median': median, 'min': low or 0.9 * median, 'max': 3 * median}
    return {'name': name, 'fullname': name, 'group': group, 'stats': stats, 'extra_info': {}}


@pytest.fixture
def report():
    """A run: two rows with a peer, one of them the yardstick, and one without."""
    return {
        'machine_info': {'ours': MACHINE},
        'datetime': '2026-01-01T00:00:00',
        'load_average_after': [1.25, 0, 0],
        'benchmarks': [
            entry('test_ours_aik', 'AIK, one hand', 1.0),
            entry('test_peer_aik', 'AIK, one hand', 50.0),
            entry('test_ours_resnet50[torch]', 'DetNet resnet50, one crop', 100.0),
            entry('test_peer_resnet50', 'DetNet resnet50, one crop', 200.0),
            entry('test_ours_one_euro', 'One-Euro filter, 21 keypoints', 2.0),
        ],
    }


def changed(report, index, factor, low=None):
    """The same run with one benchmark's times changed, the fastest round by another factor."""
    other = copy.deepcopy(report)
    stats = other['benchmarks'][index]['stats']
    for key in ('median', 'max'):
        stats[key] *= factor
    stats['min'] *= factor if low is None else low
    return other


def check(folder, before, after):
    paths = [folder / 'before.json', folder / 'after.json']
    for path, content in zip(paths, (before, after)):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return main([str(path) for path in paths])


def test_the_same_run_passes(tmp_path, report, capsys):
    assert check(tmp_path, report, report) == 0
    text = capsys.readouterr().out
    assert (
        '3 rows compared, 0 more than 20% worse' in text and 'an abacus, 2 cores, load up to 1.25, 2026-01-01' in text
    )


@pytest.mark.parametrize(
    ('index', 'title', 'ratios'),
    [
        (0, 'AIK, one hand', '50× to 40'),
        (2, 'DetNet resnet50, one crop, torch', '2× to 1.6'),
        (4, f'One-Euro filter, 21 keypoints{BY_YARDSTICK}', '25× to 20'),
    ],
)
def test_a_row_that_became_slower_fails_and_is_named(tmp_path, report, capsys, index, title, ratios):
    assert check(tmp_path, report, changed(report, index, 1.245)) == 0
    assert check(tmp_path, report, changed(report, index, 1.26)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'bench-check: {title}: the ratio fell from ') and line.endswith('% worse at the least')
    assert ratios.split('×')[0] + '× to ' in line


def test_worst_comes_first(tmp_path, report, capsys):
    assert check(tmp_path, report, changed(changed(report, 2, 1.5), 4, 4.0)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert ['One-Euro' in line for line in lines] == [True, False]


def test_a_slow_machine_is_no_regression(tmp_path, report, capsys):
    slow = copy.deepcopy(report)
    slow['machine_info']['ours'] = {**MACHINE, 'cpu_model': 'fingers', 'cores': 10}
    for each in slow['benchmarks']:
        each['stats'] = {key: 7 * value for key, value in each['stats'].items()}
    assert check(tmp_path, report, slow) == 0
    text = capsys.readouterr().out
    assert 'before: an abacus' in text and 'after:  fingers' in text


def test_rounds_that_met_other_programs_are_no_regression(tmp_path, report):
    assert check(tmp_path, report, changed(report, 2, 1.6, low=1.0)) == 0
    assert check(tmp_path, report, changed(report, 2, 1.0, low=1.6)) == 0


def test_rows_by_the_clock_are_left_out(tmp_path, report):
    group = f'DetNet small, one crop, {TWO_THREADS}'
    report['benchmarks'] += [entry('test_ours', group, 1.0), entry('test_peer', group, 90.0)]
    assert check(tmp_path, report, changed(report, 5, 3.0)) == 0
    assert len(read_run(tmp_path / 'before.json').ratios) == 3


def test_faster_is_no_regression(tmp_path, report):
    assert check(tmp_path, report, changed(report, 2, 0.1)) == 0


def test_what_was_not_measured_is_named(tmp_path, report, capsys):
    part = copy.deepcopy(report)
    del part['benchmarks'][4]
    assert check(tmp_path, report, part) == 0
    assert 'not in the new run: One-Euro filter, 21 keypoints' in capsys.readouterr().out
    assert check(tmp_path, part, report) == 0
    assert 'before.json: One-Euro filter, 21 keypoints' in capsys.readouterr().out


def test_a_row_whose_peer_was_left_out_is_not_held_against_another(tmp_path, report, capsys):
    """`make bench BENCH_ARGS='-k "aik or ours_resnet50"'`."""
    part = copy.deepcopy(report)
    del part['benchmarks'][3]
    assert check(tmp_path, report, part) == 0
    assert 'not in the new run: DetNet resnet50, one crop, torch\n' in capsys.readouterr().out
    # rows without a goal may have a peer, too
    group = 'keypoints and their gradient, 64 hands'
    report['benchmarks'] += [entry('test_ours_gradient', group, 1.0), entry('test_peer_gradient', group, 5000.0)]
    assert check(tmp_path, report, part) == 0
    part['benchmarks'].append(entry('test_ours_gradient', group, 1.0))
    assert check(tmp_path, report, part) == 0
    assert check(tmp_path, part, report) == 0


def test_a_run_is_kept_as_ratios_alone(tmp_path, report, capsys):
    (tmp_path / 'bench.json').write_text(json.dumps(report))
    assert main(['--keep', str(tmp_path / 'bench.json'), str(tmp_path / 'baseline.json')]) == 0
    kept = json.loads((tmp_path / 'baseline.json').read_text())
    assert kept == {
        'machine': 'an abacus, 2 cores, load up to 1.25, 2026-01-01',
        'ratios': {
            'AIK, one hand': [50.0, 50.0],
            'DetNet resnet50, one crop, torch': [2.0, 2.0],
            'One-Euro filter, 21 keypoints (beside the peer of AIK, one hand)': [25.0, 25.0],
        },
    }
    assert read_run(tmp_path / 'baseline.json').ratios['AIK, one hand'] == Ratio(50.0, 50.0)
    (tmp_path / 'new.json').write_text(json.dumps(changed(report, 0, 2.0)))
    assert main([str(tmp_path / 'baseline.json'), str(tmp_path / 'new.json')]) == 1
    assert 'AIK, one hand: the ratio fell from 50× to 25×, 50% worse' in capsys.readouterr().err


@pytest.mark.parametrize(
    'content',
    [
        '',
        '{',
        '[]',
        '{}',
        '3',
        '{"benchmarks": []}',
        '{"machine": "x", "ratios": {"AIK, one hand": [1]}}',
        '{"machine": "x", "ratios": {"AIK, one hand": [1, 2, 3]}}',
        '{"machine": "x", "ratios": {"AIK, one hand": [NaN, 1]}}',
        '{"machine": "x", "ratios": {"AIK, one hand": [0, 1]}}',
        '{"machine": "x", "ratios": {"AIK, one hand": "fast"}}',
        '{"machine": "x", "ratios": [1]}',
        '{"ratios": {}}',
    ],
)
def test_files_that_are_no_runs_are_named(tmp_path, report, capsys, content):
    assert check(tmp_path, report, content) == 2
    error = capsys.readouterr().err
    assert 'after.json: neither a run' in error and error.count('\n') == 1


def test_missing_files_name_what_makes_them(tmp_path, report, capsys):
    (tmp_path / 'before.json').write_text(json.dumps(report))
    assert main([str(tmp_path / 'before.json'), str(tmp_path / 'bench.json')]) == 2
    error = capsys.readouterr().err
    assert 'bench.json' in error and '`make bench` makes one' in error


def test_runs_without_a_common_row(tmp_path, report, capsys):
    assert check(tmp_path, report, {'machine': 'x', 'ratios': {'knitting': [1.0, 1.0]}}) == 2
    assert 'no row in common' in capsys.readouterr().err


def test_the_kept_run_has_the_rows_of_the_table():
    titles = read_run(BASELINE).ratios
    for group in ROWS.keys() - set(MEDIAPIPE.values()):
        if BY_THE_CLOCK in group:
            continue
        names = (group, group + BY_YARDSTICK)
        assert any(title in names or title.startswith(f'{group}, ') for title in titles), group
    assert all(any(title.startswith(group) for group in ROWS) for title in titles)
