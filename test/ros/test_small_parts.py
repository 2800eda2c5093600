"""Stamps, quality of service, counting of drops."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from minimal_hand_ros import backlog, qos, stamps  # noqa: E402
from minimal_hand_ros.diagnostics import Report, status_message  # noqa: E402
from minimal_hand_ros.drops import MAX_REASONS, OTHERS, DropCounter  # noqa: E402
from minimal_hand_ros.health import Level  # noqa: E402

BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize('nanoseconds', [0, 1, 999_999_999, 1_000_000_000, 1_763_841_600_123_456_789])
def test_nanoseconds_are_exact(nanoseconds: int) -> None:
    assert stamps.to_nanoseconds(stamps.from_nanoseconds(nanoseconds)) == nanoseconds


def test_seconds_are_good_to_a_microsecond() -> None:
    first, second = Time(sec=1_763_841_600, nanosec=500_000_000), Time(sec=1_763_841_600, nanosec=533_333_333)
    assert stamps.to_seconds(second) - stamps.to_seconds(first) == pytest.approx(0.033333333, abs=1e-6)


class Clock:
    """Of a node where time is simulated."""

    ros_time_is_active = True

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> SimpleNamespace:
        return SimpleNamespace(nanoseconds=self.time)


def test_where_time_is_simulated_the_last_header_grows_old_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    last = stamps.LastHeader(SimpleNamespace(get_clock=lambda: clock))
    assert last.now() is None

    def now_at(time: int) -> int:
        clock.time = time
        header = last.now()
        assert header.frame_id == 'eye'
        return stamps.to_nanoseconds(header.stamp)

    wall = 0.0
    monkeypatch.setattr(stamps, 'time', SimpleNamespace(monotonic=lambda: wall))
    clock.time = 1050
    last.take(Header(stamp=stamps.from_nanoseconds(1000), frame_id='eye'))
    wall = 5.0
    assert last.silence == 5.0
    # a clock that stands still, that goes on, and that has been turned back
    assert [now_at(time) for time in (1050, 1080, 10)] == [1000, 1030, 1000]
    # a picture that is ahead of it, as it ticks seldom
    last.take(Header(stamp=stamps.from_nanoseconds(1000), frame_id='eye'))
    assert [now_at(time) for time in (500, 1010)] == [1000, 1010]
    clock.ros_time_is_active = False
    assert now_at(500) == 5_000_001_000 - 5_000_000_000
    wall = 7.0
    assert now_at(500) == 2_000_001_000
    last.forget()
    assert last.now() is None


@pytest.mark.parametrize(
    ('offered', 'reliable'),
    [
        ([], True),
        ([ReliabilityPolicy.RELIABLE], True),
        ([ReliabilityPolicy.BEST_EFFORT], False),
        ([ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT], False),
    ],
)
def test_reliability_follows_the_publishers(offered: list[ReliabilityPolicy], reliable: bool) -> None:
    assert qos.should_be_reliable(offered) is reliable


@pytest.mark.parametrize(
    ('offers', 'latched'),
    [
        ([], False),
        ([qos.LATCHED], True),
        ([qos.LATCHED, qos.LATCHED_CAMERA_INFO], True),
        ([qos.LATCHED, qos.RESULTS], False),
        ([qos.pictures(reliable=False)], False),
        ([QoSProfile(depth=1, reliability=BEST_EFFORT, durability=DurabilityPolicy.TRANSIENT_LOCAL)], False),
    ],
)
def test_a_topic_is_latched_where_each_publisher_keeps_its_message(offers: list[QoSProfile], latched: bool) -> None:
    node = SimpleNamespace(
        resolve_topic_name=lambda topic: topic,
        get_publishers_info_by_topic=lambda topic: [SimpleNamespace(qos_profile=offer) for offer in offers],
    )
    assert qos.are_latched(node, 'camera_info') is latched


def test_each_topic_is_heard_by_whom_it_is_for() -> None:
    """Reliable subscribers hear no best-effort publisher, and latched ones none that keeps nothing."""
    for results in (qos.RESULTS, qos.LATEST, qos.WAITING, qos.TRANSFORMS, qos.LATCHED, qos.pictures(reliable=True)):
        assert results.reliability == ReliabilityPolicy.RELIABLE
    for open_to_all in (qos.NEWEST, qos.CAMERA_INFO, qos.pictures(reliable=False)):
        assert open_to_all.reliability == BEST_EFFORT
    for kept in (qos.LATCHED, qos.LATCHED_CAMERA_INFO):
        assert kept.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert qos.NEWEST.depth == qos.LATEST.depth == qos.LATCHED.depth == qos.pictures(reliable=True).depth == 1


@pytest.mark.parametrize(
    ('level', 'wanted'),
    [
        (Level.OK, DiagnosticStatus.OK),
        (Level.WARN, DiagnosticStatus.WARN),
        (Level.ERROR, DiagnosticStatus.ERROR),
        (Level.STALE, DiagnosticStatus.STALE),
    ],
)
def test_a_report_is_a_status_of_its_level(level: Level, wanted: bytes) -> None:
    status = status_message('/cell/tracker', Report(level, 'as it is', {'rate': '30.0'}))
    assert (status.level, status.name, status.message) == (wanted, 'cell/tracker: hand tracking', 'as it is')
    assert [(value.key, value.value) for value in status.values] == [('rate', '30.0')]


def test_how_many_messages_may_wait() -> None:
    assert qos.pictures(True).depth == qos.pictures(False).depth == 1
    assert qos.pictures(True, backlog.DEPTH).depth == qos.WAITING.depth == backlog.DEPTH


def test_drops_are_all_counted_and_seldom_told() -> None:
    now = 0.0
    told: list[str] = []
    drops = DropCounter('picture', told.append, period=5.0, clock=lambda: now)
    for reason in (ValueError('too\n  short'), 'too short', 'too long'):
        drops.drop(reason)
    assert told == ['picture dropped (1 so far): too short', 'picture dropped (3 so far): too long']
    now = 6.0
    drops.drop('too short')
    assert told[2:] == ['picture dropped (4 so far): too short']
    assert drops.count == 4


def test_drops_whose_reasons_all_differ_are_seldom_told_too() -> None:
    now = 0.0
    told: list[str] = []
    drops = DropCounter('picture', told.append, period=5.0, clock=lambda: now)
    for i in range(1000):
        drops.drop(f'step {i}')
    assert told == [f'picture dropped ({i + 1} so far): step {i}' for i in range(MAX_REASONS + 1)]
    assert drops.count == 1000 and drops.reasons[OTHERS] == 1000 - MAX_REASONS
    now, told[:] = 5.0, []
    for reason in ('step 1000', 'step 1001', 'step 3'):
        drops.drop(reason)
    assert told == ['picture dropped (1001 so far): step 1000', 'picture dropped (1003 so far): step 3']
