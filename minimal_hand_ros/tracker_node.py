"""tracker: all stages in one process; pictures in, an articulated hand in the camera's frame out.

The same stages as keypoint_node, shape_server and ik_node, handing on arrays instead of messages.

Subscribes:
    image_raw              sensor_msgs/Image            transport 'raw'; or
    image_raw/compressed   sensor_msgs/CompressedImage  transport 'compressed'
    camera_info            sensor_msgs/CameraInfo       without it the hand stays relative to its wrist
    depth/image_raw        sensor_msgs/Image            16UC1 or 32FC1, registered to image_raw; parameter depth
    hand/roi               sensor_msgs/RegionOfInterest where another detector sees a hand; looked at next

Publishes:
    hand/keypoints     minimal_hand_ros/HandKeypoints  one per picture, valid or not
    hand/shape         minimal_hand_ros/HandShape      latched
    hand/pose          minimal_hand_ros/HandPose       one per picture with a hand; one, not valid, on loss
    hand/wrist         geometry_msgs/PoseWithCovarianceStamped  wrist in the camera's frame; only metric poses
    hand/joint_states  sensor_msgs/JointState          20 anatomical angles, radians
    hand/markers       visualization_msgs/MarkerArray  skin and skeleton; made only while subscribed; deleted on loss
    hand/debug_image   sensor_msgs/Image               the picture with the skeleton, made only while subscribed
    /diagnostics       diagnostic_msgs/DiagnosticArray how the node is, once per second
    /tf                tf2_msgs/TFMessage              21 frames: camera → right_hand/wrist → right_hand/index_mcp → …;
                       none while there is no hand

Services:
    calibrate          minimal_hand_ros/CalibrateShape  measure the hand in view and hold its shape
    reset              std_srvs/Trigger                 forget the shape
    enable             std_srvs/SetBool                 false: look at no picture, and say that there is no hand

With side 'both', every topic hand/x but hand/roi and hand/debug_image becomes right_hand/x and left_hand/x, and the
services right_hand/calibrate and so on; joint names stay the same.

Parameters: see TrackerSettings in settings/tracker.py. Lifecycle: see lifecycle.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from std_msgs.msg import Header

from minimal_hand_core.shape import HandShape
from minimal_hand_core.threads import limit_threads
from minimal_hand_core.tracking import CameraModel, DepthPicture, Keypoints, NoHand
from minimal_hand_ros.depth_input import DepthInput
from minimal_hand_ros.detection_stage import DetectionStage
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.names import BOTH, HandNames, names_of, sides_of
from minimal_hand_ros.pictures import PictureInput
from minimal_hand_ros.pose_stage import PoseStage
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import TrackerSettings, load_tracker_settings
from minimal_hand_ros.shape_stage import ShapeStage
from minimal_hand_ros.switch import Switch


class TrackedHand:
    """Shape and pose of one hand.

    Args:
        node: the node that publishes and serves.
        settings: of the tracker.
        side: 'right' or 'left'.
        names: of topics and services.
    """

    def __init__(self, node: ManagedNode, settings: TrackerSettings, side: str, names: HandNames) -> None:
        self._side = side
        pose = replace(settings.pose, side=side)
        self.pose = PoseStage(node, pose, settings.output, names)
        self.shape = ShapeStage(node, replace(settings.shape, side=side), self.pose.estimator.model, names)

    def change(self, settings: TrackerSettings) -> None:
        """Take other settings."""
        self.shape.change(replace(settings.shape, side=self._side))
        self.pose.change(replace(settings.pose, side=self._side), settings.output)

    def track(
        self,
        header: Header,
        found: Keypoints | NoHand,
        camera: CameraModel | None,
        depth_of: Callable[[], DepthPicture | None],
        detect_seconds: float,
    ) -> dict[str, float]:
        """Publish what becomes of the hand in one picture; seconds for 'shape' and 'pose'."""
        start = time.perf_counter()
        depth = depth_of() if isinstance(found, Keypoints) else None
        measure = None
        if isinstance(found, Keypoints) and camera is not None and depth is not None:
            measure = partial(self._measure, found, camera, depth)
        shape = self.shape.update(header, found, measure)
        seconds = {'shape': time.perf_counter() - start}
        before = {'keypoints': detect_seconds, **seconds}
        seconds['pose'] = self.pose.process(header, found, shape, camera, before, depth)
        self.shape.publish()
        return seconds

    def _measure(self, found: Keypoints, camera: CameraModel, depth: DepthPicture, shape: HandShape) -> float | None:
        return self.pose.estimator.measure_length(found, shape, camera, depth)


class TrackerWork(Work[TrackerSettings]):
    """Runs DetectionStage, ShapeStage and PoseStage on every picture."""

    def __init__(self, node: ManagedNode, settings: TrackerSettings) -> None:
        self._node = node
        self._side = settings.side
        limit_threads(settings.detector.threads)
        self._detection = DetectionStage(node, settings.detector, settings.side)
        self._depth = DepthInput(node, settings.depth)
        self._hands = {
            side: TrackedHand(node, settings, side, names_of(side, settings.side == BOTH))
            for side in sides_of(settings.side)
        }
        self.input = PictureInput(node, settings.input, self._track)
        self._switch = Switch(node, self._enable)

    def start(self) -> None:
        """Take pictures and serve."""
        self._switch.start()
        self._detection.start()
        self._depth.start()
        for hand in self._hands.values():
            hand.shape.start()
            hand.pose.start()
        self.input.start()
        what = 'both hands' if self._side == BOTH else f'a {self._side} hand'
        self._node.get_logger().info(f'ready: tracking {what}')

    def stop(self) -> None:
        """Take no more pictures, end a calibration that is under way, and say that there is no hand."""
        self.input.stop()
        self._depth.stop()
        for hand in self._hands.values():
            hand.shape.stop()
        self._lose()

    def change(self, settings: TrackerSettings) -> None:
        """Take other settings."""
        self._detection.change(settings.detector)
        self._depth.change(settings.depth)
        for hand in self._hands.values():
            hand.change(settings)
        self.input.change(settings.input)

    def report(self) -> Report:
        """How things are."""
        hands = list(self._hands.values())
        state = 'lost' if all(hand.pose.estimator.lost for hand in hands) else self._detection.state
        return self.input.report(
            state,
            self._detection.values() | self._depth.values(),
            self._detection.warnings() + self._depth.warnings(),
        )

    def _enable(self, on: bool) -> None:
        self.input.enabled = on
        if not on:
            self._lose()

    def _lose(self) -> None:
        self._detection.lose(self.input.now())
        for hand in self._hands.values():
            hand.pose.lose()

    def _track(
        self, header: Header, picture: np.ndarray, camera: CameraModel | None
    ) -> tuple[float, Mapping[str, float]]:
        start = time.perf_counter()
        found = self._detection.detect(header, picture, camera)
        detected = time.perf_counter()
        # looked for once, whichever hands are found
        depth_of = cache(partial(self._depth.nearest, header, (picture.shape[1], picture.shape[0])))
        seconds = {'keypoints': detected - start, 'shape': 0.0, 'pose': 0.0}
        for side, hand in self._hands.items():
            for stage, spent in hand.track(header, found[side], camera, depth_of, detected - start).items():
                seconds[stage] += spent
        self._detection.publish(header, picture, camera, found, seconds['keypoints'])
        seconds['check'] = self._detection.check()
        return max(hand.score for hand in found.values()), seconds


class TrackerNode(ManagedNode[TrackerSettings]):
    """tracker; `options` are those of rclpy's Node."""

    def __init__(self, **options: Any) -> None:
        super().__init__('tracker', load_tracker_settings, TrackerWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable tracker."""
    return run_node('tracker', TrackerNode, args)


if __name__ == '__main__':
    sys.exit(main())
