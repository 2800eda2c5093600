"""keypoint_node: pictures in, the 21 keypoints of one hand or two out.

Subscribes:
    image_raw              sensor_msgs/Image            transport 'raw'; or
    image_raw/compressed   sensor_msgs/CompressedImage  transport 'compressed'
    camera_info            sensor_msgs/CameraInfo       without it the hand stays relative to its wrist
    hand/roi               sensor_msgs/RegionOfInterest where another detector sees a hand; looked at next

Publishes:
    hand/keypoints         minimal_hand_ros/HandKeypoints  one per picture, valid or not
    hand/debug_image       sensor_msgs/Image               the picture with the skeleton, made only while subscribed
    /diagnostics           diagnostic_msgs/DiagnosticArray how the node is, once per second

Services:
    enable                 std_srvs/SetBool                false: look at no picture, and say that there is no hand

Parameters: see KeypointSettings in settings/detector.py. Lifecycle: see lifecycle.py.

With side 'both', hand/keypoints becomes right_hand/keypoints and left_hand/keypoints.

A picture that cannot be used is dropped, counted and named in the log and in the diagnostics.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from std_msgs.msg import Header

from minimal_hand_core.threads import limit_threads
from minimal_hand_core.tracking import CameraModel
from minimal_hand_ros.detection_stage import DetectionStage
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.names import BOTH
from minimal_hand_ros.pictures import PictureInput
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import KeypointSettings, load_keypoint_settings
from minimal_hand_ros.switch import Switch


class KeypointWork(Work[KeypointSettings]):
    """Runs the HandsDetector on every picture."""

    def __init__(self, node: ManagedNode, settings: KeypointSettings) -> None:
        self._node = node
        self._side = settings.side
        limit_threads(settings.detector.threads)
        self._detection = DetectionStage(node, settings.detector, settings.side)
        self.input = PictureInput(node, settings.input, self._detect)
        self._switch = Switch(node, self._enable)

    def start(self) -> None:
        """Take pictures."""
        self._switch.start()
        self._detection.start()
        self.input.start()
        what = 'both hands' if self._side == BOTH else f'a {self._side} hand'
        self._node.get_logger().info(f'ready: looking for {what}')

    def stop(self) -> None:
        """Take no more pictures, and say that there is no hand."""
        self.input.stop()
        self._detection.lose(self.input.now())

    def change(self, settings: KeypointSettings) -> None:
        """Take other settings."""
        self._detection.change(settings.detector)
        self.input.change(settings.input)

    def report(self) -> Report:
        """How things are."""
        return self.input.report(self._detection.state, self._detection.values(), self._detection.warnings())

    def _enable(self, on: bool) -> None:
        self.input.enabled = on
        if not on:
            self._detection.lose(self.input.now())

    def _detect(
        self, header: Header, picture: np.ndarray, camera: CameraModel | None
    ) -> tuple[float, Mapping[str, float]]:
        start = time.perf_counter()
        found = self._detection.detect(header, picture, camera)
        seconds = time.perf_counter() - start
        self._detection.publish(header, picture, camera, found, seconds)
        stages = {'keypoints': seconds, 'check': self._detection.check()}
        return max(hand.score for hand in found.values()), stages


class KeypointNode(ManagedNode[KeypointSettings]):
    """keypoint_node; `options` are those of rclpy's Node."""

    def __init__(self, **options: Any) -> None:
        super().__init__('keypoint_node', load_keypoint_settings, KeypointWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable keypoint_node."""
    return run_node('keypoint_node', KeypointNode, args)


if __name__ == '__main__':
    sys.exit(main())
