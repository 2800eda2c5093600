"""Parameters of keypoint_node, and of the stage of the tracker that is the same: pictures in, keypoints out."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_core.inference import BACKENDS
from minimal_hand_core.tracking import DetectorConfig
from minimal_hand_core.tracking.config import RANGES
from minimal_hand_ros.names import sides_of
from minimal_hand_ros.parameters import ParameterError, ParameterLoader
from minimal_hand_ros.qos import RELIABILITY_CHOICES
from minimal_hand_ros.settings.common import load_mirrored, load_sides, load_threads

TRANSPORTS = ('raw', 'compressed', 'auto')


@dataclass(frozen=True)
class InputSettings:
    """How a node receives pictures; rectified: whether they are, which their camera info cannot say."""

    transport: str
    reliability: str
    rectified: bool


@dataclass(frozen=True)
class KeypointSettings:
    """Settings of keypoint_node; side is 'right', 'left' or 'both' (the detector's own is not used then)."""

    side: str
    input: InputSettings
    detector: DetectorConfig


def load_keypoint_settings(load: ParameterLoader) -> KeypointSettings:
    """The parameters of keypoint_node."""
    side = load_sides(load)
    return KeypointSettings(side, load_input(load), load_detector(load, side, load_threads(load), load_mirrored(load)))


def load_input(load: ParameterLoader) -> InputSettings:
    """The parameters of a picture subscription."""
    return InputSettings(
        load.choice(
            'transport',
            'raw',
            TRANSPORTS,
            'take pictures from image_raw or from image_raw/compressed; auto: compressed where nothing else is sent',
            live=True,
        ),
        load.choice(
            'reliability',
            'auto',
            RELIABILITY_CHOICES,
            'of the picture subscription; auto: reliable unless a publisher offers best effort only',
            live=True,
        ),
        load.flag(
            'rectified',
            False,
            'pictures are rectified, such as image_rect: of camera_info p counts, not k and the distortion',
            live=True,
        ),
    )


def load_detector(load: ParameterLoader, side: str, threads: int, mirrored: bool) -> DetectorConfig:
    """The parameters of the detector; those that other stages have too are given."""
    default = DetectorConfig()
    enter = load.number(
        'enter_threshold',
        default.enter_threshold,
        *RANGES['enter_threshold'],
        'score at which a hand is found',
        live=True,
    )
    keep = load.number(
        'keep_threshold',
        default.keep_threshold,
        *RANGES['keep_threshold'],
        'score below which a hand is lost',
        live=True,
    )
    if keep > enter:
        raise ParameterError(f"parameter 'keep_threshold' is {keep}: give no more than enter_threshold, {enter}")
    return DetectorConfig(
        side=sides_of(side)[0],
        mirrored=mirrored,
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
            *RANGES['max_inconsistency'],
            'largest difference of picture keypoints and shape, share of the hand in the picture',
            live=True,
        ),
        search_windows=load.integer(
            'search_windows',
            default.search_windows,
            *(int(each) for each in RANGES['search_windows']),
            'network runs per picture while no hand is followed',
            live=True,
        ),
        check_side=load.flag(
            'check_side', default.check_side, 'let go of a hand that turns out to be of the other side', live=True
        ),
    )
