"""Whatever comes in, commands stay within limits and speeds; without permission nothing is commanded at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimal_hand_core.robots import CommandGuard, GuardState, SafetySettings, parse_urdf

LOWER, UPPER = np.array([-1.0, 0.0, -math.inf]), np.array([1.0, 0.04, math.inf])
SPEED = np.array([2.0, 0.1, 5.0])
REST = np.array([0.5, 0.04, 0.0])
ROBOT = parse_urdf("""
<robot name="three">
  <link name="a"/><link name="b"/><link name="c"/><link name="d"/>
  <joint name="elbow" type="revolute"><parent link="a"/><child link="b"/>
    <limit lower="-1" upper="1" velocity="2" effort="1"/></joint>
  <joint name="jaw" type="prismatic"><parent link="b"/><child link="c"/>
    <limit lower="0" upper="0.04" velocity="0.1" effort="1"/></joint>
  <joint name="wheel" type="continuous"><parent link="c"/><child link="d"/>
    <limit velocity="5" effort="1"/></joint>
</robot>
""")
FAR = np.array([9.0, 9.0, 9.0])


def guard(**times: float) -> CommandGuard:
    return CommandGuard(ROBOT, SPEED, REST, SafetySettings(**times))


def enabled(**times: float) -> CommandGuard:
    made = guard(**{'deadman_timeout': 0.0, **times})
    made.enable(True, 0.0)
    return made


def run(guard: CommandGuard, start: float, stop: float, target: np.ndarray | None = None, step: float = 0.02) -> list:
    """Commands from start to stop, with the target offered before each."""
    commands = []
    for now in np.arange(start, stop, step):
        if target is not None:
            assert guard.offer(target, now, 0.0, now) is None
        commands.append(guard.command(now))
    return commands


anything = st.floats(allow_nan=True, allow_infinity=True)
moments = st.floats(0, 1000) | st.floats(allow_nan=False, allow_infinity=False)
events = st.one_of(
    st.tuples(st.just('offer'), st.tuples(anything, anything, anything), anything, anything),
    st.tuples(st.just('enable'), st.booleans()),
    st.tuples(st.just('press')),
    st.tuples(st.just('release')),
    st.tuples(st.just('lose')),
    st.tuples(st.just('start_at'), st.tuples(anything, anything, anything)),
    st.tuples(st.just('good'), st.tuples(*[st.floats(-2, 2)] * 3)),
    st.tuples(st.just('command')),
)
waits = st.floats(0, 0.05) | st.floats(-10, 10) | st.sampled_from([0.0, 1e6])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(waits, events), max_size=30),
    st.floats(0.01, 1),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0.0, 0.5]),
)
def test_no_input_whatever_leads_beyond_limits_or_speeds(
    script: list[tuple[float, tuple]], scale: float, deadman: float, rest_after: float
) -> None:
    made = guard(deadman_timeout=deadman, rest_after=rest_after, speed_scale=scale)
    now, latest, last = 0.0, -math.inf, None
    for wait, (kind, *values) in [(0.0, ('enable', True)), *script, (0.01, ('command',)), (0.01, ('command',))]:
        now += wait
        if kind == 'offer':
            made.offer(np.array(values[0]), values[1], values[2], now)
        elif kind == 'good':
            made.offer(np.array(values[0]), now, 0.0, now)
        elif kind == 'enable':
            made.enable(values[0], now)
        elif kind == 'press':
            made.press(now)
        elif kind == 'release':
            made.release()
        elif kind == 'lose':
            made.lose()
        elif kind == 'start_at':
            before = made.position
            try:
                made.start_at(np.array(values[0]))
            except ValueError:
                assert (made.position == before).all()
            if (made.position != before).any():
                last = None  # nobody moved it: it was found there
        # A robot is asked again after every event, as by a timer that ticks in between.
        command = made.command(now)
        if command.positions is None:
            assert command.state in (GuardState.DISABLED, GuardState.RELEASED, GuardState.WAITING)
            continue
        assert np.isfinite(command.positions).all()
        assert (command.positions >= LOWER).all() and (command.positions <= UPPER).all()
        if last is not None:
            most = SPEED * scale * min(max(now - latest, 0.0), made.settings.max_step)
            assert (np.abs(command.positions - last) <= most + 1e-12 * (1 + np.abs(last))).all()
        last, latest = command.positions, max(now, latest)


def test_nothing_is_sent_before_it_is_enabled() -> None:
    made = guard(deadman_timeout=0.0)
    assert all(c.positions is None and c.state is GuardState.DISABLED for c in run(made, 0, 0.5, FAR))
    made.offer(FAR, 0.5, 0.0, 0.5)
    made.enable(False, 0.5)
    made.enable(True, 0.5)
    assert made.command(0.5).state is GuardState.WAITING, 'a target from before counts for nothing'
    assert made.command(0.5).positions is None


def test_the_first_command_is_where_the_robot_is() -> None:
    made = enabled()
    np.testing.assert_array_equal(run(made, 0, 0.01, FAR)[0].positions, REST)
    found = np.array([-0.3, 0.02, 7.0])
    made = enabled()
    made.start_at(found)
    np.testing.assert_array_equal(run(made, 0, 0.01, FAR)[0].positions, found)


def test_a_robot_that_is_being_commanded_is_not_set_elsewhere() -> None:
    made = enabled()
    (command,) = run(made, 0, 0.01, FAR)
    made.start_at(np.zeros(3))
    np.testing.assert_array_equal(made.position, command.positions)


@pytest.mark.parametrize('deadman', [0.0, 0.5])
def test_letting_the_switch_go_stops_until_it_is_pressed_or_enabled_again(deadman: float) -> None:
    made = enabled(deadman_timeout=deadman)
    assert run(made, 0, 0.1, FAR)[-1].state is GuardState.FOLLOWING
    made.release()
    assert {(c.state, c.positions is None) for c in run(made, 0.11, 0.3, FAR)} == {(GuardState.RELEASED, True)}
    made.press(0.31)
    assert run(made, 0.31, 0.4, FAR)[-1].state is GuardState.FOLLOWING
    made.release()
    made.enable(True, 0.41)
    assert run(made, 0.41, 0.5, FAR)[-1].state is GuardState.FOLLOWING


def test_speed_is_exactly_the_limit_and_ends_at_the_limit() -> None:
    commands = [c.positions for c in run(enabled(), 0, 2, FAR)]
    steps = np.diff(commands, axis=0)
    np.testing.assert_allclose(steps[1:10, 0], SPEED[0] * 0.02)
    np.testing.assert_array_equal(commands[-1][:2], UPPER[:2])
    assert commands[-1][2] == pytest.approx(9.0 - 2 * math.pi), 'a wheel counts turns from where it is'


def test_a_long_pause_is_no_reason_to_leap() -> None:
    made = enabled()
    run(made, 0, 0.01, FAR)
    made.offer(FAR, 100.0, 0.0, 100.0)
    moved = made.command(100.0).positions - REST
    np.testing.assert_allclose(moved[0], SPEED[0] * made.settings.max_step)


@pytest.mark.parametrize('how', ['timeout', 'told'])
def test_loss_holds_the_last_command_and_finding_it_again_is_no_jump(how: str) -> None:
    made = enabled(loss_timeout=0.2)
    last = run(made, 0, 0.2, FAR)[-1].positions
    if how == 'told':
        made.lose()
        assert made.command(0.2).state is GuardState.HOLDING
    held = run(made, 0.5, 3)
    assert all(c.state is GuardState.HOLDING for c in held)
    np.testing.assert_array_equal([c.positions for c in held], [held[0].positions] * len(held))
    assert np.abs(held[0].positions - last).max() < SPEED.max() * 0.1
    again = run(made, 3, 3.2, -FAR)
    steps = np.diff([held[-1].positions, *(c.positions for c in again)], axis=0)
    assert (np.abs(steps) <= SPEED * 0.021).all() and again[-1].state is GuardState.FOLLOWING


def test_after_a_while_without_a_hand_it_goes_to_rest() -> None:
    made = enabled(rest_after=1.0)
    run(made, 0, 1, -FAR)
    states = [c.state for c in run(made, 1.2, 1.9)]
    assert set(states) <= {GuardState.FOLLOWING, GuardState.HOLDING} and states[-1] is GuardState.HOLDING
    resting = run(made, 2.2, 6)
    assert all(c.state is GuardState.RESTING for c in resting)
    np.testing.assert_allclose(resting[-1].positions, REST)
    assert (np.abs(np.diff([c.positions for c in resting], axis=0)) <= SPEED * 0.021).all()


def test_the_dead_mans_switch_has_to_be_held() -> None:
    made = guard(deadman_timeout=0.3)
    made.enable(True, 0.0)
    assert run(made, 0, 0.02, FAR)[0].positions is not None, 'enabling presses it once'
    assert made.command(0.4).state is GuardState.RELEASED
    assert run(made, 0.5, 1.0, FAR)[-1].positions is None
    made.press(1.0)
    assert made.command(1.0).state is GuardState.WAITING, 'a target from before counts for nothing'
    before = made.position
    first = run(made, 1.0, 1.02, FAR)[0]
    np.testing.assert_array_equal(first.positions, before)
    made.release()
    assert made.command(1.03).state is GuardState.RELEASED, 'at once, not after the time-out'
    made.press(1.04)
    made.enable(False, 1.05)
    made.press(1.06)
    assert made.command(1.07).state is GuardState.DISABLED, 'the switch alone does not enable'


@pytest.mark.parametrize(
    ('target', 'stamp', 'age', 'reason'),
    [
        ([math.nan, 0, 0], 1.0, 0.0, 'not finite'),
        ([0, math.inf, 0], 1.0, 0.0, 'not finite'),
        ([0, 0, 0], math.nan, 0.0, 'not finite'),
        ([0, 0, 0], 1.0, 0.51, 'too old'),
        ([0, 0, 0], 1.0, -0.51, 'from the future'),
        ([0, 0, 0], 1.0, math.nan, 'from the future'),
        ([0, 0, 0], 0.5, 0.0, 'not newer than the last one'),
        ([0, 0, 0], 0.4, 0.0, 'not newer than the last one'),
    ],
)
def test_targets_that_cannot_be_trusted_are_dropped(target: list, stamp: float, age: float, reason: str) -> None:
    made = enabled()
    assert made.offer(FAR, 0.5, 0.0, 0.0) is None
    assert made.offer(np.array(target), stamp, age, 0.1) == reason
    assert made.dropped == {reason: 1}
    assert made.command(0.2).state is GuardState.FOLLOWING, 'the last good one holds'


def test_a_clock_that_started_again_is_followed() -> None:
    made = enabled(max_age=0.0)
    assert made.offer(FAR, 500.0, 0.0, 0.0) is None
    assert made.offer(FAR, 3.0, 497.0, 0.1) is None


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'max_speed': np.array([1.0, 0.0, 1.0])}, "max_speed of joint 'jaw' is 0; it must be above 0"),
        ({'rest': np.array([0.0, 0.05, 0.0])}, "rest: joint 'jaw' is at 0.05, outside its limits 0 … 0.04"),
        ({'rest': np.array([0.0, math.nan, 0.0])}, 'rest: expected finite numbers'),
        ({'rest': np.zeros(2)}, r'rest: expected shape \(3,\), found \(2,\)'),
    ],
)
def test_guards_that_cannot_be(values: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CommandGuard(ROBOT, **{'max_speed': SPEED, 'rest': REST, **values})


def test_a_robot_far_outside_its_limits_is_not_moved() -> None:
    with pytest.raises(ValueError, match="positions: joint 'elbow' is at 1.2, outside its limits -1 … 1"):
        guard().start_at(np.array([1.2, 0.0, 0.0]))
    made = guard()
    made.start_at(np.array([1.02, 0.0, 0.0]))
    assert made.position[0] == 1.0


def test_targets_of_the_wrong_size_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r'target: expected shape \(3,\), found \(4,\)'):
        guard().offer(np.zeros(4), 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ('name', 'value', 'said'),
    [
        ('deadman_timeout', -1.0, 'deadman_timeout is -1.0; give seconds, 0 or more'),
        ('max_age', math.nan, 'max_age is nan'),
        ('speed_scale', 0.0, 'speed_scale is 0.0; give a share above 0, at most 1'),
        ('speed_scale', 1.5, 'speed_scale is 1.5'),
        ('loss_timeout', 0.0, 'loss_timeout is 0, so that nothing would ever be followed; give seconds, above 0'),
        ('max_step', 0.0, 'max_step is 0.0; give seconds, above 0'),
    ],
)
def test_settings_that_cannot_be(name: str, value: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SafetySettings(**{name: value})


def test_a_wheel_does_not_wind_back() -> None:
    made = enabled()
    made.start_at(np.array([0.5, 0.04, 7.0]))
    wanted = np.array([0.5, 0.04, 0.7])  # 7 is 0.017 rad past this, a whole turn on
    for now, target in ((0.0, 0.7), (2.0, 4.2), (4.0, 0.7)):
        wanted[2] = target
        last = run(made, now, now + 2.0, wanted)[-1].positions
        assert last[2] == pytest.approx(target + 2 * math.pi), 'also where a target is more than half a turn away later'
