"""CMU hand_labels: photos labelled by people, 2D only (fact sheet 7.2, 1.2, 1.3).

Source: Simon, Joo, Matthews, Sheikh, *Hand Keypoint Detection in Single Images using Multiview Bootstrapping*, CVPR
2017 (pictures from MPII Human Pose and New Zealand Sign Language). Licence: non-commercial research, see
domedb.perception.cs.cmu.edu/handdb.html.

Splits `train` (manual_train, 1,912) and `test` (manual_test, 846); `all` is both. Canonical joint order, left and right
hands by `is_left`, no 3D, no intrinsics. The fact sheet leaves open what the third number of a joint means; a keypoint
is taken as `visible` where it is 1, and as not labelled where it is not and the position is 0, 0.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.data.datasets.cmu_panoptic import flagged
from minimal_hand_core.data.datasets.index import Index, as_bytes, side_codes
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.progress import progress
from minimal_hand_core.data.datasets.tree import DatasetError, Tree, numbers, unlabelled

TREE = Tree(
    'CMU hand_labels',
    """
hand_labels/                   <- root
    manual_train/NAME.json, NAME.jpg … (1,912 pairs)
    manual_test/NAME.json, NAME.jpg … (846 pairs)
""",
)
_ONE_HAND = re.compile(r'(\.flv_\d+)?(_\d{1,2})?_[lr]$')
"""End of a name: which picture of a video (`ex1_3.flv_000006_r`), which person of the photo, and which hand; all
pictures of a video and both hands of a photo belong together."""
FOLDERS = {'train': ('manual_train',), 'test': ('manual_test',), 'all': ('manual_train', 'manual_test')}


def _scan(request: Request) -> Index:
    paths = _labels(request)
    report = []
    for folder in FOLDERS[request.split]:
        pictures = {path.stem for path in (request.root / folder).glob('*.jpg')}
        labels = {path.stem for path in paths}
        report += unlabelled(pictures, labels, request.root / folder, request.partial)
    with ThreadPoolExecutor(8) as pool:
        records = list(progress(pool.map(_read, paths), 'hand_labels', len(paths)))
    files = [str(path.with_suffix('.jpg').relative_to(request.root).as_posix()) for path in paths]
    points, visible = flagged(np.stack([points for points, _ in records]))
    sides = side_codes('left' if left else 'right' for _, left in records)
    photos = as_bytes(_ONE_HAND.sub('', path.stem) for path in paths)
    return Index(files=as_bytes(files), keypoints_px=points, visible=visible, sides=sides, report=report, groups=photos)


def _read(path: Path) -> tuple[np.ndarray, bool]:
    """(21, 3) x, y, flag, and whether it is a left hand."""
    record: Any = TREE.read_json(path)
    if not isinstance(record, dict) or not {'hand_pts', 'is_left'} <= record.keys():
        raise DatasetError(f'{path}: expected an object with hand_pts and is_left')
    if record['is_left'] not in (0, 1):
        raise DatasetError(f'{path}: is_left is {record["is_left"]!r}; expected 0 or 1')
    return numbers(record['hand_pts'], (21, 3), f'{path}, hand_pts'), bool(record['is_left'])


def _labels(request: Request) -> list[Path]:
    paths = []
    for name in FOLDERS[request.split]:
        found = sorted(TREE.folder(request.root / name).glob('*.json'))
        if not found:
            raise TREE.missing(request.root / name / '*.json')
        paths += found
    return paths


LAYOUT = Layout(
    name='cmu_hand_labels',
    version=3,
    splits={'train': 1_912, 'test': 846, 'all': 2_758},
    tree=TREE,
    scan=_scan,
    stamps=_labels,
    markers=('manual_train', 'manual_test'),
    places=('hand_labels', 'CMU/hand_labels'),
)
