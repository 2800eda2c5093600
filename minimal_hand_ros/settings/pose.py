"""Parameters of ik_node, and of the stage of the tracker that is the same: keypoints and shape in, a hand out."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_core.pose import POSE_METHODS
from minimal_hand_core.tracking import FILTERS, PoseConfig
from minimal_hand_core.tracking.config import RANGES
from minimal_hand_ros.parameters import ParameterLoader
from minimal_hand_ros.settings.common import load_mirrored, load_model, load_side, load_threads

DEPTH_MODES = ('off', 'registered')


@dataclass(frozen=True)
class OutputSettings:
    """What is published of a pose.

    Attributes:
        camera_frame: TF frame of the camera; '' = the picture's.
        publish_tf: whether /tf is sent.
        marker_rate: Hz, of hand/markers at most; 0 = every picture.
        input_timeout: seconds of real time without any picture after which the hand counts as lost.
    """

    camera_frame: str
    publish_tf: bool
    marker_rate: float
    input_timeout: float


@dataclass(frozen=True)
class DepthSettings:
    """Whether and how depth is used.

    Attributes:
        mode: one of DEPTH_MODES.
        max_age: seconds between the stamps of a colour picture and the depth picture that is used with it, at most.
    """

    mode: str
    max_age: float


@dataclass(frozen=True)
class IkSettings:
    """Settings of ik_node."""

    pose: PoseConfig
    depth: DepthSettings
    output: OutputSettings
    threads: int


def load_ik_settings(load: ParameterLoader) -> IkSettings:
    """The parameters of ik_node."""
    return IkSettings(
        load_pose(load, load_side(load), load_model(load), hand_length=0.0, mirrored=load_mirrored(load)),
        depth=load_depth(load),
        output=load_output(load),
        threads=load_threads(load),
    )


def load_pose(load: ParameterLoader, side: str, model: str, hand_length: float, mirrored: bool) -> PoseConfig:
    """The parameters of the PoseEstimator; those that other stages have too are given."""
    default = PoseConfig()

    def number(name: str, description: str) -> float:
        return load.number(name, getattr(default, name), *RANGES[name], description, live=True)

    return PoseConfig(
        side=side,
        model=model,
        hand_length=hand_length,
        hand_length_sigma=number('hand_length_sigma', 'relative standard deviation of the hand length'),
        keypoint_sigma=number('keypoint_sigma', 'noise of uv, share of the hand in the picture'),
        keypoint_scale=load_keypoint_scale(load),
        xyz_sigma=number('xyz_sigma', 'noise of xyz, hand lengths'),
        pose_method=load.choice('pose.method', default.pose_method, POSE_METHODS, 'how rotations are found'),
        pose_limits=load.flag(
            'pose.limits', default.pose_limits, 'bend no joint further than an ordinary hand does', live=True
        ),
        pose_weights=load.text(
            'pose.weights',
            default.pose_weights,
            "of pose.method 'iknet': 'default' or a file of train_iknet",
            may_be_empty=False,
        ),
        mirrored=mirrored,
        filter=load.choice('filter', default.filter, FILTERS, 'what steadies wrist and pose', live=True),
        wrist_min_cutoff=number('wrist_min_cutoff', "Hz, wrist filter's cut-off at rest"),
        wrist_beta=number('wrist_beta', "wrist filter's cut-off per speed, Hz per m/s"),
        pose_min_cutoff=number('pose_min_cutoff', "Hz, pose filter's cut-off at rest"),
        pose_beta=number('pose_beta', "pose filter's cut-off per speed, Hz per hand length/s"),
        wrist_rest_speed=number('wrist_rest_speed', 'm/s, speed of the wrist that is taken for noise'),
        pose_rest_speed=number('pose_rest_speed', 'hand lengths/s, speed that is taken for noise'),
        derivative_cutoff=number('derivative_cutoff', 'Hz, of the speed that the filters heed'),
        wrist_noise=number('wrist_noise', 'm, Kalman: noise of the wrist'),
        wrist_acceleration=number('wrist_acceleration', 'm/s^1.5, Kalman: unrest of the wrist at rest'),
        pose_noise=number('pose_noise', 'hand lengths, Kalman: noise of the pose'),
        pose_acceleration=number('pose_acceleration', 'hand lengths/s^1.5, Kalman: unrest at rest'),
        kalman_agility=number('kalman_agility', 'Kalman: how fast a motion that begins is believed'),
        lost_timeout=number('lost_timeout', 'seconds without a hand until it counts as lost'),
    )


def load_keypoint_scale(load: ParameterLoader) -> float:
    """Parameter keypoint_scale of all who place a hand."""
    return load.number(
        'keypoint_scale',
        PoseConfig().keypoint_scale,
        *RANGES['keypoint_scale'],
        'size of the hand the network draws, beside the true one',
        live=True,
    )


def load_depth(load: ParameterLoader) -> DepthSettings:
    """The parameters of the DepthInput."""
    return DepthSettings(
        mode=load.choice(
            'depth',
            'off',
            DEPTH_MODES,
            'registered: take the range of the hand from depth/image_raw, which is registered to the colour pictures',
        ),
        max_age=load.number(
            'depth_max_age',
            0.05,
            0.0,
            10.0,
            'seconds between the stamps of a colour picture and the depth picture used with it, at most',
            live=True,
        ),
    )


def load_output(load: ParameterLoader) -> OutputSettings:
    """The parameters of the PoseOutput."""
    return OutputSettings(
        camera_frame=load.text(
            'camera_frame', '', "TF frame to use instead of the picture's; empty: the picture's", live=True
        ),
        publish_tf=load.flag('publish_tf', True, 'broadcast the 21 frames of the hand on /tf', live=True),
        marker_rate=load.number(
            'marker_rate', 15.0, 0.0, 240.0, 'Hz, markers at most so often; 0: every picture', live=True
        ),
        input_timeout=load.number(
            'input_timeout',
            1.0,
            0.1,
            3600.0,
            'seconds without any picture until the hand counts as lost, unless lost_timeout is longer; real time, '
            'also where /clock gives another',
            live=True,
        ),
    )
