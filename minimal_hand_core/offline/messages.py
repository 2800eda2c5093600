"""Tracked hands as ROS 2 messages: the same that the tracker node publishes, as plain mappings of fields.

Latencies are left at zero: what an offline run took says nothing of the pictures' times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minimal_hand_core.data.picture_messages import JPEG_FORMAT, encode_jpeg
from minimal_hand_core.hand.frames import keypoint_frames
from minimal_hand_core.hand.skeleton import JOINT_KEYPOINTS, KEYPOINT_NAMES, KEYPOINT_PARENTS
from minimal_hand_core.offline.inputs import Frame
from minimal_hand_core.offline.tracking import TrackedFrame, TrackedHand
from minimal_hand_core.recording import Offer
from minimal_hand_core.robots.hand_urdf import joint_names
from minimal_hand_core.tracking import CameraModel, Keypoints

FRAME_ID = 'camera_optical_frame'
"""TF frame of pictures that do not name one."""
PACKAGE = 'minimal_hand_ros/msg/'
_IDENTITY: dict[str, float] = {'w': 1.0}
_LATCHED = Offer(latched=True, depth=1)
_TRANSFORMS = Offer(depth=100)


class Message(NamedTuple):
    """One message to be recorded.

    Attributes:
        topic: with its slash.
        type_name: package/msg/Type.
        fields: what is left out is zero.
        offer: how the topic is to be replayed.
    """

    topic: str
    type_name: str
    fields: Mapping[str, Any]
    offer: Offer = Offer()


def topics_of(side: str, both: bool) -> str:
    """What the topics of a hand begin with: '/hand/', or of both '/right_hand/' and '/left_hand/'."""
    return f'/{side}_hand/' if both else '/hand/'


def header(frame: Frame, frame_id: str = '') -> dict[str, Any]:
    """std_msgs/Header of a picture, or of another frame at its time."""
    sec, nanosec = divmod(frame.stamp, 1_000_000_000)
    return {'stamp': {'sec': sec, 'nanosec': nanosec}, 'frame_id': frame_id or frame.frame_id or FRAME_ID}


def hand_messages(tracked: TrackedFrame, side: str, hand: TrackedHand, prefix: str) -> Iterator[Message]:
    """What is to be said of one hand in one picture, no more than the tracker node says.

    Keypoints always, valid or not. The shape at the beginning, and when a hand has been seen that it was learned from.
    The pose of a hand, and once, not valid, that it is gone; where it lies only with intrinsics.

    Args:
        tracked: the picture.
        side: 'right' or 'left'.
        hand: of that side.
        prefix: of the topics.
    """
    frame, state = tracked.frame, hand.state
    yield Message(f'{prefix}keypoints', f'{PACKAGE}HandKeypoints', keypoints_fields(tracked, side, hand))
    if hand.first or isinstance(hand.found, Keypoints):
        yield Message(f'{prefix}shape', f'{PACKAGE}HandShape', shape_fields(frame, side, hand), _LATCHED)
    if state is not None or hand.gone:
        yield Message(f'{prefix}pose', f'{PACKAGE}HandPose', pose_fields(frame, side, hand))
    if state is None:
        return
    # joint angles are of no frame
    joints = {'header': {'stamp': header(frame)['stamp']}, 'name': list(joint_names(side)), 'position': state.angles}
    yield Message(f'{prefix}joint_states', 'sensor_msgs/msg/JointState', joints)
    if state.metric:
        wrist = {'header': header(frame), 'pose': _wrist(hand)}
        yield Message(f'{prefix}wrist', 'geometry_msgs/msg/PoseWithCovarianceStamped', wrist)
        yield Message('/tf', 'tf2_msgs/msg/TFMessage', {'transforms': transforms(frame, hand)}, _TRANSFORMS)


def keypoints_fields(tracked: TrackedFrame, side: str, hand: TrackedHand) -> dict[str, Any]:
    """minimal_hand_ros/HandKeypoints."""
    found, camera, image = hand.found, tracked.camera, tracked.frame.image
    assert image is not None
    fields: dict[str, Any] = {'header': header(tracked.frame), 'side': side, 'score': found.score}
    fields |= {'width': image.shape[1], 'height': image.shape[0]}
    if camera is not None:
        fields |= {'k': camera.k, 'd': camera.d, 'distortion_model': camera.distortion_model}
    if isinstance(found, Keypoints):
        fields |= {'valid': True, 'uv': found.uv, 'xyz': found.xyz, 'confidence': found.confidence}
    return fields


def shape_fields(frame: Frame, side: str, hand: TrackedHand) -> dict[str, Any]:
    """minimal_hand_ros/HandShape."""
    shape = hand.shape
    return {
        'header': header(frame),
        'side': side,
        'betas': shape.betas,
        'hand_length': shape.hand_length,
        'hand_length_spread': shape.hand_length_spread,
        'residual': shape.residual,
        'frames': shape.frames,
        'calibrated': shape.calibrated,
    }


def pose_fields(frame: Frame, side: str, hand: TrackedHand) -> dict[str, Any]:
    """minimal_hand_ros/HandPose, not valid where there is no hand."""
    state = hand.state
    fields: dict[str, Any] = {'header': header(frame), 'side': side, 'score': hand.found.score}
    if state is None:
        return fields | {'wrist': {'pose': {'orientation': _IDENTITY}}, 'rotations': [_IDENTITY] * 16}
    return fields | {
        'valid': True,
        'metric': state.metric,
        'wrist': _wrist(hand),
        'keypoints': state.keypoints_m,
        'rotations': [_quaternion(row) for row in hand.quaternions.tolist()],
        'betas': state.betas,
        'hand_length': state.hand_length,
        'angles': state.angles,
    }


def transforms(frame: Frame, hand: TrackedHand) -> list[dict[str, Any]]:
    """21 geometry_msgs/TransformStamped of a hand that is there: camera → wrist, then each keypoint in its parent's
    frame."""
    state = hand.state
    assert state is not None
    translations, _ = keypoint_frames(state.keypoints_m, state.rotations)
    rotations = [_IDENTITY] * len(KEYPOINT_NAMES)
    for k, row in zip(JOINT_KEYPOINTS, hand.quaternions.tolist(), strict=True):
        rotations[k] = _quaternion(row)
    names = [f'{state.side}_hand/{name}' for name in KEYPOINT_NAMES]
    found = []
    for k, (translation, rotation) in enumerate(zip(translations, rotations, strict=True)):
        parent = names[KEYPOINT_PARENTS[k]] if k else ''
        transform = {'translation': _vector(translation), 'rotation': rotation}
        found.append({'header': header(frame, parent), 'child_frame_id': names[k], 'transform': transform})
    return found


def camera_info(frame: Frame, camera: CameraModel | None) -> Message:
    """sensor_msgs/CameraInfo; k, r and p all zero where the camera is not known."""
    assert frame.image is not None
    height, width = frame.image.shape[:2]
    fields: dict[str, Any] = {'header': header(frame), 'width': width, 'height': height}
    if camera is not None:
        fields |= {'k': camera.k, 'd': camera.d, 'distortion_model': camera.distortion_model}
        fields |= {'r': np.eye(3), 'p': np.hstack([camera.k, np.zeros((3, 1))])}
    return Message('/camera_info', 'sensor_msgs/msg/CameraInfo', fields)


def picture(frame: Frame, quality: int) -> Message:
    """sensor_msgs/CompressedImage: the picture's own JPEG where it came as one, or else a new one.

    Raises:
        PictureError: it cannot be encoded.
    """
    assert frame.image is not None
    data = frame.jpeg
    if data is None:
        data = encode_jpeg(frame.image, quality, frame.name).tobytes()
    fields = {'header': header(frame), 'format': JPEG_FORMAT, 'data': data}
    return Message('/image_raw/compressed', 'sensor_msgs/msg/CompressedImage', fields)


def _wrist(hand: TrackedHand) -> dict[str, Any]:
    assert hand.state is not None
    orientation = _quaternion(hand.quaternions[0].tolist())
    pose = {'position': _vector(hand.state.wrist_position), 'orientation': orientation}
    return {'pose': pose, 'covariance': hand.state.wrist_covariance}


def _vector(values: np.ndarray) -> dict[str, float]:
    return dict(zip('xyz', np.asarray(values, float).tolist()))


def _quaternion(row: list[float]) -> dict[str, float]:
    return dict(zip('xyzw', row))
