"""Publishing what became of one picture: pose, wrist, TF, joints, markers; and, once the hand is lost, that it is gone.

A component for nodes that end in a pose (ik_node and tracker).
"""

from __future__ import annotations

from collections.abc import Mapping

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from minimal_hand_core.tracking import HandState, PoseEstimator
from minimal_hand_ros import qos
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.markers import HandMarkers, delete_markers
from minimal_hand_ros.messages import joint_message, lost_message, pose_message, wrist_message
from minimal_hand_ros.msg import HandPose
from minimal_hand_ros.names import ONE_HAND, HandNames
from minimal_hand_ros.settings import DEFAULT_FRAME, OutputSettings
from minimal_hand_ros.stamps import to_nanoseconds
from minimal_hand_ros.transforms import HandTransforms, make_publisher


class PoseOutput:
    """Publishers of `hand/pose`, `hand/wrist`, `hand/joint_states`, `hand/markers` and `/tf`.

    Wrist, TF and markers are places in the camera's frame: they are published only for metric poses. TF goes out first;
    the others are made only while somebody listens, and markers at most at `marker_rate`: a mesh is 390 kB.

    Args:
        node: the node that publishes.
        settings: frame and switches.
        estimator: knows the hand's mesh, and when the hand is lost.
        names: of the topics.
    """

    def __init__(
        self,
        node: ManagedNode,
        settings: OutputSettings,
        estimator: PoseEstimator,
        names: HandNames = ONE_HAND,
    ) -> None:
        self._node = node
        self._estimator = estimator
        self._side = estimator.config.side
        self._hand_markers = HandMarkers(estimator.model)
        self._said_lost = False
        self._markers_shown = False
        self._marker_stamp = 0
        self._warned = False
        self._pose = node.configured.publisher(HandPose, f'{names.topics}pose', qos.RESULTS)
        self._wrist = node.configured.publisher(PoseWithCovarianceStamped, f'{names.topics}wrist', qos.RESULTS)
        self._joints = node.configured.publisher(JointState, f'{names.topics}joint_states', qos.RESULTS)
        self._markers = node.configured.publisher(MarkerArray, f'{names.topics}markers', qos.LATEST)
        self._transforms: Publisher | None = None
        self._hand_transforms = HandTransforms()
        self.change(settings)

    def change(self, settings: OutputSettings) -> None:
        """Take other settings."""
        self._settings = settings
        # a little less than the period, so that pictures at a multiple of the rate are not missed by a hair
        self._marker_period = int(0.95e9 / settings.marker_rate) if settings.marker_rate else 0
        if settings.publish_tf and self._transforms is None:
            self._transforms = make_publisher(self._node)

    def publish(self, header: Header, state: HandState, timings: Mapping[str, float]) -> None:
        """A hand was found in the picture with this header; `timings` are seconds per stage."""
        self._said_lost = False
        header = self._in_frame(header)
        if state.metric and self._settings.publish_tf and self._transforms is not None:
            self._transforms.publish(self._hand_transforms.serialized(header, state))
        if _heard(self._pose):
            self._pose.publish(pose_message(header, state, timings))
        if _heard(self._joints):
            self._joints.publish(joint_message(header, state.side, state.angles))
        if state.metric:
            if _heard(self._wrist):
                self._wrist.publish(PoseWithCovarianceStamped(header=header, pose=wrist_message(state)))
            self._show_markers(header, state)
            return
        self._hide_markers(header)
        if not self._warned:
            self._warned = True
            self._node.get_logger().warning(
                'the camera is not calibrated (no camera_info, or its k is all zero): '
                'poses are relative to the wrist, and there is no TF and no marker'
            )

    def miss(self, header: Header, score: float, timings: Mapping[str, float]) -> None:
        """No hand in the picture with this header. Once it counts as lost, that is said, once."""
        if self._said_lost or not self._estimator.lost:
            return
        self._said_lost = True
        header = self._in_frame(header)
        self._pose.publish(lost_message(header, self._side, score, timings))
        self._hide_markers(header)

    def _show_markers(self, header: Header, state: HandState) -> None:
        if not _heard(self._markers) or not self._markers_due(header):
            return
        self._markers_shown = True
        vertices = self._estimator.mesh(state)
        self._markers.publish(self._hand_markers.serialized(header, state.keypoints_m, vertices, state.confidence))

    def _markers_due(self, header: Header) -> bool:
        stamp = to_nanoseconds(header.stamp)
        if self._markers_shown and 0 <= stamp - self._marker_stamp < self._marker_period:
            return False
        self._marker_stamp = stamp
        return True

    def _hide_markers(self, header: Header) -> None:
        if self._markers_shown:
            self._markers_shown = False
            self._markers.publish(delete_markers(header, self._side))

    def _in_frame(self, header: Header) -> Header:
        frame = self._settings.camera_frame or header.frame_id or DEFAULT_FRAME
        return header if frame == header.frame_id else Header(stamp=header.stamp, frame_id=frame)


def _heard(publisher: Publisher) -> bool:
    """Whether anybody listens."""
    return publisher.get_subscription_count() > 0
