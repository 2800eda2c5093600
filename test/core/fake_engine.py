"""A hand of three coloured dots, and an engine that sees it: stands in for pictures of hands and for the network."""

from __future__ import annotations

import cv2
import numpy as np

from minimal_hand_core.detnet.axes import VIEW
from minimal_hand_core.inference import EngineOutput
from minimal_hand_core.tracking.camera import CameraModel, view_rotation

# A flat right hand, palm towards the camera, fingers up; camera axes (x right, y down), |middle MCP − wrist| = 1. With
# the palm towards the camera and fingers up, a right hand's thumb points to the right of the picture.
_FINGERS = {
    1: ((0.35, -0.2), (0.65, -0.45), (0.85, -0.75), (1.0, -1.0)),
    5: ((0.3, -1.0), (0.35, -1.45), (0.37, -1.7), (0.4, -1.95)),
    9: ((0.0, -1.0), (0.0, -1.5), (0.0, -1.8), (0.0, -2.1)),
    13: ((-0.25, -0.93), (-0.3, -1.4), (-0.32, -1.65), (-0.35, -1.9)),
    17: ((-0.45, -0.8), (-0.6, -1.15), (-0.65, -1.35), (-0.7, -1.55)),
}
HAND = np.zeros((21, 3))
for _base, _points in _FINGERS.items():
    HAND[_base : _base + 4, :2] = _points
HAND -= HAND[9]

DOTS = {0: (0, 0, 255), 4: (0, 255, 0), 20: (255, 0, 0)}
"""Keypoint → BGR colour."""


def placed(center: tuple[float, float], size: float, angle: float = 0.0, side: str = 'right') -> np.ndarray:
    """(21, 2) picture keypoints of the hand: its box's centre (before the turn), pixels per unit, turn in radians."""
    flat = HAND[:, :2] * (1 if side == 'right' else -1, 1)
    flat = flat - (flat.min(axis=0) + flat.max(axis=0)) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    return flat * size @ np.array([[cos, sin], [-sin, cos]]) + center


def paint(uv: np.ndarray | None, size: tuple[int, int] = (480, 640)) -> np.ndarray:
    """Picture (H, W, 3) BGR with the dots of a hand, or of none."""
    picture = np.full((*size, 3), 90, np.uint8)
    if uv is not None:
        radius = float(np.linalg.norm(uv[9] - uv[0])) * 0.18
        for keypoint, color in DOTS.items():
            x, y = np.round(uv[keypoint] * 16).astype(int)
            cv2.circle(picture, (int(x), int(y)), int(radius * 16), color, -1, cv2.LINE_AA, 4)
    return picture


class DotEngine:
    """Sees the dots, knows right hands only, and recognises a hand that fills 0.3…0.95 of the crop."""

    def __init__(self, score: float = 0.9) -> None:
        self.score = score
        self.batches: list[int] = []

    def run(self, crops: np.ndarray) -> EngineOutput:
        assert crops.dtype == np.uint8 and crops.shape[1:] == (128, 128, 3)
        self.batches.append(len(crops))
        return EngineOutput(*(np.stack(part).astype(np.float32) for part in zip(*map(self._see, crops))), 0.003, 0.001)

    def _see(self, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nothing = np.random.default_rng(0).uniform(20, 100, (21, 2)), np.zeros((21, 3)), np.full(21, 0.05)
        places = []
        for color in DOTS.values():
            weight = np.clip((crop[..., ::-1].astype(float) @ (np.array(color) / 255 * 1.5 - 0.5)) - 80, 0, None)
            if (weight > 0).sum() < 4:
                return nothing
            y, x = np.mgrid[:128, :128]
            places.append([(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()])
        # Similarity HAND (x, y) → crop pixels, as complex numbers: pixel = a · hand + b.
        hand = HAND[list(DOTS), :2] @ (1, 1j)
        seen = np.array(places) @ (1, 1j)
        a, b = np.linalg.lstsq(np.column_stack([hand, np.ones(3)]), seen, rcond=None)[0]
        misfit = np.abs(a * hand + b - seen).max() / abs(a)
        uv = a * (HAND[:, :2] @ (1, 1j)) + b
        uv = np.column_stack([uv.real, uv.imag])
        fill = np.ptp(uv, axis=0).max() / 128
        if misfit > 0.2 or not 0.3 < fill < 0.95:
            return nothing
        turned = HAND[:, :2] @ (1, 1j) * a / abs(a)
        xyz = np.column_stack([turned.real, turned.imag, HAND[:, 2]])
        return uv, xyz, np.full(21, self.score)


def coordinates_picture(size: tuple[int, int] = (480, 640)) -> np.ndarray:
    """Picture (H, W, 3) BGR whose blue and green say where a pixel lies, and whose red says that it is one."""
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    return np.stack([x / size[1] * 255, y / size[0] * 255, np.full(size, 255.0)], axis=-1).round().astype(np.uint8)


class OracleEngine:
    """A perfect network for `coordinates_picture`: it reads off where the crop lies and answers from the truth.

    Set `uv` (21, 2) picture pixels and `points` (21, 3) metres in the camera frame before each picture, or None for no
    hand. xyz is what the network is trained to say: in the axes of the view along the crop's centre, or where `axes`
    says so in the camera's, mirrored with it.
    """

    axes = VIEW

    def __init__(self, camera: CameraModel, side: str = 'right', size: tuple[int, int] = (480, 640)) -> None:
        self.camera, self.side, self.size = camera, side, size
        self.uv: np.ndarray | None = None
        self.points: np.ndarray | None = None

    def run(self, crops: np.ndarray) -> EngineOutput:
        return EngineOutput(*(np.stack(part).astype(np.float32) for part in zip(*map(self._see, crops), strict=True)))

    def _see(self, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nothing = np.zeros((21, 2)), np.zeros((21, 3)), np.zeros(21)
        y, x = np.nonzero(crop[::3, ::3, 0] == 255)
        y, x = 3 * y, 3 * x
        if self.uv is None or self.points is None or len(x) < 100:
            return nothing
        places = crop[y, x][:, [2, 1]] / 255 * (self.size[1], self.size[0])
        affine = np.linalg.lstsq(np.column_stack([x, y, np.ones(len(x))]), places, rcond=None)[0]
        uv = (self.uv - affine[2]) @ np.linalg.inv(affine[:2])
        mirrored = np.linalg.det(affine[:2]) < 0
        if mirrored != (self.side == 'left') or not 0.3 < np.ptp(uv, axis=0).max() / 128 < 0.95:
            return nothing
        ray = self.camera.normalize(np.array([63.5, 63.5, 1])[None] @ affine)[0]
        xyz = (self.points - self.points[9]) / np.linalg.norm(self.points[9] - self.points[0])
        if self.axes == VIEW:
            xyz = xyz @ view_rotation(ray)
        inside = ((uv > -0.5) & (uv < 127.5)).all(axis=1)
        return uv, xyz * ((-1, 1, 1) if mirrored else (1, 1, 1)), np.where(inside, 0.95, 0.0)
