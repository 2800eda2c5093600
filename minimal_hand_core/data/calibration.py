"""Intrinsics of a camera from a calibration file, or from an assumed field of view."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import yaml

from minimal_hand_core.tracking.camera import CameraError, CameraModel


def load_calibration(path: Path | str) -> CameraModel:
    """Read the YAML file that ROS's camera_calibration writes.

    Args:
        path: the file; a leading file:// is taken off.

    Raises:
        CameraError: no such file, not YAML, a key is missing, or values that no camera has. The message begins with
            the path.
    """
    place = Path(str(path).removeprefix('file://')).expanduser()
    try:
        content = yaml.safe_load(place.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, 'strerror', None) or 'it is not YAML'
        raise CameraError(f'camera info {place} cannot be read: {reason}') from None
    try:
        return CameraModel(
            int(content['image_width']),
            int(content['image_height']),
            np.array(content['camera_matrix']['data'], np.float64),
            np.array(content['distortion_coefficients']['data'], np.float64),
            str(content['distortion_model']),
        )
    except (KeyError, TypeError) as error:
        missing = f'{error} is missing' if isinstance(error, KeyError) else 'its values are not where they belong'
        raise CameraError(f'camera info {place}: {missing}; give a file as ROS camera_calibration writes it') from None
    except ValueError as error:
        raise CameraError(f'camera info {place}: {error}') from None


def camera_from_field_of_view(width: int, height: int, degrees: float) -> CameraModel:
    """The ideal pinhole camera with this horizontal field of view, its axis through the picture's centre.

    Args:
        width, height: size of the pictures, pixels.
        degrees: angle from the left border to the right one, above 0 and below 180.
    """
    if not 0 < degrees < 180:
        raise CameraError(f'horizontal field of view is {degrees}°; give more than 0 and less than 180')
    focal = width / (2 * math.tan(math.radians(degrees) / 2))
    k = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return CameraModel(width, height, k, np.zeros(0))
