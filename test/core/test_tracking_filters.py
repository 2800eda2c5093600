"""One-Euro and Kalman filters."""

import numpy as np
import pytest

from minimal_hand_core.tracking import PoseConfig
from minimal_hand_core.tracking.filters import Kalman, OneEuro
from minimal_hand_core.tracking.steady import Steady


def run(one_euro, values, stamps):
    return np.array([one_euro(value, stamp) for value, stamp in zip(values, stamps)])


def test_constant_passes():
    value = np.array([[1.0, -2.0, 3.0], [0.0, 0.5, 9.0]])
    assert np.allclose(run(OneEuro(1.0, 1.0), [value] * 20, np.arange(20) / 30), value)


def test_jitter_at_rest_shrinks():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3000, 3))
    smooth = run(OneEuro(min_cutoff=0.5), noise, np.arange(3000) / 30)
    assert smooth[100:].std() < 0.3 * noise.std()


def test_speed_lowers_the_lag():
    stamps = np.arange(120) / 60
    ramp = stamps[:, None] * np.array([0.5, 0.0, 0.0])  # 0.5 m/s
    slow, quick = (run(OneEuro(1.0, beta), ramp, stamps)[-1, 0] for beta in (0.0, 30.0))
    assert ramp[-1, 0] - quick < 0.5 * 0.015 < 0.5 * 0.1 < ramp[-1, 0] - slow


def test_same_smoothing_at_any_rate():
    """A step is followed along the same curve in time, whatever the rate of the samples."""
    after = []
    for rate in (30, 60, 240):
        stamps = np.arange(1, rate // 2 + 1) / rate
        one_euro = OneEuro(1.0)
        one_euro(np.zeros(1), 0.0)
        after.append(run(one_euro, [np.ones(1)] * len(stamps), stamps)[-1, 0])
    assert np.ptp(after) < 0.04


def test_directions_are_alike():
    """Turning the signal turns the output: the cut-off depends on the length of the velocity only."""
    rng = np.random.default_rng(0)
    signal = np.cumsum(rng.normal(size=(50, 3)), axis=0)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    stamps = np.arange(50) / 30
    straight = run(OneEuro(1.0, 0.5), signal, stamps)
    turned = run(OneEuro(1.0, 0.5), signal @ rotation.T, stamps)
    assert np.allclose(turned, straight @ rotation.T)


def test_a_sample_that_jumps_away_alone_does_not_move_a_point_at_rest():
    stamps = np.arange(60) / 30
    at_rest = np.random.default_rng(0).normal(0, 1e-4, (60, 3))
    for last, limits in ((41, (0.0, 0.006)), (42, (0.03, 0.051)), (60, (0.03, 0.051))):
        path = at_rest.copy()
        path[40:last, 0] += 0.05  # in one picture, in two, or for good
        filtered = run(OneEuro(0.05, 60.0, 1.0, 0.01), path, stamps)
        assert np.abs(filtered[35:41]).max() < 0.006
        low, high = limits
        assert low <= np.abs(filtered[41:]).max() < high
    assert np.abs(filtered[44:] - path[44:]).max() < 0.005


def test_reset_forgets():
    one_euro = OneEuro(0.1)
    one_euro(np.zeros(3), 0.0)
    one_euro.reset()
    assert (one_euro(np.ones(3), 0.1) == 1).all()


def test_time_backwards_resets_and_the_same_stamp_repeats():
    one_euro = OneEuro(0.1)
    one_euro(np.zeros(3), 5.0)
    first = one_euro(np.ones(3), 5.1)
    assert (one_euro(np.full(3, 7.0), 5.1) == first).all()
    assert (one_euro(np.full(3, 7.0), 1.0) == 7).all()


@pytest.mark.parametrize('name', ['min_cutoff', 'beta', 'derivative_cutoff', 'rest_speed'])
@pytest.mark.parametrize('value', [-1.0, float('nan')])
def test_bad_parameters_are_named(name, value):
    with pytest.raises(ValueError, match=f'{name} is {value}'):
        OneEuro(**{name: value})


def test_the_kalman_filter_knows_no_lag_at_constant_speed():
    stamps = np.arange(90) / 30
    ramp = stamps[:, None] * np.array([0.5, 0.0, -0.2])
    found = run(Kalman(0.001, 0.0001, 4.0), ramp + 0.0, stamps)
    assert np.abs(found - ramp)[40:].max() < 1e-4


def test_the_kalman_filter_is_steady_at_rest_and_awake_to_motion():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(300, 3)) * 0.001
    still = run(Kalman(0.001, 0.0001, 4.0), noise, np.arange(300) / 30)
    assert still[60:].std() < 0.25 * noise.std()
    stamps = np.arange(60) / 30
    start = np.where(stamps < 1, 0, 0.5 * (stamps - 1))[:, None] * np.array([1.0, 0, 0])
    moved = run(Kalman(0.001, 0.0001, 4.0), start, stamps)
    slow = run(Kalman(0.001, 0.0001, 0.0), start, stamps)
    assert np.abs(moved - start)[35:].max() < 0.005 < np.abs(slow - start)[35:].max()


def test_the_kalman_filter_forgets_as_the_other_does():
    kalman = Kalman()
    kalman(np.zeros(3), 5.0)
    first = kalman(np.ones(3), 5.1)
    assert (kalman(np.full(3, 7.0), 5.1) == first).all(), 'the same stamp'
    assert (kalman(np.full(3, 7.0), 1.0) == 7).all(), 'time backwards'
    kalman.reset()
    assert (kalman(np.ones(3), 1.1) == 1).all()
    assert kalman(np.ones((21, 3)), 1.2).shape == (21, 3), 'another shape'


def test_a_resting_point_is_not_loosened_by_a_moving_one():
    rng = np.random.default_rng(1)
    stamps = np.arange(200) / 30
    signal = rng.normal(size=(200, 2, 3)) * 0.001
    signal[:, 1, 0] += 0.5 * np.sin(3 * stamps)
    for make in (lambda: Kalman(0.001, 0.0001, 4.0), lambda: OneEuro(0.1, 60.0, 1.0, 0.02)):
        both, alone = run(make(), signal, stamps), run(make(), signal[:, :1], stamps)
        assert np.allclose(both[:, 0], alone[:, 0])


def test_rest_speed_takes_noise_for_rest():
    noise = np.random.default_rng(0).normal(size=(600, 3)) * 0.001
    stamps = np.arange(600) / 30
    open_, shut = (run(OneEuro(0.1, 60.0, 1.0, rest), noise, stamps)[60:].std() for rest in (0.0, 0.03))
    assert shut < 0.5 * open_
    ramp = stamps[:60, None] * np.array([0.5, 0.0, 0.0])
    behind = [ramp[-1, 0] - run(OneEuro(0.1, 60.0, 1.0, rest), ramp, stamps[:60])[-1, 0] for rest in (0.0, 0.03)]
    assert behind[1] < 1.1 * behind[0] + 1e-3


@pytest.mark.parametrize('make, settings', [(OneEuro, (5.0, 0.0, 1.0)), (Kalman, (0.01, 0.1, 0.0))])
def test_parameters_change_without_a_jump(make, settings):
    each = make()
    run(each, np.random.default_rng(0).normal(size=(50, 3)), np.arange(50) / 30)
    before = each(np.zeros(3), 2.0)
    each.set_parameters(*settings)
    assert (each(np.zeros(3), 2.0) == before).all()


@pytest.mark.parametrize('name', ['noise', 'acceleration', 'agility'])
@pytest.mark.parametrize('value', [-1.0, float('nan')])
def test_bad_kalman_parameters_are_named(name, value):
    with pytest.raises(ValueError, match=f'{name} is {value}'):
        Kalman(**{name: value})


@pytest.mark.parametrize('kind', ['one_euro', 'kalman'])
@pytest.mark.parametrize(
    ('part', 'shape', 'noise'), [('xyz', (21, 3), 0.02), ('points', (21, 3), 0.02), ('wrist', (3,), 1e-3)]
)
def test_all_that_is_said_of_a_hand_is_steadied(kind, part, shape, noise):
    chance, steady = np.random.default_rng(2), Steady(PoseConfig(filter=kind))
    said = 0.5 + noise * chance.normal(size=(90, *shape))
    found = np.array([getattr(steady, part)(value, i / 30) for i, value in enumerate(said)])
    assert found[30:].std(axis=0).mean() < 0.5 * said[30:].std(axis=0).mean()
    for other in {'xyz', 'points', 'wrist'} - {part}:
        fresh = np.ones(3) if other == 'wrist' else np.ones((21, 3))
        assert (getattr(steady, other)(fresh, 3.0) == 1).all(), 'each by a filter of its own'
    steady.reset()
    assert (getattr(steady, part)(said[0], 3.1) == said[0]).all()
