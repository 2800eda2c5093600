"""Counting what a node had to drop, without flooding its log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from minimal_hand_core.errors import one_line

MAX_REASONS = 20
"""Reasons that are counted one by one; later ones are counted together, since each may hold a number of its own."""
OTHERS = 'other reasons'


class DropCounter:
    """Counts dropped inputs, and names those in the log that are worth a line.

    A reason is reported when it is new and then at most once per `period` seconds, those that are counted together as
    one; the count is always exact.

    Args:
        what: what is dropped, e.g. 'picture'.
        warn: takes the lines, such as a logger's `warning`.
        period: seconds.
        clock: seconds that only go up.

    Attributes:
        reasons: how often each was given.
    """

    def __init__(
        self,
        what: str,
        warn: Callable[[str], object],
        period: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what = what
        self._warn = warn
        self._period = period
        self._clock = clock
        self._reported: dict[str, float] = {}
        self.reasons: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many were dropped."""
        return sum(self.reasons.values())

    def drop(self, reason: object) -> None:
        """Count one, and report it unless the same was reported a moment ago."""
        now, text = self._clock(), one_line(reason)
        name = text if text in self.reasons or len(self.reasons) < MAX_REASONS else OTHERS
        self.reasons[name] += 1
        if now - self._reported.get(name, -self._period) < self._period:
            return
        self._reported[name] = now
        self._warn(f'{self.what} dropped ({self.count} so far): {text}')
