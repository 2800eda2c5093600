"""Run a network over labelled samples the way the tracker does: crop, mirror left hands, decode, map back."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from minimal_hand_core.data.augmentation import plain_crop
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.detnet.decode import decode
from minimal_hand_core.detnet.network import DetNet


class Predictions(NamedTuple):
    """Predictions for N samples and the truth beside them, all NumPy float64.

    Attributes:
        uv, true_uv: (N, 21, 2) pixels of each sample's picture.
        xyz: (N, 21, 3) network units in the picture's axes (mirrored back for left hands).
        true_m: (N, 21, 3) metres; NaN where a sample has no 3D.
        confidence: (N, 21).
        keys: names of the samples.
    """

    uv: np.ndarray
    true_uv: np.ndarray
    xyz: np.ndarray
    true_m: np.ndarray
    confidence: np.ndarray
    keys: list[str]


@torch.inference_mode()
def predict(model: DetNet, samples: Iterable[Sample], batch: int = 32) -> Predictions:
    """Predict every sample, centred on its true box as the protocols do; `model` must be in eval mode."""
    if model.training:
        raise ValueError('the network is in training mode, which would use and change batch statistics; call .eval()')
    iterator = iter(samples)
    parts: list[tuple[np.ndarray, ...]] = []
    keys: list[str] = []
    while chunk := list(islice(iterator, batch)):
        cut = [plain_crop(sample) for sample in chunk]
        images = torch.from_numpy(np.stack([crop.image for crop, _, _ in cut])).permute(0, 3, 1, 2)
        hands = decode(model(images.float() / 255 - 0.5))
        mirrored = np.array([mirror for _, _, mirror in cut])
        xyz = hands.xyz.numpy().astype(np.float64)
        xyz[mirrored, :, 0] *= -1
        uv = np.stack(
            [place.to_image(p, mirror=mirror) for p, (_, place, mirror) in zip(hands.uv.numpy(), cut, strict=True)]
        )
        true_uv = np.stack([sample.keypoints_px for sample in chunk])
        nothing = np.full((21, 3), np.nan)
        true_m = np.stack([nothing if s.keypoints_m is None else s.keypoints_m for s in chunk])
        parts.append((uv, true_uv, xyz, true_m, hands.confidence.numpy().astype(np.float64)))
        keys += [sample.key for sample in chunk]
    if not parts:
        raise ValueError('there is no sample to predict')
    uv, true_uv, xyz, true_m, confidence = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Predictions(uv, true_uv, xyz, true_m, confidence, keys)
