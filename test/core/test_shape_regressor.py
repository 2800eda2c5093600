"""The shape network: its size, what its file says, and how good the weights that ship are beside least squares."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from toy_hand import ToyHand

from minimal_hand_core import weights
from minimal_hand_core.evaluation.shape_methods import score_method
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape import ShapeRegressor, ShapeRegressorError, load_shape_regressor, save_shape_regressor
from minimal_hand_core.shape.fit import model_ratios
from minimal_hand_core.shape.regressor import model_signature

HANDS = 500


@pytest.fixture(scope='module')
def open_hand():
    return load_hand_model()


@pytest.fixture(scope='module')
def shipped():
    return load_shape_regressor()


@pytest.fixture
def untrained():
    torch.manual_seed(0)
    return ShapeRegressor(ToyHand()).eval()


def test_size_is_that_of_the_peers(untrained):
    assert sum(parameter.numel() for parameter in untrained.parameters()) == 332_170
    widths = [layer.in_features for layer in untrained.layers if isinstance(layer, torch.nn.Linear)]
    assert widths == [15, 128, 256, 512, 256, 128]


def test_every_beta_of_a_hand_can_be_answered(untrained):
    """The peer's tanh cannot reach its own targets (fact sheet 4.3)."""
    with torch.no_grad():
        untrained.layers[-1].bias.fill_(3.0)
        high = untrained(torch.ones(1, 15))
    assert (high > 3).all() and (high <= 4).all()


def test_whatever_the_ratios_the_answer_is_bounded(untrained):
    ratios = np.array([[1e300] * 15, [-1e300] * 15, [0.0] * 15])
    fit = untrained.fit(ratios)
    assert np.isfinite(fit.betas).all() and (np.abs(fit.betas) <= 4).all()


def test_fit_reports_as_the_other_fits(untrained):
    ratios = np.random.default_rng(0).uniform(0.2, 1, (4, 15))
    fit = untrained.fit(ratios)
    assert fit.betas.dtype == np.float64 and fit.betas.shape == (4, 10)
    expected = ((model_ratios(ToyHand(), fit.betas) - ratios) ** 2).sum(1)
    np.testing.assert_allclose(fit.residual, expected, rtol=1e-4)
    assert (fit.iterations == 0).all() and fit.converged.all() and fit.iterations.dtype == np.int64
    tensor = untrained.fit(torch.from_numpy(ratios).float())
    assert tensor.betas.dtype == torch.float32 and not tensor.betas.requires_grad
    np.testing.assert_allclose(tensor.betas.numpy(), fit.betas, atol=1e-5)


def test_gradient(untrained):
    ratios = torch.rand(1, 15, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(untrained.double(), (ratios,), fast_mode=True)


@pytest.mark.parametrize(
    ('ratios', 'message'),
    [
        (np.ones((2, 14)), r'ratios: expected shape \(B, 15\), found \(2, 14\)'),
        (np.ones((0, 15)), r'ratios: expected shape \(B, 15\), found \(0, 15\)'),
        (np.full((1, 15), np.nan), 'ratios: expected finite numbers'),
    ],
)
def test_bad_input(untrained, ratios, message):
    with pytest.raises(ValueError, match=message):
        untrained.fit(ratios)


def test_a_file_brings_the_network_back(untrained, tmp_path):
    path = tmp_path / 'net.safetensors'
    save_shape_regressor(untrained, path, {'note': 'a test'})
    again = load_shape_regressor(path, ToyHand())
    ratios = torch.rand(3, 15)
    # matrices are kept in half precision
    torch.testing.assert_close(again(ratios), untrained(ratios), atol=5e-3, rtol=0)
    with safe_open(path, framework='pt') as file:
        assert file.metadata()['note'] == 'a test' and file.metadata()['model'] == 'ToyHand'
    held = sum(tensor.numel() for tensor in load_file(path).values())
    assert held == 332_170, 'a file holds the network and nothing of the hand model'


def test_weights_of_another_hand_are_refused(untrained, tmp_path, open_hand):
    path = tmp_path / 'toy.safetensors'
    save_shape_regressor(untrained, path)
    with pytest.raises(ShapeRegressorError, match=r'made for the hand model ToyHand, not for open_hand.npz: .*--model'):
        load_shape_regressor(path, open_hand)
    with pytest.raises(ShapeRegressorError, match='made for the hand model open_hand.npz, not for ToyHand: train'):
        load_shape_regressor(model=ToyHand())


def test_signature_is_of_the_hand_and_not_of_its_side_or_precision(open_hand):
    same = [load_hand_model(side='left'), load_hand_model(dtype=torch.float64)]
    for model in same:
        np.testing.assert_allclose(model_signature(model), model_signature(open_hand), atol=1e-5)
    for other in (ToyHand(), ToyHand(seed=1)):
        assert np.abs(model_signature(other) - model_signature(open_hand)).max() > 0.05
    assert np.abs(model_signature(ToyHand()) - model_signature(ToyHand(seed=1))).max() > 0.05


def test_wrong_files_are_named(untrained, tmp_path):
    hand = ToyHand()
    with pytest.raises(ShapeRegressorError, match='shape regressor weights .*none.safetensors: no such file'):
        load_shape_regressor(tmp_path / 'none.safetensors', hand)
    (tmp_path / 'text.safetensors').write_text('no weights')
    with pytest.raises(ShapeRegressorError, match='not a whole safetensors file'):
        load_shape_regressor(tmp_path / 'text.safetensors', hand)
    save_file({'a': torch.zeros(1)}, tmp_path / 'other.safetensors')
    with pytest.raises(ShapeRegressorError, match='no shape regressor: .* give a file of train_shape'):
        load_shape_regressor(tmp_path / 'other.safetensors', hand)
    signature = json.dumps(model_signature(hand).tolist())
    save_file({'layers.0.weight': torch.zeros(1)}, tmp_path / 'few.safetensors', {'limit': '4', 'signature': signature})
    with pytest.raises(
        ShapeRegressorError, match=r'keys 11 missing: layers.0.bias.*1 of another shape: layers.0.weight'
    ):
        load_shape_regressor(tmp_path / 'few.safetensors', hand)
    with pytest.raises(ShapeRegressorError, match="unknown kind '.pth'"):
        save_shape_regressor(untrained, tmp_path / 'net.pth')
    with torch.no_grad():
        untrained.layers[0].weight[0, 0] = float('nan')
    with pytest.raises(ShapeRegressorError, match='not written: layers.0.weight holds NaN'):
        save_shape_regressor(untrained, tmp_path / 'net.safetensors')
    with pytest.raises(ValueError, match='limit: expected a number above 0, found 0'):
        ShapeRegressor(hand, 0)


def test_default_is_checked_by_its_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, 'ASSETS', tmp_path)
    with pytest.raises(ShapeRegressorError, match='not in this installation: train them with `train_shape`'):
        load_shape_regressor()
    (tmp_path / 'shape_regressor.safetensors').write_bytes(b'tampered')
    (tmp_path / 'weights.json').write_text('{"shape_regressor.safetensors": {"sha256": "0000"}}')
    with pytest.raises(ShapeRegressorError, match='weights.json says 0000: damaged'):
        load_shape_regressor()


def test_both_sides_take_the_weights_that_ship(shipped, open_hand):
    ratios = model_ratios(open_hand, np.random.default_rng(0).normal(size=(5, 10)))
    left = load_shape_regressor(model=load_hand_model(side='left')).fit(ratios)
    np.testing.assert_allclose(left.betas, shipped.fit(ratios).betas, atol=1e-4)


@pytest.mark.parametrize(('noise', 'factor'), [(0.0, 0.3), (0.03, 1.08)])
def test_weights_that_ship_are_near_least_squares(open_hand, noise, factor):
    """Both with the tracker's weight, which is made for noise. Figures as in assets/SHAPE_REGRESSOR.md."""
    lm, network = (score_method(method, open_hand, noise, HANDS, 1e-3) for method in ('lm', 'network'))
    assert network.ratio_error < factor * lm.ratio_error
    assert network.beta_error < factor * lm.beta_error
    assert network.keypoint_error_mm < factor * lm.keypoint_error_mm
