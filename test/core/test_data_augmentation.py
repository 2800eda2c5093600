"""Training crops: labels move with pixels, in 2D and in 3D, whatever is drawn."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from minimal_hand_core.data.augmentation import (
    PLAIN,
    Variation,
    negative_crop,
    network_coordinates,
    plain_crop,
    varied_crop,
    whole_crop,
)
from minimal_hand_core.data.augmentation.stretch import stretched
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.tracking.crop import keypoints_crop

MOVED = replace(PLAIN, rotation=np.pi / 2, upright=0.5, scale=(0.8, 1.3), shift=0.1)
"""Crops as varied as ever, looks left alone."""


def _sample(side='right', seed=0):
    """A picture with a bright dot at every keypoint; 3D is the 2D layout seen from far away, so uv ∝ xyz."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2)[:21]
    uv = 60 + 24.0 * grid + rng.uniform(-4, 4, (21, 2))
    image = np.zeros((240, 240, 3), np.uint8)
    for x, y in uv:
        cv2.circle(image, (round(x * 16), round(y * 16)), 3 << 4, (255, 255, 255), -1, cv2.LINE_AA, 4)
    xyz = np.column_stack([(uv - uv[9]) * 1e-3, rng.normal(0, 0.02, 21)])
    return Sample(image, uv, xyz, np.ones(21, bool), None, side, 'dots')


def _dot_error(image, uv):
    """Largest distance between a label and the centroid of brightness near it."""
    grey = image.astype(float).sum(-1)
    worst = 0.0
    for x, y in uv:
        if not (8 < x < 119 and 8 < y < 119):
            continue
        left, top = round(x) - 4, round(y) - 4
        patch = grey[top : top + 9, left : left + 9]
        rows, columns = np.mgrid[top : top + 9, left : left + 9]
        center = np.array([(patch * columns).sum(), (patch * rows).sum()]) / patch.sum()
        worst = max(worst, float(np.linalg.norm(center - (x, y))))
    return worst


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('seed', range(6))
def test_labels_stay_on_the_pixels(side, seed):
    crop = varied_crop(_sample(side), np.random.default_rng(seed), MOVED)
    assert crop.image.shape == (128, 128, 3)
    assert _dot_error(crop.image, crop.uv) < 0.6


@pytest.mark.parametrize('seed', range(4))
def test_tight_crops_sit_nearly_on_the_hand(seed):
    crop = varied_crop(_sample(), np.random.default_rng(seed), replace(MOVED, rotation=0.0, tight=1.0))
    low, high = crop.uv.min(axis=0), crop.uv.max(axis=0)
    assert 0.81 < 128 / 1.5 / (high - low).max() < 1.08
    np.testing.assert_allclose((low + high) / 2, 63.5, atol=0.03 * 128 + 0.5)
    assert _dot_error(crop.image, crop.uv) < 0.6


@pytest.mark.parametrize('seed', range(4))
def test_labels_of_a_stretched_picture_stay_on_the_pixels_and_teach_no_3d(seed):
    sample = replace(
        _sample(), mask=np.ones((240, 240), bool), intrinsics=np.array([[300.0, 0, 119], [0, 300, 121], [0, 0, 1]])
    )
    crop = varied_crop(sample, np.random.default_rng(seed), replace(MOVED, stretched=1.0, stretch=0.6))
    assert _dot_error(crop.image, crop.uv) < 0.8
    assert crop.weight_3d == 0
    wide = stretched(sample, 0.6)
    assert wide.image.shape == (178, 324, 3)
    assert wide.mask is not None and wide.mask.shape == (178, 324)
    inside = (wide.keypoints_px > 8).all(1) & (wide.keypoints_px < (316, 170)).all(1)
    assert _dot_error(wide.image[:128, :128], wide.keypoints_px[inside]) < 0.5
    # A point on the old axis through a pixel lies on the new one through the moved pixel.
    ray = np.linalg.solve(sample.intrinsics, (*sample.keypoints_px[3], 1))
    np.testing.assert_allclose((wide.intrinsics @ ray)[:2], wide.keypoints_px[3], atol=1e-9)


@pytest.mark.parametrize('amount', [-0.6, -0.3, 0.3, 0.6])
def test_the_mask_of_a_stretched_picture_lies_where_its_hand_does(amount):
    mask = np.zeros((240, 240), bool)
    mask[80:161, 60:141] = True
    bright = np.repeat(255 * mask[..., None].astype(np.uint8), 3, axis=2)
    wide = stretched(replace(_sample(), image=bright, mask=mask), amount)
    shown, said = (np.argwhere(where).mean(axis=0) for where in (wide.image[..., 0] > 127, wide.mask))
    np.testing.assert_allclose(said, shown, atol=0.26)


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('seed', range(6))
def test_3d_turns_and_mirrors_with_2d(side, seed):
    crop = varied_crop(_sample(side), np.random.default_rng(seed), replace(MOVED, far=0.2, far_scale=2.4))
    uv = crop.uv - crop.uv[9]
    # uv = scale · xy for this sample, before and after any turn or mirroring.
    scale = (uv * crop.xyz[:, :2]).sum() / (crop.xyz[:, :2] ** 2).sum()
    assert scale > 0
    np.testing.assert_allclose(uv, scale * crop.xyz[:, :2], atol=1e-2)


def test_a_left_hand_becomes_the_mirrored_right_one():
    right = _sample('right')
    left = Sample(
        right.image[:, ::-1].copy(),
        np.column_stack([239 - right.keypoints_px[:, 0], right.keypoints_px[:, 1]]),
        right.keypoints_m * (-1, 1, 1),
        right.visible,
        None,
        'left',
        'dots',
    )
    (a, _, mirrored_a), (b, _, mirrored_b) = plain_crop(right), plain_crop(left)
    assert (mirrored_a, mirrored_b) == (False, True)
    np.testing.assert_allclose(a.uv, b.uv, atol=1e-3)
    np.testing.assert_allclose(a.xyz, b.xyz, atol=1e-6)
    # The warp interpolates at steps of 1/32 pixel: at most 8 of 255 levels on these hard dots.
    assert np.abs(a.image.astype(int) - b.image).max() <= 8


def test_a_plain_crop_is_centred_on_the_box_with_half_its_size_to_spare():
    crop, place, _ = plain_crop(_sample())
    low, high = crop.uv.min(0), crop.uv.max(0)
    np.testing.assert_allclose((low + high) / 2, 63.5, atol=1e-3)
    assert (high - low).max() == pytest.approx(128 / 1.5, abs=1e-3)
    np.testing.assert_allclose(place.to_image(crop.uv), _sample().keypoints_px, atol=1e-3)


def test_whole_crop_keeps_picture_and_labels():
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    uv = np.random.default_rng(1).uniform(0, 127, (21, 2))
    crop = whole_crop(Sample(image, uv, None, np.ones(21, bool), None, 'right', 'x'))
    np.testing.assert_array_equal(crop.image, image[..., ::-1])
    np.testing.assert_allclose(crop.uv, uv, atol=1e-4)
    assert crop.weight_3d == 0.0


def test_the_backdrop_shows_only_beyond_the_picture():
    sample = _sample()
    backdrop = np.full((128, 128, 3), (255, 0, 0), np.uint8)  # blue
    variation = replace(PLAIN, scale=(2.5, 2.5))
    crop = varied_crop(sample, np.random.default_rng(0), variation, backdrop)
    blue = (crop.image == (0, 0, 255)).all(-1)
    assert blue[:4].all() and blue[:, :4].all(), 'the border shows the backdrop, as RGB'
    assert not blue[40:90, 40:90].any(), 'the picture itself is untouched'


def test_an_unknown_side_teaches_no_3d():
    crop = varied_crop(_sample(side=None), np.random.default_rng(0), Variation())
    assert crop.weight_3d == 0.0


def test_a_negative_has_no_joint_in_the_crop():
    crop = negative_crop(np.zeros((128, 128, 3), np.uint8), np.random.default_rng(0), Variation())
    assert not crop.hand
    assert (crop.uv < -100).all()
    assert (crop.weight == 1).all()


def test_network_coordinates_have_the_root_at_zero_and_unit_length():
    xyz = network_coordinates(np.random.default_rng(0).normal(size=(21, 3)))
    np.testing.assert_array_equal(xyz[9], 0)
    assert np.linalg.norm(xyz[0]) == pytest.approx(1)
    with pytest.raises(ValueError, match='coincide'):
        network_coordinates(np.zeros((21, 3)))


def test_joints_without_a_label_have_no_weight_and_leave_the_rest_alone():
    whole = _sample()
    points = whole.keypoints_px.copy()
    points[[3, 20]] = np.nan
    visible = np.ones(21, bool)
    visible[[3, 20, 7]] = False
    partial = replace(whole, keypoints_px=points, visible=visible)
    crop = plain_crop(partial, factor=1.5)[0]
    assert crop.weight[[3, 20]].tolist() == [0, 0] and crop.weight.sum() == 19
    assert np.isfinite(crop.uv).all() and (crop.uv[[3, 20]] < -1000).all()
    np.testing.assert_array_equal(crop.visible, visible)
    assert crop.weight_3d == 1
    varied = varied_crop(partial, np.random.default_rng(1), MOVED)
    assert np.isfinite(varied.uv).all() and varied.weight[3] == 0 and varied.weight[4] == 1


def test_3d_labels_with_gaps_teach_nothing():
    sample = _sample()
    joints = sample.keypoints_m.copy()
    joints[5] = np.nan
    crop = plain_crop(replace(sample, keypoints_m=joints))[0]
    assert crop.weight_3d == 0 and not crop.xyz.any() and crop.weight.all()


def test_tips_are_cropped_by_the_extent_that_comes_with_them():
    whole = _sample()
    tips = np.full((21, 2), np.nan)
    tips[[4, 8, 12, 16, 20]] = whole.keypoints_px[[4, 8, 12, 16, 20]]
    sample = replace(whole, keypoints_px=tips, extent_px=whole.keypoints_px)
    np.testing.assert_array_equal(plain_crop(sample)[0].image, plain_crop(whole)[0].image)


def test_keypoints_keep_their_fractions():
    """The peers cut them to whole pixels (fact sheet 2.6)."""
    sample = _sample()
    uv = np.stack([varied_crop(sample, np.random.default_rng(seed), MOVED).uv for seed in range(20)])
    assert np.abs(uv - np.rint(uv)).mean() == pytest.approx(0.25, abs=0.03)  # as evenly spread fractions are
    crop, place, _ = plain_crop(sample)
    np.testing.assert_allclose(crop.uv, place.to_crop(sample.keypoints_px), rtol=0, atol=1e-5)


CAMERA = np.array([[500.0, 0, 322.3], [0, 500, 235.8], [0, 0, 1]])


def _seen_by(camera, side, aside=(0.12, -0.07)):
    """A made-up hand off the axis, as a pinhole camera sees it."""
    flat = np.random.default_rng(3).uniform(-0.08, 0.08, (21, 3))
    joints = flat + (*aside, 0.45)
    seen = joints @ camera.T
    image = np.zeros((480, 640, 3), np.uint8)
    return Sample(image, seen[:, :2] / seen[:, 2:], joints, np.ones(21, bool), camera, side, 'pinhole')


def _off_similarity(points, others):
    """Largest distance, pixels, after the best scale and shift (no turn) of `points` onto `others`."""
    a, b = points - points.mean(axis=0), others - others.mean(axis=0)
    return float(np.abs(a * ((a * b).sum() / (a * a).sum()) - b).max())


def _rolled(sample, crop, camera):
    """Where the pinhole camera would see the crop's 3D hand: length and position of the sample, turned and mirrored."""
    wanted = network_coordinates(sample.keypoints_m)
    length = np.linalg.norm(sample.keypoints_m[9] - sample.keypoints_m[0])
    # the same turn (and mirror) takes all relative joints of the sample to those of the crop, so also its root
    turn = np.linalg.lstsq(wanted, crop.xyz.astype(np.float64), rcond=None)[0].T
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
    joints = length * crop.xyz + turn @ sample.keypoints_m[9]
    seen = joints @ camera.T
    return seen[:, :2] / seen[:, 2:], turn


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('seed', range(4))
def test_a_turned_crop_is_what_a_rolled_pinhole_camera_sees(side, seed):
    """Off the axis, with perspective: the crop's 2D is the projection of its 3D, up to the crop's scale and place."""
    sample = _seen_by(CAMERA, side)
    crop = varied_crop(sample, np.random.default_rng(seed), MOVED)
    projected, turn = _rolled(sample, crop, CAMERA)
    assert np.linalg.det(turn) == pytest.approx(-1 if side == 'left' else 1, abs=1e-4)
    assert _off_similarity(projected, crop.uv) < 2e-3
    perspective = _off_similarity(crop.xyz[:, :2], crop.uv)
    assert perspective > 2, 'a hand this near must not look as if it were far away, or this test shows nothing'


@pytest.mark.parametrize('side', ['right', 'left'])
def test_3d_in_the_axes_of_the_view_is_what_a_camera_that_looks_at_the_crop_sees(side):
    """The hand seen by a camera turned to the crop's centre: its axes, and the same joints in them."""
    sample = _seen_by(CAMERA, side)
    camera_axes = varied_crop(sample, np.random.default_rng(1), PLAIN)
    crop = varied_crop(sample, np.random.default_rng(1), PLAIN, view_axes=True)
    assert np.array_equal(crop.image, camera_axes.image) and np.array_equal(crop.uv, camera_axes.uv)
    x, y = (keypoints_crop(sample.keypoints_px).center - CAMERA[:2, 2]) / 500.0
    forward = np.array([x, y, 1.0]) / np.sqrt(x * x + y * y + 1)
    axis = np.cross([0.0, 0.0, 1.0], forward)  # the shortest turn from the camera's axis to the crop's
    view = cv2.Rodrigues(axis / np.linalg.norm(axis) * np.arccos(forward[2]))[0]
    wanted = network_coordinates(sample.keypoints_m @ view) * ((-1.0 if side == 'left' else 1.0), 1.0, 1.0)
    np.testing.assert_allclose(crop.xyz, wanted, atol=1e-5)
    assert np.abs(crop.xyz - camera_axes.xyz).max() > 0.1
    without = varied_crop(replace(sample, intrinsics=None), np.random.default_rng(1), PLAIN, view_axes=True)
    assert np.array_equal(without.xyz, camera_axes.xyz), 'without intrinsics nobody knows the view'


def test_where_the_turn_is_an_approximation():
    """fx ≠ fy is the only thing that parts 2D and 3D, by less than the share in which they differ."""
    oblong = CAMERA * ((1.0,), (1.022,), (1.0,))  # as Dexter+Object
    sample = _seen_by(oblong, 'right')
    off = []
    for seed in range(12):
        crop = varied_crop(sample, np.random.default_rng(seed), MOVED)
        off.append(_off_similarity(_rolled(sample, crop, oblong)[0], crop.uv))
    assert 0.05 < max(off) < 0.022 * 128


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'occluder': 1.5}, 'occluder is 1.5; give a chance, 0…1'),
        ({'jpeg': -0.1}, 'jpeg is -0.1'),
        ({'rotation': -1.0}, 'rotation is -1.0; give 0 or more'),
        ({'scale': (1.3, 0.8)}, 'scale is .*smallest, largest'),
        ({'scale': (0.0, 0.8)}, 'scale is'),
        ({'far_scale': 1.0}, 'far_scale is 1.0; give at least 1.3'),
        ({'blur': float('nan')}, 'blur is nan'),
    ],
)
def test_a_variation_that_makes_no_sense_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        Variation(**change)


def test_a_sample_that_cannot_be_cut_is_named():
    sample = replace(_sample(), keypoints_px=np.full((21, 2), np.nan))
    with pytest.raises(ValueError, match='dots: no keypoint is labelled'):
        plain_crop(sample)
    with pytest.raises(ValueError, match=r'backdrop: expected \(128, 128, 3\) uint8 BGR, found \(64, 64, 3\)'):
        varied_crop(_sample(), np.random.default_rng(0), PLAIN, np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match=r'dots: the mask is \(10, 10\), the picture \(240, 240\)'):
        varied_crop(
            replace(_sample(), mask=np.ones((10, 10), bool)), np.random.default_rng(0), replace(PLAIN, background=1.0)
        )


def test_stretched_crops_reach_further():
    assert Variation(stretched=0.2, stretch=0.6).reach == pytest.approx(math.exp(0.6) * Variation().reach)
