"""DetNet on one crop, from pixels to keypoints: our engines, and the peer's way of running the same network."""

import copy

import numpy as np
import pytest
import torch

from benchmarks.baselines.detnet import PeerDetNet
from minimal_hand_core.data.synthetic import SyntheticHands
from minimal_hand_core.detnet import DetNet, load_detnet
from minimal_hand_core.inference.engine import NetworkEngine
from minimal_hand_core.inference.torch_engine import TorchEngine

ENGINES = ('torch', 'onnxruntime', 'openvino')
TOLERANCE = 1e-3
"""Of the maps, relative to their largest value."""


@pytest.fixture(scope='module')
def crop():
    """(1, 128, 128, 3) uint8 RGB."""
    return np.ascontiguousarray(SyntheticHands(0)[0].image[None, ..., ::-1])


@pytest.fixture(scope='module')
def resnet50():
    """There are no weights to ship; random ones take as long."""
    torch.manual_seed(0)
    return DetNet('resnet50').eval()


def make_engine(backend: str, network: DetNet) -> NetworkEngine:
    """The network in one thread of an engine, in float32."""
    if backend == 'torch':
        return TorchEngine(copy.deepcopy(network), threads=1)
    pytest.importorskip('onnx')
    pytest.importorskip(backend)
    from minimal_hand_core.inference.onnx_model import export_model

    if backend == 'onnxruntime':
        from minimal_hand_core.inference.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(export_model(network), threads=1)
    from minimal_hand_core.inference.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(export_model(network), threads=1)


def worst_difference(found, expected) -> float:
    """Largest difference of three maps, relative to the largest value of each."""
    pairs = zip(found, (np.asarray(maps) for maps in expected), strict=True)
    return max(float(np.abs(np.asarray(a) - b).max() / np.abs(b).max()) for a, b in pairs)


@pytest.mark.benchmark(group='DetNet resnet50, one crop')
@pytest.mark.parametrize('backend', ENGINES)
def test_ours_resnet50(benchmark, resnet50, crop, backend):
    engine = make_engine(backend, resnet50)
    worst = worst_difference(engine.maps(crop), PeerDetNet(resnet50).maps(crop))
    assert worst < TOLERANCE
    benchmark(engine.run, crop)
    benchmark.extra_info['note'] = f'{engine.description}; maps differ by at most {worst:.0e} of their range'


@pytest.mark.benchmark(group='DetNet resnet50, one crop')
def test_peer_resnet50(benchmark, resnet50, crop):
    benchmark(PeerDetNet(resnet50).run, crop)


@pytest.mark.benchmark(group='DetNet small, one crop')
@pytest.mark.parametrize('backend', ENGINES)
def test_ours_small(benchmark, crop, backend):
    engine = make_engine(backend, load_detnet())
    benchmark(engine.run, crop)
    benchmark.extra_info['note'] = engine.description
