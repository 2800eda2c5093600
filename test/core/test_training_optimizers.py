"""Muon: its step, what it takes and what it leaves to AdamW, and that a run with it continues exactly."""

import pytest
import torch
from torch import nn

from minimal_hand_core.detnet import DetNet
from minimal_hand_core.training.config import config_from_dict
from minimal_hand_core.training.optimizers import Muon, make_optimizer, mixing_kernels, orthogonalized
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.train_detnet import train


@pytest.mark.parametrize('shape', [(8, 30), (30, 8), (12, 12)])
def test_singular_values_become_nearly_equal(shape):
    generator = torch.Generator().manual_seed(1)
    u, _, vt = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    spread = torch.logspace(-1, 0, min(shape))
    found = orthogonalized(u * spread @ vt)
    turned = u.T @ found @ vt.T  # diagonal where the singular vectors were kept
    assert torch.allclose(turned, torch.diag(torch.diag(turned)), atol=1e-4)
    assert torch.diag(turned).min() > 0.6 and torch.diag(turned).max() < 1.25


def test_zeros_stay_zeros():
    assert not orthogonalized(torch.zeros(4, 6)).any()


@pytest.mark.parametrize('shape', [(64, 216), (216, 64)])
def test_in_bfloat16_it_is_nearly_the_same(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    exact, rough = orthogonalized(matrix), orthogonalized(matrix, torch.bfloat16)
    assert rough.dtype == torch.float32 and not torch.equal(rough, exact)
    assert (rough - exact).norm() < 0.05 * exact.norm()
    layer = nn.Conv2d(6, 4, 3, bias=False)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.ones_like(before) * torch.arange(4.0)[:, None, None, None]
    optimizer = make_optimizer('muon', layer, 0.01, 0.0, torch.bfloat16)
    optimizer.step()
    step = 0.2 * 54**0.5 * orthogonalized(layer.weight.grad.flatten(1), torch.bfloat16).reshape(before.shape)
    assert torch.allclose(layer.weight, before - 0.01 * step, atol=1e-6) and layer.weight.dtype == torch.float32


def test_the_first_step_is_the_turned_gradient_and_decay():
    layer = nn.Conv2d(6, 4, 3, bias=False)
    before = layer.weight.detach().clone()
    optimizer = make_optimizer('muon', layer, 0.01, 0.5)
    gradient = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(2))
    layer.weight.grad = gradient.clone()
    optimizer.step()
    step = 0.2 * 54**0.5 * orthogonalized(gradient.flatten(1)).reshape(before.shape)
    assert torch.allclose(layer.weight, before * (1 - 0.01 * 0.5) - 0.01 * step, atol=1e-6)
    assert torch.equal(layer.weight.grad, gradient)
    # the size of an AdamW step, as the shared learning rate asks for
    assert 0.1 < step.square().mean().sqrt() < 0.3


def test_kernels_that_mix_channels_are_taken_and_the_rest_is_left_to_adamw():
    torch.manual_seed(3)
    model = DetNet('small')
    kernels = {id(kernel) for kernel in mixing_kernels(model)}
    taken = {name for name, parameter in model.named_parameters() if id(parameter) in kernels}
    assert not any(part in name for name in taken for part in ('stem', 'place', 'prediction'))
    assert all(parameter.shape[1] > 3 for name, parameter in model.named_parameters() if name in taken)
    assert sum(p.numel() for p in model.parameters() if id(p) in kernels) > 0.85 * sum(
        p.numel() for p in model.parameters()
    )
    twin = DetNet('small')
    twin.load_state_dict(model.state_dict())
    muon, adamw = (make_optimizer(name, net, 1e-3, 0.02) for name, net in (('muon', model), ('adamw', twin)))
    for parameter, other in zip(model.parameters(), twin.parameters(), strict=True):
        parameter.grad = torch.randn_like(parameter)
        other.grad = parameter.grad.clone()
    muon.step()
    adamw.step()
    for (name, parameter), other in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(parameter, other) == (name not in taken), name


def test_what_has_no_gradient_stays():
    layers = nn.Sequential(nn.Conv2d(6, 4, 1, bias=False), nn.BatchNorm2d(4))
    before = [parameter.detach().clone() for parameter in layers.parameters()]
    make_optimizer('muon', layers, 0.1, 0.1).step()
    assert all(torch.equal(a, b) for a, b in zip(before, layers.parameters(), strict=True))


def test_a_run_that_stopped_continues_exactly(tmp_path):
    config = config_from_dict(
        {
            'steps': 3,
            'batch': 2,
            'resolution': 32,
            'warmup': 1,
            'optimizer': 'muon',
            'data': {'rendered_share': 1.0},
            'validation': {'every': 100, 'rendered': 0},
        }
    )
    whole = train(config, tmp_path / 'whole')
    train(config, tmp_path / 'parts', stop_after=2)
    parts = train(config, tmp_path / 'parts')
    assert isinstance(parts.optimizer, Muon)
    for (name, a), b in zip(whole.model.state_dict().items(), parts.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_wrong_name_is_told():
    with pytest.raises(ValueError, match="optimizer is 'sgd'; give one of adamw, muon"):
        make_optimizer('sgd', nn.Linear(4, 4), 0.1, 0.0)
    with pytest.raises(ConfigError, match='optimizer'):
        config_from_dict({'optimizer': 'sgd'})
    with pytest.raises(ValueError, match='closure'):
        make_optimizer('muon', nn.Linear(4, 4, bias=False), 0.1, 0.0).step(lambda: 0.0)
