"""Checkpoints: ours and the peer's are read, whatever does not fit is one error that says why, writing is atomic."""

import hashlib
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from minimal_hand_core import weights
from minimal_hand_core.detnet import CheckpointError, DetNet, load_detnet, save_detnet
from minimal_hand_core.detnet.axes import CAMERA, VIEW
from minimal_hand_core.detnet.checkpoint import checkpoint_axes, checkpoint_metadata


@pytest.fixture(scope='module')
def small() -> DetNet:
    """A small network whose norms have seen pictures, so that no entry holds its starting value by chance."""
    torch.manual_seed(0)
    net = DetNet('small').train()
    with torch.no_grad():
        net(torch.rand(2, 3, 128, 128) - 0.5)
    return net.eval()


@pytest.fixture(scope='module')
def peer_state() -> dict[str, torch.Tensor]:
    """A state dict as the peer saves it."""
    torch.manual_seed(0)
    state = DetNet('resnet50').state_dict()
    for key, tensor in state.items():
        if key.endswith(('running_mean', 'running_var', 'bias')):
            tensor.uniform_(0.5, 1.5)
        elif key.endswith('num_batches_tracked'):
            tensor.fill_(1234)
    return state


def assert_same_state(found: DetNet, expected: dict[str, torch.Tensor]) -> None:
    state = found.state_dict()
    assert state.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(state[key], tensor), key


# ours


@pytest.mark.parametrize('half', [True, False])
def test_round_trip(small: DetNet, tmp_path: Path, half: bool) -> None:
    path = tmp_path / 'net.safetensors'
    save_detnet(small, path, {'trained on': 'nothing'}, half=half)
    loaded = load_detnet(path)
    assert loaded.backbone == 'small'
    assert not any(module.training for module in loaded.modules())
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert checkpoint_metadata(path) == {
        'trained on': 'nothing',
        'backbone': 'small',
        'resolution': '128',
        'axes': 'view',
        'format': 'minimal_hand_detnet',
    }
    if not half:
        assert_same_state(loaded, small.state_dict())
    images = torch.rand(1, 3, 128, 128) - 0.5
    with torch.inference_mode():
        for found, expected in zip(loaded(images), small(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=0.02, atol=0.01 if half else 1e-6)


def test_the_axes_that_were_taught_are_kept(tmp_path: Path, peer_state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / 'net.safetensors'
    network = DetNet('small', 32)
    network.axes = CAMERA
    save_detnet(network, path)
    assert load_detnet(path).axes == checkpoint_axes(path) == CAMERA
    # before they were said: ours, and those of the recipe that teaches as the peer does
    for recipe, axes in (('modern', VIEW), ('paper', CAMERA)):
        tensors, facts = contents(path)
        facts.pop('axes', None)
        save_file(tensors, path, {**facts, 'recipe': recipe})
        assert load_detnet(path).axes == checkpoint_axes(path) == axes
    save_file(tensors, path, {**facts, 'axes': 'world'})
    with pytest.raises(CheckpointError, match="unknown axes 'world': this version knows view, camera"):
        load_detnet(path)
    assert checkpoint_axes() == load_detnet().axes == VIEW
    peer = tmp_path / 'peer.pth'
    torch.save(peer_state, peer)
    assert load_detnet(peer).axes == checkpoint_axes(peer) == CAMERA


def contents(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, 'pt') as file:
        return load_file(path), dict(file.metadata())


def test_half_is_half_the_size_and_spares_the_norms(small: DetNet, tmp_path: Path) -> None:
    half, full = tmp_path / 'half.safetensors', tmp_path / 'full.safetensors'
    save_detnet(small, half)
    save_detnet(small, full, half=False)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    for key, tensor in load_file(half).items():
        expected = small.state_dict()[key]
        if tensor.dtype == torch.float16:
            assert tensor.ndim == 4
            torch.testing.assert_close(tensor.float(), expected, rtol=1e-3, atol=1e-7)
        else:
            assert torch.equal(tensor, expected)


def test_numbers_beyond_half_stay_whole(tmp_path: Path) -> None:
    net = DetNet('small')
    weight = next(p for p in net.parameters() if p.ndim == 4)
    with torch.no_grad():
        weight.fill_(1e6)
    save_detnet(net, tmp_path / 'net.safetensors')
    loaded = load_detnet(tmp_path / 'net.safetensors')
    assert torch.equal(next(p for p in loaded.parameters() if p.ndim == 4), weight)


def test_saving_does_not_change_the_network(tmp_path: Path) -> None:
    net = DetNet('small').to(memory_format=torch.channels_last)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    save_detnet(net, tmp_path / 'net.safetensors')
    assert net.training
    assert_same_state(net, before)


@pytest.mark.parametrize('wrong', [{'epoch': 3}, {'backbone': 'resnet50'}])
def test_metadata_must_be_text_and_true(small: DetNet, tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        save_detnet(small, tmp_path / 'net.safetensors', wrong)
    assert not list(tmp_path.iterdir())


def test_broken_networks_are_not_written(tmp_path: Path) -> None:
    net = DetNet('small')
    key, weight = next(iter(net.named_parameters()))
    with torch.no_grad():
        weight.view(-1)[3] = float('nan')
    with pytest.raises(CheckpointError, match=f'not written: {re.escape(key)} holds NaN'):
        save_detnet(net, tmp_path / 'net.safetensors')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_a_failed_write_leaves_the_old_file(
    small: DetNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / 'net.safetensors'
    save_detnet(small, path, {'edition': 'first'})
    before = path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(CheckpointError, match='net.safetensors: cannot be written: .*No space left'):
        save_detnet(small, path, {'edition': 'second'})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_folders_and_other_kinds_are_not_written(small: DetNet, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='cannot be written'):
        save_detnet(small, tmp_path / 'nowhere' / 'net.safetensors')
    with pytest.raises(CheckpointError, match="unknown kind '.pth'"):
        save_detnet(small, tmp_path / 'net.pth')


# the peer's


@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('legacy', [False, True])
def test_peer_round_trip(peer_state: dict[str, torch.Tensor], tmp_path: Path, prefix: str, legacy: bool) -> None:
    path = tmp_path / 'ckp_detnet_83.pth'
    state = {prefix + key: tensor for key, tensor in peer_state.items()}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    loaded = load_detnet(path)
    assert loaded.backbone == 'resnet50'
    assert not loaded.training
    assert_same_state(loaded, peer_state)


def test_peer_files_without_batch_counters(peer_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / 'old.pth'
    torch.save({k: v for k, v in peer_state.items() if not k.endswith('num_batches_tracked')}, path)
    state = load_detnet(path).state_dict()
    for key, tensor in peer_state.items():
        expected = torch.zeros_like(tensor) if key.endswith('num_batches_tracked') else tensor
        assert torch.equal(state[key], expected), key


def test_peer_file_becomes_ours(peer_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(peer_state, tmp_path / 'peer.pth')
    save_detnet(load_detnet(tmp_path / 'peer.pth'), tmp_path / 'ours.safetensors', half=False)
    loaded = load_detnet(tmp_path / 'ours.safetensors')
    assert loaded.backbone == 'resnet50'
    assert_same_state(loaded, peer_state)


# what does not fit


def test_missing_unexpected_and_reshaped_keys_are_named(peer_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    state = dict(peer_state)
    del state['lmap_0.prediction.bias']
    state['fc.weight'] = torch.zeros(3)
    state['hmap_0.prediction.weight'] = torch.zeros(17, 256, 1, 1)
    torch.save(state, tmp_path / 'net.pth')
    with pytest.raises(CheckpointError) as caught:
        load_detnet(tmp_path / 'net.pth')
    message = str(caught.value)
    assert str(tmp_path / 'net.pth') in message
    assert 'does not fit the resnet50 network' in message
    assert '1 missing: lmap_0.prediction.bias;' in message
    assert '1 unexpected: fc.weight;' in message
    assert 'hmap_0.prediction.weight expected (21, 256, 1, 1), found (17, 256, 1, 1)' in message
    assert '\n' not in message


def test_another_backbone_is_an_error(small: DetNet, tmp_path: Path) -> None:
    path = tmp_path / 'net.safetensors'
    save_detnet(small, path)
    assert load_detnet(path, backbone='small').backbone == 'small'
    with pytest.raises(CheckpointError, match=r'does not fit the resnet50 network; keys \d+ missing: resnet50.conv1'):
        load_detnet(path, backbone='resnet50')
    with pytest.raises(ValueError, match="unknown DetNet backbone 'large': choose one of resnet50, small"):
        load_detnet(path, backbone='large')
    save_file(small.state_dict(), path, {'backbone': 'large'})
    with pytest.raises(CheckpointError, match="names the unknown backbone 'large'"):
        load_detnet(path)
    save_file(small.state_dict(), path, {'backbone': 'resnet50'})
    with pytest.raises(CheckpointError, match='does not fit the resnet50 network.*unexpected: small.'):
        load_detnet(path)


def test_the_resolution_comes_back(tmp_path: Path) -> None:
    path = tmp_path / 'net.safetensors'
    net = DetNet('small', 96)
    save_detnet(net, path, half=False)
    loaded = load_detnet(path)
    assert loaded.resolution == 96
    assert_same_state(loaded, net.state_dict())
    save_file(net.state_dict(), path, {'backbone': 'small'})
    assert load_detnet(path).resolution == 128, 'files that do not say it are from before there was a choice'
    for wrong in ('100', 'high'):
        save_file(net.state_dict(), path, {'backbone': 'small', 'resolution': wrong})
        with pytest.raises(CheckpointError, match=f"names the unknown resolution '{wrong}': .* knows 128, 96, 64, 32"):
            load_detnet(path)


def test_other_networks_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / 'fc.pth'
    torch.save(torch.nn.Linear(3, 4).state_dict(), path)
    with pytest.raises(CheckpointError, match='241 missing: resnet50.conv1.weight, .* and 237 more; 2 unexpected: '):
        load_detnet(path)


def test_not_a_number_is_an_error(small: DetNet, tmp_path: Path) -> None:
    state = {key: tensor.clone() for key, tensor in small.state_dict().items()}
    key = next(iter(state))
    state[key].view(-1)[0] = float('inf')
    save_file(state, tmp_path / 'net.safetensors')
    with pytest.raises(CheckpointError, match=f'{re.escape(key)} holds NaN or infinite'):
        load_detnet(tmp_path / 'net.safetensors')


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _garbage(content: bytes) -> bytes:
    return bytes(range(256)) * 8


def _empty(content: bytes) -> bytes:
    return b''


@pytest.mark.parametrize('damage', [_truncated, _garbage, _empty])
@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
def test_damaged_files_are_an_error(
    small: DetNet, tmp_path: Path, suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f'net{suffix}'
    if suffix == '.pth':
        torch.save(small.state_dict(), path)
    else:
        save_detnet(small, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        CheckpointError, match=rf'net\{suffix}: not a (whole safetensors file|readable PyTorch)'
    ) as caught:
        load_detnet(path)
    assert '\n' not in str(caught.value)
    assert caught.value.path == path


class _Trap:
    def __reduce__(self) -> tuple:
        return (os.mkdir, ('trapped',))


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({'resnet50.conv1.weight': _Trap()}, 'zip.pth')
    Path('plain.pth').write_bytes(pickle.dumps(_Trap(), protocol=2))
    for name in ('zip.pth', 'plain.pth'):
        with pytest.raises(CheckpointError, match='not a readable PyTorch state dict'):
            load_detnet(name)
    assert not Path('trapped').exists()


def test_other_contents_are_an_error(small: DetNet, tmp_path: Path) -> None:
    path = tmp_path / 'net.pth'
    torch.save({'epoch': 3, 'state_dict': small.state_dict()}, path)
    with pytest.raises(CheckpointError, match="not a bare state dict: entry 'epoch' is a int"):
        load_detnet(path)
    torch.save([torch.zeros(3)], path)
    with pytest.raises(CheckpointError, match='holds a list, not a state dict'):
        load_detnet(path)


def test_paths_that_are_no_checkpoints_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='none.safetensors: no such file'):
        load_detnet(tmp_path / 'none.safetensors')
    with pytest.raises(CheckpointError, match='is a folder'):
        load_detnet(tmp_path)
    (tmp_path / 'net.onnx').write_bytes(b'1234')
    with pytest.raises(CheckpointError, match="unknown kind '.onnx'"):
        load_detnet(tmp_path / 'net.onnx')


# the default


def test_default_is_checked_by_its_digest(small: DetNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, 'ASSETS', tmp_path)
    with pytest.raises(CheckpointError, match='not in this installation: train them with `train_detnet`'):
        load_detnet()
    path = tmp_path / 'detnet_small.safetensors'
    save_detnet(small, path)
    with pytest.raises(CheckpointError, match='weights.json beside it gives no sha256'):
        load_detnet()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    index = tmp_path / 'weights.json'
    index.write_text(json.dumps({path.name: {'sha256': digest}}))
    assert load_detnet('default').backbone == 'small'
    assert checkpoint_metadata()['backbone'] == 'small'
    index.write_text(json.dumps({path.name: {'sha256': '0' * 64}}))
    with pytest.raises(CheckpointError, match=f'sha256 is {digest}, weights.json says 0000'):
        load_detnet()


def test_default_weights_are_shipped_and_load() -> None:
    assert load_detnet('default').backbone == 'small'


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    save_detnet(DetNet('small'), tmp_path / 'own.safetensors')
    assert load_detnet('~/own.safetensors').backbone == 'small'
