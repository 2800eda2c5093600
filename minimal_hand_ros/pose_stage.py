"""The last stage, keypoints and shape → pose, with its publishers; the same for ik_node and tracker."""

from __future__ import annotations

import time
from collections.abc import Mapping

from std_msgs.msg import Header

from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking import CameraModel, DepthPicture, Keypoints, NoHand, PoseConfig, PoseEstimator
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.names import ONE_HAND, HandNames
from minimal_hand_ros.outputs import PoseOutput
from minimal_hand_ros.settings import OutputSettings
from minimal_hand_ros.stamps import LastHeader

_CHECK_PERIOD = 0.1


class PoseStage:
    """PoseEstimator → PoseOutput, and the end of a hand of which no picture tells any more.

    Args:
        node: the node that publishes.
        config: of the estimator.
        output: what is published.
        names: of the topics.

    Raises:
        ValueError: the hand model cannot be loaded.
    """

    def __init__(
        self,
        node: ManagedNode,
        config: PoseConfig,
        output: OutputSettings,
        names: HandNames = ONE_HAND,
    ) -> None:
        self._node = node
        self._settings = output
        self.estimator = PoseEstimator(config)
        self._output = PoseOutput(node, output, self.estimator, names)
        self._last = LastHeader(node)

    def start(self) -> None:
        """Watch for the end of the pictures."""
        self._node.active.timer(_CHECK_PERIOD, self._check_silence)

    def lose(self) -> None:
        """Say that there is no hand any more, unless that was said, and forget it."""
        header = self._last.now()
        if header is not None:
            self._last.forget()
            self.estimator.reset()
            self._output.miss(header, 0.0, {})

    def change(self, config: PoseConfig, output: OutputSettings) -> None:
        """Take other settings."""
        self._settings = output
        self.estimator.reconfigure(config)
        self._output.change(output)

    def process(
        self,
        header: Header,
        found: Keypoints | NoHand,
        shape: HandShape,
        camera: CameraModel | None,
        timings: Mapping[str, float],
        depth: DepthPicture | None = None,
    ) -> float:
        """Pose the hand of one picture and publish it, or count the picture as one without a hand.

        Args:
            header: of the picture.
            found: what the detector says of it.
            shape: of the hand.
            camera: intrinsics of the picture; None for unknown.
            timings: seconds of the stages before this one.
            depth: that belongs to the picture, if there is any.

        Returns:
            seconds for the pose.

        Raises:
            ValueError: keypoints of the other side.
        """
        start = time.perf_counter()
        state = None
        if isinstance(found, Keypoints):
            state = self.estimator.update(found, shape, camera, depth)
        else:
            self.estimator.miss(found.stamp)
        self._last.take(header)
        seconds = time.perf_counter() - start
        timings = {**timings, 'pose': seconds}
        if state is None:
            self._output.miss(header, found.score, timings)
        else:
            self._output.publish(header, state, timings)
        return seconds

    def _check_silence(self) -> None:
        timeout = max(self._settings.input_timeout, self.estimator.config.lost_timeout)
        if self._last.header is not None and self._last.silence > timeout:
            self.lose()
