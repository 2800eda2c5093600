"""Shape from bone ratios of one hand: ours and the peer's ways on the same targets."""

import itertools

import numpy as np
import pytest
import torch

from benchmarks.baselines import shape_lm, shape_pso
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape import fit_shape_lm, fit_shape_pso, load_shape_regressor
from minimal_hand_core.shape.fit import model_ratios

TARGETS = 10
NOISE = 0.03


@pytest.fixture(scope='module')
def model():
    return load_hand_model(dtype=torch.float64)


@pytest.fixture(scope='module')
def targets(model):
    """(10, 15) bone ratios of hands, with the noise of ordinary keypoints."""
    rng = np.random.default_rng(0)
    ratios = model_ratios(model, rng.normal(size=(TARGETS, 10)))
    return ratios + NOISE * rng.normal(size=ratios.shape)


def residual(betas, target, model):
    return float(((model_ratios(model, betas[None])[0] - target) ** 2).sum())


def fitness(betas, target, model):
    """The peer's of fact sheet 4.2."""
    return residual(betas, target, model) + shape_pso.WEIGHT * float(np.linalg.norm(betas))


@pytest.mark.benchmark(group='LM shape fit, one hand')
def test_ours_lm(benchmark, model, targets):
    fit = fit_shape_lm(targets, model, weight=1e-6)
    turns = itertools.cycle(targets)
    benchmark(lambda: fit_shape_lm(next(turns)[None], model))
    benchmark.extra_info['note'] = f'residual {fit.residual.mean():.5f}'


@pytest.mark.benchmark(group='LM shape fit, one hand')
def test_peer_lm(benchmark, model, targets):
    # The peer's norm is not squared: for the β found here its 1e-5 weighs as much as our 1e-6.
    ours = fit_shape_lm(targets, model, weight=1e-6).residual
    turns = itertools.cycle(range(TARGETS))
    seen = {}

    def fit():
        i = next(turns)
        seen[i] = shape_lm.fit_frame(targets[i])

    benchmark.pedantic(fit, rounds=TARGETS)
    theirs = np.array([residual(betas, targets[i], model) for i, betas in seen.items()])
    assert (ours[list(seen)] <= theirs + 1e-6).all()
    benchmark.extra_info['note'] = f'residual {theirs.mean():.5f}'


@pytest.mark.benchmark(group='PSO shape fit, one hand')
def test_ours_pso(benchmark, model, targets):
    turns = itertools.cycle(targets)
    benchmark(lambda: fit_shape_pso(next(turns)[None], model))
    found = [fitness(betas, target, model) for betas, target in zip(fit_shape_pso(targets, model).betas, targets)]
    benchmark.extra_info['note'] = f'fitness {np.mean(found):.5f}'


@pytest.mark.benchmark(group='PSO shape fit, one hand')
def test_peer_pso(benchmark, model, targets):
    ours = fit_shape_pso(targets, model).betas
    turns = itertools.cycle(range(TARGETS))
    seen = {}

    def fit():
        i = next(turns)
        seen[i] = shape_pso.fit_frame(targets[i])

    benchmark.pedantic(fit, rounds=TARGETS)
    theirs = {i: fitness(betas, targets[i], model) for i, betas in seen.items()}
    # The swarm that is better on every target does not exist; a thousandth is what chance may decide.
    assert all(fitness(ours[i], targets[i], model) <= value + 1e-3 for i, value in theirs.items())
    assert np.mean([fitness(ours[i], targets[i], model) for i in theirs]) <= np.mean(list(theirs.values()))
    benchmark.extra_info['note'] = f'fitness {np.mean(list(theirs.values())):.5f}'


@pytest.mark.benchmark(group='shape network, one hand')
def test_ours_network(benchmark, model, targets):
    regressor = load_shape_regressor(model=model)
    turns = itertools.cycle(targets)
    benchmark(lambda: regressor.fit(next(turns)[None]))
    benchmark.extra_info['note'] = f'residual {regressor.fit(targets).residual.mean():.5f}'
