"""The running estimate and the calibration: robust to outliers, bounded, and fixed once calibrated."""

import numpy as np
import pytest
from toy_hand import ToyHand

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape import ShapeCalibration, ShapeEstimator, bone_ratios, default_hand_length

HAND = ToyHand()
BETAS = np.random.default_rng(7).normal(size=10)
TRUTH = HAND.rest(BETAS[None])[0]
SURE = np.ones(21)


def frames(count, noise=0.003, seed=0):
    """Keypoints of one hand in network units, with noise in metres on the hand."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        points = TRUTH + noise * rng.normal(size=TRUTH.shape)
        yield (points - points[9]) / np.linalg.norm(TRUTH[9] - TRUTH[0])


def ratio_error(shape):
    return np.abs(bone_ratios(HAND.rest(shape.betas[None])) - bone_ratios(TRUTH)).max()


def test_starts_as_the_mean_hand():
    shape = ShapeEstimator(HAND).shape
    assert (shape.betas == 0).all() and shape.frames == 0 and not shape.calibrated
    assert shape.hand_length == pytest.approx(np.linalg.norm(HAND.rest(np.zeros((1, 10)))[0, 9]))
    assert default_hand_length(load_hand_model()) == pytest.approx(0.09, abs=0.01)


def test_converges_to_the_hand():
    estimator = ShapeEstimator(HAND)
    errors = [ratio_error(estimator.update(xyz, SURE)) for xyz in frames(60)]
    mean_hand = ratio_error(ShapeEstimator(HAND).shape)
    assert errors[-1] < 0.03 < 0.06 < mean_hand
    assert estimator.shape.frames == 60 and estimator.shape.residual < 0.02
    assert 0.001 < estimator.shape.hand_length_spread < 0.01


def test_outliers_do_not_move_the_hand():
    clean, dirty = ShapeEstimator(HAND), ShapeEstimator(HAND)
    rng = np.random.default_rng(1)
    for i, xyz in enumerate(frames(60)):
        clean.update(xyz, SURE)
        dirty.update(rng.normal(size=(21, 3)) if i % 3 == 1 else xyz, SURE)
    assert ratio_error(dirty.shape) < ratio_error(clean.shape) + 0.015


def test_unsure_keypoints_do_not_count():
    confidence = SURE.copy()
    confidence[5:9] = 0.1
    estimator = ShapeEstimator(HAND)
    for xyz in frames(40):
        xyz[5:9] += 0.5
        estimator.update(xyz, confidence)
    ratios = bone_ratios(HAND.rest(estimator.shape.betas[None]))[0]
    others = [i for i in range(15) if i not in (3, 4, 5)]
    np.testing.assert_allclose(ratios[others], bone_ratios(TRUTH)[others], atol=0.02)
    assert np.abs(estimator.shape.betas).max() < 4


def test_frames_without_the_reference_bone_are_no_use():
    confidence = SURE.copy()
    confidence[9] = 0.0
    estimator = ShapeEstimator(HAND)
    before = estimator.shape
    assert estimator.update(next(frames(1)), confidence) is before
    assert estimator.update(np.zeros((21, 3)), SURE) is before


def test_old_frames_are_forgotten():
    estimator = ShapeEstimator(HAND, window=20)
    for xyz in frames(20):
        estimator.update(xyz, SURE)
    other = HAND.rest(-BETAS[None])[0]
    for _ in range(20):
        estimator.update(other, SURE)
    np.testing.assert_allclose(bone_ratios(HAND.rest(estimator.shape.betas[None]))[0], bone_ratios(other), atol=0.02)
    assert estimator.shape.frames == 20


def test_reset_forgets():
    estimator = ShapeEstimator(HAND, hand_length=0.085)
    for xyz in frames(5):
        estimator.update(xyz, SURE)
    shape = estimator.reset()
    assert shape.frames == 0 and (shape.betas == 0).all() and shape.hand_length == 0.085
    first = estimator.update(next(frames(1)), SURE)
    np.testing.assert_array_equal(first.betas, ShapeEstimator(HAND).update(next(frames(1)), SURE).betas)


def test_calibration_fixes_the_shape():
    calibration = ShapeCalibration(HAND, frames=30, hand_length=0.1)
    done = [calibration.add(xyz, SURE) for xyz in frames(40)]
    assert done == [False] * 29 + [True] * 11
    result = calibration.result()
    assert result.success and result.frames == 30 and result.rejected == 0 and '30 frames' in result.message
    assert 0.02 < result.spread < 0.1
    estimator = ShapeEstimator(HAND)
    shape = estimator.adopt(result)
    assert shape.calibrated and shape.hand_length == 0.1 and ratio_error(shape) < 0.03
    assert estimator.update(HAND.rest(-BETAS[None])[0], SURE) is shape
    assert not estimator.reset().calibrated


def test_calibration_of_a_restless_hand_fails():
    calibration = ShapeCalibration(HAND, frames=30, max_spread=0.05)
    for xyz in frames(30, noise=0.012):
        calibration.add(xyz, SURE)
    result = calibration.result()
    assert not result.success and result.shape is None
    assert 'hand moved: spread' in result.message and '5.0%' in result.message
    with pytest.raises(ValueError, match='hand moved'):
        ShapeEstimator(HAND).adopt(result)


def test_calibration_without_enough_frames_fails():
    calibration = ShapeCalibration(HAND, frames=30)
    assert np.isnan(calibration.result().spread)
    for i, xyz in enumerate(frames(10)):
        calibration.add(xyz, SURE if i % 2 else 0 * SURE)
    result = calibration.result()
    assert not result.success and result.message == 'only 5 of 30 usable frames, 5 rejected'


def test_calibration_wants_every_finger():
    confidence = SURE.copy()
    confidence[17:] = 0.0
    calibration = ShapeCalibration(HAND, frames=5)
    for xyz in frames(5):
        calibration.add(xyz, confidence)
    result = calibration.result()
    assert not result.success and 'never seen' in result.message


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: ShapeEstimator(HAND, hand_length=9.0), 'hand_length: .* found 9.0'),
        (lambda: ShapeEstimator(HAND, window=0), 'window: .* found 0'),
        (lambda: ShapeEstimator(HAND, min_confidence=2), 'min_confidence: .* found 2'),
        (
            lambda: ShapeEstimator(HAND).update(np.zeros((20, 3)), SURE),
            r'xyz: expected shape \(21, 3\), found \(20, 3\)',
        ),
        (lambda: ShapeEstimator(HAND).update(TRUTH * np.nan, SURE), 'xyz: expected finite'),
        (lambda: ShapeEstimator(HAND).update(TRUTH, SURE[:3]), r'confidence: expected shape \(21,\), found \(3,\)'),
        (lambda: ShapeCalibration(HAND, frames=0), 'frames: .* found 0'),
        (lambda: ShapeCalibration(HAND, max_spread=0), 'max_spread: .* found 0'),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
