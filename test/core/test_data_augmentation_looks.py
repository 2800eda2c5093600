"""What is drawn over, behind and into training crops, how they are resampled, and that chance is repeatable."""

import warnings
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from minimal_hand_core.data.augmentation import (
    PLAIN,
    Variation,
    crop_rng,
    negative_crop,
    plain_crop,
    varied_crop,
    vary_looks,
)
from minimal_hand_core.data.augmentation.occluders import KINDS, covered, occlude
from minimal_hand_core.data.camera_effects import add_noise, coarsen, defocus, smear
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.tracking.crop import Crop

CHANCES = ('occluder', 'shadow', 'light', 'grey', 'channels', 'blur', 'low_resolution', 'noise', 'jpeg')
EVERYTHING = replace(
    Variation(background=1.0), **{name: 1.0 for name in CHANCES if name != 'grey'}, far=0.3, far_scale=2.4
)


def _photo(seed=0, size=128):
    """A colourful smooth picture, uint8."""
    cells = np.random.default_rng(seed).integers(40, 216, (8, 8, 3), np.uint8)
    return cv2.resize(cells, (size, size), interpolation=cv2.INTER_CUBIC)


def _hand(seed=0, side='right', size=240):
    """A skin-coloured disc that carries all joints, on a blue background, with its mask."""
    rng = np.random.default_rng(seed)
    angle, radius = rng.uniform(0, 2 * np.pi, 21), 55 * np.sqrt(rng.uniform(0, 1, 21))
    uv = 120 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    image = np.full((size, size, 3), (200, 60, 20), np.uint8)
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (120, 120), 62, 1, -1)
    image[mask > 0] = (120, 160, 220)
    xyz = np.column_stack([(uv - uv[9]) * 1e-3, rng.normal(0, 0.02, 21)])
    return Sample(image, uv, xyz, np.arange(21) != 5, None, side, 'disc', mask=mask > 0)


@pytest.mark.parametrize('name', CHANCES)
def test_every_look_changes_the_crop_and_not_the_argument(name):
    image = _photo()
    before = image.copy()
    same = vary_looks(image, np.random.default_rng(1), PLAIN)
    changed = vary_looks(image, np.random.default_rng(1), replace(PLAIN, **{name: 1.0}))
    np.testing.assert_array_equal(same, before)
    np.testing.assert_array_equal(image, before)
    assert changed.shape == image.shape and changed.dtype == np.uint8
    assert (changed != before).any()


def test_every_chance_is_a_field_with_an_effect():
    geometry = {'rotation', 'upright', 'scale', 'far', 'far_scale', 'shift', 'tight', 'stretched', 'stretch'}
    assert {field.name for field in fields(Variation)} == geometry | {'background', 'color'} | set(CHANCES)


def test_colour_strength_is_a_strength():
    image = _photo()

    def change(strength):
        results = [vary_looks(image, np.random.default_rng(i), replace(PLAIN, color=strength)) for i in range(20)]
        return float(np.mean([np.abs(result.astype(int) - image).mean() for result in results]))

    assert change(0.0) == 0 < change(0.3) < change(1.0) / 2


def test_grey_has_no_colour_and_keeps_its_light():
    image = _photo()
    grey = vary_looks(image, np.random.default_rng(0), replace(PLAIN, grey=1.0))
    assert np.ptp(grey.astype(int), axis=2).max() <= 1
    assert np.abs(grey[..., 0].astype(int) - cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)).max() <= 1


@pytest.mark.parametrize(
    'blur',
    [
        lambda image: defocus(image, 1.4),
        lambda image: smear(image, 0.7, 3.3),
        lambda image: smear(image, 2.9, 1.2),
        lambda image: coarsen(image, 0.5, smooth=True),
        lambda image: coarsen(image, 0.37, smooth=False),
    ],
)
def test_blur_and_few_pixels_leave_the_middle_in_place(blur):
    image = np.zeros((128, 128, 3), np.uint8)
    cv2.circle(image, (50 << 4, 70 << 4), 6 << 4, (255, 255, 255), -1, cv2.LINE_AA, 4)
    light = blur(image)[..., 0].astype(float)
    rows, columns = np.mgrid[0:128, 0:128]
    center = np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()
    np.testing.assert_allclose(center, (50, 70), atol=0.15)


def test_noise_has_the_size_it_should():
    dark, light = np.full((128, 128, 3), 30, np.uint8), np.full((128, 128, 3), 200, np.uint8)
    assert add_noise(light, 0, 6.0, 0.0).std() == pytest.approx(6, abs=0.2)
    shot = [float(add_noise(image, 9, 0.0, 8.0).std()) for image in (dark, light)]
    assert shot[1] == pytest.approx(8 * np.sqrt(200 / 255), abs=0.25)
    assert shot[0] / shot[1] == pytest.approx(np.sqrt(30 / 200), abs=0.05)
    assert abs(add_noise(light, 9, 6.0, 0.0).mean() - 200) < 0.2


# Occluders


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('seed', range(4))
def test_an_occluder_changes_what_it_covers_and_nothing_else(kind, seed, monkeypatch):
    monkeypatch.setattr('minimal_hand_core.data.augmentation.occluders.KINDS', {kind: 1.0})
    image, uv = _photo(), np.random.default_rng(seed).uniform(20, 108, (21, 2))
    result, cover = occlude(image, np.random.default_rng(seed), uv, _photo(7))
    assert cover.dtype == np.float32 and cover.min() >= 0 and cover.max() <= 1 + 1e-6
    np.testing.assert_array_equal(result[cover == 0], image[cover == 0])
    assert 20 < (cover > 0.5).sum() < 0.5 * cover.size
    assert np.abs(result.astype(int) - image)[cover > 0.9].mean() > 4


def test_fingers_take_the_colour_of_the_hand(monkeypatch):
    monkeypatch.setattr('minimal_hand_core.data.augmentation.occluders.KINDS', {'fingers': 1.0})
    image = np.full((128, 128, 3), (30, 90, 200), np.uint8)
    skin, uv = np.array([210, 150, 110]), np.random.default_rng(0).uniform(40, 88, (21, 2))
    for x, y in uv:
        cv2.circle(image, (round(x), round(y)), 6, skin.tolist(), -1)
    like = 0
    for seed in range(20):
        result, cover = occlude(image, np.random.default_rng(seed), uv)
        tone = np.median(result[cover > 0.9], axis=0)
        assert tone[0] > tone[2], 'skin of whatever tone is redder than it is blue'
        like += np.abs(tone / tone.sum() - skin / skin.sum()).max() < 0.04
    assert like >= 10


def test_a_joint_behind_an_occluder_is_not_visible_and_keeps_its_label():
    sample, hidden, count = _hand(), 0, 0
    for seed in range(40):
        bare = varied_crop(sample, np.random.default_rng(seed), replace(PLAIN, scale=(0.7, 0.9)))
        crop = varied_crop(sample, np.random.default_rng(seed), replace(PLAIN, scale=(0.7, 0.9), occluder=1.0))
        np.testing.assert_array_equal(crop.uv, bare.uv)
        np.testing.assert_array_equal(crop.weight, bare.weight)
        assert not crop.visible[5], 'hidden before, hidden after'
        place = np.rint(crop.uv).astype(int)
        changed = np.abs(crop.image.astype(int) - bare.image).max(axis=2)
        for joint in np.flatnonzero(~crop.visible & sample.visible):
            x, y = place[joint]
            hidden += 1
            count += changed[y, x] > 0
        for joint in np.flatnonzero(crop.visible):
            x, y = place[joint]
            if 2 < x < 125 and 2 < y < 125:
                assert changed[y, x] <= 140  # at most half covered
    assert hidden > 20 and count > 0.95 * hidden
    assert sample.visible.sum() == 20, 'the sample itself is left alone'


def test_covered_counts_only_joints_in_the_crop():
    cover = np.zeros((128, 128), np.float32)
    cover[10:20, 30:40] = 1
    uv = np.array([[35.4, 14.6], [14.6, 35.4], [-1e4, -1e4], [127.6, 12], [39.4, 19.4], [40.6, 12]])
    assert covered(cover, uv).tolist() == [True, False, False, False, True, False]


# Background


@pytest.mark.parametrize('side', ['right', 'left'])
def test_the_background_changes_and_the_hand_stays(side):
    sample = _hand(side=side)
    backdrop = np.full((128, 128, 3), (0, 255, 0), np.uint8)
    how = replace(PLAIN, rotation=1.0, scale=(0.8, 1.3), shift=0.1, background=1.0)
    for seed in range(6):
        before = varied_crop(sample, np.random.default_rng(seed), replace(how, background=0.0)).image
        after = varied_crop(sample, np.random.default_rng(seed), how, backdrop).image
        skin = (np.abs(before.astype(int) - (220, 160, 120)).max(axis=2) < 3).astype(np.uint8)
        inner, outer = cv2.erode(skin, np.ones((7, 7))) > 0, cv2.dilate(skin, np.ones((7, 7))) == 0
        assert inner.sum() > 500 and outer.sum() > 500
        np.testing.assert_array_equal(after[inner], before[inner])
        assert (after[outer] == (0, 255, 0)).all()
        edge = after[~inner & ~outer]
        old = (edge[:, 2].astype(int) > edge[:, 0] + 40) & (edge[:, 2] > 120)  # the old blue
        assert old.mean() < 0.01
        mixed = (edge[:, 0] > 20) & (edge[:, 0] < 200)
        assert mixed.mean() > 0.1, 'a soft edge'


def test_a_made_up_background_where_there_is_none():
    crops = [varied_crop(_hand(), np.random.default_rng(s), replace(PLAIN, background=1.0)).image for s in (0, 1)]
    for image in crops:
        assert (np.abs(image[:4].astype(int) - (20, 60, 200)).max(axis=2) > 10).mean() > 0.5
    assert np.abs(crops[0][:4].astype(int) - crops[1][:4]).mean() > 3


def test_a_mask_that_leaves_no_hand_is_not_believed():
    sample = _hand()
    mask = np.zeros_like(sample.mask)
    mask[110:130, 60:180] = True
    crop = varied_crop(replace(sample, mask=mask), np.random.default_rng(0), replace(PLAIN, background=1.0))
    np.testing.assert_array_equal(crop.image, plain_crop(sample)[0].image)


def test_without_a_mask_nothing_is_replaced():
    sample = replace(_hand(), mask=None)
    crop = varied_crop(sample, np.random.default_rng(0), replace(PLAIN, background=1.0))
    np.testing.assert_array_equal(crop.image, plain_crop(sample)[0].image)


# Resampling


def _grating(period, size=600):
    """Stripes with sharp edges across x, uint8 grey 0/255, as (size, size, 3)."""
    x = np.arange(size)
    # the exact share of each pixel's width that is bright
    fine = ((np.arange(size * 64) + 0.5) / 64 % period < period / 2).reshape(size, 64).mean(axis=1)
    assert len(fine) == len(x)
    return np.round(255 * np.broadcast_to(fine[None, :, None], (size, size, 3))).astype(np.uint8)


def _area_average(picture, crop, size=128, points=16):
    """What each pixel of the crop covers, averaged over points² points of the picture's pixels."""
    step = (np.arange(points) + 0.5) / points - 0.5
    fine = (np.arange(size)[:, None] + step).reshape(-1)
    total = np.zeros((size, size))
    for row in step:
        where = np.rint(crop.to_image(np.stack(np.meshgrid(fine, np.arange(size) + row), axis=-1))).astype(int)
        total += picture[where[..., 1], where[..., 0], 0].reshape(size, size, points).mean(axis=2)
    return total / points


@pytest.mark.parametrize(('side', 'angle'), [(200, 0.0), (256, 0.0), (300, 0.3), (400, 0.7), (500, 0.2)])
def test_a_fine_grating_does_not_alias(side, angle):
    """Stripes as fine as the crop's pixels: nearest neighbour, as the peers sample, makes coarse stripes of them.

    Against the exact area average: 6–21 of 255 grey levels (RMS) for ours, 41–99 for nearest neighbour.
    """
    crop = Crop((299.3, 300.8), side, angle)
    picture = _grating(period=side / 128 * 1.05)
    exact = _area_average(picture, crop)
    ours = crop.extract(picture)[..., 0].astype(float)
    where = np.rint(crop.to_image(np.stack(np.meshgrid(np.arange(128), np.arange(128)), axis=-1))).astype(int)
    nearest = picture[where[..., 1], where[..., 0], 0].astype(float)
    error, peers = (float(np.sqrt(np.mean((found - exact) ** 2))) for found in (ours, nearest))
    assert error < 24
    assert peers > 35, 'a grating that aliases'


# Chance


def test_the_same_seed_gives_the_same_crop_and_any_other_another():
    def image(*seed):
        return varied_crop(_hand(), crop_rng(*seed), EVERYTHING, _photo(3)).image

    first = image(1, 2, 3)
    np.testing.assert_array_equal(first, image(1, 2, 3))
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert (first != image(*other)).any()


class _Crops(Dataset):
    """Epoch 5 of ten crops."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        crop = varied_crop(_hand(index), crop_rng(7, 5, index), EVERYTHING, _photo(index) if index % 2 else None)
        negative = negative_crop(_photo(index), crop_rng(8, 5, index), EVERYTHING)
        parts = (crop.image, crop.uv, crop.xyz, crop.weight, crop.visible, negative.image)
        return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)


def test_the_number_of_workers_changes_nothing():
    runs = []
    for workers in (0, 1, 3):
        np.random.seed(workers)  # global chance must not matter
        cv2.setRNGSeed(workers)
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'This DataLoader will create 3 worker')  # on a machine with two cores
            batches = list(DataLoader(_Crops(), batch_size=4, num_workers=workers))
        runs.append([torch.cat(parts) for parts in zip(*batches)])
    for run in runs[1:]:
        for part, expected in zip(run, runs[0]):
            assert torch.equal(part, expected)
