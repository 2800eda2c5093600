"""Parameters that several nodes have."""

from __future__ import annotations

from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.tracking.config import RANGES
from minimal_hand_ros.names import BOTH
from minimal_hand_ros.parameters import ParameterError, ParameterLoader

DEFAULT_FRAME = 'camera_optical_frame'


def load_side(load: ParameterLoader) -> str:
    """Parameter side of a node that is for one hand."""
    return load.choice('side', 'right', SIDES, 'which hand')


def load_sides(load: ParameterLoader) -> str:
    """Parameter side of a node that can be for both hands."""
    return load.choice('side', 'right', (*SIDES, BOTH), 'which hand; both: two hands, each with topics of its own')


def load_mirrored(load: ParameterLoader) -> bool:
    """Parameter mirrored."""
    return load.flag('mirrored', False, 'pictures are flipped left to right, as those of many selfie cameras')


def load_model(load: ParameterLoader) -> str:
    """Parameter model."""
    return load.text('model', 'open', "hand model: 'open' or the path of a .npz or MANO .pkl", may_be_empty=False)


def load_threads(load: ParameterLoader) -> int:
    """Parameter threads."""
    return load.integer('threads', 1, 1, int(RANGES['threads'][1]), 'processor threads for network and hand model')


def load_hand_length(load: ParameterLoader, more: str = 'calibrate sets it') -> float:
    """Parameter hand_length, metres; `more` ends its description."""
    low, high = RANGES['hand_length']
    value = load.number(
        'hand_length',
        0.0,
        0.0,
        high,
        f"metres from the wrist to the middle finger's base; 0: that of the hand model ({more})",
    )
    if 0 < value < low:
        raise ParameterError(f"parameter 'hand_length' is {value}: give metres, {low} to {high}, or 0 for the model's")
    return value
