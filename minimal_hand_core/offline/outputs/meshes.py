"""The skin of the tracked hands as OBJ or GLB files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minimal_hand_core.offline.outputs.columns import state_of
from minimal_hand_core.offline.outputs.files import to_disk
from minimal_hand_core.offline.outputs.output import Output
from minimal_hand_core.offline.outputs.table import load_part
from minimal_hand_core.offline.tracking import OfflineTracker, TrackedFrame
from minimal_hand_core.robots.hand_pieces import Mesh
from minimal_hand_core.robots.mesh_files import write_seen_mesh

FOLDER = 'meshes'
_OURS = re.compile(r'(right|left)_\d{8,}\.(obj|glb)')


def remove_meshes(folder: Path) -> None:
    """Remove what MeshOutput writes, and the folder, if there is nothing else in it."""
    for path in _ours(folder):
        path.unlink()
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def _ours(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _OURS.fullmatch(path.name))


class MeshOutput(Output):
    """meshes/right_00000123.obj and so on: metres, the camera's frame; of a hand without intrinsics, its wrist's place.

    OBJ files keep the camera's axes, as everything else does; GLB files are turned upright, as their format wants it.

    Args:
        tracker: knows the meshes.
        form: 'obj' or 'glb'.
        best: one of each hand, where its score is highest, instead of all.
        folder: of the results.
    """

    def __init__(self, tracker: OfflineTracker, form: str, best: bool, folder: Path) -> None:
        self._tracker, self._form, self._best = tracker, form, best
        self._folder = folder / FOLDER
        self._written: list[Path] = []
        self._faces = {side: tracker.faces(side).astype(np.int64) for side in tracker.solvers}

    def begin(self, part: Path) -> None:
        """As Output says."""
        self._written.clear()

    def add(self, tracked: TrackedFrame) -> None:
        """As Output says."""
        for side, hand in tracked.hands.items():
            if hand.state is not None and not self._best:
                self._write(side, tracked.frame.number, self._tracker.mesh(hand.state))

    def end(self) -> None:
        """As Output says."""
        for path in self._written:
            to_disk(path)
        self._written.clear()

    def join(self, parts: Sequence[Path], folder: Path) -> list[Path]:
        """As Output says."""
        if self._best:
            for side in self._tracker.solvers:
                self._write_best(side, parts)
            self.end()
        return _ours(self._folder)

    def _write_best(self, side: str, parts: Sequence[Path]) -> None:
        best, highest = None, -1.0
        for part in parts:
            columns = load_part(part)
            scores = np.where(columns['valid'] & (columns['side'] == side), columns['score'], -1)
            if len(scores) and scores.max() > highest:
                row = int(scores.argmax())
                highest, best = float(scores[row]), {name: values[row] for name, values in columns.items()}
        if best is None:
            return
        self._write(side, int(best['picture']), self._tracker.mesh(state_of(best)))

    def _write(self, side: str, number: int, vertices: np.ndarray) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f'{side}_{number:08d}.{self._form}'
        write_seen_mesh(path, Mesh(vertices, self._faces[side]))
        self._written.append(path)
