"""camera_node as a process: every source, and what happens when one is bad."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from minimal_hand_ros.msg import HandPose  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402

from minimal_hand_core.data.info_messages import camera_from_info  # noqa: E402
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST  # noqa: E402
from minimal_hand_core.recording import RecordingWriter  # noqa: E402
from minimal_hand_ros.images import picture_from_compressed, picture_from_image  # noqa: E402
from minimal_hand_ros.messages import keypoints_array  # noqa: E402
from minimal_hand_ros.qos import pictures  # noqa: E402

CALIBRATION = """
image_width: 64
image_height: 48
camera_name: toy
camera_matrix: {rows: 3, cols: 3, data: [70.0, 0, 31.5, 0, 71.0, 23.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0.0]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three plain pictures, told apart by their colour, and something else."""
    for i, name in enumerate(('a.png', 'c.png', 'd.png')):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 50 * (i + 1), np.uint8))
    (tmp_path / 'notes.txt').write_text('no picture')
    return tmp_path


def test_rendered_hand_comes_with_its_truth(start_node: Callable, peer) -> None:
    images = peer.listen(Image, 'image_raw', pictures(reliable=True))
    jpegs = peer.listen(CompressedImage, 'image_raw/compressed', pictures(reliable=True))
    infos = peer.listen(CameraInfo, 'camera_info')
    truths = peer.listen(HandPose, 'hand/truth')
    camera_node = start_node('camera_node', {'rate': 5, 'frame_id': 'eye'})
    image = images.wait_for()
    stamp = image.header.stamp
    info = infos.wait_for(lambda message: message.header.stamp == stamp)
    truth = truths.wait_for(lambda message: message.header.stamp == stamp)
    assert image.header.frame_id == info.header.frame_id == truth.header.frame_id == 'eye'
    assert (image.width, image.height, image.encoding) == (640, 480, 'bgr8')
    assert picture_from_image(image).std() > 10
    points = keypoints_array(truth)
    uv = camera_from_info(info).project(points)
    assert ((uv > 0) & (uv < (640, 480))).all()
    assert np.linalg.norm(points[MIDDLE_MCP] - points[WRIST]) == pytest.approx(truth.hand_length, abs=1e-6)
    position = truth.wrist.pose.position
    np.testing.assert_allclose(points[WRIST], (position.x, position.y, position.z), atol=1e-3)
    jpeg = jpegs.wait_for(lambda message: message.format.startswith('bgr8; jpeg'))
    assert picture_from_compressed(jpeg).shape == (480, 640, 3)
    assert camera_node.stop() == 0
    assert 'Traceback' not in camera_node.output


def test_folder_goes_round_and_skips_what_is_corrupt(start_node: Callable, peer, folder: Path) -> None:
    (folder / 'b.jpg').write_bytes(b'\xff\xd8\xff broken')
    images = peer.listen(Image, 'image_raw', pictures(reliable=True))
    camera_node = start_node('camera_node', {'source': folder, 'rate': 20})
    camera_node.wait_for_line(r'picture dropped \(\d+ so far\): .*b\.jpg is cut off')
    seen = [picture_from_image(message)[0, 0, 0] for message in images.wait_for_count(6)]
    assert set(seen) == {50, 100, 150}
    assert camera_node.stop(signal.SIGTERM) == 0


def test_end_of_a_source_is_a_good_end(start_node: Callable, peer, folder: Path) -> None:
    camera_node = start_node('camera_node', {'source': folder, 'loop': False})
    assert camera_node.wait() == 0
    assert 'is at its end' in camera_node.output


def test_calibration_file(start_node: Callable, peer, folder: Path) -> None:
    file = folder / 'camera.yaml'
    file.write_text(CALIBRATION)
    infos = peer.listen(CameraInfo, 'camera_info')
    start_node('camera_node', {'source': folder / 'a.png', 'camera_info': file})
    info = infos.wait_for()
    assert list(info.k) == [70, 0, 31.5, 0, 71, 23.5, 0, 0, 1]
    assert list(info.d) == [0.1, -0.2, 0.001, 0.002, 0.0]


def test_a_calibration_file_counts_more_than_what_was_recorded(start_node: Callable, peer, tmp_path: Path) -> None:
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    picture = cv2.imencode('.jpg', np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    assumed = {'width': 64, 'height': 48, 'k': [55.0, 0, 31.5, 0, 55.0, 23.5, 0, 0, 1], 'distortion_model': 'plumb_bob'}
    with RecordingWriter(tmp_path / 'hand.mcap') as writer:
        for i in range(3):
            stamp = 10**18 + i * 33_333_333
            header = {'stamp': {'sec': stamp // 10**9, 'nanosec': stamp % 10**9}}
            writer.write('/camera_info', 'sensor_msgs/msg/CameraInfo', {'header': header, **assumed}, stamp)
            shot = {'header': header, 'format': 'jpeg', 'data': picture}
            writer.write('/image_raw/compressed', 'sensor_msgs/msg/CompressedImage', shot, stamp)
    infos = peer.listen(CameraInfo, 'camera_info')
    recorded = start_node('camera_node', {'source': tmp_path / 'hand.mcap'})
    assert infos.wait_for().k[0] == 55
    recorded.stop()
    infos.clear()
    start_node('camera_node', {'source': tmp_path / 'hand.mcap', 'camera_info': tmp_path / 'camera.yaml'})
    assert infos.wait_for(lambda info: info.k[0] != 55).k[0] == 70


def test_camera_that_is_not_calibrated(start_node: Callable, peer, folder: Path) -> None:
    infos = peer.listen(CameraInfo, 'camera_info')
    camera_node = start_node('camera_node', {'source': folder / 'a.png', 'horizontal_fov': 0})
    info = infos.wait_for()
    assert (info.width, info.height) == (64, 48) and not any(info.k)
    camera_node.wait_for_line('without calibration.*no metric positions')


def empty_folder(folder: Path) -> dict[str, object]:
    path = folder / 'empty'
    path.mkdir()
    return {'source': path}


def broken_pictures(folder: Path) -> dict[str, object]:
    path = folder / 'broken'
    path.mkdir()
    (path / 'one.png').write_bytes(b'no picture')
    return {'source': path, 'rate': 50}


def calibration_of_another_size(folder: Path) -> dict[str, object]:
    file = folder / 'camera.yaml'
    file.write_text(CALIBRATION.replace('64', '640'))
    return {'source': folder / 'a.png', 'camera_info': file}


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda folder: {'source': folder / 'nothing.mp4'}, "source '.*nothing.mp4' does not exist: give 'rendered'"),
        (lambda folder: {'source': 97}, 'source 97: there is no webcam'),
        (lambda folder: {'source': folder / 'notes.txt'}, 'notes.txt cannot be read: .*neither a video nor a picture'),
        (empty_folder, 'empty holds no picture'),
        (broken_pictures, 'broken: none of its 1 pictures can be read'),
        (lambda folder: {'source': folder / 'a.png', 'camera_info': folder / 'no.yaml'}, 'no.yaml cannot be read'),
        (calibration_of_another_size, 'picture is 64×48, its intrinsics are for 640×48'),
        (lambda folder: {'rate': 'fast'}, "parameter 'rate' is 'fast': give a number from 0 to 1000"),
        (lambda folder: {'rate': 2000}, "parameter 'rate' is 2000: give a number from 0 to 1000"),
        (lambda folder: {'side': 'both'}, "parameter 'side' is 'both': give one of right, left"),
    ],
)
def test_a_start_that_cannot_be_ends_with_one_line(fail_to_start: Callable, folder: Path, make, said: str) -> None:
    from minimal_hand_ros.camera_node import main

    line = fail_to_start(main, make(folder))
    assert re.match(f'error: camera_node: .*{said}', line), line


def test_an_error_ends_the_process_with_code_1(start_node: Callable) -> None:
    camera_node = start_node('camera_node', {'source': '/nowhere'})
    assert camera_node.wait() == 1
    assert [line for line in camera_node.lines if line] == [
        camera_node.wait_for_line("^error: camera_node: source '/nowhere'")
    ]
