"""Scores of 10,000 hands."""

import numpy as np
import pytest

from minimal_hand_core.evaluation import align_procrustes, keypoint_errors, pck_auc
from minimal_hand_core.evaluation.predictions import Origin, Predictions, load_predictions, save_predictions
from minimal_hand_core.evaluation.protocols import PROTOCOLS
from minimal_hand_core.evaluation.report import Report

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


@pytest.mark.benchmark(group='10,000 stored predictions, read and scored by all protocols')
def test_ours_protocols(benchmark, rng, tmp_path):
    points = rng.normal(0, 0.04, (HANDS, 21, 3))
    true_m = points + (0, 0, 0.6)
    k = np.tile(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), (HANDS, 1, 1))
    uv = np.einsum('nij,nkj->nki', k, true_m)[..., :2] / true_m[..., 2:]
    predictions = Predictions(
        keys=[str(i) for i in range(HANDS)],
        uv=uv + rng.normal(0, 4, uv.shape),
        xyz=(points + rng.normal(0, 0.01, points.shape)) / 0.09,
        confidence=rng.random((HANDS, 21)),
        true_uv=uv,
        true_m=true_m,
        visible=np.ones((HANDS, 21), bool),
        intrinsics=k,
        sides=np.zeros(HANDS),
        crops=np.tile((320.0, 240.0, 200.0), (HANDS, 1)),
        origin=Origin(dataset='rhd', split='test', length=HANDS),
    )
    path = tmp_path / 'hands.npz'
    save_predictions(predictions, path)
    benchmark(lambda: Report().add(load_predictions(path), 'DetNet', PROTOCOLS))
