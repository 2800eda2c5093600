"""A bounded window of bone ratios and their robust mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, to_float64
from minimal_hand_core.hand.skeleton import (
    BONE_KEYPOINTS,
    KEYPOINT_PARENTS,
    MIDDLE_MCP,
    NUM_BONES,
    NUM_KEYPOINTS,
    REFERENCE_BONE,
    WRIST,
)

_ENDS = np.array(BONE_KEYPOINTS)
_STARTS = np.array([KEYPOINT_PARENTS[keypoint] for keypoint in BONE_KEYPOINTS])
PLAUSIBLE = (0.05, 1.5)
"""Ratios outside are of no human hand and dropped at once."""
MAD_TO_SIGMA = 1.4826
_INLIER = 2.5
"""In robust standard deviations from the median."""
_FEW = 10
"""Frames below which none is judged as a whole."""
_CORE = 0.6
"""Share of the frames that is taken for right to judge the others by."""
_STEPS = 3
"""In which the core settles."""
_FRAME_INLIER = 1.7
"""In distances of the core's median frame."""


class WindowEstimate(NamedTuple):
    """Robust mean over a window.

    Attributes:
        ratios: (15,) bone ratios, NaN where a bone was never seen.
        spread: (15,) robust standard deviation of each ratio from frame to frame, NaN likewise.
        length: robust mean of |middle MCP − wrist| in the units of the keypoints.
        length_spread: its robust standard deviation, relative to length.
    """

    ratios: np.ndarray
    spread: np.ndarray
    length: float
    length_spread: float


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
        bones = points[_ENDS] - points[_STARTS]
        lengths = np.sqrt(np.einsum('bi,bi->b', bones, bones))
        reference = lengths[REFERENCE_BONE]
        if not reference > 0.0:
            return False
        ratios = lengths / reference
        bad = (ratios < PLAUSIBLE[0]) | (ratios > PLAUSIBLE[1])
        if confidence is not None:
            trust = to_float64(confidence, 'confidence')
            check_shape(trust, 'confidence', (NUM_KEYPOINTS,))
            check_finite(trust, 'confidence')
            if min(trust[WRIST], trust[MIDDLE_MCP]) < self._min_confidence:
                return False
            bad |= np.minimum(trust[_ENDS], trust[_STARTS]) < self._min_confidence
        # Only the reference itself left: the frame says nothing.
        if bad.sum() >= NUM_BONES - 1:
            return False
        row = self._rows[self.frames % len(self._rows)]
        row[:NUM_BONES] = np.where(bad, np.nan, ratios)
        row[NUM_BONES] = reference
        self.frames += 1
        return True

    def estimate(self) -> WindowEstimate:
        """Robust mean of what the window holds.

        Raises:
            ValueError: the window is empty.
        """
        if self.frames == 0:
            raise ValueError('window: expected at least one usable frame, found none')
        mean, sigma = robust_mean(self._rows[: self.frames])
        length = float(mean[NUM_BONES])
        return WindowEstimate(mean[:NUM_BONES], sigma[:NUM_BONES], length, float(sigma[NUM_BONES]) / length)


def robust_mean(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Robust mean and standard deviation, as RatioWindow has them, of the columns of rows (N, 15 or more).

    The first 15 are ratios, by which frames are judged; NaN where not seen. What no frame shows is NaN in the result.
    """
    if len(rows) >= _FEW:
        agreeing = _agreeing_frames(rows[:, :NUM_BONES])[:, None]
        # A bone that none of them shows is better known from the others than not at all.
        shown = (agreeing & ~np.isnan(rows)).any(axis=0)
        rows = np.where(agreeing | ~shown, rows, np.nan)
    median = _median(rows)
    deviation = np.abs(rows - median)
    sigma = MAD_TO_SIGMA * _median(deviation)
    # The tiny constant keeps equal values in when their deviation is zero.
    near = deviation <= _INLIER * sigma + 1e-12
    count = near.sum(axis=0)
    mean = np.where(near, rows, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return mean, sigma


def _agreeing_frames(ratios: np.ndarray) -> np.ndarray:
    """(N,) bool: the frames of ratios (N, 15, NaN where not seen) that agree with most.

    Starting from medians, the core is moved to the frames nearest to it, by their standardised distance over all bones
    seen (the concentration steps of Rousseeuw & Van Driessen 1999, bones taken as independent); those much further off
    than the core's own are wrong.
    """
    seen = (~np.isnan(ratios)).astype(np.float64)
    values = np.where(seen > 0, ratios, 0.0)
    squares, bones = values**2, np.maximum(seen.sum(axis=1), 1.0)
    size = int(_CORE * len(ratios))
    centre = _median(ratios)
    spread = MAD_TO_SIGMA * _median(np.abs(ratios - centre))
    centre[np.isnan(centre)] = 0.0
    for _ in range(_STEPS + 1):
        # Bones that do not vary, as the reference bone, say nothing.
        precision = np.where(spread > 1e-9, 1.0 / np.maximum(spread, 1e-9) ** 2, 0.0)
        off = values - centre
        distance = np.sqrt((off * off * seen) @ precision / bones)
        inside = (distance <= np.partition(distance, size)[size]).astype(np.float64)
        count = np.maximum(inside @ seen, 1.0)
        centre = inside @ values / count
        spread = np.sqrt(np.maximum(inside @ squares / count - centre**2, 0.0))
    usual = np.partition(distance, size // 2)[size // 2]
    return np.asarray(distance <= _FRAME_INLIER * usual + 1e-9)


def _median(rows: np.ndarray) -> np.ndarray:
    """Median of each column without its NaNs (NaN where there is nothing else); np.nanmedian is ten times slower."""
    ordered = np.sort(rows, axis=0)
    count = len(rows) - np.isnan(rows).sum(axis=0)
    columns = np.arange(rows.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, columns]
    high = ordered[np.minimum(count // 2, len(rows) - 1), columns]
    return np.asarray(np.where(count > 0, 0.5 * (low + high), np.nan))
