"""Squares of a picture → what the network says of them, in pixels and axes of the picture.

The network knows right hands: to look for a left one, the square is mirrored before and the answer mirrored back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from minimal_hand_core.arrays import for_kernel
from minimal_hand_core.detnet.axes import axes_of
from minimal_hand_core.detnet.output import CROP_SIZE
from minimal_hand_core.inference import Engine
from minimal_hand_core.tracking.crop import PAD, Crop
from minimal_hand_core.tracking.state import Keypoints
from minimal_hand_core.tracking.view_kernel import into_picture

_HULL_MARGIN = 0.12
"""How far flesh reaches beyond the hull of the keypoints, in longer sides of their box."""


class Look(NamedTuple):
    """A square of the picture, and the hand that it is looked at for."""

    crop: Crop
    side: str


class Looker:
    """Runs the network on squares of pictures and counts what that takes.

    Attributes:
        timings: seconds on 'crop', 'network' and 'decode' since `start`.
        runs: squares looked at since `start`.
        axes: of xyz, one of `detnet.axes.AXES`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.axes = axes_of(engine)
        self.start()

    def start(self) -> None:
        """Count from zero: another picture."""
        self.timings = {'crop': 0.0, 'network': 0.0, 'decode': 0.0}
        self.runs = 0

    def look(
        self, picture: np.ndarray, stamp: float, looks: Sequence[Look], hidden: Sequence[np.ndarray] = ()
    ) -> list[Keypoints]:
        """What the network says of each square, no gate applied.

        Args:
            picture: (H, W, 3) BGR uint8.
            stamp: of the picture, seconds.
            looks: one or more; all in one run of the engine.
            hidden: keypoints (21, 2) of hands that are not to be seen; they are painted over.

        Returns:
            Keypoints with xyz in the axes that the network was taught: `axes`.
        """
        start = time.perf_counter()
        crops = []
        for crop, side in looks:
            pixels = crop.extract(picture, mirror=side == 'left')
            for uv in hidden:
                _paint_over(pixels, crop.to_crop(uv, mirror=side == 'left'))
            crops.append(pixels)
        self.timings['crop'] += time.perf_counter() - start
        output = self._engine.run(np.stack(crops) if len(crops) > 1 else crops[0][None])
        self.timings['network'] += output.network_seconds
        self.timings['decode'] += output.decode_seconds
        self.runs += len(looks)
        return [
            in_picture(look, stamp, uv, xyz, confidence)
            for look, uv, xyz, confidence in zip(looks, output.uv, output.xyz, output.confidence, strict=True)
        ]


def in_picture(look: Look, stamp: float, uv: np.ndarray, xyz: np.ndarray, confidence: np.ndarray) -> Keypoints:
    """What the network said of a square, (21, 2), (21, 3) and (21,), in pixels and axes of the picture."""
    mirror, crop = look.side == 'left', look.crop
    pixels, axes, sure = np.empty(uv.shape), np.empty(xyz.shape), np.empty(confidence.shape)
    parts = for_kernel(uv), for_kernel(xyz), for_kernel(confidence)
    score = into_picture(*parts, crop.affine(mirror=mirror), mirror, crop.angle, pixels, axes, sure)
    return Keypoints(look.side, stamp, score, pixels, axes, sure, crop)


def _paint_over(pixels: np.ndarray, uv: np.ndarray) -> None:
    """Cover a hand in a crop (S, S, 3), in place, with what lies beyond the border of a picture."""
    low, high = uv.min(axis=0), uv.max(axis=0)
    margin = max(_HULL_MARGIN * float((high - low).max()), 1.0)
    if (high < -margin).any() or (low > CROP_SIZE + margin).any():
        return
    hull = cv2.convexHull(np.clip(uv, -10 * CROP_SIZE, 10 * CROP_SIZE).astype(np.float32))[:, 0]
    points = np.round(hull * 16).astype(np.int32)
    cv2.fillConvexPoly(pixels, points, (PAD, PAD, PAD), cv2.LINE_8, 4)
    cv2.polylines(pixels, [points], True, (PAD, PAD, PAD), round(2 * margin), cv2.LINE_8, 4)
