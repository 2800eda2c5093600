"""ik_node: keypoints and shape in, an articulated hand in the camera's frame out.

Subscribes:
    hand/keypoints     minimal_hand_ros/HandKeypoints  of the node's side; every one has its answer
    hand/shape         minimal_hand_ros/HandShape (latched)  until one comes, the model's mean hand
    depth/image_raw    sensor_msgs/Image            16UC1 or 32FC1, registered to the pictures; parameter depth

Publishes:
    hand/pose          minimal_hand_ros/HandPose       one per picture with a hand; one, not valid, on loss
    hand/wrist         geometry_msgs/PoseWithCovarianceStamped  wrist in the camera's frame; only metric poses
    hand/joint_states  sensor_msgs/JointState          20 anatomical angles, radians
    hand/markers       visualization_msgs/MarkerArray  skin and skeleton; made only while subscribed; deleted on loss
    /diagnostics       diagnostic_msgs/DiagnosticArray how the node is, once per second
    /tf                tf2_msgs/TFMessage              21 frames: camera → right_hand/wrist → right_hand/index_mcp → …;
                       none while there is no hand

Parameters: see IkSettings in settings/pose.py. Lifecycle: see lifecycle.py.

Everything carries the picture's stamp. Without intrinsics there is no TF and no marker, and hand/pose is relative to
the wrist.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from minimal_hand_core.threads import limit_threads
from minimal_hand_ros import health, qos
from minimal_hand_ros.depth_input import DepthInput
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.keypoint_input import KeypointInput
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.messages import camera_from_keypoints, keypoints_from_message, shape_from_message
from minimal_hand_ros.msg import HandKeypoints, HandShape
from minimal_hand_ros.pose_stage import PoseStage
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import IkSettings, load_ik_settings


class IkWork(Work[IkSettings]):
    """Runs the PoseStage on every HandKeypoints."""

    def __init__(self, node: ManagedNode, settings: IkSettings) -> None:
        self._node = node
        self._side = settings.pose.side
        limit_threads(settings.threads)
        self._stage = PoseStage(node, settings.pose, settings.output)
        self._depth = DepthInput(node, settings.depth)
        self._shape = self._stage.estimator.default_shape
        self._shape_known = False
        self._calibrated = True
        self.input = KeypointInput(node, 'pose', self._pose)

    def start(self) -> None:
        """Take keypoints, shapes and depth."""
        self._node.active.subscription(HandShape, 'hand/shape', self._take_shape, qos.LATCHED)
        self._depth.start()
        self._stage.start()
        self.input.start()
        self._node.get_logger().info(f'ready: the pose of the {self._side} hand')

    def stop(self) -> None:
        """Take no more keypoints and depth, and say that there is no hand."""
        self.input.stop()
        self._depth.stop()
        self._stage.lose()

    def change(self, settings: IkSettings) -> None:
        """Take other settings."""
        self._depth.change(settings.depth)
        self._stage.change(settings.pose, settings.output)

    def report(self) -> Report:
        """How things are."""
        state = 'lost' if self._stage.estimator.lost else 'following'
        missing = [] if self._calibrated else [health.NOT_CALIBRATED]
        return self.input.report(state, missing + self._depth.warnings(), self._depth.values())

    def _take_shape(self, message: HandShape) -> None:
        if message.side != self._side:
            return
        try:
            self._shape = shape_from_message(message)
        except ValueError as error:
            self.input.drop(error)
            return
        if not self._shape_known:
            self._shape_known = True
            self._node.get_logger().info(f'shape received: hand length {self._shape.hand_length * 1000:.1f} mm')

    def _pose(self, message: HandKeypoints) -> None:
        found, camera = keypoints_from_message(message), camera_from_keypoints(message)
        if message.width > 0:  # else it is of no picture, which says nothing of the camera
            self._calibrated = camera is not None
        depth = None
        if message.valid:
            depth = self._depth.nearest(message.header, (message.width, message.height))
        timings = {'keypoints': message.detect_latency}
        self._stage.process(message.header, found, self._shape, camera, timings, depth)


class IkNode(ManagedNode[IkSettings]):
    """ik_node; `options` are those of rclpy's Node."""

    def __init__(self, **options: Any) -> None:
        super().__init__('ik_node', load_ik_settings, IkWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable ik_node."""
    return run_node('ik_node', IkNode, args)


if __name__ == '__main__':
    sys.exit(main())
