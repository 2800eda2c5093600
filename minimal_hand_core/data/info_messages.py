"""sensor_msgs/CameraInfo to a CameraModel, whoever decoded the message: known by its fields alone, as pictures are."""

from __future__ import annotations

from typing import Any

from minimal_hand_core.tracking.camera import CameraModel, Readout


def camera_from_info(message: Any, *, rectified: bool = False) -> CameraModel | None:
    """Intrinsics of a camera info; None when it says that the camera is not calibrated (k, or p, all zero).

    What it says of binning and of a region of interest is the camera's readout: CameraModel.of_size tells whether it
    counts for a picture. That holds for rectified pictures too, whatever roi.do_rectify: image_proc cuts the same
    region out of them, at the same place.

    Args:
        message: of the camera, with the names of ROS 2 or ROS 1 (K, D, P).
        rectified: those of its pictures after rectification: the left three columns of p, and no distortion.

    Raises:
        CameraError: values that no camera has.
    """
    k, d, p = (getattr(message, name, getattr(message, name.upper(), ())) for name in 'kdp')
    width, height, roi = message.width, message.height, message.roi
    part = (roi.x_offset, roi.y_offset, roi.width, roi.height)
    # ROS takes 0 for 1
    readout = Readout(*part, max(message.binning_x, 1), max(message.binning_y, 1))
    if rectified:
        return CameraModel.from_rectified_info(width, height, p, readout)
    return CameraModel.from_info(width, height, k, d, message.distortion_model, readout)
