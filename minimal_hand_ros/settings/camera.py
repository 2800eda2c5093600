"""Parameters of camera_node."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_core.data.films import DEFAULT_RATE, FASTEST
from minimal_hand_ros.parameters import ParameterLoader
from minimal_hand_ros.settings.common import DEFAULT_FRAME, load_model, load_side, load_threads


@dataclass(frozen=True)
class CameraSettings:
    """Settings of camera_node; lengths in pixels, rate in Hz (0 = the source's own), angles in degrees."""

    source: str
    rate: float
    loop: bool
    hold: int
    frame_id: str
    camera_info: str
    horizontal_fov: float
    jpeg_quality: int
    side: str
    model: str
    seed: int
    threads: int


def load_camera_settings(load: ParameterLoader) -> CameraSettings:
    """The parameters of camera_node."""
    return CameraSettings(
        source=load.text(
            'source',
            'rendered',
            "'rendered', a webcam's index, or the path of a picture, a folder of pictures, a video or a recording",
            may_be_empty=False,
        ),
        rate=load.number(
            'rate', 0.0, 0.0, FASTEST, f'pictures per second; 0: those of the film, {DEFAULT_RATE:g} of a folder'
        ),
        loop=load.flag('loop', True, 'start over at the end of a file or folder'),
        hold=load.integer('hold', 1, 1, 10000, 'how often each picture of a folder is published before the next one'),
        frame_id=load.text(
            'frame_id', DEFAULT_FRAME, 'TF frame of the pictures (optical: z forward)', may_be_empty=False, live=True
        ),
        camera_info=load.text('camera_info', '', 'calibration file as ROS camera_calibration writes it; empty: none'),
        horizontal_fov=load.number(
            'horizontal_fov',
            60.0,
            0.0,
            170.0,
            'degrees, assumed where there is no calibration; 0: publish the camera as not calibrated',
            live=True,
        ),
        jpeg_quality=load.integer('jpeg_quality', 90, 1, 100, 'of image_raw/compressed', live=True),
        side=load_side(load),
        model=load_model(load),
        seed=load.integer('seed', 0, 0, 2**31 - 1, 'of the rendered hand'),
        threads=load_threads(load),
    )
