"""shape_server: keypoints in, the shape and size of the hand out.

Subscribes:
    hand/keypoints   minimal_hand_ros/HandKeypoints

Publishes:
    hand/shape       minimal_hand_ros/HandShape       latched; at the start, and whenever it changes

Services:
    calibrate        minimal_hand_ros/CalibrateShape  measure the hand in view and hold its shape
    reset            std_srvs/Trigger                 forget the shape and follow the pictures again

Parameters: see ShapeSettings in settings.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.node import Node

from minimal_hand_core.hand import load_hand_model
from minimal_hand_ros import qos
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.messages import keypoints_from_message
from minimal_hand_ros.msg import HandKeypoints
from minimal_hand_ros.run import run_node, two_threads
from minimal_hand_ros.settings import load_shape_settings
from minimal_hand_ros.shape_stage import ShapeStage
from minimal_hand_ros.threads import limit_threads


class ShapeServer(Node):
    """Runs the ShapeStage on every HandKeypoints."""

    # rclpy destroys a node whose start failed half way, too.
    _stage: ShapeStage | None = None

    def __init__(self) -> None:
        super().__init__('shape_server')
        settings = load_shape_settings(self)
        limit_threads(settings.threads)
        self._side = settings.side
        self._stage = ShapeStage(self, settings, load_hand_model(settings.model, side=settings.side))
        self._drops = DropCounter('message')
        self._keypoints = self.create_subscription(HandKeypoints, 'hand/keypoints', self._take, qos.LATEST)
        self.get_logger().info(f'ready: the shape of the {self._side} hand')

    def destroy_node(self) -> None:
        """End a calibration that is under way too."""
        if self._stage is not None:
            self._stage.close()
        super().destroy_node()

    def _take(self, message: HandKeypoints) -> None:
        if message.side != self._side:
            return
        try:
            self._stage.update(message.header, keypoints_from_message(message))
        except ValueError as error:
            line = self._drops.drop(error)
            if line is not None:
                self.get_logger().warning(line)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable shape_server."""
    return run_node('shape_server', ShapeServer, args, executor=two_threads)


if __name__ == '__main__':
    sys.exit(main())
