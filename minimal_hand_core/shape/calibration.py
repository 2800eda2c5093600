"""Calibration: collect some frames of a hand held still, judge them, and give one fixed shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minimal_hand_core.arrays import ArrayLike
from minimal_hand_core.hand.skeleton import NUM_BETAS
from minimal_hand_core.shape.estimator import (
    HAND_LENGTHS,
    HandShape,
    WindowFit,
    check_hand_length,
    default_hand_length,
)
from minimal_hand_core.shape.window import MAD_TO_SIGMA, RatioWindow

if TYPE_CHECKING:
    from minimal_hand_core.hand import HandModel


@dataclass(frozen=True)
class CalibrationResult:
    """What a calibration came to.

    Attributes:
        success: whether shape may be used.
        message: one sentence for the user, with the reason for a failure.
        shape: the calibrated HandShape, None on failure.
        spread: root mean square over the bones of the robust standard deviation, from frame to frame, of their lengths,
            as a fraction of the hand length; NaN without frames.
        frames: usable frames collected.
        rejected: frames that were of no use.
        measured: whether the hand length of the shape was measured, with depth, rather than given; its
            hand_length_spread is then the robust standard deviation of what the frames said.
    """

    success: bool
    message: str
    shape: HandShape | None
    spread: float
    frames: int
    rejected: int
    measured: bool = False


class ShapeCalibration:
    """Collects frames until there are enough; knows nothing of time, the caller decides when to give up.

    >>> calibration = ShapeCalibration(model, frames=60, hand_length=0.092)
    >>> while not calibration.add(*next_frame()): ...
    >>> estimator.adopt(calibration.result())

    Args:
        model: the hand model that β is for.
        frames: usable frames wanted.
        hand_length: metres from wrist to middle knuckle, measured by the user, which then holds; None takes what the
            frames say (`length` of add), and failing that `fallback`.
        fallback: metres; None takes the model's own.
        max_spread: a larger spread (see CalibrationResult) is a failure.
        weight: of |β|² in the fit, see ShapeEstimator.
        min_confidence: bones with a keypoint below this are left out.
        method, weights: of the fit, see ShapeEstimator.

    Raises:
        ValueError: an argument out of its range; no weights for this model.
    """

    def __init__(
        self,
        model: HandModel,
        frames: int = 60,
        *,
        hand_length: float | None = None,
        fallback: float | None = None,
        max_spread: float = 0.1,
        weight: float = 1e-3,
        min_confidence: float = 0.3,
        method: str = 'lm',
        weights: str | Path = 'default',
    ) -> None:
        if frames < 1:
            raise ValueError(f'frames: expected 1 or more, found {frames!r}')
        if not max_spread > 0:
            raise ValueError(f'max_spread: expected a fraction above 0, found {max_spread!r}')
        self._fit = WindowFit(model, method, weight, weights)
        self._window = RatioWindow(frames, min_confidence)
        self._given = None if hand_length is None else check_hand_length(hand_length)
        self._fallback = default_hand_length(model) if fallback is None else check_hand_length(fallback)
        self._lengths: list[float] = []
        self._max_spread = max_spread
        self.wanted = frames
        self.rejected = 0

    @property
    def frames(self) -> int:
        """Usable frames so far."""
        return self._window.frames

    @property
    def done(self) -> bool:
        """Whether there are enough."""
        return self._window.frames >= self.wanted

    @property
    def needs_length(self) -> bool:
        """Whether a measured length would be of use."""
        return self._given is None and not self.done

    def add(self, xyz: ArrayLike, confidence: ArrayLike | None = None, length: float | None = None) -> bool:
        """Take one frame; returns `done`.

        Args:
            xyz: (21, 3), as in ShapeEstimator.update.
            confidence: (21,), likewise.
            length: hand length in metres that was measured in this frame (PoseEstimator.measure_length); None without
                depth.
        """
        if not self.done:
            if not self._window.add(xyz, confidence):
                self.rejected += 1
            elif length is not None:
                self._lengths.append(length)
        return self.done

    def result(self) -> CalibrationResult:
        """Judge the frames collected so far; fewer than wanted is a failure."""
        frames = self._window.frames
        spread = float('nan')
        if frames:
            seen = self._window.estimate()
            bones = seen.spread[~np.isnan(seen.spread)]
            spread = float(np.sqrt(np.mean(bones**2)))
        if not self.done:
            return self._failure(f'only {frames} of {self.wanted} usable frames, {self.rejected} rejected', spread)
        if np.isnan(seen.ratios).any():
            return self._failure('some fingers were never seen well: show the whole open hand', spread)
        if spread > self._max_spread:
            return self._failure(f'hand moved: spread {spread:.1%} > {self._max_spread:.1%} of the hand length', spread)
        betas, residual = self._fit(seen.ratios, np.zeros(NUM_BETAS))
        length, length_spread, measured = self._length(seen.length_spread)
        if measured and not HAND_LENGTHS[0] <= length <= HAND_LENGTHS[1]:
            return self._failure(f'depth says that the hand length is {1000 * length:.0f} mm: that is no hand', spread)
        source = 'given' if self._given is not None else 'not measured: needs depth'
        if measured:
            source = f'measured with depth in {len(self._lengths)} of them, spread {1000 * length_spread:.1f} mm'
        message = f'calibrated on {frames} frames, spread {spread:.1%}; hand length {1000 * length:.1f} mm ({source})'
        shape = HandShape(betas, length, residual, frames, True, length_spread)
        return CalibrationResult(True, message, shape, spread, frames, self.rejected, measured)

    def _length(self, relative_spread: float) -> tuple[float, float, bool]:
        """Hand length, its spread (metres both), and whether it was measured: in half of the frames or more."""
        if self._given is not None or 2 * len(self._lengths) < self.wanted:
            length = self._fallback if self._given is None else self._given
            return length, relative_spread * length, False
        lengths = np.array(self._lengths)
        length = float(np.median(lengths))
        return length, float(MAD_TO_SIGMA * np.median(np.abs(lengths - length))), True

    def _failure(self, message: str, spread: float) -> CalibrationResult:
        return CalibrationResult(False, message, None, spread, self._window.frames, self.rejected)
