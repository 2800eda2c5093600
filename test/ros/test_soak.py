"""The long run: how it is judged, and a short one of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from minimal_hand_ros.demo import soak  # noqa: E402
from minimal_hand_ros.demo.endurance import Limits, Run, calm_part, judge  # noqa: E402
from minimal_hand_ros.demo.processes import NodeDied  # noqa: E402
from minimal_hand_ros.demo.soak import processor_seconds, resident_bytes, stolen_seconds  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def run(
    latency: float = 0.012,
    slow: float = 0.020,
    lost: int = 0,
    growth: float = 0.0,
    hump: float = 0.0,
    found: int = 18000,
) -> Run:
    """Ten minutes at 30 Hz; the first minute's memory says nothing, as much is still being loaded."""
    latencies = np.full(found, latency)
    latencies[::50] = slow
    seconds = np.arange(600.0)
    memory = 4e8 + np.where(seconds < 60, -1e8, growth * (seconds - 60) / 540)
    memory[(seconds > 300) & (seconds < 360)] += hump
    memory[::97] += 5e7  # a sample in passing is no growth
    return Run(18000, lost, latencies, np.column_stack([seconds, memory]))


@pytest.mark.parametrize(
    ('seen', 'missed'),
    [
        (run(), []),
        (run(latency=0.021, slow=0.03), ['p50']),
        (run(slow=0.04), ['p99']),
        (run(lost=1), ['lost']),
        (run(growth=8e6), ['drift']),
        (run(growth=-8e6), ['drift']),
        (run(growth=4e6), []),
        (run(hump=8e6), ['drift']),
        (run(found=17000), ['found']),
        (run(found=17950, lost=40), ['lost']),
        (run(latency=0.05, slow=0.06, lost=7), ['p50', 'p99', 'lost']),
    ],
)
def test_limits(seen: Run, missed: list[str]) -> None:
    good, lines = judge(seen, Limits())
    assert good == (not missed)
    found = [line for line in lines if line.startswith('MISSED')]
    assert len(found) == len(missed) and all(name in line for name, line in zip(missed, found))


@pytest.mark.parametrize(
    ('seen', 'arguments', 'code'),
    [
        (run(), [], 0),
        (run(lost=1), [], 1),
        (run(lost=1), ['--lost', '1'], 0),
        (run(found=15000), [], 1),
        (run(growth=8e6), [], 1),
        (run(growth=8e6), ['--drift', '9'], 0),
        (run(), ['--p50', '11'], 1),
        (run(), ['--p99', '19'], 1),
        (NodeDied('tracker ended'), [], 1),
    ],
)
def test_a_limit_that_is_missed_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, seen: Run | NodeDied, arguments: list[str], code: int
) -> None:
    def watch(*given: object) -> Run:
        if isinstance(seen, NodeDied):
            raise seen
        return seen

    monkeypatch.setenv('ROS_DOMAIN_ID', os.environ['ROS_DOMAIN_ID'])  # puts back what main changes
    monkeypatch.setattr(soak, 'write_clip', lambda folder, seconds: (folder, folder, 0.09))
    monkeypatch.setattr(soak, '_watch', watch)
    assert soak.main(['--domain', os.environ['ROS_DOMAIN_ID'], *arguments]) == code


def test_stages_and_processor_time_are_told() -> None:
    seen = replace(run(), stages={'keypoints': (5.5, 6.0)}, processor={'tracker': 0.0105})
    good, lines = judge(seen, Limits())
    assert good
    assert any('keypoints' in line and '5.50 ms' in line and 'p95 6.00' in line for line in lines)
    assert any('tracker' in line and '10.50 ms of a core' in line for line in lines)


def test_seconds_that_a_hypervisor_took_are_told_apart() -> None:
    second = 10**9
    marks = [(0, 0.0), (second, 0.0), (2 * second, 0.3), (3 * second, 0.01)]
    sent = [second // 2, 3 * second // 2, 5 * second // 2, 5 * second // 2 + 1, 4 * second]
    latencies = {sent[0]: 0.01, sent[1]: 0.2, sent[2]: 0.012}
    calm = calm_part(marks, sent, set(sent[:3]), latencies)
    assert calm.stolen == pytest.approx(0.31 / 3) and calm.seconds == pytest.approx(2.0)
    assert (calm.sent, calm.lost) == (3, 1) and calm.latencies.tolist() == [0.01, 0.012]
    _, lines = judge(replace(run(), calm=calm), Limits())
    assert '10.3 % of the processors; in the 2 s' in lines[-1] and 'lost 1 of 3' in lines[-1]
    busy = calm_part([(0, 0.0), (second, 0.5)], sent, set(), latencies)
    assert 'in every second 2 % or more' in busy.line()
    assert calm_part([(0, 0.0), (second, 0.0)], sent, set(), latencies) is None


def test_stolen_time_only_grows() -> None:
    before = stolen_seconds()
    assert 0 <= before <= stolen_seconds()


def test_a_run_that_shows_nothing_fails() -> None:
    good, lines = judge(Run(100, 100, np.zeros(0), np.zeros((0, 2))), Limits())
    assert not good and '100 pictures, 0 with TF' in lines[0]


def test_processor_time_is_that_of_the_process() -> None:
    assert processor_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.2)


def test_resident_memory_is_that_of_the_process() -> None:
    status = Path('/proc/self/status').read_text()
    kilobytes = int(re.search(r'VmRSS:\s+(\d+) kB', status)[1])
    assert resident_bytes(os.getpid()) == pytest.approx(1024 * kilobytes, rel=0.05)


def test_a_short_run() -> None:
    """Whether the machine is quick enough is not asked here."""
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'minimal_hand_ros.demo.soak',
            '--duration',
            '10',
            '--domain',
            os.environ['ROS_DOMAIN_ID'],
        ]
        + ['--p50', '60000', '--p99', '60000', '--lost', '400', '--drift', '500', '--found', '50'],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout
    assert 'Traceback' not in done.stdout
    figures = {name: re.search(rf'ok +{name} +([-+\d.]+)', done.stdout) for name in ('picture→TF p50', 'pictures lost')}
    assert all(figures.values()), done.stdout
    assert float(figures['picture→TF p50'][1]) > 1
    print(done.stdout)
