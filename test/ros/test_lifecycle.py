"""Lifecycle states of every node: what each transition starts, stops and frees, and what happens when one fails."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.msg import State, Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from minimal_hand_ros.msg import HandKeypoints, HandPose, HandShape  # noqa: E402
from minimal_hand_ros.srv import CalibrateShape  # noqa: E402
from rcl_interfaces.msg import Parameter as ParameterMessage  # noqa: E402
from rcl_interfaces.msg import ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from rendered_truth import header, keypoints  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.recording import RecordingWriter  # noqa: E402
from minimal_hand_ros import stamps  # noqa: E402
from minimal_hand_ros.camera_node import CameraNode  # noqa: E402
from minimal_hand_ros.ik_node import IkNode  # noqa: E402
from minimal_hand_ros.images import image_message  # noqa: E402
from minimal_hand_ros.keypoint_node import KeypointNode  # noqa: E402
from minimal_hand_ros.qos import LATCHED, RESULTS, pictures  # noqa: E402
from minimal_hand_ros.recorder_node import RecorderNode  # noqa: E402
from minimal_hand_ros.replay_node import ReplayNode  # noqa: E402
from minimal_hand_ros.retarget_node import RetargetNode  # noqa: E402
from minimal_hand_ros.shape_server import ShapeServer  # noqa: E402
from minimal_hand_ros.stamps import to_nanoseconds  # noqa: E402
from minimal_hand_ros.tracker_node import TrackerNode  # noqa: E402
from minimal_hand_ros.viewer_node import ViewerNode  # noqa: E402

NODES = {
    'camera_node': CameraNode,
    'keypoint_node': KeypointNode,
    'shape_server': ShapeServer,
    'ik_node': IkNode,
    'tracker': TrackerNode,
    'retarget': RetargetNode,
    'viewer': ViewerNode,
    'recorder': RecorderNode,
    'replay': ReplayNode,
}
GRIPPER = str(Path(__file__).resolve().parents[2] / 'config' / 'retarget' / 'two_finger_gripper.yaml')
UNCONFIGURED, INACTIVE, ACTIVE = (
    State.PRIMARY_STATE_UNCONFIGURED,
    State.PRIMARY_STATE_INACTIVE,
    State.PRIMARY_STATE_ACTIVE,
)
CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)


TARGETS = {CONFIGURE: INACTIVE, ACTIVATE: ACTIVE, DEACTIVATE: INACTIVE, CLEANUP: UNCONFIGURED}
ASKED_AGAIN = 4
PATIENT_SECONDS = 20.0


class Manager:
    """What a lifecycle manager does with one node."""

    def __init__(self, peer, name: str) -> None:
        self._peer, self._name = peer, name

    def change(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        answer = self._peer.ask(ChangeState, f'{self._name}/change_state', request)
        for _ in range(ASKED_AGAIN):
            try:
                return answer(PATIENT_SECONDS).success
            except AssertionError:
                # Fast DDS loses what is sent before both ends know of each other. Whether it was the request or the
                # answer, the state tells.
                if self.state == TARGETS[transition]:
                    return True
                answer = self._peer.ask(ChangeState, f'{self._name}/change_state', request)
        return answer().success or self.state == TARGETS[transition]

    @property
    def state(self) -> int:
        return self._peer.call(GetState, f'{self._name}/get_state', GetState.Request()).current_state.id

    def set_text(self, parameter: str, value: str):
        new = ParameterMessage(
            name=parameter, value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        )
        request = SetParameters.Request(parameters=[new])
        return self._peer.call(SetParameters, f'{self._name}/set_parameters', request).results[0]


def options(name: str, **parameters: object) -> dict[str, object]:
    """Parameters that start quickly."""
    return {**parameters, **({'backend': 'torch'} if name in ('keypoint_node', 'tracker') else {})}


@pytest.fixture(scope='module')
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pose."""
    path = tmp_path_factory.mktemp('recording') / 'pose.mcap'
    with RecordingWriter(path) as writer:
        writer.write('/hand/pose', 'minimal_hand_ros/msg/HandPose', {'side': 'right'}, 1)
    return path


@pytest.mark.parametrize('name', NODES)
def test_every_node_goes_up_and_down(run_here: Callable, peer, recording: Path, name: str) -> None:
    needs = {'retarget': {'config': GRIPPER}, 'viewer': {'port': 0}, 'replay': {'path': str(recording), 'paused': True}}
    here = run_here(NODES[name], options(name, autostart=False, **needs.get(name, {})))
    manager = Manager(peer, name)
    assert manager.state == UNCONFIGURED and here.node.work is None
    assert not manager.change(ACTIVATE) and manager.state == UNCONFIGURED
    for _ in range(2):
        assert manager.change(CONFIGURE) and manager.state == INACTIVE
        work = weakref.ref(here.node.work)
        assert manager.change(ACTIVATE) and manager.state == ACTIVE
        assert manager.change(DEACTIVATE) and manager.state == INACTIVE
        assert manager.change(CLEANUP) and manager.state == UNCONFIGURED
        gc.collect()
        assert work() is None, 'what was loaded is still in memory'
    topics = dict(peer.node.get_publisher_names_and_types_by_node(name, '/'))
    assert not [topic for topic in topics if 'hand/' in topic or 'image' in topic or topic == '/tf'], topics


def test_a_first_work_that_was_frozen_is_freed_too(run_here: Callable, peer) -> None:
    here = run_here(IkNode, {})
    gc.freeze()  # as run_node does
    manager, work = Manager(peer, 'ik_node'), weakref.ref(here.node.work)
    assert manager.change(DEACTIVATE) and manager.change(CLEANUP)
    gc.collect()
    assert work() is None, 'what was loaded is still in memory'


@pytest.mark.parametrize('name', ['camera_node', 'tracker'])
def test_a_node_starts_by_itself_unless_told_otherwise(run_here: Callable, peer, name: str) -> None:
    run_here(NODES[name], options(name))
    assert Manager(peer, name).state == ACTIVE


@pytest.mark.parametrize(
    ('name', 'parameter', 'wrong', 'right', 'said'),
    [
        ('camera_node', 'source', '/nowhere', 'rendered', "source '/nowhere' does not exist"),
        ('keypoint_node', 'weights', '/nowhere/net.safetensors', 'default', '/nowhere/net.safetensors'),
        ('ik_node', 'model', '/nowhere/hand.npz', 'open', '/nowhere/hand.npz'),
    ],
)
def test_what_cannot_be_configured_can_be_mended(
    run_here: Callable, peer, name: str, parameter: str, wrong: str, right: str, said: str
) -> None:
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    run_here(NODES[name], options(name, autostart=False, **{parameter: wrong}))
    manager = Manager(peer, name)
    assert not manager.change(CONFIGURE) and manager.state == UNCONFIGURED
    status = diagnostics.wait_for(lambda m: m.status[0].message.startswith('unconfigured: ')).status[0]
    assert said in status.message and status.level == b'\2' and status.name == f'{name}: hand tracking'
    assert manager.set_text(parameter, right).successful
    assert manager.change(CONFIGURE) and manager.state == INACTIVE
    refused = manager.set_text(parameter, wrong)
    assert not refused.successful
    assert f'{parameter!r} cannot change while {name} is configured: deactivate and clean up' in refused.reason
    diagnostics.wait_for(lambda m: m.status[0].message == 'inactive' and m.status[0].level == b'\0')


def test_a_bad_parameter_is_an_error_at_once(fail_to_start: Callable) -> None:
    from minimal_hand_ros.camera_node import main

    line = fail_to_start(main, {'autostart': 'perhaps'})
    assert line == "error: camera_node: parameter 'autostart' is 'perhaps': give true or false"


def test_a_process_waits_to_be_configured(start_node: Callable, peer, tmp_path: Path) -> None:
    node = start_node('camera_node', {'autostart': False, 'source': tmp_path})
    node.wait_for_line('waiting to be configured')
    manager = Manager(peer, 'camera_node')
    assert not manager.change(CONFIGURE)
    node.wait_for_line(r'ERROR.*holds no picture')
    assert manager.state == UNCONFIGURED
    assert node.stop() == 0 and 'Traceback' not in node.output


@pytest.mark.parametrize(('name', 'said'), [('camera_node', 'waiting to be configured'), ('ik_node', 'ready')])
def test_a_process_that_ends_leaves_no_shared_memory(
    start_node: Callable, domain_id: int, name: str, said: str
) -> None:
    def ports() -> set[str]:
        # Fast DDS names them after the domain's UDP ports
        first = 7400 + 250 * domain_id
        names = (f'fastdds_port{port}' for port in range(first, first + 250))
        return {name for name in names if Path('/dev/shm', name).exists()}

    # No node of this run lives here, so what is there is what a killed process left, of this run or of one before on
    # its domain. A new node would take it over and seem to make nothing.
    for left in ports():
        Path('/dev/shm', left).unlink()
    node = start_node(name, {'autostart': name != 'camera_node'})
    node.wait_for_line(said)
    assert ports(), 'none made: this test proves nothing here'
    assert node.stop() == 0
    assert not ports()


def test_the_end_of_a_source_deactivates_a_managed_camera(run_here: Callable, peer, tmp_path: Path) -> None:
    import cv2
    import numpy as np

    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((48, 64, 3), np.uint8))
    images = peer.listen(Image, 'image_raw', pictures(reliable=True))
    run_here(CameraNode, {'autostart': False, 'source': str(tmp_path), 'loop': False, 'rate': 2.0, 'hold': 20})
    manager = Manager(peer, 'camera_node')
    assert manager.change(CONFIGURE) and manager.change(ACTIVATE)
    images.wait_for()
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    diagnostics.wait_for(lambda m: m.status[0].message == 'unconfigured')
    assert manager.state == UNCONFIGURED
    assert manager.change(CONFIGURE)


class Clock:
    """Stands in for the module `time`; goes on as the test says."""

    perf_counter = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def monotonic_ns(self) -> int:
        return round(self.now * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What the age of the last picture is told by."""
    clock = Clock()
    monkeypatch.setattr(stamps, 'time', clock)
    return clock


def seconds_between(first, last) -> float:
    return (to_nanoseconds(last.header.stamp) - to_nanoseconds(first.header.stamp)) / 1e9


def wait_for_listener(publisher: Publisher, manager: Manager) -> None:
    """Wait until a publisher has heard of a subscription."""
    while publisher.get_subscription_count() == 0:
        manager.state  # noqa: B018 (a round trip, in which it may)


class Hand:
    """ik_node here, and what comes of one exact HandKeypoints after the other."""

    def __init__(self, run_here: Callable, peer, **parameters: object) -> None:
        self.scene = RenderedScene(seed=1)
        self.poses = peer.listen(HandPose, 'hand/pose', RESULTS)
        self.transforms = peer.listen(TFMessage, '/tf', RESULTS)
        self.markers = peer.listen(MarkerArray, 'hand/markers')
        self.here = run_here(IkNode, {'input_timeout': 3600.0, **parameters})
        self._send = peer.talk(HandKeypoints, 'hand/keypoints')
        self._number = 0
        # What is answered before the node knows of who listens is lost.
        answers = next(each for each in self.here.node.publishers if each.topic_name.endswith('hand/pose'))
        wait_for_listener(answers, Manager(peer, 'ik_node'))

    def show(self) -> HandPose:
        self._number += 1
        self._send.publish(keypoints(self.scene, self._number))
        return self.poses.wait_for(lambda pose: pose.header == header(self._number))


def test_a_deactivated_node_says_that_the_hand_is_gone_and_nothing_more(run_here: Callable, peer, clock) -> None:
    hand = Hand(run_here, peer, lost_timeout=60.0)
    manager = Manager(peer, 'ik_node')
    before = hand.show()
    assert before.valid
    hand.markers.wait_for()
    clock.now += 0.125
    assert manager.change(DEACTIVATE)
    lost = hand.poses.wait_for(lambda pose: not pose.valid)
    assert seconds_between(before, lost) == 0.125
    assert lost.side == 'right' and lost.header.frame_id == header(0).frame_id
    hand.markers.wait_for(lambda m: all(marker.action == Marker.DELETE for marker in m.markers))
    hand._send.publish(keypoints(hand.scene, 50))
    assert manager.change(ACTIVATE)
    wait_for_listener(hand._send, manager)
    assert hand.show().valid, 'it does not come back'
    assert [pose.valid for pose in hand.poses.messages].count(False) == 1
    assert not [pose for pose in hand.poses.messages if pose.header == header(50)]
    stamps = [m.transforms[0].header.stamp for m in hand.transforms.messages]
    assert header(50).stamp not in stamps


def test_a_camera_that_stops_is_noticed(run_here: Callable, peer, clock) -> None:
    hand = Hand(run_here, peer, input_timeout=4.0)
    before = hand.show()
    assert before.valid
    clock.now += 4.5
    lost = hand.poses.wait_for(lambda pose: not pose.valid)
    assert seconds_between(before, lost) == 4.5 and lost.header.frame_id == before.header.frame_id
    hand.poses.clear()
    assert hand.show().valid, 'it does not come back'


def test_keypoints_of_no_picture_say_nothing_of_the_camera(run_here: Callable, peer) -> None:
    hand = Hand(run_here, peer)
    assert hand.show().metric
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    hand._send.publish(HandKeypoints(header=header(20), side='right'))
    values = ('keypoints received', '2')
    told = diagnostics.wait_for(lambda m: values in [(value.key, value.value) for value in m.status[0].values])
    assert 'not calibrated' not in told.status[0].message


def test_a_calibration_under_way_ends_with_the_node(run_here: Callable, peer) -> None:
    here = run_here(ShapeServer, {})
    manager = Manager(peer, 'shape_server')
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')

    def begin() -> Callable:
        answer = peer.ask(CalibrateShape, 'calibrate', CalibrateShape.Request(frames=5, timeout=3000.0))
        diagnostics.clear()
        diagnostics.wait_for(lambda m: any(v.value == 'calibrating' for v in m.status[0].values))
        return answer

    answer = begin()
    second = peer.call(CalibrateShape, 'calibrate', CalibrateShape.Request(frames=5, timeout=3000.0))
    assert not second.success and 'a calibration is under way' in second.message, 'and not kept waiting'
    assert manager.change(DEACTIVATE)
    response = answer(60)
    assert not response.success and response.message == 'given up: the node was deactivated'
    assert manager.change(ACTIVATE) and here.node.is_active
    answer = begin()
    assert peer.call(Trigger, 'reset', Trigger.Request()).success
    assert answer(60).message == 'given up: the shape was reset'
    diagnostics.clear()
    diagnostics.wait_for(lambda m: any(v.value == 'following' for v in m.status[0].values))
    answer = begin()
    assert manager.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert not answer(60).success
    assert manager.state == State.PRIMARY_STATE_FINALIZED


def test_enable(run_here: Callable, peer, clock) -> None:
    found = peer.listen(HandKeypoints, 'hand/keypoints', RESULTS)
    poses = peer.listen(HandPose, 'hand/pose', RESULTS)
    shapes = peer.listen(HandShape, 'hand/shape', LATCHED)
    here = run_here(TrackerNode, {'backend': 'torch', 'input_timeout': 3600.0, 'lost_timeout': 60.0})
    camera = peer.talk(Image, 'image_raw', pictures(reliable=True))
    scene = RenderedScene(3)
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')

    def show(number: int) -> None:
        camera.publish(image_message(header(number), scene.frame(number / 30)[0]))

    for number in range(30):
        show(number)
        if found.wait_for(lambda m, number=number: m.header == header(number)).valid:
            break
    assert poses.wait_for(lambda m: m.valid)

    clock.now += 2.5
    answer = peer.call(SetBool, 'enable', SetBool.Request(data=False))
    assert answer.success and answer.message == 'disabled'
    assert peer.call(SetBool, 'enable', SetBool.Request(data=False)).message == 'already disabled'
    gone = found.wait_for(lambda m: m.header.stamp.sec and not m.valid and m.score == 0)
    assert gone.header.frame_id == header(0).frame_id and (gone.width, gone.height) == (640, 480)
    lost = poses.wait_for(lambda m: not m.valid and m.header == gone.header)
    assert to_nanoseconds(lost.header.stamp) - to_nanoseconds(header(number).stamp) == 2_500_000_000
    found.clear()
    poses.clear()
    show(100)
    status = diagnostics.wait_for(
        lambda m: (
            {'pictures ignored': '1', 'state': 'disabled'}.items()
            <= {v.key: v.value for v in m.status[0].values}.items()
        )
    ).status[0]
    assert status.message == 'disabled' and status.level == b'\0'
    assert not found.messages and not poses.messages
    assert shapes.messages, 'the shape is still known'

    assert peer.call(SetBool, 'enable', SetBool.Request(data=True)).message == 'enabled'
    for number in range(101, 131):
        show(number)
        if found.wait_for(lambda m, number=number: m.header == header(number)).valid:
            break
    assert poses.wait_for(lambda m: m.valid)
    assert here.node.is_active
