"""The crop: where its pixels come from, and that shrinking does not alias."""

import math

import numpy as np
import pytest

from minimal_hand_core.tracking.crop import PAD, Crop, box_crop, keypoints_crop
from minimal_hand_core.tracking.picture import PictureError, as_bgr

GEOMETRIES = [
    (Crop((320.3, 240.7), side), mirror, angle)
    for side in (60.0, 128.0, 200.0, 300.0, 700.0)
    for mirror in (False, True)
    for angle in (0.0, 0.4, -2.0)
]


def picture_with_dot(center, sigma, size=(480, 640)):
    """PAD-grey picture with a bright Gaussian at `center` (x, y)."""
    y, x = np.mgrid[: size[0], : size[1]]
    dot = np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * sigma**2))
    return np.repeat((PAD + 127 * dot).astype(np.uint8)[..., None], 3, axis=2)


def centroid(crop):
    """(x, y) of what is brighter than the padding."""
    heat = np.clip(crop[..., 0].astype(float) - PAD - 2, 0, None)
    y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
    return np.array([(heat * x).sum(), (heat * y).sum()]) / heat.sum()


@pytest.mark.parametrize('crop, mirror, angle', GEOMETRIES)
def test_to_image_and_to_crop_are_inverse(crop, mirror, angle):
    crop = Crop(crop.center, crop.side, angle)
    uv = np.random.default_rng(0).uniform(-50, 200, (40, 2))
    assert np.allclose(crop.to_crop(crop.to_image(uv, mirror=mirror), mirror=mirror), uv, atol=1e-9)


@pytest.mark.parametrize('crop, mirror, angle', GEOMETRIES)
def test_a_dot_lands_where_to_crop_says(crop, mirror, angle):
    crop = Crop(crop.center, crop.side, angle)
    target = crop.to_image(np.array([41.3, 77.8]), mirror=mirror)
    target = np.clip(target, 60, (580, 420))
    picture = picture_with_dot(target, sigma=max(2.0, 2.5 * crop.side / 128))
    seen = centroid(crop.extract(picture, mirror=mirror))
    assert np.abs(seen - crop.to_crop(target, mirror=mirror)).max() < 0.05


def test_unit_scale_copies_pixels_exactly():
    picture = np.random.default_rng(0).integers(0, 256, (200, 220, 3), np.uint8)
    # 128 pixels wide, first pixel (30, 40): the centre lies between two pixels.
    crop = Crop((30 + 63.5, 40 + 63.5), 128)
    assert np.array_equal(crop.extract(picture), picture[40:168, 30:158, ::-1])
    assert np.array_equal(crop.extract(picture, mirror=True), picture[40:168, 30:158, ::-1][:, ::-1])


@pytest.mark.parametrize('side', [200, 256, 300, 420, 470])
@pytest.mark.parametrize('angle', [0.0, 0.5])
def test_a_fine_checkerboard_becomes_grey(side, angle):
    board = (np.indices((480, 640)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = Crop((320.3, 240.2), side, angle).extract(np.repeat(board[..., None], 3, axis=2))
    inside = crop[40:-40, 40:-40].astype(float)
    assert np.abs(inside - 127.5).max() < 8


@pytest.mark.parametrize('side', [300, 420, 900])
@pytest.mark.parametrize('angle', [0.0, 0.7])
def test_all_of_a_crop_is_of_the_picture_to_its_corners(side, angle):
    x, y = np.meshgrid(np.arange(1600.0), np.arange(1400.0))
    picture = np.repeat((x / 10 + y / 20)[..., None], 3, axis=2).round().astype(np.uint8)
    crop = Crop((800.3, 700.6), side, angle)
    u, v = np.meshgrid(np.arange(128), np.arange(128))
    there = crop.to_image(np.stack([u, v], axis=-1))
    expected = there[..., 0] / 10 + there[..., 1] / 20
    assert np.abs(crop.extract(picture)[..., 0] - expected).max() < 1.6


def test_stripes_finer_than_the_pixels_of_a_wide_crop_become_grey():
    picture = np.zeros((900, 900, 3), np.uint8)
    picture[:, np.arange(900) % 4 < 2] = 255
    inner = Crop((450, 450), 700).extract(picture)[4:-4, 4:-4]
    assert inner.std() < 12 and inner.mean() == pytest.approx(127, abs=4)


def test_beyond_the_border_is_padding():
    picture = np.full((100, 100, 3), 255, np.uint8)
    crop = Crop((0.0, 0.0), 128).extract(picture)
    assert (crop[:60] == PAD).all() and (crop[:, :60] == PAD).all()
    assert (crop[68:, 68:] == 255).all()
    assert (Crop((-1000.0, 50.0), 300).extract(picture) == PAD).all()
    assert Crop((50.0, 50.0), 5000, 0.3).extract(picture).shape == (128, 128, 3)
    assert Crop((0.0, 0.0), 4).extract(picture[:1, :1]).shape == (128, 128, 3)


def test_channels_become_rgb():
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[..., 0] = 10
    picture[..., 2] = 200
    assert (Crop((100, 100), 150).extract(picture)[64, 64] == (200, 0, 10)).all()


def test_keypoints_crop_is_one_and_a_half_boxes():
    uv = np.array([[10.0, 20.0], [110.0, 60.0], [50.0, 30.0]])
    crop = keypoints_crop(uv)
    assert crop == Crop((60.0, 40.0), 150.0)
    assert np.allclose(crop.corners()[0], (60 - 75, 40 - 75))


@pytest.mark.parametrize(
    'call, said',
    [
        (lambda: Crop((0, 0), 0), 'side'),
        (lambda: Crop((math.nan, 0), 10), 'finite'),
        (lambda: keypoints_crop(np.full((21, 2), 5.0)), 'side'),
        (lambda: keypoints_crop(np.full((21, 2), np.nan)), 'finite'),
        (lambda: keypoints_crop(np.zeros((21, 3))), r'\(21, 3\)'),
    ],
)
def test_bad_geometry_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize(
    'picture, said',
    [
        (np.zeros((0, 0, 3), np.uint8), 'empty'),
        (np.zeros((4, 4, 3), np.uint16), '16 bits.*>> 8'),
        (np.zeros((4, 4, 3), np.float32), 'float32.*uint8'),
        (np.zeros((4, 4, 4), np.uint8), '4 channels'),
        (np.zeros((4, 4, 2), np.uint8), r'\(4, 4, 2\)'),
        (np.zeros(12, np.uint8), r'\(12,\)'),
        ('hand.png', 'str'),
    ],
)
def test_bad_pictures_are_named(picture, said):
    with pytest.raises(PictureError, match=said):
        as_bgr(picture)
    with pytest.raises(PictureError):
        Crop((2, 2), 4).extract(picture)


def test_grey_pictures_become_three_channels():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for picture in (grey, grey[..., None]):
        assert np.array_equal(as_bgr(picture), np.repeat(grey[..., None], 3, axis=2))


def test_box_crop_is_round_the_box():
    crop = box_crop(10, 20, 100, 40)
    assert crop.center == (59.5, 39.5) and crop.side == 150
    assert box_crop(0, 0, 1, 1, factor=2.0) == Crop((0, 0), 2.0)


@pytest.mark.parametrize('box', [(0, 0, 0, 5), (0, 0, 5, -1), (math.nan, 0, 5, 5), (0, math.inf, 5, 5)])
def test_bad_boxes_are_named(box):
    with pytest.raises(ValueError, match='box is .*give finite pixels, width and height above 0'):
        box_crop(*box)
