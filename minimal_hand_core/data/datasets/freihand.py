"""FreiHAND v2, training and evaluation (common knowledge and the authors' release, not the fact sheet's peers).

Source: Zimmermann, Ceylan, Yang, Russell, Argus, Brox, *FreiHAND: A Dataset for Markerless Capture of Hand Pose and
Shape from Single RGB Images*, ICCV 2019, lmb.informatik.uni-freiburg.de/projects/freihand. Licence: research only,
commercial use prohibited.

Splits `train`: 32,560 hands of 224×224, each with four backgrounds, so 130,240 pictures (picture n shows hand n mod
32,560; the first block is the green screen, three composites follow); `backgrounds='green'` keeps the first block
alone. `test`: evaluation, 3,960 pictures; its `evaluation_xyz.json` came later, in FreiHAND_pub_v2_eval.zip.

All right hands, canonical order, metres, intrinsics per picture; `keypoints_px` is the projection. All 21 count as
`visible`: occlusion is not labelled. `labels.extra` has `scale` (N,), metres, the length of the middle finger's first
bone, and for training `mano` (N, 61): pose (48), shape (10), the root's pixel (2) and scale (1), as released. `group`
is the hand, so that a held-out split never tears its four pictures apart. `masks=True` reads the hand's pixels
(training only).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.index import Index, as_bytes, one_side
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.tree import DatasetError, Tree, numbers

TREE = Tree(
    'FreiHAND',
    """
FreiHAND_pub_v2/               <- root
    training_K.json, training_xyz.json, training_scale.json, training_mano.json
    training/rgb/00000000.jpg … 00130239.jpg
    training/mask/00000000.jpg … 00032559.jpg     (only with masks=True)
    evaluation_K.json, evaluation_scale.json
    evaluation_xyz.json        (from FreiHAND_pub_v2_eval.zip)
    evaluation/rgb/00000000.jpg … 00003959.jpg
""",
)
FOLDERS = {'train': 'training', 'test': 'evaluation'}
COPIES = {'train': {'all': 4, 'green': 1}, 'test': {'all': 1, 'green': 1}}
SIDE = 'right'
MANO_NUMBERS = 61
_HINT = 'it comes in FreiHAND_pub_v2_eval.zip'


def _scan(request: Request) -> Index:
    folder = FOLDERS[request.split]
    paths = dict(zip(('K', 'xyz', 'scale', 'mano'), _labels(request)))
    k = numbers(TREE.read_json(paths['K']), (-1, 3, 3), str(paths['K']))
    xyz = numbers(TREE.read_json(paths['xyz']), (-1, 21, 3), str(paths['xyz']))
    extra = {'scale': numbers(TREE.read_json(paths['scale']), (-1,), str(paths['scale']))}
    if 'mano' in paths:
        mano = TREE.read_json(paths['mano'])
        if isinstance(mano, list):
            # each hand's numbers stand in a list of their own
            mano = [hand[0] if isinstance(hand, list) and len(hand) == 1 else hand for hand in mano]
        extra['mano'] = numbers(mano, (-1, MANO_NUMBERS), str(paths['mano']))
    for name, values in {'K': k, **extra}.items():
        if len(values) != len(xyz):
            raise DatasetError(f'{paths[name]} has {len(values)} hands, {paths["xyz"]} has {len(xyz)}')
    copies = COPIES[request.split][request.options['backgrounds']]
    hands = np.tile(np.arange(len(xyz)), copies)
    projected = np.einsum('nij,nkj->nki', k, xyz)
    files = [f'{folder}/rgb/{picture:08d}.jpg' for picture in range(len(hands))]
    return Index(
        files=as_bytes(files),
        groups=as_bytes(f'{folder}/{hand:08d}' for hand in hands),
        masks=as_bytes(f'{folder}/mask/{hand:08d}.jpg' for hand in hands) if request.split == 'train' else None,
        keypoints_px=(projected[..., :2] / projected[..., 2:])[hands],
        keypoints_m=xyz[hands],
        visible=np.ones((len(hands), 21), bool),
        intrinsics=k[hands],
        sides=one_side(SIDE, len(hands)),
        extra={name: values[hands] for name, values in extra.items()},
    )


def _labels(request: Request) -> list[Path]:
    folder = FOLDERS[request.split]
    names = ['K', 'xyz', 'scale'] + (['mano'] if request.split == 'train' else [])
    return [
        TREE.file(request.root / f'{folder}_{name}.json', _HINT if (folder, name) == ('evaluation', 'xyz') else '')
        for name in names
    ]


def _read_mask(labels: np.ndarray, side: str) -> np.ndarray:
    return labels > 127  # JPEG smears the two values


LAYOUT = Layout(
    name='freihand',
    version=1,
    splits={'train': 130_240, 'test': 3_960},
    tree=TREE,
    scan=_scan,
    stamps=_labels,
    options={'backgrounds': ('all', 'green')},
    read_mask=_read_mask,
    markers=('training_K.json', 'evaluation_K.json'),
    places=('FreiHAND_pub_v2', 'FreiHAND'),
)
