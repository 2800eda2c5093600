"""Depthwise convolutions: their gradients are PyTorch's own."""

import pytest
import torch

from minimal_hand_core.detnet.depthwise import DepthwiseConv2d
from minimal_hand_core.detnet.small import SmallNet


@pytest.mark.parametrize(
    ('size', 'kernel', 'stride'), [(3, 5, 1), (12, 5, 1), (6, 3, 1), (12, 3, 2), (7, 5, 2), ((5, 8), 3, 1)]
)
@pytest.mark.parametrize('memory', [torch.channels_last, torch.contiguous_format])
def test_gradients_are_those_of_an_ordinary_convolution(size, kernel, stride, memory):
    torch.manual_seed(0)
    shape = size if isinstance(size, tuple) else (size, size)
    ours = DepthwiseConv2d(24, kernel, stride)
    theirs = torch.nn.Conv2d(24, 24, kernel, stride, kernel // 2, groups=24, bias=False)
    theirs.load_state_dict(ours.state_dict())
    one = torch.randn(3, 24, *shape).contiguous(memory_format=memory).requires_grad_()
    other = one.detach().clone().requires_grad_()
    answer, expected = ours(one), theirs(other)
    assert torch.equal(answer, expected)
    weights = torch.randn_like(expected)
    (answer * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-5, atol=2e-5)


def test_a_kernel_that_is_not_trained_gets_no_gradient():
    layer = DepthwiseConv2d(8, 3)
    layer.weight.requires_grad_(False)
    maps = torch.randn(2, 8, 4, 4, requires_grad=True)
    layer(maps).sum().backward()
    assert layer.weight.grad is None and maps.grad is not None


def test_in_half_precision_and_without_gradients_it_is_an_ordinary_convolution():
    layer = DepthwiseConv2d(8, 3)
    maps = torch.randn(2, 8, 4, 4)
    with torch.no_grad():
        assert layer(maps).grad_fn is None
    with torch.autocast('cpu', torch.bfloat16):
        assert layer(maps).dtype == torch.bfloat16


def test_every_depthwise_layer_of_the_small_network_is_one():
    layers = [m for m in SmallNet().modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
    assert len(layers) == 13 and all(isinstance(layer, DepthwiseConv2d) for layer in layers)
