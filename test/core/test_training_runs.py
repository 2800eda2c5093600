"""What becomes of a run: killed, resumed with other data or settings, out of disk space, not finite; what it logs."""

import csv
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from minimal_hand_core.detnet import DetNet, load_detnet, save_detnet
from minimal_hand_core.detnet.checkpoint import checkpoint_metadata
from minimal_hand_core.training import state as state_module
from minimal_hand_core.training import train_detnet
from minimal_hand_core.training.comparison import changes, plain
from minimal_hand_core.training.config import config_from_dict, load_config
from minimal_hand_core.training.logs import NO_TENSORBOARD, append_row, read_rows, trim_rows
from minimal_hand_core.training.meter import Meter
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.run import CHECKPOINT
from minimal_hand_core.training.schedule import stepped_rate
from minimal_hand_core.training.state import RunState, choose_dtype
from minimal_hand_core.training.stream import CropStream
from minimal_hand_core.training.train_detnet import main, train, train_step

QUICK = {
    'steps': 12, 'batch': 2, 'warmup': 1, 'checkpoint_every': 1, 'log_every': 3, 'tensorboard': False,
    'validation': {'every': 8, 'rendered': 2},
}  # fmt: skip


@pytest.fixture
def quick():
    return config_from_dict(QUICK)


@pytest.fixture
def backgrounds(tmp_path, rng):
    """A folder of four pictures without a hand."""
    folder = tmp_path / 'backgrounds'
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f'room{number}.png'), rng.integers(0, 255, (150, 150, 3), np.uint8))
    return folder


def without_seconds(path):
    return [{name: value for name, value in row.items() if name != 'seconds'} for row in read_rows(path)]


def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(quick, tmp_path):
    """SIGKILL, wherever it strikes; the resumed run has the same weights, losses and scores, to the last bit."""
    whole = train(quick, tmp_path / 'whole')
    path = tmp_path / 'run.yaml'
    path.write_text(yaml.safe_dump(QUICK))
    command = [sys.executable, '-m', 'minimal_hand_core.training.train_detnet', '--threads', '1']
    command += ['--config', str(path), '--output', str(tmp_path / 'run')]
    environment = {**os.environ, 'PYTHONUNBUFFERED': '1'}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True, start_new_session=True) as run:
        for line in run.stdout:
            if line.startswith('step 6:'):
                break
        os.killpg(run.pid, signal.SIGKILL)
    kept = torch.load(tmp_path / 'run' / CHECKPOINT, weights_only=True)['step']
    assert 5 <= kept < 12
    resumed = train(quick, tmp_path / 'run')
    for (name, a), b in zip(whole.average.state_dict().items(), resumed.average.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for name in ('loss.csv', 'metrics.csv'):
        assert without_seconds(tmp_path / 'whole' / name) == without_seconds(tmp_path / 'run' / name)
    saved = [torch.load(tmp_path / part / CHECKPOINT, weights_only=True) for part in ('whole', 'run')]
    assert torch.equal(*(state['random']['cpu'] for state in saved))
    assert all(state['version'] for state in saved)


def test_a_run_stopped_in_its_last_validation_does_it_again(tmp_path, monkeypatch):
    config = config_from_dict({**QUICK, 'steps': 4, 'checkpoint_every': 2, 'validation': {'every': 4, 'rendered': 2}})

    def full(*_):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(train_detnet, 'save_weights', full)
        with pytest.raises(OSError, match='No space'):
            train(config, tmp_path)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)['step'] == 2
    train(config, tmp_path)
    assert [row['step'] for row in read_rows(tmp_path / 'metrics.csv')] == ['4']
    assert (tmp_path / 'detnet.safetensors').exists() and (tmp_path / 'best.safetensors').exists()


def test_random_numbers_go_on_where_they_were(quick, tmp_path):
    state = RunState(quick)
    torch.rand(5)
    state.save(tmp_path)
    wanted = torch.rand(3)
    torch.manual_seed(99)
    RunState(quick).load(tmp_path)
    assert torch.equal(torch.rand(3), wanted)


def test_other_data_are_refused_by_name(backgrounds, tmp_path, capsys):
    quick = {**QUICK, 'validation': {'every': 8, 'rendered': 0}}
    config = config_from_dict({**quick, 'data': {'backgrounds': str(backgrounds), 'workers': 0}})
    train(config, tmp_path / 'run', stop_after=1)
    (tmp_path / 'elsewhere').symlink_to(backgrounds)
    moved = config_from_dict({**quick, 'data': {'backgrounds': str(tmp_path / 'elsewhere'), 'workers': 0}})
    train(moved, tmp_path / 'run', stop_after=1)
    before = (tmp_path / 'run' / CHECKPOINT).read_bytes()
    for number in range(4, 8):  # one in ten is held back
        (backgrounds / f'room{number}.png').write_bytes((backgrounds / 'room0.png').read_bytes())
    with pytest.raises(
        ValueError, match=r'other data: backgrounds \(train\) has \d samples, had \d.*allow-data-change'
    ):
        train(config, tmp_path / 'run')
    assert (tmp_path / 'run' / CHECKPOINT).read_bytes() == before
    less = config_from_dict({**quick, 'data': {'rendered_share': 1.0, 'workers': 0}})
    with pytest.raises(ValueError, match=r'backgrounds \(train\) is not trained on any more'):
        train(less, tmp_path / 'run')
    other = {**quick, 'data': {'backgrounds': str(backgrounds), 'negative_share': 0.5, 'workers': 0}}
    with pytest.raises(ValueError, match='made with data.negative_share: 0.0, not 0.5.*or give --allow-data-change'):
        train(config_from_dict(other), tmp_path / 'run')
    capsys.readouterr()
    state = train(config_from_dict(other), tmp_path / 'run', stop_after=1, allow_data_change=True)
    told = capsys.readouterr().err
    assert state.step == 3 and 'negative_share was 0.0, is 0.5' in told and 'backgrounds (train) has' in told


def test_a_checkpoint_of_before_data_were_recorded_goes_on_with_a_word(quick, tmp_path, capsys):
    train(quick, tmp_path, stop_after=1)
    path = tmp_path / CHECKPOINT
    state = torch.load(path, weights_only=True)
    old = {name: state[name] for name in ('step', 'config', 'model', 'average', 'optimizer')}
    for name in ('recipe', 'loss', 'schedule', 'precision', 'device', 'clip', 'log_every'):
        del old['config'][name]
    for name in ('datasets', 'sampling', 'hidden_weight', 'variation'):
        del old['config']['data'][name]
    old['config']['data']['leave_out'] = ()  # as it was saved then
    torch.save(old, path)
    capsys.readouterr()
    assert train(quick, tmp_path, stop_after=1).step == 2
    assert 'does not say what it was trained on' in capsys.readouterr().err


def test_a_disk_that_is_full_keeps_the_last_checkpoint(quick, tmp_path):
    """A real failure of write(2): the system refuses files longer than 100 kB."""
    state = RunState(quick)
    state.step = 7
    state.save(tmp_path)
    state.step = 8
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match='step 8 could not be written; .*still holds the one before. Make room'):
            state.save(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    other = RunState(quick)
    assert other.load(tmp_path) and other.step == 7


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(tmp_path):
    config = config_from_dict({**QUICK, 'learning_rate': 1e25, 'weight_decay': 0.0, 'checkpoint_every': 2})
    with pytest.raises(ValueError, match='the loss is not finite at step [2-9].* keeps the last checkpoint'):
        train(config, tmp_path)
    if (tmp_path / CHECKPOINT).exists():
        assert torch.load(tmp_path / CHECKPOINT, weights_only=True)['step'] < 12


def test_weights_that_are_not_finite_are_not_saved(quick, tmp_path):
    """The loss that led to them was."""
    state = RunState(quick)
    state.save(tmp_path)
    with torch.no_grad():
        next(state.model.parameters()).fill_(torch.nan)
    state.step = 5
    with pytest.raises(ValueError, match='weights are not finite at step 5.*still holds the one before'):
        state.save(tmp_path)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)['step'] == 0


def test_a_run_goes_on_without_what_it_began_with(tmp_path):
    weights = tmp_path / 'begin.safetensors'
    save_detnet(DetNet('small'), weights)
    config = config_from_dict({**QUICK, 'start_from': str(weights)})
    train(config, tmp_path / 'run', stop_after=1)
    weights.unlink()
    assert train(config, tmp_path / 'run', stop_after=1).step == 2


def test_another_precision_is_told(quick, tmp_path, monkeypatch, capsys):
    config = config_from_dict({**QUICK, 'precision': 'auto'})
    monkeypatch.setattr(state_module, 'has_bfloat16', lambda: True)
    RunState(config).save(tmp_path)
    for fast, told in ((True, ''), (False, 'was trained in torch.bfloat16, and goes on in torch.float32')):
        monkeypatch.setattr(state_module, 'has_bfloat16', lambda fast=fast: fast)
        assert RunState(config).load(tmp_path)
        assert told in capsys.readouterr().err or told


def test_options_of_a_reader_that_are_gone_are_a_change():
    then = {'data': {'datasets': [{'name': 'rhd', 'options': {'masks': True}}], 'old': 1}}
    now = {'data': {'datasets': [{'name': 'rhd', 'options': {}}]}}
    assert changes(then, now) == {'data.datasets.0.options.masks': (True, None)}


def test_a_damaged_checkpoint_is_named(quick, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b'PK half a file')
    (tmp_path / f'.{CHECKPOINT}.1234.part').write_bytes(b'of a killed process')
    with pytest.raises(ValueError, match='last.pt is no checkpoint that can be read'):
        RunState(quick).load(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_weights_of_another_backbone_are_refused(tmp_path, capsys):
    path = tmp_path / 'large.safetensors'
    save_detnet(DetNet('resnet50'), path)
    with pytest.raises(ValueError, match='large.safetensors: does not fit the small network'):
        RunState(config_from_dict({**QUICK, 'start_from': str(path)}))
    RunState(config_from_dict(QUICK)).save(tmp_path)
    arguments = ['--output', str(tmp_path), '--set', 'data.rendered_share=1.0', '--set', 'data.datasets=[]']
    assert main([*arguments, '--recipe', 'modern', '--set', 'backbone=resnet50']) == 1
    assert 'was made with backbone: small, not resnet50' in capsys.readouterr().err


def test_weights_go_on_in_another_resolution(tmp_path):
    path = tmp_path / 'wide.safetensors'
    save_detnet(DetNet('small'), path)
    state = RunState(config_from_dict({**QUICK, 'start_from': str(path), 'resolution': 64}))
    assert state.model.resolution == 64 and state.model.training
    for name, values in load_detnet(path).state_dict().items():
        assert torch.equal(state.model.state_dict()[name], values)
    with pytest.raises(ValueError, match='resolution is 100; give 128 or 96 or 64 or 32 for backbone small'):
        config_from_dict({**QUICK, 'resolution': 100})


@pytest.mark.parametrize('loss', ['joints', 'peer'])
def test_resnet50_learns_one_rendered_batch(loss):
    """A few steps on the same hands lower each loss."""
    config = config_from_dict(
        {**QUICK, 'backbone': 'resnet50', 'batch': 1, 'loss': loss, 'warmup': 0, 'schedule': 'steps', 'drop_every': 9,
         'learning_rate': 1e-3, 'data': {'workers': 0}}
    )  # fmt: skip
    batch = CropStream(config)[0]
    state = RunState(config)
    losses = [float(train_step(state, batch).total.detach()) for _ in range(3)]
    assert losses[-1] < 0.95 * losses[0]


def test_the_small_network_learns_by_any_loss():
    for loss in ('cells', 'joints', 'peer'):
        config = config_from_dict({**QUICK, 'loss': loss, 'warmup': 0, 'schedule': 'steps', 'drop_every': 99})
        batch = CropStream(config)[0]
        state = RunState(config)
        losses = [float(train_step(state, batch).total.detach()) for _ in range(8)]
        assert losses[-1] < 0.9 * losses[0], loss


def test_bfloat16_is_near_float32_and_weights_stay_float32(quick, monkeypatch):
    batch = CropStream(quick)[0]
    terms = {}
    for precision in ('float32', 'bfloat16'):
        state = RunState(config_from_dict({**QUICK, 'precision': precision}))
        terms[precision] = float(train_step(state, batch).total.detach())
        assert {part.dtype for part in state.model.parameters()} == {torch.float32}
        assert all(torch.isfinite(part).all() for part in state.model.parameters())
    assert terms['bfloat16'] == pytest.approx(terms['float32'], rel=0.02)
    assert terms['bfloat16'] != terms['float32'], 'something was rounded'
    for fast, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(state_module, 'has_bfloat16', lambda fast=fast: fast)
        assert choose_dtype('auto', torch.device('cpu')) == dtype
    with pytest.raises(ConfigError, match='precision is float16, and the device is cpu'):
        RunState(config_from_dict({**QUICK, 'precision': 'float16', 'device': 'cpu'}))


def test_a_scaled_loss_takes_the_same_step_and_skips_one_that_overflows(quick, tmp_path):
    """What float16 does on a GPU, with the scaler on the processor: a power of two cancels out exactly."""
    batch = CropStream(quick)[0]
    plain_run, scaled = RunState(quick), RunState(quick)
    scaled.scaler = torch.amp.GradScaler('cpu', init_scale=1024.0)
    for run in (plain_run, scaled):
        train_step(run, batch)
    for a, b in zip(plain_run.model.parameters(), scaled.model.parameters(), strict=True):
        assert torch.equal(a, b)
    scaled.scaler = torch.amp.GradScaler('cpu', init_scale=2.0**127)
    before = [part.clone() for part in scaled.model.parameters()]
    train_step(scaled, batch)
    assert all(torch.equal(a, b) for a, b in zip(before, scaled.model.parameters(), strict=True))
    scaled.save(tmp_path)
    other = RunState(quick)
    other.scaler = torch.amp.GradScaler('cpu')
    other.load(tmp_path)
    assert other.scaler.get_scale() == scaled.scaler.get_scale() == 2.0**126


def test_tensorboard_has_what_the_tables_have(tmp_path):
    event_accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    config = config_from_dict({**QUICK, 'steps': 3, 'tensorboard': True, 'validation': {'every': 3, 'rendered': 2}})
    train(config, tmp_path)
    events = event_accumulator.EventAccumulator(str(tmp_path / 'tensorboard'))
    events.Reload()
    (row,) = read_rows(tmp_path / 'loss.csv')
    (point,) = events.Scalars('loss/total')
    assert point.step == 3 and point.value == pytest.approx(float(row['total']), rel=1e-5)
    assert [tag for tag in events.Tags()['scalars'] if tag == 'validation/rendered_error']


def test_without_tensorboard_one_line_says_so(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', None)
    told = []
    assert train_detnet.open_board(tmp_path, 0, told.append) is None
    assert told == [NO_TENSORBOARD] and not list(tmp_path.iterdir())


def test_rows_gain_columns_and_lose_what_comes_again(tmp_path):
    path = tmp_path / 'table.csv'
    for step in (1, 2, 3):
        append_row(path, {'step': step, 'a': step / 2})
    append_row(path, {'step': 4, 'b': 9})
    assert read_rows(path)[0] == {'step': '1', 'a': '0.5', 'b': ''}
    assert read_rows(path)[3] == {'step': '4', 'a': '', 'b': '9'}
    with path.open('a') as file:
        file.write('5,0.')  # cut off by a full disk
    trim_rows(path, 3)
    assert [row['step'] for row in read_rows(path)] == ['1', '2', '3']
    append_row(path, {'step': 4, 'a': 1})
    assert [row['step'] for row in csv.DictReader(path.open())] == ['1', '2', '3', '4']


def test_a_meter_goes_on_from_its_state():
    meter, other = Meter(), Meter()
    meter.add({'total': torch.tensor(2.0)}, 0.5)
    other.load_state_dict(meter.state_dict())
    other.add({'total': torch.tensor(4.0)}, 1.5)
    assert other.means() == {'total': 3.0} and other.seconds() == 1.0


def test_the_rate_drops_in_steps():
    config = config_from_dict({**QUICK, 'warmup': 2, 'schedule': 'steps', 'drop_every': 5, 'learning_rate': 1.0})
    rates = [stepped_rate(config, step) for step in range(11)]
    np.testing.assert_allclose(rates, [0.5, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01])


def test_recipes_are_what_their_files_say():
    root = {'data.root': 'somewhere'}
    paper = load_config('config/training/paper.yaml', root)
    assert paper == load_config(None, root) == config_from_dict({'recipe': 'paper', 'data': {'root': 'somewhere'}})
    modern = load_config('config/training/modern.yaml', root)
    assert modern == load_config(None, {**root, 'recipe': 'modern'})
    assert (paper.loss_kind, modern.loss_kind) == ('peer', 'cells')
    assert load_config('config/training/modern_resnet50.yaml', root).loss_kind == 'joints'
    assert load_config('config/training/paper.yaml', {**root, 'backbone': 'small'}).loss_kind == 'peer'
    recipes = Path('config/training')
    for path in [*recipes.glob('detnet_small*.yaml'), *(recipes / 'log').glob('*.yaml')]:
        config = load_config(path)
        assert config.recipe is None and config.loss_kind == 'cells' and not config.data.datasets
        assert config_from_dict(yaml.safe_load(yaml.safe_dump(plain(asdict(config))))) == config


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['--help'])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    for part in (
        'torchrun --nproc-per-node',
        '--data-root',
        '--recipe modern',
        '--allow-data-change',
        'modern_resnet50',
    ):
        assert part in text


def test_a_missing_data_set_is_named_with_its_tree(tmp_path, capsys):
    assert main(['--data-root', str(tmp_path / 'nothing'), '--output', str(tmp_path / 'run')]) == 1
    error = capsys.readouterr().err
    assert 'is missing. CMU hand143_panopticdb is expected as' in error and 'Traceback' not in error
    assert not (tmp_path / 'run').exists()


def test_weights_say_what_they_come_from(tmp_path):
    config = config_from_dict({**QUICK, 'steps': 2, 'validation': {'every': 2, 'rendered': 0}})
    train(config, tmp_path)
    about = checkpoint_metadata(tmp_path / 'detnet.safetensors')
    assert (about['backbone'], about['step'], about['loss']) == ('small', '2', 'cells')
    assert not (tmp_path / 'best.safetensors').exists(), 'nothing was looked at'
    assert load_detnet(tmp_path / 'detnet.safetensors').backbone == 'small'
