"""How well each way to find β does, on the same hands: `python -m minimal_hand_core.evaluation.shape_methods`.

Hands are drawn as for the training of the shape regressor, from a seed of their own; their bone ratios are given
exactly and with noise.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from minimal_hand_core.evaluation.alignment import root_scale_errors
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape import ShapeRegressor, fit_shape, fit_shape_lm
from minimal_hand_core.shape.fit import model_ratios
from minimal_hand_core.training.shape_hands import test_batch
from minimal_hand_core.training.shape_recipe import ShapeRecipe


class ShapeScore(NamedTuple):
    """Root mean squares over hands.

    Attributes:
        residual: of the fitted hand's ratios against those given; with noise, least is not best.
        ratio_error: of the fitted hand's ratios against the true ones.
        beta_error: of β per coordinate, both brought to the smallest β of the same ratios.
        keypoint_error_mm: mean distance of the rest pose's keypoints, wrist and hand length aligned.
        seconds: per hand.
    """

    residual: float
    ratio_error: float
    beta_error: float
    keypoint_error_mm: float
    seconds: float


def score_method(
    method: str, model: Any, noise: float, hands: int, weight: float, weights: str = 'default'
) -> ShapeScore:
    """Fit `hands` hands of a model with `method` (see fit_shape) from ratios with noise of that standard deviation."""
    truth = test_batch(ShapeRecipe(), ShapeRegressor(model), hands, noise)
    true_betas, given = truth.betas.double().numpy(), truth.noisy.double().numpy()
    fit_shape(method, given[:1], model, weight, weights=weights)  # compiled and read before the clock runs
    start = time.perf_counter()
    fit = fit_shape(method, given, model, weight, weights=weights)
    seconds = (time.perf_counter() - start) / hands

    errors = model_ratios(model, fit.betas) - truth.ratios.double().numpy()
    misses = plain_betas(model, fit.betas) - plain_betas(model, true_betas)
    offset, directions = (part.double().numpy() for part in model.rest_keypoint_basis())
    found, true = (offset + np.einsum('kcd,bd->bkc', directions, betas) for betas in (fit.betas, true_betas))
    return ShapeScore(
        float(np.sqrt(np.mean(fit.residual) / given.shape[1])),
        float(np.sqrt(np.mean(errors**2))),
        float(np.sqrt(np.mean(misses**2))),
        float(1000 * root_scale_errors(found, true).mean()),
        seconds,
    )


def plain_betas(model: Any, betas: np.ndarray) -> np.ndarray:
    """The smallest β (B, 10) that show the ratios of betas (B, 10): what ratios cannot tell is taken out of them."""
    return np.asarray(fit_shape_lm(model_ratios(model, betas), model, weight=1e-7).betas)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser('shape_methods', description='Compare lm, pso and network on the same hands.')
    parser.add_argument('--model', default='open', help="hand model: 'open' or a path")
    parser.add_argument('--weights', default='default', help="of the network: 'default' or a file of train_shape")
    parser.add_argument('--hands', type=int, default=2000)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        model = load_hand_model(options.model)
        rows = [
            (noise, method, weight, score_method(method, model, noise, options.hands, weight, options.weights))
            for noise in (0.0, 0.03)
            for method, weight in (('lm', 1e-5), ('lm', 1e-3), ('pso', 1e-5), ('pso', 1e-3), ('network', 0.0))
        ]
    except ValueError as error:
        print(f'shape_methods: {error}', file=sys.stderr)
        return 1
    print('| Ratios | Method | Residual | Ratio error | β error | Keypoints | Time per hand |')
    print('| --- | --- | --- | --- | --- | --- | --- |')
    for noise, method, weight, score in rows:
        title = method if method == 'network' else f'{method}, weight {weight:g}'
        given = f'{noise:.0%} noise' if noise else 'exact'
        print(
            f'| {given} | {title} | {score.residual:.5f} | {score.ratio_error:.5f} | {score.beta_error:.3f} '
            f'| {score.keypoint_error_mm:.2f} mm | {score.seconds * 1e6:.0f} µs |'
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
