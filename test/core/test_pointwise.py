"""1×1 convolutions as matrix products: their answers and gradients are PyTorch's own, but for rounding."""

import pytest
import torch

from minimal_hand_core.detnet.pointwise import PointwiseConv2d
from minimal_hand_core.detnet.small import SmallNet


def _twins(bias=True):
    torch.manual_seed(0)
    ours = PointwiseConv2d(24, 40, bias=bias).to(memory_format=torch.channels_last)
    theirs = torch.nn.Conv2d(24, 40, 1, bias=bias).to(memory_format=torch.channels_last)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('memory', [torch.channels_last, torch.contiguous_format])
def test_in_bfloat16_it_does_what_an_ordinary_convolution_does(bias, memory):
    answers = []
    maps = torch.randn(3, 24, 5, 8, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=memory)
    weights = torch.randn(3, 40, 5, 8, generator=torch.Generator().manual_seed(2))
    for layer in _twins(bias):
        seen = maps.clone().requires_grad_()
        with torch.autocast('cpu', torch.bfloat16):
            answer = layer(seen)
        assert answer.dtype == torch.bfloat16
        (answer.float() * weights).sum().backward()
        answers.append([answer.float(), seen.grad, *(part.grad for part in layer.parameters())])
    for ours, theirs in zip(*answers, strict=True):
        # A number of bfloat16 is right to 1/256.
        assert ours.shape == theirs.shape
        assert (ours - theirs).norm() < 0.006 * theirs.norm()


def test_the_gradient_has_the_strides_of_the_kernel_which_ranks_exchange():
    layer, _ = _twins()
    with torch.autocast('cpu', torch.bfloat16):
        layer(torch.randn(2, 24, 4, 4)).sum().backward()
    assert layer.weight.grad.stride() == layer.weight.stride()


def test_in_float32_and_without_training_it_is_an_ordinary_convolution():
    ours, theirs = _twins()
    maps = torch.randn(2, 24, 6, 6)
    assert torch.equal(ours(maps), theirs(maps))
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(ours(maps), theirs(maps))


def test_the_network_mixes_channels_with_it_wherever_it_can():
    plain = [m for m in SmallNet(64).modules() if type(m) is torch.nn.Conv2d and m.kernel_size == (1, 1)]
    assert [(layer.in_channels, layer.out_channels) for layer in plain] == [(2, 64)]  # where a cell lies: one map


def test_where_a_cell_lies_is_told_to_every_crop_alike():
    torch.manual_seed(0)
    network = SmallNet(64)
    weights = torch.randn(3, 64, 16, 16)
    gradients = []
    for training in (True, False):
        places = network.train(training)._places(3)
        assert torch.equal(places.expand(3, -1, -1, -1), network.place(network.position).expand(3, -1, -1, -1))
        (places * weights).sum().backward()
        gradients.append(network.place.weight.grad.clone())
        network.zero_grad()
    torch.testing.assert_close(*gradients)
