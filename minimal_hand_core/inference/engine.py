"""The one interface of all inference engines, and the choice among them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

BACKENDS = ('auto', 'torch')


class EngineOutput(NamedTuple):
    """Decoded keypoints of B crops, NumPy.

    uv: (B, 21, 2) float32 pixels (x, y) of the crop.
    xyz: (B, 21, 3) float32 network units, axes of the crop's view.
    confidence: (B, 21) float32, 0…1.
    network_seconds, decode_seconds: where the time went; an engine that decodes inside the network says 0 for decoding.
    """

    uv: np.ndarray
    xyz: np.ndarray
    confidence: np.ndarray
    network_seconds: float = 0.0
    decode_seconds: float = 0.0


class Engine(Protocol):
    """What the tracker asks of an inference engine."""

    def run(self, crops: np.ndarray) -> EngineOutput:
        """Keypoints of (B, 128, 128, 3) uint8 RGB crops of right hands, B ≥ 1."""
        ...


def create_engine(backend: str = 'auto', weights: str = 'default', threads: int = 1) -> Engine:
    """Load the network into an engine.

    Args:
        backend: one of BACKENDS; 'auto' takes the fastest that is installed.
        weights: 'default' or the path of a checkpoint.
        threads: threads for one run; 0 = the engine's own choice.

    Raises:
        ValueError: unknown backend.
        CheckpointError: weights that cannot be read or do not fit.
    """
    if backend not in BACKENDS:
        raise ValueError(f'backend is {backend!r}; give one of {", ".join(BACKENDS)}')
    # Imported here, so that an engine's library is needed only by those who choose it.
    from minimal_hand_core.inference.torch_engine import TorchEngine

    return TorchEngine.load(weights, threads)


def check_crops(crops: np.ndarray) -> None:
    """Raise ValueError unless `crops` is (B, 128, 128, 3) uint8 with B ≥ 1."""
    if crops.ndim != 4 or crops.shape[1:] != (128, 128, 3) or len(crops) == 0 or crops.dtype != np.uint8:
        raise ValueError(f'crops are {crops.dtype} {crops.shape}; give uint8 (B, 128, 128, 3) RGB, B ≥ 1')
