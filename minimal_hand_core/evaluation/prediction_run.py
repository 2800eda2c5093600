"""Predict a data set into a file, in chunks: killed at any moment, the same call goes on where it was.

Beside `name.npz` lies the folder `name.parts` while the work goes on; each chunk in it is written whole. At the end
they become the one file and the folder goes.
"""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from minimal_hand_core.data.datasets.index import Index
from minimal_hand_core.data.datasets.progress import progress
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.evaluation.predict import predict
from minimal_hand_core.evaluation.predictions import (
    Origin,
    PredictionError,
    Predictions,
    check_origin,
    concatenate,
    load_predictions,
    save_predictions,
)
from minimal_hand_core.inference.engine import Engine
from minimal_hand_core.tracking.picture import PictureError

CHUNK = 256
"""Hands per part: a few seconds of work."""
_PLACES_PX, _PLACES_M = 1e-2, 1e-5
"""How far labels may be from stored ones: float32 rounding."""
_log = logging.getLogger(__name__)


def predict_to_file(
    engine: Engine,
    samples: Sequence[Sample],
    path: Path,
    origin: Origin,
    *,
    batch: int = 32,
    chunk: int = CHUNK,
    skip_unreadable: bool = False,
) -> Predictions:
    """Predict all samples and keep the predictions.

    Args:
        engine: runs the network.
        samples: the data set, or a part of it.
        path: an `.npz` file; its folder is made. An earlier file there is replaced.
        origin: of the predictions; parts of another origin are made again.
        batch: crops that the network sees at once.
        chunk: hands per part.
        skip_unreadable: leave out pictures that cannot be read, each named in the log, instead of raising.

    Raises:
        PictureError: a picture cannot be read; what was predicted before is kept.
        PredictionError: as `predict`.
        ArrayFileError: a file cannot be written.
    """
    folder = path.with_suffix('.parts')
    total = len(samples)
    parts: list[Predictions] = []
    rows = progress(range(total), f'{origin.dataset or "samples"} {origin.split}'.strip(), total)
    for start in range(0, total, chunk):
        count = min(chunk, total - start)
        part_path = folder / f'{start:08d}-{count}.npz'
        part = _earlier(part_path, origin)
        if part is None or (len(part) < count and not skip_unreadable):
            readable = _Readable(samples, islice(rows, count), skip_unreadable)
            try:
                part = predict(engine, readable, batch, origin.crop or 'tracker', origin)
            except PredictionError:
                if readable.given:
                    raise
                continue  # not one picture of this chunk can be read
            save_predictions(part, part_path)
        else:
            deque(islice(rows, count), maxlen=0)
        parts.append(part)
    deque(rows, maxlen=0)  # which takes the bar away
    if not parts:
        raise PredictionError(f'{origin.dataset}: not one of {total} pictures can be read')
    whole = concatenate(parts)
    save_predictions(whole, path)
    shutil.rmtree(folder, ignore_errors=True)
    return whole


def check_against(predictions: Predictions, samples: Sequence[Sample], partial: bool = False) -> None:
    """See that predictions are of these samples, in this order, with these labels.

    All keys and labels are compared where the data set has them without reading pictures, and three samples always.

    Args:
        predictions: stored ones.
        samples: the data set as it is now.
        partial: some samples may be missing from the predictions.

    Raises:
        PredictionError: another number of hands, other keys or another order, other labels.
    """
    total, found = len(samples), len(predictions)
    if found > total or (found < total and not partial):
        raise PredictionError(
            f'the stored predictions are of {found} hands, the data set has {total}; predict again, into another file'
        )
    rows: Sequence[int] = range(total)
    key_of = getattr(samples, 'key', None)
    if key_of is not None:
        keys = [key_of(row) for row in range(total)]
        if found < total:
            place = {key: row for row, key in enumerate(keys)}
            rows = [place.get(key, -1) for key in predictions.keys]
            keys = [keys[row] if row >= 0 else '(none)' for row in rows]
        wrong = next((i for i, key in enumerate(predictions.keys) if key != keys[i]), None)
        if wrong is not None or list(rows) != sorted(rows):
            at = wrong or 0
            raise _other_hands(at, predictions.keys[at], keys[at])
    elif found < total:
        return
    labels = getattr(samples, 'labels', None)
    if isinstance(labels, Index):
        same = _equal(predictions.true_uv, labels.keypoints_px[list(rows)], _PLACES_PX)
        if labels.keypoints_m is not None:
            same &= _equal(predictions.true_m, labels.keypoints_m[list(rows)], _PLACES_M)
        if not same.all():
            raise _other_labels(predictions.keys[int(np.argmin(same))])
    for at in sorted({0, found // 2, found - 1}):
        _check_sample(predictions, at, samples[rows[at]])


def _check_sample(predictions: Predictions, at: int, sample: Sample) -> None:
    joints = np.full((21, 3), np.nan) if sample.keypoints_m is None else sample.keypoints_m
    same = _equal(predictions.true_uv[at][None], sample.keypoints_px[None], _PLACES_PX)
    same &= _equal(predictions.true_m[at][None], joints[None], _PLACES_M)
    if predictions.keys[at] != sample.key:
        raise _other_hands(at, predictions.keys[at], sample.key)
    if not same.all():
        raise _other_labels(predictions.keys[at])


def _other_hands(at: int, stored: str, now: str) -> PredictionError:
    return PredictionError(
        f'the stored predictions are of another data set or order: hand {at} is {stored}, the data set has {now} '
        'there; predict again, into another file'
    )


def _other_labels(key: str) -> PredictionError:
    return PredictionError(
        f'the stored predictions were made for other labels: those of {key} have changed; predict again, into another '
        'file'
    )


def _equal(stored: np.ndarray, now: np.ndarray, places: float) -> np.ndarray:
    """(N,) bool for arrays (N, …): the same within rounding, NaN where NaN was."""
    close = np.isclose(stored, now, 1e-5, places, equal_nan=True)
    return np.asarray(close.reshape(len(stored), -1).all(axis=1))


def _earlier(path: Path, origin: Origin) -> Predictions | None:
    """The part as it was left; None when there is none, or it is not of this work."""
    if not path.is_file():
        return None
    try:
        part = load_predictions(path)
        check_origin(part.origin, origin, str(path))
    except ValueError as error:
        _log.warning('predicted again: %s', error)
        return None
    return part


class _Readable(Iterable[Sample]):
    """Samples one by one; `given` counts them."""

    def __init__(self, samples: Sequence[Sample], rows: Iterable[int], skip: bool) -> None:
        self._samples, self._rows, self._skip = samples, rows, skip
        self.given = 0

    def __iter__(self) -> Iterator[Sample]:
        for row in self._rows:
            try:
                sample = self._samples[row]
            except PictureError as error:
                if not self._skip:
                    raise
                _log.warning('left out: %s', error)
                continue
            self.given += 1
            yield sample
