"""Baseline: from files to one training crop as the peer does it, fact sheet 1.3, 2.6, 2.8, 6.4, 7.1, 7.3, 7.4.

Pillow throughout. A picture is read, mirrored, blurred and jittered in colour at full size, and only then is the crop
sampled from it, nearest neighbour. RHD's mask is read again for every sample. GANerated's labels stand in a text file
each, read by NumPy; those of RHD and CMU are in memory, as with us. The target maps that the peer's loader makes as
well are left out, since ours are made on the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

SIZE = 128
SIDE_FACTOR = 2.0
SHIFT, SCALE, TURN = 0.1, 0.1, 0.5 * np.pi
BLUR, JITTER, HUE = 0.5, 0.5, 0.15
METRES = 1e-3


@dataclass(frozen=True)
class PeerSample:
    """Files of one sample: picture, mask (read for nothing) and labels, as arrays or as two text files."""

    picture: Path
    left: bool
    keypoints_px: np.ndarray | Path
    keypoints_m: np.ndarray | Path | None
    mask: Path | None = None


def load_crop(sample: PeerSample, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """One training crop.

    Returns:
        image (3, 128, 128) float32 in −0.5…0.5, keypoints (21, 2) whole pixels of it, and the joints (21, 3), turned
        along, or None.
    """
    image = Image.open(sample.picture).convert('RGB')
    if sample.mask is not None:
        np.asarray(Image.open(sample.mask))
    points, joints = _labels(sample.keypoints_px, 2), _labels(sample.keypoints_m, 3)
    assert points is not None
    if sample.left:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        points = np.column_stack([image.width - points[:, 0], points[:, 1]])
        joints = None if joints is None else joints * (-1.0, 1.0, 1.0)
    low, high = points.min(axis=0), points.max(axis=0)
    side = SIDE_FACTOR * (high - low).max()
    center = (((low + high) / 2).astype(int) + rng.uniform(-SHIFT, SHIFT, 2) * side).astype(int)
    side *= np.clip(1 + SCALE * rng.normal(), 1 - SCALE, 1 + SCALE)
    angle = rng.uniform(-TURN, TURN)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, BLUR)))
    image = _jitter(image, rng)
    matrix = _affine(center, side, angle)
    inverse = np.linalg.inv(matrix)
    crop = image.transform((SIZE, SIZE), Image.Transform.AFFINE, tuple(inverse[:2].reshape(-1)))
    points = (np.column_stack([points, np.ones(21)]) @ matrix[:2].T).astype(int)
    if joints is not None:
        cos, sin = np.cos(angle), np.sin(angle)
        joints = joints @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
    pixels = np.asarray(crop, np.float32).transpose(2, 0, 1) / 255 - 0.5
    return np.ascontiguousarray(pixels), points, joints


def _labels(source: np.ndarray | Path | None, columns: int) -> np.ndarray | None:
    if not isinstance(source, Path):
        return source
    values = np.loadtxt(source, delimiter=',').reshape(21, columns)
    return values if columns == 2 else values * METRES


def _jitter(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brightness, saturation, contrast and hue in random order."""
    for step in rng.permutation(4):
        if step == 3:
            image = _turn_hue(image, rng.uniform(-HUE, HUE))
        else:
            enhancer = (ImageEnhance.Brightness, ImageEnhance.Color, ImageEnhance.Contrast)[step]
            image = enhancer(image).enhance(rng.uniform(1 - JITTER, 1 + JITTER))
    return image


def _turn_hue(image: Image.Image, share: float) -> Image.Image:
    """Hue moved by a share of the whole circle."""
    hue, saturation, value = image.convert('HSV').split()
    turned = (np.asarray(hue).astype(np.int16) + round(share * 255)).astype(np.uint8)
    return Image.merge('HSV', (Image.fromarray(turned), saturation, value)).convert('RGB')


def _affine(center: np.ndarray, side: float, angle: float) -> np.ndarray:
    """(3, 3) from picture to crop: turned about the picture's origin, scaled, the centre moved to the crop's."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    scale = SIZE / side
    matrix = np.eye(3)
    matrix[:2, :2] = scale * turn
    matrix[:2, 2] = SIZE / 2 - scale * (turn @ center)
    return matrix
