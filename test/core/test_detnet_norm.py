"""Batch norm and ReLU of our own give what PyTorch's give."""

import copy

import pytest
import torch
from torch import nn

from minimal_hand_core.detnet.norm import norm_act


def _by_pytorch(x: torch.Tensor, norm: nn.Module, relu: bool) -> torch.Tensor:
    return norm(x).relu() if relu else norm(x)


def _both(dtype: torch.dtype, relu: bool, shape: tuple[int, ...], mean: float = 0.5) -> list[dict[str, torch.Tensor]]:
    """Answer, gradients and running means of ours and of PyTorch's, float32."""
    torch.manual_seed(0)
    theirs = nn.BatchNorm2d(shape[1])
    nn.init.uniform_(theirs.weight, 0.5, 1.5)
    nn.init.normal_(theirs.bias)
    ours = copy.deepcopy(theirs)
    x = (torch.randn(shape) * 2 + mean).to(dtype).to(memory_format=torch.channels_last)
    wanted = torch.randn(shape)
    results = []
    for norm, answer in ((ours, norm_act), (theirs, _by_pytorch)):
        own = x.clone().requires_grad_()
        y = answer(own, norm, relu)
        assert y.dtype == dtype
        (y.float() * wanted).sum().backward()
        assert own.grad is not None and norm.weight.grad is not None and norm.bias.grad is not None
        parts = {'y': y, 'x': own.grad, 'weight': norm.weight.grad, 'bias': norm.bias.grad}
        state = {name: value.float() for name, value in norm.state_dict().items()}
        results.append({**{name: part.detach().float() for name, part in parts.items()}, **state})
    return results


@pytest.mark.parametrize('relu', [True, False])
@pytest.mark.parametrize('shape', [(8, 32, 12, 12), (4, 24, 9, 7), (2, 3, 1, 5)])
def test_it_is_as_near_to_pytorch_as_rounding_lets_it(relu: bool, shape: tuple[int, ...]) -> None:
    ours, theirs = _both(torch.bfloat16, relu, shape)
    exact, _ = _both(torch.float32, relu, shape)
    for name, wanted in theirs.items():
        size = max(1.0, float(wanted.abs().max()))
        torch.testing.assert_close(ours[name], wanted, rtol=0, atol=0.012 * size)
    # of numbers that are themselves rounded to 1/256
    assert (ours['x'] - exact['x']).norm() < 0.02 * exact['x'].norm()


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    ours, theirs = _both(torch.bfloat16, True, (8, 16, 12, 12), mean=300.0)
    torch.testing.assert_close(ours['running_var'], theirs['running_var'], rtol=2e-3, atol=0)
    torch.testing.assert_close(ours['running_mean'], theirs['running_mean'], rtol=1e-4, atol=0)
    assert (ours['y'] - theirs['y']).abs().max() < 0.05


def test_float32_is_left_to_pytorch() -> None:
    ours, theirs = _both(torch.float32, True, (4, 8, 6, 6))
    assert all(torch.equal(ours[name], wanted) for name, wanted in theirs.items())


def test_maps_in_another_order_and_gradients_without_memory() -> None:
    norm = nn.BatchNorm2d(5)
    x = torch.randn(3, 5, 4, 4, dtype=torch.bfloat16, requires_grad=True)  # channels first
    norm_act(x, norm, True).sum().backward()  # the gradient of a sum is one number, expanded
    assert x.grad is not None and torch.isfinite(x.grad).all()
    assert norm.num_batches_tracked == 1


def test_a_network_in_use_keeps_its_means() -> None:
    norm = nn.BatchNorm2d(4).eval()
    x = torch.randn(2, 4, 3, 3, dtype=torch.bfloat16)
    assert torch.equal(norm_act(x, norm, True), norm(x).relu())
    assert norm.num_batches_tracked == 0


def test_what_is_no_plain_batch_norm_is_left_to_pytorch() -> None:
    class Marked(nn.BatchNorm2d):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return torch.full_like(input, 7.0)

    assert (norm_act(torch.randn(2, 4, 3, 3, dtype=torch.bfloat16), Marked(4), True) == 7).all()
