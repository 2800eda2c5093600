"""keypoint_node: pictures in, the 21 keypoints of one hand out.

Subscribes:
    image_raw              sensor_msgs/Image            transport 'raw'; or
    image_raw/compressed   sensor_msgs/CompressedImage  transport 'compressed'
    camera_info            sensor_msgs/CameraInfo       without it the hand stays relative to its wrist

Publishes:
    hand/keypoints         minimal_hand_ros/HandKeypoints  one per picture, valid or not
    hand/debug_image       sensor_msgs/Image               the picture with the skeleton, made only while subscribed

Parameters: see KeypointSettings in settings.py.

A picture that cannot be used is dropped, counted and named in the log.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from minimal_hand_core.tracking import CameraModel, KeypointDetector
from minimal_hand_ros import qos
from minimal_hand_ros.debug import DebugOutput
from minimal_hand_ros.messages import keypoints_message
from minimal_hand_ros.msg import HandKeypoints
from minimal_hand_ros.pictures import PictureInput
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import load_keypoint_settings
from minimal_hand_ros.stamps import to_seconds
from minimal_hand_ros.threads import limit_threads


class KeypointNode(Node):
    """Runs the KeypointDetector on every picture."""

    # rclpy destroys a node whose start failed half way, too.
    _input: PictureInput | None = None

    def __init__(self) -> None:
        super().__init__('keypoint_node')
        settings = load_keypoint_settings(self)
        limit_threads(settings.detector.threads)
        self._detector = KeypointDetector(settings.detector)
        self._publisher = self.create_publisher(HandKeypoints, 'hand/keypoints', qos.RESULTS)
        self._debug = DebugOutput(self)
        self._input = PictureInput(self, settings.input, self._detect)
        self.get_logger().info(f'ready: looking for a {settings.detector.side} hand')

    def destroy_node(self) -> None:
        """Say what came in, then end."""
        if self._input is not None:
            self.get_logger().info(self._input.summary())
        super().destroy_node()

    def _detect(self, header: Header, picture: np.ndarray, camera: CameraModel | None) -> None:
        start = time.perf_counter()
        found = self._detector.detect(picture, to_seconds(header.stamp), camera)
        height, width = picture.shape[:2]
        latency = time.perf_counter() - start
        side = self._detector.config.side
        self._publisher.publish(keypoints_message(header, found, side, (width, height), camera, latency))
        self._debug.publish(header, picture, found)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable keypoint_node."""
    return run_node('keypoint_node', KeypointNode, args)


if __name__ == '__main__':
    sys.exit(main())
