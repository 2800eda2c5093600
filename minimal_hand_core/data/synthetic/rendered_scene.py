"""A camera in front of a moving hand: pictures of any time, with the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from minimal_hand_core.data.synthetic.appearance import Appearance
from minimal_hand_core.data.synthetic.backgrounds import room
from minimal_hand_core.data.synthetic.forearm import ArmPose
from minimal_hand_core.data.synthetic.motion import HandMotion
from minimal_hand_core.data.synthetic.renderer import HandRenderer, RenderedHand
from minimal_hand_core.data.synthetic.skin import sample_cloth, sample_skin
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minimal_hand_core.hand import HandModel

_GRAIN_SHIFTS = 64
FOCAL = 600.0
"""Focal length for a picture 640 pixels wide, pixels; 56° of view."""


@dataclass(frozen=True)
class HandTruth:
    """What is known of the hand in one picture; float64, camera frame x right, y down, z forward.

    Attributes:
        keypoints_px: (21, 2) pixels of the picture, pixel centres at integers.
        keypoints_m: (21, 3) metres.
        rotations: (16, 3, 3) local; [0] is the wrist's in the camera frame.
        betas: (10,).
        wrist: (3,) metres, position of the wrist joint.
        hand_length: |wrist − middle MCP|, metres.
        intrinsics: (3, 3) camera matrix.
        angles: (20,) radians, order of ANGLE_NAMES.
        side: 'right' or 'left'.
        vertices: (V, 3) metres, the mesh.
    """

    keypoints_px: np.ndarray
    keypoints_m: np.ndarray
    rotations: np.ndarray
    betas: np.ndarray
    wrist: np.ndarray
    hand_length: float
    intrinsics: np.ndarray
    angles: np.ndarray
    side: str
    vertices: np.ndarray


class RenderedScene:
    """Pictures of a moving hand in front of a still background; frame(t) depends on the seed and t alone.

    Args:
        seed: another seed, another person, room and motion.
        size: (height, width) of the picture.
        motion: what the hand does; `HandMotion(seed)` when None. Give it the same model.
        model: a **right** hand; the open hand when None.
        side: 'left' shows the mirrored scene.
        absent: (start, end) spans in seconds in which no hand is in the picture.
        background: (height, width, 3) uint8 BGR; made up when None.
        noise: standard deviation of sensor noise, grey levels.
        focal: focal length, pixels; FOCAL in proportion to the width when None.

    Raises:
        ValueError: a size below 32 pixels, an unknown side, a focal length that is not positive, a background or a span
            that does not fit.
    """

    def __init__(
        self,
        seed: int = 0,
        size: tuple[int, int] = (480, 640),
        motion: HandMotion | None = None,
        model: HandModel | None = None,
        side: str = 'right',
        absent: Sequence[tuple[float, float]] = (),
        background: np.ndarray | None = None,
        noise: float = 1.5,
        focal: float | None = None,
    ) -> None:
        if min(size) < 32:
            raise ValueError(f'size: expected 32 pixels or more each way, found {size}')
        if side not in ('right', 'left'):
            raise ValueError(f"side: expected 'right' or 'left', found {side!r}")
        if not all(start <= end for start, end in absent):
            raise ValueError(f'absent: expected (start, end) with start ≤ end, found {list(absent)}')
        self.seed, self.size, self.side = seed, (int(size[0]), int(size[1])), side
        self.absent = tuple((float(start), float(end)) for start, end in absent)
        self.model = model if model is not None else load_hand_model('open', 'right')
        self.motion = motion if motion is not None else HandMotion(seed, self.model)
        height, width = self.size
        if focal is None:
            focal = FOCAL * width / 640
        if not 0 < focal < np.inf:
            raise ValueError(f'focal: expected pixels above 0, found {focal}')
        self.intrinsics = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
        rng = np.random.default_rng((seed, 0x5CE2E))
        self._appearance = Appearance(
            skin=replace(sample_skin(rng), gloss=0.06),
            arm=ArmPose(deviation=0.1, sleeve=0.07, sleeve_gap=1.25),
            cloth=sample_cloth(rng),
            cloth_pattern=int(rng.integers(0, 4)),
            noise=float(rng.uniform(0, 32)),
        )
        if background is None:
            background = room(rng, self.size)
        if background.shape != (*self.size, 3) or background.dtype != np.uint8:
            raise ValueError(
                f'background: expected ({height}, {width}, 3) uint8, found {background.shape} {background.dtype}'
            )
        self._background = background
        # Grain for any picture: a window of this field that starts somewhere else each time.
        self._grain = np.round(rng.normal(0, noise, (height + _GRAIN_SHIFTS, width + _GRAIN_SHIFTS, 3))).astype(
            np.int16
        )
        self._renderer = HandRenderer(self.model)
        with torch.no_grad():
            self._root = self.model.rest_joints(torch.tensor(self.motion.betas, dtype=torch.float32)[None])[
                0, 0
            ].numpy()

    def frame(self, t: float) -> tuple[np.ndarray, HandTruth | None]:
        """The picture at t seconds, (height, width, 3) uint8 BGR, and the truth, None while no hand is there."""
        truth = self.truth(t)
        image = self._background if truth is None else self._draw(truth).image
        if self.side == 'left':
            image = image[:, ::-1]
        top, left = np.random.default_rng(round(abs(t) * 1e6)).integers(_GRAIN_SHIFTS, size=2)
        grain = self._grain[top : top + self.size[0], left : left + self.size[1]]
        return cv2.add(image, grain, dtype=cv2.CV_8U), truth

    def depth(self, t: float) -> np.ndarray:
        """(height, width) float32: metres along z of hand, arm and sleeve at t seconds, 0 where there is neither."""
        truth = self.truth(t)
        if truth is None:
            return np.zeros(self.size, np.float32)
        depth = self._draw(truth).depth
        return np.ascontiguousarray(depth[:, ::-1]) if self.side == 'left' else depth

    def truth(self, t: float) -> HandTruth | None:
        """The truth at t seconds without drawing; None while no hand is there."""
        if any(start <= t < end for start, end in self.absent):
            return None
        state = self.motion.at(t)
        with torch.no_grad():
            out = self.model(
                torch.from_numpy(state.rotations.astype(np.float32))[None],
                torch.from_numpy(state.betas.astype(np.float32))[None],
            )
        move = state.wrist - self._root
        keypoints = out.keypoints[0].numpy().astype(np.float64) + move
        vertices = out.vertices[0].numpy().astype(np.float64) + move
        rotations, wrist = state.rotations, state.wrist
        if self.side == 'left':
            mirror = np.array([-1.0, 1.0, 1.0])
            keypoints, vertices, wrist = keypoints * mirror, vertices * mirror, wrist * mirror
            rotations = mirror[:, None] * rotations * mirror
        pixels = keypoints @ self.intrinsics.T
        return HandTruth(
            keypoints_px=pixels[:, :2] / pixels[:, 2:],
            keypoints_m=keypoints,
            rotations=rotations,
            betas=state.betas,
            wrist=wrist,
            hand_length=float(np.linalg.norm(keypoints[MIDDLE_MCP] - keypoints[WRIST])),
            intrinsics=self.intrinsics.copy(),
            angles=state.angles,
            side=self.side,
            vertices=vertices,
        )

    def _draw(self, truth: HandTruth) -> RenderedHand:
        """The right hand's picture; as the principal point is in the middle, a left hand's is its mirror image."""
        mirror = np.array([-1.0 if self.side == 'left' else 1.0, 1, 1])
        return self._renderer.render(
            truth.vertices * mirror,
            self.intrinsics,
            self.size,
            self._background,
            keypoints=truth.keypoints_m * mirror,
            appearance=self._appearance,
        )
