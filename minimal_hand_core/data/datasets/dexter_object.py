"""Dexter+Object: a hand with a cuboid, five tips labelled (fact sheet 7.6, 1.2, 1.3, 6.2, 6.3).

Source: Sridhar, Mueller, Zollhöfer, Casas, Oulasvirta, Theobalt, *Real-time Joint Tracking of a Hand Manipulating an
Object from RGB-D Input*, ECCV 2016, handtracker.mpi-inf.mpg.de/projects/RealtimeHO. Licence: scientific research only,
see the notice in the download.

One split, `test`: the frames of six sequences (640×480) with at least two labelled tips; `frames='all'` gives every
frame. All hands are left ones. Only keypoints 4, 8, 12, 16, 20 are labelled; the others are NaN and not `visible`, and
so are tips that the file marks with z = 32001.

The file has millimetres of the depth camera with x and y turned round: (−x, −y, z) is x right, y down. With the depth →
colour extrinsics they are brought into the frame of the colour camera, whose picture is `image`, so `keypoints_px` =
projection by `intrinsics`. The peers score without that last step: `camera='depth'` gives their frame, without
`intrinsics`. Whose labels: `labels='original'`, or 'edited' for `my_*3D.txt` of Minimal-Hand-pytorch's private
supplement, with labels removed by hand, on which its published figures rest. The 2D labels belong to the depth picture
and are not needed. Where the supplement's `DO_pred_2d.npy` is there, `extent_px` has those predicted keypoints, from
which the peers cut their crops.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.fingertips import OPTIONS, Sequences, tips_index
from minimal_hand_core.data.datasets.index import Index
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.tree import DatasetError, Tree

TREE = Tree(
    'Dexter+Object',
    """
dexter+object/                 <- root
    data/Grasp1/               (and Grasp2, Occlusion, Rigid, Pinch, Rotate)
        color/                 (640×480 pictures, one per line of the labels)
        annotations/Grasp13D.txt
        annotations/my_Grasp13D.txt    (only with labels='edited')
    DO_pred_2d.npy             (optional)
""",
)
SEQUENCES = ('Grasp1', 'Grasp2', 'Occlusion', 'Rigid', 'Pinch', 'Rotate')
SIDE = 'left'
SCALE = (-1e-3, -1e-3, 1e-3)
"""File → metres, x right, y down."""
MISSING = 32_001
"""z of a tip that is not labelled."""
INTRINSICS = ((587.45209, 0.0, 325.0), (0.0, 600.67456, 249.0), (0.0, 0.0, 1.0))
EXTRINSICS = (
    (0.9999, 0.0034, 0.0161, 19.0473e-3),
    (-0.0033, 1.0000, -0.0079, -1.8514e-3),
    (-0.0162, 0.0079, 0.9998, -4.7501e-3),
)
"""Depth → colour, metres."""
PREDICTIONS = 'DO_pred_2d.npy'


def _scan(request: Request) -> Index:
    sequences = Sequences(request, TREE)
    for name in SEQUENCES:
        sequences.add(name, _labels(request, name), request.root / 'data' / name / 'color')
    stored = np.concatenate(sequences.tips)
    stored[stored[..., 2] == MISSING] = np.nan
    metres = stored * SCALE
    extents, note = _predictions(request.root / PREDICTIONS, len(sequences.files))
    index = tips_index(request, sequences, metres, np.array(EXTRINSICS), np.array(INTRINSICS), SIDE, extents)
    index.report += note
    return index


def _predictions(path: Path, frames: int) -> tuple[np.ndarray | None, list[str]]:
    """(frames, 21, 2) pixels of the colour picture, or None and, where there is a file, why."""
    if not path.is_file():
        return None, []
    try:
        predictions = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f'{path} cannot be read: {error}; remove it or get it again') from None
    if predictions.shape != (frames, 21, 2):
        return None, [f'{PREDICTIONS} is {predictions.shape}, expected ({frames}, 21, 2) for all frames; not used']
    return predictions.astype(np.float32), []


def _labels(request: Request, name: str) -> Path:
    prefix = 'my_' if request.options['labels'] == 'edited' else ''
    return TREE.file(request.root / 'data' / name / 'annotations' / f'{prefix}{name}3D.txt')


def _stamps(request: Request) -> list[Path]:
    places = [(_labels(request, name), request.root / 'data' / name / 'color') for name in SEQUENCES]
    return [path for pair_of in places for path in pair_of] + [request.root / PREDICTIONS]


LAYOUT = Layout(
    name='dexter_object',
    version=1,
    splits={'test': None},
    tree=TREE,
    scan=_scan,
    stamps=_stamps,
    options=OPTIONS,
    markers=('data/Grasp1',),
    places=('dexter+object',),
)
