"""What a network said of a data set, with the truth beside it, and the file it is kept in.

Predictions belong to no protocol: how hands are aligned and counted is decided when they are scored. So a file is made
once, which takes a network and all pictures, and scored as often as one likes, which takes neither.

The file is an `.npz` of plain arrays, float32 (see `array_file`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from minimal_hand_core.arrays import describe_shape
from minimal_hand_core.detnet.axes import VIEW
from minimal_hand_core.errors import first_line
from minimal_hand_core.evaluation.array_file import load_arrays, save_arrays
from minimal_hand_core.evaluation.view import view_rotations
from minimal_hand_core.hand.skeleton import NUM_KEYPOINTS, SIDES

FORMAT = 1
"""Raise it when the file's layout changes."""
UNKNOWN_SIDE = len(SIDES)
KIND = 'predictions'


class PredictionError(ValueError):
    """Predictions that do not fit together, or a file that does not hold them; says what was expected and found."""


@dataclass(frozen=True)
class Origin:
    """Where predictions come from.

    Attributes:
        dataset, split: as `open_dataset` knows them; '' where unknown.
        options: of the reader, other than its defaults, such as {'labels': 'edited'}.
        weights: what the user called the network, such as 'default' or a path.
        weights_sha256: of its file; '' where unknown.
        backbone: of the network; '' where unknown.
        crop: how crops were cut, see `evaluation.crops`.
        backend: engine that was asked for, as `create_engine` knows it.
        length: number of hands that the data set had; 0 where unknown.
        fingerprint: of its pictures and labels, see `sources.fingerprint`.
        axes: in which the network says xyz, one of `detnet.axes.AXES`.
    """

    dataset: str = ''
    split: str = ''
    options: Mapping[str, str] = field(default_factory=dict)
    weights: str = ''
    weights_sha256: str = ''
    backbone: str = ''
    crop: str = ''
    backend: str = ''
    length: int = 0
    fingerprint: str = ''
    axes: str = VIEW


@dataclass(frozen=True)
class Predictions:
    """Predictions for N hands and the truth beside them; everything as the picture shows it, left hands included.

    Floating arrays become float32. What is not known is NaN.

    Attributes:
        keys: N names, unique inside the data set.
        uv, true_uv: (N, 21, 2) pixels of each hand's picture. All of `uv` is NaN where only 3D was kept.
        xyz: (N, 21, 3) network units, (X − X9)/|X9 − X0|, in the network's axes (`origin.axes`).
        confidence: (N, 21) 0…1.
        true_m: (N, 21, 3) metres, camera frame.
        visible: (N, 21) bool, as `Sample.visible`.
        intrinsics: (N, 3, 3) camera matrix of the picture.
        sides: (N,) uint8, positions in SIDES; UNKNOWN_SIDE where not known.
        crops: (N, 3) centre (x, y) and side of the square that the network saw, pixels of the picture.
        origin: where they come from.

    Raises:
        PredictionError: shapes that do not belong together, a prediction that is not finite, a key twice.
    """

    keys: Sequence[str]
    uv: np.ndarray
    xyz: np.ndarray
    confidence: np.ndarray
    true_uv: np.ndarray
    true_m: np.ndarray
    visible: np.ndarray
    intrinsics: np.ndarray
    sides: np.ndarray
    crops: np.ndarray
    origin: Origin = Origin()

    def __post_init__(self) -> None:
        object.__setattr__(self, 'keys', tuple(self.keys))
        count = len(self.keys)
        if count == 0:
            raise PredictionError('predictions: expected at least one hand, found none')
        for name, shape in _SHAPES.items():
            dtype = {'visible': bool, 'sides': np.uint8}.get(name, np.float32)
            value = np.asarray(getattr(self, name), dtype)
            if value.shape != (count, *shape):
                raise PredictionError(
                    f'{name}: expected shape {describe_shape((count, *shape))} for {count} keys, '
                    f'found {describe_shape(value.shape)}'
                )
            object.__setattr__(self, name, value)
        if len(set(self.keys)) != count:
            twice = next(key for i, key in enumerate(self.keys) if key in self.keys[:i])
            raise PredictionError(f'keys: expected each hand once, found {twice!r} twice')
        for name in ('uv', 'xyz', 'confidence'):
            value = getattr(self, name)
            bad = ~np.isfinite(value).reshape(count, -1).all(axis=1)
            if bad.any() and not (name == 'uv' and np.isnan(value).all()):
                raise PredictionError(
                    f'{name}: expected finite predictions, found NaN or infinity in {int(bad.sum())} of {count} hands, '
                    f'the first is {self.keys[int(bad.argmax())]}; the network or its weights are broken'
                )
        if self.sides.max() > UNKNOWN_SIDE:
            raise PredictionError(f'sides: expected 0 … {UNKNOWN_SIDE}, found {self.sides.max()}')

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def labelled(self) -> np.ndarray:
        """(N, 21) bool, keypoints whose place in space is known, seen or not."""
        return np.isfinite(self.true_m).all(axis=2)

    @property
    def camera_xyz(self) -> np.ndarray:
        """(N, 21, 3) float64, xyz in the axes of the camera, which are those of `true_m`. Where the crop or the camera
        is not known, in those of the view."""
        turned = self.xyz.astype(np.float64)
        known = np.isfinite(self.intrinsics).all(axis=(1, 2)) & np.isfinite(self.crops).all(axis=1)
        if self.origin.axes == VIEW and known.any():
            views = view_rotations(self.crops[known, :2], self.intrinsics[known].astype(np.float64))
            turned[known] = np.einsum('nij,nkj->nki', views, turned[known])
        return turned

    def mirrored(self, points: np.ndarray) -> np.ndarray:
        """Points (N, K, 2 or 3) with the x of left hands turned round: all become right hands, and back. Float64."""
        turned = np.array(points, np.float64)
        turned[self.sides == SIDES.index('left'), :, 0] *= -1
        return turned

    def with_xyz(self, xyz: np.ndarray) -> Predictions:
        """The same with other positions (N, 21, 3): those of a posed hand model, say. Units and axes as of `xyz`."""
        return replace(self, xyz=xyz)

    def take(self, rows: np.ndarray) -> Predictions:
        """Only these hands: positions, or (N,) bool."""
        rows = np.arange(len(self))[rows]
        chosen = {name: getattr(self, name)[rows] for name in _SHAPES}
        return replace(self, keys=[self.keys[row] for row in rows], **chosen)


_SHAPES: dict[str, tuple[int, ...]] = {
    'uv': (NUM_KEYPOINTS, 2),
    'xyz': (NUM_KEYPOINTS, 3),
    'confidence': (NUM_KEYPOINTS,),
    'true_uv': (NUM_KEYPOINTS, 2),
    'true_m': (NUM_KEYPOINTS, 3),
    'visible': (NUM_KEYPOINTS,),
    'intrinsics': (3, 3),
    'sides': (),
    'crops': (3,),
}
"""Array → its shape after N."""


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """Predictions one after the other.

    Raises:
        PredictionError: no part, parts of different origin, or a key twice.
    """
    if not parts:
        raise PredictionError('predictions: expected at least one part to join, found none')
    for part in parts:
        check_origin(part.origin, parts[0].origin, 'a part of the predictions')
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _SHAPES}
    return Predictions(keys=[key for part in parts for key in part.keys], origin=parts[0].origin, **joined)


def check_origin(found: Origin, expected: Origin, what: str) -> None:
    """Raise PredictionError unless both are the same, whatever the weights are called; `what` begins the message."""
    for name in (entry.name for entry in fields(Origin) if entry.name != 'weights'):
        one, other = getattr(found, name), getattr(expected, name)
        if one != other:
            raise PredictionError(f'{what} is of {name} {one!r}, expected {other!r}; remove it, or choose another file')


def save_predictions(predictions: Predictions, path: Path | str) -> None:
    """Write an `.npz` file; whoever reads the path sees the old file or the new one, never a part.

    Raises:
        ArrayFileError: the path does not end in .npz, or cannot be written (no space, no permission).
    """
    arrays = {name: getattr(predictions, name) for name in _SHAPES}
    arrays['keys'] = np.array([key.encode() for key in predictions.keys])
    save_arrays(path, KIND, arrays, {'format': FORMAT, 'origin': asdict(predictions.origin)})


def load_predictions(path: Path | str) -> Predictions:
    """Read a file of `save_predictions`.

    Raises:
        ArrayFileError: no such file, damaged, or another kind of file.
        PredictionError: another version of it, or contents that do not fit together.
    """
    arrays, meta = load_arrays(path, KIND, ('keys', *_SHAPES))
    if meta.get('format') != FORMAT:
        raise PredictionError(f'{path} is of format {meta.get("format")}, this version reads {FORMAT}; predict again')
    try:
        keys = [key.decode() for key in arrays.pop('keys').tolist()]
        return Predictions(keys=keys, origin=Origin(**meta['origin']), **arrays)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PredictionError(f'{path}: {first_line(error)}; predict again') from None
