"""Command-line options that `fit_shape`, `solve_pose` and `evaluate_pipeline` share, and what they name."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from rich.console import Console

from minimal_hand_core.evaluation.inputs import gather
from minimal_hand_core.evaluation.peer_files import read_shapes, shapes_path
from minimal_hand_core.evaluation.pipeline import FRAME_WEIGHT, SHARED_WEIGHT
from minimal_hand_core.evaluation.pipeline_files import PipelineError, Shapes, load_shapes
from minimal_hand_core.evaluation.pipeline_stages import PER, ShapeStage
from minimal_hand_core.evaluation.predictions import Predictions
from minimal_hand_core.evaluation.report import WIDE
from minimal_hand_core.hand import HandModel, load_hand_model

_log = logging.getLogger(__name__)


def add_shape_arguments(parser: argparse.ArgumentParser) -> None:
    """The hand model, and how shapes are found."""
    group = parser.add_argument_group('shapes')
    group.add_argument('--model', default='open', help='hand model: "open" (default), or a path such as MANO_RIGHT.pkl')
    group.add_argument(
        '--per',
        default='frame',
        choices=PER,
        help='who shares a shape: no two hands (default), hands of one folder (a sequence), all hands of the set',
    )
    group.add_argument(
        '--weight',
        type=float,
        help=f'of |β|² for lm and pso (default {FRAME_WEIGHT:g}, shared shapes {SHARED_WEIGHT:g}; the peer: 1e-5)',
    )
    group.add_argument('--shape-weights', default='default', help='of the shape network: a file of train_shape')
    group.add_argument('--seed', type=int, default=0, help='of pso')


def add_pose_arguments(parser: argparse.ArgumentParser) -> None:
    """How poses are found."""
    group = parser.add_argument_group('poses')
    group.add_argument('--iknet-weights', default='default', help='of IKNet: a file of train_iknet')


def hand_model(options: argparse.Namespace) -> HandModel:
    """The right hand model of the options, in double precision.

    Raises:
        HandModelError: it cannot be read.
    """
    torch.set_num_threads(1)  # hands are too little work to share out
    return load_hand_model(options.model, dtype=torch.float64)


def shape_stage(options: argparse.Namespace, method: str) -> ShapeStage:
    """Raises ValueError: the options are not usable."""
    return ShapeStage(method, options.per, options.weight, options.shape_weights, options.seed)


def named(found: Iterable[Predictions]) -> Iterator[tuple[str, Predictions]]:
    """Predictions with the name that files made of them begin with, such as 'rhd-test'.

    Raises:
        PipelineError: two have the same name.
    """
    names: set[str] = set()
    for predictions in found:
        origin = predictions.origin
        options = [f'{name}={value}' for name, value in sorted(origin.options.items())]
        name = '-'.join([origin.dataset or 'predictions', *([origin.split] if origin.split else []), *options])
        if name in names:
            raise PipelineError(f'two sets of predictions would be written as {name}; give each a run of its own')
        names.add(name)
        yield name, predictions


def gather_named(options: argparse.Namespace, need_truth: bool = True) -> Iterator[tuple[str, Predictions]]:
    """`gather` with names, see `named`."""
    return named(gather(options, need_truth))


def given_shapes(path: Path, name: str, predictions: Predictions, method: str, model: HandModel) -> Shapes:
    """Shapes found earlier, by `fit_shape` or by the peer, whose files do not tell of which hand model they are.

    Args:
        path: a file, or a folder with `NAME_METHOD.npz` of fit_shape or the peer's `{set}_shapes.npy` and so on.
        name: of the predictions, see `named`.
        predictions: the hands.
        method: one of SHAPE_METHODS.
        model: the hand that they will be given to.

    Raises:
        PipelineError, PredictionError, ArrayFileError: there is no such file, or it holds no shapes of these hands.
    """
    path = path.expanduser()
    if not path.is_file():
        path = _shapes_in(path, name, predictions, method)
    shapes = load_shapes(path)
    if not shapes.recipe:
        _log.warning(
            '%s does not say of which hand model its shapes are: taken for those of %s; if they are not, give --model',
            path,
            model.name,
        )
    return shapes


def _shapes_in(folder: Path, name: str, predictions: Predictions, method: str) -> Path:
    """The file of a folder."""
    ours = folder / shapes_name(name, method)
    if ours.is_file():
        return ours
    dataset = predictions.origin.dataset
    theirs = shapes_path(folder, dataset, method)
    if not theirs.is_file():
        raise PipelineError(f'{folder} holds neither {ours.name} (of fit_shape) nor {theirs.name} (of the peer)')
    read_shapes(folder, dataset, method, len(predictions))
    return theirs


def shapes_name(name: str, method: str) -> str:
    """File name of shapes."""
    return f'{name}_{method}.npz'


def printer() -> Console:
    """Where tables go: in files and pipes they may be as wide as they like."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)
