"""Depth pictures beside keypoints and colour pictures, over real DDS."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from conftest import Inbox  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import PoseWithCovarianceStamped  # noqa: E402
from minimal_hand_ros.msg import HandKeypoints, HandPose  # noqa: E402
from minimal_hand_ros.srv import CalibrateShape  # noqa: E402
from rendered_truth import header, keypoints, truth  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.tracking import DepthError, NoHand  # noqa: E402
from minimal_hand_ros import depth_input  # noqa: E402
from minimal_hand_ros.depth_input import DepthInput, depth_from_image  # noqa: E402
from minimal_hand_ros.images import image_message  # noqa: E402
from minimal_hand_ros.messages import keypoints_from_message  # noqa: E402
from minimal_hand_ros.settings import DepthSettings  # noqa: E402
from minimal_hand_ros.shape_server import ShapeServer  # noqa: E402
from minimal_hand_ros.tracker_node import TrackerNode  # noqa: E402

LATE = 4
"""Pictures between a depth picture and the one that is too late for it."""


def depth_message(scene: RenderedScene, number: int, encoding: str = '16UC1') -> Image:
    """The exact depth of picture `number`."""
    metres = scene.depth(number * 33_333_333 * 1e-9)
    pixels = np.round(1000 * metres).astype('<u2') if encoding == '16UC1' else metres.astype('<f4')
    height, width = metres.shape
    data = array('B', pixels.tobytes())
    return Image(
        header=header(number), height=height, width=width, encoding=encoding, step=width * pixels.itemsize, data=data
    )


def half(message: Image) -> Image:
    """As a depth camera of its own size would send it: not registered."""
    pixels = np.frombuffer(message.data, '<u2').reshape(message.height, message.width)[::2, ::2]
    height, width = pixels.shape
    data = array('B', pixels.tobytes())
    return Image(header=message.header, height=height, width=width, encoding='16UC1', step=2 * width, data=data)


def test_messages_become_metres() -> None:
    values = np.array([[0, 500, 1500], [65535, 1, 2]], '<u2')
    padded = np.zeros((2, 10), np.uint8)
    padded[:, :6] = values.view(np.uint8)
    message = Image(height=2, width=3, encoding='16UC1', step=10, data=array('B', padded.tobytes()))
    assert np.allclose(depth_from_image(message).metres, values / 1000)
    message.is_bigendian, message.data = 1, array('B', padded[:, [1, 0, 3, 2, 5, 4, 6, 7, 8, 9]].tobytes())
    assert np.allclose(depth_from_image(message).metres, values / 1000)
    floats = np.array([[np.nan, 0.25]], '<f4')
    message = Image(height=1, width=2, encoding='32FC1', step=8, data=array('B', floats.tobytes()))
    assert np.array_equal(depth_from_image(message).metres, np.array([[0, 0.25]], np.float32))


@pytest.mark.parametrize(
    'change, said',
    [
        ({'width': 0}, 'at least one pixel'),
        ({'encoding': 'rgb8'}, "'rgb8': send 16UC1 .* or 32FC1"),
        ({'step': 5}, '3 pixels of 16UC1 need 6'),
        ({'height': 3}, '12 bytes: height 3 × step 6 = 18'),
    ],
)
def test_bad_messages_are_named(change: dict, said: str) -> None:
    fields = {'height': 2, 'width': 3, 'encoding': '16UC1', 'step': 6, 'data': array('B', bytes(12)), **change}
    with pytest.raises(DepthError, match=said):
        depth_from_image(Image(**fields))


@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_depth_corrects_a_hand_length_that_is_wrong(start_node: Callable, peer, encoding: str) -> None:
    scene = RenderedScene(seed=1)
    wrists = peer.listen(PoseWithCovarianceStamped, 'hand/wrist')
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    parameters = {'depth': 'registered', 'depth_max_age': 0.05, 'keypoint_scale': 1.0, 'filter': 'none'}
    node = start_node('ik_node', parameters)  # the mean hand's length, which is not this one's
    pictures = peer.talk(HandKeypoints, 'hand/keypoints')
    depths = peer.talk(Image, 'depth/image_raw')
    node.wait_for_line('ready')

    def show(number: int) -> tuple[float, float]:
        """Relative error of the range, and its standard deviation in metres."""
        pictures.publish(keypoints(scene, number))
        message = wrists.wait_for(lambda m: m.header == header(number))
        place = message.pose.pose.position
        found = np.array([place.x, place.y, place.z])
        covariance = np.reshape(message.pose.covariance, (6, 6))[:3, :3]
        ray = found / np.linalg.norm(found)
        true = np.linalg.norm(truth(scene, number).wrist)
        return abs(np.linalg.norm(found) / true - 1), (ray @ covariance @ ray) ** 0.5

    error, sigma = show(0)
    assert error > 0.1 and sigma > 0.02
    number = 0
    while sigma > 0.02:  # the depth picture has to get there before the keypoints
        number += LATE + 1
        assert number < 500
        depths.publish(depth_message(scene, number, encoding))
        error, sigma = show(number)
    assert error < 0.02 and sigma < 0.015  # 1.3 % measured
    assert show(number + LATE)[1] > 0.02  # too old for this picture

    # what does not belong to the picture is dropped and named, and the node goes on
    number += 1000
    depths.publish(half(depth_message(scene, number)))
    while not any('depth picture dropped' in line for line in node.lines):
        number += 1
        depths.publish(half(depth_message(scene, number)))
        assert show(number)[1] > 0.02
    node.wait_for_line(r'depth picture dropped \(1 so far\): depth picture is 320×240, the colour picture 640×480')
    values = diagnostics.wait_for(lambda m: any('depth dropped: depth picture is' in v.key for v in m.status[0].values))
    assert any(v.key == 'depth' and v.value.startswith('for ') for v in values.status[0].values)


def test_with_both_hands_depth_is_taken_once_and_told_of_either(run_here: Callable, peer) -> None:
    scene = RenderedScene(seed=1, side='left')
    seen = peer.listen(HandKeypoints, 'left_hand/keypoints')
    here = run_here(TrackerNode, {'side': 'both', 'depth': 'registered', 'depth_max_age': 10.0, 'backend': 'torch'})
    found = keypoints_from_message(keypoints(scene, 0))
    here.node.work._detection.detect = lambda *_: {'right': NoHand(found.stamp, 0.1), 'left': found}
    pictures, depths = peer.talk(Image, 'image_raw'), peer.talk(Image, 'depth/image_raw')
    assert depths.get_subscription_count() == 1
    picture = image_message(header(0), np.zeros((*scene.size, 3), np.uint8))
    number = 0
    while not re.fullmatch(r'for [1-9]\d* of \d+ pictures', told := here.node.work.report().values['depth']):
        number += 1
        assert number < 500, told
        picture.header = header(number)
        depths.publish(depth_message(scene, 0))
        pictures.publish(picture)
        seen.wait_for(lambda m, number=number: m.header == header(number))


def test_depth_that_stops_is_told(run_here: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    here = run_here(ShapeServer, {'depth': 'registered'})
    seen = DepthInput(here.node, DepthSettings('registered', 0.1))
    clock = [100.0]
    monkeypatch.setattr(depth_input.time, 'monotonic', lambda: clock[0])
    assert not seen.warnings()
    assert seen.nearest(header(0), (640, 480)) is None
    assert seen.warnings()[0].startswith('no depth for any picture yet, 0 dropped')
    seen._subscription = object()
    seen._take(depth_message(RenderedScene(seed=1), 1))
    assert seen.nearest(header(1), (640, 480)) is not None and not seen.warnings()
    for clock[0] in (101.0, 105.0):
        assert seen.nearest(header(200), (640, 480)) is None and not seen.warnings()
    clock[0] = 108.0
    assert not seen.warnings(), 'nobody asked'
    seen.nearest(header(201), (640, 480))
    assert seen.warnings()[0].startswith('no depth for the pictures of the last 7 s')
    seen.nearest(header(1), (640, 480))
    assert not seen.warnings()


def test_the_tracker_measures_the_hand_length_with_depth(start_node: Callable, peer) -> None:
    scene = RenderedScene(seed=1)
    height, width = scene.size
    poses = peer.listen(HandPose, 'hand/pose')
    seen = peer.listen(HandKeypoints, 'hand/keypoints')
    node = start_node('tracker_node', {'depth': 'registered', 'depth_max_age': 1.0, 'backend': 'torch'})
    pictures = peer.talk(Image, 'image_raw')
    infos = peer.talk(CameraInfo, 'camera_info')
    depths = peer.talk(Image, 'depth/image_raw')
    node.wait_for_line('ready')
    picture, hand = scene.frame(0.0)
    info = CameraInfo(header=header(0), width=width, height=height, k=hand.intrinsics.reshape(-1))
    depth = depth_message(scene, 0)

    def show() -> None:
        """The same moment as the next picture; returns when the tracker is done with it."""
        nonlocal number
        number += 1
        for message in (info, depth):
            message.header = header(number)
        infos.publish(info)
        depths.publish(depth)
        pictures.publish(image_message(header(number), picture))
        seen.wait_for(lambda m: m.header == header(number))
        assert number < 500, node.output

    number = 0
    while not any(pose.metric for pose in poses.messages):
        show()
    answer = peer.ask(CalibrateShape, 'calibrate', CalibrateShape.Request(frames=8, timeout=120.0))
    node.wait_for_line('calibrating')
    while not any('calibrate: ' in line for line in node.lines):
        show()
    response = answer(60)
    assert response.success, response.message
    assert 'measured with depth' in response.message
    # the network is in the loop here; 2.5 % too long measured
    assert response.hand_length == pytest.approx(hand.hand_length, rel=0.06)


def test_shape_server_measures_the_hand_length_with_depth(run_here: Callable, peer) -> None:
    scene = RenderedScene(seed=1)
    true = truth(scene, 0).hand_length
    here = run_here(ShapeServer, {'depth': 'registered', 'depth_max_age': 10.0, 'keypoint_scale': 1.0})
    stage, taken = here.node.work._stage, Inbox('hand/keypoints')
    update = stage.update

    def update_and_tell(stamped: Header, *rest: object) -> object:
        shape = update(stamped, *rest)
        taken.put(stamped)
        return shape

    stage.update = update_and_tell
    pictures, depths = peer.talk(HandKeypoints, 'hand/keypoints'), peer.talk(Image, 'depth/image_raw')
    answer = peer.ask(CalibrateShape, 'calibrate', CalibrateShape.Request(frames=8, timeout=120.0))
    picture, depth = keypoints(scene, 0), depth_message(scene, 0)
    number, begun = 0, False
    while not begun or stage.state == 'calibrating':
        number += 1
        assert number < 5000
        picture.header = depth.header = header(number)  # the same moment as the next picture
        depths.publish(depth)
        pictures.publish(picture)
        taken.wait_for(lambda stamped, number=number: stamped == header(number))
        begun = begun or stage.state == 'calibrating'
    response = answer(60)
    assert response.success and 'measured with depth' in response.message, response.message
    assert response.hand_length == pytest.approx(true, rel=0.02)
    assert re.fullmatch(r'for [1-9]\d* of \d+ pictures', here.node.work.report().values['depth'])
