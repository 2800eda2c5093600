"""Message builders and readers, without spinning anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from minimal_hand_core.data.info_messages import camera_from_info  # noqa: E402
from minimal_hand_core.hand import axis_angle_to_matrix  # noqa: E402
from minimal_hand_core.hand.skeleton import JOINT_KEYPOINTS, KEYPOINT_NAMES, KEYPOINT_PARENTS  # noqa: E402
from minimal_hand_core.pose import ANGLE_NAMES  # noqa: E402
from minimal_hand_core.shape import HandShape  # noqa: E402
from minimal_hand_core.tracking import CameraError, CameraModel, HandState, Keypoints, NoHand  # noqa: E402
from minimal_hand_ros import messages  # noqa: E402
from minimal_hand_ros.transforms import HandTransforms  # noqa: E402

HEADER = Header(stamp=Time(sec=12, nanosec=345_678_901), frame_id='camera')
CAMERA = CameraModel(640, 480, np.array([[600.0, 0, 320], [0, 610, 240], [0, 0, 1]]), np.array([0.1, -0.2, 0, 0, 0.01]))


def random_rotations(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return axis_angle_to_matrix(torch.from_numpy(vectors)).numpy()


@pytest.fixture
def state() -> HandState:
    rng = np.random.default_rng(1)
    keypoints = rng.normal(size=(21, 3)) + (0, 0, 5)
    covariance = rng.normal(size=(6, 6))
    return HandState(
        side='left',
        stamp=12.345678901,
        score=0.75,
        uv=rng.normal(size=(21, 2)),
        confidence=rng.uniform(size=21),
        keypoints_m=keypoints,
        betas=rng.normal(size=10),
        hand_length=0.093,
        rotations=random_rotations(16),
        angles=rng.normal(size=20),
        wrist_position=keypoints[0],
        wrist_covariance=covariance @ covariance.T,
        metric=True,
        timings={'pose': 0.001},
    )


@pytest.fixture
def keypoints() -> Keypoints:
    rng = np.random.default_rng(2)
    return Keypoints(
        'left', 12.345678901, 0.5, rng.normal(size=(21, 2)), rng.normal(size=(21, 3)), rng.uniform(size=21)
    )


def test_camera_info_round_trip() -> None:
    info = messages.info_from_camera(HEADER, CAMERA, 640, 480)
    assert info.header == HEADER
    assert list(info.p) == [600, 0, 320, 0, 0, 610, 240, 0, 0, 0, 1, 0]
    camera = camera_from_info(info)
    np.testing.assert_array_equal(camera.k, CAMERA.k)
    np.testing.assert_array_equal(camera.d, CAMERA.d)
    assert (camera.width, camera.height, camera.distortion_model) == (640, 480, 'plumb_bob')


def test_the_camera_of_rectified_pictures_is_that_of_p() -> None:
    info = messages.info_from_camera(HEADER, CAMERA, 640, 480)
    info.p = np.array([500, 0, 310, -25, 0, 505, 230, 0, 0, 0, 1, 0], float)
    info.distortion_model = 'of another world'
    camera = camera_from_info(info, rectified=True)
    np.testing.assert_array_equal(camera.k, [[500, 0, 310], [0, 505, 230], [0, 0, 1]])
    assert camera.d.size == 0 and (camera.width, camera.height) == (640, 480)
    info.p = np.zeros(12)
    assert camera_from_info(info, rectified=True) is None


@pytest.mark.parametrize('rectified', [False, True])
def test_binning_and_roi_of_a_camera_info_are_its_readout(rectified: bool) -> None:
    info = messages.info_from_camera(HEADER, CAMERA, 640, 480)
    info.binning_x, info.binning_y = 2, 0
    info.roi.x_offset, info.roi.width, info.roi.height, info.roi.do_rectify = 20, 600, 480, True
    camera = camera_from_info(info, rectified=rectified)
    assert camera.of_size(640, 480) is camera
    sent = camera.of_size(300, 480)
    assert sent.k.tolist() == [[300, 0, 150], [0, 610, 240], [0, 0, 1]] and (sent.width, sent.height) == (300, 480)


def test_unknown_camera_is_no_camera() -> None:
    info = messages.info_from_camera(HEADER, None, 640, 480)
    assert (info.width, info.height) == (640, 480)
    assert camera_from_info(info) is None


def test_impossible_camera_is_an_error() -> None:
    info = CameraInfo(width=640, height=480)
    info.k[0] = np.nan
    with pytest.raises(CameraError, match='not finite'):
        camera_from_info(info)


def test_keypoints_round_trip(keypoints: Keypoints) -> None:
    message = messages.keypoints_message(HEADER, keypoints, 'left', (640, 480), CAMERA, 0.012)
    assert message.header == HEADER and message.valid and message.side == 'left'
    assert message.detect_latency == pytest.approx(0.012)
    found = messages.keypoints_from_message(message)
    assert (found.side, found.score) == ('left', 0.5)
    assert found.stamp == pytest.approx(12.345678901, abs=1e-9)
    for name in ('uv', 'xyz', 'confidence'):
        np.testing.assert_allclose(getattr(found, name), getattr(keypoints, name), rtol=1e-6)
    np.testing.assert_array_equal(messages.camera_from_keypoints(message).k, CAMERA.k)


def test_no_hand_round_trip() -> None:
    message = messages.keypoints_message(HEADER, NoHand(12.345678901, 0.2), 'right', (640, 480), None, 0.01)
    assert not message.valid and not any(message.uv) and not any(message.xyz)
    found = messages.keypoints_from_message(message)
    assert isinstance(found, NoHand) and found.score == pytest.approx(0.2)
    assert messages.camera_from_keypoints(message) is None


@pytest.mark.parametrize(
    ('field', 'value', 'said'),
    [('xyz', np.nan, 'xyz of HandKeypoints'), ('uv', np.inf, 'uv of'), ('side', '', "side ''")],
)
def test_wrong_keypoints_are_errors(keypoints: Keypoints, field: str, value: object, said: str) -> None:
    message = messages.keypoints_message(HEADER, keypoints, 'left', (640, 480), None, 0.0)
    if isinstance(value, float):
        getattr(message, field)[3] = value
    else:
        setattr(message, field, value)
    with pytest.raises(ValueError, match=said):
        messages.keypoints_from_message(message)


def test_pose_round_trip(state: HandState) -> None:
    message = messages.pose_message(HEADER, state, {'keypoints': 0.02, 'pose': 0.001})
    assert message.header == HEADER and message.valid and message.metric and message.side == 'left'
    assert message.stage_names == ['keypoints', 'pose']
    np.testing.assert_allclose(message.stage_latency, (0.02, 0.001), rtol=1e-6)
    found = messages.state_from_message(message)
    assert found.hand_length == pytest.approx(0.093)
    np.testing.assert_allclose(found.keypoints_m, state.keypoints_m, rtol=1e-6)
    np.testing.assert_allclose(found.rotations, state.rotations, atol=1e-12)
    np.testing.assert_allclose(found.wrist_position, state.wrist_position)
    np.testing.assert_allclose(found.wrist_covariance, state.wrist_covariance)
    np.testing.assert_allclose(found.angles, state.angles, rtol=1e-6)
    assert message.wrist.pose.orientation == message.rotations[0]


def test_lost_pose_says_nothing_but_that() -> None:
    message = messages.lost_message(HEADER, 'right', 0.1, {})
    assert not message.valid and not message.metric and message.header == HEADER
    assert not any(message.keypoints) and message.rotations[5].w == 1.0


def test_a_wrong_length_never_reaches_the_serialiser(state: HandState) -> None:
    object.__setattr__(state, 'angles', np.zeros(19))
    with pytest.raises(ValueError, match='20 values, found 19'):
        messages.pose_message(HEADER, state, {})


def test_transforms_lead_to_every_keypoint(state: HandState) -> None:
    transforms = messages.transform_messages(HEADER, state)
    assert len(transforms) == 21
    assert {t.child_frame_id for t in transforms} == {f'left_hand/{name}' for name in KEYPOINT_NAMES}
    assert all(t.header.stamp == HEADER.stamp for t in transforms)
    assert transforms[0].header.frame_id == 'camera'
    poses = {'camera': (np.zeros(3), np.eye(3))}
    for transform in transforms:  # parents come before children
        origin, axes = poses[transform.header.frame_id]
        t, q = transform.transform.translation, transform.transform.rotation
        assert q.x**2 + q.y**2 + q.z**2 + q.w**2 == pytest.approx(1, abs=1e-12)
        x, y, z, w = q.x, q.y, q.z, q.w
        matrix = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        poses[transform.child_frame_id] = (origin + axes @ (t.x, t.y, t.z), axes @ matrix)
    for k, name in enumerate(KEYPOINT_NAMES):
        np.testing.assert_allclose(poses[f'left_hand/{name}'][0], state.keypoints_m[k], atol=1e-12)
        parent = transforms[k].header.frame_id
        assert parent == (f'left_hand/{KEYPOINT_NAMES[KEYPOINT_PARENTS[k]]}' if k else 'camera')
    # a joint's frame is its parent's, turned by its local rotation
    for joint, k in enumerate(JOINT_KEYPOINTS):
        parent = poses[transforms[k].header.frame_id][1]
        np.testing.assert_allclose(poses[transforms[k].child_frame_id][1], parent @ state.rotations[joint], atol=1e-9)


def test_serialized_transforms_are_the_same_message(state: HandState) -> None:
    serializer = HandTransforms()
    other = replace(state, keypoints_m=state.keypoints_m + 1, rotations=random_rotations(16, seed=3))
    later = Header(stamp=Time(sec=2_000_000_000, nanosec=999_999_999), frame_id='another_camera')
    for header, hand in ((HEADER, state), (HEADER, other), (later, state)):
        found = deserialize_message(serializer.serialized(header, hand), TFMessage)
        assert found == TFMessage(transforms=messages.transform_messages(header, hand))


def test_joint_states_are_named_and_in_order() -> None:
    message = messages.joint_message(HEADER, 'right', np.arange(20.0))
    assert message.header.stamp == HEADER.stamp
    assert list(message.name) == [f'right_{name}' for name in ANGLE_NAMES]
    assert list(message.position) == list(range(20))


def test_shape_round_trip() -> None:
    estimate = HandShape(np.arange(10.0), 0.09, 0.01, 7, True, 0.001)
    message = messages.shape_message(HEADER, 'right', estimate)
    assert message.calibrated and message.frames == 7 and message.hand_length_spread == pytest.approx(0.001)
    shape = messages.shape_from_message(message)
    np.testing.assert_array_equal(shape.betas, np.arange(10))
    assert shape.hand_length == pytest.approx(0.09)
    message.hand_length = 0.0
    with pytest.raises(ValueError, match='hand_length'):
        messages.shape_from_message(message)
