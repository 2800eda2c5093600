"""sensor_msgs/Image and CompressedImage ↔ BGR arrays, in pure functions; how they are read is told in the core."""

from __future__ import annotations

from array import array

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from minimal_hand_core.data.picture_messages import (
    ENCODINGS,
    JPEG_FORMAT,
    encode_jpeg,
    picture_from_compressed,
    picture_from_image,
)

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
    data = array('B')
    data.frombytes(encode_jpeg(picture, quality).data.cast('B'))
    return CompressedImage(header=header, format=JPEG_FORMAT, data=data)
