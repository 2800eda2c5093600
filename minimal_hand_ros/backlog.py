"""Which of the inputs that had to wait are still looked at.

A computer that stops for a tenth of a second, for another program or the hypervisor, leaves some pictures waiting. A
node that is quick enough looks at all of them in turn: nothing is lost, and it has caught up a moment later. One that
is too slow for its camera would stay behind for ever, so it goes on with the newest.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

DEPTH = 4
"""Inputs that may wait; of more the newest."""
BUSY_ABOVE = 0.7
"""Share of its time at work from which on a node would take long to catch up."""
_SAMPLES = 15


class Backlog:
    """What waits in the queue of one subscription. Knows how fast inputs come and how long the work on one takes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrivals: deque[float] = deque(maxlen=_SAMPLES)
        self._work: deque[float] = deque(maxlen=_SAMPLES)

    @property
    def too_slow(self) -> bool:
        """Whether there is no time for all inputs."""
        if len(self._arrivals) < 2 or not self._work:
            return False
        # The mean, as those that waited through a stall come too late and then too fast; but the median of the work,
        # in which the stall itself may have fallen.
        period = (self._arrivals[-1] - self._arrivals[0]) / (len(self._arrivals) - 1)
        return float(np.median(self._work)) > BUSY_ABOVE * period

    def choose(self, message: Any, subscription: Any) -> tuple[Any, int]:
        """The message to work on and how many older ones are passed over for it.

        Args:
            message: what the subscription's callback was given.
            subscription: of rclpy, from whose queue newer ones are taken when the node is too slow.
        """
        self._arrivals.append(self._clock())
        if not self.too_slow:
            return message, 0
        passed = 0
        with subscription.handle:
            while taken := subscription.handle.take_message(subscription.msg_type, subscription.raw):
                self._arrivals.append(self._clock())
                message, passed = taken[0], passed + 1
        return message, passed

    def worked(self, seconds: float) -> None:
        """The work on a message that was chosen took so long."""
        self._work.append(seconds)
