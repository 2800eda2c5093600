"""What one step of any run does: its rate, its gradient's limit, what decays, and the moving average of the weights."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from minimal_hand_core.training.optimizers import MOMENTUM, make_optimizer, orthogonalized
from minimal_hand_core.training.run import TrainingRun
from minimal_hand_core.training.schedule import learning_rate, stepped_rate


@dataclass(frozen=True)
class Settings:
    learning_rate: float = 0.1
    warmup: int = 0
    steps: int = 1000
    ema_decay: float = 0.0
    drop_every: int = 20
    drop_factor: float = 0.1


def begun(**settings) -> TrainingRun:
    """A run of one weight matrix of zeros by plain gradient descent."""
    model = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(model.weight)
    return TrainingRun(Settings(**settings), model, torch.optim.SGD(model.parameters(), lr=1.0))


def pull(run: TrainingRun, size: float, **how) -> torch.Tensor:
    """One step down a slope of this size; the way that the weights went."""
    before = run.model.weight.detach().clone()
    run.descend((run.model.weight * torch.full((2, 3), size / 6**0.5)).sum(), **how)
    return before - run.model.weight.detach()


@pytest.mark.parametrize(
    ('size', 'how', 'went'), [(3, {}, 3), (400, {}, 5), (400, {'limit': 2}, 2), (9, {'limit': 0}, 9)]
)
def test_gradients_are_cut_to_the_limit(size, how, went):
    assert pull(begun(), size, **how).norm() == pytest.approx(0.1 * went, rel=1e-4)


def test_each_step_has_its_own_gradient_and_rate():
    run = begun(warmup=4, steps=12)
    ways = [float(pull(run, 1.0).norm()) for _ in range(12)]
    assert ways == pytest.approx([learning_rate(run.config, step) for step in range(12)], rel=1e-4)
    assert ways[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1], rel=1e-4)
    assert ways[8] == pytest.approx(0.05, rel=1e-4), 'half-way between the warm-up and the end'
    assert run.step == 12


def test_drops_are_counted_from_the_first_step():
    schedule = Settings(warmup=5)
    assert [stepped_rate(schedule, step) for step in (4, 19, 20, 39, 40)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.001]
    )


def jump(run: TrainingRun, steps: int) -> float:
    """How much of a jump of the weights, made `steps` after the start, their average follows at once."""
    for _ in range(steps):
        run.descend(0.0 * run.model.weight.sum())
    with torch.no_grad():
        run.model.weight.fill_(1.0)
    run.descend(0.0 * run.model.weight.sum())
    return float(run.averaged.weight.detach().mean())


def test_the_average_forgets_at_its_decay_but_at_the_start_faster():
    assert jump(begun(), 3) == 1.0, 'no average at all'
    assert jump(begun(ema_decay=0.999), 1) > 0.5, 'the first weights are the worst'
    assert jump(begun(ema_decay=0.6), 40) == pytest.approx(0.4)
    assert 0.05 < jump(begun(ema_decay=0.999), 40) < 0.3


def test_the_average_has_the_counters_of_the_network():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    run = TrainingRun(Settings(ema_decay=0.9), model, torch.optim.SGD(model.parameters(), lr=1.0))
    for _ in range(3):
        run.descend(model(torch.randn(4, 3)).sum())
    assert int(run.averaged[1].num_batches_tracked) == 3
    assert torch.isfinite(run.averaged[1].running_mean).all() and run.averaged[1].running_mean.any()


@pytest.mark.parametrize('name', ['adamw', 'muon'])
def test_weights_decay_and_biases_and_norms_do_not(name):
    model = nn.Sequential(nn.Conv2d(6, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = make_optimizer(name, model, 0.1, 0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert torch.allclose(parameter, old * (0.95 if old.ndim > 1 else 1.0)), tuple(old.shape)


def test_muon_looks_ahead_along_its_momentum():
    layer = nn.Linear(8, 5, bias=False)
    optimizer = make_optimizer('muon', layer, 0.01, 0.0)
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.randn(5, 8, generator=generator) for _ in range(2))
    for gradient in (first, second):
        before = layer.weight.detach().clone()
        layer.weight.grad = gradient.clone()
        optimizer.step()
    went = (before - layer.weight.detach()) / (0.01 * 0.2 * 8**0.5)
    ahead = second + MOMENTUM * (second + MOMENTUM * first)
    assert torch.allclose(went, orthogonalized(ahead), atol=1e-3)
