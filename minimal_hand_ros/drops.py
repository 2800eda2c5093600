"""Counting what a node had to drop, without flooding its log."""

from __future__ import annotations

import time
from collections.abc import Callable


class DropCounter:
    """Counts dropped inputs and decides which of them are worth a line in the log.

    A reason is reported when it is new and then at most once per `period` seconds; the count is always exact.

    Args:
        what: what is dropped, e.g. 'picture'.
        period: seconds.
        clock: seconds that only go up.
    """

    def __init__(self, what: str, period: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._period = period
        self._clock = clock
        self._reported: dict[str, float] = {}
        self.count = 0

    def drop(self, reason: object) -> str | None:
        """Count one; returns the line to log, or None when this reason was reported a moment ago."""
        self.count += 1
        now, text = self._clock(), ' '.join(str(reason).split())
        if now - self._reported.get(text, -self._period) < self._period:
            return None
        if len(self._reported) >= 100:
            self._reported.clear()
        self._reported[text] = now
        return f'{self._what} dropped ({self.count} so far): {text}'
