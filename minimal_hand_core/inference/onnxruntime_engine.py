"""DetNet in ONNX Runtime: on the CPU, and on NVIDIA GPUs by CUDA or TensorRT."""

from __future__ import annotations

from typing import Any

import numpy as np

from minimal_hand_core.cache import cache_folder
from minimal_hand_core.inference.availability import PROVIDERS, check_available
from minimal_hand_core.inference.engine import EngineError, NetworkEngine
from minimal_hand_core.inference.onnx_model import INPUT, model_facts, refusal


class OnnxRuntimeEngine(NetworkEngine):
    """Runs an exported model with ONNX Runtime.

    Args:
        model: serialised ONNX model of `export_model`.
        threads: threads of one run on the CPU, the calling one included; ≥ 1.
        device: 'cpu', 'cuda' or 'tensorrt'.

    Raises:
        EngineError: the package is not installed, or has no provider for the device.
        ModelError: it does not take the model.
    """

    def __init__(self, model: bytes, threads: int = 1, device: str = 'cpu') -> None:
        backend = 'onnxruntime' if device == 'cpu' else f'onnxruntime:{device}'
        check_available(backend)
        import onnxruntime

        self._runtime = onnxruntime
        provider = PROVIDERS[device]
        where = 'CPU' if device == 'cpu' else provider.removesuffix('ExecutionProvider')
        precision = model_facts(model).get('precision', 'float32')
        super().__init__(backend, f'onnxruntime {self._runtime.__version__}', where, precision, threads)
        try:
            self._session = self._runtime.InferenceSession(
                model, self._options(threads), providers=[(provider, _provider_options(device))]
            )
            self.run(np.zeros((1, 128, 128, 3), np.uint8))
        except Exception as error:  # its errors have no common class
            raise refusal(backend, model, error) from error
        # A provider that fails to start is left out of the session with no more than a line on stderr.
        if self._session.get_providers()[0] != provider:
            raise EngineError(f'backend {backend!r}: {provider} did not start; its libraries are missing or too old')

    def _options(self, threads: int) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = self._runtime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = self._runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Threads wait busily inside a run, which small layers need, and not between pictures.
        options.add_session_config_entry('session.force_spinning_stop', '1')
        options.log_severity_level = 3
        return options

    def _infer(self, crops: np.ndarray, outputs: tuple[str, ...]) -> list[np.ndarray]:
        return self._session.run(list(outputs), {INPUT: crops})


def _provider_options(device: str) -> dict[str, Any]:
    if device == 'cuda':
        return {'use_tf32': '0', 'cudnn_conv_algo_search': 'EXHAUSTIVE'}
    if device == 'tensorrt':
        folder = cache_folder('tensorrt')
        folder.mkdir(parents=True, exist_ok=True)
        return {'trt_engine_cache_enable': True, 'trt_engine_cache_path': str(folder)}
    return {}
