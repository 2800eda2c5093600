"""The figures of a long run and whether they are good enough; no ROS."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Limits:
    """What a run has to keep.

    Attributes:
        p50, p99: seconds from picture to TF.
        lost: pictures without an answer.
        drift: bytes by which the memory may grow or shrink.
        found: share of the answered pictures that got TF; the clip shows the hand in all of them, and a tracker that
            does not find it proves nothing about the time that a hand takes.
    """

    p50: float = 0.020
    p99: float = 0.033
    lost: int = 0
    drift: float = 5e6
    found: float = 0.95


CALM = 0.02
"""Share of the processors' time that a hypervisor may take from a second that counts as calm."""


@dataclass(frozen=True)
class CalmPart:
    """The part of a run on a virtual machine in which the machine was its own.

    Attributes:
        stolen: share of the processors' time that the hypervisor gave to others, over the whole run.
        seconds: of the run in which that was below CALM.
        sent, lost, latencies: as of Run, of the pictures of those seconds.
    """

    stolen: float
    seconds: float
    sent: int
    lost: int
    latencies: np.ndarray

    def line(self) -> str:
        """For a reader."""
        whole = f'stolen by the hypervisor: {100 * self.stolen:.1f} % of the processors'
        if not len(self.latencies):
            return f'{whole}, in every second {100 * CALM:g} % or more'
        p50, p99 = 1e3 * np.percentile(self.latencies, (50, 99))
        return (
            f'{whole}; in the {self.seconds:.0f} s with less than {100 * CALM:g} %: '
            f'p50 {p50:.1f} ms, p99 {p99:.1f} ms, lost {self.lost} of {self.sent}'
        )


@dataclass(frozen=True)
class Run:
    """What was seen.

    Attributes:
        sent: pictures.
        lost: of those, how many got no answer.
        latencies: (N,) seconds from each picture's stamp until its TF was here.
        memory: (M, 2) seconds since the start and resident bytes of the tracker, about once per second.
        stages: (p50, p95) of the tracker's stages in milliseconds, as /diagnostics has them: medians over the run.
        processor: process → seconds of the processor for each picture sent.
        calm: what was seen while no hypervisor took the processors away; None where none does.
    """

    sent: int
    lost: int
    latencies: np.ndarray
    memory: np.ndarray
    stages: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    processor: Mapping[str, float] = field(default_factory=dict)
    calm: CalmPart | None = None

    def resident(self) -> np.ndarray:
        """(K,) resident bytes from the end of the first minute (a third of a shorter run) on: medians of ten seconds,
        or of a sixth of the run where that is less, half of which the next one has as well."""
        seconds, resident = self.memory.T
        length = seconds[-1] - seconds[0]
        settled, span = seconds[0] + min(60.0, length / 3), min(10.0, length / 6)
        starts = np.append(np.arange(settled, seconds[-1] - span, span / 2), seconds[-1] - span)
        inside = [resident[(seconds >= start) & (seconds <= start + span)] for start in starts]
        return np.array([np.median(part) for part in inside if len(part)])

    @property
    def found(self) -> float:
        """Share of the answered pictures that got TF."""
        return len(self.latencies) / max(self.sent - self.lost, 1)


def calm_part(
    marks: Sequence[tuple[int, float]], sent: Collection[int], answered: Container[int], latencies: Mapping[int, float]
) -> CalmPart | None:
    """The calm seconds of a run; None where nothing was stolen at all.

    Args:
        marks: (nanoseconds, share of the processors that was stolen since the mark before).
        sent, answered: stamps of pictures, nanoseconds.
        latencies: stamp → seconds until its TF.
    """
    spans = [(a[0], b[0], b[1]) for a, b in itertools.pairwise(marks)]
    stolen = sum((end - start) * share for start, end, share in spans) / (marks[-1][0] - marks[0][0])
    if stolen == 0:
        return None
    calm = [(start, end) for start, end, share in spans if share < CALM]
    return CalmPart(stolen, 1e-9 * sum(end - start for start, end in calm), *part(calm, sent, answered, latencies))


def part(
    spans: Sequence[tuple[int, int]], sent: Collection[int], answered: Container[int], latencies: Mapping[int, float]
) -> tuple[int, int, np.ndarray]:
    """Of the pictures with stamps in the spans: how many were sent, how many of them got no answer, latencies (N,).

    Args:
        spans: start and end, nanoseconds, one after the other; the rest as of `calm_part`.
    """
    ends = np.array(spans, dtype=np.int64).reshape(-1)

    def inside(stamps: Collection[int]) -> np.ndarray:
        # before a stamp inside a span lies an odd number of ends
        return np.searchsorted(ends, np.fromiter(stamps, np.int64, len(stamps))) % 2 == 1

    counted = [stamp for stamp, counts in zip(sent, inside(sent), strict=True) if counts]
    lost = sum(stamp not in answered for stamp in counted)
    return len(counted), lost, np.fromiter(latencies.values(), float, len(latencies))[inside(latencies)]


def judge(run: Run, limits: Limits) -> tuple[bool, list[str]]:
    """Whether a run kept its limits, and a line for each figure.

    A run without a single TF or with fewer than three samples of the memory shows nothing and fails.
    """
    if not len(run.latencies) or len(run.memory) < 3:
        return False, [f'FAILED  {run.sent} pictures, {len(run.latencies)} with TF: nothing to judge']
    p50, p95, p99 = np.percentile(run.latencies, (50, 95, 99))
    resident = run.resident()
    early, late = resident[[0, -1]]
    drift = (resident - early)[np.abs(resident - early).argmax()]
    checks = [
        (p50 < limits.p50, f'picture→TF p50   {1e3 * p50:7.1f} ms  (below {1e3 * limits.p50:g} ms)'),
        (True, f'picture→TF p95   {1e3 * p95:7.1f} ms'),
        (p99 < limits.p99, f'picture→TF p99   {1e3 * p99:7.1f} ms  (below {1e3 * limits.p99:g} ms)'),
        (True, f'picture→TF max   {1e3 * run.latencies.max():7.1f} ms'),
        (run.lost <= limits.lost, f'pictures lost    {run.lost:7d} of {run.sent}  (at most {limits.lost})'),
        (run.found >= limits.found, f'hand found       {100 * run.found:7.1f} %  (at least {100 * limits.found:g} %)'),
        (True, f'memory           {early / 1e6:7.1f} MB after the first minute, {late / 1e6:.1f} MB at the end'),
        (
            abs(drift) <= limits.drift,
            f'memory drift     {drift / 1e6:+7.1f} MB at most  (within ±{limits.drift / 1e6:g} MB)',
        ),
    ]
    lines = [f'{"ok    " if good else "MISSED"}  {line}' for good, line in checks]
    lines += [f'        {name:<15} {p50:8.2f} ms  (p95 {p95:.2f} ms)' for name, (p50, p95) in run.stages.items()]
    lines += [f'        {name:<15} {1e3 * each:8.2f} ms of a core per picture' for name, each in run.processor.items()]
    lines += [] if run.calm is None else [f'        {run.calm.line()}']
    return all(good for good, _ in checks), lines
