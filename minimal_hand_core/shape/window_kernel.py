"""The compiled loops of bone ratios and their robust mean (numba, float64). What they do and why: window.py."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import (
    BONE_KEYPOINTS,
    KEYPOINT_PARENTS,
    MIDDLE_MCP,
    NUM_BONES,
    REFERENCE_BONE,
    WRIST,
)

_ENDS = np.array(BONE_KEYPOINTS)
_STARTS = np.array([KEYPOINT_PARENTS[keypoint] for keypoint in BONE_KEYPOINTS])
PLAUSIBLE = (0.05, 1.5)
"""Ratios outside are of no human hand and dropped at once."""
MAD_TO_SIGMA = 1.4826
"""Median absolute deviation → standard deviation of a normal distribution."""
INLIER = 2.5
"""In robust standard deviations from the median."""
FEW = 10
"""Frames below which none is judged as a whole."""
CORE = 0.6
"""Share of the frames that is taken for right to judge the others by."""
STEPS = 3
"""In which the core settles."""
FRAME_INLIER = 1.7
"""In distances of the core's median frame."""


@njit(cache=True, nogil=True, error_model='numpy')
def _smallest(values: np.ndarray, count: int, rank: int) -> float:
    """The value of this rank (0 = smallest) of the first `count` of values; quickselect, which moves them."""
    low, high = 0, count - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return values[rank]


@njit(cache=True, nogil=True, error_model='numpy')
def median(values: np.ndarray, count: int) -> float:
    """Median of the first `count` of values, which are moved; NaN of none."""
    if count == 0:
        return math.nan
    upper = _smallest(values, count, count // 2)
    if count % 2:
        return upper
    lower = values[0]
    for i in range(1, count // 2):  # what is left of the middle is not above it
        lower = max(lower, values[i])
    return 0.5 * (lower + upper)


@njit(cache=True, nogil=True, error_model='numpy')
def _middle_and_spread(rows: np.ndarray, column: int, kept: np.ndarray, work: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation of a column of rows (N, C), of the kept rows (N,) that are not NaN."""
    count = 0
    for n in range(rows.shape[0]):
        if kept[n] and not math.isnan(rows[n, column]):
            work[count] = rows[n, column]
            count += 1
    middle = median(work, count)
    for i in range(count):
        work[i] = abs(work[i] - middle)
    return middle, MAD_TO_SIGMA * median(work, count)


@njit(cache=True, nogil=True, error_model='numpy')
def _find_agreeing(rows: np.ndarray, work: np.ndarray, agreeing: np.ndarray) -> None:
    """Fill agreeing (N,) bool: the frames of rows (N, 15 or more) whose 15 ratios agree with most."""
    frames = rows.shape[0]
    centre, precision, spread = np.empty(NUM_BONES), np.empty(NUM_BONES), np.empty(NUM_BONES)
    distance = np.empty(frames)
    for bone in range(NUM_BONES):
        middle, sigma = _middle_and_spread(rows, bone, agreeing, work)
        centre[bone] = 0.0 if math.isnan(middle) else middle
        spread[bone] = sigma
    core = int(CORE * frames)
    for _ in range(STEPS + 1):
        for bone in range(NUM_BONES):
            # Bones that do not vary, as the reference bone, say nothing; nor do those that were never seen (NaN).
            precision[bone] = 1.0 / spread[bone] ** 2 if spread[bone] > 1e-9 else 0.0
        for n in range(frames):
            total, seen = 0.0, 0
            for bone in range(NUM_BONES):
                if not math.isnan(rows[n, bone]):
                    total += (rows[n, bone] - centre[bone]) ** 2 * precision[bone]
                    seen += 1
            distance[n] = math.sqrt(total / max(seen, 1))
        work[:frames] = distance
        furthest = _smallest(work, frames, core)
        for bone in range(NUM_BONES):
            count, total, squares = 0, 0.0, 0.0
            for n in range(frames):
                if distance[n] <= furthest and not math.isnan(rows[n, bone]):
                    count += 1
                    total += rows[n, bone]
                    squares += rows[n, bone] ** 2
            centre[bone] = total / max(count, 1)
            spread[bone] = math.sqrt(max(squares / max(count, 1) - centre[bone] ** 2, 0.0))
    work[:frames] = distance
    usual = _smallest(work, frames, core // 2)
    for n in range(frames):
        agreeing[n] = distance[n] <= FRAME_INLIER * usual + 1e-9


@njit(cache=True, nogil=True, error_model='numpy')
def robust_mean(rows: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> None:
    """Fill the robust mean and standard deviation (C,) of the columns of rows (N ≥ 1, C ≥ 15), as RatioWindow has them.

    The first 15 columns are ratios, by which frames are judged; NaN where not seen. What no frame shows is NaN.
    """
    frames, columns = rows.shape
    agreeing, all_of_them, work = np.ones(frames, np.bool_), np.ones(frames, np.bool_), np.empty(frames)
    if frames >= FEW:
        _find_agreeing(rows, work, agreeing)
    for column in range(columns):
        shown = False
        for n in range(frames):
            shown = shown or (agreeing[n] and not math.isnan(rows[n, column]))
        # A bone that none of them shows is better known from the others than not at all.
        kept = agreeing if shown else all_of_them
        middle, spread = _middle_and_spread(rows, column, kept, work)
        count, total = 0, 0.0
        for n in range(frames):
            # The tiny constant keeps equal values in when their deviation is zero.
            if kept[n] and abs(rows[n, column] - middle) <= INLIER * spread + 1e-12:
                count += 1
                total += rows[n, column]
        mean[column] = total / count if count > 0 else math.nan
        sigma[column] = spread


@njit(cache=True, nogil=True, error_model='numpy')
def measure_frame(points: np.ndarray, trust: np.ndarray, least: float, row: np.ndarray) -> bool:
    """Fill row (16,) with the bone ratios, NaN where not plausible or not seen well, and the reference's length.

    points (21, 3) finite; trust (21,) confidence, or (0,) where all is trusted; `least` of it is seen well. False, and
    row as it was, when the frame is of no use.
    """
    reference = _length(points, _STARTS[REFERENCE_BONE], _ENDS[REFERENCE_BONE])
    if not reference > 0.0:
        return False
    if trust.shape[0] > 0 and min(trust[WRIST], trust[MIDDLE_MCP]) < least:
        return False
    ratios, good = np.empty(NUM_BONES), 0
    for bone in range(NUM_BONES):
        start, end = _STARTS[bone], _ENDS[bone]
        ratio = _length(points, start, end) / reference
        bad = ratio < PLAUSIBLE[0] or ratio > PLAUSIBLE[1]
        if bad or (trust.shape[0] > 0 and min(trust[start], trust[end]) < least):
            ratio = math.nan
        else:
            good += 1
        ratios[bone] = ratio
    # Only the reference itself left: the frame says nothing.
    if good <= 1:
        return False
    row[:NUM_BONES] = ratios
    row[NUM_BONES] = reference
    return True


@njit(cache=True, nogil=True, error_model='numpy')
def _length(points: np.ndarray, start: int, end: int) -> float:
    x, y, z = points[end, 0] - points[start, 0], points[end, 1] - points[start, 1], points[end, 2] - points[start, 2]
    return math.sqrt(x * x + y * y + z * z)
