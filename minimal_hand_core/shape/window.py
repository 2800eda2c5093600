"""A bounded window of bone ratios and their robust mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, for_kernel, to_float64
from minimal_hand_core.hand.skeleton import NUM_BONES, NUM_KEYPOINTS
from minimal_hand_core.shape import window_kernel as kernel

PLAUSIBLE, MAD_TO_SIGMA = kernel.PLAUSIBLE, kernel.MAD_TO_SIGMA
_NO_CONFIDENCE = np.empty(0)


class WindowEstimate(NamedTuple):
    """Robust mean over a window.

    Attributes:
        ratios: (15,) bone ratios, NaN where a bone was never seen.
        spread: (15,) robust standard deviation of each ratio from frame to frame, NaN likewise.
        length: robust mean of |middle MCP − wrist| in the units of the keypoints.
        length_spread: its robust standard deviation, relative to length.
        frames: that are in the window.
    """

    ratios: np.ndarray
    spread: np.ndarray
    length: float
    length_spread: float
    frames: int


class RatioWindow:
    """Bone ratios of the last `size` frames, those bones of them whose two ends were seen well.

    Wrong frames are found as a whole first: a hand whose fingers are swapped has no ratio that could not be noise, but
    has many that are off at once. Of the others, the mean is that of the values within 2.5 robust standard deviations
    (from the median absolute deviation) of the median. Three wrong frames in ten move it less than noise does.

    Args:
        size: frames held; each new frame takes the place of the oldest.
        min_confidence: bones with an end below this are left out; a frame whose reference bone is, is left out whole.
    """

    def __init__(self, size: int, min_confidence: float) -> None:
        if size < 1:
            raise ValueError(f'window: expected 1 frame or more, found {size!r}')
        if not 0.0 <= min_confidence <= 1.0:
            raise ValueError(f'min_confidence: expected a number from 0 to 1, found {min_confidence!r}')
        self._min_confidence = min_confidence
        # One row per frame: 15 ratios, then the length of the reference bone.
        self._rows = np.full((size, NUM_BONES + 1), np.nan)
        self.frames = 0

    def clear(self) -> None:
        self._rows[:] = np.nan
        self.frames = 0

    def add(self, xyz: ArrayLike, confidence: ArrayLike | None = None) -> bool:
        """Take one frame: xyz (21, 3) any unit, confidence (21,) 0…1. False when the frame is of no use.

        Raises:
            ValueError: wrong shape, or NaN or infinite.
        """
        points = to_float64(xyz, 'xyz')
        check_shape(points, 'xyz', (NUM_KEYPOINTS, 3))
        check_finite(points, 'xyz')
        trust = _NO_CONFIDENCE
        if confidence is not None:
            trust = to_float64(confidence, 'confidence')
            check_shape(trust, 'confidence', (NUM_KEYPOINTS,))
            check_finite(trust, 'confidence')
        row = self._rows[self.frames % len(self._rows)]
        if not kernel.measure_frame(for_kernel(points), for_kernel(trust), self._min_confidence, row):
            return False
        self.frames += 1
        return True

    def estimate(self) -> WindowEstimate:
        """Robust mean of what the window holds.

        Raises:
            ValueError: the window is empty.
        """
        if self.frames == 0:
            raise ValueError('window: expected at least one usable frame, found none')
        rows = self._rows[: self.frames]
        mean, sigma = robust_mean(rows)
        length = float(mean[NUM_BONES])
        return WindowEstimate(mean[:NUM_BONES], sigma[:NUM_BONES], length, float(sigma[NUM_BONES]) / length, len(rows))


def robust_mean(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Robust mean and standard deviation, as RatioWindow has them, of the columns of rows (N ≥ 1, 15 or more).

    The first 15 are ratios, by which frames are judged; NaN where not seen. What no frame shows is NaN in the result.
    Frames are judged from ten on: starting from medians, a core of them is moved to the frames nearest to it, by their
    standardised distance over all bones seen (the concentration steps of Rousseeuw & Van Driessen 1999, bones taken as
    independent); those much further off than the core's own are wrong.
    """
    mean, sigma = np.empty(rows.shape[1]), np.empty(rows.shape[1])
    kernel.robust_mean(for_kernel(rows), mean, sigma)
    return mean, sigma
