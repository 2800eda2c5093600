"""Names of topics and services: `hand/pose` of one tracked hand, `right_hand/pose` and `left_hand/pose` of both."""

from __future__ import annotations

from typing import NamedTuple

from minimal_hand_core.hand.skeleton import SIDES

BOTH = 'both'
"""The choice of the parameter side that tracks two hands."""


class HandNames(NamedTuple):
    """What a hand's topics and services begin with.

    Attributes:
        topics: 'hand/' and the like.
        services: '' and the like.
    """

    topics: str
    services: str


ONE_HAND = HandNames('hand/', '')


def sides_of(side: str) -> tuple[str, ...]:
    """The hands that a value of the parameter side stands for."""
    return SIDES if side == BOTH else (side,)


def names_of(side: str, both: bool) -> HandNames:
    """Names for the hand of one side, alone or as one of both."""
    return HandNames(f'{side}_hand/', f'{side}_hand/') if both else ONE_HAND
