"""What all shape fits have in common: their result, their view of a hand model, their checks."""

from __future__ import annotations

import math
import weakref
from typing import Any, NamedTuple

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_finite, check_shape, for_kernel, restore, to_float64
from minimal_hand_core.hand.skeleton import (
    BONE_KEYPOINTS,
    KEYPOINT_PARENTS,
    NUM_BETAS,
    NUM_BONES,
    NUM_KEYPOINTS,
    REFERENCE_BONE,
)

_ENDS = list(BONE_KEYPOINTS)
_STARTS = [KEYPOINT_PARENTS[keypoint] for keypoint in BONE_KEYPOINTS]
_bases: weakref.WeakKeyDictionary[Any, tuple[np.ndarray, np.ndarray]] = weakref.WeakKeyDictionary()


class ShapeFit(NamedTuple):
    """Result of a shape fit.

    Attributes:
        betas: (B, 10), kind and dtype of the ratios given.
        residual: (B,) Σ over the 15 bones of (model ratio − ratio)², without the weight's term.
        iterations: (B,) int64: trial steps (LM), generations (PSO), 0 (network).
        converged: (B,) bool; False when a bound on the iterations ended the fit.
    """

    betas: Any
    residual: Any
    iterations: Any
    converged: Any


def bone_basis(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Bones of a model's rest pose as an affine function of β: offset (15, 3), directions (15, 3, 10), float64, metres.

    Read from model.rest_keypoint_basis() once per model and kept as long as the model lives.

    Raises:
        ValueError: model has no such method, or it gives something else.
    """
    # Texts, numbers and such cannot be weakly referenced.
    basis = _bases.get(model) if hasattr(model, 'rest_keypoint_basis') else None
    if basis is None:
        if not hasattr(model, 'rest_keypoint_basis'):
            raise ValueError(f'model: expected a hand model, as load_hand_model gives, found {type(model).__name__}')
        offset, directions = (to_float64(part, 'rest_keypoint_basis') for part in model.rest_keypoint_basis())
        check_shape(offset, 'offset of rest_keypoint_basis', (NUM_KEYPOINTS, 3))
        check_shape(directions, 'directions of rest_keypoint_basis', (NUM_KEYPOINTS, 3, NUM_BETAS))
        basis = _bases[model] = (offset[_ENDS] - offset[_STARTS], directions[_ENDS] - directions[_STARTS])
    return basis


def model_ratios(model: Any, betas: np.ndarray) -> np.ndarray:
    """Bone ratios (B, 15) of a model's rest pose (fact sheet 4) for betas (B, 10), float64."""
    offset, directions = bone_basis(model)
    bones = offset + np.einsum('nik,bk->bni', directions, betas)
    lengths = np.sqrt(np.einsum('bni,bni->bn', bones, bones))
    return np.asarray(lengths / lengths[:, REFERENCE_BONE, None])


def read_ratios(ratios: ArrayLike) -> np.ndarray:
    """ratios (B, 15) as a float64 array that kernels take.

    Raises:
        ValueError: wrong shape, empty batch, no numbers, NaN or infinite.
    """
    target = for_kernel(to_float64(ratios, 'ratios'))
    check_shape(target, 'ratios', ('B', NUM_BONES))
    check_finite(target, 'ratios')
    return target


def read_start(initial: ArrayLike | None, batch: int) -> np.ndarray:
    """A fresh (batch, 10) float64 array: initial, (10,) or (batch, 10), or zeros for None.

    Raises:
        ValueError: wrong shape, NaN or infinite.
    """
    betas = np.zeros((batch, NUM_BETAS))
    if initial is not None:
        start = to_float64(initial, 'initial')
        check_shape(start, 'initial', (NUM_BETAS,) if start.ndim == 1 else (batch, NUM_BETAS))
        check_finite(start, 'initial')
        betas[:] = start
    return betas


def check_weight(weight: float) -> float:
    """weight as a float.

    Raises:
        ValueError: negative or not finite.
    """
    if not (weight >= 0 and math.isfinite(weight)):
        raise ValueError(f'weight: expected a finite number of 0 or more, found {weight!r}')
    return float(weight)


def check_count(name: str, value: int, low: int = 1) -> int:
    """value as an int.

    Raises:
        ValueError: not a whole number, or below `low`.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise ValueError(f'{name}: expected {low} or more, found {value!r}')
    return int(value)


def restore_fit(
    betas: np.ndarray, residual: np.ndarray, iterations: np.ndarray, converged: np.ndarray, like: ArrayLike
) -> ShapeFit:
    """The parts as a ShapeFit of the kind of `like`, see `restore`."""
    return ShapeFit(*(restore(part, like) for part in (betas, residual, iterations, converged)))
