"""Scores of hands and of pictures without one, and how well they part."""

import numpy as np
import pytest
import torch

from minimal_hand_core.detnet import DetNet
from minimal_hand_core.evaluation.presence import crop_scores, roc_auc


def test_roc_auc_is_the_share_of_pairs_in_the_right_order(rng):
    present, absent = rng.integers(0, 8, 40) / 8, rng.integers(0, 6, 30) / 8  # many ties
    pairs = present[:, None] - absent[None]
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert roc_auc(present, absent) == pytest.approx(expected, abs=1e-12)
    assert roc_auc(absent, present) == pytest.approx(1 - expected, abs=1e-12)
    assert roc_auc([1.0], [0.0]) == 1


def test_scores_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match='absent: expected at least one score'):
        roc_auc([0.5], [])
    with pytest.raises(ValueError, match='present: .* finite'):
        roc_auc([float('nan')], [0.5])


def test_a_crop_scores_alike_in_any_batch(rng):
    torch.manual_seed(0)
    network = DetNet('small', resolution=64).eval()
    crops = rng.integers(0, 256, (5, 128, 128, 3), dtype=np.uint8)
    scores = crop_scores(network, crops, batch=2)
    assert scores.shape == (5,)
    np.testing.assert_allclose(scores, crop_scores(network, crops), atol=1e-6)
