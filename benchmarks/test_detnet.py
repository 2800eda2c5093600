"""DetNet on one crop, from pixels to keypoints: our engines, and the peer's way of running the same network."""

import copy
import time

import numpy as np
import pytest
import torch

from benchmarks.baselines.detnet import PeerDetNet
from benchmarks.rows import RESNET50, SMALL, TWO_THREADS
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


def make_engine(backend: str, network: DetNet, threads: int) -> NetworkEngine:
    """The network in an engine, in float32."""
    if backend == 'torch':
        return TorchEngine(copy.deepcopy(network), threads)
    pytest.importorskip('onnx')
    pytest.importorskip(backend)
    from minimal_hand_core.inference.onnx_model import export_model

    if backend == 'onnxruntime':
        from minimal_hand_core.inference.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(export_model(network), threads)
    from minimal_hand_core.inference.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(export_model(network), threads)


def worst_difference(found, expected) -> float:
    """Largest difference of three maps, relative to the largest value of each."""
    pairs = zip(found, (np.asarray(maps) for maps in expected), strict=True)
    return max(float(np.abs(np.asarray(a) - b).max() / np.abs(b).max()) for a, b in pairs)


def run_resnet50(benchmark, network, crop, backend, threads):
    engine = make_engine(backend, network, threads)
    worst = worst_difference(engine.maps(crop), PeerDetNet(network).maps(crop))
    assert worst < TOLERANCE
    benchmark(engine.run, crop)
    benchmark.extra_info['note'] = f'{engine.description}; maps differ by at most {worst:.0e} of their range'


def run_small(benchmark, crop, backend, threads):
    engine = make_engine(backend, load_detnet(), threads)
    benchmark(engine.run, crop)
    benchmark.extra_info['note'] = engine.description


@pytest.mark.benchmark(group=RESNET50)
@pytest.mark.parametrize('backend', ENGINES)
def test_ours_resnet50(benchmark, resnet50, crop, backend):
    run_resnet50(benchmark, resnet50, crop, backend, 1)


@pytest.mark.benchmark(group=RESNET50)
def test_peer_resnet50(benchmark, resnet50, crop):
    benchmark(PeerDetNet(resnet50).run, crop)


@pytest.mark.benchmark(group=SMALL)
@pytest.mark.parametrize('backend', ENGINES)
def test_ours_small(benchmark, crop, backend):
    run_small(benchmark, crop, backend, 1)


@pytest.mark.benchmark(group=f'{RESNET50}, {TWO_THREADS}', timer=time.perf_counter)
@pytest.mark.parametrize('backend', ENGINES)
def test_ours_resnet50_two_threads(benchmark, resnet50, crop, two_threads, backend):
    run_resnet50(benchmark, resnet50, crop, backend, 2)


@pytest.mark.benchmark(group=f'{RESNET50}, {TWO_THREADS}', timer=time.perf_counter)
def test_peer_resnet50_two_threads(benchmark, resnet50, crop, two_threads):
    benchmark(PeerDetNet(resnet50).run, crop)


@pytest.mark.benchmark(group=f'{SMALL}, {TWO_THREADS}', timer=time.perf_counter)
@pytest.mark.parametrize('backend', ENGINES)
def test_ours_small_two_threads(benchmark, crop, two_threads, backend):
    run_small(benchmark, crop, backend, 2)
