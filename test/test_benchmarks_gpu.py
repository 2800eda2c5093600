"""The GPU benchmark, run on the CPU: what it measures, writes and says; CUDA's own calls are not reached here."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu_report import Result, verdict
from minimal_hand_core.data.augmentation import plain_crop
from minimal_hand_core.data.datasets.rendered import open_rendered
from minimal_hand_core.detnet.checkpoint import load_detnet


@pytest.fixture(autouse=True)
def one_thread_afterwards():
    yield
    torch.set_num_threads(1)


def test_a_quick_run(tmp_path, capsys):
    arguments = ['--device', 'cpu', '--quick', '--backbone', 'small', '--precision', 'float32', 'tf32']
    assert gpu.main([*arguments, '--batch', '1', '2', '--output', str(tmp_path)]) == 0
    content = json.loads((tmp_path / 'gpu.json').read_text())
    results = content['results']
    assert {(r['precision'], r['way'], r['batch']) for r in results} == {
        ('float32', way, batch) for way in ('eager', 'channels_last', 'folded') for batch in (1, 2)
    }
    for result in results:
        assert not result['error'] and 0 < result['low_ms'] <= result['median_ms'] <= result['high_ms']
        assert result['crops_per_second'] == pytest.approx(1e3 * result['batch'] / result['median_ms'])
        assert 0 <= result['keypoint_px'] < 0.01
    text = (tmp_path / 'gpu.md').read_text()
    assert text.count('| small |') == len(results) and content['machine']['device'] in text
    assert text.strip() in capsys.readouterr().out


@torch.no_grad()
def test_half_precision_is_that_of_the_convolutions():
    network = load_detnet()
    hands = open_rendered(None, 'validation', length=2)
    crops = torch.from_numpy(np.stack([plain_crop(hand)[0].image for hand in hands]))
    wanted = gpu.prepare(copy.deepcopy(network), 'float32', 'folded', torch.device('cpu'))(crops)[0].numpy()
    copied = copy.deepcopy(network)
    call = gpu.prepare(copied, 'bfloat16', 'folded', torch.device('cpu'))
    assert {parameter.dtype for parameter in copied.parameters()} == {torch.bfloat16}
    apart = np.abs(call(crops)[0].numpy() - wanted)
    # Not the largest: of two equal peaks of one joint's heat the other one may win.
    assert apart.dtype == np.float32 and 1e-3 < np.median(apart) < 0.5
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}, 'the reference stays whole'


def test_a_failure_is_a_row(monkeypatch, tmp_path):
    def prepare(network, precision, way, device):
        if way == 'folded':
            raise RuntimeError('CUDA out of memory. | Tried\nto allocate')
        return lambda crops: (torch.zeros(len(crops), 21, 2),)

    monkeypatch.setattr(gpu, 'prepare', prepare)
    arguments = ['--device', 'cpu', '--quick', '--backbone', 'small', '--precision', 'float32', '--batch', '1']
    assert gpu.main([*arguments, '--way', 'folded', 'eager', '--output', str(tmp_path)]) == 0
    failed, whole = json.loads((tmp_path / 'gpu.json').read_text())['results']
    assert failed['error'] == 'RuntimeError: CUDA out of memory. | Tried' and failed['median_ms'] is None
    assert whole['median_ms'] > 0 and whole['keypoint_px'] > 10
    assert '| RuntimeError: CUDA out of memory. / Tried |' in (tmp_path / 'gpu.md').read_text()


def test_no_gpu_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert gpu.main(['--output', str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert 'sees no CUDA device; try --device cpu --quick' in error and error.count('\n') == 1
    assert not list(tmp_path.iterdir())


def test_what_is_measured_on_a_gpu():
    options = gpu._parse([])
    found = list(gpu.configurations(torch.device('cuda'), options))
    assert len(found) == len(set(found))
    assert {('resnet50', 'bfloat16', 'graph', batch) for batch in (1, 64, 1024)} <= set(found)
    assert ('resnet50', 'float32', 'eager', 1) in found and ('small', 'float16', 'engine', 1) in found
    assert {batch for _, _, way, batch in found if way == 'compiled'} == {1, 256}
    assert {batch for _, _, way, batch in found if way == 'engine'} == {1}


def test_the_goal_is_judged_by_the_best():
    def result(way, milliseconds, **facts):
        return Result('resnet50', 'bfloat16', way, **{'batch': 1, 'median_ms': milliseconds, **facts})

    assert verdict([result('graph', None, error='no')]) == ''
    assert verdict([result('eager', 3.0), result('graph', 0.5), result('graph', 0.1, batch=64)]) == (
        'resnet50, one crop: 0.5 ms at best (bfloat16, graph); the goal of 1 ms is met'
    )
    assert 'not met' in verdict([result('eager', 3.0)])


def test_stretches_are_divided_by_their_calls():
    calls = []
    times = gpu.stretches(lambda: calls.append(1), torch.device('cpu'), groups=2, seconds=1e-3)
    assert len(times) == 2 and (len(calls) - 3) % 2 == 0 and len(calls) > 10
    assert max(times) < 1.0


@pytest.mark.parametrize('arguments', [['--batch', '0'], ['--way', 'steam'], ['--device', 'tpu']])
def test_bad_arguments(arguments):
    with pytest.raises(SystemExit) as stop:
        gpu.main(arguments)
    assert stop.value.code == 2
