"""Reading MANO's pickles without chumpy and without running what is inside them.

What a MANO file names besides NumPy's own is replaced by stand-ins that only keep data; any other name is an error
(hand/safe_pickle.py). Source: fact sheet 3.1 (finger tips) and 3.3 (layout of the file).
"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minimal_hand_core.hand.left_file import repair_shapedirs, warn_of_wrong_signs
from minimal_hand_core.hand.parameters import NUM_POSE_FEATURES, NUM_POSE_NUMBERS, HandModelError, HandParameters
from minimal_hand_core.hand.safe_pickle import NUMPY_NAMES, BrokenPickleError, RefusedPickleError, load_restricted
from minimal_hand_core.hand.skeleton import JOINT_PARENTS, NUM_BETAS, NUM_JOINTS, SIDES

NUM_VERTICES = 778
TIP_VERTICES = {'right': (745, 317, 444, 556, 673), 'left': (745, 317, 445, 556, 673)}
"""The vertices customarily taken as tips, thumb … little (fact sheet 3.1); other choices move them by millimetres."""

KEYS = ('v_template', 'f', 'shapedirs', 'posedirs', 'J_regressor', 'weights', 'kintree_table')


class _Kept:
    """Stands in for a class of the pickle: keeps its state and does nothing."""

    state: dict[str, Any]

    def __init__(self, *args: Any) -> None:
        self.state = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}

    def get(self, key: str) -> Any:
        # No state at all is possible: a pickle may create an object and never fill it.
        return getattr(self, 'state', {}).get(key)


class _Ch(_Kept):
    pass


class _Select(_Kept):
    pass


class _Csc(_Kept):
    pass


class _Csr(_Kept):
    pass


def _new_kept(cls: Any, base: Any, state: Any) -> Any:
    """What copyreg._reconstructor does, for our stand-ins only; their base and first state are of no interest."""
    if not (isinstance(cls, type) and issubclass(cls, _Kept)):
        raise pickle.UnpicklingError(f'copyreg._reconstructor of {cls!r}')
    return cls()


_ALLOWED: dict[tuple[str, str], Any] = {
    **NUMPY_NAMES,
    ('chumpy.ch', 'Ch'): _Ch,
    ('chumpy.reordering', 'Select'): _Select,
    **{(module, 'csc_matrix'): _Csc for module in ('scipy.sparse.csc', 'scipy.sparse._csc')},
    **{(module, 'csr_matrix'): _Csr for module in ('scipy.sparse.csr', 'scipy.sparse._csr')},
    ('copyreg', '_reconstructor'): _new_kept,
    ('copy_reg', '_reconstructor'): _new_kept,
    ('builtins', 'object'): object,
    ('__builtin__', 'object'): object,
}


def read_mano_dict(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads the dictionary of a MANO pickle; chumpy objects and sparse matrices come back as plain arrays.

    Raises:
        HandModelError: the file cannot be read, is not a pickled dictionary, or names something that MANO's files do
            not contain (nothing of it has been called then).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HandModelError(f'{path} cannot be read: {error.strerror}') from error
    try:
        data = load_restricted(content, _ALLOWED)
    except RefusedPickleError as error:
        raise HandModelError(f'{path} is refused: it names {error}, which no MANO file contains') from None
    except BrokenPickleError as error:
        raise HandModelError(f'{path} is not a MANO pickle: {error}') from error
    if not isinstance(data, dict):
        raise HandModelError(f'{path} is not a MANO pickle: it holds {type(data).__name__}, not a dictionary')
    return {key: _plain(value, path, key) for key, value in data.items()}


def read_mano(path: str | os.PathLike[str], side: str = 'right', repair_left: bool = True) -> HandParameters:
    """Reads MANO_RIGHT.pkl or MANO_LEFT.pkl.

    Args:
        path: the file.
        side: the side the file holds; the file itself does not say.
        repair_left: for side 'left', negate the x components of shapedirs, whose sign is wrong in MANO's own left file.

    Returns:
        The first ten shape directions and everything else as in the file; the tips are TIP_VERTICES[side]. The mean
        pose (hands_mean), pose components (hands_components) and their deviations (from hands_coeffs) are None where
        the file lacks them.

    Warns:
        HandModelWarning: the shape directions of a left hand look wrong after all (see hand/left_file.py).

    Raises:
        HandModelError: unknown side, or as read_mano_dict, or a key is missing, or an array has another shape than
            MANO's.
    """
    if side not in SIDES:
        raise HandModelError(f'side is {side!r}; it must be one of {", ".join(SIDES)}')
    data = read_mano_dict(path)
    missing = [key for key in KEYS if key not in data]
    if missing:
        raise HandModelError(f'{path} is not a MANO file: it lacks {", ".join(missing)}')

    def array(key: str, fits: Callable[[tuple[int, ...]], bool], wanted: str) -> np.ndarray:
        value = data[key]
        if not isinstance(value, np.ndarray) or value.dtype.kind not in 'fiu' or not fits(value.shape):
            found = f'{value.shape} of {value.dtype}' if isinstance(value, np.ndarray) else type(value).__name__
            raise HandModelError(f'{path}: {key} must be {wanted}, found {found}')
        return value

    count = NUM_VERTICES
    vertices = array('v_template', lambda s: s == (count, 3), f'({count}, 3) numbers')
    faces = array('f', lambda s: len(s) == 2 and s[1] == 3, '(F, 3) integers')
    shapedirs = array(
        'shapedirs',
        lambda s: len(s) == 3 and s[:2] == (count, 3) and s[2] >= NUM_BETAS,
        f'({count}, 3, {NUM_BETAS} or more) numbers',
    )[:, :, :NUM_BETAS]
    posedirs = array('posedirs', lambda s: s == (count, 3, NUM_POSE_FEATURES), f'({count}, 3, {NUM_POSE_FEATURES})')
    regressor = array('J_regressor', lambda s: s == (NUM_JOINTS, count), f'({NUM_JOINTS}, {count}) numbers')
    weights = array('weights', lambda s: s == (count, NUM_JOINTS), f'({count}, {NUM_JOINTS}) numbers')
    tree = array('kintree_table', lambda s: s == (2, NUM_JOINTS), f'(2, {NUM_JOINTS}) integers')
    parents = tuple(int(parent) for parent in tree[0, 1:])
    if parents != JOINT_PARENTS[1:]:
        raise HandModelError(f"{path}: kintree_table gives parents {parents}, MANO's are {JOINT_PARENTS[1:]}")

    size = NUM_POSE_NUMBERS
    mean = array('hands_mean', lambda s: s == (size,), f'({size},) numbers') if 'hands_mean' in data else None
    components = None
    if 'hands_components' in data:
        components = array('hands_components', lambda s: s == (size, size), f'({size}, {size}) numbers')
    deviations, coefficients = None, data.get('hands_coeffs')
    # No loader needs the coefficients: where they have another form, nothing is made of it.
    if (
        isinstance(coefficients, np.ndarray)
        and coefficients.ndim == 2
        and coefficients.shape[1] == size
        and len(coefficients)
        and coefficients.dtype.kind in 'fiu'
        and np.isfinite(coefficients).all()
    ):
        deviations = coefficients.std(axis=0)
    hand = HandParameters(
        side=side,
        vertices=vertices,
        faces=faces.astype(np.int64),
        weights=weights,
        shapedirs=shapedirs,
        posedirs=posedirs,
        joint_regressor=regressor,
        tip_vertices=np.array(TIP_VERTICES[side]),
        pose_mean=mean,
        pose_components=components,
        pose_deviations=deviations,
        name=Path(path).name,
    )
    if side == 'left':
        hand = repair_shapedirs(hand) if repair_left else hand
        warn_of_wrong_signs(hand, repair_left)
    return hand


def _plain(value: Any, path: Path, key: str) -> Any:
    if not isinstance(value, _Kept):
        return value
    try:
        if isinstance(value, _Select):
            flat = np.asarray(_plain(value.get('a'), path, key)).ravel()
            return flat[np.asarray(value.get('idxs'))].reshape(tuple(value.get('preferred_shape')))
        if isinstance(value, _Ch):
            return np.array(_plain(value.get('x'), path, key), dtype=np.float64)
        return _dense(value)
    except (TypeError, ValueError, IndexError, MemoryError, RecursionError) as error:
        raise HandModelError(f'{path}: {key} cannot be turned into an array: {error}') from error


def _dense(matrix: _Kept) -> np.ndarray:
    """A compressed sparse matrix, by its own three arrays, to a dense one."""
    rows, columns = (int(size) for size in (matrix.get('_shape') or matrix.get('shape')))
    data, indices, indptr = (np.asarray(matrix.get(key)) for key in ('data', 'indices', 'indptr'))
    major, minor = (columns, rows) if isinstance(matrix, _Csc) else (rows, columns)
    dense = np.zeros((major, minor))
    # Entries that stand twice are added, as the format has it.
    np.add.at(dense, (np.repeat(np.arange(major), np.diff(indptr)), indices), data)
    return dense.T if isinstance(matrix, _Csc) else dense
