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


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_becomes_three_equal_channels(picture: np.ndarray, encoding: str) -> None:
    grey = picture[:, :, 0]
    np.testing.assert_array_equal(picture_from_image(raw(grey, encoding)), np.dstack([grey] * 3))


@pytest.mark.parametrize('order', ['<', '>'], ids=['little', 'big'])
@pytest.mark.parametrize(
    ('encoding', 'pixels'),
    [
        ('bgr16', lambda p: p),
        ('16UC3', lambda p: p),
        ('rgb16', lambda p: p[:, :, ::-1]),
        ('bgra16', lambda p: np.dstack([p, p[:, :, 0]])),
        ('16UC4', lambda p: np.dstack([p, p[:, :, 0]])),
        ('rgba16', lambda p: np.dstack([p[:, :, ::-1], p[:, :, 0]])),
    ],
)
def test_deep_colour_keeps_its_upper_bits(picture: np.ndarray, encoding: str, pixels, order: str) -> None:
    picture[0, 0] = 255  # says that all bits are in use
    deep = (pixels(picture).astype(np.uint16) * 256 + 77).astype(f'{order}u2')
    found = picture_from_image(raw(deep, encoding, is_bigendian=int(order == '>')))
    np.testing.assert_array_equal(found, picture)


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
def test_deep_grey_of_every_sensor(picture: np.ndarray, encoding: str, bits: int) -> None:
    grey = picture[:, :, 0]
    grey[0, 0] = 255
    found = picture_from_image(raw(grey.astype(np.uint16) << (bits - 8), encoding))
    np.testing.assert_array_equal(found, np.dstack([grey] * 3))


def test_black_stays_black() -> None:
    assert not picture_from_image(raw(np.zeros((HEIGHT, WIDTH), np.uint16), 'mono16')).any()


# Y, U, V in studio range (BT.601) and the colour they stand for, blue, green, red
COLORS = [((81, 90, 240), (0, 0, 254)), ((145, 54, 34), (1, 255, 0)), ((41, 240, 110), (255, 0, 0))]
GREY = ((126, 128, 128), (128, 128, 128))


@pytest.mark.parametrize(('yuv', 'bgr'), [*COLORS, GREY])
@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21'])
def test_yuv(encoding: str, yuv: tuple[int, int, int], bgr: tuple[int, int, int]) -> None:
    y, u, v = yuv
    if encoding in ('nv12', 'nv21'):
        pair = (u, v) if encoding == 'nv12' else (v, u)
        colour = np.tile(np.array(pair, np.uint8), (HEIGHT // 2, WIDTH // 2))
        pixels = np.vstack([np.full((HEIGHT, WIDTH), y, np.uint8), colour])
        message = raw(pixels, encoding, height=HEIGHT)
    else:
        pair = (u, y, v, y) if encoding in ('yuv422', 'uyvy') else (y, u, y, v)
        pixels = np.tile(np.array(pair, np.uint8), (HEIGHT, WIDTH // 2)).reshape(HEIGHT, WIDTH, 2)
        message = raw(pixels, encoding)
    found = picture_from_image(message)
    np.testing.assert_array_equal(found, np.broadcast_to(np.array(bgr, np.uint8), (HEIGHT, WIDTH, 3)))


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer(pattern: str, bits: int) -> None:
    color = dict(zip('bgr', (30, 120, 220), strict=True))
    mosaic = np.empty((HEIGHT, WIDTH), np.uint16)
    for i, channel in enumerate(pattern):
        mosaic[i // 2 :: 2, i % 2 :: 2] = color[channel]
    deep = (mosaic << (bits - 8)).astype(f'u{bits // 8}')
    found = picture_from_image(raw(deep, f'bayer_{pattern}{bits}'))
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
        ({'encoding': '32FC1'}, "'32FC1'.*no picture of light.*bgr8"),
        ({'encoding': '8SC1'}, "'8SC1'.*unknown"),
        ({'encoding': 'bgr16'}, 'step 24.*at least 48'),
        ({'encoding': 'nv12', 'width': 7}, 'odd width 7'),
        ({'encoding': 'nv12', 'height': 5}, 'odd height 5'),
        ({'encoding': 'nv21'}, '144 bytes: height 9 × step 24 = 216'),
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
        (lambda p: encoded('.tiff', p.astype(np.float32)), 'float32'),
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
