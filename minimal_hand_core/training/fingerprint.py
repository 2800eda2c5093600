"""What a run is trained on, in a few words and hashes: kept in its checkpoint and compared when it goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from minimal_hand_core.data.datasets.dataset import HandDataset
from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.synthetic import Backgrounds


def labels_hash(dataset: HandDataset | RealHands, rows: Iterable[int] | None = None) -> str:
    """SHA-256 of the names and labels of some samples (all when None), in their order; pictures are not read."""
    digest = hashlib.sha256()
    if isinstance(dataset, HandDataset):
        labels = dataset.labels if rows is None else dataset.labels.take(np.asarray(list(rows)))
        names = labels.files if labels.keys is None else labels.keys
        for part in (names, labels.sides, labels.keypoints_px, labels.keypoints_m, labels.visible, labels.intrinsics):
            if part is not None:
                # Bytes of names are padded to the longest of all; how long that is says nothing.
                content = b'\0'.join(part.tolist()) if part.dtype.kind == 'S' else np.ascontiguousarray(part).data
                digest.update(content)
    else:
        for row in range(len(dataset)) if rows is None else rows:
            digest.update(json.dumps(dataset.records[row], sort_keys=True).encode())
    return digest.hexdigest()


def describe(name: str, split: str, dataset: HandDataset | RealHands, rows: np.ndarray | None = None) -> dict[str, Any]:
    """One entry of a fingerprint."""
    count = len(dataset) if rows is None else len(rows)
    return {'name': name, 'split': split, 'samples': count, 'sha256': labels_hash(dataset, rows)}


def describe_backgrounds(backgrounds: Backgrounds) -> dict[str, Any]:
    """The entry of a folder of backgrounds: the names of its pictures."""
    names = '\n'.join(str(path.relative_to(backgrounds.folder)) for path in backgrounds.files)
    sha256 = hashlib.sha256(names.encode()).hexdigest()
    return {'name': 'backgrounds', 'split': 'train', 'samples': len(backgrounds.files), 'sha256': sha256}


def differences(then: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[str]:
    """Sentences on what is not as it was; none when all is."""
    old, new = ({(part['name'], part['split'], i): part for i, part in _numbered(parts)} for parts in (then, now))
    told = []
    for key in [*old, *(key for key in new if key not in old)]:
        name, split = key[:2]
        what = f'{name} ({split})'
        if key not in new:
            told.append(f'{what} is not trained on any more')
        elif key not in old:
            told.append(f'{what} was not trained on before')
        elif old[key]['samples'] != new[key]['samples']:
            told.append(f'{what} has {new[key]["samples"]} samples, had {old[key]["samples"]}')
        elif old[key] != new[key]:
            told.append(f'{what} has other names or labels')
    return told


def _numbered(parts: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """The same name and split may come more than once, from several folders."""
    names = [(part['name'], part['split']) for part in parts]
    return [(names[:i].count(name), part) for i, (name, part) in enumerate(zip(names, parts))]
