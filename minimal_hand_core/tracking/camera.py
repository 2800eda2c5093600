"""A pinhole camera with lens distortion: from pixels to rays and back.

Convention:
    * Camera frame: x right, y down, z forward (REP-103 optical), metres.
    * Pixel centres lie at integers, as in `sensor_msgs/CameraInfo` and OpenCV.
    * A *normalised* point is (X/Z, Y/Z): where the ray of a pixel meets the plane Z = 1, distortion removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from minimal_hand_core.tracking.view_kernel import set_view_rotation

DISTORTION_MODELS = ('plumb_bob', 'rational_polynomial', 'equidistant')
_COEFFICIENTS = {'plumb_bob': (4, 5), 'rational_polynomial': (4, 5, 8, 12, 14), 'equidistant': (4,)}
_SAME = {'': 'plumb_bob', 'none': 'plumb_bob', 'fisheye': 'equidistant'}
_WIDEST = 1.55
"""Radians from the optical axis from which on the plane Z = 1 is too far away."""
_ITERATIONS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-10)


class CameraError(ValueError):
    """Intrinsics that cannot be used; the message names the value and what would be right."""


@dataclass(frozen=True)
class Readout:
    """What a camera sends of its sensor: a part of it, and how many of its pixels as one.

    Attributes:
        x_offset, y_offset: the part's first column and row, pixels of the sensor.
        width, height: of the part, pixels of the sensor; 0, 0 = all of it.
        binning_x, binning_y: columns and rows of the sensor that become one, 1 or more.
    """

    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0
    binning_x: int = 1
    binning_y: int = 1


@dataclass(frozen=True, eq=False)
class CameraModel:
    """Intrinsics of one camera, for pictures of one size.

    Attributes:
        width, height: size in pixels of the pictures that `k` is for; 0, 0 = not known.
        k: (3, 3) float64 camera matrix, pixels.
        d: (N,) float64 distortion coefficients, OpenCV's order; empty = none. Zeros behind those that the model has,
            which some drivers send, are cut off.
        distortion_model: one of DISTORTION_MODELS ('' and 'none' are taken as 'plumb_bob', 'fisheye' as 'equidistant').
        readout: what is sent of the sensor, should `k` be of all of it; see of_size.

    Raises:
        CameraError: not finite, focal length not positive, last row not (0, 0, 1), unknown distortion model or a wrong
            number of coefficients.
    """

    width: int
    height: int
    k: np.ndarray
    d: np.ndarray
    distortion_model: str = 'plumb_bob'
    readout: Readout = Readout()

    def __post_init__(self) -> None:
        k = np.array(self.k, np.float64)
        d = np.array(self.d, np.float64).reshape(-1)
        model = _SAME.get(self.distortion_model, self.distortion_model)
        if k.size != 9:
            raise CameraError(f'camera matrix has {k.size} values; give 9')
        k = k.reshape(3, 3)
        if self.width < 0 or self.height < 0:
            raise CameraError(f'camera size is {self.width}×{self.height}; give pixels, or 0×0 for not known')
        if not (np.isfinite(k).all() and np.isfinite(d).all()):
            raise CameraError(f'camera matrix {k.reshape(-1).tolist()}, distortion {d.tolist()}: not finite')
        if k[0, 0] <= 0 or k[1, 1] <= 0:
            raise CameraError(f'focal lengths are {k[0, 0]} and {k[1, 1]}; give values above 0 pixels')
        if not np.array_equal(k[2], (0, 0, 1)) or k[1, 0] != 0:
            raise CameraError(f'camera matrix {k.reshape(-1).tolist()}; give [fx, s, cx, 0, fy, cy, 0, 0, 1]')
        if model not in DISTORTION_MODELS:
            raise CameraError(
                f'distortion model is {self.distortion_model!r}; give one of {", ".join(DISTORTION_MODELS)}'
            )
        counts = (0, *_COEFFICIENTS[model])
        known = max(count for count in counts if count <= len(d))
        if d[known:].any():
            raise CameraError(f'{model} has {len(d)} distortion coefficients; give one of {counts}')
        d = d[:known].copy()
        for name, value in (('k', k), ('d', d), ('distortion_model', model)):
            object.__setattr__(self, name, value)
        k.setflags(write=False)
        d.setflags(write=False)

    @classmethod
    def from_info(
        cls,
        width: int,
        height: int,
        k: Sequence[float],
        d: Sequence[float] = (),
        distortion_model: str = '',
        readout: Readout = Readout(),
    ) -> CameraModel | None:
        """The camera of the fields of a `sensor_msgs/CameraInfo`; None when it is not calibrated (k all zero).

        Raises:
            CameraError: as the constructor.
        """
        matrix = np.asarray(k, np.float64)
        if matrix.size == 9 and not matrix.any():
            return None
        return cls(int(width), int(height), matrix, np.asarray(d, np.float64), distortion_model, readout)

    @classmethod
    def from_rectified_info(
        cls, width: int, height: int, p: Sequence[float], readout: Readout = Readout()
    ) -> CameraModel | None:
        """The camera of the rectified pictures of a `sensor_msgs/CameraInfo`: the left three columns of its p (3×4,
        row-major), and no distortion; None when it is not calibrated (p all zero).

        What p says of another camera's frame, in its fourth column, is left out: positions are from this one.

        Raises:
            CameraError: as the constructor.
        """
        return cls.from_info(width, height, np.reshape(p, (3, 4))[:, :3].reshape(-1).tolist(), readout=readout)

    @property
    def focal(self) -> float:
        """Geometric mean of the two focal lengths, pixels."""
        return float(np.sqrt(self.k[0, 0] * self.k[1, 1]))

    def of_size(self, width: int, height: int) -> CameraModel:
        """The camera of pictures of this size: this one, or the one of what its readout says is sent.

        `sensor_msgs/CameraInfo` has size and k of the whole sensor, and says beside them what of it is sent. Drivers
        that were calibrated with what they send give size and k of that, and often the readout all the same. So it
        counts only for pictures that are not of the size that is given, and where none is given.

        Binning divides the coordinates, as in image_geometry: that the middle of two pixels lies half a pixel behind
        the first one is left out.
        """
        read = self.readout
        if read == Readout() or (self.width, self.height) == (width, height):
            return self
        binning = np.array([read.binning_x, read.binning_y])
        k = self.k.copy()
        k[:2, 2] -= (read.x_offset, read.y_offset)
        k[:2] /= binning[:, None]
        part = np.array((read.width, read.height) if read.width and read.height else (self.width, self.height))
        sent = np.maximum(part // binning, np.minimum(part, 1))  # 0 would be: not known
        return replace(self, width=int(sent[0]), height=int(sent[1]), k=k, readout=Readout())

    def size_mismatch(self, width: int, height: int) -> str:
        """Why pictures of this size do not belong to these intrinsics; '' when they do."""
        if (self.width, self.height) in ((0, 0), (width, height)):
            return ''
        return f'picture is {width}×{height}, its intrinsics are for {self.width}×{self.height}'

    def check_size(self, width: int, height: int) -> None:
        """Raise CameraError when pictures of this size do not belong to these intrinsics."""
        mismatch = self.size_mismatch(width, height)
        if mismatch:
            raise CameraError(f'{mismatch}; give those of the pictures as they come')

    def normalize(self, uv: np.ndarray) -> np.ndarray:
        """(N, 2) pixels → (N, 2) float64 normalised points; NaN where the lens model has no inverse."""
        points = np.asarray(uv, np.float64).reshape(-1, 2)
        if not self.d.any() and self.distortion_model != 'equidistant':
            return self._pinhole(points)
        if self.distortion_model == 'equidistant':
            return self._unfold(points)
        plane = self._pinhole(points)[:, None]
        rays = cv2.undistortPointsIter(plane, np.eye(3), self.d, np.eye(3), np.eye(3), _ITERATIONS)[:, 0]
        # The iteration diverges quietly beyond the radius where the model folds over; such points are no rays.
        error = np.abs(self.project(np.column_stack([rays, np.ones(len(rays))])) - points).max(axis=1)
        rays[~(error < 0.1)] = np.nan
        return rays

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) metres, camera frame → (N, 2) float64 pixels; NaN for points not in front of the camera."""
        points = np.asarray(points, np.float64).reshape(-1, 3)
        ahead = points[:, 2] > 1e-9
        all_ahead = bool(ahead.all())
        safe = points if all_ahead else np.where(ahead[:, None], points, (0.0, 0.0, 1.0))
        if self.distortion_model == 'equidistant':
            d = self.d if len(self.d) else np.zeros(4)
            plane = cv2.fisheye.projectPoints(safe[:, None], np.zeros(3), np.zeros(3), np.eye(3), d)[0][:, 0]
        elif self.d.any():
            plane = cv2.projectPoints(safe[:, None], np.zeros(3), np.zeros(3), np.eye(3), self.d)[0][:, 0]
        else:
            plane = safe[:, :2] / safe[:, 2:]
        uv = plane @ self.k[:2, :2].T + self.k[:2, 2]
        if not all_ahead:
            uv[~ahead] = np.nan
        return np.asarray(uv)

    def _pinhole(self, points: np.ndarray) -> np.ndarray:
        """Distorted or plain pixels → plane Z = 1, by the inverse of k."""
        plane = (points - self.k[:2, 2]) / (self.k[0, 0], self.k[1, 1])
        if self.k[0, 1]:
            plane[:, 0] -= self.k[0, 1] / self.k[0, 0] * plane[:, 1]
        return np.asarray(plane)

    def _unfold(self, points: np.ndarray) -> np.ndarray:
        """Equidistant lens: solve θ (1 + d0 θ² + d1 θ⁴ + …) = r by Newton, by halves where that leaves the range in
        which the lens can be inverted; rays of 90° and more are NaN."""
        plane = self._pinhole(points)
        radius = np.linalg.norm(plane, axis=1)
        d = np.concatenate([[1.0], self.d if len(self.d) else np.zeros(4)])
        odd = np.zeros(10)
        odd[1::2] = d
        polynomial = np.polynomial.Polynomial(odd)
        slope = polynomial.deriv()
        angles = np.linspace(0, _WIDEST, 512)
        falls = slope(angles) <= 0
        low, high = np.zeros_like(radius), np.full_like(radius, angles[falls.argmax()] if falls.any() else _WIDEST)
        theta = np.minimum(radius, high)
        for _ in range(50):
            too_far = polynomial(theta) - radius
            low, high = np.where(too_far < 0, theta, low), np.where(too_far > 0, theta, high)
            theta = theta - too_far / np.maximum(slope(theta), 1e-3)
            theta = np.where((theta >= low) & (theta <= high), theta, (low + high) / 2)
        good = (np.abs(polynomial(theta) - radius) < 1e-6) & (theta >= 0) & (theta < _WIDEST)
        with np.errstate(invalid='ignore', divide='ignore'):
            scale = np.where(radius > 1e-12, np.tan(theta) / radius, 1.0)
        return np.where(good[:, None], plane * scale[:, None], np.nan)


def view_rotation(ray: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes the optical axis (0, 0, 1) to a ray.

    A crop looks at the hand along the ray through its centre. What the network says of the hand is in the axes of
    that view; this rotation turns them into the axes of the camera.

    Args:
        ray: (2,) normalised point.

    Returns:
        (3, 3) float64, proper.
    """
    rotation = np.empty((3, 3))
    set_view_rotation(float(ray[0]), float(ray[1]), rotation)
    return rotation
