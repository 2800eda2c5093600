"""sensor_msgs/Image and CompressedImage ↔ BGR arrays, in pure functions; how they are read is told in the core."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from minimal_hand_core.data.picture_messages import ENCODINGS, picture_from_compressed, picture_from_image
from minimal_hand_core.tracking.picture import PictureError

__all__ = ['ENCODINGS', 'compressed_message', 'image_message', 'picture_from_compressed', 'picture_from_image']


def image_message(header: Header, picture: np.ndarray) -> Image:
    """A raw bgr8 message of a (H, W, 3) uint8 BGR picture."""
    # array.array is the only container that is quick with and without field checks (bytes: 75 ms with them)
    data = array('B')
    data.frombytes(np.ascontiguousarray(picture).data.cast('B'))
    height, width = picture.shape[:2]
    return Image(header=header, height=height, width=width, encoding='bgr8', step=width * 3, data=data)


def compressed_message(header: Header, picture: np.ndarray, quality: int = 90) -> CompressedImage:
    """A JPEG message of a (H, W, 3) uint8 BGR picture; `quality` 1…100."""
    done, encoded = cv2.imencode('.jpg', picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not done:
        raise PictureError(f'picture of shape {picture.shape} could not be encoded as JPEG')
    data = array('B')
    data.frombytes(encoded.data.cast('B'))
    return CompressedImage(header=header, format='bgr8; jpeg compressed bgr8', data=data)
