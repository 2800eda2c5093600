"""Predictions + a protocol → figures: AUC, PCK, errors, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minimal_hand_core.detnet.output import CELL_PIXELS, CROP_SIZE
from minimal_hand_core.evaluation.alignment import align_procrustes
from minimal_hand_core.evaluation.errors import box_errors, keypoint_errors
from minimal_hand_core.evaluation.pck import pck, pck_auc, pck_curve
from minimal_hand_core.evaluation.predictions import Predictions
from minimal_hand_core.evaluation.protocols import Compared, Protocol, ProtocolError, find_protocol

LOW_MM, HIGH_MM = 20.0, 50.0
PCK_MM = (20, 25, 30, 40, 50)
"""Thresholds whose shares stand in tables."""
ACC_PIXELS = 6.4
"""Of the crop: 1.6 cells."""
_BEYOND = 3
"""Cells beyond the crop's right and lower border at which a joint still counts as inside."""
CURVE_MM = np.linspace(0.0, HIGH_MM, 51)
"""Thresholds of the stored curve."""


@dataclass(frozen=True)
class Score:
    """Figures of one set of predictions under one protocol. Shares are 0 … 1, lengths millimetres.

    Attributes:
        protocol: its name.
        auc: area under the PCK curve from 20 to 50 mm over its width.
        auc_from_0: the same from 0 to 50 mm, thresholds every millimetre.
        pck: threshold (mm) → share.
        mean_mm, median_mm: error over all points.
        pa_mm: mean error after the best similarity of each hand (Procrustes); NaN where hands have too few points.
        frames: hands with at least one point that counted; points: how many counted.
        left_out: hands without one.
        curve: (51,) shares at CURVE_MM, averaged as the protocol averages.
        notes: what a reader should know.
    """

    protocol: str
    auc: float
    auc_from_0: float
    pck: dict[int, float]
    mean_mm: float
    median_mm: float
    pa_mm: float
    frames: int
    points: int
    left_out: int
    curve: np.ndarray
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON; NaN as None."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values['pck'] = {str(threshold): share for threshold, share in self.pck.items()}
        values['curve'] = {'thresholds_mm': CURVE_MM.tolist(), 'pck': self.curve.tolist()}
        values['notes'] = list(self.notes)
        return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in values.items()}


@dataclass(frozen=True)
class PixelScore:
    """2D figures, the same for every protocol: errors as shares of the longer side of the hand's box.

    Attributes:
        mean_error: of all labelled keypoints; pck_01, pck_02: shares within 0.1 and 0.2.
        frames, points: how many counted.
        acc_hm: share within 6.4 pixels of the 128-pixel crop, mean over joints, which the peer calls ACC_HM (fact sheet
            6.5) but reads off whole cells of 4 pixels; it depends on the crop. None where crops are not known.
    """

    mean_error: float
    pck_01: float
    pck_02: float
    frames: int
    points: int
    acc_hm: float | None = None


def score(predictions: Predictions, protocol: Protocol | str) -> Score:
    """Score predictions.

    Args:
        predictions: of one data set.
        protocol: one of PROTOCOLS, or its name.

    Raises:
        ProtocolError: an unknown name, or a protocol that has no meaning for this data set.
        ValueError: predictions or labels that cannot be measured; the message says which.
    """
    how = find_protocol(protocol) if isinstance(protocol, str) else protocol
    compared = how.prepare(predictions)
    errors = keypoint_errors(compared.predicted, compared.truth, compared.counted)
    return summarise(errors, compared, how, len(predictions))


def summarise(errors: np.ndarray, compared: Compared, protocol: Protocol, hands: int) -> Score:
    """Figures of errors (N, K) millimetres, NaN where not counted.

    Args:
        errors: distances.
        compared: what they were measured on.
        protocol: how they are averaged.
        hands: how many there were before some were left out.
    """
    counted = compared.counted
    points = errors[counted]
    if not len(points):
        raise ProtocolError(f'{protocol.name}: no keypoint counts, so there is nothing to score')
    columns, mask = (points[:, None], None) if protocol.average == 'points' else (errors, counted)
    curve = pck_curve(columns, CURVE_MM, mask).mean
    frames = int(counted.any(axis=1).sum())
    return Score(
        protocol=protocol.name,
        auc=pck_auc(columns, mask, LOW_MM, HIGH_MM, protocol.steps),
        auc_from_0=pck_auc(columns, mask, 0.0, HIGH_MM, len(CURVE_MM)),
        pck={t: float(curve[int(np.searchsorted(CURVE_MM, t))]) for t in PCK_MM},
        mean_mm=float(points.mean()),
        median_mm=float(np.median(points)),
        pa_mm=_procrustes_error(compared),
        frames=frames,
        points=len(points),
        left_out=hands - frames,
        curve=curve,
        notes=compared.notes,
    )


def _procrustes_error(compared: Compared) -> float:
    """Mean distance over the points of hands that have enough of them."""
    aligned = align_procrustes(compared.predicted, compared.truth, compared.counted)
    placed = compared.counted & np.isfinite(aligned).all(axis=2)
    if not placed.any():
        return float('nan')
    return float(keypoint_errors(aligned, compared.truth, placed)[placed].mean())


def score_pixels(predictions: Predictions) -> PixelScore | None:
    """2D figures; None where pixels are not known or only tips are labelled, whose box is no measure of a hand."""
    labelled = np.isfinite(predictions.true_uv).all(axis=2)
    whole = labelled.all(axis=1)
    if not whole.any() or np.isnan(predictions.uv).all():
        return None
    errors = box_errors(predictions.uv[whole], predictions.true_uv[whole])
    shares = float(errors.mean()), pck(errors, 0.1), pck(errors, 0.2)
    return PixelScore(*shares, len(errors), int(errors.size), _crop_accuracy(predictions.take(whole)))


def _crop_accuracy(predictions: Predictions) -> float | None:
    """ACC_HM of wholly labelled hands, see PixelScore. The peer leaves out the first row and column of cells."""
    if not np.isfinite(predictions.crops).all():
        return None
    center, side = predictions.crops[:, None, :2], predictions.crops[:, None, 2:]
    uv, truth = (
        predictions.mirrored((points - center) * (CROP_SIZE / side)) + (CROP_SIZE - 1) / 2
        for points in (predictions.uv, predictions.true_uv)
    )
    first, last = CELL_PIXELS - 0.5, CROP_SIZE + _BEYOND * CELL_PIXELS - 0.5
    counted = ((truth >= first) & (truth < last)).all(axis=2)
    if not counted.any():
        return None
    shares = pck_curve(keypoint_errors(uv, truth), [ACC_PIXELS], counted)
    return float(shares.mean[0])
