"""Creases, flush and relief of the skin, drawn once per hand model onto two flat maps: palm side and back."""

from __future__ import annotations

import cv2
import numpy as np

from minimal_hand_core.hand.skeleton import FINGER_KEYPOINTS, FINGERS

MAP_SCALE = 1600.0
"""Texels per metre."""
MAP_UNIT = np.float32(1 / 4096)
"""Step of the maps where they are kept as int16, which halves what the renderer fetches from far memory."""
DARKNESS, REDNESS, SLOPE_X, SLOPE_Z = range(4)
_MARGIN = 0.02
_PALM, _BACK = 0, 1


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector at length 1; a zero vector stays zero."""
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def skin_maps(rest: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw the maps of a rest hand, vertices (V, 3) and keypoints (21, 3), metres, model frame.

    Returns:
        maps: (2, H, W, 4) float32, palm side and back as seen along y; rows run along x, columns along z. Channels:
            darkness of creases and redness, both about 0–1, and the slope of the relief along x and z.
        origin: (2,) float32, x and z of texel (0, 0).
    """
    canvas = _Canvas(rest)
    for finger in FINGERS:
        _finger(canvas, finger, *(keypoints[k] for k in FINGER_KEYPOINTS[finger]))
    _palm(canvas, keypoints)
    _back(canvas, keypoints)
    return canvas.finish(), canvas.low.astype(np.float32)


class _Canvas:
    """Lines and blobs in metres on darkness, redness and height."""

    def __init__(self, rest: np.ndarray) -> None:
        plane = rest[:, [0, 2]]
        self.low = plane.min(axis=0) - _MARGIN
        self.shape = tuple(np.ceil((plane.max(axis=0) + _MARGIN - self.low) * MAP_SCALE).astype(int) + 1)
        self.dark = np.zeros((2, *self.shape), np.float32)
        self.red = np.zeros((2, *self.shape), np.float32)
        self.height = np.zeros((2, *self.shape), np.float32)  # metres

    def line(
        self, side: int, points: np.ndarray, width: float, soft: float, dark: float = 0, height: float = 0
    ) -> None:
        """A soft line of so much darkness and height, `width` metres wide."""
        layer = np.zeros(self.shape, np.float32)
        cv2.polylines(layer, [self._texels(points)], False, 1.0, max(1, round(width * MAP_SCALE)), cv2.LINE_AA, 3)
        layer = cv2.GaussianBlur(layer, (0, 0), soft * MAP_SCALE)
        self.dark[side] = np.maximum(self.dark[side], dark * layer)
        self.height[side] += height * layer

    def blob(
        self, side: int, centre: np.ndarray, radius: float, red: float = 0, dark: float = 0, height: float = 0
    ) -> None:
        """A soft round patch."""
        layer = np.zeros(self.shape, np.float32)
        cv2.circle(layer, self._texels(centre)[0], round(radius * MAP_SCALE * 8), 1.0, -1, cv2.LINE_AA, 3)
        layer = cv2.GaussianBlur(layer, (0, 0), 0.45 * radius * MAP_SCALE)
        self.red[side] = np.maximum(self.red[side], red * layer)
        self.dark[side] = np.maximum(self.dark[side], dark * layer)
        self.height[side] += height * layer

    def finish(self) -> np.ndarray:
        """(2, H, W, 4) as `skin_maps` returns."""
        maps = np.zeros((2, *self.shape, 4), np.float32)
        maps[..., DARKNESS], maps[..., REDNESS] = self.dark, self.red
        maps[..., SLOPE_X], maps[..., SLOPE_Z] = np.gradient(self.height * MAP_SCALE, axis=(1, 2))
        return maps

    def _texels(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) metres → OpenCV (column, row) with 3 fractional bits."""
        return np.round((np.atleast_2d(points)[:, [2, 0]] - self.low[::-1]) * MAP_SCALE * 8).astype(np.int32)


def _finger(
    canvas: _Canvas, finger: str, base: np.ndarray, second: np.ndarray, third: np.ndarray, tip: np.ndarray
) -> None:
    along = unit((tip - base) * np.array([1, 0, 1]))
    across = np.array([along[2], 0, -along[0]]) * 0.011
    for joint, strength in ((third, 0.7), (second, 0.8 if finger == 'thumb' else 1.0)):
        for shift in (-0.0014, 0.0014):  # a double line under the joint
            bar = np.stack([joint - across, joint + across]) + along * shift
            canvas.line(_PALM, bar, 0.0007, 0.0005, dark=1.4 * strength, height=-0.0006)
        for shift in (-0.004, -0.002, 0.0, 0.002, 0.004):  # loose skin over it
            steps = np.array([-1, -0.5, 0, 0.5, 1])[:, None]
            arc = joint + 0.75 * across * steps + along * (shift * (1.4 - steps**2))
            canvas.line(_BACK, arc, 0.0006, 0.0005, dark=0.9 * strength, height=-0.0004)
        canvas.blob(_BACK, joint, 0.007, red=0.7, height=0.0012 * strength)
    canvas.blob(_PALM, tip - 0.15 * (tip - third), 0.008, red=1.0)
    if finger == 'thumb':
        return
    root = base + 0.5 * (second - base)  # the web: where the finger leaves the palm
    canvas.line(_PALM, np.stack([root - across, root + across]), 0.0008, 0.0006, dark=1.1, height=-0.0008)
    canvas.blob(_PALM, base + 0.15 * (second - base), 0.008, red=0.6, height=0.001)


def _palm(canvas: _Canvas, keypoints: np.ndarray) -> None:
    """Heart, head and life line through points placed by knuckles and wrist, the balls of thumb and little finger."""
    wrist, index, middle, ring, little = (keypoints[k] for k in (0, 5, 9, 13, 17))
    edge = little + 0.5 * (little - ring)
    start = index + 0.45 * (index - middle) + 0.22 * (wrist - index)
    heart = (
        edge + 0.22 * (wrist - little),
        ring + 0.28 * (wrist - ring),
        0.5 * (index + middle) + 0.02 * (wrist - index),
    )
    head = start, middle + 0.42 * (wrist - middle), edge + 0.55 * (wrist - little)
    life = start, middle + 0.62 * (wrist - middle), wrist + 0.12 * (middle - wrist) + 0.3 * (index - middle)
    for knots, strength in ((heart, 1.0), (head, 0.85), (life, 1.1)):
        canvas.line(_PALM, _curve(*knots), 0.001, 0.0008, dark=strength, height=-0.0009)
    canvas.blob(_PALM, 0.5 * (keypoints[1] + keypoints[2]), 0.012, red=0.6)
    canvas.blob(_PALM, 0.55 * little + 0.45 * wrist, 0.013, red=0.6)
    across = 0.6 * (index - little)
    for share in (-0.01, -0.06):  # bracelet lines
        at = wrist + share * (middle - wrist)
        canvas.line(_PALM, np.stack([at - across, at + across]), 0.0008, 0.0007, dark=0.7, height=-0.0005)


def _back(canvas: _Canvas, keypoints: np.ndarray) -> None:
    """Knuckles with hollows between, tendons that run up to them, and veins."""
    wrist = keypoints[0]
    knuckles = [keypoints[k] for k in (5, 9, 13, 17)]
    for knuckle in knuckles:
        canvas.blob(_BACK, knuckle, 0.0085, red=0.8, height=0.006)
        canvas.line(_BACK, np.stack([knuckle, knuckle + 0.75 * (wrist - knuckle)]), 0.0024, 0.002, height=0.0024)
        steps = np.array([-1, 0, 1])[:, None]
        along = unit(knuckle - wrist)
        across = np.array([along[2], 0, -along[0]]) * 0.006
        for shift in (-0.003, 0.0, 0.003):
            canvas.line(_BACK, knuckle + across * steps + along * shift, 0.0007, 0.0007, dark=0.7, height=-0.0004)
    for first, second in zip(knuckles, knuckles[1:]):
        between = 0.5 * (first + second)
        canvas.blob(_BACK, between, 0.006, dark=0.55, height=-0.0035)
        canvas.blob(_BACK, between + 0.25 * (wrist - between), 0.008, dark=0.2, height=-0.002)
        bend = 0.006 * unit(second - first)
        vein = _curve(
            between + 0.1 * (wrist - between),
            between + 0.5 * (wrist - between) + bend,
            wrist + 0.35 * (between - wrist),
        )
        canvas.line(_BACK, vein, 0.0018, 0.0012, dark=0.2, height=0.0018)


def _curve(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """(24, 3) points of a quadratic Bézier curve."""
    t = np.linspace(0, 1, 24)[:, None]
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
