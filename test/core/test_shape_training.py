"""train_shape: hands made on the fly, a run that learns, stops and continues exactly, and refuses what is wrong."""

import csv

import numpy as np
import pytest
import torch
from toy_hand import ToyHand

from minimal_hand_core.hand import OPEN_HAND, load_hand_model, read_npz
from minimal_hand_core.shape import ShapeRegressor, ShapeRegressorError, load_shape_regressor
from minimal_hand_core.training.recipe import ConfigError, read_recipe, recipe_from_dict
from minimal_hand_core.training.run import CHECKPOINT
from minimal_hand_core.training.shape_hands import test_batch as held_back_batch
from minimal_hand_core.training.shape_hands import training_batch
from minimal_hand_core.training.shape_recipe import BONE_SIGMA, ShapeRecipe
from minimal_hand_core.training.train_shape import WEIGHTS, main, train

RECIPE = 'config/training/shape_regressor.yaml'
TINY = {'steps': 40, 'batch': 32, 'warmup': 5, 'checkpoint_every': 20, 'validate_every': 40, 'learning_rate': 3e-3}


@pytest.fixture
def tiny():
    return recipe_from_dict(ShapeRecipe, TINY)


@pytest.fixture(scope='module')
def hand():
    return ShapeRegressor(ToyHand())


def test_a_run_that_stopped_continues_exactly_and_learns(tiny, tmp_path):
    whole = train(tiny, tmp_path / 'whole')
    train(tiny, tmp_path / 'parts', stop_after=15)
    parts = train(tiny, tmp_path / 'parts')
    assert whole.step == parts.step == 40
    for (name, a), b in zip(whole.average.state_dict().items(), parts.average.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    (row,) = csv.DictReader((tmp_path / 'whole/metrics.csv').open())
    untrained = ShapeRegressor(load_hand_model())
    batch = held_back_batch(tiny, untrained, 500)
    with torch.no_grad():
        before = float((untrained.ratios(untrained(batch.ratios)) - batch.ratios).square().mean().sqrt())
    assert float(row['exact_ratio_error']) < 0.7 * before
    assert load_shape_regressor(tmp_path / 'whole' / WEIGHTS).model_name == 'open_hand.npz'


def test_hands_are_within_reach_and_repeatable(tiny, hand):
    batch = training_batch(tiny, hand, 3)
    for one, same in zip(batch, training_batch(tiny, hand, 3), strict=True):
        assert torch.equal(one, same)
    assert not torch.equal(batch.betas, training_batch(tiny, hand, 4).betas)
    assert float(batch.betas.abs().max()) <= tiny.reach < tiny.limit
    many = held_back_batch(tiny, hand, 20_000).betas
    assert abs(float(many.mean())) < 0.01 and float(many.std()) == pytest.approx(0.987, abs=0.01)


def test_noise_is_added_to_a_copy_and_not_to_the_test(tiny, hand):
    batch = training_batch(tiny, hand, 0)
    np.testing.assert_allclose(batch.ratios, hand.ratios(batch.betas), atol=1e-6)
    assert (batch.noisy[:, 6] == 1).all(), 'the reference bone is 1 by definition'
    others = [i for i in range(15) if i != 6]
    spread = (batch.noisy - batch.ratios)[:, others].std(0)
    # drawn per hand from 0 to 1.2 times the sigma: 1.2/√3 of it on the whole
    np.testing.assert_allclose(spread, 1.2 / 3**0.5 * torch.tensor(BONE_SIGMA)[others], rtol=0.45)
    test = held_back_batch(tiny, hand, 100)
    assert torch.equal(test.noisy, test.ratios)


def test_any_hand_model_by_its_path(tmp_path):
    hand = read_npz(OPEN_HAND)
    arrays = {name: getattr(hand, name) for name in ('side', 'faces', 'weights', 'joint_regressor', 'tip_vertices')}
    path = tmp_path / 'longer.npz'
    np.savez(path, vertices=hand.vertices * [1.1, 1, 1], shapedirs=0.5 * hand.shapedirs, **arrays)
    changes = [f'--set={name}={value}' for name, value in {**TINY, 'steps': 6}.items()]
    run = tmp_path / 'run'
    assert (
        main(['--config', RECIPE, '--output', str(run), '--model', str(path), *changes, '--set=validate_every=6']) == 0
    )
    weights = run / WEIGHTS
    assert load_shape_regressor(weights, load_hand_model(path)).model_name == 'longer.npz'
    with pytest.raises(ShapeRegressorError, match='made for the hand model longer.npz, not for open_hand.npz'):
        load_shape_regressor(weights)


def test_another_run_in_the_folder_is_refused(tiny, tmp_path, capsys):
    train(tiny, tmp_path, stop_after=1)
    before = (tmp_path / CHECKPOINT).read_bytes()
    changes = [f'--set={name}={value}' for name, value in TINY.items()]
    assert main(['--config', RECIPE, '--output', str(tmp_path), *changes, '--set', 'seed=9']) == 1
    assert 'was made with seed: 1, not 9' in capsys.readouterr().err
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('limit=2.5', 'limit is 2.5; give above reach, 3'),
        ('noise=-1', 'noise is -1.0; give at least 0'),
        ('noise_sigma=[0.1, 0.2]', r'noise_sigma is (0.1, 0.2); give 15 numbers'),
        ('noise_sigma=0.1', 'noise_sigma is 0.1; expected tuple'),
        ('noize=1', 'noize is not a setting; choose from model, seed'),
        ('batch=0', 'batch is 0; give at least 1'),
        ('model=', 'model is None; expected str'),
        ('model=nowhere.pkl', "hand model 'nowhere.pkl' does not exist"),
        ('batch', "--set 'batch': give NAME=VALUE"),
        ('batch=[', "--set 'batch=[': '[' is not YAML"),
        ('seed.more=1', 'seed.more is not a setting'),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(tmp_path, capsys, change, message):
    assert main(['--config', RECIPE, '--output', str(tmp_path / 'run'), '--set', change]) == 1
    error = capsys.readouterr().err
    assert error.startswith('train_shape: ') and message in error and error.count('\n') == 1
    assert not (tmp_path / 'run').exists()


def test_the_shipped_recipe_is_what_the_code_takes_for_granted():
    assert read_recipe(ShapeRecipe, RECIPE) == ShapeRecipe()
    with pytest.raises(ConfigError, match='cannot be read'):
        read_recipe(ShapeRecipe, 'config/training/none.yaml')
