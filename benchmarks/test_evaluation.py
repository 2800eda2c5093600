"""Scores of 10,000 hands."""

import pytest

from minimal_hand_core.evaluation import align_procrustes, keypoint_errors, pck_auc

HANDS = 10_000


@pytest.fixture
def hands(rng):
    """Predicted and true keypoints (10,000, 21, 3), millimetres, and a mask that shows four of five."""
    truth = rng.normal(0, 50, (HANDS, 21, 3))
    return truth + rng.normal(0, 15, truth.shape), truth, rng.random((HANDS, 21)) < 0.8


@pytest.mark.benchmark(group='PCK AUC, 10,000 × 21 errors')
def test_ours_auc(benchmark, hands):
    predicted, truth, visible = hands
    benchmark(pck_auc, keypoint_errors(predicted, truth), visible)


@pytest.mark.benchmark(group='Procrustes alignment, 10,000 hands')
def test_ours_procrustes(benchmark, hands):
    benchmark(align_procrustes, *hands)
