"""Several processes that train together: the gradient is that of one with the whole batch, and one of them writes."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from two_ranks import LOSSES, gradients, matrices

from minimal_hand_core.detnet import load_detnet
from minimal_hand_core.training.optimizers import orthogonalized, orthogonalized_by_ranks
from minimal_hand_core.training.ranks import Ranks, choose_device, ranks_from_environment
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.run import CHECKPOINT


@pytest.fixture(scope='module')
def together(tmp_path_factory):
    """The folder in which two processes (Gloo) did what two_ranks.py says."""
    folder = tmp_path_factory.mktemp('ranks')
    script = str(Path(__file__).with_name('two_ranks.py'))
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', script]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, 'PYTHONPATH': str(root)}
    streams = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.PIPE, 'text': True, 'start_new_session': True}
    with subprocess.Popen([*command, str(folder)], env=environment, **streams) as run:
        try:
            error = run.communicate(timeout=400)[1]
        except subprocess.TimeoutExpired:
            run.terminate()  # torchrun ends what it started
            raise
    assert run.returncode == 0, error[-3000:]
    return folder


@pytest.mark.parametrize('loss', LOSSES)
def test_two_ranks_have_the_gradient_of_one_with_the_whole_batch(together, loss):
    first, second = (torch.load(together / f'gradients{rank}.pt', weights_only=True)[loss] for rank in (0, 1))
    alone = gradients(loss, Ranks())
    assert set(first) == set(alone)
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-3, atol=1e-5 * float(value.abs().max()) + 1e-9, msg=name)


def test_ranks_share_the_work_of_muon(together):
    expected = [orthogonalized(matrix) for matrix in matrices()]
    for rank in (0, 1):
        torch.testing.assert_close(torch.load(together / f'turned{rank}.pt', weights_only=True), expected)
    torch.testing.assert_close(orthogonalized_by_ranks(matrices()), expected)
    assert orthogonalized_by_ranks([]) == []


def test_one_rank_writes_and_validates(together):
    names = {path.name for path in (together / 'run').iterdir()}
    assert names == {'config.yaml', CHECKPOINT, 'loss.csv', 'metrics.csv', 'detnet.safetensors', 'best.safetensors'}
    assert [row['step'] for row in csv.DictReader((together / 'run/loss.csv').open())] == ['1', '2', '3']
    assert len(list(csv.DictReader((together / 'run/metrics.csv').open()))) == 1
    assert load_detnet(together / 'run/detnet.safetensors').backbone == 'small'
    assert not any(name.startswith('module.') for name in torch.load(together / 'run' / CHECKPOINT)['model'])


def test_ranks_that_found_different_checkpoints_stop(together):
    for rank in (0, 1):
        assert (
            'checkpoints of steps 3, 4; give an --output on a disk'
            in (together / f'disagreement{rank}.txt').read_text()
        )


def test_ranks_come_from_torchrun(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    assert ranks_from_environment() == Ranks(0, 1, 0) and Ranks().first
    for name, value in (('RANK', '5'), ('WORLD_SIZE', '8'), ('LOCAL_RANK', '1')):
        monkeypatch.setenv(name, value)
    assert ranks_from_environment() == Ranks(5, 8, 1) and not ranks_from_environment().first


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert choose_device('auto', Ranks()).type == 'cpu'
    with pytest.raises(ConfigError, match="device is 'cuda', and PyTorch finds none"):
        choose_device('cuda', Ranks())
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert choose_device('auto', Ranks(5, 8, 1)) == torch.device('cuda', 1)
    with pytest.raises(ConfigError, match='process 3 of this machine, which has 2 GPUs'):
        choose_device('auto', Ranks(2, 4, 2))
