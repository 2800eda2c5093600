"""The two stages of the pipeline with their settings: predictions → shapes → poses, made once and found again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from minimal_hand_core.evaluation.array_file import ArrayFileError
from minimal_hand_core.evaluation.pipeline import FRAME_WEIGHT, SHARED_WEIGHT, fit_shapes, pose_hands
from minimal_hand_core.evaluation.pipeline_files import (
    PipelineError,
    Poses,
    Shapes,
    load_poses,
    load_shapes,
    save_poses,
    save_shapes,
)
from minimal_hand_core.evaluation.predictions import Predictions
from minimal_hand_core.hand import HandModel, mirror_rotations
from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.pose import PoseSolver, check_pose_method, load_iknet
from minimal_hand_core.shape.fit import check_weight
from minimal_hand_core.shape.methods import check_shape_method, shape_regressor
from minimal_hand_core.shape.regressor import model_signature

PER = ('frame', 'folder', 'set')
"""Who shares a shape: nobody; hands whose keys name one folder (a sequence, in STB); all hands."""


@dataclass(frozen=True)
class ShapeStage:
    """How shapes are found.

    Attributes:
        method: one of SHAPE_METHODS.
        per: one of PER.
        weight, weights, seed: see `pipeline.fit_shapes`.

    Raises:
        ValueError: unknown method or `per`, a negative weight.
    """

    method: str = 'lm'
    per: str = 'frame'
    weight: float | None = None
    weights: str = 'default'
    seed: int = 0

    def __post_init__(self) -> None:
        check_shape_method(self.method)
        if self.per not in PER:
            raise PipelineError(f'shape per {self.per!r}; choose one of {", ".join(PER)}')
        if self.weight is not None:
            check_weight(self.weight)

    @property
    def _weight(self) -> float:
        usual = FRAME_WEIGHT if self.per == 'frame' else SHARED_WEIGHT
        return usual if self.weight is None else self.weight

    def recipe(self, predictions: Predictions, model: HandModel) -> dict[str, Any]:
        """What the shapes depend on.

        Raises:
            ShapeRegressorError: the method is 'network' and has no weights for this model.
        """
        network = self.method == 'network'
        return {
            'predictions': fingerprint(predictions),
            'model': model.name,
            'signature': [round(float(value), 6) for value in model_signature(model)],
            'method': self.method,
            'per': self.per,
            'weight': None if network else self._weight,
            'weights': _digest(shape_regressor(model, self.weights)) if network else None,
            'seed': self.seed if self.method == 'pso' else None,
        }

    def run(self, predictions: Predictions, model: HandModel) -> Shapes:
        """Find the shapes. Errors as `recipe` and `pipeline.fit_shapes`."""
        groups = None
        if self.per != 'frame':
            names = [str(PurePosixPath(key).parent) if self.per == 'folder' else '' for key in predictions.keys]
            groups = np.array(names)
        fit = fit_shapes(
            predictions.xyz,
            model,
            self.method,
            groups=groups,
            weight=self._weight,
            weights=self.weights,
            seed=self.seed,
        )
        return Shapes(tuple(predictions.keys), fit.betas, fit.residual, self.recipe(predictions, model))


@dataclass(frozen=True)
class PoseStage:
    """How poses are found.

    Attributes:
        method: one of POSE_METHODS.
        limits: bend no joint further than a hand bends. The peers have none.
        weights: of 'iknet', see `load_iknet`.

    Raises:
        ValueError: unknown method.
    """

    method: str = 'aik'
    limits: bool = False
    weights: str = 'default'

    def __post_init__(self) -> None:
        check_pose_method(self.method)

    @property
    def title(self) -> str:
        """'aik', 'aik_limits' and so on."""
        return f'{self.method}_limits' if self.limits else self.method

    def recipe(self, predictions: Predictions, shapes: Shapes, model: HandModel) -> dict[str, Any]:
        """What the poses depend on.

        Raises:
            IKNetError: the method is 'iknet' and its weights cannot be read.
        """
        return {
            'predictions': fingerprint(predictions),
            'betas': hashlib.sha256(np.ascontiguousarray(shapes.betas).tobytes()).hexdigest(),
            'shape': dict(shapes.recipe),
            'model': model.name,
            'signature': [round(float(value), 6) for value in model_signature(model)],
            'method': self.method,
            'limits': self.limits,
            'weights': _digest(load_iknet(self.weights)) if self.method == 'iknet' else None,
        }

    def run(self, predictions: Predictions, shapes: Shapes, model: HandModel) -> Poses:
        """Pose the hands.

        Raises:
            PipelineError: the shapes are of other hands or for another hand model.
            ValueError: as `recipe` and `pipeline.pose_hands`.
        """
        shapes.check(predictions, model)
        solver = PoseSolver(self.method, limits=self.limits, weights=self.weights)
        posed = pose_hands(predictions.mirrored(predictions.xyz), shapes.betas, model, solver)
        left = (predictions.sides == SIDES.index('left'))[:, None, None, None]
        return Poses(
            keys=tuple(predictions.keys),
            sides=predictions.sides,
            rotations=np.where(left, mirror_rotations(posed.rotations), posed.rotations),
            betas=shapes.betas,
            angles=posed.angles,
            keypoints_m=predictions.mirrored(posed.keypoints_m),
            misfit=posed.misfit,
            recipe=self.recipe(predictions, shapes, model),
        )


def fingerprint(predictions: Predictions) -> str:
    """SHA-256 of what the pipeline reads of predictions: keys, sides and keypoints."""
    digest = hashlib.sha256('\n'.join(predictions.keys).encode())
    for part in (predictions.sides, predictions.xyz):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def stored_shapes(stage: ShapeStage, predictions: Predictions, model: HandModel, path: Path) -> tuple[Shapes, bool]:
    """The shapes of `path` if they were made like this, else made and stored there; and whether they were there."""
    recipe = stage.recipe(predictions, model)
    earlier = _earlier(path, load_shapes)
    if earlier is not None and dict(earlier.recipe) == recipe:
        return earlier, True
    shapes = stage.run(predictions, model)
    save_shapes(shapes, path)
    return shapes, False


def stored_poses(
    stage: PoseStage, predictions: Predictions, shapes: Shapes, model: HandModel, path: Path
) -> tuple[Poses, bool]:
    """The poses of `path` if they were made like this, else made and stored there; and whether they were there."""
    recipe = stage.recipe(predictions, shapes, model)
    earlier = _earlier(path, load_poses)
    if earlier is not None and dict(earlier.recipe) == recipe:
        return earlier, True
    poses = stage.run(predictions, shapes, model)
    save_poses(poses, path)
    return poses, False


def _earlier(path: Path, load: Callable[[Path], Any]) -> Any:
    """What an earlier run left at `path`; None when there is nothing that can be read."""
    try:
        return load(path)
    except (ArrayFileError, PipelineError):
        return None


def _digest(network: torch.nn.Module) -> str:
    """SHA-256 of a network's weights."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
