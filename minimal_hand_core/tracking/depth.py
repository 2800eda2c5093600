"""A registered depth picture says how far away the keypoints are.

Convention:
    * Registered: pixel (x, y) of the depth picture looks where pixel (x, y) of the colour picture does, lens distortion
      included. Depth is metres along z of the colour camera; 0, NaN and infinity are holes.

A camera sees the skin, keypoints lie under it. How deep is the hand model's business: its skin is posed as the hand
seems to be, and round each keypoint the same statistic is taken of the model's skin and of the picture. Their
difference is how far off the keypoint's depth is, thickness of the finger and slope of the skin cancelled.

Round a keypoint there may be holes, noise and, past the finger's edge, background. The statistic is made for that: the
near end of what is there (NEAR_SHARE), then the mean of what lies within BAND of that, and of that again. Far away a
sensor's noise is larger than that; the band is then as wide as the noise. A keypoint behind another finger is left out,
and so is one whose difference is far from that of the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS
from minimal_hand_core.tracking.camera import CameraModel

WINDOW = 0.006
"""Metres: radius of the disc round a keypoint, about half a finger."""
NEAR_SHARE = 0.25
BAND = 0.012
"""Metres."""
BAND_OF_NOISE = 2.0
"""Standard deviations of the sensor's noise. A narrower band stays at the near end of the noise: with BAND alone hands
at 0.7 to 1.2 m came out 0.5 % too near, with this 0.1 % (16 mm of noise at 1 m; 160 pictures, seeds 104–199)."""
NORMAL_MEDIAN = 1 / (0.6745 * math.sqrt(2))
"""Standard deviation of normal noise over the median size of the difference of two draws."""
TURNS = 5
"""Times that the mean within the band is taken; from a quarter of the noise to its middle."""
MIN_PIXELS = 5
MIN_SAMPLES = 3
"""Samples of the model's skin in a disc."""
MIN_KEYPOINTS = 6
"""Fewer of them fix no range."""
MAX_THICKNESS = 0.03
"""Metres from the skin to a keypoint; more, and there is another finger between."""
MAX_DIFFERENCE = 0.03
"""Metres from the median difference of all keypoints."""
MAX_CORRECTION = 0.5
"""Share of its range by which depth may move a hand; more, and it is not the hand that was measured."""
KEYPOINT_SIGMA = 0.003
"""Metres: standard deviation of one keypoint's depth. With 6 mm, 4 mm and 3 mm the range was off by 0.9 %, 0.8 % and
0.7 % (medians of 200 pictures with sensor noise, seeds 100–119 of `evaluation.wrist_accuracy`)."""
HAND_SPEED = 0.3
"""Metres per second: what a hand may have moved between two stamps."""


class DepthError(ValueError):
    """A depth picture that cannot be used; the message says why."""


@dataclass(frozen=True, eq=False)
class DepthPicture:
    """Depth, registered to a colour picture.

    Attributes:
        metres: (H, W) float32, 0 in holes.
        stamp: seconds.
    """

    metres: np.ndarray
    stamp: float

    @classmethod
    def from_array(cls, depth: np.ndarray, stamp: float) -> DepthPicture:
        """From what cameras send: (H, W) uint16 millimetres or float32 metres.

        Raises:
            DepthError: another shape or type.
        """
        if depth.ndim != 2 or depth.size == 0:
            raise DepthError(f'depth picture: expected (height, width), found shape {depth.shape}')
        if depth.dtype == np.uint16:
            return cls(depth.astype(np.float32) * np.float32(0.001), stamp)
        if depth.dtype != np.float32:
            raise DepthError(
                f'depth picture: expected uint16 (millimetres, 16UC1) or float32 (metres, 32FC1), found {depth.dtype}'
            )
        return cls(np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0)), stamp)

    def mirrored(self) -> DepthPicture:
        """The same with its columns in the other order."""
        return DepthPicture(self.metres[:, ::-1], self.stamp)

    def check_size(self, width: int, height: int) -> None:
        """Raise DepthError when the picture is not of the size of the colour picture, thus not registered to it."""
        found = self.metres.shape
        if found != (height, width):
            raise DepthError(
                f'depth picture is {found[1]}×{found[0]}, the colour picture {width}×{height}; give depth that is '
                'registered to the colour camera'
            )


@dataclass(frozen=True, eq=False)
class KeypointDepths:
    """What a depth picture says of the keypoints.

    Attributes:
        z: (21,) float64 metres along z of the camera.
        sigma: (21,) float64 metres, infinite where nothing is known.
        shift: metres, the median difference to where the keypoints were thought to be.
        common_sigma: metres, standard deviation of an error that all of them share.
    """

    z: np.ndarray
    sigma: np.ndarray
    shift: float
    common_sigma: float


def measure_keypoints(
    depth: DepthPicture,
    camera: CameraModel,
    keypoints: np.ndarray,
    skin: np.ndarray,
    stamp: float,
) -> KeypointDepths | None:
    """Depth of the keypoints.

    Args:
        depth: registered to pictures of this camera.
        camera: intrinsics.
        keypoints: (21, 3) metres, camera frame: where they are thought to be.
        skin: (N, 3) metres, camera frame: points of the model's skin that face the camera.
        stamp: of the colour picture, seconds; the further the depth picture's is from it, the less is believed.

    Returns:
        KeypointDepths, or None when too little of the hand is in the depth picture.
    """
    places, skin_places = camera.project(keypoints), camera.project(skin)
    range_ = float(np.median(keypoints[:, 2]))
    radius = max(WINDOW * camera.focal / range_, 1.5)
    # 0 is a hole, however near the hand may be
    low = max(range_ * (1 - MAX_CORRECTION) - 0.1, 0.0)
    high = range_ * (1 + MAX_CORRECTION) + 0.1
    picture = np.ascontiguousarray(depth.metres)
    noise = _noise(picture, places, radius, low, high)
    difference, spread = np.empty(NUM_KEYPOINTS), np.empty(NUM_KEYPOINTS)
    _differences(
        picture, places, keypoints[:, 2].copy(), skin_places, skin[:, 2].copy(),
        radius, low, high, max(BAND, BAND_OF_NOISE * noise), difference, spread,
    )  # fmt: skip
    if np.isfinite(difference).sum() < MIN_KEYPOINTS:
        return None
    shift = float(np.nanmedian(difference))
    with np.errstate(invalid='ignore'):
        usable = np.abs(difference - shift) < MAX_DIFFERENCE
    if usable.sum() < MIN_KEYPOINTS or abs(shift) > MAX_CORRECTION * range_:
        return None
    sigma = np.where(usable, np.hypot(KEYPOINT_SIGMA, noise * spread), np.inf)
    z = keypoints[:, 2] + np.where(usable, difference, 0.0)
    return KeypointDepths(z, sigma, shift, HAND_SPEED * abs(depth.stamp - stamp))


def visible_skin(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N, 3) the middles of those triangles of a mesh that face the camera at the origin.

    Args:
        vertices: (V, 3) metres, camera frame.
        faces: (F, 3) int, wound so that normals by the right-hand rule point outwards.
    """
    return np.asarray(_facing(np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces)))


@njit(cache=True, nogil=True, error_model='numpy')
def _facing(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """visible_skin of float64 vertices."""
    middles = np.empty((len(faces), 3))
    count = 0
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = a[0] + b[0] + c[0], a[1] + b[1] + c[1], a[2] + b[2] + c[2]
        if (uy * vz - uz * vy) * x + (uz * vx - ux * vz) * y + (ux * vy - uy * vx) * z < 0.0:
            middles[count, 0], middles[count, 1], middles[count, 2] = x / 3, y / 3, z / 3
            count += 1
    return middles[:count].copy()


@njit(cache=True, nogil=True, error_model='numpy')
def _square(x: float, y: float, radius: float, height: int, width: int) -> tuple[int, int, int, int]:
    """Rows top:bottom and columns left:right of the picture that a disc round (x, y) can touch; empty for NaN."""
    # Also false for NaN; far beyond the border an index would not fit its type.
    if not (-radius < x < width + radius and -radius < y < height + radius):
        return 0, 0, 0, 0
    top, bottom = max(0, math.ceil(y - radius)), min(height - 1, math.floor(y + radius)) + 1
    left, right = max(0, math.ceil(x - radius)), min(width - 1, math.floor(x + radius)) + 1
    return top, bottom, left, right


@njit(cache=True, nogil=True, error_model='numpy')
def _noise(picture: np.ndarray, places: np.ndarray, radius: float, low: float, high: float) -> float:
    """Metres: standard deviation of the depth picture round the keypoints, from neighbouring pixels; 0 when unknown.

    Of their differences the median is taken: edges of fingers and flying pixels are few.
    """
    height, width = picture.shape
    step = max(1, int(radius / 4))
    apart = np.empty(len(places) * (int(2 * radius / step) + 2) ** 2)
    count = 0
    for k in range(len(places)):
        top, bottom, left, right = _square(places[k, 0], places[k, 1], radius, height, width)
        for row in range(top, bottom, step):
            for column in range(left, min(right, width - 1), step):
                here, beside = picture[row, column], picture[row, column + 1]
                if low < here < high and low < beside < high:
                    apart[count] = abs(here - beside)
                    count += 1
    return NORMAL_MEDIAN * np.median(apart[:count]) if count > 0 else 0.0


@njit(cache=True, nogil=True, error_model='numpy')
def _differences(
    picture: np.ndarray,
    places: np.ndarray,
    keypoints_z: np.ndarray,
    skin_places: np.ndarray,
    skin_z: np.ndarray,
    radius: float,
    low: float,
    high: float,
    band: float,
    difference: np.ndarray,
    spread: np.ndarray,
) -> None:
    """Fill difference (21,): picture's skin − model's skin round each keypoint, metres; NaN where it is not known.

    Only what is between low and high in the picture counts. spread (21,) is filled with the standard deviation of the
    difference for noise of 1.
    """
    height, width = picture.shape
    skin_near = np.empty(len(skin_z))
    seen = np.empty(int(2 * radius + 2) ** 2)
    for k in range(len(places)):
        difference[k] = spread[k] = np.nan
        x, y = places[k, 0], places[k, 1]
        top, bottom, left, right = _square(x, y, radius, height, width)
        if top >= bottom or left >= right:
            continue
        count = 0
        for n in range(len(skin_z)):
            if (skin_places[n, 0] - x) ** 2 + (skin_places[n, 1] - y) ** 2 < radius * radius:
                skin_near[count] = skin_z[n]
                count += 1
        expected = _front(skin_near[:count], MIN_SAMPLES, band)
        if not keypoints_z[k] - expected <= MAX_THICKNESS:
            continue
        count = 0
        for row in range(top, bottom):
            for column in range(left, right):
                value = picture[row, column]
                if (column - x) ** 2 + (row - y) ** 2 < radius * radius and low < value < high:
                    seen[count] = value
                    count += 1
        difference[k] = _front(seen[:count], MIN_PIXELS, band) - expected
        spread[k] = 1 / math.sqrt(max(count, 1))


@njit(cache=True, nogil=True, error_model='numpy')
def _front(values: np.ndarray, fewest: int, band: float) -> float:
    """Where the near surface among values is; NaN for too few of them.

    From the near end the mean of what lies within the band is taken, and again round that mean, which so settles in
    the middle of noise.
    """
    if len(values) < fewest:
        return np.nan
    middle = np.sort(values)[int(NEAR_SHARE * (len(values) - 1))]
    for _ in range(TURNS):
        total, count = 0.0, 0
        for value in values:
            if abs(value - middle) < band:
                total += value
                count += 1
        middle = total / count if count > 0 else middle
    return middle
