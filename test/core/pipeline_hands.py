"""Predictions of rendered hands without a picture: what a faultless network would say of them."""

import functools

import numpy as np
import torch

from minimal_hand_core.data import open_dataset
from minimal_hand_core.evaluation.predictions import Origin, Predictions
from minimal_hand_core.hand import load_hand_model


@functools.cache
def hand_model():
    return load_hand_model(dtype=torch.float64)


@functools.cache
def bare_hands(count):
    """(count, 10) betas, (count, 16, 3, 3) rotations and the keys of the first hands of the test split."""
    hands = open_dataset('rendered', None, 'test')
    made = [hands.hand(i) for i in range(count)]
    return (
        np.stack([hand.betas for hand in made]),
        np.stack([hand.rotations for hand in made]),
        tuple(hands.key(i) for i in range(count)),
    )


def network_units(keypoints):
    """(X − X9) / |X9 − X0| of (N, 21, 3)."""
    centred = keypoints - keypoints[:, 9:10]
    return centred / np.linalg.norm(centred[:, 0], axis=1)[:, None, None]


def exact(count=20, noise=0.0, keys=None, dataset='rendered', betas=None, left=False):
    """Right hands (or left ones, their mirror images) half a metre before the camera.

    `noise`: standard deviation of every predicted coordinate, hand lengths. `betas` (10,): one person's, for all hands.
    """
    shapes, rotations, own_keys = bare_hands(count)
    if betas is not None:
        shapes = np.broadcast_to(betas, shapes.shape)
    keypoints = hand_model().keypoints(torch.tensor(rotations), torch.tensor(shapes)).numpy()
    xyz = network_units(keypoints) + noise * np.random.default_rng(1).normal(size=keypoints.shape)
    signs = np.array([-1.0 if left else 1.0, 1.0, 1.0])
    true_m = keypoints * signs + (0.0, 0.0, 0.5)
    k = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
    projected = true_m @ k.T
    uv = projected[..., :2] / projected[..., 2:]
    return Predictions(
        keys=own_keys if keys is None else keys,
        uv=uv,
        xyz=xyz * signs,
        confidence=np.ones((count, 21)),
        true_uv=uv,
        true_m=true_m,
        visible=np.ones((count, 21), bool),
        intrinsics=np.tile(k, (count, 1, 1)),
        sides=np.full(count, int(left)),
        crops=np.column_stack([np.full((count, 2), (320.0, 240.0)), np.full(count, 200.0)]),
        origin=Origin(dataset=dataset, split='test', length=count),
    )
