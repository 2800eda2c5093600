"""Pictures kept for training: what is cut out, where labels then are, and that a kept picture is never a stale one."""

import logging
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest
from native_layouts import examples

from minimal_hand_core.data import open_dataset
from minimal_hand_core.data.augmentation import Variation, crop_rng, plain_crop, varied_crop
from minimal_hand_core.data.datasets.kept import HAND_PX, REACH, Cutout, KeptPictures
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.tracking.picture import PictureError


def write_dots(path, uv, size=(1080, 1920)):
    """A smooth grey picture with a white dot at each point (n, 2)."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(60, 120, (9, 16, 3), np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    for x, y in uv:
        cv2.circle(image, (round(x * 16), round(y * 16)), 6 << 4, (255, 255, 255), -1, cv2.LINE_AA, 4)
    assert cv2.imwrite(str(path), image)
    return image


def dots(middle, box):
    """(21, 2) a grid that spans a box of `box` pixels round `middle`."""
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2)[:21]
    return np.asarray(middle) + (grid / 4 - 0.5) * box + 0.3


def centroid(image, place):
    """Centre of brightness round a pixel."""
    left, top = (int(round(value)) - 8 for value in place)
    patch = np.clip(image[top : top + 17, left : left + 17].astype(float).sum(axis=2) - 3 * 140, 0, None)
    rows, columns = np.mgrid[top : top + 17, left : left + 17]
    return np.array([(patch * columns).sum(), (patch * rows).sum()]) / patch.sum()


def test_the_constants_suit_the_default_variation():
    variation = Variation()
    assert variation.reach <= REACH < variation.reach + 0.1
    assert variation.hand_px <= HAND_PX < variation.hand_px + 1


@pytest.mark.parametrize(('box', 'shrink'), [(120, 1), (150, 1.25), (250, 2), (480, 4)])
@pytest.mark.parametrize('suffix', ['png', 'jpg'])
def test_labels_lie_where_the_hand_went(tmp_path, box, shrink, suffix):
    uv = dots((700, 500), box)
    path = tmp_path / f'picture.{suffix}'
    write_dots(path, uv)
    kept = KeptPictures(tmp_path / 'kept')
    for _ in range(2):
        image, cutout = kept.load(path, uv)
        assert cutout.shrink == shrink
        assert image.shape[0] * shrink < 1000 or box > 150
        for point in cutout.to_cutout(uv):
            assert np.linalg.norm(centroid(image, point) - point) < 0.2
    assert len(list((tmp_path / 'kept').rglob('*.kept'))) == 1


def test_intrinsics_and_mask_go_along():
    joints = np.random.default_rng(1).normal(0, 0.05, (21, 3)) + (0.1, 0.05, 0.6)
    camera = np.array([[1400.0, 0, 960.5], [0, 1390, 540.2], [0, 0, 1]])
    seen = joints @ camera.T
    uv = seen[:, :2] / seen[:, 2:]
    mask = np.zeros((1080, 1920), bool)
    mask[600:800, 1000:1300] = True
    whole = np.zeros((1080, 1920, 3), np.uint8)
    sample = Sample(whole, uv, joints, np.ones(21, bool), camera, 'right', 'x', mask=mask, extent_px=uv)
    cutout = Cutout(900, 500, 2)
    part = cutout.apply(sample, np.zeros((200, 300, 3), np.uint8))
    seen = joints @ part.intrinsics.T
    np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], part.keypoints_px, atol=1e-9)
    np.testing.assert_allclose(part.extent_px, part.keypoints_px)
    assert part.mask.shape == (200, 300) and part.mask.sum() == mask.sum() / 4
    assert part.mask[50:150, 50:200].all()
    assert sample.mask.sum() == mask.sum() and sample.keypoints_px is uv


def test_a_pixel_of_a_shrunk_mask_is_the_hand_if_most_of_it_is():
    mask = np.zeros((16, 16), bool)
    mask[:, :5] = True  # a quarter of the cut-out's second column
    mask[:, 9:12] = True  # three quarters of its third
    sample = Sample(
        np.zeros((16, 16, 3), np.uint8), dots((8, 8), 6), None, np.ones(21, bool), None, None, 'x', mask=mask
    )
    part = Cutout(0, 0, 4).apply(sample, np.zeros((4, 4, 3), np.uint8))
    assert part.mask.tolist() == [[True, False, True, False]] * 4


def test_a_mask_is_cut_where_only_the_far_sides_are(tmp_path):
    uv = dots((100, 100), 50)
    path = tmp_path / 'picture.png'
    image = write_dots(path, uv)
    mask = np.ones(image.shape[:2], bool)
    sample = Sample(image, uv, None, np.ones(21, bool), None, 'right', 'x', mask=mask)
    kept, cutout = KeptPictures(tmp_path / 'kept').load(path, uv)
    assert cutout == Cutout() and kept.shape[:2] < mask.shape
    part = cutout.apply(sample, kept)
    assert part.mask.shape == kept.shape[:2]
    how = replace(Variation(), background=1.0)
    varied_crop(part, crop_rng(0, 0, 0), how, np.zeros((128, 128, 3), np.uint8))


def test_crops_of_kept_pictures_look_like_crops_of_whole_ones(tmp_path):
    """As far as any crop of the default variation may reach."""
    uv = dots((800, 520), 260)
    path = tmp_path / 'picture.png'
    image = write_dots(path, uv)
    sample = Sample(image, uv, None, np.ones(21, bool), None, 'right', 'x')
    part, cutout = KeptPictures(tmp_path / 'kept').load(path, uv)
    assert cutout.shrink == 2
    how = replace(Variation(), far=0.3, **dict.fromkeys(('occluder', 'shadow', 'light', 'color', 'grey'), 0.0))
    how = replace(how, **dict.fromkeys(('channels', 'blur', 'low_resolution', 'noise', 'jpeg'), 0.0))
    for seed in range(25):
        ours = varied_crop(cutout.apply(sample, part), crop_rng(seed, 0, 0), how)
        expected = varied_crop(sample, crop_rng(seed, 0, 0), how)
        np.testing.assert_allclose(ours.uv, expected.uv, atol=1e-3)
        # the warp of the halved picture is softer at the dots' edges; grey padding where it should not be is far worse
        difference = np.abs(ours.image.astype(int) - expected.image).max(axis=2)
        assert np.percentile(difference, 90) <= 12 and difference.mean() < 5


@pytest.mark.parametrize('name', ['rhd', 'ganerated_hands', 'cmu_panoptic', 'freihand'])
def test_data_sets_give_the_same_hands_from_kept_pictures(tmp_path, name):
    getattr(examples, name)(tmp_path / 'set')
    reader = name.removesuffix('_hands')
    masks = reader in ('rhd', 'freihand')
    whole = open_dataset(reader, tmp_path / 'set', 'train', cache=False, masks=masks)
    kept = open_dataset(reader, tmp_path / 'set', 'train', cache=False, masks=masks, kept=tmp_path / 'kept')
    assert len(whole) == len(kept)
    for again in range(2):
        for a, b in zip(whole, kept):
            assert a.key == b.key and a.side == b.side
            ours, expected = plain_crop(b)[0], plain_crop(a)[0]
            np.testing.assert_allclose(ours.uv, expected.uv, atol=2e-3, err_msg=f'{name} {again}')
            assert np.abs(ours.image.astype(int) - expected.image).mean() < 6
            if masks:
                assert b.mask.shape == b.image.shape[:2]
                assert b.mask.sum() == pytest.approx(a.mask.sum(), rel=0.02)


def test_a_changed_picture_or_label_is_kept_anew(tmp_path):
    uv = dots((700, 500), 120)
    path = tmp_path / 'picture.png'
    write_dots(path, uv)
    kept = KeptPictures(tmp_path / 'kept')
    first, _ = kept.load(path, uv)
    moved = dots((900, 600), 120)
    assert kept.load(path, moved)[1] != kept.load(path, uv)[1]
    write_dots(path, moved)
    os.utime(path, ns=(1, 1))
    assert np.abs(kept.load(path, uv)[0].astype(int) - first).max() > 50
    path.unlink()
    with pytest.raises(PictureError, match=r'picture.png cannot be read'):
        kept.load(path, uv)


def test_a_damaged_kept_picture_is_made_again(tmp_path):
    uv = dots((700, 500), 120)
    path = tmp_path / 'picture.png'
    write_dots(path, uv)
    kept = KeptPictures(tmp_path / 'kept')
    first, _ = kept.load(path, uv)
    (place,) = (tmp_path / 'kept').rglob('*.kept')
    for content in (b'', b'xx', place.read_bytes()[:-400], b'abcd' + place.read_bytes()[4:]):
        place.write_bytes(content)
        np.testing.assert_array_equal(kept.load(path, uv)[0], first)
        assert place.stat().st_size > 1000


def test_a_folder_that_cannot_be_written_to_costs_a_warning(tmp_path, caplog):
    uv = dots((700, 500), 120)
    write_dots(tmp_path / 'picture.png', uv)
    (tmp_path / 'file').write_text('in the way')
    kept = KeptPictures(tmp_path / 'file')
    with caplog.at_level(logging.WARNING):
        images = [kept.load(tmp_path / 'picture.png', uv)[0] for _ in range(2)]
    np.testing.assert_array_equal(*images)
    assert [record.message.split(':')[0] for record in caplog.records] == [str(tmp_path / 'file')]


def test_small_photos_and_hands_without_labels_are_left_as_they_are(tmp_path):
    uv = dots((110, 110), 100)
    write_dots(tmp_path / 'small.jpg', uv, (224, 224))
    kept = KeptPictures(tmp_path / 'kept')
    image, cutout = kept.load(tmp_path / 'small.jpg', uv)
    assert cutout == Cutout() and image.shape == (224, 224, 3)
    write_dots(tmp_path / 'none.png', uv, (224, 224))
    assert kept.load(tmp_path / 'none.png', np.zeros((0, 2)))[1] == Cutout()
    assert not (tmp_path / 'kept').exists(), 'a JPEG that could not be smaller gains nothing'
