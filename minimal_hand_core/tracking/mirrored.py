"""Selfie cameras: pictures that were flipped left to right before they reach us.

Convention, for a picture of width W, pixel centres at integers:
    * A *mirrored* picture shows at column W − 1 − u what the camera saw at column u. A right hand looks like a left one
      in it.
    * `uv` and crops are always pixels of the picture as received, so that they can be drawn on it.
    * The camera's intrinsics are those of the picture as received too, as a calibration with such pictures finds them:
      its cx is W − 1 − the camera's own.
    * `side` is the person's own hand, and everything in three dimensions (xyz, wrist, rotations, TF) is in the real
      camera's frame, x to the right of the camera as it looks out, as if nothing had been flipped. A mirrored frame
      would be left-handed, and its rotations improper.

So the tracker flips picture and intrinsics back, does its work, and flips the uv it found.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from minimal_hand_core.tracking.camera import CameraModel
from minimal_hand_core.tracking.crop import Crop
from minimal_hand_core.tracking.state import Keypoints

# OpenCV's coefficients that turn their sign with x: p2, the first pair of the thin prism, and the tilt about y.
_ODD_IN_X = (3, 8, 9, 13)


def mirror_picture(picture: np.ndarray) -> np.ndarray:
    """(H, W, …) with its columns in the other order, contiguous."""
    return np.ascontiguousarray(cv2.flip(picture, 1))


def mirror_uv(uv: np.ndarray, width: int) -> np.ndarray:
    """(…, 2) pixels of a picture → of its mirror image; its own inverse."""
    return np.asarray(uv, np.float64) * (-1, 1) + (width - 1, 0)


def mirror_crop(crop: Crop, width: int) -> Crop:
    """The square of the mirror image that shows the same."""
    return Crop((width - 1 - crop.center[0], crop.center[1]), crop.side, -crop.angle)


def mirror_keypoints(keypoints: Keypoints, width: int) -> Keypoints:
    """The same keypoints with uv and crop in the mirror image; xyz stays in the real camera's axes."""
    crop = None if keypoints.crop is None else mirror_crop(keypoints.crop, width)
    return replace(keypoints, uv=mirror_uv(keypoints.uv, width), crop=crop)


def mirror_camera(camera: CameraModel, width: int) -> CameraModel:
    """Intrinsics of the mirror image of a picture `width` pixels wide; its own inverse."""
    k, d = camera.k.copy(), camera.d.copy()
    k[0, 2], k[0, 1] = width - 1 - k[0, 2], -k[0, 1]
    if camera.distortion_model != 'equidistant':
        d[[i for i in _ODD_IN_X if i < len(d)]] *= -1
    return CameraModel(camera.width, camera.height, k, d, camera.distortion_model)


def project_as_received(points: np.ndarray, camera: CameraModel, width: int, mirrored: bool) -> np.ndarray:
    """Where points in the real camera's frame lie in the picture as received.

    Args:
        points: (N, 3) metres.
        camera: intrinsics of the picture as received.
        width: of the picture, pixels.
        mirrored: whether it is.

    Returns:
        (N, 2) float64 pixels.
    """
    if not mirrored:
        return camera.project(points)
    return mirror_uv(mirror_camera(camera, width).project(points), width)
