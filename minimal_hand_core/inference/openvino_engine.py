"""DetNet in OpenVINO: on the CPU, and on Intel's GPUs and NPUs."""

from __future__ import annotations

import numpy as np

from minimal_hand_core.inference.availability import check_available
from minimal_hand_core.inference.engine import NetworkEngine
from minimal_hand_core.inference.onnx_model import model_facts, refusal


class OpenVinoEngine(NetworkEngine):
    """Runs an exported model with OpenVINO.

    The CPU computes in float32, also where it could do with less; GPU and NPU in float16.

    Args:
        model: serialised ONNX model of `export_model`.
        threads: threads of one run on the CPU, ≥ 1.
        device: 'cpu', 'gpu' or 'npu'.

    Raises:
        EngineError: the package is not installed, or sees no such device.
        ModelError: it does not take the model.
    """

    def __init__(self, model: bytes, threads: int = 1, device: str = 'cpu') -> None:
        backend = 'openvino' if device == 'cpu' else f'openvino:{device}'
        check_available(backend)
        import openvino

        core, name = openvino.Core(), device.upper()
        precision = model_facts(model).get('precision', 'float32')
        if precision == 'float32' and device != 'cpu':
            precision = 'float16'
        runtime = f'openvino {openvino.__version__.split("-")[0]}'
        super().__init__(backend, runtime, name, precision, threads if device == 'cpu' else 0)
        settings: dict[str, object] = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_PRECISION_HINT': 'f32' if device == 'cpu' else 'f16',
        }
        if device == 'cpu':
            # Not pinned: on a machine with other work, a thread bound to one core waits for whoever is on it.
            settings |= {'INFERENCE_NUM_THREADS': threads, 'NUM_STREAMS': 1, 'ENABLE_CPU_PINNING': False}
        try:
            graph = core.read_model(model)
            self._one_by_one = device == 'npu'  # which knows fixed shapes alone
            if self._one_by_one:
                graph.reshape([1, 128, 128, 3])
            self._request = core.compile_model(graph, name, settings).create_infer_request()
            self.run(np.zeros((1, 128, 128, 3), np.uint8))
        except Exception as error:  # plain RuntimeErrors of C++
            raise refusal(backend, model, error) from error

    def _infer(self, crops: np.ndarray, outputs: tuple[str, ...]) -> list[np.ndarray]:
        if self._one_by_one and len(crops) > 1:
            parts = [self._infer(crops[i : i + 1], outputs) for i in range(len(crops))]
            return [np.concatenate(column) for column in zip(*parts)]
        self._request.infer({0: crops}, share_inputs=True)
        return [np.array(self._request.get_tensor(name).data, np.float32) for name in outputs]
