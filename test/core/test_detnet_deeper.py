"""A deeper small network: begins as the network it grew from, learns, is kept, exported and trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from near import check_engines

from minimal_hand_core.data.synthetic import SyntheticHands
from minimal_hand_core.detnet import DetNet, load_detnet, save_detnet
from minimal_hand_core.training.config import config_from_dict
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.state import RunState
from minimal_hand_core.training.stream import CropStream
from minimal_hand_core.training.train_detnet import train_step

pytestmark = pytest.mark.usefixtures('own_cache')

QUICK = {
    'steps': 40, 'batch': 4, 'warmup': 1, 'resolution': 96, 'tensorboard': False, 'data': {'workers': 0},
    'validation': {'rendered': 2}, 'deeper': True,
}  # fmt: skip


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """Weights of a network that is not deeper, and what it answers."""
    torch.manual_seed(4)
    network = DetNet('small', 96)
    path = tmp_path_factory.mktemp('plain') / 'plain.safetensors'
    save_detnet(network, path, half=False)
    return path, load_detnet(path)


def awake() -> DetNet:
    """A deeper network that finds hands and whose blocks do something."""
    trained = load_detnet()
    torch.manual_seed(5)
    network = DetNet('small', trained.resolution, deeper=True)
    known = {name: part for name, part in trained.state_dict().items() if name in network.state_dict()}
    network.load_state_dict({**network.state_dict(), **known})
    for parameter in network.small.deeper.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network.eval()


@pytest.fixture(scope='module')
def crops():
    return np.stack([sample.image[..., ::-1] for sample in SyntheticHands(0, length=3)])


def images(crops):
    return torch.from_numpy(crops).permute(0, 3, 1, 2) / 255.0 - 0.5


@torch.no_grad()
def test_a_network_made_deeper_answers_as_before_until_it_learns(plain, crops):
    path, before = plain
    state = RunState(config_from_dict({**QUICK, 'start_from': str(path)}))
    grown = state.model.eval()
    assert sum(p.numel() for p in grown.parameters()) > 2.5 * sum(p.numel() for p in before.parameters())
    for name, part, expected in zip(('heat', 'delta', 'location'), grown(images(crops)), before(images(crops))):
        assert (part - expected).abs().max() < 1e-6, name
    blocks = awake().small.deeper.state_dict()
    grown.small.deeper.load_state_dict(blocks)
    assert (grown(images(crops)).locations - before(images(crops)).locations).abs().max() > 1e-5


@pytest.mark.parametrize('optimizer', ['adamw', 'muon'])
def test_all_of_its_blocks_learn(plain, optimizer):
    config = config_from_dict({**QUICK, 'start_from': str(plain[0]), 'optimizer': optimizer})
    state = RunState(config)
    begun = {name: p.detach().clone() for name, p in state.model.small.deeper.named_parameters()}
    batch = CropStream(config)[0]
    losses = [train_step(state, batch).total.item() for _ in range(8)]
    assert losses[-1] < losses[0], losses
    for name, p in state.model.small.deeper.named_parameters():
        assert torch.isfinite(p).all() and not torch.equal(p, begun[name]), name


def test_it_is_kept_with_the_weights_and_training_goes_on_with_it(tmp_path):
    network = awake()
    path = tmp_path / 'deeper.safetensors'
    save_detnet(network, path)
    loaded = load_detnet(path)
    assert loaded.deeper
    for name, part in loaded.small.deeper.state_dict().items():
        assert torch.allclose(part.float(), network.small.deeper.state_dict()[name].float(), atol=1e-3), name
    on = RunState(config_from_dict({**QUICK, 'start_from': str(path)}))
    for name, part in on.model.small.deeper.state_dict().items():
        assert torch.equal(part, loaded.small.deeper.state_dict()[name]), name
    with pytest.raises(ConfigError, match='deeper is false, and the weights .*deeper.safetensors have it; give true'):
        RunState(config_from_dict({**QUICK, 'start_from': str(path), 'deeper': False}))


def test_every_engine_runs_it(crops, tmp_path):
    check_engines(awake(), crops, tmp_path / 'deeper.safetensors')


def test_the_papers_network_has_no_deeper_form():
    with pytest.raises(ValueError, match='resnet50 has no deeper form.*choose small'):
        DetNet('resnet50', deeper=True)
    with pytest.raises(ConfigError, match='deeper is True.*false for backbone resnet50'):
        config_from_dict({'backbone': 'resnet50', 'deeper': True})
