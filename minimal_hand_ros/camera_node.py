"""camera_node: a webcam, video, picture, folder of pictures or rendered hand as a ROS camera.

Publishes:
    image_raw              sensor_msgs/Image            bgr8
    image_raw/compressed   sensor_msgs/CompressedImage  JPEG, made only while subscribed
    camera_info            sensor_msgs/CameraInfo       one per picture; k all zero = not calibrated
    hand/truth             minimal_hand_ros/HandPose    of the rendered hand; source 'rendered' only
    /diagnostics           diagnostic_msgs/DiagnosticArray  how the node is, once per second

Parameters: see CameraSettings in settings/camera.py. Lifecycle: see lifecycle.py.

A picture of a folder that cannot be read is named, counted and skipped. A source that does not exist, or gives no
pictures any more, ends the node with one error line and exit code 1; the end of a source that does not loop ends it
with exit code 0. Where the node is managed (autostart false) both only take it back to unconfigured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from rclpy.duration import Duration
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from minimal_hand_core.data.calibration import camera_from_field_of_view, load_calibration
from minimal_hand_core.data.sources import Shot, SourceError, open_source
from minimal_hand_core.threads import limit_threads
from minimal_hand_core.tracking import CameraError, CameraModel, PictureError
from minimal_hand_ros import health, qos
from minimal_hand_ros.backlog import DEPTH
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.images import compressed_message, image_message
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.messages import info_from_camera, truth_message
from minimal_hand_ros.msg import HandPose
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import CameraSettings, load_camera_settings
from minimal_hand_ros.work_statistics import Statistics


class CameraWork(Work[CameraSettings]):
    """Publishes the pictures of one source at a steady rate."""

    def __init__(self, node: ManagedNode, settings: CameraSettings) -> None:
        self._node = node
        self._settings = settings
        limit_threads(settings.threads)
        self._calibration = load_calibration(settings.camera_info) if settings.camera_info else None
        if settings.source == 'rendered' and self._calibration is not None:
            self._calibration = None
            node.get_logger().warning('camera_info is not used: the rendered hand has a camera of its own')
        self._source = open_source(
            settings.source,
            loop=settings.loop,
            side=settings.side,
            model=settings.model,
            seed=settings.seed,
            rate=settings.rate,
            hold=settings.hold,
        )
        self._assumed: dict[tuple[int, int], CameraModel | None] = {}
        self._last_info: tuple[tuple[CameraModel | None, int, int], CameraInfo] | None = None
        self._drops = DropCounter('picture', node.get_logger().warning)
        self._statistics = Statistics()
        publisher = node.configured.publisher
        self._pictures = publisher(Image, 'image_raw', qos.pictures(reliable=True, depth=DEPTH))
        self._compressed = publisher(CompressedImage, 'image_raw/compressed', qos.pictures(reliable=True, depth=DEPTH))
        self._infos = publisher(CameraInfo, 'camera_info', qos.RESULTS)
        self._truth = publisher(HandPose, 'hand/truth', qos.RESULTS) if settings.source == 'rendered' else None

    def start(self) -> None:
        """Send pictures."""
        rate = self._settings.rate or self._source.rate
        self._node.active.timer(1 / rate, self._tick)
        self._node.get_logger().info(f'source {self._settings.source}, {rate:g} pictures per second')

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()

    def change(self, settings: CameraSettings) -> None:
        """Take other settings."""
        self._settings = settings
        self._assumed.clear()

    def report(self) -> Report:
        """How things are."""
        summary = self._statistics.summary(self._drops.reasons)
        level, message = health.judge(summary, 'pictures', 'sending')
        return Report(level, message, {'source': self._settings.source, **health.values(summary, 'pictures')})

    def _tick(self) -> None:
        start = time.perf_counter()
        try:
            shot = self._source.read()
        except PictureError as error:
            self._statistics.arrived()
            self._statistics.dropped()
            self._drops.drop(error)
            return
        except SourceError as error:
            self._node.finish(error)
            return
        if shot is None:
            self._node.get_logger().info(f'source {self._settings.source} is at its end')
            for publisher in filter(None, (self._pictures, self._compressed, self._infos, self._truth)):
                publisher.wait_for_all_acked(Duration(seconds=1))
            self._node.finish()
            return
        self._statistics.arrived()
        read = time.perf_counter()
        try:
            self._publish(shot)
        except CameraError as error:
            self._node.finish(CameraError(f'camera info {self._settings.camera_info}: {error}'))
            return
        seconds = {'read': read - start, 'publish': time.perf_counter() - read}
        self._statistics.answered(seconds)

    def _publish(self, shot: Shot) -> None:
        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id=self._settings.frame_id)
        height, width = shot.image.shape[:2]
        # first, so that it is there when the picture comes
        self._infos.publish(self._info(header, width, height))
        if self._truth is not None and shot.truth is not None:
            self._truth.publish(truth_message(header, shot.truth))
        if self._pictures.get_subscription_count():
            self._pictures.publish(image_message(header, shot.image))
        if self._compressed.get_subscription_count():
            self._compressed.publish(compressed_message(header, shot.image, self._settings.jpeg_quality))

    def _info(self, header: Header, width: int, height: int) -> CameraInfo:
        """The camera info of a picture; the last one with another header as long as the camera is the same."""
        camera = self._camera(width, height)
        if self._last_info is None or self._last_info[0] != (camera, width, height):
            self._last_info = (camera, width, height), info_from_camera(header, camera, width, height)
        info = self._last_info[1]
        info.header = header
        return info

    def _camera(self, width: int, height: int) -> CameraModel | None:
        """The calibration file's intrinsics, else the source's own, else the assumed field of view.

        Raises:
            CameraError: the calibration file is for pictures of another size.
        """
        if self._calibration is not None:
            self._calibration.check_size(width, height)
            return self._calibration
        if self._source.camera is not None:
            return self._source.camera
        if (width, height) not in self._assumed:
            fov = self._settings.horizontal_fov
            self._assumed[width, height] = camera_from_field_of_view(width, height, fov) if fov else None
            self._node.get_logger().warning(
                'pictures without calibration: '
                + (f'{fov:g}° field of view assumed, distances are as good as that' if fov else 'no metric positions')
                + '; give camera_info:=FILE',
                once=True,
            )
        return self._assumed[width, height]


class CameraNode(ManagedNode[CameraSettings]):
    """camera_node; `options` are those of rclpy's Node."""

    def __init__(self, **options: Any) -> None:
        super().__init__('camera_node', load_camera_settings, CameraWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable camera_node."""
    return run_node('camera_node', CameraNode, args)


if __name__ == '__main__':
    sys.exit(main())
