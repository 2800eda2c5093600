"""The inference engines behind their one interface."""

import numpy as np
import pytest
import torch

from minimal_hand_core.detnet import CheckpointError, DetNet, decode, save_detnet
from minimal_hand_core.inference import create_engine
from minimal_hand_core.inference.torch_engine import TorchEngine


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    network = DetNet('small')
    with torch.no_grad():
        network.train()(torch.rand(8, 3, 128, 128) - 0.5)  # batch norms that are not the identity
    return network.eval()


@pytest.fixture(scope='module')
def engine(network):
    return TorchEngine(network, threads=1)


def test_torch_engine_gives_what_the_network_gives(network, engine):
    crops = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    with torch.no_grad():
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255 - 0.5
        wanted = decode(network(images))
    for batch in (3, 1, 2):
        output = engine.run(crops[:batch])
        for name in ('uv', 'xyz', 'confidence'):
            value = getattr(output, name)
            assert value.dtype == np.float32
            assert np.allclose(value, getattr(wanted, name)[:batch], atol=2e-3)
        assert output.network_seconds > 0 and output.decode_seconds == 0


def test_engine_from_a_checkpoint(network, engine, tmp_path):
    path = tmp_path / 'some.safetensors'
    save_detnet(network, str(path), {'backbone': 'small'}, half=False)
    crops = np.zeros((1, 128, 128, 3), np.uint8)
    loaded = create_engine('torch', str(path)).run(crops)
    assert np.allclose(loaded.uv, engine.run(crops).uv, atol=1e-3)


def test_missing_weights_are_named():
    with pytest.raises(CheckpointError, match='nowhere.safetensors'):
        create_engine('auto', 'nowhere.safetensors')
