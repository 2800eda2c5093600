"""shape_server: keypoints in, the shape and size of the hand out.

Subscribes:
    hand/keypoints   minimal_hand_ros/HandKeypoints   those of the server's side count

Publishes:
    hand/shape       minimal_hand_ros/HandShape       latched; at the start, and whenever it changes
    /diagnostics     diagnostic_msgs/DiagnosticArray  how the node is, once per second

Services:
    calibrate        minimal_hand_ros/CalibrateShape  measure the hand in view and hold its shape
    reset            std_srvs/Trigger                 forget the shape and follow the pictures again

Parameters: see ShapeSettings in settings/shape.py. Lifecycle: see lifecycle.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from minimal_hand_core.hand import load_hand_model
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.keypoint_input import KeypointInput
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.messages import keypoints_from_message
from minimal_hand_ros.msg import HandKeypoints
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import ShapeSettings, load_shape_settings
from minimal_hand_ros.shape_stage import ShapeStage
from minimal_hand_ros.threads import limit_threads


class ShapeWork(Work[ShapeSettings]):
    """Runs the ShapeStage on every HandKeypoints of its side."""

    def __init__(self, node: ManagedNode, settings: ShapeSettings) -> None:
        self._node = node
        self._side = settings.side
        limit_threads(settings.threads)
        self._stage = ShapeStage(node, settings, load_hand_model(settings.model, side=settings.side))
        self.input = KeypointInput(node, 'shape', self._learn)

    def start(self) -> None:
        """Take keypoints and serve."""
        self._stage.start()
        self.input.start()
        self._node.get_logger().info(f'ready: the shape of the {self._side} hand')

    def stop(self) -> None:
        """Take no more keypoints; end a calibration that is under way."""
        self.input.stop()
        self._stage.stop()

    def change(self, settings: ShapeSettings) -> None:
        """Take other settings."""
        self._stage.change(settings)

    def report(self) -> Report:
        """How things are."""
        return self.input.report(self._stage.state)

    def _learn(self, message: HandKeypoints) -> None:
        if message.side == self._side:
            self._stage.update(message.header, keypoints_from_message(message))
            self._stage.publish()


class ShapeServer(ManagedNode[ShapeSettings]):
    """shape_server; `options` are those of rclpy's Node."""

    def __init__(self, **options: Any) -> None:
        super().__init__('shape_server', load_shape_settings, ShapeWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable shape_server."""
    return run_node('shape_server', ShapeServer, args)


if __name__ == '__main__':
    sys.exit(main())
