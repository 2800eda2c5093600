"""side 'both', mirrored pictures, boxes of another detector: over DDS, with rendered hands and the default network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from minimal_hand_ros.msg import HandKeypoints, HandPose  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, JointState, RegionOfInterest  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from minimal_hand_core.data.synthetic import HandTruth  # noqa: E402
from minimal_hand_ros.images import image_message  # noqa: E402
from minimal_hand_ros.keypoint_node import KeypointNode  # noqa: E402
from minimal_hand_ros.qos import pictures  # noqa: E402
from minimal_hand_ros.tracker_node import TrackerNode  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'core'))
from two_hands import TwoHands  # noqa: E402

BACKEND = {'backend': 'onnxruntime'}
PLACES = {'right': (-0.13, 0.08, 0.5), 'left': (0.13, 0.06, 0.5)}


@pytest.fixture(scope='module')
def scene() -> tuple[np.ndarray, dict[str, HandTruth], np.ndarray]:
    """One picture of two hands, their truth, and the camera matrix."""
    rendered = TwoHands({side: lambda t, place=place: place for side, place in PLACES.items()}, seed=2, start=3.0)
    picture, truths = rendered.frame(0.0)
    return picture, truths, rendered.intrinsics


class Camera:
    """Publishes one picture again and again, with stamps that go on, whenever it is asked to."""

    def __init__(self, peer: Any, picture: np.ndarray, k: np.ndarray) -> None:
        self._picture, self._number = picture, 0
        height, width = picture.shape[:2]
        self._info = CameraInfo(width=width, height=height, k=k.reshape(9), distortion_model='plumb_bob')
        self._infos = peer.talk(CameraInfo, 'camera_info')
        self._images = peer.talk(Image, 'image_raw', pictures(reliable=True))

    def show(self) -> None:
        self._number += 1
        header = Header(stamp=Time(sec=1, nanosec=33_000_000 * (self._number % 30)), frame_id='eye')
        header.stamp.sec += self._number // 30
        self._info.header = header
        self._infos.publish(self._info)
        self._images.publish(image_message(header, self._picture))

    def show_until(self, inbox: Any, wanted: Callable[[Any], bool], most: int = 90) -> Any:
        """Show pictures, each after the answer to the one before, until an answer is wanted; that answer."""
        for _ in range(most):
            inbox.clear()
            self.show()
            message = inbox.wait_for()
            if wanted(message):
                return message
        raise AssertionError(f'nothing wanted on {inbox.topic} in {most} pictures')


def middle(message: HandKeypoints) -> float:
    """Column of the middle of the hand."""
    columns = np.asarray(message.uv).reshape(-1, 2)[:, 0]
    return float(columns.min() + columns.max()) / 2


def test_two_hands_have_topics_and_services_of_their_own(run_here: Callable, peer: Any, scene: tuple) -> None:
    picture, truths, k = scene
    keypoints = {side: peer.listen(HandKeypoints, f'{side}_hand/keypoints') for side in PLACES}
    poses = {side: peer.listen(HandPose, f'{side}_hand/pose') for side in PLACES}
    joints = {side: peer.listen(JointState, f'{side}_hand/joint_states') for side in PLACES}
    alone = peer.listen(HandPose, 'hand/pose')
    run_here(TrackerNode, {'side': 'both', **BACKEND})
    camera = Camera(peer, picture, k)
    for side in PLACES:
        camera.show_until(keypoints[side], lambda message: message.valid)
    for side, truth in truths.items():
        found = camera.show_until(keypoints[side], lambda message: message.valid)
        assert found.side == side
        assert abs(middle(found) - truth.keypoints_px[:, 0].mean()) < 50
        pose = poses[side].wait_for(lambda message: message.valid)
        assert pose.side == side
        assert np.sign(pose.wrist.pose.position.x) == np.sign(truth.wrist[0])
    names = [joints[side].wait_for().name for side in PLACES]
    assert len(names[0]) == len(names[1]) == 20
    assert not alone.messages
    for side in PLACES:
        assert peer.call(Trigger, f'{side}_hand/reset', Trigger.Request()).success


def test_mirrored_pictures_show_the_true_side(run_here: Callable, peer: Any, scene: tuple) -> None:
    picture, truths, k = scene
    flipped = np.ascontiguousarray(picture[:, ::-1])
    poses = peer.listen(HandPose, 'hand/pose')
    keypoints = peer.listen(HandKeypoints, 'hand/keypoints')
    run_here(TrackerNode, {'side': 'right', 'mirrored': True, **BACKEND})
    camera = Camera(peer, flipped, k)
    found = camera.show_until(keypoints, lambda message: message.valid)
    assert abs(middle(found) - (639 - truths['right'].keypoints_px[:, 0].mean())) < 50
    pose = poses.wait_for(lambda message: message.valid)
    assert pose.side == 'right'
    wrist = pose.wrist.pose.position
    assert np.hypot(wrist.x - PLACES['right'][0], wrist.y - PLACES['right'][1]) < 0.06


def test_a_box_of_another_detector_is_looked_at(run_here: Callable, peer: Any, scene: tuple) -> None:
    # two right hands beside each other: the box chooses between them
    picture, truths, k = scene
    half = picture.shape[1] // 2
    picture = np.ascontiguousarray(np.tile(picture[:, :half], (1, 2, 1)))
    here = truths['right'].keypoints_px
    keypoints = peer.listen(HandKeypoints, 'hand/keypoints')
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    run_here(KeypointNode, {'side': 'right', 'search_windows': 1, **BACKEND})
    camera, boxes = Camera(peer, picture, k), peer.talk(RegionOfInterest, 'hand/roi', pictures(reliable=False))
    for uv in (here, here, here + (half, 0), here):
        low, size = uv.min(axis=0).astype(int), np.ptp(uv, axis=0).astype(int)
        box = RegionOfInterest(x_offset=int(low[0]), y_offset=int(low[1]), width=int(size[0]), height=int(size[1]))

        def is_there(
            message: HandKeypoints, box: Any = box, column: float = (uv[:, 0].min() + uv[:, 0].max()) / 2
        ) -> bool:
            boxes.publish(RegionOfInterest())  # of no size: means nothing
            boxes.publish(box)
            return message.valid and abs(middle(message) - column) < 60

        camera.show_until(keypoints, is_there)
    last = 2**32 - 1
    for box in ((0, 0, 5, 0), (last, last, last, last), (0, 0, last, last), (0, 0, last, 1)):
        boxes.publish(RegionOfInterest(x_offset=box[0], y_offset=box[1], width=box[2], height=box[3]))
        camera.show_until(keypoints, lambda message: message.valid)
    reason = 'hand/roi dropped: box is 5×0 at (0, 0); give finite pixels, width and height above 0'
    diagnostics.wait_for(lambda m: any((v.key, v.value) == (reason, '1') for v in m.status[0].values))
