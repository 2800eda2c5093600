"""The parameters of every node: one frozen dataclass per node, one public function that reads it.

Every function declares its parameters on the node, warns of parameters the node does not have, and raises
ParameterError, or the ValueError of the core's own checks, for a value that cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.inference import BACKENDS
from minimal_hand_core.pose import POSE_METHODS
from minimal_hand_core.shape import SHAPE_METHODS
from minimal_hand_core.tracking import DetectorConfig, PoseConfig
from minimal_hand_ros.parameters import ParameterError, ParameterLoader
from minimal_hand_ros.qos import RELIABILITY_CHOICES

TRANSPORTS = ('raw', 'compressed')
DEFAULT_FRAME = 'camera_optical_frame'
HAND_LENGTH_RANGE = (0.03, 0.15)
"""Metres."""


@dataclass(frozen=True)
class CameraSettings:
    """Settings of camera_node; lengths in pixels, rate in Hz (0 = the source's own), angles in degrees."""

    source: str
    rate: float
    loop: bool
    hold: int
    frame_id: str
    camera_info: str
    horizontal_fov: float
    jpeg_quality: int
    side: str
    model: str
    seed: int
    threads: int


@dataclass(frozen=True)
class InputSettings:
    """How a node receives pictures."""

    transport: str
    reliability: str


@dataclass(frozen=True)
class KeypointSettings:
    """Settings of keypoint_node."""

    input: InputSettings
    detector: DetectorConfig


@dataclass(frozen=True)
class ShapeSettings:
    """Settings of shape_server; hand_length in metres (0 = the model's), calibration_timeout in seconds.

    method and weights are the parameters shape.method and shape.weights.
    """

    side: str
    model: str
    hand_length: float
    method: str
    weights: str
    calibration_frames: int
    calibration_timeout: float
    threads: int


@dataclass(frozen=True)
class OutputSettings:
    """What is published of a pose, in which frame ('' = the picture's), and markers how often (Hz, 0 = always)."""

    camera_frame: str
    publish_tf: bool
    marker_rate: float


@dataclass(frozen=True)
class IkSettings:
    """Settings of ik_node."""

    pose: PoseConfig
    output: OutputSettings
    threads: int


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of the tracker: those of all stages."""

    input: InputSettings
    detector: DetectorConfig
    shape: ShapeSettings
    pose: PoseConfig
    output: OutputSettings


def load_camera_settings(node: Node) -> CameraSettings:
    """Declare and read the parameters of camera_node."""
    load = ParameterLoader(node)
    settings = CameraSettings(
        source=load.text(
            'source',
            'rendered',
            "'rendered', a webcam's index, or the path of a picture, a folder of pictures or a video",
            may_be_empty=False,
        ),
        rate=load.number('rate', 0.0, 0.0, 240.0, 'pictures per second; 0: as suits the source'),
        loop=load.flag('loop', True, 'start over at the end of a file or folder'),
        hold=load.integer('hold', 1, 1, 10000, 'how often each picture of a folder is published before the next one'),
        frame_id=load.text(
            'frame_id', DEFAULT_FRAME, 'TF frame of the pictures (optical: z forward)', may_be_empty=False
        ),
        camera_info=load.text('camera_info', '', 'calibration file as ROS camera_calibration writes it; empty: none'),
        horizontal_fov=load.number(
            'horizontal_fov',
            60.0,
            0.0,
            170.0,
            'degrees, assumed where there is no calibration; 0: publish the camera as not calibrated',
        ),
        jpeg_quality=load.integer('jpeg_quality', 90, 1, 100, 'of image_raw/compressed'),
        side=_side(load),
        model=_model(load),
        seed=load.integer('seed', 0, 0, 2**31 - 1, 'of the rendered hand'),
        threads=_threads(load),
    )
    _warn(node, load)
    return settings


def load_keypoint_settings(node: Node) -> KeypointSettings:
    """Declare and read the parameters of keypoint_node."""
    load = ParameterLoader(node)
    settings = KeypointSettings(_input(load), _detector(load, _side(load), _threads(load)))
    _warn(node, load)
    return settings


def load_shape_settings(node: Node) -> ShapeSettings:
    """Declare and read the parameters of shape_server."""
    load = ParameterLoader(node)
    settings = _shape(load, _side(load), _model(load), _hand_length(load), _threads(load))
    _warn(node, load)
    return settings


def load_ik_settings(node: Node) -> IkSettings:
    """Declare and read the parameters of ik_node."""
    load = ParameterLoader(node)
    settings = IkSettings(
        _pose(load, _side(load), _model(load), hand_length=0.0), output=_output(load), threads=_threads(load)
    )
    _warn(node, load)
    return settings


def load_tracker_settings(node: Node) -> TrackerSettings:
    """Declare and read the parameters of the tracker."""
    load = ParameterLoader(node)
    side, model, hand_length, threads = _side(load), _model(load), _hand_length(load), _threads(load)
    settings = TrackerSettings(
        input=_input(load),
        detector=_detector(load, side, threads),
        shape=_shape(load, side, model, hand_length, threads),
        pose=_pose(load, side, model, hand_length),
        output=_output(load),
    )
    _warn(node, load)
    return settings


def _warn(node: Node, load: ParameterLoader) -> None:
    for warning in load.strangers():
        node.get_logger().warning(warning)


def _side(load: ParameterLoader) -> str:
    return load.choice('side', 'right', SIDES, 'which hand')


def _model(load: ParameterLoader) -> str:
    return load.text('model', 'open', "hand model: 'open' or the path of a .npz or MANO .pkl", may_be_empty=False)


def _threads(load: ParameterLoader) -> int:
    return load.integer('threads', 1, 1, 64, 'processor threads for network and hand model')


def _hand_length(load: ParameterLoader) -> float:
    low, high = HAND_LENGTH_RANGE
    value = load.number(
        'hand_length',
        0.0,
        0.0,
        high,
        "metres from the wrist to the middle finger's base; 0: that of the hand model (calibrate sets it)",
    )
    if 0 < value < low:
        raise ParameterError(f"parameter 'hand_length' is {value}: give metres, {low} to {high}, or 0 for the model's")
    return value


def _input(load: ParameterLoader) -> InputSettings:
    return InputSettings(
        load.choice('transport', 'raw', TRANSPORTS, 'take pictures from image_raw or from image_raw/compressed'),
        load.choice(
            'reliability',
            'auto',
            RELIABILITY_CHOICES,
            'of the picture subscription; auto: reliable unless a publisher offers best effort only',
        ),
    )


def _detector(load: ParameterLoader, side: str, threads: int) -> DetectorConfig:
    default = DetectorConfig()
    enter = load.number('enter_threshold', default.enter_threshold, 0.0, 1.0, 'score at which a hand is found')
    keep = load.number('keep_threshold', default.keep_threshold, 0.0, 1.0, 'score below which a hand is lost')
    if keep > enter:
        raise ParameterError(f"parameter 'keep_threshold' is {keep}: give no more than enter_threshold, {enter}")
    return DetectorConfig(
        side=side,
        weights=load.text(
            'weights', default.weights, "'default', or the path of a checkpoint or .onnx file", may_be_empty=False
        ),
        backend=load.choice(
            'backend', default.backend, BACKENDS, 'inference engine; auto: the fastest here, measured once'
        ),
        threads=threads,
        enter_threshold=enter,
        keep_threshold=keep,
        max_inconsistency=load.number(
            'max_inconsistency',
            default.max_inconsistency,
            0.0,
            10.0,
            'largest difference of picture keypoints and shape, share of the hand in the picture',
        ),
        search_windows=load.integer(
            'search_windows', default.search_windows, 1, 64, 'network runs per picture while no hand is followed'
        ),
    )


def _shape(load: ParameterLoader, side: str, model: str, hand_length: float, threads: int) -> ShapeSettings:
    return ShapeSettings(
        side=side,
        model=model,
        hand_length=hand_length,
        method=load.choice('shape.method', 'lm', SHAPE_METHODS, 'how the shape is found from bone lengths'),
        weights=load.text(
            'shape.weights',
            'default',
            "of shape.method 'network': 'default' (for the open hand) or a file of train_shape",
            may_be_empty=False,
        ),
        calibration_frames=load.integer('calibration_frames', 60, 1, 10000, 'pictures per calibration unless asked'),
        calibration_timeout=load.number(
            'calibration_timeout', 15.0, 0.1, 600.0, 'seconds per calibration unless asked'
        ),
        threads=threads,
    )


def _pose(load: ParameterLoader, side: str, model: str, hand_length: float) -> PoseConfig:
    default = PoseConfig()

    def number(name: str, low: float, high: float, description: str) -> float:
        return load.number(name, getattr(default, name), low, high, description)

    return PoseConfig(
        side=side,
        model=model,
        hand_length=hand_length,
        hand_length_sigma=number('hand_length_sigma', 0.0, 1.0, 'relative standard deviation of the hand length'),
        keypoint_sigma=number('keypoint_sigma', 1e-4, 1.0, 'noise of uv, share of the hand in the picture'),
        xyz_sigma=number('xyz_sigma', 1e-4, 10.0, 'noise of xyz, hand lengths'),
        pose_method=load.choice('pose.method', default.pose_method, POSE_METHODS, 'how rotations are found'),
        pose_limits=load.flag('pose.limits', default.pose_limits, 'bend no joint further than an ordinary hand does'),
        pose_weights=load.text(
            'pose.weights',
            default.pose_weights,
            "of pose.method 'iknet': 'default' or a file of train_iknet",
            may_be_empty=False,
        ),
        smoothing=load.flag('smoothing', default.smoothing, 'One-Euro filters on wrist and pose'),
        wrist_min_cutoff=number('wrist_min_cutoff', 1e-3, 1000.0, "Hz, wrist filter's cut-off at rest"),
        wrist_beta=number('wrist_beta', 0.0, 10000.0, "wrist filter's cut-off per speed, Hz per m/s"),
        pose_min_cutoff=number('pose_min_cutoff', 1e-3, 1000.0, "Hz, pose filter's cut-off at rest"),
        pose_beta=number('pose_beta', 0.0, 10000.0, "pose filter's cut-off per speed, Hz per hand length/s"),
        lost_timeout=number('lost_timeout', 0.0, 60.0, 'seconds without a hand until it counts as lost'),
    )


def _output(load: ParameterLoader) -> OutputSettings:
    return OutputSettings(
        camera_frame=load.text('camera_frame', '', "TF frame to use instead of the picture's; empty: the picture's"),
        publish_tf=load.flag('publish_tf', True, 'broadcast the 21 frames of the hand on /tf'),
        marker_rate=load.number('marker_rate', 15.0, 0.0, 240.0, 'Hz, markers at most so often; 0: every picture'),
    )
