"""Numbers that show whether a data set was read rightly: sizes, depths, how well 3D labels project onto 2D labels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from minimal_hand_core.data.datasets.dataset import HandDataset
from minimal_hand_core.data.datasets.index import Index, side_codes
from minimal_hand_core.data.datasets.progress import progress
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, SIDES, WRIST
from minimal_hand_core.tracking.picture import PictureError


@dataclass(frozen=True)
class Survey:
    """What can be said of one split.

    Attributes:
        samples: how many; labels: how many of them were looked at.
        sides: side → share of the samples, 'unknown' among them.
        labelled: share of keypoints with a 2D label; visible: share of keypoints that are visible.
        depth_m: 1st, 50th and 99th percentile of the hands' mean z, metres; None without 3D in a camera's frame.
        length_mm: 5th, 50th and 95th percentile of |wrist − middle MCP|; None where that is not labelled.
        projection_px: median distance of projected 3D labels from 2D labels, pixels; None without intrinsics.
        pictures: how many were decoded.
        unreadable: messages of those that could not be.
        outside: share of labelled keypoints of the decoded pictures that lie outside the picture.
    """

    samples: int
    labels: int
    sides: dict[str, float]
    labelled: float
    visible: float
    depth_m: tuple[float, float, float] | None
    length_mm: tuple[float, float, float] | None
    projection_px: float | None
    pictures: int
    unreadable: tuple[str, ...]
    outside: float


def survey(dataset: Sequence[Sample], pictures: int | None = 200) -> Survey:
    """Look at a data set.

    Args:
        dataset: of `open_dataset`. Labels of a `HandDataset` are all looked at; of others, those of the decoded
            samples.
        pictures: how many pictures to decode, evenly spread; None = all.
    """
    count = len(dataset) if pictures is None else min(pictures, len(dataset))
    samples, unreadable, outside = _decode(dataset, evenly(len(dataset), count))
    labels = dataset.labels if isinstance(dataset, HandDataset) else _gather(samples)
    known = np.isfinite(labels.keypoints_px).all(axis=2)
    shares = {side: float((labels.sides == code).mean()) for code, side in enumerate(SIDES)}
    shares['unknown'] = max(0.0, 1 - sum(shares.values()))
    depth = length = projection = None
    if labels.keypoints_m is not None:
        depth, length = _metric(labels.keypoints_m.astype(np.float64))
    if labels.intrinsics is not None and labels.keypoints_m is not None:
        k = np.broadcast_to(labels.intrinsics, (len(labels), 3, 3))
        given = np.isfinite(k).all(axis=(1, 2))
        if given.any():
            projected = np.einsum('nij,nkj->nki', k[given], labels.keypoints_m[given].astype(np.float64))
            miss = np.linalg.norm(projected[..., :2] / projected[..., 2:] - labels.keypoints_px[given], axis=2)
            projection = float(np.nanmedian(miss))
    return Survey(
        samples=len(dataset),
        labels=len(labels),
        sides={side: share for side, share in shares.items() if share > 1e-9},
        labelled=float(known.mean()),
        visible=float(labels.visible.mean()),
        depth_m=depth,
        length_mm=length,
        projection_px=projection,
        pictures=count,
        unreadable=tuple(unreadable),
        outside=outside,
    )


def evenly(total: int, count: int) -> list[int]:
    """`count` of `total` positions, evenly spread."""
    return [int(i) for i in np.unique(np.linspace(0, total - 1, count).round())] if total and count else []


def _decode(dataset: Sequence[Sample], rows: list[int]) -> tuple[list[Sample], list[str], float]:
    """Samples without their pictures, messages of the unreadable ones, and the share of keypoints outside."""
    # A renderer is not for several threads at once; decoding files is faster with some.
    workers = 4 if isinstance(dataset, HandDataset) else 1
    samples, unreadable = [], []
    outside = total = 0

    def read(row: int) -> Sample | str:
        try:
            return dataset[row]
        except PictureError as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        for found in progress(pool.map(read, rows), 'decoding pictures', len(rows)):
            if isinstance(found, str):
                unreadable.append(found)
                continue
            points = found.keypoints_px[np.isfinite(found.keypoints_px).all(axis=1)]
            height, width = found.image.shape[:2]
            inside = ((points > -0.5) & (points < (width - 0.5, height - 0.5))).all(axis=1)
            outside, total = outside + int((~inside).sum()), total + len(points)
            if not isinstance(dataset, HandDataset):
                samples.append(found)
    return samples, unreadable, outside / max(total, 1)


def _gather(samples: list[Sample]) -> Index:
    """The labels of samples as an index."""
    count = len(samples)
    sides = np.full(count, len(SIDES), np.uint8)
    known = [i for i, sample in enumerate(samples) if sample.side is not None]
    sides[known] = side_codes(samples[i].side or '' for i in known)
    nothing = np.full((21, 3), np.nan)
    return Index(
        files=np.zeros(count, np.bytes_),
        keypoints_px=np.array([s.keypoints_px for s in samples]).reshape(count, 21, 2),
        visible=np.array([s.visible for s in samples]).reshape(count, 21),
        sides=sides,
        keypoints_m=np.array([nothing if s.keypoints_m is None else s.keypoints_m for s in samples]).reshape(-1, 21, 3),
        intrinsics=np.array([nothing[:3] if s.intrinsics is None else s.intrinsics for s in samples]),
    )


def _metric(joints: np.ndarray) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]:
    """Percentiles of depth (metres) and of hand length (millimetres) of joints (N, 21, 3)."""
    labelled = np.isfinite(joints).all(axis=2)
    some = labelled.any(axis=1)
    depth = length = None
    z = np.nanmean(joints[some, :, 2], axis=1)
    # Root-relative labels have hands on both sides of z = 0; that is no distance from a camera.
    if len(z) and (z > 0.05).mean() > 0.9:
        depth = _percentiles(z, 1, 99)
    sizes = np.linalg.norm(joints[:, MIDDLE_MCP] - joints[:, WRIST], axis=1)
    sizes = 1000 * sizes[np.isfinite(sizes)]
    if len(sizes):
        length = _percentiles(sizes, 5, 95)
    return depth, length


def _percentiles(values: np.ndarray, low: int, high: int) -> tuple[float, float, float]:
    a, b, c = np.percentile(values, [low, 50, high])
    return float(a), float(b), float(c)
