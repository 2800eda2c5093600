"""Checks that every metric shares: shapes, visibility, and numbers where something is visible."""

from __future__ import annotations

import numpy as np

from minimal_hand_core.arrays import ArrayLike, check_shape, describe_shape, to_float64


def check_visible(visible: ArrayLike | None, shape: tuple[int, ...]) -> np.ndarray:
    """The mask as bool (N, K); all True for None.

    Raises:
        ValueError: not bool, or another shape.
    """
    if visible is None:
        return np.ones(shape, bool)
    mask = np.asarray(visible)
    if mask.dtype != bool:
        raise ValueError(f'visible: expected bool, found {mask.dtype}; compare weights with a threshold first')
    check_shape(mask, 'visible', shape)
    return mask


def check_errors(errors: ArrayLike, visible: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Errors (N, J) as float64 and their mask as bool (N, J).

    Raises:
        ValueError: wrong shape or empty; NaN, infinite or negative where visible; nothing visible at all.
    """
    values = to_float64(errors, 'errors')
    check_shape(values, 'errors', ('N', 'J'))
    mask = check_visible(visible, values.shape)
    chosen = values if visible is None else values[mask]
    if chosen.size == 0:
        raise ValueError(f'visible: expected at least one visible keypoint, found none in {values.size}')
    _check_finite(chosen, 'errors')
    if chosen.min() < 0:
        raise ValueError(f'errors: expected distances of 0 or more, found {chosen.min():g}')
    return values, mask


def check_pair(
    predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike | None, keypoints: int | str = 'K', dims: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted and true points (N, K, dims) as float64 and their mask as bool (N, K).

    Raises:
        ValueError: wrong shapes, shapes that differ, or NaN or infinity where visible.
    """
    points, true = to_float64(predicted, 'predicted'), to_float64(truth, 'truth')
    check_shape(true, 'truth', ('N', keypoints, dims))
    if points.shape != true.shape:
        raise ValueError(
            f'predicted: expected shape {describe_shape(true.shape)} as truth, found {describe_shape(points.shape)}'
        )
    mask = check_visible(visible, true.shape[:2])
    for name, value in (('predicted', points), ('truth', true)):
        # A sum is finite only if every part of it is, and is had without a copy of what is visible.
        if not (np.isfinite(np.einsum('nkd->nk', value)) | ~mask).all():
            _check_finite(value[mask], name)
    return points, true, mask


def _check_finite(values: np.ndarray, name: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        raise ValueError(
            f'{name}: expected finite numbers wherever visible, found NaN or infinity in '
            f'{int((~finite).sum())} of {values.size} places; mark those keypoints as not visible'
        )
