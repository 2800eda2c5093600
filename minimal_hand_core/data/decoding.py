"""Encoded pictures (JPEG, PNG, …) → BGR arrays, with every defect named.

OpenCV returns half a picture for a JPEG that was cut off and only prints to stderr; here that is an error.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from minimal_hand_core.errors import first_line
from minimal_hand_core.tracking.picture import PictureError, as_bgr, eight_bits

_JPEG_START = b'\xff\xd8\xff'
_JPEG_SCAN = b'\xff\xda'
_JPEG_END = b'\xff\xd9'
_PNG_START = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'IEND'


def decode_picture(data: np.ndarray, name: str) -> np.ndarray:
    """Decode one picture; its EXIF orientation is applied, an alpha channel dropped, grey becomes three equal channels.

    16 bits per channel become 8 as in `eight_bits`.

    Args:
        data: (N,) uint8, the bytes of the file or message.
        name: what to call it in errors, e.g. its path.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        PictureError: empty, cut off, not a picture, or not of whole numbers of 8 or 16 bits.
    """
    if data.size == 0:
        raise PictureError(f'{name} is empty: give a JPEG, PNG or other picture')
    raw = data.tobytes()
    if _is_cut_off(raw):
        raise PictureError(f'{name} is cut off: its end is missing after {len(raw)} bytes')
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    except cv2.error as error:
        raise PictureError(f'{name} cannot be decoded: {first_line(error)}') from None
    if picture is None:
        raise PictureError(f'{name} cannot be decoded: it is corrupt, or no picture of a known format')
    if picture.dtype == np.uint16:
        picture = eight_bits(picture)
    if picture.dtype != np.uint8:
        raise PictureError(f'{name} has {picture.dtype} channels: give 8 or 16 bits per channel')
    return as_bgr(picture)


def load_picture(path: Path | str) -> np.ndarray:
    """Read one picture file, (H, W, 3) uint8 BGR.

    Raises:
        PictureError: as decode_picture, or the file cannot be read; the message begins with the path.
    """
    return decode_picture(_bytes_of(path), str(path))


def load_mask(path: Path | str) -> np.ndarray:
    """Read one picture of labels, (H, W) uint8: its values as they are, the first channel of several.

    Raises:
        PictureError: the file cannot be read, is cut off, not a picture, or has more than 8 bits per channel.
    """
    data = _bytes_of(path)
    if data.size == 0 or _is_cut_off(data.tobytes()):
        raise PictureError(f'{path} is empty or cut off')
    mask = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if mask is None or mask.dtype != np.uint8:
        raise PictureError(f'{path} is no picture with 8 bits per channel')
    return mask if mask.ndim == 2 else np.ascontiguousarray(mask[..., 0])


def _bytes_of(path: Path | str) -> np.ndarray:
    try:
        return np.frombuffer(Path(path).read_bytes(), np.uint8)
    except OSError as error:
        raise PictureError(f'{path} cannot be read: {error.strerror}') from None


def _is_cut_off(raw: bytes) -> bool:
    if raw.startswith(_JPEG_START):
        # Inside a scan every 0xff is followed by 0x00 or a restart marker, so the first end marker behind it is the
        # picture's own. What comes then (phones append a film) is nothing to it.
        return raw.find(_JPEG_END, _first_scan(raw)) < 0
    return raw.startswith(_PNG_START) and _PNG_END not in raw


def _first_scan(raw: bytes) -> int:
    """Where the first scan of a JPEG begins, or its length where there is none. The segments before it are passed over
    by their lengths: one may hold a thumbnail, with scans and an end of its own."""
    at = 2
    while 0 <= at < len(raw) - 4:
        if raw[at : at + 2] == _JPEG_SCAN:
            return at
        # 0xff may be repeated before a marker
        at = raw.find(b'\xff', at + (1 if raw[at + 1] == 0xFF else 2 + int.from_bytes(raw[at + 2 : at + 4], 'big')))
    return len(raw)
