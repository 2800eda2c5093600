"""The first stage, pictures → keypoints of one hand or two, with its topics; the same for keypoint_node and tracker."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from minimal_hand_core.inference import create_engine
from minimal_hand_core.tracking import CameraModel, DetectorConfig, HandsDetector, Keypoints, NoHand, box_crop
from minimal_hand_ros import qos
from minimal_hand_ros.debug import DebugOutput
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.messages import keypoints_message
from minimal_hand_ros.msg import HandKeypoints
from minimal_hand_ros.names import BOTH, names_of, sides_of
from minimal_hand_ros.stamps import to_seconds


class DetectionStage:
    """HandsDetector → `hand/keypoints` (of both hands: `right_hand/keypoints`, `left_hand/keypoints`), the picture with
    what was found, `hand/debug_image`; and `hand/roi`, the box of another detector, which is looked at next.

    Args:
        node: the node that publishes.
        config: of the detector.
        side: 'right', 'left' or 'both'.

    Raises:
        ValueError, OSError: weights or engine that cannot be.
    """

    def __init__(self, node: ManagedNode, config: DetectorConfig, side: str) -> None:
        self._node = node
        self._engine = create_engine(config.backend, config.weights, config.threads)
        self._first_backend = self._engine.backend
        self._detector = HandsDetector(config, self._engine, sides_of(side))
        self._publishers = {
            each: node.configured.publisher(
                HandKeypoints, f'{names_of(each, side == BOTH).topics}keypoints', qos.RESULTS
            )
            for each in self._detector.sides
        }
        self._debug = DebugOutput(node)
        self._box_drops = DropCounter('hand/roi', node.get_logger().warning)
        self._size = (0, 0)
        self._camera: CameraModel | None = None

    def start(self) -> None:
        """Take boxes."""
        self._node.active.subscription(RegionOfInterest, 'hand/roi', self._take_box, qos.NEWEST)

    @property
    def state(self) -> str:
        """What it is doing: 'following', 'searching', or of which hand it is following of both."""
        following = self._detector.following
        if len(self._detector.sides) == 1 or not following:
            return 'following' if following else 'searching'
        return f'following {" and ".join(following)}'

    def change(self, config: DetectorConfig) -> None:
        """Take other settings."""
        self._detector.reconfigure(config)

    def detect(self, header: Header, picture: np.ndarray, camera: CameraModel | None) -> dict[str, Keypoints | NoHand]:
        """Side → hand in the picture (H, W, 3) BGR with this header; camera None = not known."""
        return self._detector.detect(picture, to_seconds(header.stamp), camera, defer=True)

    def check(self) -> float:
        """See now and then whether the side still holds; to be called when all is published. Seconds it took."""
        start = time.perf_counter()
        self._detector.check_sides()
        return time.perf_counter() - start

    def publish(
        self,
        header: Header,
        picture: np.ndarray,
        camera: CameraModel | None,
        found: Mapping[str, Keypoints | NoHand],
        seconds: float,
    ) -> None:
        """Say what was found in the picture, and how many seconds that took."""
        self._size, self._camera = (picture.shape[1], picture.shape[0]), camera
        for side, publisher in self._publishers.items():
            publisher.publish(keypoints_message(header, found[side], side, self._size, camera, seconds))
        self._debug.publish(header, picture, list(found.values()))

    def lose(self, header: Header | None) -> None:
        """Forget the hand, and say that there is none at the time of this header, as of a picture like the last one;
        None: there was no picture yet."""
        self._detector.reset()
        if header is not None:
            none = NoHand(to_seconds(header.stamp), 0.0)
            for side, publisher in self._publishers.items():
                publisher.publish(keypoints_message(header, none, side, self._size, self._camera, 0.0))

    def values(self) -> dict[str, str]:
        """For the diagnostics: which engine runs, which was asked for, and what boxes were dropped why."""
        found = {
            'backend': self._engine.backend,
            'backend asked for': self._detector.config.backend,
            'engine': self._engine.description,
        }
        return found | {f'hand/roi dropped: {reason}': str(count) for reason, count in self._box_drops.reasons.items()}

    def warnings(self) -> list[str]:
        """For the diagnostics: what is not as it should be."""
        if self._engine.backend == self._first_backend:
            return []
        return [f'{self._first_backend} failed, {self._engine.backend} takes its place']

    def _take_box(self, box: RegionOfInterest) -> None:
        if box.width == 0 and box.height == 0:
            return  # by its definition, the whole picture: nothing is known of the hand
        try:
            self._detector.suggest(box_crop(box.x_offset, box.y_offset, box.width, box.height))
        except ValueError as error:
            self._box_drops.drop(error)
