"""Arrays → messages and messages → arrays, in pure functions.

Fields are filled with what the generated code keeps there: fixed arrays with NumPy arrays of exactly their type and
length, others with array.array, numbers with float() and int(). Field checks are off by default in rclpy, and then
anything else arrives as garbage or ends the process.

Every builder takes the header of the picture and puts it into the message unchanged.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, Transform, TransformStamped, Vector3
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import Header

from minimal_hand_core.data.synthetic import HandTruth
from minimal_hand_core.hand.frames import keypoint_frames
from minimal_hand_core.hand.rotations import matrix_to_quaternion, quaternion_to_matrix
from minimal_hand_core.hand.skeleton import KEYPOINT_NAMES, KEYPOINT_PARENTS, SIDES
from minimal_hand_core.pose import ANGLE_NAMES
from minimal_hand_core.robots.hand_urdf import joint_names
from minimal_hand_core.shape import CalibrationResult
from minimal_hand_core.shape import HandShape as Shape
from minimal_hand_core.tracking import CameraModel, HandState, Keypoints, NoHand
from minimal_hand_ros.msg import HandKeypoints, HandPose, HandShape
from minimal_hand_ros.srv import CalibrateShape
from minimal_hand_ros.stamps import to_seconds


def info_from_camera(header: Header, camera: CameraModel | None, width: int, height: int) -> CameraInfo:
    """The camera info of pictures of this size; k, r and p all zero where the camera is not known."""
    info = CameraInfo(header=header, width=width, height=height)
    if camera is None:
        return info
    info.k = _doubles(camera.k, 9)
    info.d = array('d', camera.d.tolist())
    info.distortion_model = camera.distortion_model
    info.r = _doubles(np.eye(3), 9)
    info.p = _doubles(np.hstack([camera.k, np.zeros((3, 1))]), 12)
    return info


def keypoints_message(
    header: Header,
    found: Keypoints | NoHand,
    side: str,
    size: tuple[int, int],
    camera: CameraModel | None,
    latency: float,
) -> HandKeypoints:
    """HandKeypoints of one picture.

    Args:
        header: of the picture.
        found: what the detector says.
        side: 'right' or 'left'.
        size: (width, height) of the picture, pixels.
        camera: its intrinsics; None for unknown.
        latency: seconds spent on it.
    """
    message = HandKeypoints(
        header=header,
        side=side,
        score=float(found.score),
        width=size[0],
        height=size[1],
        detect_latency=float(latency),
    )
    if camera is not None:
        message.k = _doubles(camera.k, 9)
        message.d = array('d', camera.d.tolist())
        message.distortion_model = camera.distortion_model
    if isinstance(found, Keypoints):
        message.valid = True
        message.uv = _floats(found.uv, 42)
        message.xyz = _floats(found.xyz, 63)
        message.confidence = _floats(found.confidence, 21)
    return message


def keypoints_from_message(message: HandKeypoints) -> Keypoints | NoHand:
    """What the detector said.

    Raises:
        ValueError: not a side, or a value that is not finite.
    """
    stamp = to_seconds(message.header.stamp)
    if not message.valid:
        return NoHand(stamp, float(message.score))
    if message.side not in SIDES:
        raise ValueError(f'keypoints have side {message.side!r}: give one of {", ".join(SIDES)}')
    uv, xyz, confidence = (_finite(message, name) for name in ('uv', 'xyz', 'confidence'))
    return Keypoints(message.side, stamp, float(message.score), uv.reshape(21, 2), xyz.reshape(21, 3), confidence)


def camera_from_keypoints(message: HandKeypoints) -> CameraModel | None:
    """Intrinsics that came with the keypoints; None when unknown.

    Raises:
        CameraError: values that no camera has.
    """
    return CameraModel.from_info(message.width, message.height, message.k, message.d, message.distortion_model)


def shape_message(header: Header, side: str, shape: Shape) -> HandShape:
    """HandShape of an estimate; `header` is that of the last picture in it."""
    return HandShape(
        header=header,
        side=side,
        betas=_floats(shape.betas, 10),
        hand_length=float(shape.hand_length),
        hand_length_spread=float(shape.hand_length_spread),
        residual=float(shape.residual),
        frames=int(shape.frames),
        calibrated=bool(shape.calibrated),
    )


def fill_calibration(
    response: CalibrateShape.Response, result: CalibrationResult, shape: Shape
) -> CalibrateShape.Response:
    """Fill in the answer to a calibration: what came of it, and the shape that is in use now."""
    response.success = bool(result.success)
    response.message = result.message
    response.frames = int(result.frames)
    response.hand_length = float(shape.hand_length)
    response.spread = float(shape.hand_length_spread)
    response.betas = _floats(shape.betas, 10)
    return response


def shape_from_message(message: HandShape) -> Shape:
    """Betas (10,) and hand length of a HandShape.

    Raises:
        ValueError: a value is not finite, or the hand length is not above 0.
    """
    betas = _finite(message, 'betas')
    if not message.hand_length > 0:
        raise ValueError(f'hand_length of HandShape is {message.hand_length}: give metres, above 0')
    return Shape(betas, float(_finite(message, 'hand_length')))


def truth_message(header: Header, truth: HandTruth) -> HandPose:
    """HandPose of a rendered hand: exact, thus of covariance zero."""
    rotations = _quaternions(truth.rotations)
    return HandPose(
        header=header,
        side=truth.side,
        valid=True,
        score=1.0,
        metric=True,
        wrist=PoseWithCovariance(pose=Pose(position=_point(truth.wrist), orientation=rotations[0])),
        keypoints=_floats(truth.keypoints_m, 63),
        rotations=rotations,
        betas=_floats(truth.betas, 10),
        hand_length=float(truth.hand_length),
        angles=_floats(truth.angles, len(ANGLE_NAMES)),
    )


def pose_message(header: Header, state: HandState, timings: Mapping[str, float]) -> HandPose:
    """HandPose of a hand that was found; `timings` are seconds per stage."""
    return HandPose(
        header=header,
        side=state.side,
        valid=True,
        score=float(state.score),
        metric=bool(state.metric),
        wrist=wrist_message(state),
        keypoints=_floats(state.keypoints_m, 63),
        rotations=_quaternions(state.rotations),
        betas=_floats(state.betas, 10),
        hand_length=float(state.hand_length),
        angles=_floats(state.angles, len(ANGLE_NAMES)),
        **_timings(timings),
    )


def wrist_message(state: HandState) -> PoseWithCovariance:
    """Where the wrist of a hand that was found is, how it is turned, and how sure that is."""
    return PoseWithCovariance(
        pose=Pose(position=_point(state.wrist_position), orientation=_quaternions(state.rotations[:1])[0]),
        covariance=_doubles(state.wrist_covariance, 36),
    )


def lost_message(header: Header, side: str, score: float, timings: Mapping[str, float]) -> HandPose:
    """HandPose that says that no hand is there."""
    return HandPose(header=header, side=side, valid=False, score=float(score), **_timings(timings))


def keypoints_array(message: HandPose) -> np.ndarray:
    """(21, 3) float64 metres: the keypoints of a HandPose."""
    return np.array(message.keypoints, np.float64).reshape(21, 3)


def state_from_message(message: HandPose) -> HandState:
    """The hand of a valid HandPose; what the message does not carry (uv, confidence) is NaN."""
    position = message.wrist.pose.position
    quaternions = [(q.x, q.y, q.z, q.w) for q in message.rotations]
    return HandState(
        side=message.side,
        stamp=to_seconds(message.header.stamp),
        score=float(message.score),
        uv=np.full((21, 2), np.nan),
        confidence=np.full(21, np.nan),
        keypoints_m=keypoints_array(message),
        betas=np.array(message.betas, np.float64),
        hand_length=float(message.hand_length),
        rotations=quaternion_to_matrix(torch.tensor(quaternions, dtype=torch.float64)).numpy(),
        angles=np.array(message.angles, np.float64),
        wrist_position=np.array([position.x, position.y, position.z]),
        wrist_covariance=np.array(message.wrist.covariance, np.float64).reshape(6, 6),
        metric=bool(message.metric),
        timings=dict(zip(message.stage_names, message.stage_latency, strict=True)),
    )


def frame_names(side: str) -> tuple[str, ...]:
    """The 21 TF frames of a hand, keypoint order: right_hand/wrist, right_hand/thumb_cmc, …"""
    return tuple(f'{side}_hand/{name}' for name in KEYPOINT_NAMES)


def transform_messages(header: Header, state: HandState) -> list[TransformStamped]:
    """21 transforms: camera → wrist, then each keypoint in its parent's frame; header.frame_id is the camera's."""
    translations, rotations = keypoint_frames(state.keypoints_m, state.rotations)
    names = frame_names(state.side)
    transforms = []
    for k, (translation, rotation) in enumerate(zip(translations.tolist(), _quaternions(rotations), strict=True)):
        parent = names[KEYPOINT_PARENTS[k]] if k else header.frame_id
        x, y, z = translation
        transforms.append(
            TransformStamped(
                header=Header(stamp=header.stamp, frame_id=parent),
                child_frame_id=names[k],
                transform=Transform(translation=Vector3(x=x, y=y, z=z), rotation=rotation),
            )
        )
    return transforms


def joint_message(header: Header, side: str, angles: np.ndarray) -> JointState:
    """JointState of the 20 angles (radians, ANGLE_NAMES' order)."""
    return JointState(
        header=Header(stamp=header.stamp), name=list(joint_names(side)), position=array('d', np.asarray(angles, float))
    )


def _timings(timings: Mapping[str, float]) -> dict[str, object]:
    return {'stage_names': list(timings), 'stage_latency': array('f', timings.values())}


def _floats(values: np.ndarray | Sequence[float], count: int) -> np.ndarray:
    return _exactly(values, count, np.float32)


def _doubles(values: np.ndarray | Sequence[float], count: int) -> np.ndarray:
    return _exactly(values, count, np.float64)


def _exactly(values: np.ndarray | Sequence[float], count: int, dtype: type) -> np.ndarray:
    flat: np.ndarray = np.array(values, dtype).reshape(-1)
    if flat.size != count:
        raise ValueError(f'message field needs {count} values, found {flat.size}')
    return flat


def _point(values: np.ndarray) -> Point:
    x, y, z = np.asarray(values, float).tolist()
    return Point(x=x, y=y, z=z)


def _quaternions(rotations: np.ndarray) -> list[Quaternion]:
    rows = matrix_to_quaternion(torch.from_numpy(np.ascontiguousarray(rotations, np.float64))).tolist()
    return [Quaternion(x=x, y=y, z=z, w=w) for x, y, z, w in rows]


def _finite(message: HandKeypoints | HandShape, name: str) -> np.ndarray:
    values = np.asarray(getattr(message, name), np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f'{name} of {type(message).__name__} is not finite')
    return values
