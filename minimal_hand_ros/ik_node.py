"""ik_node: keypoints and shape in, an articulated hand in the camera's frame out.

Subscribes:
    hand/keypoints     minimal_hand_ros/HandKeypoints
    hand/shape         minimal_hand_ros/HandShape (latched)  until one comes, the model's mean hand

Publishes:
    hand/pose          minimal_hand_ros/HandPose       one per picture with a hand; one, not valid, on loss
    hand/joint_states  sensor_msgs/JointState          20 anatomical angles, radians
    hand/markers       visualization_msgs/MarkerArray  skin and skeleton; made only while subscribed; deleted on loss
    /tf                21 frames: camera → right_hand/wrist → right_hand/index_mcp → …; none while there is no hand

Parameters: see IkSettings in settings.py.

Everything carries the picture's stamp. Without intrinsics there is no TF and no marker, and hand/pose is relative to
the wrist.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.node import Node

from minimal_hand_ros import qos
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.messages import camera_from_keypoints, keypoints_from_message, shape_from_message
from minimal_hand_ros.msg import HandKeypoints, HandShape
from minimal_hand_ros.pose_stage import PoseStage
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import load_ik_settings
from minimal_hand_ros.threads import limit_threads


class IkNode(Node):
    """Runs the PoseEstimator on every HandKeypoints."""

    def __init__(self) -> None:
        super().__init__('ik_node')
        settings = load_ik_settings(self)
        limit_threads(settings.threads)
        self._side = settings.pose.side
        self._stage = PoseStage(self, settings.pose, settings.output)
        self._shape = self._stage.estimator.default_shape
        self._shape_known = False
        self._drops = DropCounter('message')
        self._shapes = self.create_subscription(HandShape, 'hand/shape', self._take_shape, qos.LATCHED)
        self._keypoints = self.create_subscription(HandKeypoints, 'hand/keypoints', self._take_keypoints, qos.LATEST)
        self.get_logger().info(f'ready: the pose of the {self._side} hand')

    def _take_shape(self, message: HandShape) -> None:
        if message.side != self._side:
            return
        try:
            self._shape = shape_from_message(message)
        except ValueError as error:
            self._drop(error)
            return
        if not self._shape_known:
            self._shape_known = True
            self.get_logger().info(f'shape received: hand length {self._shape.hand_length * 1000:.1f} mm')

    def _take_keypoints(self, message: HandKeypoints) -> None:
        try:
            found, camera = keypoints_from_message(message), camera_from_keypoints(message)
            self._stage.process(message.header, found, self._shape, camera, {'keypoints': message.detect_latency})
        except ValueError as error:
            self._drop(error)

    def _drop(self, error: ValueError) -> None:
        line = self._drops.drop(error)
        if line is not None:
            self.get_logger().warning(line)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable ik_node."""
    return run_node('ik_node', IkNode, args)


if __name__ == '__main__':
    sys.exit(main())
