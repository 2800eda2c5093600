"""Pictures of a right and a left hand of known truth before one camera: two rendered scenes laid over each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minimal_hand_core.data.synthetic import HandMotion, HandTruth, MotionState, RenderedScene
from minimal_hand_core.data.synthetic.backgrounds import room

Path = Callable[[float], tuple[float, float, float]]
"""Seconds → place of the wrist, metres, camera frame."""


class PlacedMotion:
    """The gestures of a HandMotion, slowed down or held, with the wrist on a path of our own."""

    def __init__(self, seed: int, path: Path, speed: float = 1.0, start: float = 0.0) -> None:
        self._motion, self._path = HandMotion(seed), path
        self._speed, self._start = speed, start
        self.betas = self._motion.betas

    def at(self, t: float) -> MotionState:
        state = self._motion.at(self._start + self._speed * t)
        return MotionState(state.rotations, state.betas, np.asarray(self._path(t), float), state.angles)


class TwoHands:
    """A right and a left hand before one background; `frame(t)` is the picture and both truths.

    Args:
        paths: side → where its wrist is. A left hand's is that of the picture, not of its mirror image.
        seed: another seed, other people.
        front: the side that is drawn over the other.
        start, speed: of the gestures.
        present: side → whether the hand is there at a time; always, when not given.
    """

    def __init__(
        self,
        paths: dict[str, Path],
        seed: int = 0,
        front: str = 'right',
        start: float = 0.0,
        speed: float = 0.5,
        noise: float = 1.5,
        present: dict[str, Callable[[float], bool]] | None = None,
        size: tuple[int, int] = (480, 640),
    ) -> None:
        self._rng = np.random.default_rng(seed)
        background = room(self._rng, size)
        self._order = ('left', 'right') if front == 'right' else ('right', 'left')
        self._noise, self._present = noise, present or {}
        self._scenes: dict[str, RenderedScene] = {}
        self._empty = {}
        for i, (side, path) in enumerate(paths.items()):
            mirror = -1 if side == 'left' else 1
            motion = PlacedMotion(
                100 * seed + i, lambda t, path=path, mirror=mirror: np.multiply(path(t), (mirror, 1, 1)), speed, start
            )
            behind = background if side == 'right' else np.ascontiguousarray(background[:, ::-1])
            self._scenes[side] = RenderedScene(
                100 * seed + i, size, motion, side=side, absent=[(-2, -1)], background=behind, noise=0.0
            )
            self._empty[side] = self._scenes[side].frame(-1.5)[0]
        self.intrinsics = next(iter(self._scenes.values())).intrinsics

    def frame(self, t: float) -> tuple[np.ndarray, dict[str, HandTruth]]:
        picture, truths = None, {}
        for side in self._order:
            if side not in self._scenes:
                continue
            if picture is None:
                picture = self._empty[side].copy()
            if not self._present.get(side, lambda t: True)(t):
                continue
            drawn, truth = self._scenes[side].frame(t)
            covered = (drawn != self._empty[side]).any(axis=2)
            picture[covered] = drawn[covered]
            truths[side] = truth
        noise = self._rng.normal(0, self._noise, picture.shape)
        return np.clip(picture + noise, 0, 255).round().astype(np.uint8), truths
