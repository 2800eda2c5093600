"""EgoDexter: a hand with objects, seen from the head, five tips labelled (fact sheet 7.7, 1.2, 1.3, 6.2, 6.3).

Source: Mueller, Mehta, Sotnychenko, Sridhar, Casas, Theobalt, *Real-time Hand Tracking under Occlusion from an
Egocentric RGB-D Sensor*, ICCV 2017, handtracker.mpi-inf.mpg.de/projects/OccludedHands. Licence: scientific research
only, see the notice in the download.

One split, `test`: the frames of four sequences (640×480) with at least two labelled tips; `frames='all'` gives all
3,190, of which 1,485 are labelled (common knowledge, not the peers'). All hands are left ones. Only keypoints 4, 8, 12,
16, 20 are labelled; the others are NaN and not `visible`, and so is a tip with a coordinate of 0.

The file has millimetres of the depth camera, x right, y down. With the depth → colour extrinsics they are brought into
the frame of the colour camera, whose picture is `image`, so `keypoints_px` = projection by `intrinsics`. The peers
score without that step: `camera='depth'` gives their frame, without `intrinsics`. `labels='edited'` reads
`my_annotation…` of Minimal-Hand-pytorch's private supplement, with labels removed by hand, on which its published
figures rest. The 2D labels belong to the depth picture and are not needed. Lines and pictures are paired by order; the
numbers must agree.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.fingertips import OPTIONS, Sequences, tips_index
from minimal_hand_core.data.datasets.index import Index
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.tree import Tree

TREE = Tree(
    'EgoDexter',
    """
EgoDexter/
    data/                      <- root
        Desk/                  (and Fruits, Kitchen, Rotunda)
            color/             (640×480 pictures, one per line of the labels)
            annotation.txt_3D.txt
            my_annotation.txt_3D.txt   (only with labels='edited')
""",
)
SEQUENCES = ('Desk', 'Fruits', 'Kitchen', 'Rotunda')
SIDE = 'left'
METRES = 1e-3
NOTHING = 1e-6
"""A coordinate (millimetres) below this marks a tip that is not labelled."""
INTRINSICS = ((617.173, 0.0, 315.453), (0.0, 617.173, 242.259), (0.0, 0.0, 1.0))
EXTRINSICS = (
    (1.0000, 0.00090442, -0.0074, 20.2365e-3),
    (-0.00071933, 0.9997, 0.0248, 1.2846e-3),
    (0.0075, -0.0248, 0.9997, 5.7360e-3),
)
"""Depth → colour, metres."""


def _scan(request: Request) -> Index:
    sequences = Sequences(request, TREE)
    for name in SEQUENCES:
        sequences.add(name, _labels(request, name), request.root / name / 'color')
    stored = np.concatenate(sequences.tips)
    stored[(np.abs(stored) < NOTHING).any(axis=2)] = np.nan
    return tips_index(request, sequences, stored * METRES, np.array(EXTRINSICS), np.array(INTRINSICS), SIDE)


def _labels(request: Request, name: str) -> Path:
    prefix = 'my_' if request.options['labels'] == 'edited' else ''
    return TREE.file(request.root / name / f'{prefix}annotation.txt_3D.txt')


def _stamps(request: Request) -> list[Path]:
    return [path for name in SEQUENCES for path in (_labels(request, name), request.root / name / 'color')]


LAYOUT = Layout(
    name='ego_dexter',
    version=1,
    splits={'test': None},
    tree=TREE,
    scan=_scan,
    stamps=_stamps,
    options=OPTIONS,
    markers=('Desk',),
    places=('data', 'EgoDexter/data'),
)
