"""viewer without a browser: what comes over DDS is shown, and what the browser asks for is done."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('viser', reason='viser is not installed: extra [viewer]')

from conftest import Inbox  # noqa: E402
from minimal_hand_ros.msg import HandKeypoints, HandPose  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.task import Future  # noqa: E402
from rendered_truth import header, keypoints, truth  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402
from test_lifecycle import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Manager  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.tracking import PoseEstimator  # noqa: E402
from minimal_hand_core.viewing import Calibrate, Enable, Record, SetParameter, Viewer  # noqa: E402
from minimal_hand_core.viewing.panel import Panel  # noqa: E402
from minimal_hand_ros import viewer_node  # noqa: E402
from minimal_hand_ros.ik_node import IkNode  # noqa: E402
from minimal_hand_ros.images import compressed_message, image_message  # noqa: E402
from minimal_hand_ros.messages import lost_message, truth_message  # noqa: E402
from minimal_hand_ros.qos import RESULTS, pictures  # noqa: E402
from minimal_hand_ros.shape_server import ShapeServer  # noqa: E402
from minimal_hand_ros.stamps import to_seconds  # noqa: E402
from minimal_hand_ros.viewer_node import ViewerNode, main  # noqa: E402


class View:
    """A viewer here, and what it shows and says, as it does so."""

    def __init__(self, run_here: Callable, monkeypatch: pytest.MonkeyPatch, watched: bool = True, **parameters) -> None:
        # as if somebody looked: pictures are taken and drawn at the full rate
        monkeypatch.setattr(Viewer, 'watched', property(lambda viewer: watched))
        # tapped before the node begins: what it finds out first is said once
        tap = partial(self._tap, monkeypatch)
        self.said, self.values = tap(Panel, 'say'), tap(Panel, 'show_value')
        self.shown, self.cameras = tap(Viewer, 'show'), tap(Viewer, 'show_camera')
        self.here = run_here(ViewerNode, {'port': 0, 'lost_timeout': 60.0, **parameters})
        self.viewer: Viewer = self.here.node.work.viewer
        self.panel = self.viewer.panel

    def ask(self, event: object) -> None:
        self.panel._put(event)

    def drawn(self, wanted: Callable[[dict], bool], send: Callable[[], None] = lambda: None) -> dict:
        """What is shown, once it is what is wanted; sent again before each drawing, as best effort may lose it."""
        for _ in range(1000):
            send()
            self.shown.clear()
            hands = self.shown.wait_for()[0]
            if wanted(hands):
                return hands
        raise AssertionError('it is never shown')

    def _tap(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Inbox:
        inbox, method = Inbox(name), getattr(owner, name)

        def tapped(this: object, *arguments: object) -> None:
            method(this, *arguments)
            inbox.put(arguments)

        monkeypatch.setattr(owner, name, tapped)
        return inbox


@pytest.fixture
def view(run_here: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[..., View]:
    return lambda **parameters: View(run_here, monkeypatch, **parameters)


def serve(peer, kind: type, name: str, answer: Callable) -> Inbox:
    """A service of the test's own; returns its requests."""
    requests = Inbox(name)

    def take(request, response):
        requests.put(request)
        return answer(response)

    peer._in_spinning_thread(lambda: peer.node.create_service(kind, name, take))
    return requests


def pose(scene: RenderedScene, number: int) -> HandPose:
    return truth_message(header(number), truth(scene, number))


def test_a_hand_comes_moves_and_goes(view: Callable, peer) -> None:
    scene, estimator = RenderedScene(seed=1), PoseEstimator()
    seen = view()
    poses = peer.talk(HandPose, 'hand/pose', RESULTS)
    found = peer.talk(HandKeypoints, 'hand/keypoints', RESULTS)
    message = keypoints(scene, 0)
    message.confidence = np.linspace(0, 1, 21).astype(np.float32)

    def right(hands: dict, number: int) -> bool:
        return hands['right'] is not None and hands['right'][0].stamp == to_seconds(header(number).stamp)

    for number in (0, 30):
        sent = pose(scene, number)
        state, _ = seen.drawn(partial(right, number=number), partial(poses.publish, sent))['right']
        np.testing.assert_allclose(state.keypoints_m, np.reshape(sent.keypoints, (21, 3)), atol=1e-6)
        np.testing.assert_allclose(seen.viewer.hands['right'].vertices, estimator.mesh(state), atol=1e-5)
    hands = seen.drawn(lambda hands: hands['right'][1] is not None, partial(found.publish, message))
    np.testing.assert_allclose(hands['right'][1], np.linspace(0, 1, 21), atol=1e-6)
    lost = lost_message(header(31), 'right', 0.1, {})
    seen.drawn(lambda hands: hands['right'] is None, partial(poses.publish, lost))
    assert not seen.viewer.hands['right'].visible


def test_a_tracker_that_falls_silent_takes_its_hand_along(view: Callable, peer) -> None:
    seen = view(lost_timeout=1.0)
    poses = peer.talk(HandPose, 'hand/pose', RESULTS)
    seen.drawn(lambda hands: hands['right'] is not None, partial(poses.publish, pose(RenderedScene(seed=1), 0)))
    seen.drawn(lambda hands: hands['right'] is None)


def test_values_that_no_hand_has_are_dropped_and_the_node_goes_on(view: Callable, peer) -> None:
    scene = RenderedScene(seed=1)
    seen = view()
    poses = peer.talk(HandPose, 'hand/pose', RESULTS)
    drops = seen.here.node.work._drops.reasons
    for i, (name, values) in enumerate(
        (('keypoints', [np.nan] * 63), ('betas', [np.nan] * 10), ('hand_length', np.nan))
    ):
        broken = pose(scene, i)
        setattr(broken, name, values)
        seen.drawn(lambda hands, i=i: len(drops) > i, partial(poses.publish, broken))
        assert list(drops)[i] == f'{name} of HandPose: not finite numbers'
    seen.drawn(lambda hands: hands['right'] is not None, partial(poses.publish, pose(scene, 1)))


def test_two_hands(view: Callable, peer) -> None:
    seen = view(side='both')
    for side in ('right', 'left'):
        poses = peer.talk(HandPose, f'{side}_hand/pose', RESULTS)
        sent = pose(RenderedScene(seed=1, side=side), 0)
        seen.drawn(lambda hands, side=side: hands[side] is not None, partial(poses.publish, sent))
    assert all(hand.visible for hand in seen.viewer.hands.values())
    seen.ask(Calibrate('left', 0.0))
    assert 'no service left_hand/calibrate' in seen.said.wait_for(lambda a: 'no service' in a[0])[0]


@pytest.mark.parametrize('compressed', [True, False])
def test_pictures_are_taken_as_somebody_sends_them(view: Callable, peer, compressed: bool) -> None:
    picture = np.full((480, 640, 3), (255, 0, 0), np.uint8)
    if compressed:
        camera = peer.talk(CompressedImage, 'image_raw/compressed', pictures(reliable=True), listeners=0)
    else:
        camera = peer.talk(Image, 'image_raw', pictures(reliable=True), listeners=0)
    seen = view()
    message = compressed_message(header(0), picture) if compressed else image_message(header(0), picture)
    seen.drawn(lambda hands: bool(seen.cameras.messages), partial(camera.publish, message))
    _, shown = seen.cameras.messages[0]
    assert shown.shape == (480, 640, 3) and abs(shown.astype(int) - picture).max() < 8


def test_intrinsics_of_pictures_of_unknown_size_are_left_out(view: Callable, peer) -> None:
    seen = view()
    found = peer.talk(HandKeypoints, 'hand/keypoints', RESULTS)
    camera = peer.talk(CompressedImage, 'image_raw/compressed', pictures(reliable=True), listeners=0)
    message = keypoints(RenderedScene(seed=1), 0)
    picture = compressed_message(header(0), np.zeros((480, 640, 3), np.uint8))

    def send() -> None:
        found.publish(message)
        camera.publish(picture)

    seen.drawn(lambda hands: any(camera is not None for camera, _ in seen.cameras.messages), send)
    message.width = message.height = 0
    seen.cameras.clear()
    seen.drawn(lambda hands: any(camera is None for camera, _ in seen.cameras.messages), send)


def test_it_listens_while_somebody_looks_and_only_then(view: Callable, peer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = pose(RenderedScene(seed=1), 0)
    poses = peer.talk(HandPose, 'hand/pose', RESULTS, listeners=0)
    camera = peer.talk(CompressedImage, 'image_raw/compressed', pictures(reliable=True), listeners=0)
    seen = view(watched=False)
    work = seen.here.node.work
    looks = Inbox('look')
    parameters = work._parameters['pose']
    monkeypatch.setattr(parameters, 'look', lambda: looks.put(None))
    looks.wait_for_count(3)
    assert not seen.shown.messages
    assert poses.get_subscription_count() == camera.get_subscription_count() == 0
    for _ in range(2):
        monkeypatch.setattr(Viewer, 'watched', True)
        seen.drawn(lambda hands: hands['right'] is not None, partial(poses.publish, sent))
        monkeypatch.setattr(Viewer, 'watched', False)
        seen.drawn(lambda hands: hands['right'] is None)
        assert work._drawing is None and not work._hands['right']._subscriptions


def test_sliders_follow_and_set_the_parameters(view: Callable, run_here: Callable, peer) -> None:
    tracker = run_here(IkNode, {'wrist_beta': 77.0})
    seen = view()
    values = lambda name: lambda a: a[0] == name  # noqa: E731
    assert seen.values.wait_for(values('wrist_beta'))[1] == 77.0
    assert seen.values.wait_for(values('pose.limits'))[1] is True
    seen.values.clear()
    seen.ask(SetParameter('wrist_beta', 12.0))
    assert seen.values.wait_for(values('wrist_beta'))[1] == 12.0
    assert tracker.node.parameters.settings.pose.wrist_beta == 12.0
    seen.ask(SetParameter('filter', 'kalman'))
    seen.values.wait_for(values('filter'))
    assert tracker.node.parameters.settings.pose.filter == 'kalman'
    # somebody else turns the knob
    seen.values.clear()
    tracker.node.set_parameters([Parameter('kalman_agility', value=1.5)])
    assert seen.values.wait_for(values('kalman_agility'))[1] == 1.5
    assert seen.panel._inputs['kalman_agility'].value == 1.5


def test_a_refusal_is_shown_with_its_reason_and_taken_back(view: Callable, run_here: Callable, peer) -> None:
    tracker = run_here(IkNode, {})
    seen = view()
    seen.values.wait_for(lambda a: a[0] == 'lost_timeout')
    before = tracker.node.parameters.settings
    seen.values.clear()
    seen.ask(SetParameter('lost_timeout', -1.0))
    text = seen.said.wait_for(lambda a: 'refused' in a[0])[0]
    assert text.startswith('lost_timeout was refused: ') and 'Min: 0.0' in text
    assert seen.values.wait_for(lambda a: a[0] == 'lost_timeout')[1] == before.pose.lost_timeout
    assert tracker.node.parameters.settings is before
    seen.ask(SetParameter('keep_threshold', 0.9))
    said = seen.said.wait_for(lambda a: 'keep_threshold' in a[0])[0]
    assert 'none of the nodes tracker, keypoint_node is there' in said


def test_calibrate(view: Callable, run_here: Callable, peer) -> None:
    seen = view()
    seen.ask(Calibrate('right', 0.0))
    assert 'no service calibrate: is the tracker running?' in seen.said.wait_for(lambda a: 'no service' in a[0])[0]
    run_here(ShapeServer, {'calibration_timeout': 0.2})
    client = seen.here.node.work._questions._clients['calibrate']
    assert client.wait_for_service(60)
    seen.said.clear()
    seen.ask(Calibrate('right', 0.09))
    answer = seen.said.wait_for(lambda a: 'only 0 of 60' in a[0])
    assert answer[1] is False


def test_record_and_enable(view: Callable, peer) -> None:
    seen = view()
    seen.ask(Record(True))
    assert 'no service record: start a recorder' in seen.said.wait_for(lambda a: 'no service' in a[0])[0]
    assert not seen.panel._recording

    def yes(response):
        response.success, response.message = True, 'recording to hand.mcap'
        return response

    def no(response):
        response.success, response.message = False, 'not today'
        return response

    records, enables = serve(peer, SetBool, 'record', yes), serve(peer, SetBool, 'enable', no)
    for name in ('record', 'enable'):
        assert seen.here.node.work._questions._clients[name].wait_for_service(60)
    seen.ask(Record(True))
    assert records.wait_for().data
    seen.said.wait_for(lambda a: a == ('recording to hand.mcap', True))
    assert seen.panel._recording
    seen.panel._enabled.value = False
    seen.ask(Enable(False))
    assert not enables.wait_for().data
    seen.said.wait_for(lambda a: a == ('not today', False))
    assert seen.panel._enabled.value is True, 'the switch must show what is'


@pytest.mark.parametrize('ends', [True, False])
def test_a_service_that_never_answers(view: Callable, peer, ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Inbox('enable')

    async def never(request, response):
        asked.put(request)
        await Future()

    monkeypatch.setattr(viewer_node, 'LIMIT', 600.0 if ends else 0.5)
    seen = view()
    made = []
    peer._in_spinning_thread(lambda: made.append(peer.node.create_service(SetBool, 'enable', never)))
    assert seen.here.node.work._questions._clients['enable'].wait_for_service(60)
    seen.panel._enabled.value = False
    seen.ask(Enable(False))
    asked.wait_for()
    if ends:
        peer._in_spinning_thread(lambda: peer.node.destroy_service(made[0]))
    said = seen.said.wait_for(lambda a: 'answer' in a[0])[0]
    assert ('enable has ended without an answer' if ends else 'no answer from enable in time') in said
    assert seen.panel._enabled.value is True


def test_up_and_down_on_one_port(run_here: Callable, peer) -> None:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    here = run_here(ViewerNode, {'port': port, 'autostart': False})
    manager = Manager(peer, 'viewer')
    for _ in range(2):
        assert manager.change(CONFIGURE) and manager.change(ACTIVATE)
        assert here.node.work.viewer.address == f'http://localhost:{port}'
        socket.create_connection(('127.0.0.1', port), timeout=30).close()
        assert manager.change(DEACTIVATE) and manager.change(CLEANUP)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(('127.0.0.1', port), timeout=30)


def test_a_port_in_use_ends_the_node_with_one_line(fail_to_start: Callable) -> None:
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = fail_to_start(main, {'port': port})
    assert line.startswith(f'error: viewer: port {port} of 127.0.0.1 is in use: end what runs there')


def test_the_record_button_shows_what_is(view: Callable, peer) -> None:
    """Whatever was pressed before, and whoever else has started or stopped the recorder."""
    seen = view()
    answers = iter([(True, 'already recording hand.mcap'), (False, 'disk full'), (True, 'not recording')])

    def answer(response):
        response.success, response.message = next(answers)
        return response

    serve(peer, SetBool, 'record', answer)
    assert seen.here.node.work._questions._clients['record'].wait_for_service(60)
    asked = [(True, 'already recording hand.mcap', True), (True, 'disk full', False), (False, 'not recording', False)]
    for on, said, shown in asked:
        seen.ask(Record(on))
        seen.said.wait_for(lambda a, said=said: a[0] == said)
        assert seen.panel._recording is shown
