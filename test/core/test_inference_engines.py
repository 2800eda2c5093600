"""Every engine gives what the plain network gives, on rendered hands and on real ones, and says what it lacks."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from near import check_near

from minimal_hand_core.cache import VARIABLE
from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.datasets.rendered import open_rendered
from minimal_hand_core.data.rendered import RenderedSource
from minimal_hand_core.detnet import CheckpointError, DetNet, load_detnet, save_detnet
from minimal_hand_core.evaluation.export_onnx import cut_crops
from minimal_hand_core.inference import BACKENDS, EngineError, available_backends, create, create_engine, onnx_model
from minimal_hand_core.inference.agreement import plain_maps
from minimal_hand_core.inference.cuda_engine import CudaEngine, CudaGraphs
from minimal_hand_core.inference.engine import KEYPOINT_OUTPUTS, MAP_OUTPUTS
from minimal_hand_core.inference.graph import KeypointGraph, fold_batch_norms
from minimal_hand_core.inference.machine import usable_cores
from minimal_hand_core.inference.onnx_model import export_model, model_of
from minimal_hand_core.inference.torch_engine import TorchEngine
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig

TOLERANCE = {'uv': 0.01, 'xyz': 1e-4, 'confidence': 1e-4, 'heatmaps': 1e-3, 'deltas': 1e-3, 'locations': 1e-3}
"""Pixels of the crop, network units, shares: what float32 may differ by. Seen on 256 real crops: 1e-4 pixels."""
ROUGH = {'uv': 0.3, 'xyz': 6e-3, 'confidence': 4e-3, 'heatmaps': 1e-5, 'deltas': 0.015, 'locations': 6e-3}
"""The same of bfloat16, of the median; single joints on doubtful maps differ by pixels. Seen on 24 rendered crops, on a
processor with instructions for it: 0.1 pixels, 0.0017, 0.0011, 1e-7, 0.0036, 0.0018."""
HERE = available_backends()


pytestmark = pytest.mark.usefixtures('own_cache')


@pytest.fixture(autouse=True)
def one_thread_afterwards():
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope='module')
def crops():
    return cut_crops(open_rendered(None, 'validation', length=4, size=128), 4).images


@pytest.fixture(scope='module')
def plain():
    """The network and its decoder as they are, without any engine."""
    graph = KeypointGraph(load_detnet())

    def run(crops: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return dict(zip(KEYPOINT_OUTPUTS + MAP_OUTPUTS, (part.numpy() for part in graph(torch.from_numpy(crops)))))

    return run


@pytest.fixture(scope='module')
def engines():
    return {backend: create_engine(backend) for backend in HERE}


@pytest.fixture(scope='module')
def onnx_file(tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'small.onnx'
    path.write_bytes(model_of())
    return path


def test_engines_of_every_runtime_are_tested():
    assert {'torch', 'onnxruntime'} <= set(HERE) <= set(BACKENDS)


@pytest.mark.parametrize('backend', HERE)
def test_rendered_hands(engines, plain, crops, backend):
    engine, wanted = engines[backend], plain(crops)
    maps = engine.maps(crops)
    for name in MAP_OUTPUTS:
        check_near(backend, name, getattr(maps, name), wanted[name], TOLERANCE, ROUGH)
    for batch in (4, 1, 3):
        output = engine.run(crops[:batch])
        for name in KEYPOINT_OUTPUTS:
            value = getattr(output, name)
            assert value.dtype == np.float32
            assert value.shape == wanted[name][:batch].shape
            check_near(backend, name, value, wanted[name][:batch], TOLERANCE, ROUGH)
        assert output.network_seconds > 0 and output.decode_seconds == 0


@pytest.mark.parametrize('backend', HERE)
def test_real_hands(engines, plain, shared_path, backend):
    crops = cut_crops(RealHands(shared_path('data/real_hands'), 'validation'), 12).images
    found, wanted = engines[backend].run(crops).uv, plain(crops)['uv']
    print(f'{backend}: largest keypoint difference {np.abs(found - wanted).max():.2g} px on {len(crops)} real crops')
    check_near(backend, 'uv', found, wanted, TOLERANCE, ROUGH)


@pytest.mark.parametrize('backend', HERE)
def test_answers_belong_to_the_caller(engines, crops, backend):
    first = engines[backend].run(crops[:1])
    copy = first.uv.copy()
    engines[backend].run(crops[1:2])
    assert np.array_equal(first.uv, copy)


@pytest.mark.parametrize('backend', HERE)
def test_crops_of_any_memory_layout(engines, crops, backend):
    mirrored = crops[:, :, ::-1]
    wanted = engines[backend].run(np.ascontiguousarray(mirrored)).uv
    assert np.array_equal(engines[backend].run(mirrored).uv, wanted)


@pytest.mark.parametrize('backend', HERE)
@pytest.mark.parametrize(
    'shape, dtype',
    [((128, 128, 3), 'uint8'), ((1, 3, 128, 128), 'uint8'), ((1, 128, 128, 3), 'float32'), ((0, 128, 128, 3), 'uint8')],
)
def test_bad_crops_are_named(engines, backend, shape, dtype):
    for call in (engines[backend].run, engines[backend].maps):
        with pytest.raises(ValueError, match='crops are'):
            call(np.zeros(shape, dtype))


def test_tracker_runs_with_each(engines):
    source = RenderedSource(seed=0)
    shots = [source.read() for _ in range(3)]
    states = {}
    for backend in HERE:
        tracker = HandTracker(
            HandTrackerConfig(backend=backend), engine=engines[backend] if backend == 'torch' else None
        )
        states[backend] = [tracker.track(shot.image, i / 30, source.camera) for i, shot in enumerate(shots)]
    assert any(state is not None for state in states['torch'])
    for backend in HERE:
        for state, wanted in zip(states[backend], states['torch']):
            assert (state is None) == (wanted is None)
            if state is not None:
                # Pixels of the picture, of which a crop's holds about two here. From the second picture on crops differ
                # by a millionth of a pixel too, and some grey values by one.
                assert np.median(np.abs(state.uv - wanted.uv)) < (0.6 if backend == 'torch:bfloat16' else 0.04)
                assert np.abs(state.uv - wanted.uv).max() < (3.0 if backend == 'torch:bfloat16' else 0.2)


def counted_threads(backend: str, threads: int) -> int:
    """Threads that an engine made with `threads` says it has; checks its description, too."""
    engine = create_engine(backend, threads=threads)
    inner = getattr(engine, '_engine', engine)
    if backend == 'torch':
        found = torch.get_num_threads()
    elif backend == 'onnxruntime':
        found = inner._session.get_session_options().intra_op_num_threads
    else:
        found = inner._request.get_compiled_model().get_property('INFERENCE_NUM_THREADS')
    assert engine.description.endswith(f'float32, {found} thread{"s" if found > 1 else ""}')
    return found


@pytest.mark.parametrize('backend', ['torch', 'onnxruntime'])
def test_threads_are_set(backend, monkeypatch):
    # Not run: two threads of PyTorch that wait for each other on a busy machine take minutes.
    monkeypatch.setattr('minimal_hand_core.inference.torch_engine.WARM_UP_RUNS', 0)
    monkeypatch.setattr('minimal_hand_core.inference.torch_engine._freeze', lambda graph: graph)
    assert [counted_threads(backend, threads) for threads in (2, 0, 1)] == [2, usable_cores(), 1]


def test_threads_of_openvino_are_set():
    """In a process of its own: a process that forks after OpenVINO had several threads dies, and later tests fork."""
    pytest.importorskip('openvino', reason='openvino is not installed')
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_inference_engines import counted_threads
print(*(counted_threads('openvino', threads) for threads in (2, 0, 1)))
"""
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ['2', str(usable_cores()), '1']


def test_threads_below_zero_are_refused():
    with pytest.raises(ValueError, match='threads are -1'):
        create_engine('torch', threads=-1)


def test_the_log_says_what_runs_whoever_chose_it(monkeypatch, caplog, engines):
    monkeypatch.setattr('minimal_hand_core.inference.choice.choose', lambda weights, threads: 'torch')
    monkeypatch.setattr(create, 'build_engine', lambda *_: engines['torch'])
    with caplog.at_level(logging.INFO):
        create_engine('auto')
    assert caplog.messages == [f'network runs in torch {torch.__version__}, CPU, float32, 1 thread']


def test_unknown_backends_name_the_choices():
    for name in ('tpu', 'torch:tpu', ''):
        with pytest.raises(EngineError, match=f'backend is {name!r}; give one of {", ".join(BACKENDS)}'):
            create_engine(name)


@pytest.mark.parametrize('backend', [name for name in BACKENDS[1:] if name not in HERE])
def test_missing_devices_name_what_there_is(backend):
    with pytest.raises(EngineError, match=f"backend '{backend}': .*; here there are auto, torch"):
        create_engine(backend)


@pytest.mark.parametrize(
    'backend, module, mend',
    [
        ('onnxruntime', 'onnxruntime', 'pip install onnx onnxruntime'),
        ('onnxruntime:cuda', 'onnx', 'pip install onnx onnxruntime'),
        ('openvino', 'openvino', 'pip install onnx openvino'),
    ],
)
def test_missing_packages_name_what_installs_them(monkeypatch, backend, module, mend):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(EngineError, match=f'needs the package {module}: {mend}'):
        create_engine(backend)


def test_broken_package_is_no_reason_to_fail(monkeypatch):
    monkeypatch.setattr('minimal_hand_core.inference.availability._devices', lambda runtime: 1 / 0)
    assert 'torch' in available_backends()
    with pytest.raises(EngineError, match='does not start'):
        create_engine('onnxruntime:cuda')


def fail(*_):
    raise RuntimeError('out of\nmemory')


@pytest.mark.parametrize('whole_runs', [0, 2])
def test_engine_that_fails_at_run_time_is_replaced_once(crops, engines, monkeypatch, caplog, whole_runs):
    """At the first picture, and in the midst of a run."""
    engine = create_engine('onnxruntime')
    for _ in range(whole_runs):
        assert np.array_equal(engine.run(crops).uv, engines['onnxruntime'].run(crops).uv)
    monkeypatch.setattr(engine._engine, '_infer', fail)
    with caplog.at_level(logging.WARNING):
        output = engine.run(crops)
        engine.run(crops)
    assert np.array_equal(output.uv, engines['torch'].run(crops).uv)
    assert engine.backend == 'torch' and engine.description.startswith('torch')
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ['onnxruntime failed and torch takes its place: RuntimeError: out of memory']
    monkeypatch.setattr(engine._engine, '_infer', fail)
    with pytest.raises(RuntimeError):
        engine.run(crops)


def test_answers_that_are_no_numbers_are_a_failure(crops, engines, monkeypatch, caplog):
    engine = create_engine('onnxruntime')
    infer = engine._engine._infer

    def overflow(crops, outputs):
        found = infer(crops, outputs)
        found[0][0, 20, 1] = np.nan
        return found

    monkeypatch.setattr(engine._engine, '_infer', overflow)
    assert np.array_equal(engine.run(crops).uv, engines['torch'].run(crops).uv)
    assert engine.backend == 'torch'
    assert 'onnxruntime failed and torch takes its place: its answers are not finite numbers' in caplog.text


def test_engine_that_answers_otherwise_than_torch_is_refused(monkeypatch, caplog, crops, engines):
    """Whatever the reason: here its model is of other weights."""
    network = load_detnet()
    with torch.no_grad():
        network.small.location.prediction.bias.add_(0.01)
    model = export_model(network)
    monkeypatch.setattr(create, 'model_of', lambda weights: model)
    engine = create_engine('onnxruntime')
    assert engine.backend == 'torch' and np.array_equal(engine.run(crops).xyz, engines['torch'].run(crops).xyz)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    said = 'onnxruntime failed and torch takes its place: its maps are 0.0[0-9]+ from those of torch, more than 0.002'
    assert re.fullmatch(said, warning)


@pytest.mark.parametrize('threads', [1, 2])
def test_comparing_leaves_the_threads_of_torch(threads):
    torch.set_num_threads(threads)
    plain_maps('default')
    assert torch.get_num_threads() == threads


def test_bad_crops_are_no_failure_of_the_engine(engines, caplog):
    with pytest.raises(ValueError, match='crops are'):
        engines['onnxruntime'].run(np.zeros((1, 64, 64, 3), np.uint8))
    assert engines['onnxruntime'].backend == 'onnxruntime' and not caplog.records


def with_opset(model: bytes, version: int) -> bytes:
    loaded = onnx.load_model_from_string(model)
    loaded.opset_import[0].version = version
    return loaded.SerializeToString()


def test_model_of_the_wrong_opset_falls_back(monkeypatch, caplog, crops, engines):
    model = with_opset(model_of(), 999)
    monkeypatch.setattr(create, 'model_of', lambda weights: model)
    engine = create_engine('onnxruntime')
    assert engine.backend == 'torch'
    assert 'onnxruntime failed and torch takes its place' in caplog.text and 'opset' in caplog.text
    assert np.array_equal(engine.run(crops).uv, engines['torch'].run(crops).uv)


@pytest.mark.parametrize('damage', [lambda data: data[:1000], lambda data: data[:-9] + b'123456789'])
def test_damaged_cached_model_is_made_again(own_cache, caplog, damage, crops, engines, monkeypatch):
    model = model_of()
    monkeypatch.setattr(onnx_model, 'export_model', lambda network, metadata: model)
    path = next((own_cache / 'models').glob('*.onnx'))
    path.write_bytes(damage(model))
    engine = create_engine('onnxruntime')
    assert 'is damaged and is made again' in caplog.text
    assert path.read_bytes() == model
    assert np.array_equal(engine.run(crops).uv, engines['onnxruntime'].run(crops).uv)


def test_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch, caplog):
    model = model_of()
    monkeypatch.setattr(onnx_model, 'export_model', lambda network, metadata: model)
    (tmp_path / 'file').write_text('in the way')
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'file'))
    assert create_engine('onnxruntime').backend == 'onnxruntime'
    assert 'cannot be kept' in caplog.text


@pytest.mark.parametrize('backend', [name for name in HERE if not name.startswith('torch')])
def test_onnx_file_as_weights(onnx_file, engines, crops, backend):
    engine = create_engine(backend, str(onnx_file))
    assert np.array_equal(engine.run(crops).uv, engines[backend].run(crops).uv)


def test_onnx_file_has_no_other_engine(onnx_file, tmp_path):
    with pytest.raises(EngineError, match='small.onnx.*onnxruntime'):
        create_engine('torch', str(onnx_file))
    newer = tmp_path / 'newer.onnx'
    newer.write_bytes(with_opset(onnx_file.read_bytes(), 999))
    with pytest.raises(
        EngineError,
        match='does not take the model, which has opset 999: write it anew with export_onnx, which takes 17',
    ):
        create_engine('onnxruntime', str(newer))
    with pytest.raises(CheckpointError, match='none.onnx'):
        create_engine('onnxruntime', str(tmp_path / 'none.onnx'))


def test_files_that_are_no_model_of_ours(tmp_path, onnx_file):
    path = tmp_path / 'x.onnx'
    path.write_bytes(b'\x08 no model')
    with pytest.raises(EngineError, match='not'):
        create_engine('onnxruntime', str(path))
    other = onnx.load(onnx_file)
    other.graph.output[0].name = 'points'
    onnx.save(other, path)
    with pytest.raises(EngineError, match='outputs points.*export_onnx'):
        create_engine('onnxruntime', str(path))


def test_bfloat16_is_near(plain, crops):
    engine = TorchEngine(load_detnet(), dtype=torch.bfloat16)
    assert engine.backend == 'torch:bfloat16' and 'bfloat16' in engine.description
    output, wanted = engine.run(crops), plain(crops)
    assert output.uv.dtype == np.float32
    apart = np.linalg.norm(output.uv - wanted['uv'], axis=-1)
    assert 1e-4 < np.median(apart) < 0.5


@pytest.mark.parametrize('backbone', ['small', 'resnet50'])
def test_folded_batch_norms_change_nothing(backbone):
    torch.manual_seed(0)
    network = DetNet(backbone).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # not the identity they begin as
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
    images = torch.rand(1, 3, 128, 128) - 0.5
    with torch.no_grad():
        wanted = network(images)
        found = fold_batch_norms(network)(images)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    for maps, other in zip(found, wanted):
        assert (maps - other).abs().max() < 1e-4 * max(1.0, float(other.abs().max()))


@pytest.mark.slow
def test_resnet50(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / 'resnet50.safetensors'
    save_detnet(DetNet('resnet50'), path)
    crop = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), np.uint8)
    wanted = create_engine('torch', str(path)).maps(crop)
    for backend in HERE:
        if not backend.startswith('torch'):
            for value, other in zip(create_engine(backend, str(path)).maps(crop), wanted):
                assert np.abs(value - other).max() < 1e-3 * max(1, np.abs(other).max())


def test_cuda_engine_says_that_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(EngineError, match="backend 'torch:cuda': PyTorch .* CUDA"):
        CudaEngine(DetNet('small'))


@pytest.mark.parametrize('fold', [False, True])
def test_float16_is_near(plain, crops, fold):
    """What CudaEngine runs, on the processor."""
    network = load_detnet()
    graph = KeypointGraph((fold_batch_norms(network) if fold else network).to(torch.float16))
    with torch.no_grad():
        found = graph(torch.from_numpy(crops))
    apart = np.linalg.norm(found[0].numpy() - plain(crops)['uv'], axis=-1)
    assert found[0].dtype == torch.float32 and 1e-4 < np.median(apart) < 0.05


class FakeCuda:
    """torch.cuda's graphs, played on the CPU: what is run while recording is run again at each replay."""

    def __init__(self, module):
        self.module, self.recorded = module, 0
        outer = self

        class Graph:
            def replay(self):
                with torch.no_grad():
                    for place, value in zip(self.outputs, outer.module(self.place)):
                        place.copy_(value)

        class Recording:
            def __init__(self, graph):
                outer.graph = graph

            def __enter__(self):
                outer.recorded += 1

            def __exit__(self, *_):
                outer.graph.place, outer.graph.outputs = outer.last

        class Stream:
            def __init__(self, device=None):
                pass

            def wait_stream(self, other):
                pass

            __enter__ = __exit__ = wait = lambda self, *_: None

        self.CUDAGraph, self.graph_context, self.Stream = Graph, Recording, Stream
        self.last = None


def test_cuda_graphs_are_recorded_once_per_batch_size(monkeypatch):
    calls = []

    class Doubling(torch.nn.Module):
        def forward(self, x):
            calls.append(len(x))
            fake.last = (x, (x * 2.0,))
            return fake.last[1]

    module = Doubling()
    fake = FakeCuda(lambda x: (x * 2.0,))
    for name in ('CUDAGraph', 'Stream'):
        monkeypatch.setattr(torch.cuda, name, getattr(fake, name))
    monkeypatch.setattr(torch.cuda, 'graph', fake.graph_context)
    monkeypatch.setattr(torch.cuda, 'stream', lambda stream: stream)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device=None: fake.Stream())
    graphs = CudaGraphs(module, torch.device('cpu'))
    for value in (1, 2, 3):
        for batch in (1, 2):
            x = torch.full((batch, 4), value, dtype=torch.uint8)
            assert torch.equal(graphs(x)[0], x * 2.0)
            assert torch.equal(x, torch.full((batch, 4), value, dtype=torch.uint8))
    assert fake.recorded == 2
    before = len(calls)
    for batch in range(3, 14):
        assert len(graphs(torch.ones(batch, 4, dtype=torch.uint8))[0]) == batch
    assert fake.recorded == 8  # larger numbers of batch sizes run without a graph
    assert len(calls) > before
