"""One labelled picture of one hand: what every reader and the renderer give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sample:
    """A picture and what is known of the hand in it.

    Three states of a keypoint: **labelled and usable** (`visible`, finite), **labelled but hidden or doubtful** (not
    `visible`, finite: the position is the data set's own, such as that of an occluded joint), and **not labelled** (not
    `visible`, NaN in both `keypoints_px` and `keypoints_m`; so are all but the five tips in sets that label tips
    only). Whoever takes a box or a mean must leave NaN out, e.g. `keypoints_px[np.isfinite(keypoints_px).all(1)]`.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        keypoints_px: (21, 2) float64, x right and y down in pixels of `image`, pixel centres at integers.
        keypoints_m: (21, 3) float64 metres in the camera frame (x right, y down, z forward), or None. Pseudo labels
            without a position are root-relative, with the middle MCP at the origin; the reader says so.
        visible: (21,) bool, False where a label must not be used or the joint cannot be seen.
        intrinsics: (3, 3) float64 camera matrix of `image`, or None.
        side: 'right' or 'left' as the picture shows it, or None when unknown.
        key: the sample's name inside its data set, for messages and splits.
        weight: trust in the 2D labels, 0…1.
        weight_3d: trust in the 3D labels, 0…1.
        mask: (H, W) bool, pixels of this hand, where the data set has it and it was asked for; else None.
        extent_px: (N, 2) float64 points of `image` that span the hand where the labels alone do not (tips only);
            None: `keypoints_px` does.
    """

    image: np.ndarray
    keypoints_px: np.ndarray
    keypoints_m: np.ndarray | None
    visible: np.ndarray
    intrinsics: np.ndarray | None
    side: str | None
    key: str
    weight: float = 1.0
    weight_3d: float = 1.0
    mask: np.ndarray | None = None
    extent_px: np.ndarray | None = None
