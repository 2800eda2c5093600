"""The one interface of all inference engines: crops in, keypoints out, maps on request."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

import numpy as np

from minimal_hand_core.detnet.axes import VIEW
from minimal_hand_core.detnet.output import CROP_SIZE

BACKENDS = (
    'auto',
    'torch',
    'torch:bfloat16',
    'torch:cuda',
    'onnxruntime',
    'onnxruntime:cuda',
    'onnxruntime:tensorrt',
    'openvino',
    'openvino:gpu',
    'openvino:npu',
)
"""Runtime, and after the colon the device or precision; without one, the CPU in float32."""
KEYPOINT_OUTPUTS = ('uv', 'xyz', 'confidence')
MAP_OUTPUTS = ('heatmaps', 'deltas', 'locations')
"""Outputs of the network with its decoder, by the names they have in an exported model too."""


class EngineError(ValueError):
    """An engine cannot be had, or not with this model or on this machine; says which, why, and what would do."""


class ModelError(EngineError):
    """An engine does not take a model: damaged, of another opset, or none of ours."""


class EngineOutput(NamedTuple):
    """Decoded keypoints of B crops, NumPy.

    uv: (B, 21, 2) float32 pixels (x, y) of the crop.
    xyz: (B, 21, 3) float32 network units, in the network's axes.
    confidence: (B, 21) float32, 0…1.
    network_seconds, decode_seconds: where the time went; an engine that decodes inside the network says 0 for decoding.
    """

    uv: np.ndarray
    xyz: np.ndarray
    confidence: np.ndarray
    network_seconds: float = 0.0
    decode_seconds: float = 0.0


class EngineMaps(NamedTuple):
    """The network's maps of B crops, NumPy float32; what they mean is said at `DetNetOutput`.

    heatmaps: (B, 21, n, n), n = 32, or fewer cells where the network works in less than the crop's resolution.
    deltas, locations: (B, 21, 3, n, n).
    """

    heatmaps: np.ndarray
    deltas: np.ndarray
    locations: np.ndarray


class Engine(Protocol):
    """What the tracker asks of an inference engine."""

    def run(self, crops: np.ndarray) -> EngineOutput:
        """Keypoints of (B, 128, 128, 3) uint8 RGB crops of right hands, B ≥ 1."""
        ...


class NetworkEngine(ABC):
    """A DetNet in some runtime, with its decoder in the same graph.

    Attributes:
        backend: its name, one of BACKENDS.
        precision: of the convolutions, such as 'float32'; decoding is always in float32.
        description: runtime with its version, device, precision and threads, for a log line.
        replaces: which engine failed, that this one took the place of, and why; '' when none did.
        axes: of xyz, one of `detnet.axes.AXES`, as the network was taught.
    """

    replaces = ''
    axes = VIEW

    def __init__(self, backend: str, runtime: str, device: str, precision: str, threads: int = 0) -> None:
        self.backend = backend
        self.precision = precision
        parts = [runtime, device, precision]
        if threads:
            parts.append(f'{threads} thread{"" if threads == 1 else "s"}')
        self.description = ', '.join(parts)

    def run(self, crops: np.ndarray) -> EngineOutput:
        """Keypoints of (B, 128, 128, 3) uint8 RGB crops of right hands, B ≥ 1; ValueError for anything else."""
        check_crops(crops)
        start = time.perf_counter()
        uv, xyz, confidence = self._infer(np.ascontiguousarray(crops), KEYPOINT_OUTPUTS)
        return EngineOutput(uv, xyz, confidence, time.perf_counter() - start)

    def maps(self, crops: np.ndarray) -> EngineMaps:
        """Maps of such crops; ValueError for anything else."""
        check_crops(crops)
        return EngineMaps(*self._infer(np.ascontiguousarray(crops), MAP_OUTPUTS))

    @abstractmethod
    def _infer(self, crops: np.ndarray, outputs: tuple[str, ...]) -> list[np.ndarray]:
        """The named outputs as float32 arrays of the caller's own, of crops that were checked."""


def check_crops(crops: np.ndarray) -> None:
    """Raise ValueError unless `crops` is (B, 128, 128, 3) uint8 with B ≥ 1."""
    wanted = (CROP_SIZE, CROP_SIZE, 3)
    if crops.ndim != 4 or crops.shape[1:] != wanted or len(crops) == 0 or crops.dtype != np.uint8:
        raise ValueError(f'crops are {crops.dtype} {crops.shape}; give uint8 (B, 128, 128, 3) RGB, B ≥ 1')
