"""What a node can tell of its work: how often pictures come, how long they take, how old the answers are; no ROS.

All figures but the counts are of the last seconds, so that they show how things are and not how they once were.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

SPAN = 5.0
"""Seconds that the figures look back."""
MAX_SAMPLES = 2000

Clock = Callable[[], float]


class Window:
    """The values of the last `span` seconds.

    Args:
        span: seconds.
        clock: seconds that only go up.
    """

    def __init__(self, span: float = SPAN, clock: Clock = time.monotonic) -> None:
        self._span, self._clock = span, clock
        self._values: deque[tuple[float, float]] = deque(maxlen=MAX_SAMPLES)

    def add(self, value: float = 1.0) -> None:
        """One more, now."""
        self._values.append((self._clock(), value))

    def values(self) -> np.ndarray:
        """(N,) float64, the oldest first."""
        self._forget()
        return np.array([value for _, value in self._values], np.float64)

    def rate(self) -> float:
        """How many per second; from the distance of the first and the last, 0 for fewer than two."""
        self._forget()
        if len(self._values) < 2:
            return 0.0
        span = self._values[-1][0] - self._values[0][0]
        return (len(self._values) - 1) / span if span > 0 else 0.0

    def percentiles(self) -> tuple[float, float] | None:
        """(50 %, 95 %); None without a finite value."""
        values = self.values()
        values = values[np.isfinite(values)]
        if not len(values):
            return None
        low, high = np.percentile(values, (50, 95))
        return float(low), float(high)

    def _forget(self) -> None:
        oldest = self._clock() - self._span
        while self._values and self._values[0][0] < oldest:
            self._values.popleft()


@dataclass(frozen=True)
class Summary:
    """Figures of one node at one moment; seconds, Hz.

    Attributes:
        received, ignored, passed_over: inputs since the start; ignored ones came while the node was disabled, those
            passed over had to give way to newer ones.
        dropped: since the start, by reason.
        recent: inputs within SPAN; recent_drops: of those, how many were dropped.
        rate: inputs per second.
        quiet: since the last input; None before the first.
        age: (50 %, 95 %) from an input's stamp to the answer; None where there was no answer.
        latency: (50 %, 95 %) of each stage.
        score: of the last answer; None before the first.
    """

    received: int = 0
    ignored: int = 0
    passed_over: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    recent: int = 0
    recent_drops: int = 0
    rate: float = 0.0
    quiet: float | None = None
    age: tuple[float, float] | None = None
    latency: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    score: float | None = None


class Statistics:
    """Gathers the figures of one node.

    Args:
        clock: seconds that only go up.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._received = self._ignored = self._passed_over = 0
        self._arrivals, self._drops, self._ages = (Window(clock=clock) for _ in range(3))
        self._stages: dict[str, Window] = {}
        self._last: float | None = None
        self._score: float | None = None

    @property
    def received(self) -> int:
        """Inputs since the start."""
        return self._received

    def arrived(self, passed_over: int = 0) -> None:
        """An input is here; so many that came before it are not looked at, as there is no time for all."""
        self._received += 1 + passed_over
        self._passed_over += passed_over
        self._last = self._clock()
        for _ in range(1 + passed_over):
            self._arrivals.add()

    def ignored(self) -> None:
        """The input that just arrived is not looked at, as the node is disabled."""
        self._ignored += 1

    def dropped(self) -> None:
        """The input that just arrived cannot be used."""
        self._drops.add()

    def answered(self, stages: Mapping[str, float], age: float | None = None, score: float | None = None) -> None:
        """The input that just arrived has been dealt with.

        Args:
            stages: seconds per stage.
            age: seconds since the input's stamp, where that means something.
            score: of the answer, where it has one.
        """
        for name, seconds in stages.items():
            self._stages.setdefault(name, Window(clock=self._clock)).add(seconds)
        if age is not None:
            self._ages.add(age)
        self._score = score

    def summary(self, dropped: Mapping[str, int]) -> Summary:
        """The figures now; `dropped` are the drops since the start by reason."""
        latency = {name: window.percentiles() for name, window in self._stages.items()}
        return Summary(
            received=self._received,
            ignored=self._ignored,
            passed_over=self._passed_over,
            dropped=dict(dropped),
            recent=len(self._arrivals.values()),
            recent_drops=len(self._drops.values()),
            rate=self._arrivals.rate(),
            quiet=None if self._last is None else self._clock() - self._last,
            age=self._ages.percentiles(),
            latency={name: pair for name, pair in latency.items() if pair is not None},
            score=self._score,
        )
