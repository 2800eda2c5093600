"""From a name or a path to a hand model."""

import dataclasses
import functools
import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from minimal_hand_core.hand.mano import read_mano
from minimal_hand_core.hand.mirror import mirror_parameters
from minimal_hand_core.hand.model import HandModel
from minimal_hand_core.hand.parameters import HandModelError, HandParameters
from minimal_hand_core.hand.skeleton import SIDES

OPEN_HAND = Path(__file__).resolve().parent.parent / 'assets' / 'open_hand.npz'

_CHOICES = '"open", a hand model .npz, a MANO .pkl, or a folder with MANO_RIGHT.pkl or MANO_LEFT.pkl'


def load_hand_model(
    source: str | os.PathLike[str] = 'open',
    side: str = 'right',
    *,
    dtype: torch.dtype = torch.float32,
    repair_left: bool = True,
    tip_vertices: Sequence[int] | None = None,
) -> HandModel:
    """Builds a hand model. Files are read once per process (again when they change).

    Args:
        source: 'open' (the open hand that comes with the package) or a path: an .npz in our form, a MANO .pkl, or a
            folder that holds MANO_RIGHT.pkl, MANO_LEFT.pkl or both.
        side: 'right' or 'left'. A file of the other side is mirrored. The side of an .npz is in the file, that of a
            .pkl is taken from its name (RIGHT or LEFT); any other name is taken to be the side asked for.
        dtype: of the model, torch.float32 or torch.float64.
        repair_left: mend the known sign error in the x components of shapedirs in MANO's left-hand file; False for a
            file that is mended already. A choice that the numbers contradict is a HandModelWarning.
        tip_vertices: five vertices to take as finger tips, thumb … little, in place of the model's own (for MANO files
            those of fact sheet 3.1). Tips are a convention, and conventions differ by millimetres.

    Returns:
        A module of its own for every call, on the CPU.

    Raises:
        HandModelError: unknown side, no such path, a file that is not a hand model, or tips that are no vertices of it;
            says which and why.
        ValueError: another dtype.
    """
    if side not in SIDES:
        raise HandModelError(f'side is {side!r}; it must be one of {", ".join(SIDES)}')
    path = _resolve(source, side)
    state = path.stat()
    hand = _read(str(path), side, repair_left, state.st_mtime_ns, state.st_size)
    if tip_vertices is not None:
        hand = dataclasses.replace(hand, tip_vertices=np.asarray(tip_vertices))
    return HandModel(hand, dtype)


def read_npz(path: str | os.PathLike[str]) -> HandParameters:
    """Reads a hand in our own form: an .npz with the fields of HandParameters by name.

    The fields that may be None may be missing: posedirs, pose_mean, pose_components, pose_deviations.

    Raises:
        HandModelError: not such a file. Pickled objects inside are refused.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    # a single array is no context: a TypeError, up to Python 3.10 an AttributeError
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise HandModelError(f'{path} is not a hand model .npz: {error}') from error
    wanted = ('side', 'vertices', 'faces', 'weights', 'shapedirs', 'joint_regressor', 'tip_vertices')
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise HandModelError(f'{path} is not a hand model .npz: it lacks {", ".join(missing)}')
    optional = ('posedirs', 'pose_mean', 'pose_components', 'pose_deviations')
    fields: dict[str, Any] = {key: arrays.get(key) for key in (*wanted, *optional) if key != 'side'}
    return HandParameters(side=str(arrays['side']), name=path.name, **fields)


def _resolve(source: str | os.PathLike[str], side: str) -> Path:
    if isinstance(source, str) and source == 'open':
        return OPEN_HAND
    path = Path(source).expanduser()
    if path.is_dir():
        for name in (f'MANO_{side.upper()}.pkl', 'MANO_RIGHT.pkl', 'MANO_LEFT.pkl'):
            if (path / name).is_file():
                return path / name
        raise HandModelError(f'folder {path} holds neither MANO_RIGHT.pkl nor MANO_LEFT.pkl')
    if not path.exists():
        raise HandModelError(f'hand model {str(source)!r} does not exist; give {_CHOICES}')
    return path


# The time stamp and size are part of the key only: a file that was replaced is read again.
@functools.lru_cache(maxsize=8)
def _read(path: str, side: str, repair_left: bool, mtime_ns: int, size: int) -> HandParameters:
    suffix = Path(path).suffix.lower()
    if suffix == '.npz':
        hand = read_npz(path)
    elif suffix == '.pkl':
        hand = read_mano(path, side=_named_side(path) or side, repair_left=repair_left)
    else:
        raise HandModelError(f'{path} is not a hand model; give {_CHOICES}')
    return hand if hand.side == side else mirror_parameters(hand)


def _named_side(path: str) -> str | None:
    name = Path(path).stem.lower()
    # a word of its own: 'copyright' names no side
    named = [side for side in SIDES if re.search(rf'(?<![a-z]){side}(?![a-z])', name)]
    return named[0] if len(named) == 1 else None
