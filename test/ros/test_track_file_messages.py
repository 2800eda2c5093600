"""What track_file records is what the tracker node publishes, field by field."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseWithCovarianceStamped
from minimal_hand_ros.msg import HandKeypoints, HandPose, HandShape
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, JointState
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.offline import messages as offline
from minimal_hand_core.offline.inputs import Frame
from minimal_hand_core.offline.tracking import TrackedFrame, TrackedHand, _quaternions
from minimal_hand_core.recording import encode
from minimal_hand_core.shape import HandShape as Shape
from minimal_hand_core.tracking import CameraModel, HandState, Keypoints, NoHand
from minimal_hand_ros import images, messages
from minimal_hand_ros.names import names_of
from minimal_hand_ros.settings import DEFAULT_FRAME

STAMP = 1_700_000_000_123_456_789
CAMERA = CameraModel(64, 48, np.array([50.0, 0, 31, 0, 51, 23, 0, 0, 1]), np.array([0.1, -0.02, 0.001, 0.002, 0.0]))


@pytest.fixture
def header():
    return Header(stamp=Time(sec=STAMP // 10**9, nanosec=STAMP % 10**9), frame_id='eye')


def tracked_hand(rng, side):
    found = Keypoints(side, STAMP * 1e-9, 0.83, rng.normal(size=(21, 2)), rng.normal(size=(21, 3)), rng.random(21))
    rotations, _ = np.linalg.qr(rng.normal(size=(16, 3, 3)))
    rotations *= np.linalg.det(rotations)[:, None, None]
    state = HandState(
        side=side,
        stamp=found.stamp,
        score=found.score,
        uv=found.uv,
        confidence=found.confidence,
        keypoints_m=rng.normal(size=(21, 3)),
        betas=rng.normal(size=10),
        hand_length=0.091,
        rotations=rotations,
        angles=rng.normal(size=20),
        wrist_position=rng.normal(size=3),
        wrist_covariance=rng.normal(size=(6, 6)),
        metric=True,
    )
    shape = Shape(rng.normal(size=10), 0.091, 0.02, 17, False, 0.003)
    return TrackedHand(found, shape, state, _quaternions(state))


def recorded(message, kind):
    """The message as whoever reads the recording gets it."""
    return deserialize_message(encode(message.type_name, message.fields), kind)


def published(message):
    """The message as whoever subscribes to it gets it: numbers as long as their fields."""
    return deserialize_message(serialize_message(message), type(message))


@pytest.mark.parametrize('side', SIDES)
def test_a_hand(rng, header, side):
    hand = tracked_hand(rng, side)
    frame = Frame(3, STAMP, np.zeros((48, 64, 3), np.uint8), CAMERA, 'picture', frame_id='eye')
    told = {m.topic: m for m in offline.hand_messages(TrackedFrame(frame, CAMERA, {}), side, hand, '/hand/')}
    state = hand.state
    expected = {
        '/hand/keypoints': messages.keypoints_message(header, hand.found, side, (64, 48), CAMERA, 0.0),
        '/hand/shape': messages.shape_message(header, side, hand.shape),
        '/hand/pose': messages.pose_message(header, state, {}),
        '/hand/joint_states': messages.joint_message(header, side, state.angles),
        '/hand/wrist': PoseWithCovarianceStamped(header=header, pose=messages.pose_message(header, state, {}).wrist),
        '/tf': TFMessage(transforms=messages.transform_messages(header, state)),
    }
    kinds = (HandKeypoints, HandShape, HandPose, JointState, PoseWithCovarianceStamped, TFMessage)
    assert list(told) == list(expected)
    for (topic, message), kind in zip(expected.items(), kinds):
        assert recorded(told[topic], kind) == published(message), topic


def test_no_hand(header):
    nothing = (NoHand(STAMP * 1e-9, 0.21), Shape(np.zeros(10), 0.09), None, np.zeros((0, 4)))
    hand = TrackedHand(*nothing, first=True, gone=True)
    frame = Frame(3, STAMP, np.zeros((48, 64, 3), np.uint8), None, 'picture', frame_id='eye')
    told = {m.topic: m for m in offline.hand_messages(TrackedFrame(frame, None, {}), 'left', hand, '/hand/')}
    assert list(told) == ['/hand/keypoints', '/hand/shape', '/hand/pose']
    found = messages.keypoints_message(header, hand.found, 'left', (64, 48), None, 0.0)
    assert recorded(told['/hand/keypoints'], HandKeypoints) == published(found)
    assert recorded(told['/hand/pose'], HandPose) == published(messages.lost_message(header, 'left', 0.21, {}))
    for hand, topics in (
        (TrackedHand(*nothing), ['/hand/keypoints']),
        (TrackedHand(*nothing, gone=True), ['/hand/keypoints', '/hand/pose']),
    ):
        told = offline.hand_messages(TrackedFrame(frame, None, {}), 'left', hand, '/hand/')
        assert [message.topic for message in told] == topics


@pytest.mark.parametrize('camera', [CAMERA, None])
def test_pictures_and_intrinsics(rng, header, camera):
    image = rng.integers(0, 255, (48, 64, 3), np.uint8)
    frame = Frame(3, STAMP, image, camera, 'picture', frame_id='eye')
    info = recorded(offline.camera_info(frame, camera), CameraInfo)
    assert info == published(messages.info_from_camera(header, camera, 64, 48))
    assert recorded(offline.picture(frame, 90), CompressedImage) == images.compressed_message(header, image, 90)


def test_topics_are_those_of_the_tracker():
    for side in SIDES:
        for both in (False, True):
            assert offline.topics_of(side, both) == f'/{names_of(side, both).topics}'
    assert offline.FRAME_ID == DEFAULT_FRAME
