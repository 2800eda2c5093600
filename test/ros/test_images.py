"""sensor_msgs/Image and CompressedImage ↔ BGR arrays."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from minimal_hand_core.tracking import PictureError  # noqa: E402
from minimal_hand_ros.images import (  # noqa: E402
    compressed_message,
    image_message,
    picture_from_compressed,
    picture_from_image,
)

HEIGHT, WIDTH = 6, 8


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def raw(pixels: np.ndarray, kind: str, **changes: object) -> Image:
    data = array('B')
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    fields = {
        'height': pixels.shape[0],
        'width': pixels.shape[1],
        'encoding': kind,
        'step': pixels.nbytes // pixels.shape[0],
        'data': data,
    }
    return Image(**{**fields, **changes})


def test_round_trip(picture: np.ndarray) -> None:
    message = image_message(Header(frame_id='camera'), picture)
    assert (message.height, message.width, message.step, message.encoding) == (HEIGHT, WIDTH, WIDTH * 3, 'bgr8')
    assert message.header.frame_id == 'camera'
    np.testing.assert_array_equal(picture_from_image(message), picture)


def test_slices_are_sent_whole(picture: np.ndarray) -> None:
    mirrored = picture[:, ::-1]
    np.testing.assert_array_equal(picture_from_image(image_message(Header(), mirrored)), mirrored)


@pytest.mark.parametrize(
    ('encoding', 'pixels'),
    [
        ('bgr8', lambda p: p),
        ('8UC3', lambda p: p),
        ('rgb8', lambda p: p[:, :, ::-1]),
        ('bgra8', lambda p: np.dstack([p, p[:, :, 0]])),
        ('8UC4', lambda p: np.dstack([p, p[:, :, 0]])),
        ('rgba8', lambda p: np.dstack([p[:, :, ::-1], p[:, :, 0]])),
    ],
)
def test_exact_encodings(picture: np.ndarray, encoding: str, pixels) -> None:
    np.testing.assert_array_equal(picture_from_image(raw(pixels(picture), encoding)), picture)


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
def test_yuv(encoding: str) -> None:
    # one colour everywhere, so that the shared chroma costs nothing
    color = np.full((HEIGHT, WIDTH, 3), (40, 120, 200), np.uint8)
    y, u, v = cv2.cvtColor(color[:1, :1], cv2.COLOR_BGR2YUV)[0, 0]
    # BGR → YUV is full range, the packed formats are studio range
    luma = round(16 + 219 / 255 * int(y))
    pair = (u, luma, v, luma) if encoding in ('yuv422', 'uyvy') else (luma, u, luma, v)
    pixels = np.tile(np.array(pair, np.uint8), (HEIGHT, WIDTH // 2)).reshape(HEIGHT, WIDTH, 2)
    found = picture_from_image(raw(pixels, encoding))
    assert found.shape == color.shape
    # hue must be right; chroma scales of the two conversions differ by a few percent
    assert np.abs(found.astype(int) - color).max() < 30
    assert found[0, 0, 0] < found[0, 0, 1] < found[0, 0, 2]


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer(pattern: str) -> None:
    color = dict(zip('bgr', (30, 120, 220), strict=True))
    mosaic = np.empty((HEIGHT, WIDTH), np.uint8)
    for i, channel in enumerate(pattern):
        mosaic[i // 2 :: 2, i % 2 :: 2] = color[channel]
    found = picture_from_image(raw(mosaic, f'bayer_{pattern}8'))
    np.testing.assert_array_equal(found[2:-2, 2:-2], np.broadcast_to((30, 120, 220), found[2:-2, 2:-2].shape))


def test_padded_rows(picture: np.ndarray) -> None:
    padded = np.zeros((HEIGHT, WIDTH * 3 + 5), np.uint8)
    padded[:, : WIDTH * 3] = picture.reshape(HEIGHT, -1)
    message = raw(padded, 'bgr8', width=WIDTH)
    np.testing.assert_array_equal(picture_from_image(message), picture)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'width': 0}, '0×6'),
        ({'height': 0}, '8×0'),
        ({'encoding': 'mono8'}, "'mono8'.*grey.*bgr8"),
        ({'encoding': '8UC1'}, "'8UC1'.*grey"),
        ({'encoding': 'mono16'}, "'mono16'.*8 bits.*bgr8"),
        ({'encoding': '16UC1'}, "'16UC1'.*8 bits"),
        ({'encoding': '32FC1'}, "'32FC1'.*8 bits"),
        ({'encoding': 'bgr16'}, "'bgr16'.*8 bits"),
        ({'encoding': 'jpeg'}, "'jpeg'.*unknown.*bgr8, "),
        ({'encoding': ''}, "''.*unknown"),
        ({'step': 23}, 'step 23.*at least 24'),
        ({'step': 0}, 'step 0'),
        ({'data': array('B', bytes(100))}, '100 bytes.* = 144'),
        ({'data': array('B')}, '0 bytes'),
        ({'encoding': 'yuyv', 'width': 7}, 'odd width 7'),
        ({'encoding': 'bayer_rggb8', 'width': 2}, 'at least 4×4'),
    ],
)
def test_refused(picture: np.ndarray, changes: dict[str, object], said: str) -> None:
    with pytest.raises(PictureError, match=said):
        picture_from_image(raw(picture, 'bgr8', **changes))


def test_compressed_round_trip() -> None:
    smooth = cv2.resize(np.random.default_rng(1).integers(0, 256, (4, 4, 3), dtype=np.uint8), (64, 48))
    message = compressed_message(Header(frame_id='camera'), smooth, quality=95)
    assert message.format.startswith('bgr8; jpeg')
    assert message.header.frame_id == 'camera'
    assert np.abs(picture_from_compressed(message).astype(int) - smooth).mean() < 3


def encoded(suffix: str, picture: np.ndarray) -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda p: b'', 'is empty'),
        (lambda p: b'no picture at all', 'cannot be decoded'),
        (lambda p: encoded('.jpg', p)[:-40], 'cut off'),
        (lambda p: encoded('.png', p)[:-40], 'cut off'),
        (lambda p: encoded('.png', p[:, :, 0]), 'grey'),
        (lambda p: encoded('.png', p.astype(np.uint16) * 257), 'uint16'),
    ],
)
def test_compressed_refused(picture: np.ndarray, make, said: str) -> None:
    message = CompressedImage(format='jpeg', data=array('B', make(picture)))
    with pytest.raises(PictureError, match=said):
        picture_from_compressed(message)


def test_compressed_depth_refused(picture: np.ndarray) -> None:
    message = CompressedImage(format='16UC1; compressedDepth png', data=array('B', encoded('.png', picture)))
    with pytest.raises(PictureError, match='compressedDepth'):
        picture_from_compressed(message)
