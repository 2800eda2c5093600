"""The one choice of how β is found: every node, tool and estimator goes through `fit_shape`."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

from minimal_hand_core.arrays import ArrayLike
from minimal_hand_core.shape.fit import ShapeFit, check_weight
from minimal_hand_core.shape.lm import fit_shape_lm
from minimal_hand_core.shape.pso import fit_shape_pso
from minimal_hand_core.shape.regressor import ShapeRegressor, load_shape_regressor

SHAPE_METHODS = ('lm', 'pso', 'network')
"""Least squares, particle swarm, neural network."""

_regressors: weakref.WeakKeyDictionary[Any, dict[str, ShapeRegressor]] = weakref.WeakKeyDictionary()


def check_shape_method(method: str, name: str = 'shape method') -> str:
    """method, if it is one.

    Raises:
        ValueError: it is none; lists those that are.
    """
    if method not in SHAPE_METHODS:
        raise ValueError(f'{name} is {method!r}; give one of {", ".join(SHAPE_METHODS)}')
    return method


def fit_shape(
    method: str,
    ratios: ArrayLike,
    model: Any,
    weight: float = 1e-3,
    initial: ArrayLike | None = None,
    *,
    weights: str | Path = 'default',
    seed: int = 0,
) -> ShapeFit:
    """β whose rest pose has the given bone ratios, for each hand of a batch, by the method chosen.

    All three look for the least Σ (ρ_i − ratio_i)² + weight · |β|²: 'lm' finds it, 'pso' comes close within ±3, and
    'network' answers at once what it has learned; its weight is that of its training.

    Args:
        method: 'lm', 'pso' or 'network'.
        ratios: (B, 15) as from bone_ratios, NumPy or torch.
        model: the hand model that β is for.
        weight: of |β|², not negative; 'network' makes no other use of it.
        initial: (B, 10) or (10,) start, zero when None; not used by 'network'.
        weights: 'default' or a file of train_shape; used by 'network' alone, and read once per model.
        seed: of 'pso'.

    Returns:
        ShapeFit of the kind of ratios.

    Raises:
        ValueError: unknown method, wrong shape, empty batch, NaN or infinite, negative weight.
        ShapeRegressorError: 'network' has no weights for this model; the message tells how to make them.
    """
    check_shape_method(method)
    check_weight(weight)
    if method == 'lm':
        return fit_shape_lm(ratios, model, weight, initial)
    if method == 'pso':
        return fit_shape_pso(ratios, model, weight, initial, squared=True, seed=seed)
    return shape_regressor(model, weights).fit(ratios)


def shape_regressor(model: Any, weights: str | Path = 'default') -> ShapeRegressor:
    """The network for a model, read once for as long as the model lives.

    Raises:
        ShapeRegressorError: see load_shape_regressor.
    """
    known = _regressors.setdefault(model, {})
    if str(weights) not in known:
        known[str(weights)] = load_shape_regressor(weights, model)
    return known[str(weights)]
