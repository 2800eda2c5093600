"""The long run: how it is judged, and a short one of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from minimal_hand_ros.demo.endurance import Limits, Run, judge  # noqa: E402
from minimal_hand_ros.demo.soak import resident_bytes  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def run(latency: float = 0.012, slow: float = 0.020, lost: int = 0, growth: float = 0.0) -> Run:
    """Ten minutes at 30 Hz; the first minute's memory says nothing, as much is still being loaded."""
    latencies = np.full(18000, latency)
    latencies[::50] = slow
    seconds = np.arange(600.0)
    memory = 4e8 + np.where(seconds < 60, -1e8, growth * (seconds - 60) / 540)
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
        (run(latency=0.05, slow=0.06, lost=7), ['p50', 'p99', 'lost']),
    ],
)
def test_limits(seen: Run, missed: list[str]) -> None:
    good, lines = judge(seen, Limits())
    assert good == (not missed)
    found = [line for line in lines if line.startswith('MISSED')]
    assert len(found) == len(missed) and all(name in line for name, line in zip(missed, found))


def test_a_run_that_shows_nothing_fails() -> None:
    good, lines = judge(Run(100, 100, np.zeros(0), np.zeros((0, 2))), Limits())
    assert not good and '100 pictures, 0 with TF' in lines[0]


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
        + ['--p50', '60000', '--p99', '60000', '--lost', '400', '--drift', '500'],
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
