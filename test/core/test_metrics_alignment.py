"""Alignments against plain references, their invariances, and hands that cannot be placed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from minimal_hand_core.evaluation import (
    align_centroid_scale,
    align_procrustes,
    align_root_scale,
    keypoint_errors,
    root_scale_errors,
)

SEEDS = st.integers(0, 2**32 - 1)
ALIGNMENTS = [align_root_scale, align_centroid_scale, align_procrustes]


def draw(seed, hands=5):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 0.05, (hands, 21, 3)) + rng.normal(0, 1, (hands, 1, 3))
    return rng, truth, truth + rng.normal(0, 0.01, truth.shape)


def slow_root_scale(predicted, truth):
    out = np.empty_like(truth)
    for n in range(len(truth)):
        scale = np.linalg.norm(truth[n, 0] - truth[n, 9]) / np.linalg.norm(predicted[n, 0] - predicted[n, 9])
        for k in range(21):
            out[n, k] = truth[n, 9] + scale * (predicted[n, k] - predicted[n, 9])
    return out


def slow_centroid(predicted, truth, visible):
    out = np.full_like(truth, np.nan)
    for n in range(len(truth)):
        seen = [k for k in range(truth.shape[1]) if visible[n, k]]
        if len(seen) < 2:
            continue
        centre, true_centre = predicted[n, seen].mean(0), truth[n, seen].mean(0)
        size = np.mean([np.linalg.norm(predicted[n, k] - centre) for k in seen])
        true_size = np.mean([np.linalg.norm(truth[n, k] - true_centre) for k in seen])
        out[n] = (predicted[n] - centre) * true_size / size + true_centre
    return out


def slow_procrustes(predicted, truth, visible):
    """Umeyama's closed form, hand by hand, by SVD."""
    out = np.full_like(truth, np.nan)
    for n in range(len(truth)):
        if visible[n].sum() < 3:
            continue
        a, b = predicted[n, visible[n]], truth[n, visible[n]]
        centre, true_centre = a.mean(0), b.mean(0)
        u, s, vt = np.linalg.svd((b - true_centre).T @ (a - centre))
        sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        rotation = u @ np.diag(sign) @ vt
        scale = (s * sign).sum() / np.square(a - centre).sum()
        out[n] = scale * (predicted[n] - centre) @ rotation.T + true_centre
    return out


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.05, 0.15, 0.5, 1.0]))
def test_alignments_are_those_of_the_plain_loops(seed, share):
    rng, truth, predicted = draw(seed)
    predicted = 3 * predicted @ Rotation.random(random_state=seed).as_matrix() + rng.normal(size=3)
    np.testing.assert_allclose(align_root_scale(predicted, truth), slow_root_scale(predicted, truth), atol=1e-12)
    visible = rng.random(truth.shape[:2]) < share
    for fast, slow in ((align_centroid_scale, slow_centroid), (align_procrustes, slow_procrustes)):
        expected = slow(predicted, truth, visible)
        np.testing.assert_allclose(fast(predicted, truth, visible), expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.floats(0.01, 1000))
def test_what_an_alignment_aligns_does_not_matter(seed, scale):
    rng, truth, predicted = draw(seed)
    shift = rng.normal(size=3)
    for align in ALIGNMENTS:
        expected = align(predicted, truth)
        np.testing.assert_allclose(align(scale * predicted + shift, truth), expected, rtol=1e-6, atol=1e-9)
    turned = predicted @ Rotation.random(random_state=seed).as_matrix()
    np.testing.assert_allclose(align_procrustes(turned, truth), align_procrustes(predicted, truth), atol=1e-9)


def test_no_similarity_is_better_than_procrustes():
    _, truth, predicted = draw(3, hands=1)
    aligned = align_procrustes(predicted, truth)
    least = np.square(aligned - truth).sum()

    def cost(x):
        moved = np.exp(x[6]) * Rotation.from_rotvec(x[:3]).apply(predicted[0]) + x[3:6]
        return np.square(moved - truth[0]).sum()

    for start in range(3):
        found = minimize(cost, np.random.default_rng(start).normal(0, 0.1, 7)).fun
        assert found >= least * (1 - 1e-9)
    assert found == pytest.approx(least, rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_a_mirrored_hand_is_not_mirrored_back(seed):
    _, truth, _ = draw(seed)
    mirrored = truth * (-1, 1, 1)
    assert keypoint_errors(align_procrustes(mirrored, truth), truth).mean(1).min() > 0.005
    np.testing.assert_allclose(align_procrustes(truth, truth), truth, atol=1e-12)


def test_points_that_are_not_visible_do_not_pull():
    rng, truth, predicted = draw(0)
    visible = rng.random(truth.shape[:2]) < 0.6
    visible[:, [0, 9]] = True
    for align in ALIGNMENTS:
        expected = align(predicted, truth, visible)
        spoilt, spoilt_truth = predicted.copy(), truth.copy()
        spoilt[~visible], spoilt_truth[~visible] = 1e6, np.nan
        np.testing.assert_allclose(align(spoilt, spoilt_truth, visible)[visible], expected[visible])
        assert np.isfinite(expected).all()


@pytest.mark.parametrize(('align', 'needed'), [(align_centroid_scale, 2), (align_procrustes, 3)])
def test_a_hand_with_too_few_points_is_nan(align, needed):
    _, truth, predicted = draw(0, hands=2)
    for count in range(4):
        visible = np.ones((2, 21), bool)
        visible[1] = np.arange(21) < count
        aligned = align(predicted, truth, visible)
        assert np.isfinite(aligned[0]).all()
        assert np.isfinite(aligned[1]).all() == (count >= needed)


def test_a_hand_without_its_root_is_nan_and_has_no_errors():
    _, truth, predicted = draw(0, hands=2)
    visible = np.ones((2, 21), bool)
    visible[1, 0] = False
    assert np.isnan(align_root_scale(predicted, truth, visible)[1]).all()
    errors = root_scale_errors(predicted, truth, visible)
    assert np.isfinite(errors[0]).all() and np.isnan(errors[1]).all()
    np.testing.assert_allclose(errors[0], root_scale_errors(predicted, truth)[0])
    assert errors[0, 9] == 0


@pytest.mark.parametrize('align', ALIGNMENTS)
def test_hands_without_extent(align):
    _, truth, predicted = draw(0, hands=2)
    predicted[1] = 0.3
    aligned = align(predicted, truth)
    assert np.isfinite(aligned).all()
    assert np.ptp(aligned[1], axis=0).max() < 1e-12
    truth[1] = 0.1
    with pytest.raises(ValueError, match='truth: .* found none in hand 1'):
        align(predicted, truth)


@pytest.mark.parametrize('align', ALIGNMENTS)
@pytest.mark.parametrize(
    ('predicted', 'truth', 'visible', 'message'),
    [
        (np.zeros((2, 21, 3)), np.zeros((21, 3)), None, r'truth: expected shape \(N, (K|21), 3\), found \(21, 3\)'),
        (np.zeros((3, 21, 3)), np.zeros((2, 21, 3)), None, r'predicted: expected shape \(2, 21, 3\) as truth, found'),
        (np.zeros((0, 21, 3)), np.zeros((0, 21, 3)), None, 'truth: expected shape'),
        (np.full((1, 21, 3), np.inf), np.zeros((1, 21, 3)), None, 'predicted: expected finite .* 63 of 63'),
        (np.zeros((1, 21, 3)), np.zeros((1, 21, 3)), np.ones((1, 20), bool), r'visible: expected shape \(1, 21\)'),
    ],
)
def test_bad_input_is_named(align, predicted, truth, visible, message):
    with pytest.raises(ValueError, match=message):
        align(predicted, truth, visible)
