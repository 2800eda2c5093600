"""keypoint_node as a process: what it makes of pictures, good and bad. Its network has random weights here."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from conftest import NOISE  # noqa: E402
from minimal_hand_ros.msg import HandKeypoints  # noqa: E402
from rendered_truth import FRAME, header  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from minimal_hand_ros.images import compressed_message, image_message  # noqa: E402
from minimal_hand_ros.qos import pictures  # noqa: E402

BAD = [
    ({'width': 0, 'height': 0}, '0×0'),
    ({'encoding': '32FC1', 'step': 512}, "'32FC1'"),
    ({'encoding': 'bgr16'}, 'step 384'),
    ({'encoding': 'nonsense'}, "'nonsense'"),
    ({'step': 100}, 'step 100'),
    ({'step': 0}, 'step 0'),
    ({'data': array('B', bytes(1000))}, '1000 bytes'),
    ({'data': array('B')}, '0 bytes'),
]


def test_bad_pictures_are_dropped_counted_and_named(start_node: Callable, peer, weights: Path) -> None:
    found = peer.listen(HandKeypoints, 'hand/keypoints')
    node = start_node('keypoint_node', {'weights': weights})
    camera = peer.talk(Image, 'image_raw', pictures(reliable=True))
    for count, (changes, said) in enumerate(BAD, start=1):
        message = image_message(header(count), NOISE)
        for name, value in changes.items():
            setattr(message, name, value)
        camera.publish(message)
        node.wait_for_line(rf'picture dropped \({count} so far\): .*{said}')
    camera.publish(image_message(header(1000), NOISE))
    message = found.wait_for()
    assert message.header == header(1000)
    assert (message.width, message.height, message.side) == (128, 96, 'right')
    assert not message.valid and message.score < 0.5 and not any(message.uv), 'a hand was made up'
    assert len(found.messages) == 1
    assert node.stop() == 0
    assert f'{len(BAD) + 1} pictures received, {len(BAD)} dropped' in node.output
    assert 'Traceback' not in node.output


def test_camera_info_comes_along_unless_it_cannot_be(start_node: Callable, peer, weights: Path) -> None:
    found = peer.listen(HandKeypoints, 'hand/keypoints')
    node = start_node('keypoint_node', {'weights': weights})
    infos = peer.talk(CameraInfo, 'camera_info')
    camera = peer.talk(Image, 'image_raw', pictures(reliable=True))

    broken = CameraInfo(header=header(1), width=128, height=96, k=np.full(9, np.nan))
    while not any('camera info dropped' in line for line in node.lines):
        infos.publish(broken)  # best effort at the other end: what is sent before that end knows of this one is lost
        with contextlib.suppress(AssertionError):
            node.wait_for_line('camera info dropped', timeout=0.5)
    node.wait_for_line(r'camera info dropped \(1 so far\): .*not finite')

    other = CameraInfo(header=header(2), width=64, height=48, k=np.array([70.0, 0, 32, 0, 70, 24, 0, 0, 1]))

    def answer(number: int) -> HandKeypoints:
        camera.publish(image_message(header(number), NOISE))
        return found.wait_for(lambda message: message.header == header(number))

    # infos and pictures are different topics: a picture may overtake the info, so send until the warning comes
    number = 10
    while not any('camera info not used' in line for line in node.lines):
        infos.publish(other)
        message = answer(number)
        assert not any(message.k)
        number += 1

    right = CameraInfo(header=header(3), width=128, height=96, k=np.array([140.0, 0, 64, 0, 141, 48, 0, 0, 1]))
    while not any(message.k):
        infos.publish(right)
        message = answer(number)
        number += 1
    assert list(message.k) == [140, 0, 64, 0, 141, 48, 0, 0, 1]

    # that there is no hand any more is said of pictures like the last one
    found.clear()
    assert peer.call(SetBool, 'enable', SetBool.Request(data=False)).success
    gone = found.wait_for()
    assert not gone.valid and gone.score == 0
    assert (gone.width, gone.height, list(gone.k)) == (128, 96, list(message.k))


def test_best_effort_cameras_are_heard_too(start_node: Callable, peer, weights: Path) -> None:
    found = peer.listen(HandKeypoints, 'hand/keypoints')
    node = start_node('keypoint_node', {'weights': weights})
    camera = peer.talk(Image, 'image_raw', pictures(reliable=False), listeners=0)
    infos = peer.talk(CameraInfo, 'camera_info', pictures(reliable=False), listeners=0)
    node.wait_for_line('image_raw: subscribed best effort')
    number = 0
    while not any(any(message.k) for message in found.messages):  # subscriptions have to be discovered first
        number += 1
        infos.publish(CameraInfo(header=header(number), width=128, height=96, k=np.diag([140.0, 140, 1]).reshape(9)))
        camera.publish(image_message(header(number), NOISE))
        with contextlib.suppress(AssertionError):
            found.wait_for(lambda message: any(message.k), timeout=0.5)
        assert number < 100, node.output
    assert found.messages[0].header.frame_id == FRAME


def test_compressed_pictures(start_node: Callable, peer, weights: Path) -> None:
    found = peer.listen(HandKeypoints, 'hand/keypoints')
    node = start_node('keypoint_node', {'weights': weights, 'transport': 'compressed', 'side': 'left'})
    camera = peer.talk(CompressedImage, 'image_raw/compressed', pictures(reliable=True))
    camera.publish(CompressedImage(header=header(1), format='jpeg', data=array('B', b'\xff\xd8\xff cut off')))
    node.wait_for_line(r'picture dropped \(1 so far\): .*cut off')
    camera.publish(compressed_message(header(2), NOISE))
    message = found.wait_for()
    assert message.header == header(2) and message.side == 'left'


def test_debug_image_is_made_for_those_who_look(start_node: Callable, peer, weights: Path) -> None:
    start_node('keypoint_node', {'weights': weights})
    camera = peer.talk(Image, 'image_raw', pictures(reliable=True))
    drawn = peer.listen(Image, 'hand/debug_image', pictures(reliable=True))
    number = 0
    while not drawn.messages:
        number += 1
        camera.publish(image_message(header(number), NOISE))
        try:
            drawn.wait_for(timeout=0.5)
        except AssertionError:
            assert number < 100
    message = drawn.messages[0]
    assert (message.width, message.height, message.encoding) == (128, 96, 'bgr8')
    assert message.header.frame_id == FRAME


@pytest.mark.parametrize(
    ('parameters', 'said'),
    [
        ({'weights': '/nowhere/net.safetensors'}, '/nowhere/net.safetensors'),
        ({'weights': __file__}, 'test_keypoint_node.py'),
        ({'backend': 'abacus'}, "parameter 'backend' is 'abacus': give one of"),
        ({'enter_threshold': 2.0}, "parameter 'enter_threshold' is 2.0: give a number from 0 to 1"),
    ],
)
def test_a_start_that_cannot_be_ends_with_one_line(fail_to_start: Callable, parameters, said: str) -> None:
    from minimal_hand_ros.keypoint_node import main

    line = fail_to_start(main, parameters)
    assert line.startswith('error: keypoint_node: ') and said in line
