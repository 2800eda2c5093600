"""Minimal-Hand-pytorch's result files, read and written, so that its results can be scored here and ours there.

In one folder (theirs is `out_testset`), per data set `rhd`, `stb`, `do`, `eo` (fact sheet 6.6):

| file | shape | |
| --- | --- | --- |
| `{set}_pre_joints.npy` | N×21×3 | network units |
| `{set}_gt_joints.npy` | RHD, STB N×21×3; DO, EO N×5×3 | metres, camera frame; a tip that is not labelled is NaN |
| `{set}_shapes.npy`, `_pso.npy`, `_dl.npy` | N×10 | betas by LM, PSO, shape network |

Every hand is a right one there: left hands are mirrored, x → −x. Joints are in canonical order, tips thumb … little,
and DO's and EO's truth is in the frame of the depth camera. The files name no hand, so only order tells which is which.
Other data sets of ours are written likewise, with 21 joints, under their own names.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.detnet.axes import CAMERA
from minimal_hand_core.errors import first_line
from minimal_hand_core.evaluation.predictions import Origin, PredictionError, Predictions
from minimal_hand_core.evaluation.protocols import TIPS_ONLY, depth_frame_truth
from minimal_hand_core.files import write_atomically
from minimal_hand_core.hand.skeleton import NUM_BETAS, NUM_KEYPOINTS, SIDES, TIP_KEYPOINTS

PREFIXES = {'rhd': 'rhd', 'stb': 'stb', 'dexter_object': 'do', 'ego_dexter': 'eo'}
"""Data set → how its files begin."""
SHAPE_SUFFIXES = {'lm': 'shapes', 'pso': 'pso', 'network': 'dl'}
"""Shape method → how its files end."""
_PREDICTED, _TRUE = 'pre_joints', 'gt_joints'


def peer_datasets(folder: Path | str) -> list[str]:
    """Data sets of the peer whose predictions lie in a folder, by our names.

    Raises:
        PredictionError: no such folder, or none.
    """
    folder = Path(folder).expanduser()
    found = [name for name in PREFIXES if _path(folder, name, _PREDICTED).is_file()]
    if not found:
        expected = ', '.join(f'{prefix}_{_PREDICTED}.npy' for prefix in PREFIXES.values())
        reason = 'holds none of' if folder.is_dir() else 'is no folder; expected one with'
        raise PredictionError(f'{folder} {reason} {expected}')
    return found


def read_peer(folder: Path | str, dataset: str, need_truth: bool = True) -> Predictions:
    """Predictions and truth of a data set.

    Args:
        folder: with the peer's files.
        dataset: by our name.
        need_truth: False lets the file of the truth be missing: no keypoint is labelled then.

    Returns:
        right hands with keys such as 'rhd/00000', without pixels, confidence (1) and intrinsics; `origin` says test
        split, and for DO and EO the edited labels in the depth camera's frame, as the peer's are.

    Raises:
        PredictionError: a file is missing, is no array of numbers, has another shape, or both differ in length.
    """
    folder = Path(folder).expanduser()
    xyz = _read(_path(folder, dataset, _PREDICTED), (NUM_KEYPOINTS, 3))
    path = _path(folder, dataset, _TRUE)
    points = len(TIP_KEYPOINTS) if dataset in TIPS_ONLY else NUM_KEYPOINTS
    count = len(xyz)
    if need_truth or path.is_file():
        truth = _read(path, (points, 3), nan=dataset in TIPS_ONLY)
    else:
        truth = np.full((count, points, 3), np.nan)
    if len(truth) != count:
        raise PredictionError(f'{path} has {len(truth)} hands, {_path(folder, dataset, _PREDICTED).name} has {count}')
    if points == len(TIP_KEYPOINTS):
        # The peer asks for x alone; a tip is labelled or it is not.
        truth[~np.isfinite(truth).all(axis=2)] = np.nan
        tips, truth = truth, np.full((count, NUM_KEYPOINTS, 3), np.nan)
        truth[:, TIP_KEYPOINTS] = tips
    options = {'labels': 'edited', 'camera': 'depth'} if dataset in TIPS_ONLY else {}
    return Predictions(
        keys=[f'{PREFIXES.get(dataset, dataset)}/{i:05d}' for i in range(count)],
        uv=np.full((count, NUM_KEYPOINTS, 2), np.nan),
        xyz=xyz,
        confidence=np.ones((count, NUM_KEYPOINTS)),
        true_uv=np.full((count, NUM_KEYPOINTS, 2), np.nan),
        true_m=truth,
        visible=np.isfinite(truth).all(axis=2),
        intrinsics=np.full((count, 3, 3), np.nan),
        sides=np.full(count, SIDES.index('right')),
        crops=np.full((count, 3), np.nan),
        origin=Origin(dataset=dataset, split='test', options=options, weights=str(folder), length=count, axes=CAMERA),
    )


def write_peer(folder: Path | str, predictions: Predictions) -> list[Path]:
    """Write `{set}_pre_joints.npy` and `{set}_gt_joints.npy`, float32; the folder is made.

    Returns:
        the two files.

    Raises:
        PredictionError: a file cannot be written.
    """
    dataset = predictions.origin.dataset
    truth = predictions.true_m
    if dataset in TIPS_ONLY:
        truth = depth_frame_truth(predictions)[:, TIP_KEYPOINTS]
    arrays = {_PREDICTED: predictions.camera_xyz, _TRUE: truth}
    paths = []
    for kind, points in arrays.items():
        path = _path(Path(folder).expanduser(), dataset, kind)
        _write(path, predictions.mirrored(points).astype(np.float32))
        paths.append(path)
    return paths


def shapes_path(folder: Path | str, dataset: str, method: str) -> Path:
    """Where the betas of a method ('lm', 'pso', 'network') lie.

    Raises:
        PredictionError: no such method.
    """
    if method not in SHAPE_SUFFIXES:
        raise PredictionError(f'shape method is {method!r}; choose one of {", ".join(SHAPE_SUFFIXES)}')
    return _path(Path(folder).expanduser(), dataset, SHAPE_SUFFIXES[method])


def read_shapes(folder: Path | str, dataset: str, method: str, count: int | None = None) -> np.ndarray:
    """Betas (N, 10) float64.

    Args:
        folder, dataset, method: as `shapes_path`.
        count: hands they must be for; None takes any number.

    Raises:
        PredictionError: the file is missing, no array of finite numbers, of another shape or number of hands.
    """
    path = shapes_path(folder, dataset, method)
    betas = _read(path, (NUM_BETAS,))
    if count is not None and len(betas) != count:
        raise PredictionError(f'{path} has shapes of {len(betas)} hands, expected {count}; fit them again')
    return betas


def write_shapes(folder: Path | str, dataset: str, method: str, betas: np.ndarray) -> Path:
    """Write betas (N, 10) float32 and return the file.

    Raises:
        PredictionError: another shape, not finite, or the file cannot be written.
    """
    path = shapes_path(folder, dataset, method)
    values = np.asarray(betas, np.float32)
    _check(values, (NUM_BETAS,), 'betas', nan=False)
    _write(path, values)
    return path


def _path(folder: Path, dataset: str, kind: str) -> Path:
    return folder / f'{PREFIXES.get(dataset, dataset or "predictions")}_{kind}.npy'


def _read(path: Path, shape: tuple[int, ...], nan: bool = False) -> np.ndarray:
    """(N, *shape) float64."""
    if not path.is_file():
        raise PredictionError(f'{path}: no such file')
    try:
        values: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PredictionError(f'{path} is no whole array of numbers: {first_line(error)}') from None
    _check(values, shape, str(path), nan)
    return np.asarray(values, np.float64)


def _check(values: Any, shape: tuple[int, ...], what: str, nan: bool) -> None:
    wanted = '×'.join(map(str, ('N', *shape)))
    if not isinstance(values, np.ndarray) or values.dtype.kind not in 'fiu':
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise PredictionError(f'{what}: expected numbers {wanted}, found {kind}')
    if values.shape[1:] != shape or len(values) == 0:
        raise PredictionError(f'{what}: expected {wanted}, found {"×".join(map(str, values.shape))}')
    bad = ~np.isfinite(values) & ~(np.isnan(values) & nan)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise PredictionError(f'{what}: expected finite numbers, found NaN or infinity, first in row {row}')


def _write(path: Path, values: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise PredictionError(f'{path} cannot be written: {first_line(error)}') from error
