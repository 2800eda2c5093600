"""From a labelled picture to a varied 128-pixel training crop.

Everything but the one anti-aliased warp works on the 128-pixel crop, never on the full picture. Every draw comes from
the generator that is handed in, so a crop depends on its seed alone and not on the worker that made it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from minimal_hand_core.data.sample import Sample
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_KEYPOINTS, WRIST
from minimal_hand_core.tracking.crop import CROP_FACTOR, CROP_SIZE, Crop, keypoints_crop

_NOWHERE = -1e4
"""Where a joint is put that is absent or not labelled, pixels: far from every map."""


@dataclass(frozen=True)
class TrainingCrop:
    """One network input with its labels, all of a **right** hand.

    Attributes:
        image: (128, 128, 3) uint8 RGB.
        uv: (21, 2) float32 pixels of the crop; may lie outside it.
        xyz: (21, 3) float32 network units, (X − X9)/|X9 − X0|; zeros when unknown.
        weight: (21,) float32, weight of each joint's 2D label, 0 where it is not labelled; a joint outside the crop
            counts as seen to be absent.
        weight_3d: float, weight of the 3D labels; 0 when unknown, even of a single joint.
        hand: False for a picture without a hand: then every joint is absent.
        visible: (21,) bool, as `Sample.visible`: joints that are labelled but hidden or doubtful keep their weight, and
            a recipe may take it from them.
    """

    image: np.ndarray
    uv: np.ndarray
    xyz: np.ndarray
    weight: np.ndarray
    weight_3d: float
    hand: bool
    visible: np.ndarray


@dataclass(frozen=True)
class Variation:
    """How far crops are varied.

    Attributes:
        rotation: largest turn either way, radians.
        upright: share of crops turned by at most a third of that; photos are mostly taken upright.
        scale: smallest and largest factor on the crop's side, drawn log-uniformly.
        far: share of crops in which the hand is made small (side × up to `far_scale`), so that the network can find a
            hand with a wide crop.
        far_scale: see `far`.
        shift: largest shift of the centre, as a share of the side.
        occluder: chance of one opaque patch over a part of the crop.
        color: strength of colour changes, 0 = none.
        blur, noise, jpeg: chance of each.
    """

    rotation: float = np.pi / 2
    upright: float = 0.5
    scale: tuple[float, float] = (0.8, 1.3)
    far: float = 0.12
    far_scale: float = 2.4
    shift: float = 0.1
    occluder: float = 0.2
    color: float = 1.0
    blur: float = 0.2
    noise: float = 0.2
    jpeg: float = 0.15


def plain_crop(sample: Sample, factor: float = CROP_FACTOR) -> tuple[TrainingCrop, Crop, bool]:
    """The crop that evaluation uses: centred on the keypoints' box, no variation.

    Returns:
        the crop, where it lies in the picture, and whether it was mirrored (left hands).
    """
    crop = keypoints_crop(extent(sample), factor)
    mirror = sample.side == 'left'
    return _cut(sample, crop, mirror), crop, mirror


def whole_crop(sample: Sample) -> TrainingCrop:
    """A 128-pixel picture of a right hand, taken as the crop it already is (rendered hands)."""
    middle = (CROP_SIZE - 1) / 2
    return _cut(sample, Crop((middle, middle), CROP_SIZE), mirror=False)


def varied_crop(
    sample: Sample, rng: np.random.Generator, variation: Variation, backdrop: np.ndarray | None = None
) -> TrainingCrop:
    """A random crop round the hand with random looks. A hand of unknown side gets a random one and no 3D weight.

    Args:
        backdrop: (128, 128, 3) uint8 BGR picture to show where the crop reaches beyond the sample's own picture; grey
            when None. Without it "a tilted square on grey" would come to mean "hand".
    """
    box = keypoints_crop(extent(sample))
    factor = float(np.exp(rng.uniform(*np.log(variation.scale))))
    if rng.random() < variation.far:
        factor = float(rng.uniform(variation.scale[1], variation.far_scale))
    side = box.side * factor
    shift = rng.uniform(-variation.shift, variation.shift, 2) * side
    reach = variation.rotation / 3 if rng.random() < variation.upright else variation.rotation
    angle = float(rng.uniform(-reach, reach))
    crop = Crop((box.center[0] + shift[0], box.center[1] + shift[1]), side, angle)
    mirror = sample.side == 'left' or (sample.side is None and rng.random() < 0.5)
    cut = _cut(sample, crop, mirror)
    image = cut.image
    if backdrop is not None:
        _fill_outside(image, sample.image.shape, crop, mirror, backdrop)
    image = vary_looks(image, rng, variation)
    weight_3d = cut.weight_3d if sample.side is not None else 0.0
    return replace(cut, image=image, weight_3d=weight_3d)


def negative_crop(image: np.ndarray, rng: np.random.Generator, variation: Variation) -> TrainingCrop:
    """A picture without a hand, (128, 128, 3) uint8 BGR: every joint is absent."""
    nowhere = np.full((NUM_KEYPOINTS, 3), _NOWHERE, np.float32)
    return TrainingCrop(
        image=vary_looks(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), rng, variation),
        uv=nowhere[:, :2],
        xyz=np.zeros_like(nowhere),
        weight=np.ones(NUM_KEYPOINTS, np.float32),
        weight_3d=0.0,
        hand=False,
        visible=np.zeros(NUM_KEYPOINTS, bool),
    )


def extent(sample: Sample) -> np.ndarray:
    """(n, 2) pixels of the points that span the hand: `extent_px` where the sample has it, else what is labelled."""
    points = sample.keypoints_px if sample.extent_px is None else sample.extent_px
    return points[np.isfinite(points).all(axis=1)]


def _fill_outside(
    image: np.ndarray, picture_shape: tuple[int, ...], crop: Crop, mirror: bool, backdrop: np.ndarray
) -> None:
    """Show the backdrop, in place, where the crop reaches beyond the picture."""
    height, width = picture_shape[:2]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.round(crop.to_crop(corners, mirror=mirror) * 16).astype(np.int32), 1, cv2.LINE_8, 4)
    outside = inside == 0
    image[outside] = backdrop[outside][:, ::-1]


def _cut(sample: Sample, crop: Crop, mirror: bool) -> TrainingCrop:
    labelled = np.isfinite(sample.keypoints_px).all(axis=1)
    uv = np.where(labelled[:, None], crop.to_crop(sample.keypoints_px, mirror=mirror), _NOWHERE)
    xyz = np.zeros((NUM_KEYPOINTS, 3))
    weight_3d = 0.0
    if sample.keypoints_m is not None and np.isfinite(sample.keypoints_m).all():
        xyz = network_coordinates(sample.keypoints_m)
        # The crop's axes in the picture are (cos, sin) and (−sin, cos); turning about the optical axis by the same
        # angle keeps 2D and 3D consistent. It is exact for a camera that looks at the crop's centre.
        cos, sin = np.cos(crop.angle), np.sin(crop.angle)
        xyz = xyz @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]).T
        if mirror:
            xyz = xyz * (-1.0, 1.0, 1.0)
        weight_3d = sample.weight_3d
    return TrainingCrop(
        image=crop.extract(sample.image, mirror=mirror),
        uv=uv.astype(np.float32),
        xyz=xyz.astype(np.float32),
        weight=np.where(labelled, sample.weight, 0).astype(np.float32),
        weight_3d=weight_3d,
        hand=True,
        visible=sample.visible,
    )


def network_coordinates(keypoints_m: np.ndarray) -> np.ndarray:
    """(21, 3) metres → (21, 3) network units, (X − X9)/|X9 − X0| (fact sheet 1.4).

    Raises:
        ValueError: wrist and middle MCP in one place.
    """
    length = float(np.linalg.norm(keypoints_m[MIDDLE_MCP] - keypoints_m[WRIST]))
    if not length > 0:
        raise ValueError('wrist and middle MCP coincide, so the hand has no length to normalise by')
    return (keypoints_m - keypoints_m[MIDDLE_MCP]) / length


def vary_looks(image: np.ndarray, rng: np.random.Generator, variation: Variation) -> np.ndarray:
    """Occluder, colour, blur, noise and JPEG on a (128, 128, 3) uint8 RGB crop; returns a new one."""
    image = image.copy()
    if rng.random() < variation.occluder:
        _occlude(image, rng)
    if variation.color > 0:
        image = _recolor(image, rng, variation.color)
    if rng.random() < variation.blur:
        image = _blur(image, rng)
    if rng.random() < variation.noise:
        sigma = float(rng.uniform(2, 14))
        noise = rng.standard_normal(image.shape, np.float32) * sigma
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < variation.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
        decoded = cv2.imdecode(cv2.imencode('.jpg', image, quality)[1], cv2.IMREAD_COLOR)
        assert decoded is not None
        image = decoded
    return image


def _occlude(image: np.ndarray, rng: np.random.Generator) -> None:
    """One ellipse or rotated box of one colour with a little texture, drawn in place."""
    center = rng.uniform(10, CROP_SIZE - 10, 2)
    size = rng.uniform(8, 45, 2)
    color = rng.uniform(0, 255, 3)
    mask = np.zeros(image.shape[:2], np.uint8)
    angle = float(rng.uniform(0, 180))
    if rng.random() < 0.5:
        cv2.ellipse(mask, (int(center[0]), int(center[1])), (int(size[0] / 2), int(size[1] / 2)), angle, 0, 360, 1, -1)
    else:
        box = cv2.boxPoints(((center[0], center[1]), (size[0], size[1]), angle))
        cv2.fillConvexPoly(mask, box.astype(np.int32), 1)
    where = mask > 0
    texture = rng.normal(0, rng.uniform(0, 25), (int(where.sum()), 1))
    image[where] = np.clip(color + texture, 0, 255).astype(np.uint8)


def _recolor(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Brightness, contrast, gamma, saturation, white balance and sometimes grey, by one table and one mix."""
    gain = 1 + strength * rng.uniform(-0.15, 0.15, 3)
    contrast = 1 + strength * rng.uniform(-0.4, 0.4)
    offset = strength * rng.uniform(-40, 40)
    gamma = float(np.exp(strength * rng.uniform(-0.35, 0.35)))
    ramp = 255 * (np.arange(256) / 255) ** gamma
    table = np.clip((ramp[:, None] - 128) * contrast * gain + 128 + offset, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[None])
    saturation = 1 + strength * rng.uniform(-0.6, 0.6)
    if rng.random() < 0.06 * strength:
        saturation = 0.0
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)


def _blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, or moved along a line."""
    if rng.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.8)))
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    middle = (length - 1) / 2
    start, end = middle - reach, middle + reach
    cv2.line(kernel, (round(start[0]), round(start[1])), (round(end[0]), round(end[1])), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())
