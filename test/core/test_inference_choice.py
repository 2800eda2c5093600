"""backend 'auto': what it measures, takes, says, keeps, and does with a cache that cannot be right."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from minimal_hand_core.cache import VARIABLE, cache_folder
from minimal_hand_core.detnet import CheckpointError
from minimal_hand_core.inference import EngineError, choice
from minimal_hand_core.inference.engine import MAP_OUTPUTS, NetworkEngine


class Clock:
    """Stands still until an engine works."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


CLOCK = Clock()


class FakeEngine(NetworkEngine):
    """Takes the time it is told to and answers with maps of one value."""

    def __init__(self, backend: str, seconds: float, value: float = 0.5, precision: str = 'float32') -> None:
        super().__init__(backend, 'fake', 'CPU', precision, 1)
        self.seconds, self.value = seconds, value

    def _infer(self, crops, outputs):
        CLOCK.now += self.seconds
        shapes = {name: (len(crops), 21, 3, 32, 32) for name in MAP_OUTPUTS}
        return [np.full(shapes.get(name, (len(crops), 21, 2)), self.value, np.float32) for name in outputs]


@pytest.fixture
def machine(monkeypatch, tmp_path, caplog):
    """A machine with three engines; `built` lists those that were made."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(choice, 'time', CLOCK)
    caplog.set_level(logging.INFO)

    class Machine:
        engines = {
            'torch': FakeEngine('torch', 2e-3),
            'onnxruntime': FakeEngine('onnxruntime', 5e-4),
            'openvino': FakeEngine('openvino', 1e-3),
        }
        built: list[str] = []

        @property
        def file(self):
            return next((tmp_path / 'engines').glob('*.json'))

    machine = Machine()
    machine.engines, machine.built = dict(machine.engines), []

    def build(name, weights, threads):
        machine.built.append(name)
        if isinstance(machine.engines[name], Exception):
            raise machine.engines[name]
        return machine.engines[name]

    monkeypatch.setattr(choice, 'build_engine', build)
    monkeypatch.setattr(choice, 'available_backends', lambda: list(machine.engines))
    return machine


def test_the_fastest_is_taken_and_one_line_says_why(machine, caplog):
    assert choice.choose() == 'onnxruntime'
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "backend 'auto' took onnxruntime: a crop takes onnxruntime 0.5 ms, openvino 1.0 ms, torch 2.0 ms (measured now)"
    )


def test_the_best_of_several_runs_counts(machine):
    class Uneven(FakeEngine):
        def _infer(self, crops, outputs):
            self.seconds = 1.5e-3 - self.seconds  # 1 ms and 0.5 ms in turns
            return super()._infer(crops, outputs)

    assert choice.measure({'a': Uneven('a', 5e-4), 'b': FakeEngine('b', 7e-4)}) == pytest.approx({'a': 5e-4, 'b': 7e-4})


def test_slow_networks_are_measured_for_seconds_only(machine):
    engine = FakeEngine('torch', 1.0)
    before = CLOCK.now
    choice.measure({'torch': engine})
    assert CLOCK.now - before == pytest.approx(choice.LEAST_ROUNDS)


def test_it_is_measured_once_per_machine(machine, caplog):
    choice.choose()
    machine.engines['openvino'].seconds = 0
    assert choice.choose() == 'onnxruntime'
    assert machine.built == ['torch', 'onnxruntime', 'openvino']
    assert caplog.records[-1].getMessage().endswith('(measured at an earlier start)')


@pytest.mark.parametrize(
    'change',
    [
        lambda patch: patch.setattr(choice, 'cpu_model', lambda: 'another processor'),
        lambda patch: patch.setattr(choice, 'versions', lambda: {'torch': '99'}),
        lambda patch: patch.setattr(choice, 'digest', lambda path: 'other weights'),
        lambda patch: patch.setattr(choice, 'usable_cores', lambda: 77),
    ],
)
def test_it_is_measured_anew_where_anything_changed(machine, monkeypatch, change):
    choice.choose()
    change(monkeypatch)
    machine.engines['openvino'].seconds = 0
    assert choice.choose() == 'openvino'


def test_it_is_measured_anew_for_other_threads(machine):
    choice.choose(threads=1)
    machine.built.clear()
    choice.choose(threads=2)
    assert machine.built


@pytest.mark.parametrize(
    'text',
    [
        '',
        '{',
        '[]',
        '{"key": 1}',
        '\xff',
        lambda stored: {**stored, 'seconds': {}},
        lambda stored: {**stored, 'seconds': {'torch': -1.0}},
        lambda stored: {**stored, 'seconds': {'abacus': 1.0}},
        lambda stored: {**stored, 'seconds': {'torch': float('nan')}},
        lambda stored: {**stored, 'seconds': 'fast'},
        lambda stored: {**stored, 'key': {}},
    ],
)
def test_corrupt_cache_is_measured_anew(machine, caplog, text):
    choice.choose()
    whole = machine.file.read_text()
    changed = text if isinstance(text, str) else json.dumps(text(json.loads(whole)))
    machine.file.write_text(changed, encoding='latin-1')
    machine.built.clear()
    assert choice.choose() == 'onnxruntime'
    assert len(machine.built) == 3
    assert 'is damaged, engines are measured again' in caplog.text
    assert json.loads(machine.file.read_text())['key'] == json.loads(whole)['key']


def test_cache_folder_that_cannot_be_written(machine, monkeypatch, tmp_path, caplog):
    (tmp_path / 'file').write_text('in the way')
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'file'))
    assert choice.choose() == 'onnxruntime'
    assert 'cannot be kept' in caplog.text


@pytest.mark.parametrize('value, precision', [(0.6, 'float32'), (float('nan'), 'float32'), (0.7, 'float16')])
def test_an_engine_that_disagrees_is_left_out(machine, caplog, value, precision):
    machine.engines['onnxruntime'] = FakeEngine('onnxruntime', 0, value, precision)
    assert choice.choose() == 'openvino'
    assert "backend 'auto' leaves out onnxruntime: its maps are" in caplog.text


def test_half_precision_may_differ_a_little(machine):
    machine.engines['onnxruntime'] = FakeEngine('onnxruntime', 0, 0.52, 'float16')
    assert choice.choose() == 'onnxruntime'


def test_an_engine_that_fails_is_left_out(machine, caplog):
    machine.engines['onnxruntime'] = RuntimeError('no such\ninstruction')
    assert choice.choose() == 'openvino'
    assert "backend 'auto' leaves out onnxruntime: no such instruction" in caplog.text


def test_a_failure_is_not_kept(machine):
    working, machine.engines['onnxruntime'] = machine.engines['onnxruntime'], RuntimeError('out of memory')
    assert choice.choose() == 'openvino'
    machine.engines['onnxruntime'] = working
    assert choice.choose() == 'onnxruntime'


def test_the_only_engine_needs_no_measurement(machine, caplog):
    machine.engines = {'torch': machine.engines['torch']}
    assert choice.choose() == 'torch'
    assert machine.built == []
    assert 'the only one here; onnxruntime is not installed (pip install onnx onnxruntime)' in caplog.text


def test_what_is_taken_by_name_alone(machine):
    machine.engines['openvino:npu'] = FakeEngine('openvino:npu', 0)
    assert choice.choose() == 'onnxruntime'
    assert 'openvino:npu' not in machine.built


def test_onnx_files_do_not_run_in_torch(machine, tmp_path):
    path = tmp_path / 'x.onnx'
    path.write_bytes(b'x')
    assert choice.choose(str(path)) == 'onnxruntime'
    assert machine.built == ['onnxruntime', 'openvino']
    machine.engines |= {'onnxruntime': RuntimeError('opset 999\n'), 'openvino': RuntimeError('unknown operator')}
    path.write_bytes(b'y')
    with pytest.raises(EngineError, match='x.onnx: opset 999; unknown operator'):
        choice.choose(str(path))
    machine.engines = {'torch': machine.engines['torch']}
    with pytest.raises(EngineError, match='x.onnx: pip install onnx onnxruntime'):
        choice.choose(str(path))


def test_without_torch_engines_are_held_against_the_first(machine, tmp_path, caplog):
    path = tmp_path / 'x.onnx'
    path.write_bytes(b'x')
    machine.engines['openvino'] = FakeEngine('openvino', 0, 0.6)
    assert choice.choose(str(path)) == 'onnxruntime'
    assert "backend 'auto' leaves out openvino: its maps are" in caplog.text


def test_missing_weights_are_named(machine):
    with pytest.raises(CheckpointError, match='nowhere.safetensors'):
        choice.choose('nowhere.safetensors')


def test_cache_folders(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert cache_folder('engines') == tmp_path / 'engines'
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache_folder('engines') == tmp_path / 'xdg' / 'minimal_hand_ros' / 'engines'
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert cache_folder('engines').parts[-3:] == ('.cache', 'minimal_hand_ros', 'engines')
