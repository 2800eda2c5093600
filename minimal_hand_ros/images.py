"""sensor_msgs/Image and CompressedImage ↔ BGR arrays, in pure functions.

cv_bridge is not used, even where ROS installs it: the conversions below are one NumPy view and at most one OpenCV call
each, they check what cv_bridge trusts (step, length, size), and they behave alike on both installation routes.

Convention:
    Pictures in the system are (H, W, 3) uint8 BGR, C order. What cannot become one raises PictureError with a message
    that names what was found and what would be right; nodes drop and count such pictures and go on.
"""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from minimal_hand_core.data.decoding import decode_picture
from minimal_hand_core.tracking.picture import PictureError

# encoding: (bytes per pixel, OpenCV conversion to BGR or None)
_COLOUR = {
    'bgr8': (3, None),
    '8UC3': (3, None),
    'rgb8': (3, cv2.COLOR_RGB2BGR),
    'bgra8': (4, cv2.COLOR_BGRA2BGR),
    '8UC4': (4, cv2.COLOR_BGRA2BGR),
    'rgba8': (4, cv2.COLOR_RGBA2BGR),
    'yuv422': (2, cv2.COLOR_YUV2BGR_UYVY),
    'uyvy': (2, cv2.COLOR_YUV2BGR_UYVY),
    'yuv422_yuy2': (2, cv2.COLOR_YUV2BGR_YUY2),
    'yuyv': (2, cv2.COLOR_YUV2BGR_YUY2),
    'bayer_rggb8': (1, cv2.COLOR_BayerRGGB2BGR),
    'bayer_bggr8': (1, cv2.COLOR_BayerBGGR2BGR),
    'bayer_gbrg8': (1, cv2.COLOR_BayerGBRG2BGR),
    'bayer_grbg8': (1, cv2.COLOR_BayerGRBG2BGR),
}
ENCODINGS = tuple(_COLOUR)
"""Encodings of raw pictures that can be read."""

_GREY = ('mono8', '8UC1', '8SC1')
_RIGHT = 'send 8-bit colour, such as bgr8 or rgb8'


def picture_from_image(message: Image) -> np.ndarray:
    """A raw picture message as (H, W, 3) uint8 BGR.

    For bgr8 the result is a view of the message's memory, without a copy unless rows are padded.

    Raises:
        PictureError: empty, grey, deep or unknown encoding, rows shorter than the width needs, or data cut off.
    """
    height, width, step, encoding = message.height, message.width, message.step, message.encoding
    if height == 0 or width == 0:
        raise PictureError(f'picture is {width}×{height}: it must have at least one pixel')
    if encoding not in _COLOUR:
        raise PictureError(f'picture has encoding {encoding!r}: {_why_not(encoding)}')
    size, conversion = _COLOUR[encoding]
    if size == 2 and width % 2:
        raise PictureError(f'picture has encoding {encoding!r} and odd width {width}: two pixels share their colour')
    if encoding.startswith('bayer') and (width < 4 or height < 4):
        raise PictureError(f'picture is {width}×{height}: {encoding} needs at least 4×4')
    if step < width * size:
        raise PictureError(f'picture has step {step}: {width} pixels of {encoding} need at least {width * size}')
    if len(message.data) < height * step:
        raise PictureError(f'picture has {len(message.data)} bytes: height {height} × step {step} = {height * step}')
    rows = np.frombuffer(message.data, np.uint8, count=height * step).reshape(height, step)[:, : width * size]
    pixels = rows.reshape(height, width) if size == 1 else rows.reshape(height, width, size)
    if conversion is None:
        return np.ascontiguousarray(pixels)
    return cv2.cvtColor(np.ascontiguousarray(pixels), conversion)


def picture_from_compressed(message: CompressedImage) -> np.ndarray:
    """A JPEG, PNG or other encoded picture message as (H, W, 3) uint8 BGR.

    Raises:
        PictureError: a depth picture, data that do not decode, are cut off, grey or deep.
    """
    if 'compressedDepth' in message.format:
        raise PictureError(f'compressed picture has format {message.format!r}: {_RIGHT}')
    name = f'compressed picture of format {message.format!r}'
    return decode_picture(np.frombuffer(message.data, np.uint8), name)


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


def _why_not(encoding: str) -> str:
    if encoding in _GREY:
        return f'a grey picture has too little to go by; {_RIGHT}'
    if '16' in encoding or '32' in encoding or '64' in encoding:
        return f'more than 8 bits per channel; {_RIGHT}'
    return f'unknown; send one of {", ".join(ENCODINGS)}'
