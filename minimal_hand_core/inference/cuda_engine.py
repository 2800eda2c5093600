"""DetNet in PyTorch on an NVIDIA GPU: half precision, channels last, each batch size recorded as one CUDA graph.

A network of fifty small layers on one crop is bound by the launching of kernels, not by arithmetic; a CUDA graph
launches all of them at once.

float16 rather than bfloat16, which is no faster: on 24 real crops it moves keypoints by 0.006 pixels of the crop in the
median, bfloat16 by 0.06. Numbers too large for it are seen when the engine is held against PyTorch, or fail it later.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from minimal_hand_core.detnet import DetNet, load_detnet
from minimal_hand_core.inference.availability import check_available
from minimal_hand_core.inference.engine import NetworkEngine
from minimal_hand_core.inference.graph import KeypointGraph, channels_last, fold_batch_norms
from minimal_hand_core.inference.torch_engine import OUTPUTS, WARM_UP_RUNS

MAX_GRAPHS = 8
"""Batch sizes that get a graph of their own; each holds the memory of its activations."""


class CudaEngine(NetworkEngine):
    """Runs a DetNet on the current CUDA device.

    Args:
        network: a DetNet; it is moved to the device, in half precision and channels last, its batch norms folded.
        dtype: of the convolutions. Decoding is in float32.

    Raises:
        EngineError: PyTorch sees no CUDA device.
    """

    def __init__(self, network: DetNet, dtype: torch.dtype = torch.float16) -> None:
        check_available('torch:cuda')
        device = torch.device('cuda', torch.cuda.current_device())
        name, precision = torch.cuda.get_device_name(device), str(dtype).removeprefix('torch.')
        super().__init__('torch:cuda', f'torch {torch.__version__}', name, precision)
        # Folded in float32, before the precision is halved.
        fold_batch_norms(network)
        graph = channels_last(KeypointGraph(network.to(device, dtype)))
        self._graphs = CudaGraphs(graph, device)
        self.run(np.zeros((1, 128, 128, 3), np.uint8))

    @classmethod
    def load(cls, weights: str = 'default') -> CudaEngine:
        """An engine with the weights of a checkpoint; raises CheckpointError as `load_detnet` does."""
        return cls(load_detnet(weights))

    def _infer(self, crops: np.ndarray, outputs: tuple[str, ...]) -> list[np.ndarray]:
        found = self._graphs(torch.from_numpy(crops))
        return [found[OUTPUTS.index(name)].cpu().numpy() for name in outputs]


class CudaGraphs:
    """A module whose calls are recorded once per batch size and then replayed.

    Args:
        module: from one (B, …) uint8 tensor to a tuple of tensors, on the device, without work on the CPU in between.
        device: a CUDA device.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module, self.device = module, device
        self._recorded: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor, tuple[torch.Tensor, ...]]] = {}

    @torch.inference_mode()
    def __call__(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The module's outputs, on the device; the next call of the same batch size writes over them."""
        batch = len(inputs)
        if batch not in self._recorded:
            if len(self._recorded) == MAX_GRAPHS:
                return self.module(inputs.to(self.device))
            self._recorded[batch] = self._record(inputs)
        graph, place, outputs = self._recorded[batch]
        place.copy_(inputs)
        graph.replay()
        return outputs

    def _record(self, inputs: torch.Tensor) -> tuple[torch.cuda.CUDAGraph, torch.Tensor, tuple[torch.Tensor, ...]]:
        place = inputs.to(self.device).clone()
        # What is done on the first runs (kernel choice, workspaces) must be over before anything is recorded.
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_RUNS):
                self.module(place)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self.module(place)
        return graph, place, outputs
