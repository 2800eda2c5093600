"""Parameters of shape_server, and of the stage of the tracker that is the same: keypoints in, shape out."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_core.shape import SHAPE_METHODS
from minimal_hand_core.tracking import PoseConfig
from minimal_hand_ros.parameters import ParameterLoader
from minimal_hand_ros.settings.common import load_hand_length, load_mirrored, load_model, load_side, load_threads
from minimal_hand_ros.settings.pose import DepthSettings, load_depth, load_keypoint_scale

MAX_CALIBRATION_FRAMES = 10000
"""Pictures; room for all that are wanted is made when a calibration begins."""


@dataclass(frozen=True)
class ShapeSettings:
    """Settings of the ShapeStage; hand_length in metres (0 = the model's), calibration_timeout in seconds.

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
class ShapeServerSettings:
    """Settings of shape_server: those of its stage, and of what measures a hand with depth while it is calibrated."""

    shape: ShapeSettings
    depth: DepthSettings
    pose: PoseConfig


def load_shape_settings(load: ParameterLoader) -> ShapeServerSettings:
    """The parameters of shape_server."""
    side, model = load_side(load), load_model(load)
    return ShapeServerSettings(
        shape=load_shape(load, side, model, load_hand_length(load), load_threads(load)),
        depth=load_depth(load),
        pose=PoseConfig(side=side, model=model, mirrored=load_mirrored(load), keypoint_scale=load_keypoint_scale(load)),
    )


def load_shape(load: ParameterLoader, side: str, model: str, hand_length: float, threads: int) -> ShapeSettings:
    """The parameters of the ShapeStage; those that other stages have too are given."""
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
        calibration_frames=load.integer(
            'calibration_frames', 60, 1, MAX_CALIBRATION_FRAMES, 'pictures per calibration unless asked', live=True
        ),
        calibration_timeout=load.number(
            'calibration_timeout', 15.0, 0.1, 600.0, 'seconds per calibration unless asked', live=True
        ),
        threads=threads,
    )
