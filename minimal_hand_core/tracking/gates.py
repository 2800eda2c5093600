"""What decides whether the network's answer is a hand.

A network asked for 21 keypoints always answers. Three gates judge the answer: the score (mean confidence), the shape of
the keypoints in the picture (not shrunk to a dot, not mostly beyond the border), and consistency: the keypoints in the
picture and xyz come from different outputs of the network, and only for a real hand do both show the same hand.
"""

from __future__ import annotations

import math

import numpy as np

from minimal_hand_core.arrays import for_kernel
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST
from minimal_hand_core.tracking.state import Keypoints
from minimal_hand_core.tracking.view_kernel import box_of, share_inside
from minimal_hand_core.tracking.view_kernel import inconsistency as kernel_inconsistency

MIN_BOX = 0.15
"""Smallest box of the keypoints, in crop sides; below, they are a dot and no hand."""
MIN_INSIDE = 0.6
"""Share of the keypoints that must lie inside the picture."""
PALM_RANGE = (0.4, 2.5)
"""|wrist − middle MCP| of xyz, which is 1 by definition."""
SAME_OVERLAP = 0.4
"""Share of the smaller box that two boxes share at least if they are round the same hand."""


def is_hand(found: Keypoints, size: tuple[int, int], threshold: float, max_inconsistency: float) -> bool:
    """Whether keypoints pass all gates.

    Args:
        found: as the network said it.
        size: (width, height) of the picture.
        threshold: smallest score.
        max_inconsistency: see `inconsistency`.
    """
    if not found.score >= threshold or not has_extent(found):  # NaN is no hand
        return False
    width, height = size
    if share_inside(for_kernel(found.uv), width, height) < MIN_INSIDE:
        return False
    if not PALM_RANGE[0] <= math.dist(found.xyz[MIDDLE_MCP], found.xyz[WRIST]) <= PALM_RANGE[1]:
        return False
    return inconsistency(found.uv, found.xyz, found.confidence) <= max_inconsistency


def has_extent(found: Keypoints) -> bool:
    """Whether the keypoints are finite and more than a dot in their crop."""
    if found.crop is None or not math.isfinite(found.uv.sum() + found.xyz.sum()):
        return False
    left, top, right, bottom = box_of(for_kernel(found.uv))
    return max(right - left, bottom - top) >= MIN_BOX * found.crop.side


def same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether keypoints (21, 2) and (21, 2) are of one hand rather than of two: the boxes overlap, middles near."""
    low = np.maximum(a.min(axis=0), b.min(axis=0))
    high = np.minimum(a.max(axis=0), b.max(axis=0))
    areas = [float(np.prod(np.maximum(np.ptp(uv, axis=0), 1e-9))) for uv in (a, b)]
    shared = float(np.prod(np.maximum(high - low, 0)))
    apart = float(np.linalg.norm((a.max(axis=0) + a.min(axis=0) - b.max(axis=0) - b.min(axis=0)) / 2))
    reach = float(max(np.ptp(a, axis=0).max(), np.ptp(b, axis=0).max()))
    return shared > SAME_OVERLAP * min(areas) and apart < SAME_OVERLAP * reach


def inconsistency(uv: np.ndarray, xyz: np.ndarray, confidence: np.ndarray) -> float:
    """How little the picture keypoints look like xyz seen from far away, RMS over the longer side of their box.

    The best scale s > 0 and shift t of uv ≈ s · (x, y) + t, weighted by confidence. Perspective makes a few hundredths
    of a hand at arm's length, a mirrored or made-up hand several tenths; infinite when no positive scale fits.

    Args:
        uv: (21, 2) pixels.
        xyz: (21, 3) network units, axes of the view.
        confidence: (21,) weights ≥ 0.
    """
    return kernel_inconsistency(*(for_kernel(np.asarray(part, np.float64)) for part in (uv, xyz, confidence)))
