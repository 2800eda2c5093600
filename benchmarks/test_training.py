"""What training draws and minimises."""

import itertools

import pytest
import torch

from minimal_hand_core.data.synthetic import SyntheticHands
from minimal_hand_core.detnet.biomechanics import BiomechanicalLoss

PICTURES = 20


@pytest.mark.benchmark(group='synthetic hands, one picture')
def test_ours_synthetic(benchmark):
    hands = SyntheticHands(0)
    indices = itertools.count()
    for _ in range(5 * PICTURES):  # makes the studio; what few pictures need is compiled, too
        hands[next(indices)]

    def pictures():
        return [hands[next(indices)] for _ in range(PICTURES)]

    benchmark(pictures)
    benchmark.extra_info['items'] = PICTURES


@pytest.mark.benchmark(group='biomechanical loss and gradient, 32 hands')
def test_ours_biomechanics(benchmark):
    loss = BiomechanicalLoss()
    xyz = torch.randn(32, 21, 3, requires_grad=True)

    def step():
        xyz.grad = None
        loss(xyz).total.backward()

    benchmark(step)
