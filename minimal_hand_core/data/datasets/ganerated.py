"""GANerated Hands: rendered hands made to look real by a network (fact sheet 7.4, 1.2, 1.3).

Source: Mueller, Bernard, Sotnychenko, Mehta, Sridhar, Casas, Theobalt, *GANerated Hands for Real-Time 3D Hand Tracking
from Monocular RGB*, CVPR 2018, handtracker.mpi-inf.mpg.de/projects/GANeratedHands. Licence: scientific research only,
see the notice in the download.

Split `train`, about 331,000 pictures of 256×256: `no_object` (143,449) and `with_object` (188,050) are its two halves
(the counts are common knowledge, not the peers'). All hands are left ones, in canonical order, all 21 `visible`.
`joint2D` are pixels of the 256 picture; `joint_pos_global` are millimetres in the frame of the original 640×480 camera
(fx = fy = 617.173, cx 315.453, cy 242.259).

The picture is a crop of the original; `crop_params` are taken as the u, v of its upper left corner and a scale, so that
a pixel of the picture is ((u, v) − corner) · scale. Only other public readers say so, hence a check: a sample has
`intrinsics` only where they carry its 3D labels to within 2 pixels (median) of its 2D labels; `report` counts the
others. `group` is the folder of (mostly) 1,024 pictures.

There are four small files per sample; they are read once, folder by folder and in parallel. An index notices files
that come or go, by the time of their folder, but not that one was rewritten in place.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.index import Index, as_bytes, one_side
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.progress import progress
from minimal_hand_core.data.datasets.tree import DatasetError, Tree, unlabelled

TREE = Tree(
    'GANerated Hands',
    """
GANeratedHands_Release/
    data/                      <- root
        noObject/0001 … 0141/
            0001_color_composed.png
            0001_joint2D.txt
            0001_joint_pos_global.txt
            0001_crop_params.txt   (optional)
        withObject/0001 …
""",
)
HALVES = {'no_object': ('noObject',), 'with_object': ('withObject',), 'train': ('noObject', 'withObject')}
SIDE = 'left'
METRES = 1e-3
CAMERA = ((617.173, 0.0, 315.453), (0.0, 617.173, 242.259), (0.0, 0.0, 1.0))
"""Of the original 640×480 pictures."""
TOLERANCE = 2.0
"""Pixels by which the median keypoint may miss when intrinsics are believed."""
PICTURE = '_color_composed.png'
_LONGEST = 1 << 16
_COUNTS = {'_joint2D.txt': 42, '_joint_pos_global.txt': 63, '_crop_params.txt': 3}


def _scan(request: Request) -> Index:
    folders = _folders(request)
    with ThreadPoolExecutor(8) as pool:
        parts = list(progress(pool.map(_read_folder, folders), 'GANerated Hands', len(folders)))
    report = [line for folder in folders for line in _unlabelled(folder, request.partial)]
    stems = [
        f'{folder.relative_to(request.root).as_posix()}/{stem}'
        for folder, (names, _) in zip(folders, parts)
        for stem in names
    ]
    if not stems:
        raise TREE.missing(folders[0] / f'0001{PICTURE}')
    values = np.concatenate([rows for _, rows in parts])
    points = values[:, :42].reshape(-1, 21, 2)
    joints = values[:, 42:105].reshape(-1, 21, 3) * METRES
    intrinsics = crop_intrinsics(values[:, 105:])
    with np.errstate(invalid='ignore', divide='ignore'):
        projected = np.einsum('nij,nkj->nki', intrinsics, joints)
        miss = np.median(np.linalg.norm(projected[..., :2] / projected[..., 2:] - points, axis=2), axis=1)
    intrinsics[~(miss <= TOLERANCE)] = np.nan
    doubtful = int((~(miss <= TOLERANCE)).sum())
    if doubtful:
        report.append(f'{doubtful} of {len(stems)} samples have no crop_params that fit their labels, so no intrinsics')
    return Index(
        files=as_bytes(stem + PICTURE for stem in stems),
        keys=as_bytes(stems),
        groups=as_bytes(stem.rpartition('/')[0] for stem in stems),
        keypoints_px=points,
        keypoints_m=joints,
        visible=np.ones(points.shape[:2], bool),
        intrinsics=intrinsics,
        sides=one_side(SIDE, len(stems)),
        report=report,
    )


def crop_intrinsics(crops: np.ndarray) -> np.ndarray:
    """(N, 3) corner u, v and scale → (N, 3, 3) camera matrices of the 256-pixel pictures; NaN stays NaN."""
    matrices = np.repeat(np.array(CAMERA)[None], len(crops), axis=0)
    matrices[:, :2, 2] -= crops[:, :2]
    matrices[:, :2] *= crops[:, 2, None, None]
    return matrices


def _read_folder(folder: Path) -> tuple[list[str], np.ndarray]:
    """Stems of all samples in one folder and (N, 108) numbers: 2D, 3D, crop (NaN without)."""
    names = set(os.listdir(folder))
    stems = sorted(name[: -len('_joint2D.txt')] for name in names if name.endswith('_joint2D.txt'))
    rows = np.full((len(stems), sum(_COUNTS.values())), np.nan)
    start = 0
    for suffix, count in _COUNTS.items():
        if suffix == '_crop_params.txt' and not any(name.endswith(suffix) for name in names):
            continue
        for row, stem in enumerate(stems):
            if stem + suffix in names:
                rows[row, start : start + count] = _read_numbers(f'{folder}/{stem}{suffix}', count)
            elif suffix != '_crop_params.txt':
                raise TREE.missing(folder / (stem + suffix))
        start += count
    return stems, rows


def _unlabelled(folder: Path, partial: bool) -> list[str]:
    names = os.listdir(folder)
    stems = [{name.removesuffix(end) for name in names if name.endswith(end)} for end in (PICTURE, '_joint2D.txt')]
    return unlabelled(stems[0], stems[1], folder, partial)


def _read_numbers(path: str, count: int) -> list[float]:
    """The comma-separated numbers of one file. There are a million of them: plain system calls, plain Python."""
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            content = os.read(file, _LONGEST)
        finally:
            os.close(file)
        values = [float(text) for text in content.rstrip(b'\r\n, ').split(b',')]
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path} cannot be read as numbers: {error}') from None
    if len(values) != count:
        raise DatasetError(f'{path} has {len(values)} numbers; expected {count}')
    return values


def _folders(request: Request) -> list[Path]:
    folders = []
    for half in HALVES[request.split]:
        found = sorted(path for path in TREE.folder(request.root / half).iterdir() if path.is_dir())
        if not found:
            raise TREE.missing(request.root / half / '0001')
        folders += found
    return folders


LAYOUT = Layout(
    name='ganerated',
    version=1,
    splits={'train': 331_499, 'no_object': 143_449, 'with_object': 188_050},
    tree=TREE,
    scan=_scan,
    stamps=_folders,
    markers=('noObject',),
    places=('data', 'GANeratedHands_Release/data'),
)
