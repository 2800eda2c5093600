"""Rendered Handpose Dataset, RHD v2 (fact sheet 7.3, 1.2, 1.3, 6.3).

Source: Zimmermann, Brox, *Learning to Estimate 3D Hand Pose from Single RGB Images*, ICCV 2017,
lmb.informatik.uni-freiburg.de/resources/datasets/RenderedHandposeDataset.en.html. Licence: its page allows research
only; read it before any other use.

Splits `train` (training, 41,258 pictures of 320×320) and `test` (evaluation, 2,728). Every picture shows a person,
mostly with both hands; `hands` says which become samples:

* `hands='main'` (default): one hand per picture, the one with more visible keypoints, the left only if it has strictly
  more. These are the published counts and what the peers score.
* `hands='both'`: every hand with at least one visible keypoint. (The paper behind minimal-hand scored at least 3,602
  hands of the test split; its rule is not known, fact sheet 6.3.)

A keypoint is `visible` where RHD says so; hidden ones keep their exact positions in 2D and 3D, and all 21 count when
RHD is scored. Each finger is stored tip → base; rows 0–20 are the left hand, 21–41 the right. Metres, intrinsics `K`
per picture, used as they are (their principal point 160, 160 suggests that RHD's pixels have their *corners* at
integers; its documentation does not say, so nothing is shifted). `masks=True` reads the hand's pixels (labels 2–17
left, 18–33 right). Depth pictures are not needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.index import Index, as_bytes
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.tree import DatasetError, Tree, numbers
from minimal_hand_core.hand.skeleton import SIDES

TREE = Tree(
    'RHD',
    """
RHD_published_v2/              <- root
    training/                  (41,258 samples)
        anno_training.pickle
        color/00000.png … 41257.png
        mask/00000.png …       (only with masks=True)
    evaluation/                (2,728 samples)
        anno_evaluation.pickle
        color/00000.png … 02727.png
        mask/00000.png …
""",
)
FOLDERS = {'train': 'training', 'test': 'evaluation'}
ORDER = (0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17)
"""canonical = stored[ORDER] for each hand (fact sheet 1.2)."""
ROWS = {'left': slice(0, 21), 'right': slice(21, 42)}
MASK_LABELS = {'left': (2, 17), 'right': (18, 33)}
"""First and last label of each hand in the mask pictures."""


def _scan(request: Request) -> Index:
    folder = FOLDERS[request.split]
    path = _annotation(request)
    content = TREE.read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise DatasetError(f'{path}: expected a dictionary number → uv_vis, xyz, K')
    try:
        samples = [int(sample) for sample in content]
        uv_vis = numbers(
            [record['uv_vis'] for record in content.values()], (-1, 42, 3), f'{path}, uv_vis of all samples'
        )
        xyz = numbers([record['xyz'] for record in content.values()], (-1, 42, 3), f'{path}, xyz of all samples')
        k = numbers([record['K'] for record in content.values()], (-1, 3, 3), f'{path}, K of all samples')
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f'{path}: every sample needs a number, uv_vis, xyz and K; found {error}') from None
    count = {side: (uv_vis[:, rows, 2] == 1).sum(axis=1) for side, rows in ROWS.items()}
    if request.options['hands'] == 'main':
        left = count['left'] > count['right']
        chosen = {'left': np.flatnonzero(left), 'right': np.flatnonzero(~left)}
    else:
        chosen = {side: np.flatnonzero(count[side] > 0) for side in ROWS}
    rows = np.concatenate([chosen[side] for side in SIDES])
    sides = np.repeat(np.arange(len(SIDES), dtype=np.uint8), [len(chosen[side]) for side in SIDES])
    order = np.lexsort((sides, np.array(samples)[rows]))
    rows, sides = rows[order], sides[order]

    def of_hand(values: np.ndarray) -> np.ndarray:
        """(N, 21, …) canonical keypoints of the chosen hands."""
        both = np.stack([values[:, ROWS[side]] for side in SIDES], axis=1)
        return both[rows, sides][:, ORDER]

    numbers_of = [f'{samples[row]:05d}' for row in rows]
    points = of_hand(uv_vis)
    report = []
    if request.options['hands'] == 'main':
        blind = int((points[..., 2] != 1).all(axis=1).sum())
        report += (
            [f'{blind} pictures show no visible keypoint of either hand; their right hand is given'] if blind else []
        )
    return Index(
        files=as_bytes(f'{folder}/color/{number}.png' for number in numbers_of),
        keys=as_bytes(f'{folder}/{number}/{SIDES[side]}' for number, side in zip(numbers_of, sides)),
        masks=as_bytes(f'{folder}/mask/{number}.png' for number in numbers_of),
        keypoints_px=points[..., :2],
        keypoints_m=of_hand(xyz),
        visible=points[..., 2] == 1,
        intrinsics=k[rows],
        sides=sides,
        report=report,
    )


def _annotation(request: Request) -> Path:
    folder = FOLDERS[request.split]
    return TREE.file(request.root / folder / f'anno_{folder}.pickle')


def _read_mask(labels: np.ndarray, side: str) -> np.ndarray:
    low, high = MASK_LABELS[side]
    return (labels >= low) & (labels <= high)


LAYOUT = Layout(
    name='rhd',
    version=1,
    splits={'train': 41_258, 'test': 2_728},
    tree=TREE,
    scan=_scan,
    stamps=lambda request: [_annotation(request)],
    options={'hands': ('main', 'both')},
    read_mask=_read_mask,
    markers=('training/anno_training.pickle', 'evaluation/anno_evaluation.pickle'),
    places=('RHD_published_v2', 'RHD/RHD_published_v2'),
)
