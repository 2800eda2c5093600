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


@pytest.mark.parametrize(('size', 'kernel', 'stride'), [(3, 5, 1), (12, 3, 2), (6, 5, 2)])
def test_in_bfloat16_gradients_are_those_of_float32_but_for_rounding(size, kernel, stride):
    torch.manual_seed(0)
    layer = DepthwiseConv2d(24, kernel, stride)
    maps = torch.randn(3, 24, size, size).contiguous(memory_format=torch.channels_last)
    weights = torch.randn_like(layer(maps))

    def gradients(dtype):
        layer.zero_grad()
        one = maps.clone().requires_grad_()
        with torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
            answer = layer(one)
        assert answer.dtype == dtype
        (answer.float() * weights).sum().backward()
        return one.grad, layer.weight.grad.clone()

    for rounded, exact in zip(gradients(torch.bfloat16), gradients(torch.float32), strict=True):
        assert rounded.dtype == torch.float32
        # A number of bfloat16 is right to 1/256, and each sum has rounded factors on both sides.
        assert (rounded - exact).norm() < 0.008 * exact.norm()


def test_maps_of_bfloat16_get_a_gradient_of_bfloat16():
    layer = DepthwiseConv2d(8, 3, 2).bfloat16()
    maps = torch.randn(2, 8, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    layer(maps).sum().backward()
    assert maps.grad.dtype == layer.weight.grad.dtype == torch.bfloat16


def test_without_gradients_it_is_an_ordinary_convolution():
    layer = DepthwiseConv2d(8, 3)
    with torch.no_grad():
        assert layer(torch.randn(2, 8, 4, 4)).grad_fn is None


def test_every_depthwise_layer_of_the_small_network_is_one():
    layers = [m for m in SmallNet().modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
    assert len(layers) == 13 and all(isinstance(layer, DepthwiseConv2d) for layer in layers)
