"""Which waiting pictures are looked at, without ROS."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from minimal_hand_ros.backlog import DEPTH, Backlog


class Queue(nullcontext):
    """A camera, a subscription with its queue, and a node, simulated in milliseconds; messages are numbers."""

    msg_type, raw = int, False

    def __init__(self, period: float, work: float) -> None:
        super().__init__()
        self.period, self.work = period, work
        self.handle = self
        self.backlog = Backlog(lambda: self.now * 1e-3)
        self.now = 0.0
        self.waiting: list[int] = []
        self.arrived = self.pictures = self.passed = 0
        self.looked_at: list[int] = []
        self.waited: list[float] = []

    def take_message(self, kind: type, raw: bool) -> tuple[int, dict] | None:
        """As rclpy's: the oldest one."""
        assert (kind, raw) == (int, False)
        while self.arrived < self.pictures and self.arrived * self.period <= self.now:
            self.waiting = [*self.waiting, self.arrived][-DEPTH:]
            self.arrived += 1
        return (self.waiting.pop(0), {}) if self.waiting else None

    def run(self, pictures: int, stall: tuple[float, float] = (0.0, 0.0)) -> None:
        """So many more arrive; the node is held up from the moment `stall[0]` for `stall[1]`."""
        self.pictures += pictures
        while True:
            if stall[0] <= self.now < sum(stall):
                self.now = sum(stall)
            taken = self.take_message(int, False)
            if taken is None and self.arrived == self.pictures:
                break
            if taken is None:
                self.now = self.arrived * self.period
                continue
            message, passed = self.backlog.choose(taken[0], self)
            self.passed += passed
            self.looked_at.append(message)
            self.waited.append(self.now - message * self.period)
            self.now += self.work
            self.backlog.worked(self.work * 1e-3)


@pytest.mark.parametrize('work', [5, 11, 20])
def test_a_short_stall_loses_nothing(work: float) -> None:
    queue = Queue(33, work)
    queue.run(120, stall=(1000, 110))
    assert queue.looked_at == list(range(120)) and queue.passed == 0
    assert max(queue.waited) <= 110 + 3 * work and max(queue.waited[60:]) == 0


def test_a_stall_amid_the_work_on_one() -> None:
    queue = Queue(33, 20)
    queue.run(40)
    queue.work = 120
    queue.run(1)
    queue.work = 20
    queue.run(40)
    assert queue.looked_at == list(range(81))


@pytest.mark.parametrize(
    ('period', 'work'), [(16.7, 33), (33, 40), (16.7, 70), (16.7, 200), (33.3, 33.3), (33, 32.5), (33, 24)]
)
def test_too_slow_for_every_picture_it_takes_the_newest(period: float, work: float) -> None:
    queue = Queue(period, work)
    queue.run(600)
    assert queue.looked_at[-1] == 599, 'the last one of all must be looked at'
    assert queue.looked_at == sorted(set(queue.looked_at))
    # each but the last is the newest for one period; the node learns that it is slow from the first two
    assert max(queue.waited[3:-1]) <= period + 1e-6
    assert len(queue.looked_at) == pytest.approx(min(600, 600 * period / work), rel=0.02, abs=2)
    assert queue.passed <= 600 - len(queue.looked_at)


def test_quick_again_after_it_was_slow() -> None:
    queue = Queue(33, 60)
    queue.run(100)
    queue.work = 10
    queue.run(100)
    assert queue.looked_at[-80:] == list(range(120, 200)) and max(queue.waited[-80:]) == 0
