"""Registered depth: what it says of the keypoints, whatever holes, edges and late stamps do to it."""

import functools

import numpy as np
import pytest

from minimal_hand_core.data.synthetic import HandMotion, RenderedScene
from minimal_hand_core.evaluation.wrist_accuracy import sensor_depth
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape import HandShape, ShapeCalibration
from minimal_hand_core.tracking import (
    CameraModel,
    DepthError,
    DepthPicture,
    HandTracker,
    HandTrackerConfig,
    Keypoints,
    PoseConfig,
    PoseEstimator,
)
from minimal_hand_core.tracking.depth import measure_keypoints, visible_skin


@functools.cache
def shots(side='right'):
    """(truth, camera, depth (H, W) metres, 0 = nothing) of six rendered moments."""
    scene = RenderedScene(4, motion=HandMotion(4, distance=(0.35, 0.7)), side=side)
    camera = CameraModel(640, 480, scene.intrinsics, [])
    return [(scene.truth(t), camera, scene.depth(t)) for t in (0.0, 3.3, 6.6, 9.9, 13.2, 16.5)]


@functools.cache
def model(side='right'):
    return load_hand_model('open', side)


def keypoints(truth, rng, flat=0.9):
    """What a network might say: a pixel or two off, depth too flat."""
    xyz = (truth.keypoints_m - truth.keypoints_m[9]) / truth.hand_length
    xyz = xyz * (1, 1, flat) + rng.normal(0, 0.03, (21, 3))
    uv = truth.keypoints_px + rng.normal(0, 1.5, (21, 2))
    return Keypoints(truth.side, 0.0, 0.95, uv, xyz, np.full(21, 0.97))


def states(depth_of, side='right', length=1.0, **settings):
    """(truth, state without depth, state with) of the six; the hand length believed in is `length` times the true."""
    rng = np.random.default_rng(0)
    estimator = PoseEstimator(PoseConfig(side=side, filter='none', keypoint_scale=1.0, **settings), model(side))
    for truth, camera, depth in shots(side):
        found, shape = keypoints(truth, rng), HandShape(truth.betas, length * truth.hand_length)
        measured = depth_of(truth, depth)
        yield truth, estimator.update(found, shape, camera), estimator.update(found, shape, camera, measured)


def range_errors(rows):
    return np.array(
        [
            [abs(np.linalg.norm(state.wrist_position) / np.linalg.norm(truth.wrist) - 1) for state in (before, after)]
            for truth, before, after in rows
        ]
    )


@pytest.mark.parametrize('side', ['right', 'left'])
def test_depth_fixes_the_range_though_the_hand_length_is_wrong(side):
    errors = range_errors(states(lambda truth, depth: DepthPicture.from_array(depth, 0.0), side, length=1.08))
    # 8 % and 0.5 % measured
    assert np.median(errors[:, 0]) > 0.05
    assert np.median(errors[:, 1]) < 0.01
    assert errors[:, 1].max() < 0.03


@pytest.mark.parametrize('range_', [0.15, 0.18])
def test_holes_round_a_hand_close_to_the_sensor_are_no_depth(range_):
    # all of a picture nearer by the same factor: directions stay, depths shrink with the hand
    truth, camera, depth = shots()[0]
    factor = range_ / truth.keypoints_m[9, 2]
    seen = DepthPicture.from_array(np.float32(factor) * depth, 0.0)
    skin = factor * visible_skin(truth.vertices, model().faces.numpy())
    found = measure_keypoints(seen, camera, factor * truth.keypoints_m, skin, 0.0)
    assert found is not None and abs(found.shift) < 0.002


def test_a_sensor_with_holes_noise_and_a_wall_behind_is_as_good():
    rng = np.random.default_rng(1)

    def sensor(truth, depth):
        picture = sensor_depth(depth, rng, float(truth.wrist[2]) + 0.2)
        assert picture.dtype == np.uint16 and 0.1 < (picture == 0).mean() < 0.2
        return DepthPicture.from_array(picture, 0.0)

    errors = range_errors(states(sensor, length=1.05))
    assert np.median(errors[:, 1]) < 0.01
    assert errors[:, 1].max() < 0.03


def test_the_covariance_knows_that_depth_was_there():
    for _, before, after in states(lambda truth, depth: DepthPicture.from_array(depth, 0.0)):
        ray = after.wrist_position / np.linalg.norm(after.wrist_position)
        sigmas = [np.sqrt(ray @ state.wrist_covariance[:3, :3] @ ray) for state in (before, after)]
        assert sigmas[1] < 0.01 < sigmas[0]


def test_depth_of_another_moment_is_believed_less():
    now = list(states(lambda truth, depth: DepthPicture.from_array(depth, 0.0)))
    late = list(states(lambda truth, depth: DepthPicture.from_array(depth, -0.1)))
    for (_, _, fresh), (_, _, old) in zip(now, late, strict=True):
        assert np.sqrt(old.wrist_covariance[2, 2]) > np.sqrt(fresh.wrist_covariance[2, 2]) + 0.01


@pytest.mark.parametrize('spoil', ['empty', 'nan', 'wall', 'elsewhere'])
def test_depth_that_does_not_show_the_hand_changes_nothing(spoil):
    def spoilt(truth, depth):
        other = {
            'empty': np.zeros_like(depth),
            'nan': np.full_like(depth, np.nan),
            'wall': np.full_like(depth, 3.0),
            'elsewhere': np.roll(depth, 320, axis=1),
        }[spoil]
        return DepthPicture.from_array(other, 0.0)

    for _, before, after in states(spoilt):
        assert np.array_equal(before.wrist_position, after.wrist_position)
        assert np.array_equal(before.wrist_covariance, after.wrist_covariance)


@pytest.mark.parametrize('size_known', [True, False])
def test_mirrored_pictures_come_with_mirrored_depth(size_known):
    truth, camera, depth = shots()[1]
    if not size_known:
        camera = CameraModel(0, 0, camera.k, camera.d)
    found = keypoints(truth, np.random.default_rng(2))
    shape = HandShape(truth.betas, 1.08 * truth.hand_length)
    plain = PoseEstimator(PoseConfig(filter='none'), model())
    selfie = PoseEstimator(PoseConfig(filter='none', mirrored=True), model())
    flipped = Keypoints('right', 0.0, 0.95, found.uv * (-1, 1) + (639, 0), found.xyz, found.confidence)
    expected = plain.update(found, shape, camera, DepthPicture.from_array(depth, 0.0))
    mirrored = DepthPicture.from_array(np.ascontiguousarray(depth[:, ::-1]), 0.0)
    state = selfie.update(flipped, shape, camera, mirrored)
    assert np.allclose(state.wrist_position, expected.wrist_position, atol=1e-6)


def test_exact_keypoints_are_where_depth_sees_them():
    for truth, camera, depth in shots():
        skin = visible_skin(truth.vertices, model().faces.numpy())
        seen = measure_keypoints(DepthPicture.from_array(depth, 0.0), camera, truth.keypoints_m, skin, 0.0)
        known = np.isfinite(seen.sigma)
        assert known.sum() >= 12
        # 1.8 mm in the worst of the six measured
        assert np.median(np.abs(seen.z - truth.keypoints_m[:, 2])[known]) < 0.0025
        assert abs(seen.shift) < 0.002


def test_far_away_noise_pulls_nothing_nearer_and_is_believed_as_it_is():
    scene = RenderedScene(4, motion=HandMotion(4, distance=(0.9, 1.2)), focal=1000.0)
    camera = CameraModel(640, 480, scene.intrinsics, [])
    rng = np.random.default_rng(5)
    shifts, clear, noisy = [], [], []
    for t in (0.0, 3.3, 6.6, 9.9, 13.2, 16.5):
        truth, depth = scene.truth(t), scene.depth(t)
        skin = visible_skin(truth.vertices, model().faces.numpy())
        sensed = sensor_depth(depth, rng, float(truth.wrist[2]) + 0.25)
        for sigmas, picture in ((clear, depth), (noisy, sensed)):
            seen = measure_keypoints(DepthPicture.from_array(picture, 0.0), camera, truth.keypoints_m, skin, 0.0)
            sigmas.append(np.median(seen.sigma[np.isfinite(seen.sigma)]))
        shifts.append(seen.shift)
    # 16 mm of noise at 1 m; a band of 12 mm round the near end was off by 7.4 mm
    assert abs(np.mean(shifts)) < 0.0025
    assert min(noisy) > 1.05 * max(clear)


def test_millimetres_and_metres_holes_and_the_wrong_kind():
    picture = DepthPicture.from_array(np.array([[0, 500], [65535, 1]], np.uint16), 1.5)
    assert np.allclose(picture.metres, [[0, 0.5], [65.535, 0.001]]) and picture.stamp == 1.5
    picture = DepthPicture.from_array(np.array([[np.nan, 0.5], [np.inf, -1]], np.float32), 0.0)
    assert np.array_equal(picture.metres, np.array([[0, 0.5], [0, 0]], np.float32))
    for bad, said in (
        (np.zeros((2, 2), np.uint8), 'found uint8'),
        (np.zeros((2, 2)), 'found float64'),
        (np.zeros((2, 2, 3), np.uint16), r'found shape \(2, 2, 3\)'),
        (np.zeros((0, 2), np.uint16), 'found shape'),
    ):
        with pytest.raises(DepthError, match=said):
            DepthPicture.from_array(bad, 0.0)


def test_depth_that_is_not_registered_is_refused():
    with pytest.raises(DepthError, match='depth picture is 320×240, the colour picture 640×480.*registered'):
        DepthPicture.from_array(np.zeros((240, 320), np.uint16), 0.0).check_size(640, 480)
    tracker = HandTracker(HandTrackerConfig(backend='torch'))
    with pytest.raises(DepthError, match='320×240'):
        tracker.track(np.zeros((480, 640, 3), np.uint8), 0.0, depth=DepthPicture(np.zeros((240, 320), np.float32), 0.0))


@pytest.mark.parametrize('believed', [0.08, 0.11])
def test_calibration_with_depth_measures_the_hand_length(believed):
    rng = np.random.default_rng(3)
    truth, camera, depth = shots()[0]
    estimator = PoseEstimator(PoseConfig(keypoint_scale=1.0), model())
    calibration = ShapeCalibration(model(), 12, fallback=believed)
    while not calibration.done:
        found = keypoints(truth, rng, flat=1.0)
        picture = DepthPicture.from_array(sensor_depth(depth, rng, 1.0), 0.0)
        length = estimator.measure_length(found, HandShape(truth.betas, believed), camera, picture)
        calibration.add(found.xyz, found.confidence, length)
    result = calibration.result()
    assert result.success and result.measured and 'measured with depth in 12 of them' in result.message
    assert result.shape.hand_length == pytest.approx(truth.hand_length, rel=0.015)
    assert 0 < result.shape.hand_length_spread < 0.02 * truth.hand_length


def test_a_length_that_is_given_or_cannot_be_measured_is_said_to_be_so():
    truth = shots()[0][0]
    found = keypoints(truth, np.random.default_rng(4), flat=1.0)

    def calibrate(lengths, **options):
        calibration = ShapeCalibration(model(), 10, **options)
        assert calibration.needs_length == ('hand_length' not in options)
        for length in lengths:
            calibration.add(found.xyz, found.confidence, length)
        return calibration.result()

    given = calibrate([0.1] * 10, hand_length=0.09)
    assert given.shape.hand_length == 0.09 and not given.measured and '90.0 mm (given)' in given.message
    few = calibrate([0.1] * 4 + [None] * 6, fallback=0.085)
    assert few.shape.hand_length == 0.085 and not few.measured and 'not measured: needs depth' in few.message
    absurd = calibrate([0.3] * 10)
    assert not absurd.success and '300 mm: that is no hand' in absurd.message
