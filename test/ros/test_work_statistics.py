"""The figures of a node and what is made of them for the diagnostics."""

from __future__ import annotations

import math

import pytest

from minimal_hand_ros import health
from minimal_hand_ros.health import Level, judge
from minimal_hand_ros.work_statistics import MAX_SAMPLES, Statistics, Summary, Window


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_window_forgets(clock: Clock) -> None:
    window = Window(span=2.0, clock=clock)
    for value in range(5):
        window.add(value)
        clock.now += 1.0
    assert window.values().tolist() == [3, 4]
    clock.now += 10
    assert not len(window.values()) and window.rate() == 0 and window.percentiles() is None


def test_rate_is_that_of_the_gaps(clock: Clock) -> None:
    window = Window(clock=clock)
    assert window.rate() == 0
    window.add()
    assert window.rate() == 0, 'one alone has no rate'
    for _ in range(30):
        clock.now += 0.1
        window.add()
    assert window.rate() == pytest.approx(10)


def test_percentiles(clock: Clock) -> None:
    window = Window(clock=clock)
    for value in [*range(101), math.nan, math.inf]:
        window.add(value)
    assert window.percentiles() == (50, 95)


def test_a_window_is_bounded(clock: Clock) -> None:
    window = Window(clock=clock)
    for value in range(2 * MAX_SAMPLES):
        window.add(value)
    assert len(window.values()) == MAX_SAMPLES


def test_summary(clock: Clock) -> None:
    statistics = Statistics(clock)
    assert statistics.summary({}) == Summary()
    for number in range(10):
        clock.now += 0.5
        statistics.arrived(passed_over=number // 9)
        if number < 2:
            statistics.dropped()
        elif number == 2:
            statistics.ignored()
        else:
            statistics.answered({'decode': 0.001, 'pose': 0.01 * number}, age=0.02, score=0.1 * number)
    clock.now += 0.25
    summary = statistics.summary({'too short': 2})
    assert (summary.received, summary.ignored, summary.passed_over) == (11, 1, 1)
    assert summary.dropped == {'too short': 2}
    assert (summary.recent, summary.recent_drops) == (11, 2)
    assert summary.rate == pytest.approx(10 / 4.5) and summary.quiet == pytest.approx(0.25)
    assert summary.age == pytest.approx((0.02, 0.02))
    assert summary.latency['decode'] == pytest.approx((0.001, 0.001))
    assert summary.latency['pose'] == pytest.approx((0.06, 0.087))
    assert summary.score == pytest.approx(0.9)
    clock.now += 60
    later = statistics.summary({'too short': 2})
    assert later.received == 11 and not later.latency and later.age is None and later.rate == 0


GOOD = Summary(received=100, recent=100, rate=30.0, quiet=0.03, latency={'keypoints': (0.01, 0.02)}, score=0.9)


@pytest.mark.parametrize(
    ('changes', 'options', 'level', 'said'),
    [
        ({}, {}, Level.OK, 'following'),
        ({'quiet': None}, {}, Level.STALE, 'no pictures yet'),
        ({'quiet': 12.3}, {}, Level.STALE, 'no pictures for 12 s'),
        ({'quiet': None}, {'enabled': False}, Level.OK, 'disabled'),
        ({'recent_drops': 1}, {}, Level.WARN, '1 of the last 100 pictures dropped'),
        ({'recent_drops': 50}, {}, Level.ERROR, '50 of the last 100 pictures dropped'),
        ({}, {'warnings': [health.NOT_CALIBRATED]}, Level.WARN, 'following; the camera is not calibrated: '),
        ({'latency': {'a': (0.02, 0.03), 'b': (0.015, 0.02)}}, {}, Level.WARN, 'following; 35 ms for each'),
        ({'latency': {'a': (0.02, 0.9)}}, {}, Level.OK, 'following'),
    ],
)
def test_rules_of_the_level(changes: dict, options: dict, level: Level, said: str) -> None:
    found, message = judge(Summary(**{**vars(GOOD), **changes}), 'pictures', 'following', **options)
    assert found == level and message.startswith(said)


def test_figures_as_texts() -> None:
    values = health.values(Summary(**{**vars(GOOD), 'dropped': {'step 0': 3, 'odd width': 1}}), 'pictures')
    assert values['input rate (Hz)'] == '30.0'
    assert values['pictures received'] == '100' and values['pictures dropped'] == '4'
    assert values['dropped: step 0'] == '3' and values['dropped: odd width'] == '1'
    assert values['keypoints latency p50 (ms)'] == '10.00' and values['keypoints latency p95 (ms)'] == '20.00'
    assert values['score'] == '0.900'
    assert 'score' not in health.values(Summary(), 'pictures')
