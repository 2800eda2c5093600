"""CMU hand143_panopticdb: hands cut out of the Panoptic Studio's views, 2D only (fact sheet 7.1, 1.2, 1.3).

Source: Simon, Joo, Matthews, Sheikh, *Hand Keypoint Detection in Single Images using Multiview Bootstrapping*, CVPR
2017, domedb.perception.cs.cmu.edu/handdb.html. Licence: its page allows non-commercial research; ask there for more.

One split, `train`, 14,817 pictures of 1920×1080; no 3D, no intrinsics. Canonical joint order; every labelled hand
counts as a right one. The third number of a joint is a validity flag: where it is not 1, the keypoint is not `visible`
(its position is kept unless it is 0, 0). Pictures are found by `img_paths`, not by counting. Whether the labels count
pixels from 0 or 1 is not documented; they are taken as they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.index import Index, as_bytes, one_side
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.tree import DatasetError, Tree, numbers

TREE = Tree(
    'CMU hand143_panopticdb',
    """
hand143_panopticdb/            <- root
    hands_v143_14817.json
    imgs/00000000.jpg … 00014816.jpg
""",
)
LABELS = 'hands_v143_14817.json'
SIDE = 'right'
VALID = 1
TOGETHER = 100
"""Hands in a row that no split tears apart: views of one instant stand near each other, and nothing says which."""


def _scan(request: Request) -> Index:
    path = request.root / LABELS
    content = TREE.read_json(path)
    records = content.get('root') if isinstance(content, dict) else None
    if not isinstance(records, list) or not records:
        raise DatasetError(f'{path}: expected an object with a list "root" of hands')
    try:
        files = [str(record['img_paths']) for record in records]
        joints = [record['joint_self'] for record in records]
    except (KeyError, TypeError) as error:
        raise DatasetError(f'{path}: every hand needs img_paths and joint_self, missing {error}') from None
    labels = numbers(joints, (-1, 21, 3), f'{path}, joint_self of all hands')
    points, visible = flagged(labels)
    return Index(
        files=as_bytes(files),
        keypoints_px=points,
        visible=visible,
        sides=one_side(SIDE, len(files)),
        groups=as_bytes(f'{row // TOGETHER:04d}' for row in range(len(files))),
    )


def flagged(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 21, 3) x, y, flag → keypoints (N, 21, 2), NaN where there is none, and visible (N, 21)."""
    visible = labels[..., 2] == VALID
    points = labels[..., :2].copy()
    points[~visible & (points == 0).all(axis=2)] = np.nan
    return points, visible


def _stamps(request: Request) -> list[Path]:
    return [TREE.file(request.root / LABELS)]


LAYOUT = Layout(
    name='cmu_panoptic',
    version=2,
    splits={'train': 14_817},
    tree=TREE,
    scan=_scan,
    stamps=_stamps,
    markers=('hands_v143_14817.json',),
    places=('hand143_panopticdb', 'CMU/hand143_panopticdb'),
)
