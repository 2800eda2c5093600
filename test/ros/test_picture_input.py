"""Which pictures a node listens to, and how, while their publishers come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from conftest import NOISE  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from minimal_hand_ros.msg import HandKeypoints  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rendered_truth import header  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from minimal_hand_ros import health  # noqa: E402
from minimal_hand_ros.images import compressed_message, image_message  # noqa: E402
from minimal_hand_ros.keypoint_node import KeypointNode  # noqa: E402
from minimal_hand_ros.qos import LATCHED, RESULTS, pictures  # noqa: E402


class Studio:
    """keypoint_node here, and cameras of the test's own."""

    def __init__(self, run_here: Callable, peer, weights: Path, **parameters: object) -> None:
        self._peer = peer
        self.found = peer.listen(HandKeypoints, 'hand/keypoints', RESULTS)
        self.here = run_here(KeypointNode, {'backend': 'torch', 'weights': str(weights), **parameters})
        self.number = 0

    def show(self, publisher, picture: np.ndarray, compressed: bool = False) -> HandKeypoints:
        """Send until it was looked at, and what was seen; the subscription may have to be discovered first."""
        first = self.number
        while True:
            self.number += 1
            make = compressed_message if compressed else image_message
            publisher.publish(make(header(self.number), picture))
            try:
                return self.found.wait_for(lambda m: m.header == header(self.number), timeout=0.5)
            except AssertionError:
                assert self.number < first + 200, 'the node does not listen'

    def set(self, *parameters: Parameter) -> Callable[[], bool]:
        """Set these in the node's own thread; returns a function that waits until they are, and says whether."""
        finished = threading.Event()
        done = self.here._executor.create_task(lambda: self.here.node.set_parameters_atomically([*parameters]))
        done.add_done_callback(lambda _: finished.set())
        return lambda: finished.wait(60) and done.result().successful

    def report(self) -> dict[str, str]:
        return dict(self.here.node.work.report().values)


def test_reliability_follows_the_publishers(run_here: Callable, peer, weights: Path) -> None:
    studio = Studio(run_here, peer, weights)
    assert studio.report()['publishers there'] == '0'
    assert studio.report()['pictures from'] == '/image_raw (reliable)'
    lossy = peer.talk(Image, 'image_raw', pictures(reliable=False), listeners=0)
    studio.show(lossy, NOISE)
    assert studio.report()['pictures from'] == '/image_raw (best effort)'
    # a reliable one beside it: both are heard
    sound = peer.talk(Image, 'image_raw', pictures(reliable=True), listeners=0)
    studio.show(sound, NOISE)
    studio.show(lossy, NOISE)
    assert sorted(studio.report()['publishers there'].partition(' ')[2][1:-1].split(', ')) == [
        'best effort',
        'reliable',
    ]
    # and alone, where nothing has to be lost any more
    peer.node.destroy_publisher(lossy)
    while studio.report()['pictures from'] != '/image_raw (reliable)':
        studio.show(sound, NOISE)
    studio.show(sound, NOISE)


def test_transport_follows_the_publishers(run_here: Callable, peer, weights: Path) -> None:
    studio = Studio(run_here, peer, weights, transport='auto')
    jpeg = peer.talk(CompressedImage, 'image_raw/compressed', pictures(reliable=True), listeners=0)
    studio.show(jpeg, NOISE, compressed=True)
    assert studio.report()['pictures from'] == '/image_raw/compressed (reliable)'
    raw = peer.talk(Image, 'image_raw', pictures(reliable=True), listeners=0)
    studio.show(raw, NOISE)
    assert studio.report()['pictures from'] == '/image_raw (reliable)'


def test_transport_can_be_changed_while_running(run_here: Callable, peer, weights: Path) -> None:
    studio = Studio(run_here, peer, weights)
    studio.show(peer.talk(Image, 'image_raw', pictures(reliable=True)), NOISE)
    done = studio.set(Parameter('transport', value='compressed'), Parameter('reliability', value='best_effort'))
    jpeg = peer.talk(CompressedImage, 'image_raw/compressed', pictures(reliable=False))
    assert done()
    studio.show(jpeg, NOISE, compressed=True)
    assert studio.report()['pictures from'] == '/image_raw/compressed (best effort)'


def lens(**fields: object) -> CameraInfo:
    """Of pictures like NOISE; those that are rectified have a focal length of 80."""
    info = CameraInfo(header=header(0), width=128, height=96, distortion_model='plumb_bob', **fields)
    info.k = np.array([90, 0, 63, 0, 90, 47, 0, 0, 1], float)
    info.p = np.array([80, 0, 60, 0, 0, 80, 40, 0, 0, 0, 1, 0], float)
    return info


@pytest.mark.parametrize('model', ['plumb_bob', 'of another world'])
def test_rectified_counts_for_the_camera_info_that_is_there(
    run_here: Callable, peer, weights: Path, model: str
) -> None:
    studio = Studio(run_here, peer, weights)
    camera, infos = peer.talk(Image, 'image_raw', pictures(reliable=True)), peer.talk(CameraInfo, 'camera_info')
    info = lens()
    info.distortion_model = model
    infos.publish(info)
    picture_input = studio.here.node.work.input
    while not picture_input._infos:
        studio.show(camera, NOISE)
    assert studio.show(camera, NOISE).k[0] == (90 if model == 'plumb_bob' else 0)
    assert studio.set(Parameter('rectified', value=True))()
    assert studio.show(camera, NOISE).k[0] == 80
    assert studio.set(Parameter('rectified', value=False))()
    assert studio.show(camera, NOISE).k[0] == (90 if model == 'plumb_bob' else 0)


def test_a_picture_has_the_camera_info_of_its_stamp_or_else_the_newest(run_here: Callable, peer, weights: Path) -> None:
    studio = Studio(run_here, peer, weights)
    camera, infos = peer.talk(Image, 'image_raw', pictures(reliable=True)), peer.talk(CameraInfo, 'camera_info')
    for number, focal in ((50_000, 80.0), (60_000, 95.0)):
        info = lens()
        info.header, info.k[0] = header(number), focal
        infos.publish(info)
    while len(studio.here.node.work.input._infos) < 2:
        studio.show(camera, NOISE)
    assert studio.show(camera, NOISE).k[0] == 95
    for _ in range(20):
        studio.number = 49_999
        found = studio.show(camera, NOISE)
        if studio.number == 50_000:  # seen at the first go
            break
    assert found.header == header(50_000) and found.k[0] == 80
    assert studio.show(camera, NOISE).k[0] == 95


def test_binned_pictures_have_the_camera_of_what_is_sent(run_here: Callable, peer, weights: Path) -> None:
    studio = Studio(run_here, peer, weights)
    camera, infos = peer.talk(Image, 'image_raw', pictures(reliable=True)), peer.talk(CameraInfo, 'camera_info')
    info = lens(binning_x=2, binning_y=2)
    infos.publish(info)
    while not studio.here.node.work.input._infos:
        studio.show(camera, NOISE)
    found = studio.show(camera, NOISE[::2, ::2])
    assert (found.k[0], found.k[2], found.width) == (45, 31.5, 64)
    assert studio.show(camera, NOISE).k[0] == 90, 'calibrated as it is sent'


def test_a_camera_info_that_was_sent_before_the_node_came_is_heard(run_here: Callable, peer, weights: Path) -> None:
    latched = peer.talk(CameraInfo, 'camera_info', LATCHED, listeners=0)
    latched.publish(lens())
    studio = Studio(run_here, peer, weights)
    camera = peer.talk(Image, 'image_raw', pictures(reliable=True))
    while not (found := studio.show(camera, NOISE)).k[0]:
        assert studio.number < 2000, 'it is not heard'
    assert found.k[0] == 90
    # one beside it that keeps nothing is heard as well
    info = lens()
    info.k[0] = 95
    fleeting = peer.talk(CameraInfo, 'camera_info', pictures(reliable=False), listeners=0)
    while found.k[0] != 95:
        fleeting.publish(info)
        found = studio.show(camera, NOISE)
        assert studio.number < 4000, 'it is not heard'


def test_while_a_bag_is_paused_nothing_is_ahead_of_its_clock(run_here: Callable, peer, weights: Path) -> None:
    studio = Studio(run_here, peer, weights, use_sim_time=True)
    camera, clock = peer.talk(Image, 'image_raw', pictures(reliable=True)), peer.talk(Clock, '/clock')
    while studio.here.node.get_clock().now().nanoseconds == 0:
        clock.publish(Clock(clock=header(0).stamp))
        studio.show(camera, NOISE)
    studio.found.clear()
    assert peer.call(SetBool, 'enable', SetBool.Request(data=False)).success
    assert studio.found.wait_for().header == header(studio.number)


def test_an_engine_that_fails_for_good_leaves_the_node_to_its_manager(run_here: Callable, peer, weights: Path) -> None:
    settings = {'backend': 'torch', 'weights': str(weights), 'autostart': False}
    node = run_here(KeypointNode, settings).node
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    change = partial(peer.call, ChangeState, '/keypoint_node/change_state')
    for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        assert change(ChangeState.Request(transition=Transition(id=number))).success

    def fail(*_: object) -> None:
        raise RuntimeError('CUDA out of memory')

    node.work.input._on_picture = fail
    camera = peer.talk(Image, 'image_raw', pictures(reliable=True))
    camera.publish(image_message(header(0), NOISE))
    diagnostics.wait_for(lambda m: m.status[0].message == 'unconfigured: CUDA out of memory')
    assert change(ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))).success


def test_cameras_without_colour_or_with_another_kind_are_looked_at(run_here: Callable, peer, weights: Path) -> None:
    studio = Studio(run_here, peer, weights)
    camera = peer.talk(Image, 'image_raw', pictures(reliable=True))
    for number, (encoding, size) in enumerate(
        {'mono8': 1, 'mono16': 2, 'yuyv': 2, 'bayer_rggb8': 1, 'nv12': 1}.items()
    ):
        message = image_message(header(number), NOISE)
        message.encoding, message.step = encoding, 128 * size
        camera.publish(message)
        found = studio.found.wait_for(lambda m, number=number: m.header == header(number))
        assert (found.width, found.height) == (128, 96), encoding


def test_pictures_without_times_and_rectified_ones(run_here: Callable, peer, weights: Path) -> None:
    studio = Studio(run_here, peer, weights, rectified=True)
    camera, infos = peer.talk(Image, 'image_raw', pictures(reliable=True)), peer.talk(CameraInfo, 'camera_info')
    info = CameraInfo(width=128, height=96, distortion_model='of another world')
    info.k = np.array([90, 0, 63, 0, 90, 47, 0, 0, 1], float)
    info.p = np.array([80, 0, 60, 0, 0, 80, 40, 0, 0, 0, 1, 0], float)

    def warned() -> bool:
        return health.NO_TIME in studio.here.node.work.report().message

    for number in range(500):
        info.header = header(number)
        infos.publish(info)
        camera.publish(image_message(header(number), NOISE))
        found = studio.found.wait_for(lambda m, number=number: m.header == header(number))
        if found.k[0]:
            break
    assert found.k[0] == 80 and found.distortion_model == 'plumb_bob' and not len(found.d)
    assert not warned()
    for number in range(3):
        camera.publish(image_message(Header(), NOISE))
        studio.found.wait_until(
            lambda number=number: sum(m.header == Header() for m in studio.found.messages) > number, 'an answer'
        )
    assert warned()
