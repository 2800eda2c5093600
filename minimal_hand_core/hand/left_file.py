"""The sign error in MANO's left-hand file, and how to see it in a hand's own numbers.

In that file the x components of the shape directions have the wrong sign (fact sheet 3.3): a beta that makes the hand
longer makes it narrower. Files that somebody has mended already are about, so the result is looked at.
"""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from minimal_hand_core.hand.parameters import HandParameters
from minimal_hand_core.hand.skeleton import JOINT_NAMES
from minimal_hand_core.hand.skinning import shape_of_joints

_SUSPICIOUS = -0.3


class HandModelWarning(UserWarning):
    """A hand model was read, but something in it is hardly right; the message says what."""


def repair_shapedirs(hand: HandParameters) -> HandParameters:
    """The same hand with the x components of its shape directions negated."""
    return dataclasses.replace(hand, shapedirs=hand.shapedirs * np.array([-1.0, 1.0, 1.0])[:, None])


def length_width_correlation(hand: HandParameters) -> float:
    """Correlation of hand length and palm width over people, −1 … 1, whose betas are independent and of variance 1.

    Length runs from wrist to middle DIP, width from index MCP to little MCP; both are taken to be linear in the betas.
    In people the two go together. Fingers lie along x and the palm across it, so a wrong sign of the x components turns
    the sign of this number round: 0.76 for the open hand, −0.72 with the error. Zero when either never changes.
    """
    offset, directions = shape_of_joints(hand)

    def change(far: str, near: str) -> np.ndarray:
        """Of the distance, per beta (10,)."""
        a, b = JOINT_NAMES.index(far), JOINT_NAMES.index(near)
        span = offset[a] - offset[b]
        return np.asarray(span @ (directions[a] - directions[b]))

    length, width = change('middle_dip', 'wrist'), change('index_mcp', 'little_mcp')
    scale = float(np.linalg.norm(length) * np.linalg.norm(width))
    return float(length @ width) / scale if scale > 0 else 0.0


def warn_of_wrong_signs(hand: HandParameters, repaired: bool) -> None:
    """Warns when in this hand longer hands are clearly narrower, as after one repair too many or too few."""
    correlation = length_width_correlation(hand)
    if correlation < _SUSPICIOUS:
        what = 'with' if repaired else 'without'
        warnings.warn(
            f'{hand.name}, read {what} the repair of its shape directions, makes longer hands narrower (correlation '
            f'{correlation:.2f}); their x components seem to have the wrong sign: try repair_left={not repaired}',
            HandModelWarning,
            stacklevel=3,
        )
