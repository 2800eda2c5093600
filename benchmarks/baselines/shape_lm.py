"""BASELINE, to be measured against and for nothing else: shape by the peer's Levenberg–Marquardt.

Our own plain re-implementation of what fact sheet 4.1 describes, with what it lists as wrong: one scalar residual, a
gradient by central differences of 20 perturbed betas that go through the whole hand layer, steps that are never
rejected, |β_0| alone in the value's regulariser, the last β rather than the best, and for every frame a new solver that
reads the model file anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.baselines.mano_layer import PlainManoLayer
from minimal_hand_core.hand import BONE_KEYPOINTS, KEYPOINT_PARENTS, OPEN_HAND, read_npz

WEIGHT = 1e-5
STEP = 0.01
ITERATIONS = 500
DAMPING, DAMPING_FACTOR = 1e-2, 1.5
STOP = 1e-13

Layer = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def read_layer(path: Path = OPEN_HAND) -> nn.Module:
    """The layer of a hand model in our own form, read from its file at every call."""
    return PlainManoLayer(read_npz(path), matrices=False)


def layer_ratios(layer: Layer, betas: np.ndarray) -> np.ndarray:
    """Bone ratios (B, 15) by posing whole flat hands of shape betas (B, 10)."""
    with torch.no_grad():
        _, keypoints = layer(torch.zeros(len(betas), 48), torch.tensor(betas, dtype=torch.float32))
    joints = keypoints.numpy()
    lengths = [np.linalg.norm(joints[:, k] - joints[:, KEYPOINT_PARENTS[k]], axis=1) for k in BONE_KEYPOINTS]
    return np.stack(lengths, axis=1) / np.linalg.norm(joints[:, 9] - joints[:, 0], axis=1)[:, None]


class PeerLM:
    """The solver of one frame."""

    def __init__(self, path: Path = OPEN_HAND) -> None:
        self.layer = read_layer(path)

    def value(self, beta: np.ndarray, target: np.ndarray) -> float:
        misfit = np.sum((layer_ratios(self.layer, beta[None])[0] - target) ** 2)
        return float(misfit + WEIGHT * abs(beta[0]))

    def gradient(self, beta: np.ndarray, target: np.ndarray) -> np.ndarray:
        steps = np.concatenate([STEP * np.eye(len(beta)), -STEP * np.eye(len(beta))])
        moved = beta + steps
        misfit = np.sum((layer_ratios(self.layer, moved) - target) ** 2, axis=1)
        values = misfit + WEIGHT * np.linalg.norm(moved, axis=1)
        up, down = np.split(values, 2)
        return (up - down) / (2 * STEP)

    def fit(self, target: np.ndarray) -> tuple[np.ndarray, int]:
        """β (10,) for ratios (15,), and how many iterations it took."""
        beta, damping, last_decrease = np.zeros(10), DAMPING, 0.0
        value = self.value(beta, target)
        for iteration in range(ITERATIONS):
            slope = self.gradient(beta, target)[None]
            normal = slope.T @ slope + damping * np.eye(len(beta))
            beta = beta - np.linalg.solve(normal, slope.T[:, 0] * value)
            before, value = value, self.value(beta, target)
            decrease = before - value
            if abs(decrease) < STOP:
                return beta, iteration + 1
            damping = damping / DAMPING_FACTOR if decrease > max(last_decrease, 0.0) else damping * DAMPING_FACTOR
            last_decrease = decrease
        return beta, ITERATIONS


def fit_frame(target: np.ndarray, path: Path = OPEN_HAND) -> np.ndarray:
    """β (10,) of one frame, as the peer's script finds it: a solver of its own, hence the model read again."""
    return PeerLM(path).fit(target)[0]
