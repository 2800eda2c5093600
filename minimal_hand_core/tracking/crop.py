"""The square the network looks at: where it lies in the picture, and cutting it out without aliasing.

Convention:
    * Pixel centres lie at integers: the picture covers −0.5 … width − 0.5.
    * A crop of `size` pixels maps its own −0.5 … size − 0.5 onto `side` picture pixels round `center`.
    * `angle` (radians) turns the square: the crop's x axis points along (cos angle, sin angle) of the picture
      (x right, y down), so a positive angle turns clockwise as seen.
    * A mirrored crop (left hands) is the same square with its x axis flipped.
    * Beyond the picture's border the crop is mid grey (`PAD`), which the network sees as zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from minimal_hand_core.arrays import for_kernel
from minimal_hand_core.detnet.output import CROP_SIZE
from minimal_hand_core.tracking.picture import check_bgr
from minimal_hand_core.tracking.view_kernel import box_of

CROP_FACTOR = 1.5
"""Side of the crop over the longer side of the box of the 21 keypoints."""
PAD = 128
"""Grey value beyond the border."""


@dataclass(frozen=True)
class Crop:
    """A square of the picture.

    Attributes:
        center: (x, y) picture pixels.
        side: length in picture pixels, > 0.
        angle: turn in radians, see the module's convention.

    Raises:
        ValueError: a value that is not finite, or a side that is not positive.
    """

    center: tuple[float, float]
    side: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        x, y = (float(value) for value in self.center)
        object.__setattr__(self, 'center', (x, y))
        object.__setattr__(self, 'side', float(self.side))
        object.__setattr__(self, 'angle', float(self.angle))
        if not all(map(math.isfinite, (x, y, self.side, self.angle))):
            raise ValueError(f'crop {self} is not finite')
        if self.side <= 0:
            raise ValueError(f'crop side is {self.side}; give a length above 0 pixels')

    def affine(self, size: int = CROP_SIZE, mirror: bool = False) -> np.ndarray:
        """(2, 3) float64 matrix A with uv_image = A[:, :2] · uv_crop + A[:, 2]."""
        scale = self.side / size
        cos, sin = scale * math.cos(self.angle), scale * math.sin(self.angle)
        flip = -1.0 if mirror else 1.0
        middle, (x, y) = (size - 1) / 2, self.center
        row_x, row_y = (flip * cos, -sin), (flip * sin, cos)
        return np.array([[*row_x, x - middle * sum(row_x)], [*row_y, y - middle * sum(row_y)]])

    def to_image(self, uv: np.ndarray, size: int = CROP_SIZE, mirror: bool = False) -> np.ndarray:
        """Pixels of the crop (…, 2) → pixels of the picture (…, 2), float64."""
        matrix = self.affine(size, mirror)
        return np.asarray(uv, np.float64) @ matrix[:, :2].T + matrix[:, 2]

    def to_crop(self, uv: np.ndarray, size: int = CROP_SIZE, mirror: bool = False) -> np.ndarray:
        """Pixels of the picture (…, 2) → pixels of the crop (…, 2), float64; inverse of `to_image`."""
        matrix = self.affine(size, mirror)
        # its linear part is a turn (and mirror) times side / size, so its inverse is its transpose over the square
        return np.asarray((np.asarray(uv, np.float64) - matrix[:, 2]) @ matrix[:, :2] * (size / self.side) ** 2)

    def corners(self) -> np.ndarray:
        """(4, 2) float64 picture pixels of the corners, clockwise as seen, from the crop's upper left."""
        return self.to_image(np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]), size=1)

    def extract(self, image: np.ndarray, size: int = CROP_SIZE, mirror: bool = False) -> np.ndarray:
        """Cut the square out, anti-aliased.

        A shrinking crop is low-passed before it is sampled, and only the part of the picture under it is touched:
        halved by 2×2 averages while more than a factor two remains, then, for the rest r in 1…2, smoothed by
        [a, 1 − 2a, a] with a = min(1/4, (r − 1)/2), then one bilinear warp. The filter fades in with r, so that a
        hand that comes nearer does not change its look in a step.

        Args:
            image: (H, W, 3) uint8 BGR.
            size: pixels along one side of the result.
            mirror: flip the x axis (left hands).

        Returns:
            (size, size, 3) uint8 RGB.

        Raises:
            PictureError: the picture is empty, not uint8 or not (H, W, 3).
        """
        check_bgr(image)
        return cv2.cvtColor(self._resample(image, size, mirror, PAD), cv2.COLOR_BGR2RGB)

    def extract_mask(self, mask: np.ndarray, size: int = CROP_SIZE, mirror: bool = False) -> np.ndarray:
        """How much of each pixel of the crop a mask covers: (H, W) bool → (size, size) uint8, 255 = all of it.

        Resampled as `extract` does it, so that the edge stays where it is in the crop; 0 beyond the picture.

        Raises:
            ValueError: the mask is empty, not bool or not (H, W).
        """
        if mask.ndim != 2 or mask.dtype != bool or mask.size == 0:
            raise ValueError(f'mask: expected (H, W) bool, found {mask.shape} {mask.dtype}')
        return self._resample(mask.view(np.uint8) * np.uint8(255), size, mirror, 0)

    def _resample(self, image: np.ndarray, size: int, mirror: bool, pad: int) -> np.ndarray:
        """`extract` for any number of channels, in the order they have; `pad` beyond the border."""
        shrink = self.side / size
        halvings = max(0, int(math.log2(shrink)))
        block = 2**halvings
        region, offset = self._region(image, block, pad)
        if region.size == 0:
            return np.full((size, size, *image.shape[2:]), pad, np.uint8)
        for _ in range(halvings):
            region = cv2.resize(region, (region.shape[1] // 2, region.shape[0] // 2), interpolation=cv2.INTER_AREA)
        outer = min(0.25, (shrink / block - 1) / 2)
        if outer > 0:
            taps = np.array([outer, 1 - 2 * outer, outer], np.float32)
            region = cv2.sepFilter2D(region, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
        # Pixel j of the averaged region has its centre at block·j + (block − 1)/2 of the region.
        matrix = self.affine(size, mirror)
        matrix[:, 2] = (matrix[:, 2] - offset - (block - 1) / 2) / block
        matrix[:, :2] /= block
        return cv2.warpAffine(
            region,
            matrix,
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(pad, pad, pad),
        )

    def _region(self, image: np.ndarray, block: int, pad: int) -> tuple[np.ndarray, tuple[int, int]]:
        """The part of the picture under the crop, padded to whole blocks, and the pixel (x, y) it starts at."""
        reach = self.side / 2 * (abs(math.cos(self.angle)) + abs(math.sin(self.angle)))
        margin = 2 * block  # neighbours that the smoothing and the bilinear warp read
        (left, right), (top, bottom) = (
            (
                min(max(math.floor(middle - reach) - margin, 0), limit),
                min(max(math.ceil(middle + reach) + margin + 1, 0), limit),
            )
            for middle, limit in zip(self.center, (image.shape[1], image.shape[0]))
        )
        if right <= left or bottom <= top:
            return image[:0], (left, top)
        wider, higher = -(-(right - left) // block) * block, -(-(bottom - top) // block) * block
        region = image[top : top + higher, left : left + wider]
        lacking = (higher - region.shape[0], wider - region.shape[1])
        if any(lacking):
            region = cv2.copyMakeBorder(
                region, 0, lacking[0], 0, lacking[1], cv2.BORDER_CONSTANT, value=(pad, pad, pad)
            )
        return region, (left, top)


def keypoints_crop(uv: np.ndarray, factor: float = CROP_FACTOR) -> Crop:
    """The crop round keypoints: centre of their box, side `factor` × its longer side.

    Args:
        uv: (N, 2) picture pixels.
        factor: side of the crop over the longer side of the box.

    Raises:
        ValueError: wrong shape, a keypoint that is not finite, or all keypoints in one place.
    """
    uv = for_kernel(np.asarray(uv, np.float64))
    if uv.ndim != 2 or uv.shape[1] != 2 or len(uv) == 0:
        raise ValueError(f'keypoints have shape {uv.shape}; give (N, 2) picture pixels')
    left, top, right, bottom = box_of(uv)
    return Crop(((left + right) / 2, (top + bottom) / 2), factor * max(right - left, bottom - top))


def box_crop(x: float, y: float, width: float, height: float, factor: float = CROP_FACTOR) -> Crop:
    """The crop for a box that another detector put round a hand: its centre, side `factor` × its longer side.

    Args:
        x, y: first column and row of the box, pixels.
        width, height: of the box, pixels; it covers columns x … x + width − 1.
        factor: side of the crop over the longer side of the box.

    Raises:
        ValueError: a value that is not finite, or a box without width or height.
    """
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise ValueError(f'box is {width}×{height} at ({x}, {y}); give finite pixels, width and height above 0')
    return Crop((x + (width - 1) / 2, y + (height - 1) / 2), factor * max(width, height))
