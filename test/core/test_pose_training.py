"""IKNet's training learns, stops and continues exactly; its hands are repeatable and what they claim to be."""

import csv

import numpy as np
import pytest
import torch

from minimal_hand_core.pose import (
    ANATOMICAL_LIMITS,
    JointAxes,
    joint_angles,
    load_iknet,
    local_from_absolute,
    solve_pose,
)
from minimal_hand_core.training import train_iknet
from minimal_hand_core.training.posed_hands import NoiseConfig, PoseSampler, RestConfig
from minimal_hand_core.training.recipe import ConfigError, read_recipe, recipe_from_dict
from minimal_hand_core.training.run import CHECKPOINT
from minimal_hand_core.training.train_iknet import (
    TRAINING_SEED,
    VALIDATION_SEED,
    WEIGHTS,
    IKNetConfig,
    IKNetRun,
    iknet_loss,
    main,
    train,
    train_step,
    validate,
)

TINY = {
    'width': 16, 'depth': 2, 'activation': 'silu', 'steps': 4, 'batch': 8, 'warmup': 1, 'pool': 20,
    'checkpoint_every': 1, 'validation_every': 4,
}  # fmt: skip
QUIET = NoiseConfig(0, 0, 1)


@pytest.fixture(scope='module')
def sampler():
    return PoseSampler(3, 50)


def test_hands_are_what_they_claim(sampler):
    hands = sampler.batch(0, 50, QUIET)
    np.testing.assert_array_equal(hands.target, hands.truth)
    np.testing.assert_allclose(np.linalg.norm(hands.template[:, 9] - hands.template[:, 0], axis=-1), 1)
    rotations = local_from_absolute(hands.absolute)
    np.testing.assert_allclose(
        joint_angles(rotations, JointAxes.from_keypoints(hands.template)), hands.angles, atol=1e-9
    )
    assert (hands.angles >= ANATOMICAL_LIMITS[:, 0]).all() and (hands.angles <= ANATOMICAL_LIMITS[:, 1]).all()
    assert np.ptp(np.linalg.norm(hands.template[:, 8] - hands.template[:, 7], axis=-1)) > 0.02, 'shapes differ'
    np.testing.assert_allclose(solve_pose(hands.template, hands.truth)[:, 0], np.tile(np.eye(3), (50, 1, 1)), atol=1e-9)


def test_other_rest_poses_tell_the_same_story(sampler):
    """With R·T = R′·T′ the target is the template's own pose; the templates are no longer the open hand's."""
    plain, other = sampler.batch(2, 40, QUIET), sampler.batch(2, 40, QUIET, RestConfig(share=1.0))
    for hands in (plain, other):
        np.testing.assert_allclose(np.linalg.det(hands.absolute), 1)
        rotations = solve_pose(hands.template, hands.truth)
        bones = (
            hands.template[:, 1:]
            - hands.template[:, [0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]]
        )
        assert np.isfinite(rotations).all() and np.linalg.norm(bones, axis=-1).min() > 0.05
    assert np.abs(plain.template - other.template).max() > 0.2
    same = sampler.batch(2, 40, QUIET, RestConfig(share=1.0, angle=10.0, length=0.0, palm=0.0))
    np.testing.assert_allclose(same.truth, plain.truth, atol=1e-12)


def test_a_batch_depends_on_seed_and_step_alone(sampler):
    noise = NoiseConfig()
    sampler.batch(7, 5, noise)
    again = PoseSampler(3, 50)
    for a, b in zip(sampler.batch(1, 5, noise), again.batch(1, 5, noise)):
        np.testing.assert_array_equal(a, b)
    assert np.abs(sampler.batch(1, 5, noise).target - sampler.batch(2, 5, noise).target).max() > 0.01
    assert VALIDATION_SEED < TRAINING_SEED


def test_noise_is_as_large_as_said(rng):
    plain = NoiseConfig(0.1, 0.0, 1.0).sample(rng, 4000)
    assert plain.std() == pytest.approx(0.1 * np.sqrt(1 / 5), rel=0.05)  # E[u⁴] = 1/5
    drift = NoiseConfig(0.0, 0.2, 1.0).sample(rng, 4000)
    spread = drift.std(axis=(0, 2))
    assert spread[0] == 0
    np.testing.assert_allclose(spread[1:5] / spread[4], [0.25, 0.5, 0.75, 1], rtol=1e-9)
    assert np.corrcoef(drift[:, 1, 0], drift[:, 4, 0])[0, 1] == pytest.approx(1)


def test_training_learns(sampler):
    run = IKNetRun(
        recipe_from_dict(IKNetConfig, {**TINY, 'width': 64, 'steps': 150, 'batch': 64, 'learning_rate': 5e-3})
    )
    losses = [train_step(run, sampler.batch(step, 64, QUIET)).total.item() for step in range(150)]
    assert np.mean(losses[-10:]) < 0.35 * losses[0]


def test_the_loss_of_the_truth_is_zero(sampler):
    """A network that knew the answer would have none: the loss is measured in the frame the network answers in."""
    hands = sampler.batch(4, 20, NoiseConfig(0.05, 0.1, 2.0))

    class Oracle(torch.nn.Module):
        def matrices(self, features):
            from minimal_hand_core.pose.iknet import iknet_features

            _, turned = iknet_features(hands.template, hands.target)
            return torch.from_numpy(np.swapaxes(turned, -1, -2)[:, None] @ hands.absolute).float()

    loss = iknet_loss(Oracle(), hands, 5.0)
    assert loss.total.item() < 1e-5


def test_a_run_that_stopped_continues_exactly(tmp_path):
    config = recipe_from_dict(IKNetConfig, TINY)
    whole = train(config, tmp_path / 'whole')
    train(config, tmp_path / 'parts', stop_after=1)
    parts = train(config, tmp_path / 'parts')
    assert whole.step == parts.step == 4
    for (name, a), b in zip(whole.average.state_dict().items(), parts.average.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    rows = list(csv.DictReader((tmp_path / 'whole/metrics.csv').open()))
    assert [row['step'] for row in rows] == ['4'] and float(rows[0]['10mm_mm']) > 0
    saved = load_iknet(tmp_path / 'whole' / WEIGHTS)
    assert saved.width == 16
    saved, averaged, raw = (
        torch.cat([part.detach() for part in network.parameters() if part.ndim == 1])
        for network in (saved, whole.averaged, whole.model)
    )
    assert torch.equal(saved, averaged) and not torch.equal(saved, raw), 'matrices are rounded, norms and biases not'
    scores = validate(whole.averaged.eval(), PoseSampler(VALIDATION_SEED, 500))
    assert scores == {name: float(rows[0][name]) for name in scores}, 'and it is what is scored'


def test_keypoints_count_by_their_factor(sampler):
    run = IKNetRun(recipe_from_dict(IKNetConfig, {**TINY, 'keypoint_factor': 7.0}))
    hands = sampler.batch(0, 8, QUIET)
    loss = train_step(run, hands)
    torch.testing.assert_close(loss.total, loss.rotation + 7.0 * loss.keypoint)


def test_training_hands_are_not_those_of_the_validation(monkeypatch, tmp_path):
    seeds = []

    class Noted(PoseSampler):
        def __init__(self, seed, pool):
            seeds.append(seed)
            super().__init__(seed, 20)

    monkeypatch.setattr(train_iknet, 'PoseSampler', Noted)
    train(recipe_from_dict(IKNetConfig, {**TINY, 'seed': VALIDATION_SEED}), tmp_path, stop_after=0)
    assert len(set(seeds)) == 2


def test_a_run_of_other_settings_is_refused(tmp_path):
    IKNetRun(recipe_from_dict(IKNetConfig, TINY)).save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]
    with pytest.raises(ValueError, match='batch: 8, not 9'):
        IKNetRun(recipe_from_dict(IKNetConfig, {**TINY, 'batch': 9})).load(tmp_path)
    assert IKNetRun(recipe_from_dict(IKNetConfig, {**TINY, 'checkpoint_every': 2})).load(tmp_path)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'batch': 1}, 'batch is 1; give at least 2'),
        ({'activation': 'tanh'}, "activation is 'tanh'; give one of sigmoid, relu, silu"),
        ({'warmup': 99999}, 'warmup is 99999'),
        ({'noise': {'depth': 0.5}}, 'noise.depth is 0.5'),
        ({'rest': {'share': 2}}, 'rest.share is 2'),
        ({'widht': 3}, 'widht is not a setting'),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(ConfigError) as error:
        recipe_from_dict(IKNetConfig, settings)
    assert message in str(error.value)


def test_the_shipped_recipe_is_valid_and_errors_take_one_line(tmp_path, capsys):
    path = 'config/training/iknet.yaml'
    assert read_recipe(IKNetConfig, path).width == 384
    assert main(['--config', path, '--output', str(tmp_path), '--set', 'steps=0']) == 1
    assert capsys.readouterr().err.count('\n') == 1
