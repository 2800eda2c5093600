"""The pictures with the tracked hands drawn on them, as MP4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from minimal_hand_core.drawing import draw_outline, draw_skeleton, draw_text, fitted
from minimal_hand_core.offline.outputs.files import to_disk
from minimal_hand_core.offline.outputs.mp4 import Mp4Error, join_mp4, read_track
from minimal_hand_core.offline.outputs.output import Output
from minimal_hand_core.offline.tracking import OfflineTracker, TrackedFrame, TrackedHand
from minimal_hand_core.tracking import CameraModel, Keypoints

MP4 = '.mp4'
CODEC = 'mp4v'
"""MPEG-4 part 2, the one encoder that every build of OpenCV has."""
LARGEST_RATE = 240.0
LARGEST_SIDE = 8190
_MESH = (255, 255, 120)


class FilmOutput(Output):
    """hands.mp4: mesh outline, skeleton, side, score and distance on every picture, at a steady rate.

    Args:
        tracker: knows the meshes.
        rate: pictures per second.
        size: (width, height) of the film, which is made smaller where the format has no room for it; pictures of
            another size are fitted into it.
    """

    def __init__(self, tracker: OfflineTracker, rate: float, size: tuple[int, int]) -> None:
        self._tracker = tracker
        smaller = min(1.0, LARGEST_SIDE / max(size))
        self._size = max(round(smaller * size[0]), 2), max(round(smaller * size[1]), 2)
        self._rate = round(min(max(rate, 1.0), LARGEST_RATE), 3)
        self._faces = {side: tracker.faces(side) for side in tracker.solvers}
        self._writer: cv2.VideoWriter | None = None
        self._count = 0

    def begin(self, part: Path) -> None:
        """As Output says."""
        self._path, self._count = part.with_name(part.name + MP4), 0
        self._path.unlink(missing_ok=True)

    def add(self, tracked: TrackedFrame) -> None:
        """As Output says."""
        if self._writer is None:
            # opened with its first picture: a film without any is no file that can be read
            self._writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*CODEC), self._rate, self._size)
            if not self._writer.isOpened():
                self._writer = None
                raise OSError(f'{self._path} cannot be written: no permission, no space, or no MPEG-4 encoder')
        self._writer.write(fitted(self.draw(tracked), self._size))
        self._count += 1

    def end(self) -> None:
        """As Output says."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        # OpenCV does not tell when the disk is full
        to_disk(self._path)
        written = len(read_track(self._path).sizes)
        if written != self._count:
            raise Mp4Error(f'{self._path} holds {written} of {self._count} pictures: no space, or a failing disk')

    def drop(self) -> None:
        """As Output says."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def join(self, parts: Sequence[Path], folder: Path) -> list[Path]:
        """As Output says."""
        films = [film for film in (part.with_name(part.name + MP4) for part in parts) if film.exists()]
        if not films:
            return []
        join_mp4(films, folder / f'hands{MP4}')
        return [folder / f'hands{MP4}']

    def draw(self, tracked: TrackedFrame) -> np.ndarray:
        """The picture with its hands, (H, W, 3) uint8 BGR; the given one is left as it is."""
        assert tracked.frame.image is not None
        picture = tracked.frame.image.copy()
        for line, (side, hand) in enumerate(tracked.hands.items()):
            self._draw_hand(picture, side, hand, tracked.camera)
            draw_text(picture, _caption(side, hand), line)
        return picture

    def _draw_hand(self, picture: np.ndarray, side: str, hand: TrackedHand, camera: CameraModel | None) -> None:
        state, width = hand.state, picture.shape[1]
        if state is not None and state.metric and camera is not None:
            mesh = self._tracker.project(self._tracker.mesh(state), camera, width)
            draw_outline(picture, mesh, self._faces[side], _MESH)
            draw_skeleton(picture, self._tracker.project(state.keypoints_m, camera, width))
        elif isinstance(hand.found, Keypoints):
            draw_skeleton(picture, hand.found.uv)


def _caption(side: str, hand: TrackedHand) -> str:
    if not isinstance(hand.found, Keypoints):
        return f'no {side} hand  {hand.found.score:.2f}'
    far = ''
    if hand.state is not None and hand.state.metric:
        far = f'  {100 * float(hand.state.wrist_position[2]):.0f} cm'
    return f'{side} {hand.found.score:.2f}{far}'
