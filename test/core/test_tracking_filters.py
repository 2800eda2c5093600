"""One-Euro filter."""

import numpy as np
import pytest

from minimal_hand_core.tracking.filters import OneEuro


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


@pytest.mark.parametrize('name', ['min_cutoff', 'beta', 'derivative_cutoff'])
@pytest.mark.parametrize('value', [-1.0, float('nan')])
def test_bad_parameters_are_named(name, value):
    with pytest.raises(ValueError, match=f'{name} is {value}'):
        OneEuro(**{name: value})
