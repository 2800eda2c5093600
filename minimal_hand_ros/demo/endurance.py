"""The figures of a long run and whether they are good enough; no ROS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Limits:
    """What a run has to keep: seconds from picture to TF, pictures without an answer, bytes of growth either way."""

    p50: float = 0.020
    p99: float = 0.033
    lost: int = 0
    drift: float = 5e6


@dataclass(frozen=True)
class Run:
    """What was seen.

    Attributes:
        sent: pictures.
        lost: of those, how many got no answer.
        latencies: (N,) seconds from each picture's stamp until its TF was here.
        memory: (M, 2) seconds since the start and resident bytes of the tracker, about once per second.
    """

    sent: int
    lost: int
    latencies: np.ndarray
    memory: np.ndarray

    def resident(self) -> tuple[float, float]:
        """Resident bytes after the first minute (a third of a shorter run), and at the end: medians of ten seconds."""
        seconds, resident = self.memory.T
        length = seconds[-1] - seconds[0]
        settled, span = seconds[0] + min(60.0, length / 3), min(10.0, length / 6)
        early = resident[(seconds >= settled) & (seconds <= settled + span)]
        late = resident[seconds >= seconds[-1] - span]
        return float(np.median(early)), float(np.median(late))


def judge(run: Run, limits: Limits) -> tuple[bool, list[str]]:
    """Whether a run kept its limits, and a line for each figure.

    A run without a single TF or with fewer than three samples of the memory shows nothing and fails.
    """
    if not len(run.latencies) or len(run.memory) < 3:
        return False, [f'FAILED  {run.sent} pictures, {len(run.latencies)} with TF: nothing to judge']
    p50, p95, p99 = np.percentile(run.latencies, (50, 95, 99))
    early, late = run.resident()
    checks = [
        (p50 < limits.p50, f'picture→TF p50   {1e3 * p50:7.1f} ms  (below {1e3 * limits.p50:g} ms)'),
        (True, f'picture→TF p95   {1e3 * p95:7.1f} ms'),
        (p99 < limits.p99, f'picture→TF p99   {1e3 * p99:7.1f} ms  (below {1e3 * limits.p99:g} ms)'),
        (True, f'picture→TF max   {1e3 * run.latencies.max():7.1f} ms'),
        (run.lost <= limits.lost, f'pictures lost    {run.lost:7d} of {run.sent}  (at most {limits.lost})'),
        (True, f'memory           {early / 1e6:7.1f} MB after the first minute, {late / 1e6:.1f} MB at the end'),
        (
            abs(late - early) <= limits.drift,
            f'memory drift     {(late - early) / 1e6:+7.1f} MB  (within ±{limits.drift / 1e6:g} MB)',
        ),
    ]
    return all(good for good, _ in checks), [f'{"ok    " if good else "MISSED"}  {line}' for good, line in checks]
