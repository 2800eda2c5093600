"""Shapes and poses of stored hands, and their files.

A result knows what it was made of (`recipe`): predictions, hand model, method, weights. So a file is used again only
where making it anew would give the same, and stages of different hands or hand models do not get mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.arrays import check_finite, describe_shape
from minimal_hand_core.errors import first_line
from minimal_hand_core.evaluation.array_file import ArrayFileError, load_arrays, save_arrays
from minimal_hand_core.evaluation.pipeline import lay_on
from minimal_hand_core.evaluation.predictions import Predictions
from minimal_hand_core.hand import HandModel
from minimal_hand_core.hand.skeleton import NUM_BETAS
from minimal_hand_core.shape.regressor import model_signature

_SHAPES, _POSES = 'shapes', 'poses'
_POSE_ARRAYS = ('sides', 'rotations', 'betas', 'angles', 'keypoints_m', 'misfit')
_SAME = 1e-4
"""Signatures of one hand model differ by less, as in shape/regressor.py."""


class PipelineError(ValueError):
    """Predictions, shapes and hand model do not belong together; says what was expected and found."""


@dataclass(frozen=True)
class Shapes:
    """β of N hands.

    Attributes:
        keys: N names, as of the predictions; empty where a file does not tell (the peer's).
        betas: (N, 10) float64.
        residual: (N,) Σ over the bones of (model ratio − ratio)²; infinite for a hand that says nothing, NaN where
            not known.
        recipe: what they were made of; {} where not known.
    """

    keys: tuple[str, ...]
    betas: np.ndarray
    residual: np.ndarray
    recipe: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.betas)

    def check(self, predictions: Predictions, model: HandModel) -> None:
        """See that these are shapes of those hands, for that hand model; files of the peer tell their number alone.

        Raises:
            PipelineError: they are not.
        """
        if len(self) != len(predictions):
            raise PipelineError(
                f'shapes are of {len(self)} hands, predictions of {len(predictions)}; fit shapes to these predictions'
            )
        wrong = next((i for i, pair in enumerate(zip(self.keys, predictions.keys)) if pair[0] != pair[1]), None)
        if wrong is not None:
            raise PipelineError(
                f'shapes are of other hands: hand {wrong} is {self.keys[wrong]}, in the predictions '
                f'{predictions.keys[wrong]}; fit shapes to these predictions'
            )
        signature = self.recipe.get('signature')
        if signature is not None and not np.allclose(signature, model_signature(model), atol=_SAME):
            raise PipelineError(
                f'shapes are of the hand model {self.recipe.get("model", "?")}, not of {model.name}: β of one mean '
                'nothing to another; give that model, or fit shapes for this one'
            )


@dataclass(frozen=True)
class Poses:
    """N posed hands, as the picture shows them: those of left hands are for a left hand model.

    Floating arrays but betas become float32, so that those read from a file score as those just made.

    Attributes:
        keys, sides: as of the predictions.
        rotations: (N, 16, 3, 3) local, MANO's order; [0] turns the hand model's rest frame into the axes of the
            predictions (those of the crop's view), the others are relative to the parent joint.
        betas: (N, 10) float64.
        angles: (N, 20) radians, order of ANGLE_NAMES; the same for a left hand and its mirror image.
        keypoints_m: (N, 21, 3) metres, the hand model's own size, wrist at the origin.
        misfit: (N,) mean distance from the predicted keypoints, wrist and hand length aligned, in hand lengths.
        recipe: what they were made of.
    """

    keys: tuple[str, ...]
    sides: np.ndarray
    rotations: np.ndarray
    betas: np.ndarray
    angles: np.ndarray
    keypoints_m: np.ndarray
    misfit: np.ndarray
    recipe: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name in ('rotations', 'angles', 'keypoints_m', 'misfit'):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float32))

    def __len__(self) -> int:
        return len(self.betas)

    def predictions(self, of: Predictions) -> Predictions:
        """The predictions these poses are of, with the posed keypoints in place of the network's: to be scored.

        The posed hands are moved and scaled, not turned, to lie on the network's keypoints, see `pipeline.lay_on`.
        """
        return of.with_xyz(lay_on(self.keypoints_m, of.xyz))


def save_shapes(shapes: Shapes, path: Path | str) -> None:
    """Write an `.npz`. ArrayFileError: it cannot be written."""
    arrays = {'keys': _bytes(shapes.keys), 'betas': shapes.betas, 'residual': shapes.residual}
    save_arrays(path, _SHAPES, arrays, {'recipe': dict(shapes.recipe)})


def load_shapes(path: Path | str) -> Shapes:
    """Shapes of `save_shapes`, or β (N, 10) of a peer's `.npy`.

    Raises:
        ArrayFileError: no such file, damaged or of another kind.
        PipelineError: other shapes than (N, 10), or NaN or infinite.
    """
    path = Path(path)
    if path.suffix == '.npy':
        return _check_betas(_load_peer(path), path)
    arrays, meta = load_arrays(path, _SHAPES, ('keys', 'betas', 'residual'))
    return _check_betas(Shapes(_texts(arrays['keys']), arrays['betas'], arrays['residual'], meta['recipe']), path)


def save_poses(poses: Poses, path: Path | str) -> None:
    """Write an `.npz`. ArrayFileError: it cannot be written."""
    arrays = {name: getattr(poses, name) for name in _POSE_ARRAYS}
    save_arrays(path, _POSES, {'keys': _bytes(poses.keys), **arrays}, {'recipe': dict(poses.recipe)})


def load_poses(path: Path | str) -> Poses:
    """Poses of `save_poses`. ArrayFileError: no such file, damaged or of another kind."""
    arrays, meta = load_arrays(path, _POSES, ('keys', *_POSE_ARRAYS))
    keys = _texts(arrays.pop('keys'))
    return Poses(keys=keys, recipe=meta['recipe'], **arrays)


def _load_peer(path: Path) -> Shapes:
    try:
        betas = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ArrayFileError(f'{path}: no such file; give one of fit_shape or of the peer') from None
    except (OSError, ValueError, EOFError) as error:
        raise ArrayFileError(f'{path} is damaged or no array of numbers ({first_line(error)})') from None
    return Shapes((), betas, np.full(len(betas) if betas.ndim else 0, np.nan), {})


def _check_betas(shapes: Shapes, path: Path) -> Shapes:
    betas = shapes.betas
    if betas.ndim != 2 or betas.shape[1] != NUM_BETAS or not len(betas) or betas.dtype.kind not in 'fiu':
        raise PipelineError(
            f'{path}: expected β of shape (N, 10), found {describe_shape(betas.shape)} of {betas.dtype}'
        )
    try:
        check_finite(betas, 'betas')
    except ValueError as error:
        raise PipelineError(f'{path}: {error}') from None
    return replace(shapes, betas=betas.astype(np.float64))


def _bytes(keys: tuple[str, ...]) -> np.ndarray:
    return np.array([key.encode() for key in keys])


def _texts(keys: np.ndarray) -> tuple[str, ...]:
    return tuple(key.decode() for key in keys.tolist())
