"""What a tracker remembers from picture to picture, as bytes: taken up by a new tracker, it goes on exactly.

Memory is all that the stages hold but what they were made with: settings, network, hand model, solvers. The bytes are a
pickle that may name nothing but the classes below; reading it runs nothing else, whoever wrote it.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

from minimal_hand_core.hand.safe_pickle import NUMPY_NAMES, BrokenPickleError, RefusedPickleError, load_restricted
from minimal_hand_core.shape import HandShape
from minimal_hand_core.shape.window import RatioWindow
from minimal_hand_core.tracking.crop import Crop
from minimal_hand_core.tracking.filters import Kalman, NoFilter, OneEuro
from minimal_hand_core.tracking.hands_detector import HandsDetector
from minimal_hand_core.tracking.search import SearchPlan
from minimal_hand_core.tracking.state import Keypoints, NoHand
from minimal_hand_core.tracking.steady import Steady
from minimal_hand_core.tracking.track import Track
from minimal_hand_core.tracking.tracker import HandSolver

_CLASSES = (Crop, HandShape, Kalman, Keypoints, NoFilter, NoHand, OneEuro, RatioWindow, SearchPlan, Steady, Track)
_NAMES: Mapping[tuple[str, str], Any] = {
    **NUMPY_NAMES,
    **{(each.__module__, each.__qualname__): each for each in _CLASSES},
}
_MADE_WITH = {
    'detector': {'config', 'sides', '_looker'},
    'pose': {'config', 'model', 'model_hand_length', '_hand', '_solve'},
    'shape': {'_fit', '_default_hand_length'},
}
"""Attributes of the stages that are no memory."""


class RecallError(ValueError):
    """Bytes that are not the memory of such a tracker; the message says why."""


def remember(detector: HandsDetector, solvers: Mapping[str, HandSolver]) -> bytes:
    """The memory of a detector and of the stages behind it (side → solver), some 10 kB per hand."""
    return pickle.dumps({name: _held(name, part) for name, part in _parts(detector, solvers).items()}, protocol=4)


def recall(memory: bytes, detector: HandsDetector, solvers: Mapping[str, HandSolver]) -> None:
    """Give a detector and solvers, new and of the same settings, the memory of others.

    Raises:
        RecallError: damaged, not of `remember`, or of stages that hold something else; nothing has changed then.
    """
    parts = _parts(detector, solvers)
    try:
        loaded = load_restricted(memory, _NAMES)
    except (RefusedPickleError, BrokenPickleError) as error:
        raise RecallError(f'memory of a tracker cannot be read: {error}') from None
    expected = {name: set(_held(name, part)) for name, part in parts.items()}
    found = {name: set(held) for name, held in loaded.items()} if isinstance(loaded, dict) else None
    if found != expected:
        raise RecallError('memory is of another tracker: other sides, or another version')
    for name, part in parts.items():
        vars(part).update(loaded[name])


def _parts(detector: HandsDetector, solvers: Mapping[str, HandSolver]) -> dict[str, object]:
    parts: dict[str, object] = {'detector': detector}
    for side, solver in solvers.items():
        parts |= {f'{side} pose': solver.pose, f'{side} shape': solver.shape}
    return parts


def _held(name: str, part: object) -> dict[str, Any]:
    made_with = _MADE_WITH[name.split()[-1]]
    return {attribute: value for attribute, value in vars(part).items() if attribute not in made_with}
