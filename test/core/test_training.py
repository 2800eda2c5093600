"""Training runs end to end on rendered hands: they learn, stop, and continue exactly."""

import csv

import cv2
import numpy as np
import pytest
import torch

from minimal_hand_core import option_types
from minimal_hand_core.detnet import load_detnet
from minimal_hand_core.training import train_detnet, train_iknet, train_shape
from minimal_hand_core.training.config import TrainingConfig, config_from_dict, load_config
from minimal_hand_core.training.recipe import ConfigError, parse_override
from minimal_hand_core.training.run import CHECKPOINT
from minimal_hand_core.training.schedule import learning_rate
from minimal_hand_core.training.state import RunState
from minimal_hand_core.training.stream import CropStream
from minimal_hand_core.training.train_detnet import WEIGHTS, main, train, train_step

TINY = {
    'steps': 4,
    'batch': 2,
    'warmup': 1,
    'checkpoint_every': 1,
    'data': {'rendered_share': 1.0},
    'validation': {'every': 4, 'rendered': 2},
}


@pytest.fixture
def tiny():
    return config_from_dict(TINY)


def test_a_run_that_stopped_continues_exactly(tiny, tmp_path):
    whole = train(tiny, tmp_path / 'whole')
    train(tiny, tmp_path / 'parts', stop_after=1)
    train(tiny, tmp_path / 'parts', stop_after=2)
    parts = train(tiny, tmp_path / 'parts')
    assert whole.step == parts.step == 4
    for (name, a), b in zip(whole.average.state_dict().items(), parts.average.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    rows = list(csv.DictReader((tmp_path / 'whole/metrics.csv').open()))
    assert [row['step'] for row in rows] == ['4']
    assert float(rows[0]['rendered_error']) > 0
    model = load_detnet(tmp_path / 'whole' / WEIGHTS)
    assert model.backbone == 'small' and not model.training
    saved, averaged, raw = (
        torch.cat([part.detach() for part in network.parameters() if part.ndim == 1])
        for network in (model, whole.averaged, whole.model)
    )
    assert torch.equal(saved, averaged) and not torch.equal(saved, raw), 'matrices are rounded, norms and biases not'


def test_a_batch_depends_on_seed_and_step_alone(tiny):
    again = CropStream(tiny)
    again[0]
    for key, value in CropStream(tiny)[3].items():
        assert torch.equal(value, again[3][key]), key
    assert not torch.equal(CropStream(tiny)[2]['images'], CropStream(tiny)[3]['images'])


def test_a_step_heeds_the_recipes_clip_and_the_factor_of_the_biomechanics():
    how = {**TINY, 'clip': 0.01, 'resolution': 32}
    batch, losses = CropStream(config_from_dict(how))[0], []
    for factor in (0.5, 1.5):
        state = RunState(config_from_dict({**how, 'biomechanical': factor}))
        losses.append([float(part.detach()) for part in train_step(state, batch)[:5]])
        gradients = [part.grad for part in state.model.parameters() if part.grad is not None]
        assert torch.nn.utils.get_total_norm(gradients) == pytest.approx(0.01, rel=1e-3)
    (once, *_, biomechanical), (thrice, *_) = losses
    assert thrice - once == pytest.approx(biomechanical, rel=1e-3) and biomechanical > 0


def test_a_failed_save_keeps_the_one_before(tiny, tmp_path, monkeypatch):
    state = RunState(tiny)
    state.step = 7
    state.save(tmp_path)

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', full)
    state.step = 8
    with pytest.raises(OSError, match='No space'):
        state.save(tmp_path)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]
    other = RunState(tiny)
    assert other.load(tmp_path) and other.step == 7


def test_a_run_of_other_settings_is_refused(tiny, tmp_path):
    RunState(tiny).save(tmp_path)
    other = RunState(config_from_dict({**TINY, 'batch': 3}))
    with pytest.raises(ValueError, match='batch: 2, not 3'):
        other.load(tmp_path)


def test_learning_rate_warms_up_and_ends_at_zero():
    config = TrainingConfig(steps=100, warmup=10, data=config_from_dict(TINY).data)
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(config.learning_rate / 10)
    assert max(rates) == pytest.approx(config.learning_rate)
    assert int(np.argmax(rates)) in (9, 10)
    assert rates[100] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('backbone: large', "backbone is 'large'"),
        ('stepz: 3', 'stepz is not a setting; choose from recipe, backbone'),
        ('steps: many', "steps is 'many'; expected int"),
        ('data: {rendered_share: 0.9, negative_share: 0.2}', 'negative_share + data.rendered_share is 1.1'),
        ('data: {rendered_share: 0.5}', 'data.real_hands is None'),
        ('warmup: 9000', 'warmup is 9000'),
        ('- 1', 'holds a list'),
        ('a: [', 'is not YAML'),
        ('recipe: old', "recipe is 'old'; give one of paper, modern"),
        ('recipe: paper', 'root of cmu_panoptic is None; give its folder, or data.root'),
        ('loss: huber', "loss is 'huber'; give one of auto, cells, joints, peer"),
        ('{backbone: resnet50, loss: cells}', "loss is 'cells'; give 'joints' or 'peer'"),
        ('{backbone: resnet50, resolution: 96}', 'resolution is 96; give 128'),
        ('reference: true', "give false, unless loss is 'peer'"),
        ('{loss: peer, biomechanical: 0.1}', "biomechanical is 0.1; give 0 with loss 'peer'"),
        ('schedule: steps', 'drop_every is 0; give at least 1'),
        ('precision: half', "precision is 'half'"),
        ('clip: -1', 'clip is -1.0'),
        ('validation: {datasets: [{name: stb}]}', 'validation.datasets: root of stb is None'),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, message):
    path = tmp_path / 'run.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert message in str(error.value)


def test_the_shipped_recipe_is_valid():
    config = load_config('config/training/detnet_small.yaml')
    assert config.backbone == 'small' and config.data.real_hands


def test_the_command_line_reports_a_missing_folder_and_what_belongs_there(tmp_path, capsys):
    arguments = ['--config', 'config/training/detnet_small.yaml', '--output', str(tmp_path / 'run')]
    status = main([*arguments, '--set', f'data.real_hands={tmp_path / "nowhere"}'])
    error = capsys.readouterr().err
    assert status == 1
    assert 'labels.json is missing' in error and 'images/SOURCE' in error and 'Traceback' not in error
    assert not (tmp_path / 'run' / WEIGHTS).exists()


@pytest.mark.parametrize('main', [train_detnet.main, train_iknet.main, train_shape.main])
@pytest.mark.parametrize(
    'option, value, said',
    [
        ('--threads', '-1', "'-1' is not a whole number, 0 or above"),
        ('--threads', '100000', '100000 is too many for 2 processor cores: give 1…8, or 0 for one per core'),
        ('--stop-after', '-1', "'-1' is not a whole number, 0 or above"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(main, option, value, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(option_types, 'usable_cores', lambda: 2)
    with pytest.raises(SystemExit) as end:
        main(['--config', 'recipe.yaml', '--output', str(tmp_path / 'run'), option, value])
    assert end.value.code == 2 and f'argument {option}: {said}' in capsys.readouterr().err


@pytest.mark.parametrize('main', [train_detnet.main, train_iknet.main, train_shape.main])
@pytest.mark.parametrize('more', ['', 'x/y'])
def test_an_output_that_is_a_file_is_named(main, more, tmp_path, capsys):
    photo = tmp_path / 'photo.jpg'
    photo.write_bytes(b'')
    assert main(['--config', 'recipe.yaml', '--output', str(photo / more)]) == 1
    assert f': --output {photo / more}: {photo} is a file; give a folder' in capsys.readouterr().err


def test_numbers_may_be_written_without_a_point(tmp_path):
    (tmp_path / 'recipe.yaml').write_text('learning_rate: 2e-3')
    assert load_config(tmp_path / 'recipe.yaml', dict([parse_override('weight_decay=1e-2')])).learning_rate == 0.002


@pytest.mark.parametrize(('batch', 'negative'), [(25, 0.1), (9, 0.5)])
def test_an_odd_batch_without_photos_is_whole(batch, negative, tmp_path):
    (tmp_path / 'photos').mkdir()
    for i in range(20):
        cv2.imwrite(str(tmp_path / 'photos' / f'{i}.png'), np.zeros((200, 200, 3), np.uint8))
    shares = {'negative_share': negative, 'rendered_share': 1 - negative}
    data = {'real_hands': None, 'backgrounds': str(tmp_path / 'photos'), **shares}
    stream = CropStream(config_from_dict({'batch': batch, 'data': data}))
    assert len(stream[0]['images']) == batch
