"""retarget: a hand in, commands for a robot's joints out.

Subscribes:
    hand/pose             minimal_hand_ros/HandPose  the hand to follow; one that is not valid says that it is gone
    hand/joint_states     sensor_msgs/JointState     in its place with input:=joint_states
    deadman               std_msgs/Bool              true: the switch is held, for deadman_timeout; false: let go
    robot/joint_states    sensor_msgs/JointState     with feedback:=true: where the robot is, before it is moved

Publishes:
    robot/joint_commands  sensor_msgs/JointState     positions, at `rate`, while the robot is moved or held
    ~/state               std_msgs/String (latched)  why the robot moves or does not, at every change
    /diagnostics          diagnostic_msgs/DiagnosticArray  how the node is, once per second

Services:
    ~/enable              std_srvs/SetBool           allow motion, which presses the switch once as well, or forbid it

Parameters: see RetargetSettings in settings/retarget.py.

Nothing is sent before the node is enabled and the switch is held, nor after the switch is let go. While the hand is
gone the last command is repeated. What bounds speed and position is in minimal_hand_core/robots/safety.py.

With feedback:=true a motion begins where the robot was found last, and none begins unless that was told a moment ago.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.robots import (
    AnglesToObservation,
    CommandGuard,
    GuardState,
    HandObservation,
    create_retargeter,
    read_retarget_config,
)
from minimal_hand_ros import health, qos
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.msg import HandPose
from minimal_hand_ros.parameters import ParameterError
from minimal_hand_ros.robot_messages import command_message, hand_angles, joint_positions, observation_from_pose
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import RetargetSettings, load_retarget_settings
from minimal_hand_ros.stamps import age, to_seconds
from minimal_hand_ros.work_statistics import Statistics

FEEDBACK_TIMEOUT = 1.0
"""Seconds after which a robot that does not tell where it is may have been moved."""
_UNKNOWN = f'robot/joint_states has not told in the last {FEEDBACK_TIMEOUT:g} s where the robot is'


class RetargetWork(Work[RetargetSettings]):
    """Follows the hand with a Retargeter, and commands what the CommandGuard allows."""

    def __init__(self, node: ManagedNode, settings: RetargetSettings) -> None:
        self._node, self._settings = node, settings
        if not settings.config:
            raise ParameterError("parameter 'config' is '': give the path of a retargeting file, see config/retarget/")
        config = read_retarget_config(settings.config, urdf=settings.urdf or None, method=settings.method or None)
        self._robot = config.robot
        self._retargeter = create_retargeter(config)
        self._method = config.method
        self._guard = CommandGuard(config.robot, config.max_speed, config.rest, settings.safety)
        self._observe: AnglesToObservation | None = None
        if settings.input == 'joint_states':
            model = load_hand_model(settings.model, settings.side)
            self._observe = AnglesToObservation(model, hand_length=settings.hand_length or None)
        self._drops = DropCounter('hand', node.get_logger().warning)
        self._statistics = Statistics()
        self._state: GuardState | None = None
        self._robot_at: np.ndarray | None = None
        self._robot_told = -math.inf
        self._commands = node.configured.publisher(JointState, 'robot/joint_commands', qos.RESULTS)
        self._states = node.configured.publisher(String, '~/state', qos.LATCHED)

    def start(self) -> None:
        """Listen, and tick."""
        self._robot_at = None
        active = self._node.active
        if self._observe is None:
            active.subscription(HandPose, 'hand/pose', self._take_pose, qos.LATEST)
        else:
            active.subscription(JointState, 'hand/joint_states', self._take_joint_states, qos.LATEST)
        if self._settings.feedback:
            # several wait: an arm's driver and a hand's may take turns on one topic
            active.subscription(JointState, 'robot/joint_states', self._take_robot, qos.RESULTS)
        active.subscription(Bool, 'deadman', self._take_deadman, qos.RESULTS)
        active.service(SetBool, '~/enable', self._enable)
        active.timer(1.0 / self._settings.rate, self._command)
        self._retargeter.reset()
        self._node.get_logger().info(
            f'ready: robot {self._robot.name!r} with {len(self._robot.names)} joints by method {self._method}; '
            f'call {self._node.get_name()}/enable to move it'
        )

    def stop(self) -> None:
        """No more motion, and none after the next activation until it is enabled again."""
        self._guard.enable(False, time.monotonic())
        self._tell(GuardState.DISABLED)

    def change(self, settings: RetargetSettings) -> None:
        """Take other times, speed and score."""
        self._settings = settings
        self._guard.settings = settings.safety

    def report(self) -> Report:
        """How things are."""
        state = (self._state or GuardState.DISABLED).value
        summary = self._statistics.summary(self._drops.reasons)
        warnings = [_UNKNOWN] if self._robot_lost() else []
        level, message = health.judge(summary, 'hands', state, enabled=self._guard.enabled, warnings=warnings)
        return Report(level, message, {'state': state, 'method': self._method, **health.values(summary, 'hands')})

    def _take_pose(self, message: HandPose) -> None:
        self._statistics.arrived()
        if message.side != self._settings.side:
            self._drop(f"the hand is the {message.side} one, and parameter 'side' is {self._settings.side!r}")
            return
        if not (message.valid and message.score >= self._settings.min_score):  # NaN is no score
            self._guard.lose()
            return
        self._follow(lambda: observation_from_pose(message), age(self._node, message.header.stamp), message.score)

    def _take_joint_states(self, message: JointState) -> None:
        self._statistics.arrived()
        observe, side = self._observe, self._settings.side
        assert observe is not None
        stamp = message.header.stamp
        self._follow(lambda: observe(to_seconds(stamp), hand_angles(message, side)), age(self._node, stamp))

    def _follow(self, observe: Callable[[], HandObservation], seconds: float, score: float | None = None) -> None:
        start = time.perf_counter()
        if self._settings.feedback and self._guard.enabled and not self._guard.moving:
            found = self._robot_found()
            if found is None:
                self._drop(_UNKNOWN)
                return
            self._guard.start_at(found)
        try:
            hand = observe()
            target = self._retargeter.retarget(hand)
        except (ValueError, np.linalg.LinAlgError) as error:
            self._drop(error)
            return
        refused = self._guard.offer(target, hand.stamp, seconds, time.monotonic())
        if refused is not None:
            self._drop(refused)
            return
        self._statistics.answered({'retarget': time.perf_counter() - start}, seconds, score)

    def _take_deadman(self, message: Bool) -> None:
        if message.data:
            self._guard.press(time.monotonic())
        else:
            self._guard.release()

    def _take_robot(self, message: JointState) -> None:
        try:
            positions = joint_positions(message, self._robot.names)  # an arm may tell of its own joints on this topic
            self._robot_at = None
            self._guard.start_at(positions)
            self._robot_at, self._robot_told = positions, time.monotonic()
        except ValueError as error:
            self._drops.drop(f'robot: {error}')

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success = not (request.data and self._robot_lost())
        if response.success:
            self._guard.enable(bool(request.data), time.monotonic())
            response.message = 'enabled' if request.data else 'disabled'
        else:
            response.message = _UNKNOWN
        return response

    def _robot_found(self) -> np.ndarray | None:
        """(N,) where the robot is; None where it has not told that a moment ago."""
        return self._robot_at if time.monotonic() - self._robot_told <= FEEDBACK_TIMEOUT else None

    def _robot_lost(self) -> bool:
        """Whether the robot has to tell where it is, and has not."""
        return self._settings.feedback and self._robot_found() is None

    def _command(self) -> None:
        command = self._guard.command(time.monotonic())
        if command.positions is not None:
            now = self._node.get_clock().now().to_msg()
            self._commands.publish(command_message(now, self._robot.names, command.positions))
        self._tell(command.state)

    def _tell(self, state: GuardState) -> None:
        if state is not self._state:
            self._state = state
            self._states.publish(String(data=state.value))
            self._node.get_logger().info(state.value)

    def _drop(self, reason: object) -> None:
        self._statistics.dropped()
        self._drops.drop(reason)


class RetargetNode(ManagedNode[RetargetSettings]):
    """retarget."""

    def __init__(self, **options: Any) -> None:
        super().__init__('retarget', load_retarget_settings, RetargetWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable retarget."""
    return run_node('retarget', RetargetNode, args)


if __name__ == '__main__':
    sys.exit(main())
