"""tracker: all stages in one process; pictures in, an articulated hand in the camera's frame out.

The same stages as keypoint_node, shape_server and ik_node, handing on arrays instead of messages.

Subscribes:
    image_raw              sensor_msgs/Image            transport 'raw'; or
    image_raw/compressed   sensor_msgs/CompressedImage  transport 'compressed'
    camera_info            sensor_msgs/CameraInfo       without it the hand stays relative to its wrist

Publishes:
    hand/keypoints     minimal_hand_ros/HandKeypoints  one per picture, valid or not
    hand/shape         minimal_hand_ros/HandShape      latched
    hand/pose          minimal_hand_ros/HandPose       one per picture with a hand; one, not valid, on loss
    hand/joint_states  sensor_msgs/JointState          20 anatomical angles, radians
    hand/markers       visualization_msgs/MarkerArray  skin and skeleton; made only while subscribed; deleted on loss
    hand/debug_image   sensor_msgs/Image               the picture with the skeleton, made only while subscribed
    /tf                21 frames: camera → right_hand/wrist → right_hand/index_mcp → …; none while there is no hand

Services:
    calibrate          minimal_hand_ros/CalibrateShape  measure the hand in view and hold its shape
    reset              std_srvs/Trigger                 forget the shape

Parameters: see TrackerSettings in settings.py.
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
from minimal_hand_ros.pose_stage import PoseStage
from minimal_hand_ros.run import run_node, two_threads
from minimal_hand_ros.settings import load_tracker_settings
from minimal_hand_ros.shape_stage import ShapeStage
from minimal_hand_ros.stamps import to_seconds
from minimal_hand_ros.threads import limit_threads


class TrackerNode(Node):
    """Runs KeypointDetector, ShapeStage and PoseStage on every picture."""

    # rclpy destroys a node whose start failed half way, too.
    _input: PictureInput | None = None
    _shape: ShapeStage | None = None

    def __init__(self) -> None:
        super().__init__('tracker')
        settings = load_tracker_settings(self)
        limit_threads(settings.detector.threads)
        self._detector = KeypointDetector(settings.detector)
        self._pose = PoseStage(self, settings.pose, settings.output)
        self._shape = ShapeStage(self, settings.shape, self._pose.estimator.model)
        self._keypoints = self.create_publisher(HandKeypoints, 'hand/keypoints', qos.RESULTS)
        self._debug = DebugOutput(self)
        self._input = PictureInput(self, settings.input, self._track)
        self.get_logger().info(f'ready: tracking a {settings.detector.side} hand')

    def destroy_node(self) -> None:
        """Say what came in, end a calibration that is under way, then end."""
        if self._input is not None:
            self.get_logger().info(self._input.summary())
        if self._shape is not None:
            self._shape.close()
        super().destroy_node()

    def _track(self, header: Header, picture: np.ndarray, camera: CameraModel | None) -> None:
        start = time.perf_counter()
        found = self._detector.detect(picture, to_seconds(header.stamp), camera)
        detected = time.perf_counter()
        shape = self._shape.update(header, found)
        timings = {'keypoints': detected - start, 'shape': time.perf_counter() - detected}
        self._pose.process(header, found, shape, camera, timings)
        height, width = picture.shape[:2]
        side = self._detector.config.side
        self._keypoints.publish(keypoints_message(header, found, side, (width, height), camera, timings['keypoints']))
        self._debug.publish(header, picture, found)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable tracker."""
    return run_node('tracker', TrackerNode, args, executor=two_threads)


if __name__ == '__main__':
    sys.exit(main())
