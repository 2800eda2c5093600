"""The last stage, keypoints and shape → pose, with its publishers; the same for ik_node and tracker."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rclpy.node import Node
from std_msgs.msg import Header

from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking import CameraModel, Keypoints, NoHand, PoseConfig, PoseEstimator
from minimal_hand_ros.outputs import PoseOutput
from minimal_hand_ros.settings import OutputSettings


class PoseStage:
    """PoseEstimator → PoseOutput.

    Args:
        node: the node that publishes.
        config: of the estimator.
        output: what is published.

    Raises:
        ValueError: the hand model cannot be loaded.
    """

    def __init__(self, node: Node, config: PoseConfig, output: OutputSettings) -> None:
        self.estimator = PoseEstimator(config)
        self._output = PoseOutput(node, output, self.estimator)

    def process(
        self,
        header: Header,
        found: Keypoints | NoHand,
        shape: HandShape,
        camera: CameraModel | None,
        timings: Mapping[str, float],
    ) -> None:
        """Pose the hand of one picture and publish it, or count the picture as one without a hand.

        Args:
            header: of the picture.
            found: what the detector says of it.
            shape: of the hand.
            camera: intrinsics of the picture; None for unknown.
            timings: seconds of the stages before this one.

        Raises:
            ValueError: keypoints of the other side.
        """
        start = time.perf_counter()
        state = None
        if isinstance(found, Keypoints):
            state = self.estimator.update(found, shape, camera)
        else:
            self.estimator.miss(found.stamp)
        timings = {**timings, 'pose': time.perf_counter() - start}
        if state is None:
            self._output.miss(header, found.score, timings)
        else:
            self._output.publish(header, state, timings)
