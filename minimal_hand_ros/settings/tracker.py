"""Parameters of the tracker: those of all stages."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_core.tracking import DetectorConfig, PoseConfig
from minimal_hand_ros.names import sides_of
from minimal_hand_ros.parameters import ParameterLoader
from minimal_hand_ros.settings.common import load_hand_length, load_mirrored, load_model, load_sides, load_threads
from minimal_hand_ros.settings.detector import InputSettings, load_detector, load_input
from minimal_hand_ros.settings.pose import DepthSettings, OutputSettings, load_depth, load_output, load_pose
from minimal_hand_ros.settings.shape import ShapeSettings, load_shape


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of the tracker: those of all stages.

    side is 'right', 'left' or 'both'; for both, shape and pose are those of the right hand.
    """

    side: str
    input: InputSettings
    detector: DetectorConfig
    shape: ShapeSettings
    pose: PoseConfig
    depth: DepthSettings
    output: OutputSettings


def load_tracker_settings(load: ParameterLoader) -> TrackerSettings:
    """The parameters of the tracker."""
    side, model, hand_length, threads = load_sides(load), load_model(load), load_hand_length(load), load_threads(load)
    mirrored, one = load_mirrored(load), sides_of(side)[0]
    return TrackerSettings(
        side=side,
        input=load_input(load),
        detector=load_detector(load, side, threads, mirrored),
        shape=load_shape(load, one, model, hand_length, threads),
        pose=load_pose(load, one, model, hand_length, mirrored),
        depth=load_depth(load),
        output=load_output(load),
    )
