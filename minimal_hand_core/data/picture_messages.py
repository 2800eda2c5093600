"""sensor_msgs/Image and CompressedImage to BGR arrays, in pure functions, whoever decoded the message.

The messages are known by their fields alone, so that those of ROS and those of a recording are read alike. cv_bridge is
not used, even where ROS installs it: the conversions below are one NumPy view and at most one OpenCV call each, they
check what cv_bridge trusts (step, length, size), and they behave alike on both installation routes.

Convention:
    Pictures in the system are (H, W, 3) uint8 BGR, C order. What cannot become one raises PictureError with a message
    that names what was found and what would be right; nodes drop and count such pictures and go on.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from minimal_hand_core.data.decoding import decode_picture
from minimal_hand_core.tracking.picture import PictureError, eight_bits

JPEG_FORMAT = 'bgr8; jpeg compressed bgr8'
"""What sensor_msgs/CompressedImage says of a picture of `encode_jpeg`."""


class ImageFields(Protocol):
    """The fields of a sensor_msgs/Image that make its picture; `data` is bytes or anything like them."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedFields(Protocol):
    """The fields of a sensor_msgs/CompressedImage that make its picture."""

    format: str
    data: Any


class _Packing(NamedTuple):
    """How one encoding lays out its pixels.

    channels: values per pixel of the rows.
    deep: whether a value has 16 bits rather than 8.
    conversion: of OpenCV, to BGR; None where it is BGR.
    rows: rows of data per two rows of pixels; 3 where colour follows in rows of its own.
    """

    channels: int
    deep: bool = False
    conversion: int | None = None
    rows: int = 2


_PACKED = {
    'uyvy': _Packing(2, conversion=cv2.COLOR_YUV2BGR_UYVY),
    'yuyv': _Packing(2, conversion=cv2.COLOR_YUV2BGR_YUY2),
    'nv12': _Packing(1, conversion=cv2.COLOR_YUV2BGR_NV12, rows=3),
    'nv21': _Packing(1, conversion=cv2.COLOR_YUV2BGR_NV21, rows=3),
}
_BAYER = {
    'rggb': cv2.COLOR_BayerRGGB2BGR,
    'bggr': cv2.COLOR_BayerBGGR2BGR,
    'gbrg': cv2.COLOR_BayerGBRG2BGR,
    'grbg': cv2.COLOR_BayerGRBG2BGR,
}
_PACKINGS = {
    'bgr8': _Packing(3),
    'rgb8': _Packing(3, conversion=cv2.COLOR_RGB2BGR),
    'bgra8': _Packing(4, conversion=cv2.COLOR_BGRA2BGR),
    'rgba8': _Packing(4, conversion=cv2.COLOR_RGBA2BGR),
    'mono8': _Packing(1, conversion=cv2.COLOR_GRAY2BGR),
    'bgr16': _Packing(3, deep=True),
    'rgb16': _Packing(3, deep=True, conversion=cv2.COLOR_RGB2BGR),
    'bgra16': _Packing(4, deep=True, conversion=cv2.COLOR_BGRA2BGR),
    'rgba16': _Packing(4, deep=True, conversion=cv2.COLOR_RGBA2BGR),
    'mono16': _Packing(1, deep=True, conversion=cv2.COLOR_GRAY2BGR),
    **_PACKED,
    **{f'bayer_{pattern}8': _Packing(1, conversion=code) for pattern, code in _BAYER.items()},
    **{f'bayer_{pattern}16': _Packing(1, deep=True, conversion=code) for pattern, code in _BAYER.items()},
}
_SAME = {
    '8UC1': 'mono8',
    '8UC3': 'bgr8',
    '8UC4': 'bgra8',
    '16UC1': 'mono16',
    '16UC3': 'bgr16',
    '16UC4': 'bgra16',
    'yuv422': 'uyvy',
    'yuv422_yuy2': 'yuyv',
}
ENCODINGS = (*_PACKINGS, *_SAME)
"""Encodings of raw pictures that can be read."""

_RIGHT = 'send whole numbers of 8 or 16 bits, such as bgr8, rgb8 or mono8'


def picture_from_image(message: ImageFields) -> np.ndarray:
    """A raw picture message as (H, W, 3) uint8 BGR.

    For bgr8 the result is a view of the message's memory, without a copy unless rows are padded. Grey becomes three
    equal channels; 16 bits become 8 as in `minimal_hand_core.tracking.picture.eight_bits`.

    Raises:
        PictureError: empty, unknown encoding, rows shorter than the width needs, or data cut off.
    """
    height, width, step, encoding = message.height, message.width, message.step, message.encoding
    if height == 0 or width == 0:
        raise PictureError(f'picture is {width}×{height}: it must have at least one pixel')
    packing = _PACKINGS.get(_SAME.get(encoding, encoding))
    if packing is None:
        raise PictureError(f'picture has encoding {encoding!r}: {_why_not(encoding)}')
    _check_size(width, height, encoding, packing)
    size = packing.channels * (2 if packing.deep else 1)
    if step < width * size:
        raise PictureError(f'picture has step {step}: {width} pixels of {encoding} need at least {width * size}')
    height = height * packing.rows // 2
    if len(message.data) < height * step:
        raise PictureError(f'picture has {len(message.data)} bytes: height {height} × step {step} = {height * step}')
    rows = np.frombuffer(message.data, np.uint8, count=height * step).reshape(height, step)[:, : width * size]
    rows = np.ascontiguousarray(rows)
    if packing.deep:
        rows = eight_bits(rows.view('>u2' if message.is_bigendian else '<u2'))
    pixels = rows if packing.channels == 1 else rows.reshape(height, width, packing.channels)
    return pixels if packing.conversion is None else cv2.cvtColor(pixels, packing.conversion)


def _check_size(width: int, height: int, encoding: str, packing: _Packing) -> None:
    if (packing.channels == 2 or packing.rows == 3) and width % 2:
        raise PictureError(f'picture has encoding {encoding!r} and odd width {width}: two pixels share their colour')
    if packing.rows == 3 and height % 2:
        raise PictureError(f'picture has encoding {encoding!r} and odd height {height}: two rows share their colour')
    if encoding.startswith('bayer') and (width < 4 or height < 4):
        raise PictureError(f'picture is {width}×{height}: {encoding} needs at least 4×4')


def picture_from_compressed(message: CompressedFields) -> np.ndarray:
    """A JPEG, PNG or other encoded picture message as (H, W, 3) uint8 BGR.

    Raises:
        PictureError: a depth picture, data that do not decode or are cut off.
    """
    if 'compressedDepth' in message.format:
        raise PictureError(f'compressed picture has format {message.format!r}: {_RIGHT}')
    name = f'compressed picture of format {message.format!r}'
    return decode_picture(np.frombuffer(message.data, np.uint8), name)


def _why_not(encoding: str) -> str:
    if 'FC' in encoding or '32' in encoding or '64' in encoding:
        return f'no picture of light; {_RIGHT}'
    return f'unknown; send one of {", ".join(ENCODINGS)}'


def encode_jpeg(picture: np.ndarray, quality: int, name: str = 'picture') -> np.ndarray:
    """(N,) uint8 JPEG of a (H, W, 3) uint8 BGR picture; `quality` 1…100.

    Raises:
        PictureError: it cannot be encoded; the message calls it `name`.
    """
    try:
        done, encoded = cv2.imencode('.jpg', picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    except cv2.error:  # of one without pixels
        done = False
    if not done:
        raise PictureError(f'{name} of shape {picture.shape} could not be encoded as JPEG')
    return encoded
