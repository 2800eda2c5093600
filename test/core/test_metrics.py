"""PCK, AUC and errors against plain loops written from the definitions, and what they do without anything to count."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimal_hand_core.evaluation import (
    bone_length_errors,
    box_errors,
    end_point_error,
    keypoint_errors,
    pck,
    pck_auc,
    pck_curve,
)
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


def draw(seed, share, hands=7, joints=5):
    """Errors of 0 … 60, many of them exactly on a threshold, and a mask; what is not visible is NaN."""
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0, 60, (hands, joints))
    on_threshold = rng.choice(np.linspace(20, 50, 15), errors.shape)
    errors = np.where(rng.random(errors.shape) < 0.3, on_threshold, errors)
    visible = rng.random(errors.shape) < share
    visible[0, 0] = True
    return np.where(visible, errors, np.nan), visible


def slow_pck(errors, visible, joint, threshold):
    """Share of one joint, or None without a sample."""
    hits = samples = 0
    for hand in range(len(errors)):
        if visible[hand, joint]:
            samples += 1
            hits += errors[hand, joint] <= threshold
    return hits / samples if samples else None


def slow_auc(errors, visible, low, high, steps):
    areas = []
    for joint in range(errors.shape[1]):
        thresholds = np.linspace(low, high, steps).tolist()
        heights = [slow_pck(errors, visible, joint, t) for t in thresholds]
        if heights[0] is None:
            continue
        area = 0.0
        for i in range(steps - 1):
            area += (heights[i] + heights[i + 1]) / 2 * (thresholds[i + 1] - thresholds[i])
        areas.append(area / (high - low))
    return sum(areas) / len(areas)


@settings(max_examples=60, deadline=None)
@given(SEEDS, SHARES, st.integers(2, 20))
def test_auc_is_that_of_the_plain_loops(seed, share, steps):
    errors, visible = draw(seed, share)
    assert pck_auc(errors, visible, steps=steps) == pytest.approx(slow_auc(errors, visible, 20, 50, steps), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(SEEDS, SHARES)
def test_the_curve_is_that_of_the_plain_loops(seed, share):
    errors, visible = draw(seed, share)
    thresholds = np.linspace(20, 50, 15)
    curve = pck_curve(errors, thresholds, visible)
    expected = np.array([[slow_pck(errors, visible, j, t) for t in thresholds] for j in range(5)], float)
    np.testing.assert_allclose(curve.joints, expected)
    np.testing.assert_allclose(curve.mean, np.nanmean(expected, axis=0))
    assert curve.samples.tolist() == visible.sum(0).tolist()


@settings(max_examples=60, deadline=None)
@given(SEEDS, SHARES)
def test_means_and_medians_are_those_of_numpy(seed, share):
    errors, visible = draw(seed, share)
    found = end_point_error(errors, visible)
    assert found.mean == pytest.approx(np.nanmean(errors)) and found.median == pytest.approx(np.nanmedian(errors))
    for joint in range(5):
        column = errors[visible[:, joint], joint]
        assert found.samples[joint] == len(column)
        if len(column):
            assert found.joint_mean[joint] == pytest.approx(column.mean())
            assert found.joint_median[joint] == pytest.approx(np.median(column))
        else:
            assert math.isnan(found.joint_mean[joint]) and math.isnan(found.joint_median[joint])


@settings(max_examples=30, deadline=None)
@given(SEEDS, SHARES)
def test_distances_and_bones_are_those_of_the_plain_loops(seed, share):
    rng = np.random.default_rng(seed)
    predicted, truth = rng.normal(size=(2, 4, 21, 3))
    visible = rng.random((4, 21)) < share
    predicted[~visible], truth[~visible] = np.nan, 1e9
    distances = keypoint_errors(predicted, truth, visible)
    bones = bone_length_errors(predicted, truth, visible)
    flat = keypoint_errors(predicted[..., :2], truth[..., :2], visible)
    for hand in range(4):
        for k in range(21):
            if not visible[hand, k]:
                assert math.isnan(distances[hand, k])
            else:
                assert distances[hand, k] == pytest.approx(math.dist(predicted[hand, k], truth[hand, k]))
                assert flat[hand, k] == pytest.approx(math.dist(predicted[hand, k, :2], truth[hand, k, :2]))
            if k > 0:
                parent = KEYPOINT_PARENTS[k]
                if visible[hand, k] and visible[hand, parent]:
                    lengths = [math.dist(points[hand, k], points[hand, parent]) for points in (predicted, truth)]
                    assert bones[hand, k - 1] == pytest.approx(abs(lengths[0] - lengths[1]))
                else:
                    assert math.isnan(bones[hand, k - 1])


def test_a_bone_counts_where_both_ends_are_seen():
    truth, visible = np.random.default_rng(1).normal(size=(1, 21, 3)), np.ones((1, 21), bool)
    visible[0, [0, 6]] = False
    errors = bone_length_errors(truth * np.where(visible[..., None], 1, 3), truth, visible)
    unseen = {1, 5, 9, 13, 17, 6, 7}
    assert {bone for bone in range(1, 21) if math.isnan(errors[0, bone - 1])} == unseen
    assert np.nanmax(errors) == 0


def test_an_error_of_just_the_threshold_is_right():
    errors = np.array([[19.0, 20.0, 21.0, 22.0]])
    assert pck(errors, 20.0) == 0.5
    assert pck_curve(errors, [19.0, 20.0, 22.0]).mean.tolist() == [0.25, 0.5, 1.0]


def test_thresholds_are_those_of_the_field():
    """20, 22.14…, 50 mm: an error of 35 mm is right at the last 8 of 15 thresholds, 7.5 of 14 steps."""
    assert pck_auc(np.full((3, 21), 35.0)) == pytest.approx(7.5 / 14)
    assert pck_auc(np.full((3, 21), 20.0)) == 1.0
    assert pck_auc(np.full((3, 21), 50.1)) == 0.0
    assert pck_auc(np.full((3, 21), 50.0)) == pytest.approx(1 / 28)


def test_joints_count_alike_however_often_they_are_seen():
    errors = np.array([[0.0, 100.0], [0.0, 100.0], [0.0, 0.0]])
    visible = np.array([[True, True], [True, False], [True, False]])
    assert pck_auc(errors, visible) == 0.5
    assert pck(errors, 20, visible) == 0.75
    errors[:, 1], visible[:, 1] = np.nan, False
    assert pck_auc(errors, visible) == 1.0
    assert math.isnan(pck_curve(errors, [20], visible).joints[1, 0])


def test_two_dimensional_errors_are_shares_of_the_visible_box():
    truth = np.zeros((2, 3, 2))
    truth[0] = [(0, 0), (100, 0), (0, 500)]
    found = truth + [(6, 8), (0, 0), (0, 20)]
    visible = np.array([[True, True, False], [False, False, False]])
    errors = box_errors(found, truth, visible)
    np.testing.assert_allclose(errors[0, :2], [0.1, 0.0])
    assert np.isnan(errors[0, 2]) and np.isnan(errors[1]).all()


@pytest.mark.parametrize('metric', [pck_auc, end_point_error, lambda *a: pck(a[0], 20, *a[1:])])
@pytest.mark.parametrize(
    ('errors', 'visible', 'message'),
    [
        (np.zeros(21), None, r'errors: expected shape \(N, J\), found \(21,\)'),
        (np.zeros((0, 21)), None, r'errors: expected shape \(N, J\), found \(0, 21\)'),
        (np.full((2, 3), np.nan), None, 'errors: expected finite numbers wherever visible, .* 6 of 6 places; mark'),
        (np.full((2, 3), -1.0), None, 'errors: expected distances of 0 or more, found -1'),
        (np.zeros((2, 3)), np.ones((3, 2), bool), r'visible: expected shape \(2, 3\), found \(3, 2\)'),
        (np.zeros((2, 3)), np.ones((2, 3)), 'visible: expected bool, found float64'),
        (np.zeros((2, 3)), np.zeros((2, 3), bool), 'visible: expected at least one visible keypoint, found none in 6'),
        ([['a', 'b']], None, 'errors: expected an array of numbers'),
    ],
)
def test_bad_errors_are_named(metric, errors, visible, message):
    with pytest.raises(ValueError, match=message):
        metric(errors, visible)


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (
            lambda: keypoint_errors(np.zeros((2, 21, 3)), np.zeros((2, 20, 3))),
            r'predicted: expected .*\(2, 20, 3\)',
        ),
        (
            lambda: keypoint_errors(np.zeros((2, 3)), np.zeros((2, 3))),
            r'truth: expected .*, found \(2, 3\)',
        ),
        (lambda: keypoint_errors(np.full((1, 2, 3), np.nan), np.zeros((1, 2, 3))), 'predicted: expected finite'),
        (lambda: bone_length_errors(*np.zeros((2, 1, 20, 3))), r'truth: expected shape \(N, 21, 3\)'),
        (lambda: box_errors(*np.zeros((2, 1, 4, 3))), r'truth: expected shape \(N, K, 2\)'),
        (lambda: box_errors(*np.ones((2, 1, 4, 2))), 'truth: all visible keypoints of hand 0 lie in one place'),
        (lambda: pck_auc(np.zeros((1, 1)), low=50, high=20), 'low, high: expected 0 ≤ low < high, found 50 and 20'),
        (lambda: pck_auc(np.zeros((1, 1)), steps=1), 'steps: expected 2 thresholds or more, found 1'),
        (lambda: pck_curve(np.zeros((1, 1)), [2, 1]), 'thresholds: expected rising numbers'),
    ],
)
def test_bad_calls_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_ten_thousand_hands_take_well_under_a_second(rng):
    """Everything an evaluation asks for: about 0.1 s of the processor, whatever else runs beside."""
    truth = rng.normal(0, 50, (10_000, 21, 3))
    predicted = truth + rng.normal(0, 15, truth.shape)
    visible = rng.random((10_000, 21)) < 0.8
    times = []
    for _ in range(3):
        start = time.process_time()
        errors = keypoint_errors(predicted, truth, visible)
        pck_auc(errors, visible)
        end_point_error(errors, visible)
        bone_length_errors(predicted, truth, visible)
        times.append(time.process_time() - start)
    assert min(times) < 0.5
