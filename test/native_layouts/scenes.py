"""Pictures of rendered hands with their truth, seen by a camera of given intrinsics."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from minimal_hand_core.data.synthetic import Studio
from minimal_hand_core.data.synthetic.backgrounds import made_up_background
from minimal_hand_core.data.synthetic.labels import BEHIND_HAND, joint_visibility
from minimal_hand_core.data.synthetic.poses import sample_pose, sample_view
from minimal_hand_core.hand.skeleton import KEYPOINT_NAMES


@dataclass(frozen=True)
class TrueHand:
    """side; keypoints_m (21, 3) metres, camera frame; keypoints_px (21, 2); visible (21,); mask (H, W) bool."""

    side: str
    keypoints_m: np.ndarray
    keypoints_px: np.ndarray
    visible: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Scene:
    """image (H, W, 3) uint8 BGR; intrinsics (3, 3); hands in it; depth (H, W) metres, 0 where there is no hand."""

    image: np.ndarray
    intrinsics: np.ndarray
    hands: tuple[TrueHand, ...]
    depth: np.ndarray


@lru_cache(maxsize=1)
def _studio() -> Studio:
    return Studio()


def render_scene(
    seed: int,
    intrinsics: np.ndarray,
    size: tuple[int, int],
    sides: tuple[str, ...] = ('right',),
    distance: float = 0.5,
    places: tuple[tuple[float, float], ...] | None = None,
) -> Scene:
    """One picture.

    Args:
        seed: another seed, other hands.
        intrinsics: (3, 3).
        size: (height, width).
        sides: one hand per entry, left to right in the picture.
        distance: of the hands, metres.
        places: (x, y) pixels of the hands' middles; spread over the width when None.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    image = made_up_background(rng, size)
    depth = np.zeros(size, np.float32)
    hands: list[TrueHand] = []
    for number, side in enumerate(sides):
        place = places[number] if places else (width * (2 * number + 1) / (2 * len(sides)), height / 2)
        hand, image, near = _draw(rng, image, intrinsics, side, distance, place)
        depth = np.where(near > 0, near, depth)
        hands = [TrueHand(h.side, h.keypoints_m, h.keypoints_px, h.visible, h.mask & ~hand.mask) for h in hands] + [
            hand
        ]
    return Scene(image, intrinsics, tuple(hands), depth)


def _draw(rng, image, intrinsics, side, distance, place):
    """A left hand is a right one in the mirrored picture of a mirrored camera."""
    studio = _studio()
    height, width = image.shape[:2]
    camera, place = intrinsics.copy(), np.array(place, float)
    if side == 'left':
        image = np.ascontiguousarray(image[:, ::-1])
        camera[0, 2], place[0] = width - 1 - camera[0, 2], width - 1 - place[0]
    pose = sample_pose(rng, studio.axes, 'open')
    rotations = pose.rotations.copy()
    rotations[0] = sample_view(rng)
    vertices, keypoints = studio.mesh(rotations, rng.normal(0, 0.7, 10))
    move = distance * np.linalg.inv(camera) @ (place[0], place[1], 1.0) - keypoints.mean(axis=0)
    vertices, keypoints = vertices + move, keypoints + move
    picture = studio.renderer.render(vertices, camera, (height, width), image, keypoints=keypoints)
    projected = keypoints @ camera.T
    points = projected[:, :2] / projected[:, 2:]
    visible = joint_visibility(picture, keypoints, points) > BEHIND_HAND
    image, mask, depth = picture.image, picture.mask, picture.depth
    if side == 'left':
        image, mask, depth = (np.ascontiguousarray(part[:, ::-1]) for part in (image, mask, depth))
        keypoints = keypoints * (-1.0, 1.0, 1.0)
        points = np.column_stack([width - 1 - points[:, 0], points[:, 1]])
    return TrueHand(side, keypoints, points, visible, mask), image, depth


def rows_named(names: list[str] | tuple[str, ...], values: np.ndarray) -> np.ndarray:
    """The canonical rows of `values` (21, …) in the order of these keypoint names."""
    return values[[KEYPOINT_NAMES.index(name) for name in names]]


def fingers_stored(fingers: tuple[str, ...], inwards: bool) -> list[str]:
    """Keypoint names of these fingers, one finger after the other; inwards: tip → base."""
    names = []
    for finger in fingers:
        chain = [name for name in KEYPOINT_NAMES if name.startswith(finger)]
        names += chain[::-1] if inwards else chain
    return names


def save(path: Path, image: np.ndarray) -> None:
    """Write a picture, and its folders; JPEG at a quality that keeps colours recognisable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 97] if path.suffix == '.jpg' else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    assert cv2.imwrite(str(path), image, quality)
