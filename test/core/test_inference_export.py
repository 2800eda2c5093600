"""export_onnx: the file and its metadata, INT8, and the files it does not write."""

from __future__ import annotations

import json

import cv2
import numpy as np
import onnx
import pytest
import torch

from minimal_hand_core.data.datasets.holdout import is_held_out
from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.datasets.rendered import open_rendered
from minimal_hand_core.evaluation import export_onnx
from minimal_hand_core.inference import create_engine
from minimal_hand_core.inference.onnx_model import OPSET, digest, export_model, model_facts
from minimal_hand_core.weights import ASSETS

pytestmark = pytest.mark.usefixtures('own_cache')


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """Six rendered hands laid out as labelled photos: four to calibrate on, two to test on."""
    folder = tmp_path_factory.mktemp('photos')
    groups = {split: [f'g{i}' for i in range(100) if is_held_out(f'g{i}') == split] for split in (True, False)}
    records = []
    for i, sample in enumerate(open_rendered(None, 'validation', length=6, size=128)):
        cv2.imwrite(str(folder / f'{i}.png'), sample.image)
        record = {'file': f'{i}.png', 'source': 'rendered', 'tier': 'A', 'side': 'right'}
        record |= {'keypoints_px': sample.keypoints_px.tolist(), 'world_m': sample.keypoints_m.tolist()}
        records.append({**record, 'near_dup_group': groups[i < 2][i]})
    (folder / 'labels.json').write_text(json.dumps(records))
    return folder


@pytest.fixture(scope='module')
def crops(photos):
    return export_onnx.cut_crops(RealHands(photos, 'all'), 6)


def test_command_writes_a_checked_file(tmp_path, photos, capsys, crops):
    path = tmp_path / 'small.onnx'
    assert export_onnx.main([str(path), '--crops', str(photos)]) == 0
    line = capsys.readouterr().out
    assert f'{path}: largest difference of a keypoint from PyTorch ' in line and 'on 2 real hands' in line
    assert float(line.split('PyTorch ')[1].split()[0]) < 0.01

    model = onnx.load(path)
    assert [entry.version for entry in model.opset_import] == [OPSET]
    assert [value.name for value in model.graph.output][:3] == ['uv', 'xyz', 'confidence']
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == 'batch'
    facts = model_facts(path.read_bytes())
    assert facts['weights_sha256'] == digest(ASSETS / 'detnet_small.safetensors')
    assert (facts['backbone'], facts['crop_size'], facts['precision']) == ('small', '128', 'float32')
    assert 'pixels' in facts['uv'] and 'X9' in facts['xyz'] and 'RGB' in facts['input']

    engine, wanted = create_engine('onnxruntime', str(path)), create_engine('torch')
    for batch in (1, 5):
        assert np.abs(engine.run(crops.images[:batch]).uv - wanted.run(crops.images[:batch]).uv).max() < 0.01


def test_rendered_hands_are_the_default(tmp_path, capsys):
    assert export_onnx.main([str(tmp_path / 'a.onnx'), '--limit', '2']) == 0
    assert 'on 2 rendered hands' in capsys.readouterr().out


def test_a_file_that_differs_is_not_written(tmp_path, photos, monkeypatch, capsys):
    def export_another(network, metadata=None):
        other = export_onnx.load_detnet('default')
        with torch.no_grad():
            other.small.heat.project[0].weight.mul_(1.2)
        return export_model(other, metadata)

    monkeypatch.setattr(export_onnx, 'export_model', export_another)
    path = tmp_path / 'small.onnx'
    assert export_onnx.main([str(path), '--crops', str(photos)]) == 1
    assert 'from where PyTorch does, more than 0.05: nothing is written' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


class Answer:
    """An engine that always says the same."""

    def __init__(self, uv):
        self.uv = uv

    def run(self, images):
        return self


def test_difference_is_the_largest_distance():
    crops, uv = np.zeros((2, 128, 128, 3), np.uint8), np.zeros((2, 21, 2), np.float32)
    moved = uv.copy()
    moved[1, 4] = 3, 4
    assert export_onnx.keypoint_difference(Answer(moved), Answer(uv), crops) == pytest.approx(5)
    moved[0, 0] = np.nan
    assert export_onnx.keypoint_difference(Answer(moved), Answer(uv), crops) == np.inf


def test_int8(tmp_path, photos, capsys, crops, monkeypatch):
    monkeypatch.setattr(export_onnx, 'LARGEST_COST', 0.1)  # two hands cannot tell a thousandth
    path = tmp_path / 'int8.onnx'
    assert export_onnx.main([str(path), '--int8', '--calibration', str(photos)]) == 0
    line = capsys.readouterr().out
    assert 'INT8, calibrated on 4 crops' in line and 'on 2 others: ' in line
    before, after = line.split('a crop takes ')[1].removesuffix(' ms\n').split(' and ')
    assert 0 < float(before) < 1000 and 0 < float(after) < 1000
    facts = model_facts(path.read_bytes())
    assert (facts['precision'], facts['calibration_crops'], facts['backbone']) == ('int8', '4', 'small')
    assert path.stat().st_size < 0.5 * (4 * 3.4e6)  # network and refiner, whose numbers stay float32
    engine = create_engine('onnxruntime', str(path))
    assert 'int8' in engine.description
    apart = np.linalg.norm(engine.run(crops.images).uv - create_engine('torch').run(crops.images).uv, axis=-1)
    assert 0.01 < np.median(apart) < 2


def test_int8_that_costs_too_much_is_not_written(tmp_path, crops, monkeypatch):
    scores = iter([0.9, 0.895])
    monkeypatch.setattr(export_onnx, 'accuracy', lambda engine, crops: next(scores))
    monkeypatch.setattr(export_onnx, 'quantize_model', lambda model, crops: model)
    with pytest.raises(ValueError, match='from 0.9000 to 0.8950, 0.005 or more: nothing is written'):
        export_onnx.export_int8('default', tmp_path / 'a.onnx', crops.images[:2], crops)
    assert not list(tmp_path.iterdir())


def test_accuracy_is_one_for_the_truth(crops):
    assert export_onnx.accuracy(Answer(crops.uv), crops) == pytest.approx(1.0)
    assert export_onnx.accuracy(Answer(crops.uv + 1000), crops) == 0.0


@pytest.mark.parametrize(
    'arguments, text',
    [
        (['a.pt'], "output is 'a.pt': give the name of a .onnx file"),
        (['a.onnx', '--int8'], '--int8 and --calibration FOLDER belong together'),
        (['a.onnx', '--calibration', 'x'], '--int8 and --calibration FOLDER belong together'),
        (['a.onnx', '--limit', '0'], 'must be 1 or more'),
        (['no/such/folder/a.onnx'], 'there is no folder no/such/folder'),
    ],
)
def test_bad_arguments(capsys, arguments, text):
    with pytest.raises(SystemExit) as stop:
        export_onnx.main(arguments)
    assert stop.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments, text',
    [
        (['a.onnx', '--crops', 'nowhere'], 'nowhere'),
        (['a.onnx', '--weights', 'nowhere.pth', '--limit', '1'], 'nowhere.pth'),
    ],
)
def test_what_is_missing_is_named(capsys, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert export_onnx.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith('export_onnx: ') and text in error
