"""What stands between a wish and a robot: limits, speed, a dead-man's switch, and what to do when the hand is gone.

Convention:
    * `now` is seconds of a clock that never runs backwards (time.monotonic): speeds and time-outs go by it. Stamps of
      pictures only tell old targets from new ones.
    * Nothing moves unless the guard is enabled and, where there is a dead-man's switch, that was pressed lately.
    * A joint that may turn for ever counts its turns from where it is when a motion begins: it does not wind back.
    * Whatever comes in, two commands never differ by more than speed · time, and none is beyond a limit.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum

import numpy as np

from minimal_hand_core.arrays import check_finite, check_shape, to_float64
from minimal_hand_core.robots.robot import Robot

START_TOLERANCE = 0.05
"""Radians or metres by which a robot may be found outside its limits and still be moved."""
CLOCK_RESTART = 1.0
"""Seconds; a stamp so much older than the last one is taken for a clock that started again, as of a bag in a loop."""


class GuardState(str, Enum):
    """Why the robot moves or does not."""

    DISABLED = 'disabled'
    RELEASED = 'dead-man released'
    WAITING = 'waiting for a hand'
    FOLLOWING = 'following'
    HOLDING = 'holding'
    RESTING = 'going to rest'


@dataclass(frozen=True)
class SafetySettings:
    """Times in seconds.

    Attributes:
        deadman_timeout: how long one press of the dead-man's switch lasts; 0: until it is let go, and at first none is
            needed.
        loss_timeout: without a new target for so long, the last command is held; above 0.
        rest_after: without a new target for so long, the robot goes to its rest pose; 0: never.
        max_age: targets of older pictures are dropped; 0: none are.
        speed_scale: share of the joints' speeds that is used, above 0, at most 1.
        max_step: time between two commands that counts for speed, at most; a longer pause is no reason to leap.

    Raises:
        ValueError: a value out of range.
    """

    deadman_timeout: float = 0.5
    loss_timeout: float = 0.3
    rest_after: float = 0.0
    max_age: float = 0.5
    speed_scale: float = 1.0
    max_step: float = 0.1

    def __post_init__(self) -> None:
        for name in ('deadman_timeout', 'loss_timeout', 'rest_after', 'max_age'):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f'{name} is {getattr(self, name)}; give seconds, 0 or more')
        if not self.loss_timeout > 0:
            raise ValueError('loss_timeout is 0, so that nothing would ever be followed; give seconds, above 0')
        if not 0 < self.speed_scale <= 1:
            raise ValueError(f'speed_scale is {self.speed_scale}; give a share above 0, at most 1')
        if not (math.isfinite(self.max_step) and self.max_step > 0):
            raise ValueError(f'max_step is {self.max_step}; give seconds, above 0')


@dataclass(frozen=True, eq=False)
class Command:
    """What to send: positions (N,) float64, or None for nothing; and why."""

    state: GuardState
    positions: np.ndarray | None


class CommandGuard:
    """Turns targets into commands that are safe to send.

    Args:
        robot: whose limits hold.
        max_speed: (N,) rad/s or m/s, above 0.
        rest: (N,) where the robot starts unless `start_at` says where it is, and where it goes to rest.
        settings: the times.

    Raises:
        ValueError: wrong shape, not finite, a speed that is not above 0, or a rest pose outside the limits.
    """

    def __init__(
        self, robot: Robot, max_speed: np.ndarray, rest: np.ndarray, settings: SafetySettings | None = None
    ) -> None:
        self.settings = settings or SafetySettings()
        """The times; may be replaced at any time."""
        self._robot = robot
        self._speed = self._vector(max_speed, 'max_speed')
        self._rest = self._vector(rest, 'rest')
        for i, name in enumerate(robot.names):
            if not self._speed[i] > 0:
                raise ValueError(f'max_speed of joint {name!r} is {self._speed[i]:g}; it must be above 0')
            if not robot.lower[i] <= self._rest[i] <= robot.upper[i]:
                raise ValueError(f'rest: {self._outside(i, self._rest[i])}')
        self._position = self._rest.copy()
        self._target: np.ndarray | None = None
        self._stamp = -math.inf
        self._target_at = -math.inf
        self._pressed_at = -math.inf
        self._released = False
        self._enabled = False
        self._lost = False
        self._moving = False
        self._latest = -math.inf
        self._turns: np.ndarray | None = None
        self.dropped: Counter[str] = Counter()
        """How many targets were dropped, by reason."""

    @property
    def position(self) -> np.ndarray:
        """(N,) the last command, or where the next one starts from."""
        return self._position.copy()

    @property
    def enabled(self) -> bool:
        return self._enabled

    @property
    def moving(self) -> bool:
        """Whether the next command goes on from the last one, and not from where the robot is."""
        return self._moving

    def start_at(self, positions: np.ndarray) -> None:
        """The robot was found at positions (N,): the next command starts from there. Not while it is commanded.

        Raises:
            ValueError: wrong shape, not finite, or further than START_TOLERANCE outside the limits.
        """
        found = self._vector(positions, 'positions')
        held = np.clip(found, self._robot.lower, self._robot.upper)
        far = np.abs(found - held)
        if far.max() > START_TOLERANCE:
            worst = int(far.argmax())
            raise ValueError(f'positions: {self._outside(worst, found[worst])}')
        if not self._moving:
            self._position = held

    def enable(self, on: bool, now: float) -> None:
        """Allow motion, which counts as pressing the dead-man's switch too, or forbid it."""
        self._enabled = on
        if on:
            self.press(now)
        else:
            self.release()

    def press(self, now: float) -> None:
        """The dead-man's switch is being held."""
        self._pressed_at = now
        self._released = False

    def release(self) -> None:
        """The dead-man's switch was let go: motion ends now, not after the time-out, until it is pressed again."""
        self._released = True
        self._stop()

    def lose(self) -> None:
        """The hand is known to be gone: hold from now on, not after the time-out."""
        self._lost = True

    def offer(self, target: np.ndarray, stamp: float, age: float, now: float) -> str | None:
        """A new target.

        Args:
            target: (N,) radians or metres; may be beyond limits, which then hold.
            stamp: seconds, of the picture it comes from.
            age: seconds since that picture.
            now: seconds.

        Returns:
            None, or why it was dropped.

        Raises:
            ValueError: wrong shape.
        """
        values = to_float64(target, 'target')
        check_shape(values, 'target', (len(self._robot.names),))
        reason = self._refuse(values, stamp, age)
        if reason is not None:
            self.dropped[reason] += 1
            return reason
        self._target, self._stamp, self._target_at, self._lost = values, stamp, now, False
        return None

    def command(self, now: float) -> Command:
        """The command for this moment; to be called at a steady rate."""
        if not self._enabled:
            self._stop()
            return Command(GuardState.DISABLED, None)
        timeout = self.settings.deadman_timeout
        if self._released or (timeout and not 0 <= now - self._pressed_at <= timeout):
            self._stop()
            return Command(GuardState.RELEASED, None)
        if self._target is None:
            return Command(GuardState.WAITING, None)
        silent = now - self._target_at
        if not self._lost and 0 <= silent <= self.settings.loss_timeout:
            return Command(GuardState.FOLLOWING, self._towards(self._unwound(self._target), now))
        if self.settings.rest_after and silent > self.settings.rest_after:
            self._turns = None  # rest is the nearest one, too
            return Command(GuardState.RESTING, self._towards(self._unwound(self._rest), now))
        return Command(GuardState.HOLDING, self._towards(self._position, now))

    def _unwound(self, goal: np.ndarray) -> np.ndarray:
        """The goal, so many whole turns on as the endless joints were when this motion began."""
        if self._turns is None:
            self._turns = np.where(self._robot.endless, np.round((self._position - goal) / (2 * math.pi)), 0.0)
        return np.asarray(goal + 2 * math.pi * self._turns)

    def _towards(self, goal: np.ndarray, now: float) -> np.ndarray:
        passed = max(now - self._latest, 0.0) if self._moving else 0.0
        step = self._speed * self.settings.speed_scale * min(passed, self.settings.max_step)
        moved = self._position + np.clip(goal - self._position, -step, step)
        self._position = np.clip(moved, self._robot.lower, self._robot.upper)
        self._moving, self._latest = True, max(now, self._latest)
        return self._position.copy()

    def _stop(self) -> None:
        """Motion ends, and the target is forgotten: what was wished for before is not carried out later."""
        self._moving = False
        self._target = None
        self._turns = None

    def _refuse(self, values: np.ndarray, stamp: float, age: float) -> str | None:
        if not np.isfinite(values).all() or not math.isfinite(stamp):
            return 'not finite'
        if self.settings.max_age and not abs(age) <= self.settings.max_age:
            return 'too old' if age > 0 else 'from the future'
        if self._stamp - CLOCK_RESTART < stamp <= self._stamp:
            return 'not newer than the last one'
        return None

    def _vector(self, value: np.ndarray, name: str) -> np.ndarray:
        values = to_float64(value, name)
        check_shape(values, name, (len(self._robot.names),))
        check_finite(values, name)
        return values.copy()

    def _outside(self, i: int, value: float) -> str:
        robot = self._robot
        return f'joint {robot.names[i]!r} is at {value:g}, outside its limits {robot.lower[i]:g} … {robot.upper[i]:g}'
