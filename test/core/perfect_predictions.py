"""Predictions made of the truth, and ways to spoil them by a known amount."""

import numpy as np

from minimal_hand_core.data.augmentation import network_coordinates
from minimal_hand_core.detnet.axes import CAMERA
from minimal_hand_core.evaluation.predictions import UNKNOWN_SIDE, Origin, Predictions
from minimal_hand_core.hand.skeleton import SIDES

TIPS = [4, 8, 12, 16, 20]
UNIT = 0.09
"""Metres that a network unit stands for where only tips are labelled."""


def perfect(dataset, samples, split='test', **options):
    """What a faultless network would say of samples, in the camera's axes."""
    nothing = np.full((21, 3), np.nan)
    true_uv = np.stack([sample.keypoints_px for sample in samples])
    true_m = np.stack([nothing if sample.keypoints_m is None else sample.keypoints_m for sample in samples])
    xyz = np.zeros_like(true_m)
    for i, points in enumerate(true_m):
        known = np.isfinite(points).all(axis=1)
        if known.all():
            xyz[i] = network_coordinates(points)
        elif known.any():
            xyz[i, known] = (points[known] - points[known].mean(axis=0)) / UNIT
    centers = (np.nanmin(true_uv, axis=1) + np.nanmax(true_uv, axis=1)) / 2
    return Predictions(
        keys=[sample.key for sample in samples],
        uv=np.nan_to_num(true_uv),
        xyz=xyz,
        confidence=np.ones((len(samples), 21)),
        true_uv=true_uv,
        true_m=true_m,
        visible=np.stack([sample.visible for sample in samples]),
        intrinsics=np.stack([nothing[:3] if s.intrinsics is None else s.intrinsics for s in samples]),
        sides=np.array([UNKNOWN_SIDE if s.side is None else SIDES.index(s.side) for s in samples]),
        crops=np.column_stack([centers, np.full(len(samples), 200.0)]),
        origin=Origin(dataset=dataset, split=split, options=options, length=len(samples), axes=CAMERA),
    )


def made_up(rng, hands=40, dataset='rhd', noise=0.0, split='test', **options):
    """Hands of random points, about 9 cm long, 40 to 80 cm before a camera, in whose axes xyz is.

    Tips only, where the data set has no more; `noise` is the standard deviation of every predicted coordinate, network
    units.
    """
    points = rng.normal(0, 0.04, (hands, 21, 3))
    points[:, 9] = 0
    points[:, 0] = rng.normal(0, 1, (hands, 3))
    points[:, 0] *= 0.09 / np.linalg.norm(points[:, 0], axis=1)[:, None]
    true_m = points + np.column_stack([rng.uniform(-0.1, 0.1, (hands, 2)), rng.uniform(0.4, 0.8, hands)])[:, None]
    k = np.tile(np.array([[600.0, 0, 320], [0, 610, 240], [0, 0, 1]]), (hands, 1, 1))
    projected = np.einsum('nij,nkj->nki', k, true_m)
    true_uv = projected[..., :2] / projected[..., 2:]
    xyz = points / 0.09 + rng.normal(0, 1, points.shape) * noise
    visible = np.ones((hands, 21), bool)
    if dataset in ('dexter_object', 'ego_dexter'):
        known = np.zeros((hands, 21), bool)
        known[:, TIPS] = rng.random((hands, 5)) < 0.7
        known[:2, TIPS[1:]] = False  # too few to be scored
        true_m[~known], true_uv[~known], visible = np.nan, np.nan, known
    return Predictions(
        keys=[f'{i:05d}' for i in range(hands)],
        uv=np.nan_to_num(true_uv, nan=100.0),
        xyz=xyz,
        confidence=np.ones((hands, 21)),
        true_uv=true_uv,
        true_m=true_m,
        visible=visible,
        intrinsics=k,
        sides=rng.integers(0, 2, hands),
        crops=np.column_stack([np.nanmean(np.nan_to_num(true_uv, nan=100.0), axis=1), np.full(hands, 200.0)]),
        origin=Origin(dataset=dataset, split=split, options=options, length=hands, axes=CAMERA),
    )
