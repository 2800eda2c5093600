"""The running shape of one hand: frames in, β and hand length out, with a calibration that fixes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minimal_hand_core.arrays import ArrayLike
from minimal_hand_core.hand.skeleton import NUM_BETAS, NUM_BONES, REFERENCE_BONE
from minimal_hand_core.shape.fit import bone_basis, check_weight, model_ratios
from minimal_hand_core.shape.methods import fit_shape
from minimal_hand_core.shape.window import RatioWindow

if TYPE_CHECKING:
    from minimal_hand_core.hand import HandModel
    from minimal_hand_core.shape.calibration import CalibrationResult


HAND_LENGTHS = (0.03, 0.15)
"""Metres: what is outside is no human hand's."""


@dataclass(frozen=True, eq=False)
class HandShape:
    """Shape of one hand.

    Attributes:
        betas: (10,) float64 shape parameters of the hand model.
        hand_length: |wrist → middle MCP| in metres: given (one camera sees no absolute size), or measured with depth.
        residual: root mean square over the 15 bones of (model ratio − observed ratio).
        frames: usable frames behind the estimate.
        calibrated: whether it is the result of a calibration and stays as it is.
        hand_length_spread: metres; robust standard deviation over the frames of the observed hand length: as measured
            with depth, or else of xyz, brought to hand_length. It says how steady the keypoints are, not how right
            hand_length is.
    """

    betas: np.ndarray
    hand_length: float
    residual: float = 0.0
    frames: int = 0
    calibrated: bool = False
    hand_length_spread: float = 0.0


class ShapeEstimator:
    """Robust running estimate of β over the last frames; where the method can, a fit starts from the last one.

    Args:
        model: the hand model that β is for.
        hand_length: metres; the model's own at β = 0 when None.
        weight: of |β|² in the fit. The default is the variance of a mean bone ratio of ordinary keypoints (about 3 % of
            the hand length), which makes β the most probable one for a normal prior; the 1e-5 of fact sheet 4.1 is for
            clean ratios and answers noise with |β| of 7 and more.
        window: frames remembered.
        min_confidence: bones with a keypoint below this are left out.
        method: 'lm', 'pso' or 'network', see fit_shape.
        weights: of the network: 'default' (for the open hand) or a file of train_shape.

    Raises:
        ValueError: unknown method, or an argument out of its range.
        ShapeRegressorError: the method is 'network' and there are no weights for this model.
    """

    def __init__(
        self,
        model: HandModel,
        *,
        hand_length: float | None = None,
        weight: float = 1e-3,
        window: int = 60,
        min_confidence: float = 0.3,
        method: str = 'lm',
        weights: str | Path = 'default',
    ) -> None:
        self._fit = WindowFit(model, method, weight, weights)
        self._window = RatioWindow(window, min_confidence)
        self._default_hand_length = (
            default_hand_length(model) if hand_length is None else check_hand_length(hand_length)
        )
        self.reset()

    @property
    def shape(self) -> HandShape:
        """The estimate as it stands."""
        return self._shape

    def reset(self) -> HandShape:
        """Forget frames and calibration: β = 0 and the hand length of the constructor."""
        self._window.clear()
        self._shape = HandShape(np.zeros(NUM_BETAS), self._default_hand_length)
        return self._shape

    def update(self, xyz: ArrayLike, confidence: ArrayLike | None = None) -> HandShape:
        """Take one frame and return the estimate; a calibrated shape is returned unchanged.

        Args:
            xyz: (21, 3) keypoints in any unit and frame; right and left hands alike.
            confidence: (21,) 0…1; all trusted when None.

        Raises:
            ValueError: wrong shape, or NaN or infinite.
        """
        if self._shape.calibrated or not self._window.add(xyz, confidence):
            return self._shape
        seen = self._window.estimate()
        betas, residual = self._fit(seen.ratios, self._shape.betas)
        length = self._shape.hand_length
        self._shape = HandShape(betas, length, residual, seen.frames, False, seen.length_spread * length)
        return self._shape

    def adopt(self, calibration: CalibrationResult) -> HandShape:
        """Hold the shape of a successful calibration until reset.

        Raises:
            ValueError: the calibration failed.
        """
        if calibration.shape is None:
            raise ValueError(f'calibration: expected a successful one, found: {calibration.message}')
        self._shape = calibration.shape
        return self._shape


class WindowFit:
    """The fit of one window of ratios, in which bones may be missing; ready (weights read, kernel compiled) once made.

    Args: as of ShapeEstimator, which raises the same errors.
    """

    def __init__(self, model: HandModel, method: str, weight: float, weights: str | Path) -> None:
        self._model, self._method, self._weight, self._weights = model, method, check_weight(weight), weights
        # The first fit of a process loads or compiles its kernel, which must not happen at the first hand.
        self(np.full(NUM_BONES, np.nan), np.zeros(NUM_BETAS))

    def __call__(self, ratios: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
        """(β (10,), RMS residual) for ratios (15,); a NaN ratio (bone not seen) is taken as that of the start."""
        missing = np.isnan(ratios)
        if missing.any():
            ratios = np.where(missing, model_ratios(self._model, start[None])[0], ratios)
        fit = fit_shape(self._method, ratios[None], self._model, self._weight, start, weights=self._weights)
        return fit.betas[0], math.sqrt(fit.residual[0] / NUM_BONES)


def default_hand_length(model: HandModel) -> float:
    """|wrist → middle MCP| of the model's mean shape, metres."""
    return float(np.linalg.norm(bone_basis(model)[0][REFERENCE_BONE]))


def check_hand_length(value: float) -> float:
    """value, metres, if some human hand has that length.

    Raises:
        ValueError: it is outside 0.03…0.15 m.
    """
    if not HAND_LENGTHS[0] <= value <= HAND_LENGTHS[1]:
        raise ValueError(f'hand_length: expected metres from wrist to middle knuckle, 0.03 to 0.15, found {value!r}')
    return float(value)
