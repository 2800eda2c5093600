"""camera_node: a webcam, video, picture, folder of pictures or rendered hand as a ROS camera.

Publishes:
    image_raw              sensor_msgs/Image            bgr8
    image_raw/compressed   sensor_msgs/CompressedImage  JPEG, made only while subscribed
    camera_info            sensor_msgs/CameraInfo       one per picture; k all zero = not calibrated
    hand/truth             minimal_hand_ros/HandPose    of the rendered hand; source 'rendered' only

Parameters: see CameraSettings in settings.py.

A picture of a folder that cannot be read is named, counted and skipped. A source that does not exist, or gives no
pictures any more, ends the node with one error line and exit code 1; the end of a source that does not loop ends it
with exit code 0.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from minimal_hand_core.data.calibration import camera_from_field_of_view, load_calibration
from minimal_hand_core.data.sources import PictureSource, Shot, SourceError, open_source
from minimal_hand_core.tracking import CameraError, CameraModel, PictureError
from minimal_hand_ros import qos
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.images import compressed_message, image_message
from minimal_hand_ros.messages import info_from_camera, truth_message
from minimal_hand_ros.msg import HandPose
from minimal_hand_ros.run import NodeFailure, WorkDone, run_node
from minimal_hand_ros.settings import load_camera_settings
from minimal_hand_ros.threads import limit_threads


class CameraNode(Node):
    """Publishes the pictures of one source at a steady rate."""

    # rclpy destroys a node whose start failed half way, too.
    _source: PictureSource | None = None

    def __init__(self) -> None:
        super().__init__('camera_node')
        self._settings = settings = load_camera_settings(self)
        limit_threads(settings.threads)
        self._calibration = load_calibration(settings.camera_info) if settings.camera_info else None
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
        self._drops = DropCounter('picture')
        self._pictures = self.create_publisher(Image, 'image_raw', qos.pictures(reliable=True))
        self._compressed = self.create_publisher(CompressedImage, 'image_raw/compressed', qos.pictures(reliable=True))
        self._infos = self.create_publisher(CameraInfo, 'camera_info', qos.RESULTS)
        self._truth = (
            self.create_publisher(HandPose, 'hand/truth', qos.RESULTS) if settings.source == 'rendered' else None
        )
        rate = settings.rate or self._source.rate
        self._timer = self.create_timer(1 / rate, self._tick)
        self.get_logger().info(f'source {settings.source}, {rate:g} pictures per second')

    def destroy_node(self) -> None:
        """Let go of the source too."""
        if self._source is not None:
            self._source.close()
        super().destroy_node()

    def _tick(self) -> None:
        try:
            shot = self._source.read()
        except PictureError as error:
            line = self._drops.drop(error)
            if line is not None:
                self.get_logger().warning(line)
            return
        except SourceError as error:
            raise NodeFailure(error) from None
        if shot is None:
            self.get_logger().info(f'source {self._settings.source} is at its end')
            self._pictures.wait_for_all_acked(Duration(seconds=1))
            raise WorkDone
        self._publish(shot)

    def _publish(self, shot: Shot) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._settings.frame_id)
        height, width = shot.image.shape[:2]
        # first, so that it is there when the picture comes
        self._infos.publish(info_from_camera(header, self._camera(width, height), width, height))
        if self._truth is not None and shot.truth is not None:
            self._truth.publish(truth_message(header, shot.truth))
        if self._pictures.get_subscription_count():
            self._pictures.publish(image_message(header, shot.image))
        if self._compressed.get_subscription_count():
            self._compressed.publish(compressed_message(header, shot.image, self._settings.jpeg_quality))

    def _camera(self, width: int, height: int) -> CameraModel | None:
        """The source's own intrinsics, else the calibration file's, else the assumed field of view."""
        if self._source.camera is not None:
            return self._source.camera
        if self._calibration is not None:
            try:
                self._calibration.check_size(width, height)
            except CameraError as error:
                raise NodeFailure(f'camera info {self._settings.camera_info}: {error}') from None
            return self._calibration
        if (width, height) not in self._assumed:
            fov = self._settings.horizontal_fov
            self._assumed[width, height] = camera_from_field_of_view(width, height, fov) if fov else None
            self.get_logger().warning(
                'pictures without calibration: '
                + (f'{fov:g}° field of view assumed, distances are as good as that' if fov else 'no metric positions')
                + '; give camera_info:=FILE',
                once=True,
            )
        return self._assumed[width, height]


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable camera_node."""
    return run_node('camera_node', CameraNode, args)


if __name__ == '__main__':
    sys.exit(main())
