"""Does the network's score say whether there is a hand, and whether it is a right one?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.evaluation.predict import ModelEngine


def crop_scores(network: DetNet, crops: np.ndarray, batch: int = 64) -> np.ndarray:
    """The tracker's score of each crop, the mean confidence of its joints.

    Args:
        network: in eval mode.
        crops: (N, 128, 128, 3) uint8 RGB.
        batch: crops that the network sees at once.

    Returns:
        (N,) float64, 0…1.
    """
    engine = ModelEngine(network)
    parts = [engine.run(crops[i : i + batch]).confidence.mean(axis=1) for i in range(0, len(crops), batch)]
    return np.concatenate(parts).astype(np.float64)


def roc_auc(present: ArrayLike, absent: ArrayLike) -> float:
    """Area under the receiver operating characteristic: how often a hand scores higher than a picture without one.

    By ranks (Mann & Whitney 1947); a tie counts half.

    Args:
        present: (N,) scores of pictures with a hand.
        absent: (M,) scores of pictures without one.

    Raises:
        ValueError: either is empty or has a score that is not a number.
    """
    with_hand, without = np.asarray(present, np.float64).ravel(), np.asarray(absent, np.float64).ravel()
    for name, scores in (('present', with_hand), ('absent', without)):
        if not len(scores) or not np.isfinite(scores).all():
            raise ValueError(f'{name}: expected at least one score and finite ones only, found {scores[:5]} …')
    ordered = np.sort(without)
    below = np.searchsorted(ordered, with_hand, side='left')
    not_above = np.searchsorted(ordered, with_hand, side='right')
    return float((below + not_above).sum() / 2 / (len(with_hand) * len(without)))
