"""From a backend's name to its engine, and what to do when an engine fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minimal_hand_core.detnet import CheckpointError, load_detnet
from minimal_hand_core.errors import one_line
from minimal_hand_core.inference.agreement import check_agreement, plain_maps
from minimal_hand_core.inference.availability import check_available
from minimal_hand_core.inference.engine import BACKENDS, EngineError, ModelError, NetworkEngine
from minimal_hand_core.inference.machine import usable_cores
from minimal_hand_core.inference.onnx_model import ONNX, forget_model, model_of, taught_axes

_log = logging.getLogger(__name__)


def create_engine(backend: str = 'auto', weights: str = 'default', threads: int = 1) -> NetworkEngine:
    """Load the network into an engine.

    An engine that does not start, answers otherwise than PyTorch, or fails later, is replaced by 'torch' once, with a
    warning in the log that names the cause. That needs a checkpoint: a `.onnx` file has nothing to be held against or
    to fall back on, and its failures are errors.

    Args:
        backend: one of BACKENDS; 'auto' takes the fastest of this machine, see `choose`.
        weights: 'default', the path of a checkpoint, or of a `.onnx` file written by `export_onnx`.
        threads: threads for one run on the CPU; 0 = as many as this process may use cores.

    Raises:
        EngineError: unknown backend, its package or device is missing (names what would help), or it does not take a
            `.onnx` file.
        CheckpointError: weights that cannot be read or do not fit.
        ValueError: threads below zero.
    """
    if backend not in BACKENDS:
        raise EngineError(f'backend is {backend!r}; give one of {", ".join(BACKENDS)}')
    if threads < 0:
        raise ValueError(f'threads are {threads}: give 1 or more, or 0 for one per core')
    threads = threads or usable_cores()
    if backend == 'auto':
        # Imported here, since it builds engines itself.
        from minimal_hand_core.inference.choice import choose

        backend = choose(weights, threads)
    else:
        check_available(backend)
    alone = backend == 'torch' or Path(weights).suffix == ONNX
    try:
        engine = build_engine(backend, weights, threads)
        if not alone:
            check_agreement(engine, plain_maps(weights, threads))
            engine = FallbackEngine(engine, weights, threads)
    except CheckpointError:
        raise
    except Exception as error:
        if alone:
            raise
        cause = _warn_of_fallback(backend, error)
        engine = build_engine('torch', weights, threads)
        engine.replaces = cause
    engine.axes = taught_axes(weights)
    _log.info('network runs in %s', engine.description)
    return engine


def build_engine(backend: str, weights: str, threads: int) -> NetworkEngine:
    """The engine of that name and no other.

    Args:
        backend: one of BACKENDS but 'auto'.
        weights: as of `create_engine`.
        threads: 1 or more.

    Raises:
        EngineError, CheckpointError: as `create_engine`.
        Exception: whatever a runtime raises that cannot start.
    """
    runtime, _, device = backend.partition(':')
    # Imported here, so that an engine's library is needed only by those who choose it.
    if runtime == 'torch':
        if Path(weights).suffix == ONNX:
            raise EngineError(f'backend {backend!r} runs no {ONNX} file ({weights}): take onnxruntime or openvino')
        import torch

        from minimal_hand_core.inference.torch_engine import TorchEngine

        network = load_detnet(weights)
        if device == 'cuda':
            from minimal_hand_core.inference.cuda_engine import CudaEngine

            return CudaEngine(network)
        return TorchEngine(network, threads, torch.bfloat16 if device == 'bfloat16' else torch.float32)
    engine: Callable[[bytes, int, str], NetworkEngine]
    if runtime == 'onnxruntime':
        from minimal_hand_core.inference.onnxruntime_engine import OnnxRuntimeEngine

        engine = OnnxRuntimeEngine
    else:
        from minimal_hand_core.inference.openvino_engine import OpenVinoEngine

        engine = OpenVinoEngine
    try:
        return engine(model_of(weights), threads, device or 'cpu')
    except ModelError:
        if Path(weights).suffix == ONNX:
            raise
        # What another version left in the cache may be what it does not take.
        forget_model(weights)
        return engine(model_of(weights), threads, device or 'cpu')


class FallbackEngine(NetworkEngine):
    """An engine that is replaced by 'torch' when it fails at run time, once; backend and description say which it is.

    Numbers that are not finite are a failure, too.

    Args:
        engine: runs until it fails.
        weights: of both.
        threads: for the other one.
    """

    def __init__(self, engine: NetworkEngine, weights: str, threads: int) -> None:
        self._weights, self._threads = weights, threads
        self._failed = False
        self._use(engine)

    def _use(self, engine: NetworkEngine) -> None:
        self._engine = engine
        self.backend, self.precision, self.description = engine.backend, engine.precision, engine.description

    def _infer(self, crops: np.ndarray, outputs: tuple[str, ...]) -> list[np.ndarray]:
        if not self._failed:
            try:
                found = self._engine._infer(crops, outputs)
                # Half precision that overflows raises nothing.
                if not all(np.isfinite(values).all() for values in found):
                    raise EngineError('its answers are not finite numbers')
                return found
            except Exception as error:
                self._failed = True
                self.replaces = _warn_of_fallback(self.backend, error)
                self._use(build_engine('torch', self._weights, self._threads))
        return self._engine._infer(crops, outputs)


def _warn_of_fallback(backend: str, error: Exception) -> str:
    """What is said in the log, too: which engine failed, and why."""
    cause = error if isinstance(error, EngineError) else f'{type(error).__name__}: {error}'
    said = f'{backend} failed and torch takes its place: {one_line(cause)}'
    _log.warning('%s', said)
    return said
