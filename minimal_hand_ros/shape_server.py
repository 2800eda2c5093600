"""shape_server: keypoints in, the shape and size of the hand out.

Subscribes:
    hand/keypoints   minimal_hand_ros/HandKeypoints   those of the server's side count
    depth/image_raw  sensor_msgs/Image                16UC1 or 32FC1, registered to the pictures; parameter depth

Publishes:
    hand/shape       minimal_hand_ros/HandShape       latched; at the start, and whenever it changes
    /diagnostics     diagnostic_msgs/DiagnosticArray  how the node is, once per second

Services:
    calibrate        minimal_hand_ros/CalibrateShape  measure the hand in view (depth: also its length), hold its shape
    reset            std_srvs/Trigger                 forget the shape and follow the pictures again

Parameters: see ShapeServerSettings in settings/shape.py. Lifecycle: see lifecycle.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape import HandShape
from minimal_hand_core.threads import limit_threads
from minimal_hand_core.tracking import Keypoints, PoseEstimator
from minimal_hand_ros.depth_input import DepthInput
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.keypoint_input import KeypointInput
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.messages import camera_from_keypoints, keypoints_from_message
from minimal_hand_ros.msg import HandKeypoints
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import ShapeServerSettings, load_shape_settings
from minimal_hand_ros.shape_stage import ShapeStage


class ShapeWork(Work[ShapeServerSettings]):
    """Runs the ShapeStage on every HandKeypoints of its side."""

    def __init__(self, node: ManagedNode, settings: ShapeServerSettings) -> None:
        self._node = node
        shape = settings.shape
        self._side = shape.side
        limit_threads(shape.threads)
        model = load_hand_model(shape.model, side=shape.side)
        self._stage = ShapeStage(node, shape, model)
        self._depth = DepthInput(node, settings.depth)
        self._estimator = None if settings.depth.mode == 'off' else PoseEstimator(settings.pose, model)
        self.input = KeypointInput(node, 'shape', self._learn)

    def start(self) -> None:
        """Take keypoints and depth, and serve."""
        self._stage.start()
        self._depth.start()
        self.input.start()
        self._node.get_logger().info(f'ready: the shape of the {self._side} hand')

    def stop(self) -> None:
        """Take no more keypoints and depth; end a calibration that is under way."""
        self.input.stop()
        self._depth.stop()
        self._stage.stop()

    def change(self, settings: ShapeServerSettings) -> None:
        """Take other settings."""
        self._stage.change(settings.shape)
        self._depth.change(settings.depth)
        if self._estimator is not None:
            self._estimator.reconfigure(settings.pose)

    def report(self) -> Report:
        """How things are."""
        return self.input.report(self._stage.state, self._depth.warnings(), self._depth.values())

    def _learn(self, message: HandKeypoints) -> None:
        if message.side != self._side:
            return
        found, measure = keypoints_from_message(message), None
        if self._estimator is not None and isinstance(found, Keypoints):
            measure = partial(self._measure, self._estimator, message, found)
        self._stage.update(message.header, found, measure)
        self._stage.publish()

    def _measure(
        self, estimator: PoseEstimator, message: HandKeypoints, found: Keypoints, shape: HandShape
    ) -> float | None:
        camera = camera_from_keypoints(message)
        depth = self._depth.nearest(message.header, (message.width, message.height))
        return None if camera is None or depth is None else estimator.measure_length(found, shape, camera, depth)


class ShapeServer(ManagedNode[ShapeServerSettings]):
    """shape_server; `options` are those of rclpy's Node."""

    def __init__(self, **options: Any) -> None:
        super().__init__('shape_server', load_shape_settings, ShapeWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable shape_server."""
    return run_node('shape_server', ShapeServer, args)


if __name__ == '__main__':
    sys.exit(main())
