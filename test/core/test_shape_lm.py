"""The least-squares shape fit against the definition of its objective and against SciPy."""

import functools
import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares
from toy_hand import ToyHand

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape import bone_ratios, fit_shape_lm
from minimal_hand_core.shape.fit import bone_basis
from minimal_hand_core.shape.lm_kernel import _linearise, _objective

HAND = ToyHand()
FEW = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def rest(model, betas):
    offset, directions = (part.double().numpy() for part in model.rest_keypoint_basis())
    return offset + np.einsum('kcd,bd->bkc', directions, betas)


def rows(betas, ratios, model, weight):
    """The residual vector whose sum of squares is the objective."""
    return np.concatenate([bone_ratios(rest(model, betas[None]))[0] - ratios, np.sqrt(weight) * betas])


def objective(betas, ratios, model, weight):
    return (rows(betas, ratios, model, weight) ** 2).sum()


@pytest.fixture(scope='module')
def open_hand():
    return load_hand_model()


@pytest.fixture(scope='module', params=['toy', 'open'])
def model(request, open_hand):
    return HAND if request.param == 'toy' else open_hand


@pytest.mark.parametrize('weight', [1e-5, 1e-3, 0.1])
@pytest.mark.parametrize('noise', [0.0, 0.03, 0.1])
def test_never_above_scipy_from_the_same_start(model, weight, noise):
    rng = np.random.default_rng(1)
    ratios = bone_ratios(rest(model, rng.normal(size=(6, 10))))
    ratios = ratios + noise * rng.normal(size=ratios.shape)
    starts = rng.normal(size=(6, 10)) * 0.5
    for initial in (None, starts):
        fit = fit_shape_lm(ratios, model, weight, initial=initial)
        assert fit.converged.all() and np.median(fit.iterations) < 50
        for i in range(6):
            start = np.zeros(10) if initial is None else starts[i]
            theirs = least_squares(
                rows, start, args=(ratios[i], model, weight), xtol=1e-12, ftol=1e-12, gtol=1e-12, method='trf'
            )
            assert objective(fit.betas[i], ratios[i], model, weight) <= 2 * theirs.cost + 1e-6
            assert fit.residual[i] <= 2 * theirs.cost + 1e-6


def slopes(betas, model):
    """Bone ratios (15,) and their derivatives (15, 10), by the definition."""
    offset, directions = bone_basis(model)
    bones = offset + directions @ betas
    lengths = np.linalg.norm(bones, axis=1)
    along = np.einsum('bi,bik->bk', bones, directions) / lengths[:, None]
    ratios = lengths / lengths[6]
    return ratios, (along - ratios[:, None] * along[6]) / lengths[6]


@settings(FEW, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    hand=st.integers(0, 3),
    kind=st.sampled_from(['exact', 'noisy', 'wild', 'uniform', 'negative']),
    weight=st.sampled_from([1e-5, 1e-3, 0.1]),
    cold=st.booleans(),
)
def test_never_above_scipy_on_any_target(seed, hand, kind, weight, cold):
    """Random hands, starts and targets, those that no hand has among them (there are several minima then)."""
    model = ToyHand(seed=hand, variety=0.02 if hand % 2 else 0.05)
    rng = np.random.default_rng(seed)
    ratios, _ = slopes(rng.normal(size=10), model)
    ratios = {
        'exact': ratios,
        'noisy': ratios + 0.03 * rng.normal(size=15),
        'wild': ratios + 0.5 * rng.normal(size=15),
        'uniform': rng.uniform(0, 2, 15),
        'negative': -ratios,
    }[kind]
    start = np.zeros(10) if cold else rng.normal(size=10)
    fit = fit_shape_lm(ratios[None], model, weight, initial=start)
    theirs = least_squares(
        lambda betas: np.concatenate([slopes(betas, model)[0] - ratios, np.sqrt(weight) * betas]),
        start,
        lambda betas: np.concatenate([slopes(betas, model)[1], np.sqrt(weight) * np.eye(10)]),
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
        max_nfev=200,
    )
    assert objective(fit.betas[0], ratios, model, weight) <= 2 * theirs.cost + 1e-6


@FEW
@given(seed=st.integers(0, 2**32 - 1))
def test_betas_are_found_again_as_far_as_ratios_tell(seed):
    """The open hand's size, β_0, does not show in ratios and thickness, β_7, is in no bone.

    A hand made larger as a whole is one whose other β are smaller by as much, which is what is compared.
    """
    betas = np.random.default_rng(seed).uniform(-2, 2, size=(2, 10))
    betas[:, [0, 7]] = 0
    hand = open_hand_once()
    fit = fit_shape_lm(bone_ratios(rest(hand, betas)), hand, weight=1e-12)
    offset, directions = bone_basis(hand)
    growth = (directions[..., 0] * offset).sum() / (offset**2).sum()
    shown = fit.betas / (1 + growth * fit.betas[:, :1])
    np.testing.assert_allclose(shown[:, 1:], betas[:, 1:], atol=2e-3)
    assert np.abs(fit.betas[:, 7]).max() < 1e-4


@functools.cache
def open_hand_once():
    return load_hand_model(dtype=torch.float64)


def test_derivatives_are_those_of_the_ratios(model):
    """The kernel's closed forms against central differences of the objective."""
    offset, directions = bone_basis(model)
    rng = np.random.default_rng(0)
    beta, target, weight = rng.normal(size=10), rng.uniform(0.2, 1, 15), 0.01
    bones, errors, jacobian = np.empty((15, 3)), np.empty(15), np.empty((15, 10))
    normal, hessian, gradient = np.empty((10, 10)), np.empty((10, 10)), np.empty(10)

    def linearise(at):
        _objective(offset, directions, at, target, weight, bones, errors)
        _linearise(directions, bones, errors, at, target, weight, jacobian, normal, hessian, gradient)
        return errors.copy(), gradient.copy()

    step = 1e-5
    ups, downs = ([linearise(beta + sign * step * axis) for axis in np.eye(10)] for sign in (1, -1))
    linearise(beta)
    for k in range(10):
        np.testing.assert_allclose(jacobian[:, k], (ups[k][0] - downs[k][0]) / (2 * step), atol=1e-8)
        np.testing.assert_allclose(hessian[:, k], (ups[k][1] - downs[k][1]) / (2 * step), atol=1e-7)
    np.testing.assert_allclose(gradient, jacobian.T @ errors + weight * beta, rtol=1e-10)
    np.testing.assert_allclose(normal, jacobian.T @ jacobian + weight * np.eye(10), rtol=1e-10)


@FEW
@given(seed=st.integers(0, 2**32 - 1))
def test_ratios_of_the_model_are_found_again(seed):
    betas = np.random.default_rng(seed).normal(size=(3, 10))
    ratios = bone_ratios(HAND.rest(betas))
    fit = fit_shape_lm(ratios, HAND, weight=1e-12)
    np.testing.assert_allclose(bone_ratios(HAND.rest(fit.betas)), ratios, atol=1e-6)
    assert (fit.residual < 1e-10).all()


@FEW
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(0, 2), weight=st.sampled_from([0.0, 1e-5, 1e-2]))
def test_never_worse_than_the_start(seed, size, weight):
    rng = np.random.default_rng(seed)
    ratios = np.abs(bone_ratios(HAND.rest(rng.normal(size=(4, 10)))) + size * rng.normal(size=(4, 15)))
    start = 3 * rng.normal(size=(4, 10))
    fit = fit_shape_lm(ratios, HAND, weight, initial=start, max_iterations=3)
    assert np.isfinite(fit.betas).all()
    for i in range(4):
        before, after = (objective(betas[i], ratios[i], HAND, weight) for betas in (start, fit.betas))
        assert after <= before * (1 + 1e-12)


def test_weight_is_used(model):
    ratios = bone_ratios(rest(model, np.random.default_rng(2).normal(size=(5, 10))))
    sizes = [np.linalg.norm(fit_shape_lm(ratios, model, weight).betas, axis=1) for weight in (1e-5, 1e-2, 1.0, 100.0)]
    assert all((small < large).all() for large, small in zip(sizes, sizes[1:]))
    assert (sizes[-1] < 0.05).all()


def test_residual_is_that_of_the_ratios_alone(model):
    ratios = bone_ratios(rest(model, np.random.default_rng(3).normal(size=(5, 10))))
    fit = fit_shape_lm(ratios, model, 1e-2)
    np.testing.assert_allclose(fit.residual, ((bone_ratios(rest(model, fit.betas)) - ratios) ** 2).sum(1), rtol=1e-9)


def test_batch_is_the_same_as_one_by_one():
    ratios = bone_ratios(HAND.rest(np.random.default_rng(4).normal(size=(7, 10))))
    together = fit_shape_lm(ratios, HAND)
    for i in range(7):
        np.testing.assert_array_equal(fit_shape_lm(ratios[i : i + 1], HAND).betas[0], together.betas[i])


def test_warm_start_is_quicker():
    ratios = bone_ratios(HAND.rest(np.random.default_rng(5).normal(size=(1, 10))))
    cold = fit_shape_lm(ratios, HAND)
    warm = fit_shape_lm(ratios, HAND, initial=cold.betas[0])
    assert warm.iterations[0] <= 1 < cold.iterations[0]
    np.testing.assert_allclose(warm.betas, cold.betas, atol=1e-6)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_torch_in_torch_out(open_hand, dtype):
    ratios = torch.as_tensor(bone_ratios(HAND.rest(np.zeros((2, 10))))).to(dtype)
    fit = fit_shape_lm(ratios, open_hand)
    assert fit.betas.dtype == fit.residual.dtype == dtype
    assert fit.iterations.dtype == torch.int64 and fit.converged.dtype == torch.bool
    np.testing.assert_allclose(fit.betas.numpy(), fit_shape_lm(ratios.numpy(), open_hand).betas, rtol=1e-5)


def test_a_model_without_variety_is_no_trouble():
    stiff = ToyHand(variety=0.0)
    fit = fit_shape_lm(bone_ratios(HAND.rest(np.ones((1, 10)))), stiff, weight=0.0)
    assert np.isfinite(fit.betas).all() and np.isfinite(fit.residual).all()


def test_basis_is_read_once_and_let_go():
    calls = []

    class Counting(ToyHand):
        def rest_keypoint_basis(self):
            calls.append(1)
            return super().rest_keypoint_basis()

    model = Counting()
    for _ in range(3):
        fit_shape_lm(bone_ratios(model.rest(np.zeros((1, 10)))), model)
    assert len(calls) == 1
    assert bone_basis(model)[1].shape == (15, 3, 10)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


GOOD = bone_ratios(HAND.rest(np.zeros((2, 10))))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'ratios': GOOD[:, :14]}, r'ratios: expected shape \(B, 15\), found \(2, 14\)'),
        ({'ratios': GOOD[0]}, r'ratios: expected shape \(B, 15\), found \(15,\)'),
        ({'ratios': GOOD[:0]}, r'ratios: expected shape \(B, 15\), found \(0, 15\)'),
        ({'ratios': GOOD * np.nan}, 'ratios: expected finite numbers'),
        ({'ratios': GOOD + np.inf}, 'ratios: expected finite numbers'),
        ({'ratios': 'long'}, 'ratios: expected an array of numbers, found str'),
        ({'ratios': GOOD.astype(complex)}, 'ratios: expected an array of numbers, found array of complex128'),
        ({'ratios': GOOD.astype(object) + 1j}, 'ratios: expected an array of numbers, found array of object'),
        ({'model': None}, 'model: expected a hand model, as load_hand_model gives, found NoneType'),
        ({'weight': -1e-5}, 'weight: .*-1e-05'),
        ({'weight': float('nan')}, 'weight: .*nan'),
        ({'initial': np.zeros((3, 10))}, r'initial: expected shape \(2, 10\), found \(3, 10\)'),
        ({'initial': np.full(10, np.nan)}, 'initial: expected finite numbers'),
        ({'max_iterations': 0}, 'max_iterations: expected 1 or more, found 0'),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_shape_lm(**{'ratios': GOOD, 'model': HAND, **arguments})
