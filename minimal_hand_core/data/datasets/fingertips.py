"""What Dexter+Object and EgoDexter have in common: five labelled tips per frame, in text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.index import Index, as_bytes, one_side
from minimal_hand_core.data.datasets.layout import Request
from minimal_hand_core.data.datasets.tree import DatasetError, Tree
from minimal_hand_core.data.films import is_picture
from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS, TIP_KEYPOINTS

MINIMUM_TIPS = 2
"""Frames with fewer labelled tips are not scored (fact sheet 6.2)."""
OPTIONS = {'frames': ('scored', 'all'), 'labels': ('original', 'edited'), 'camera': ('color', 'depth')}
"""Options of both readers, see their modules."""


def read_tips(path: Path, tree: Tree) -> np.ndarray:
    """Tip positions as a file has them: one frame per line, five groups `x,y,z` divided by ';'.

    Args:
        path: the file; a ';' at the end of the lines is optional, an empty group or number is NaN.
        tree: of the data set, for errors.

    Returns:
        (frames, 5, 3) float64, thumb … little.

    Raises:
        DatasetError: no such file, or a line that is not five groups of three numbers (the message gives its number).
    """
    lines = tree.read_text(path).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return np.array([_line(line, f'{path}, line {i + 1}') for i, line in enumerate(lines)], np.float64).reshape(
        -1, 5, 3
    )


def _line(line: str, where: str) -> list[list[float]]:
    groups = line.split(';')
    if len(groups) == 6 and not groups[5].strip():
        groups.pop()
    if len(groups) != 5:
        raise DatasetError(f'{where} has {len(groups)} groups; expected five tips divided by ";"')
    return [_group(group, where) for group in groups]


def _group(group: str, where: str) -> list[float]:
    if not group.strip():
        return [np.nan] * 3
    texts = [text.strip() for text in group.split(',')]
    try:
        values = [float(text) if text else np.nan for text in texts]
    except ValueError:
        raise DatasetError(f'{where} has {group.strip()!r}; expected x,y,z') from None
    if len(values) != 3:
        raise DatasetError(f'{where} has {group.strip()!r}; expected x,y,z')
    return values


class Sequences:
    """Collects the frames and labels of a data set, sequence after sequence.

    Attributes:
        files, names: pictures, relative to the root, and what sequence each belongs to.
        tips: per sequence, (frames, 5, 3) as the file has them.
        report: what was left out.
    """

    def __init__(self, request: Request, tree: Tree) -> None:
        self._request, self._tree = request, tree
        self.files: list[str] = []
        self.names: list[str] = []
        self.tips: list[np.ndarray] = []
        self.report: list[str] = []

    def add(self, name: str, labels: Path, folder: Path) -> None:
        """One sequence: the pictures of `folder` in the order of their names, the lines of `labels` beside them.

        Raises:
            DatasetError: there are not as many pictures as lines; as nothing but order pairs them, that is refused
                unless the request is for a partial data set, which gets the first of both.
        """
        files = sorted(path.name for path in self._tree.folder(folder).iterdir() if is_picture(path))
        tips = read_tips(labels, self._tree)
        if len(files) != len(tips):
            unequal = f'{labels} has {len(tips)} lines, {folder} has {len(files)} pictures'
            if not self._request.partial:
                raise DatasetError(
                    f'{unequal}; lines and pictures are paired by order, so unpack the folder again, or give '
                    'partial=True to pair the first of both'
                )
            self.report.append(f'{unequal}; the first {min(len(files), len(tips))} of both are paired')
        count = min(len(files), len(tips))
        self.files += [(folder / file).relative_to(self._request.root).as_posix() for file in files[:count]]
        self.names += [name] * count
        self.tips.append(tips[:count])


def tips_index(
    request: Request,
    sequences: Sequences,
    tips: np.ndarray,
    extrinsics: np.ndarray,
    intrinsics: np.ndarray,
    side: str,
    extents: np.ndarray | None = None,
) -> Index:
    """The index of a tips-only set.

    Args:
        request: its options decide on frames and frame of reference.
        sequences: pictures and what sequence each belongs to.
        tips: (N, 5, 3) metres, depth camera, x right, y down; NaN = not labelled.
        extrinsics: (3, 4) depth → colour, metres.
        intrinsics: (3, 3) of the colour camera.
        side: of all hands.
        extents: (N, n, 2) as `Sample.extent_px`.
    """
    tips = np.where(np.isfinite(tips).all(axis=2, keepdims=True), tips, np.nan)
    color = tips @ extrinsics[:, :3].T + extrinsics[:, 3]
    projected = color @ intrinsics.T
    count = len(tips)
    points = np.full((count, NUM_KEYPOINTS, 2), np.nan)
    points[:, TIP_KEYPOINTS] = projected[..., :2] / projected[..., 2:]
    joints = np.full((count, NUM_KEYPOINTS, 3), np.nan)
    joints[:, TIP_KEYPOINTS] = color if request.options['camera'] == 'color' else tips
    index = Index(
        files=as_bytes(sequences.files),
        groups=as_bytes(sequences.names),
        keypoints_px=points,
        keypoints_m=joints,
        visible=np.isfinite(joints).all(axis=2),
        intrinsics=intrinsics if request.options['camera'] == 'color' else None,
        sides=one_side(side, count),
        extents_px=extents,
        report=list(sequences.report),
    )
    if request.options['frames'] == 'all':
        return index
    enough = index.visible.sum(axis=1) >= MINIMUM_TIPS
    index = index.take(enough)
    left_out = int((~enough).sum())
    if left_out:
        index.report.append(
            f'{left_out} of {count} frames have fewer than {MINIMUM_TIPS} labelled tips and are left out'
        )
    return index
