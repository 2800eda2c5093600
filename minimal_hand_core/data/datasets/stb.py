"""STB, the Stereo Hand Pose Tracking Benchmark, SK camera (fact sheet 7.5, 1.2 to 1.4, 6.3).

Source: Zhang, Jiao, Chen, Qu, Xu, Yang, *A Hand Pose Tracking Benchmark from Stereo Matching*, ICIP 2017. Its own
download has vanished and no licence is stated there; ask the authors.

Sequences B1…B6, each Counting and Random, 1,500 frames of 640×480. Splits: `test` B1 (3,000), `train` B2–B6 (15,000),
`validation` B2 (3,000), `train_val` B3–B6 (12,000: what is left of `train` without `validation`), `all` (18,000). All
hands are left ones. All 21 joints count as `visible`.

`handPara` (3×21×frames) is in millimetres in the frame of the **depth** camera. A rigid motion takes colour to depth
coordinates, so X_color = Rᵀ(X_depth − t). The order is palm, little, ring, middle, index, thumb, each base → tip. Joint
0 is the palm's centre; the wrist is taken as 2·palm − ring MCP, as the peers do: half-way between ring MCP and wrist
lies the palm. `keypoints_px` is the projection of that. The `_BB.mat` labels (stereo camera), depth and segmentation
pictures are not needed.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import scipy.io

from minimal_hand_core.data.datasets.index import Index, as_bytes, one_side
from minimal_hand_core.data.datasets.layout import Layout, Request
from minimal_hand_core.data.datasets.tree import DatasetError, Tree, numbers
from minimal_hand_core.hand.skeleton import WRIST

TREE = Tree(
    'STB',
    """
STB/                           <- root
    labels/B1Counting_SK.mat, B1Random_SK.mat … B6Random_SK.mat
    images/B1Counting/SK_color_0.png … SK_color_1499.png
    images/B1Random/ … images/B6Random/
""",
)
SETS = {
    'test': (1,),
    'train': (2, 3, 4, 5, 6),
    'validation': (2,),
    'train_val': (3, 4, 5, 6),
    'all': (1, 2, 3, 4, 5, 6),
}
FRAMES = 1_500
ORDER = (0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4)
"""canonical = stored[ORDER] (fact sheet 1.2)."""
SIDE = 'left'
METRES = 1e-3
RING_MCP = 13
PALM_FACTOR = 2.0
"""wrist = ring MCP + PALM_FACTOR · (palm − ring MCP)."""
INTRINSICS = ((607.92271, 0.0, 314.78337), (0.0, 607.88192, 236.42484), (0.0, 0.0, 1.0))
ROTATION_VECTOR = (0.00531, -0.01196, 0.00301)
TRANSLATION = (-24.0381e-3, -0.4563e-3, -1.2326e-3)
"""Colour → depth: axis times angle (radians) and metres."""


def _scan(request: Request) -> Index:
    files, keypoints, sequences = [], [], []
    for name in _sequences(request):
        labels = _read(request.root / 'labels' / f'{name}_SK.mat')
        keypoints.append(labels)
        files += [f'images/{name}/SK_color_{frame}.png' for frame in range(len(labels))]
        sequences += [name] * len(labels)
    depth = np.concatenate(keypoints)[:, ORDER] * METRES
    depth[:, WRIST] = depth[:, RING_MCP] + PALM_FACTOR * (depth[:, WRIST] - depth[:, RING_MCP])
    rotation = cv2.Rodrigues(np.array(ROTATION_VECTOR))[0]
    color = (depth - TRANSLATION) @ rotation  # row vectors times R = Rᵀ times columns
    projected = color @ np.array(INTRINSICS).T
    return Index(
        files=as_bytes(files),
        groups=as_bytes(sequences),
        keypoints_px=projected[..., :2] / projected[..., 2:],
        keypoints_m=color,
        visible=np.ones(color.shape[:2], bool),
        intrinsics=np.array(INTRINSICS),
        sides=one_side(SIDE, len(files)),
    )


def _read(path: Path) -> np.ndarray:
    """(frames, 21, 3) millimetres, depth camera, stored order."""
    TREE.file(path)
    try:
        content = scipy.io.loadmat(path, variable_names=['handPara'])
    except Exception as error:  # A broken file can raise anything.
        raise DatasetError(f'{path} is not a MATLAB file that can be read: {error}') from None
    if 'handPara' not in content:
        raise DatasetError(f'{path} has no variable handPara; the _SK.mat files have it')
    return numbers(content['handPara'], (3, 21, -1), f'{path}, handPara').transpose(2, 1, 0)


def _sequences(request: Request) -> list[str]:
    return [f'B{number}{kind}' for number in SETS[request.split] for kind in ('Counting', 'Random')]


def _stamps(request: Request) -> list[Path]:
    return [TREE.file(request.root / 'labels' / f'{name}_SK.mat') for name in _sequences(request)]


LAYOUT = Layout(
    name='stb',
    version=1,
    splits={split: 2 * FRAMES * len(sets) for split, sets in SETS.items()},
    tree=TREE,
    scan=_scan,
    stamps=_stamps,
    markers=('labels',),
    places=('STB',),
)
