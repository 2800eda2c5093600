"""What somebody did in the browser, for whoever talks to the tracker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SetParameter:
    """A knob was moved.

    Attributes:
        name: of the parameter.
        value: number, text or truth value.
    """

    name: str
    value: float | str | bool


@dataclass(frozen=True)
class Calibrate:
    """Measure the hand in view.

    Attributes:
        side: 'right' or 'left'.
        hand_length: metres from the wrist to the middle finger's base; 0: not told.
    """

    side: str
    hand_length: float


@dataclass(frozen=True)
class Record:
    """Begin or end a recording."""

    on: bool


@dataclass(frozen=True)
class Enable:
    """Look at pictures, or at none."""

    on: bool


Event = SetParameter | Calibrate | Record | Enable
