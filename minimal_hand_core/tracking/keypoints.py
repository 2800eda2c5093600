"""Picture → keypoints of one hand: find it, then follow it, and say so when it is gone.

Searching: windows over the picture (search.py), the best of them looked at once more with a crop round its keypoints.
Following: one crop round the last keypoints, moved on by their velocity; one wider second look before giving up.

Three gates decide whether what the network says is a hand: the score (mean confidence), the shape of the keypoints in
the picture (not shrunk to a dot, not mostly beyond the border), and consistency: the keypoints in the picture and xyz
come from different outputs of the network, and only for a real hand do both show the same hand.

Left hands are mirrored before the network, which knows right hands, and their answer is mirrored back.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST
from minimal_hand_core.inference import Engine, create_engine
from minimal_hand_core.tracking.camera import CameraModel, view_rotation
from minimal_hand_core.tracking.config import DetectorConfig
from minimal_hand_core.tracking.crop import Crop, keypoints_crop
from minimal_hand_core.tracking.picture import as_bgr
from minimal_hand_core.tracking.search import SearchPlan
from minimal_hand_core.tracking.state import Keypoints, NoHand

CANDIDATE_SHARE = 0.4
"""Share of enter_threshold that a search window needs to be looked at once more."""
WIDER = 1.6
"""How much wider than the last crop the second look is."""
MIN_BOX = 0.15
"""Smallest box of the keypoints, in crop sides; below, they are a dot and no hand."""
MIN_INSIDE = 0.6
"""Share of the keypoints that must lie inside the picture."""
MAX_GAP = 1.0
"""Seconds after which a hand is searched, first where it was, rather than followed; also when time runs backwards."""
MAX_PREDICTION = 0.2
"""Seconds that motion is extrapolated at most."""
MAX_SHIFT = 0.5
"""Largest predicted move, in crop sides."""

PALM_RANGE = (0.4, 2.5)
"""|wrist − middle MCP| of xyz, which is 1 by definition."""


class KeypointDetector:
    """Finds and follows one hand, picture after picture.

    Args:
        config: settings.
        engine: runs the network; created from the settings when None.
    """

    def __init__(self, config: DetectorConfig | None = None, engine: Engine | None = None) -> None:
        self.config = config or DetectorConfig()
        self._engine = engine or create_engine(self.config.backend, self.config.weights, self.config.threads)
        self.timings: dict[str, float] = {}
        self.network_runs = 0
        self.reset()

    def reset(self) -> None:
        """Forget the hand; the next picture is searched from the beginning."""
        self._last: Keypoints | None = None
        self._velocity = np.zeros(2)
        self._suggestion: Crop | None = None
        self._plan: SearchPlan | None = None

    @property
    def following(self) -> bool:
        """Whether the last picture had a hand."""
        return self._last is not None

    def suggest(self, crop: Crop) -> None:
        """Look here first in the next search, for example because another detector saw a hand here."""
        self._suggestion = crop

    def detect(self, image: np.ndarray, stamp: float, camera: CameraModel | None = None) -> Keypoints | NoHand:
        """The hand in the next picture.

        Args:
            image: (H, W, 3) BGR or (H, W) grey, uint8.
            stamp: seconds.
            camera: intrinsics, to turn xyz into the camera's axes; None leaves it in the axes of the crop's view.

        Returns:
            Keypoints, or NoHand with the best score seen. `timings` holds the seconds spent on 'crop', 'network' and
            'decode', `network_runs` the number of crops the network looked at.

        Raises:
            PictureError: not a picture.
        """
        picture = as_bgr(image)
        self.timings = {'crop': 0.0, 'network': 0.0, 'decode': 0.0}
        self.network_runs = 0
        last = self._last
        if last is not None and not 0 <= stamp - last.stamp <= MAX_GAP:
            self._give_up(picture, last)
            last = None
        found = self._search(picture, stamp) if last is None else self._follow(picture, stamp, last)
        if isinstance(found, NoHand):
            if last is not None:
                self._give_up(picture, last)
            return found
        self._learn_velocity(found, last)
        self._last = found
        return _in_camera_axes(found, camera)

    def _search(self, picture: np.ndarray, stamp: float) -> Keypoints | NoHand:
        height, width = picture.shape[:2]
        if self._plan is None or self._plan.size != (width, height):
            self._plan = SearchPlan(width, height, self.config.min_crop_side)
        budget = self.config.search_windows
        windows = []
        if self._suggestion is not None:
            windows, self._suggestion = [self._suggestion], None
        if len(windows) < budget:
            windows += self._plan.take(budget - len(windows))
        candidates = self._look(picture, stamp, windows)
        best = max(candidates, key=lambda found: np.nan_to_num(found.score))
        score = float(np.nan_to_num(best.score))
        if score < CANDIDATE_SHARE * self.config.enter_threshold or not self._has_extent(best):
            return NoHand(stamp, score)
        crop = self._bounded(picture, keypoints_crop(best.uv))
        refined = self._look(picture, stamp, [crop])[0]
        if not self._is_hand(picture, refined, self.config.enter_threshold):
            return NoHand(stamp, min(score, float(np.nan_to_num(refined.score))))
        # Two looks at a real hand agree; two looks at a thing that is none rarely do.
        if np.median(np.linalg.norm(refined.uv - best.uv, axis=1)) > 0.25 * crop.side:
            return NoHand(stamp, min(score, refined.score))
        self._plan.restart()
        return refined

    def _follow(self, picture: np.ndarray, stamp: float, last: Keypoints) -> Keypoints | NoHand:
        crop = self._bounded(picture, keypoints_crop(last.uv))
        move = self._velocity * min(stamp - last.stamp, MAX_PREDICTION)
        move *= min(1.0, MAX_SHIFT * crop.side / max(float(np.linalg.norm(move)), 1e-9))
        center = (crop.center[0] + move[0], crop.center[1] + move[1])
        best = 0.0
        for look in (Crop(center, crop.side), _scaled(crop, WIDER)):
            found = self._look(picture, stamp, [look])[0]
            if self._is_hand(picture, found, self.config.keep_threshold):
                return found
            best = max(best, float(np.nan_to_num(found.score)))
        return NoHand(stamp, best)

    def _give_up(self, picture: np.ndarray, last: Keypoints) -> None:
        """Follow no longer; the search begins round the place where the hand was."""
        self._suggestion = self._bounded(picture, _scaled(keypoints_crop(last.uv), WIDER))
        self._last = None
        self._velocity = np.zeros(2)

    def _look(self, picture: np.ndarray, stamp: float, crops: list[Crop]) -> list[Keypoints]:
        """What the network says of each crop, in picture pixels and the axes of the crop's view, gates not applied."""
        start = time.perf_counter()
        mirror = self.config.side == 'left'
        batch = np.stack([crop.extract(picture, mirror=mirror) for crop in crops])
        self.timings['crop'] += time.perf_counter() - start
        output = self._engine.run(batch)
        self.timings['network'] += output.network_seconds
        self.timings['decode'] += output.decode_seconds
        self.network_runs += len(crops)
        looks = []
        for crop, uv, xyz, confidence in zip(crops, output.uv, output.xyz, output.confidence):
            sign = (-1.0, 1.0, 1.0) if mirror else (1.0, 1.0, 1.0)
            looks.append(
                Keypoints(
                    side=self.config.side,
                    stamp=stamp,
                    score=float(confidence.mean()),
                    uv=crop.to_image(uv, mirror=mirror),
                    xyz=_turn_in_plane(xyz.astype(np.float64) * sign, crop.angle),
                    confidence=confidence.astype(np.float64),
                    crop=crop,
                )
            )
        return looks

    def _is_hand(self, picture: np.ndarray, found: Keypoints, threshold: float) -> bool:
        if not found.score >= threshold or not self._has_extent(found):  # NaN is no hand
            return False
        height, width = picture.shape[:2]
        inside = ((found.uv >= -0.5) & (found.uv < (width - 0.5, height - 0.5))).all(axis=1)
        if inside.mean() < MIN_INSIDE:
            return False
        palm = float(np.linalg.norm(found.xyz[MIDDLE_MCP] - found.xyz[WRIST]))
        if not PALM_RANGE[0] <= palm <= PALM_RANGE[1]:
            return False
        return inconsistency(found.uv, found.xyz, found.confidence) <= self.config.max_inconsistency

    @staticmethod
    def _has_extent(found: Keypoints) -> bool:
        if found.crop is None or not (np.isfinite(found.uv).all() and np.isfinite(found.xyz).all()):
            return False
        return float(np.ptp(found.uv, axis=0).max()) >= MIN_BOX * found.crop.side

    def _bounded(self, picture: np.ndarray, crop: Crop) -> Crop:
        """The crop with its side within the configured bounds."""
        largest = max(self.config.max_crop_ratio * max(picture.shape[:2]), self.config.min_crop_side)
        return Crop(crop.center, min(max(crop.side, self.config.min_crop_side), largest), crop.angle)

    def _learn_velocity(self, found: Keypoints, last: Keypoints | None) -> None:
        """Velocity of the box's centre, pixels per second, half old and half new."""
        if last is None or found.stamp == last.stamp:
            return
        moved = np.subtract(keypoints_crop(found.uv).center, keypoints_crop(last.uv).center)
        self._velocity = 0.5 * self._velocity + 0.5 * moved / (found.stamp - last.stamp)


def inconsistency(uv: np.ndarray, xyz: np.ndarray, confidence: np.ndarray) -> float:
    """How little the picture keypoints look like xyz seen from far away, RMS over the longer side of their box.

    The best scale s > 0 and shift t of uv ≈ s · (x, y) + t, weighted by confidence. Perspective makes a few hundredths
    of a hand at arm's length, a mirrored or made-up hand several tenths; infinite when no positive scale fits.

    Args:
        uv: (21, 2) pixels.
        xyz: (21, 3) network units, axes of the view.
        confidence: (21,) weights ≥ 0.
    """
    weights = np.maximum(confidence, 1e-6)[:, None]
    weights = weights / weights.sum()
    seen = uv - (weights * uv).sum(axis=0)
    meant = xyz[:, :2] - (weights * xyz[:, :2]).sum(axis=0)
    spread = float((weights * meant**2).sum())
    scale = float((weights * seen * meant).sum()) / max(spread, 1e-12)
    if scale <= 0:
        return float('inf')
    rms = float(np.sqrt((weights * (seen - scale * meant) ** 2).sum()))
    return rms / max(float(np.ptp(uv, axis=0).max()), 1e-9)


def _scaled(crop: Crop, factor: float) -> Crop:
    return Crop(crop.center, crop.side * factor, crop.angle)


def _turn_in_plane(xyz: np.ndarray, angle: float) -> np.ndarray:
    """Axes of a turned crop → axes of the picture."""
    if angle == 0:
        return xyz
    cos, sin = np.cos(angle), np.sin(angle)
    return xyz @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])


def _in_camera_axes(found: Keypoints, camera: CameraModel | None) -> Keypoints:
    """The same keypoints with xyz turned from the view along the crop's centre into the camera's axes."""
    if camera is None or found.crop is None:
        return found
    ray = camera.normalize(np.array([found.crop.center]))[0]
    if not np.isfinite(ray).all():
        return found
    return replace(found, xyz=found.xyz @ view_rotation(ray).T)
