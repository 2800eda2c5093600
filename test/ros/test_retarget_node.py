"""retarget over real DDS: hands in, commands out, and none where there must be none."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from minimal_hand_ros.msg import HandPose  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Bool, Header, String  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from minimal_hand_core.hand import load_hand_model  # noqa: E402
from minimal_hand_core.hand.skeleton import KEYPOINT_NAMES  # noqa: E402
from minimal_hand_core.pose import ANGLE_NAMES  # noqa: E402
from minimal_hand_core.robots import AnglesToObservation  # noqa: E402
from minimal_hand_core.robots.hand_urdf import joint_names  # noqa: E402
from minimal_hand_ros import retarget_node  # noqa: E402
from minimal_hand_ros.messages import joint_message  # noqa: E402
from minimal_hand_ros.qos import LATCHED  # noqa: E402
from minimal_hand_ros.retarget_node import RetargetNode, main  # noqa: E402
from minimal_hand_ros.robot_messages import command_message, hand_angles, joint_positions  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[2] / 'config' / 'retarget'
GRIPPER = str(EXAMPLES / 'two_finger_gripper.yaml')
FOUR_FINGERS = str(EXAMPLES / 'four_finger_hand.yaml')
SPEED, OPEN = 0.1, 0.04
"""m/s and m, of the gripper's file."""
PATIENT = {'loss_timeout': 60.0, 'deadman_timeout': 60.0, 'max_age': 0.0}
"""For machines that stand still for a while; tests of time-outs set their own."""


def transition(number: int) -> ChangeState.Request:
    return ChangeState.Request(transition=Transition(id=number))


class Teleoperation:
    """retarget with a gripper, and a hand that pinches."""

    def __init__(self, run_here: Callable, peer, **parameters: object) -> None:
        self.peer = peer
        self.commands = peer.listen(JointState, 'robot/joint_commands', 1000)
        self.diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
        self.states = peer.listen(String, '/retarget/state', LATCHED)
        self.node = run_here(RetargetNode, {'config': GRIPPER, **PATIENT, **parameters}).node
        self._flat = AnglesToObservation(load_hand_model())(0.0, np.zeros(20)).keypoints

    def listen_to_me(self) -> None:
        self._hands = self.peer.talk(HandPose, 'hand/pose')
        self._switch = self.peer.talk(Bool, 'deadman')

    def enable(self, on: bool = True) -> SetBool.Response:
        return self.peer.call(SetBool, '/retarget/enable', SetBool.Request(data=on))

    def hold(self, on: bool) -> None:
        self._switch.publish(Bool(data=on))

    def pinch(self, distance: float, **fields: object) -> None:
        """A hand whose thumb and index finger are so far apart, metres."""
        keypoints = self._flat.copy()
        tip = keypoints[KEYPOINT_NAMES.index('index_tip')]
        keypoints[KEYPOINT_NAMES.index('thumb_tip')] = tip + [0, -distance, 0]
        message = HandPose(
            header=Header(stamp=self.peer.node.get_clock().now().to_msg()), side='right', valid=True, score=0.9
        )
        message.keypoints = keypoints.astype(np.float32).reshape(-1)
        for name, value in fields.items():
            setattr(message, name, value)
        self._hands.publish(message)

    def wait_for_state(self, state: str) -> None:
        self.states.wait_for(lambda message: message.data == state)
        self.states.clear()

    def wait_for_drop(self, why: str) -> None:
        """Until the diagnostics count a drop for this reason."""
        self._wait_for_figure(lambda name, value: why in name)

    def wait_for_hands(self, count: int) -> None:
        """Until the diagnostics say that so many hands have arrived; services overtake topics."""
        self._wait_for_figure(lambda name, value: (name, value) == ('hands received', str(count)))

    def _wait_for_figure(self, wanted: Callable[[str, str], bool]) -> None:
        self.diagnostics.wait_for(
            lambda message: any(wanted(pair.key, pair.value) for status in message.status for pair in status.values)
        )

    def wait_for_position(self, wanted: Callable[[float], bool]) -> None:
        self.commands.wait_for(lambda message: wanted(message.position[0]))

    def commanded(self) -> np.ndarray:
        """(N, 2) seconds and position of every command so far."""
        messages = list(self.commands.messages)
        return np.array([(m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec, m.position[0]) for m in messages])


def check_speed(commanded: np.ndarray) -> None:
    """No faster than allowed, up to what a busy machine may put between reading a clock and stamping a message."""
    seconds, positions = commanded.T
    first = 0
    for i in range(1, len(positions)):
        assert abs(positions[i] - positions[first]) <= SPEED * (seconds[i] - seconds[first] + 0.1)
        assert abs(positions[i] - positions[i - 1]) <= SPEED * 0.1 + 1e-9


def test_a_pinch_closes_the_gripper_and_loss_holds_it(run_here: Callable, peer) -> None:
    robot = Teleoperation(run_here, peer)
    robot.listen_to_me()
    robot.wait_for_state('disabled')
    robot.pinch(0.0)
    robot.wait_for_hands(1)
    assert robot.enable().success
    robot.wait_for_state('waiting for a hand')
    assert not robot.commands.messages, 'nothing is sent before it is enabled, nor of a hand from before'

    robot.pinch(0.0)
    robot.wait_for_state('following')
    robot.wait_for_position(lambda position: position == 0.0)
    first = robot.commands.messages[0]
    assert first.name == ['finger_joint'] and first.position[0] == OPEN
    assert not first.velocity and not first.effort
    commanded = robot.commanded()
    check_speed(commanded)
    closing = commanded[: np.argmax(commanded[:, 1] == 0.0) + 1]
    assert closing[-1, 0] - closing[0, 0] > OPEN / SPEED - 0.1

    robot.commands.clear()
    robot.pinch(0.055)
    robot.wait_for_position(lambda position: position > 0.005)
    robot.pinch(0.0, valid=False)
    robot.wait_for_state('holding')
    robot.commands.clear()
    held = [message.position[0] for message in robot.commands.wait_for_count(10)]
    assert len(set(held)) == 1 and 0.005 < held[0] <= 0.02 + 1e-9

    robot.commands.clear()
    robot.pinch(0.2)
    robot.wait_for_state('following')
    robot.wait_for_position(lambda position: position == OPEN)
    commanded = robot.commanded()
    check_speed(commanded)
    assert commanded[0, 1] - held[0] <= SPEED * 0.1 + 1e-9, 'no jump'


def test_nothing_moves_once_the_switch_is_let_go(run_here: Callable, peer) -> None:
    robot = Teleoperation(run_here, peer)
    robot.listen_to_me()
    robot.enable()
    robot.pinch(0.0)
    robot.wait_for_position(lambda position: position < OPEN)
    robot.hold(False)
    robot.wait_for_state('dead-man released')
    peer.call(SetBool, '/retarget/enable', SetBool.Request(data=False))  # whatever was under way is here now
    robot.wait_for_state('disabled')
    before = robot.commanded()
    robot.hold(True)
    robot.pinch(0.0)
    robot.wait_for_hands(2)
    assert len(robot.commanded()) == len(before), 'the switch alone does not enable'
    robot.commands.clear()
    robot.enable()
    robot.wait_for_state('waiting for a hand')
    robot.pinch(0.0)
    again = robot.commands.wait_for_count(1)[0].position[0]
    assert again == before[-1, 1], 'it goes on where it was'


def test_the_switch_and_the_hand_time_out_by_themselves(run_here: Callable, peer) -> None:
    robot = Teleoperation(run_here, peer, loss_timeout=0.2, deadman_timeout=2.0)
    robot.listen_to_me()
    robot.enable()
    robot.pinch(0.0)
    robot.wait_for_state('holding')
    robot.wait_for_state('dead-man released')
    robot.hold(True)
    robot.wait_for_state('waiting for a hand')


def test_joint_states_drive_a_hand(run_here: Callable, peer) -> None:
    robot = Teleoperation(run_here, peer, config=FOUR_FINGERS, method='direct', input='joint_states', side='left')
    hands = peer.talk(JointState, 'hand/joint_states')
    robot.enable()
    angles = np.zeros(20)
    angles[ANGLE_NAMES.index('middle_mcp_flexion')] = 0.5
    message = joint_message(Header(stamp=peer.node.get_clock().now().to_msg()), 'left', angles)
    hands.publish(message)

    def there(command: JointState) -> bool:
        return dict(zip(command.name, command.position))['middle_joint_1'] == 0.5

    command = robot.commands.wait_for(there)
    assert len(command.name) == 16 and command.name[0] == 'index_joint_0'


@pytest.mark.parametrize('method', ['vector', 'dex'])
def test_keypoints_drive_a_hand(run_here: Callable, peer, method: str) -> None:
    if method == 'dex':
        pytest.importorskip('dex_retargeting')
    robot = Teleoperation(run_here, peer, config=FOUR_FINGERS, method=method)
    robot.listen_to_me()
    robot.enable()
    robot.pinch(0.02)
    first, *_, last = robot.commands.wait_for_count(30)
    moved = dict(zip(first.name, np.abs(np.array(last.position) - first.position)))
    assert moved['thumb_joint_0'] > 0.02


UNKNOWN = 'robot/joint_states has not told in the last 1 s where the robot is'


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feedback of a minute ago is good, on machines that stand still for a while."""
    monkeypatch.setattr(retarget_node, 'FEEDBACK_TIMEOUT', 60.0)


def test_it_starts_where_the_robot_is(run_here: Callable, peer, patient) -> None:
    robot = Teleoperation(run_here, peer, feedback=True)
    robot.listen_to_me()
    refused = robot.enable()
    assert not refused.success and refused.message == UNKNOWN
    found = peer.talk(JointState, 'robot/joint_states')
    found.publish(JointState(name=['other'], position=[0.0]))
    robot.wait_for_drop("robot: joint states lack 'finger_joint'")
    found.publish(JointState(name=['finger_joint'], position=[0.2]))
    robot.wait_for_drop("joint 'finger_joint' is at 0.2, outside its limits 0 … 0.04")
    assert not robot.enable().success
    found.publish(JointState(name=['other', 'finger_joint'], position=[9.0, 0.013]))
    while not robot.enable().success:  # the message may still be under way
        pass
    robot.pinch(0.2)
    robot.wait_for_position(lambda position: position == OPEN)
    assert robot.commands.messages[0].position[0] == 0.013
    check_speed(robot.commanded())

    # stopped by somebody else meanwhile: it goes on from there, not from where it was sent
    found.publish(JointState(name=['finger_joint'], position=[0.03]))
    while robot.node.work._robot_found() != [0.03]:
        robot.enable()  # a round trip, in which it may get there
    robot.enable(False)
    robot.enable()
    robot.pinch(0.2)
    robot.wait_for_position(lambda position: position == 0.03)


def test_two_drivers_may_share_a_topic(run_here: Callable, peer, patient) -> None:
    robot = Teleoperation(run_here, peer, feedback=True)
    found = peer.talk(JointState, 'robot/joint_states')
    drops = robot.node.work._drops.reasons
    # both while the node is busy: the one that comes last must not push the other out
    for _ in range(50):
        begun, sent = threading.Event(), threading.Event()
        robot.node.executor.create_task(partial(be_busy, begun, sent))
        assert begun.wait(60)
        found.publish(JointState(name=['finger_joint'], position=[0.013]))
        found.publish(JointState(name=['other'], position=[0.0]))
        sent.set()
        robot.diagnostics.clear()
        robot.diagnostics.wait_for()
        if drops:  # what is sent before both ends know of each other is lost
            break
    assert list(drops) == ["robot: joint states lack 'finger_joint'"]
    assert robot.node.work._robot_found() == [0.013]


def be_busy(begun: threading.Event, sent: threading.Event) -> None:
    begun.set()
    assert sent.wait(60)


def test_a_robot_that_may_have_been_moved_is_not_moved(
    run_here: Callable, peer, patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = Teleoperation(run_here, peer, feedback=True)
    robot.listen_to_me()
    found = peer.talk(JointState, 'robot/joint_states')

    def tell(position: float) -> None:
        found.publish(JointState(name=['finger_joint'], position=[position]))

    def enable() -> None:
        tell(0.013)
        while not robot.enable().success:  # the message may still be under way
            pass

    # outside its limits: who knows where it comes back
    enable()
    tell(0.2)
    robot.wait_for_drop("joint 'finger_joint' is at 0.2")
    refused = robot.enable()
    assert not refused.success and refused.message == UNKNOWN
    # nor after it was enabled, before it moves
    robot.pinch(0.2)
    robot.wait_for_drop(UNKNOWN)
    # what others tell on the same topic changes nothing
    enable()
    found.publish(JointState(name=['other'], position=[0.0]))
    robot.wait_for_drop("robot: joint states lack 'finger_joint'")
    assert robot.enable().success
    # a driver that died
    with monkeypatch.context() as patch:
        patch.setattr(retarget_node, 'FEEDBACK_TIMEOUT', -1.0)
        assert not robot.enable().success
        robot.pinch(0.2)
        robot.wait_for_hands(2)
    assert not robot.commands.messages
    # a deactivation, for however long
    enable()
    for number in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        assert peer.call(ChangeState, '/retarget/change_state', transition(number)).success
    assert not robot.enable().success


def test_a_deactivated_node_moves_nothing_until_it_is_enabled_again(run_here: Callable, peer) -> None:
    robot = Teleoperation(run_here, peer)
    robot.listen_to_me()
    robot.enable()
    robot.pinch(0.0)
    robot.wait_for_state('following')
    change = peer.call(ChangeState, '/retarget/change_state', transition(Transition.TRANSITION_DEACTIVATE))
    assert change.success
    robot.wait_for_state('disabled')
    peer.call(ChangeState, '/retarget/change_state', transition(Transition.TRANSITION_ACTIVATE))
    robot.commands.clear()
    robot.listen_to_me()
    robot.pinch(0.0)
    robot.wait_for_hands(2)
    assert not robot.commands.messages
    robot.enable()
    robot.wait_for_state('waiting for a hand')


def test_times_and_speed_may_change_while_it_runs(run_here: Callable, peer) -> None:
    robot = Teleoperation(run_here, peer)
    robot.listen_to_me()
    robot.enable()
    robot.pinch(0.0)
    robot.wait_for_state('following')

    def set_parameter(name: str, value: float):
        parameter = Parameter(name, value=value).to_parameter_msg()
        return peer.call(SetParameters, '/retarget/set_parameters', SetParameters.Request(parameters=[parameter]))

    (result,) = set_parameter('loss_timeout', 0.05).results
    assert result.successful
    robot.wait_for_state('holding')
    (result,) = set_parameter('speed_scale', 3.0).results
    assert not result.successful
    (result,) = set_parameter('rate', 10.0).results
    assert not result.successful and 'cannot change while retarget is configured' in result.reason


def test_bad_hands_are_dropped_and_named(run_here: Callable, peer) -> None:
    robot = Teleoperation(run_here, peer, max_age=1.0)
    robot.listen_to_me()
    robot.enable()
    robot.pinch(math.nan)
    robot.wait_for_drop('keypoints: expected finite numbers')
    robot.pinch(0.0, header=Header())
    robot.wait_for_drop('too old')
    robot.pinch(0.0, side='left')
    robot.wait_for_drop("the hand is the left one, and parameter 'side' is 'right'")
    robot.pinch(0.0, score=0.9)
    robot.wait_for_position(lambda position: position == 0.0)
    robot.states.clear()
    robot.pinch(0.2, score=math.nan)
    robot.wait_for_state('holding')


def test_settings_that_cannot_be_end_the_start(fail_to_start: Callable[..., str], tmp_path: Path) -> None:
    def said(**parameters: object) -> str:
        return fail_to_start(main, parameters)

    assert "'config' is '': give the path of a retargeting file" in said()
    assert 'nothing.yaml cannot be read: No such file' in said(config=str(tmp_path / 'nothing.yaml'))
    assert 'nothing.urdf cannot be read: No such file' in said(config=GRIPPER, urdf=str(tmp_path / 'nothing.urdf'))
    assert "method 'vector' needs 'vectors', which is missing" in said(config=GRIPPER, method='vector')
    assert "'method' is 'magic': give one of" in said(config=GRIPPER, method='magic')
    assert "'speed_scale'" in said(config=GRIPPER, speed_scale=2.0)
    assert "'loss_timeout' is 0.0" in said(config=GRIPPER, loss_timeout=0.0)


def test_joints_are_found_by_name() -> None:
    angles = np.arange(20) * 0.01
    message = joint_message(Header(), 'right', angles)
    order = np.random.default_rng(0).permutation(20)
    shuffled = JointState(name=[message.name[i] for i in order], position=[float(angles[i]) for i in order])
    np.testing.assert_array_equal(hand_angles(shuffled, 'right'), angles)
    with pytest.raises(ValueError, match="joint states lack 'left_thumb_cmc_flexion' and 19 more"):
        hand_angles(message, 'left')
    with pytest.raises(ValueError, match='joint states have 2 names and 1 positions'):
        joint_positions(JointState(name=['a', 'b'], position=[1.0]), ['a'])
    assert joint_names('right')[0] == message.name[0]


def test_a_command_is_what_was_meant() -> None:
    stamp = Header().stamp
    message = command_message(stamp, ('a', 'b'), np.array([1, 2]))
    assert message.name == ['a', 'b'] and list(message.position) == [1.0, 2.0] and message.header.stamp == stamp
