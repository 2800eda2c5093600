"""Where to look for a hand that is not being followed: square windows over the whole picture, coarse and fine.

A hand is recognised when it fills about 0.4…0.9 of a window, so windows shrink by 0.6 from scale to scale and overlap
by half. Every picture gets one coarse window and, for the rest of its budget, fine ones: a hand near the camera is
found within a few pictures, a small one a little later, and no picture costs more than any other.

A hand on its side is recognised in these windows, one that points down in half of all cases. So every third time a
window comes up it is turned upside down.
"""

from __future__ import annotations

import math
from dataclasses import replace

from minimal_hand_core.tracking.crop import Crop

SCALES = (1.0, 0.6, 0.36)
"""Sides of the windows, in shorter sides of the picture. The first is the coarse one."""
OVERLAP = 0.5
TURNED_EVERY = 3
"""Every how many-th time a window is turned upside down."""


class SearchPlan:
    """Hands out the windows of one picture size, in turn; the order is fixed, the centre first.

    Args:
        width, height: of the pictures, pixels.
        smallest: smallest window, pixels.
    """

    def __init__(self, width: int, height: int, smallest: float = 32.0) -> None:
        self.size = (width, height)
        short, long = max(min(width, height), smallest), max(width, height)
        self._coarse = _grid(width, height, short)
        if long > 1.2 * short:
            self._coarse.append(Crop(((width - 1) / 2, (height - 1) / 2), long))
        sides = [scale * short for scale in SCALES[1:] if scale * short >= smallest]
        self._fine = [crop for side in sides for crop in _grid(width, height, side)]
        self._next_coarse = self._next_fine = 0

    def restart(self) -> None:
        """Begin again with the first windows."""
        self._next_coarse = self._next_fine = 0

    def take(self, count: int) -> list[Crop]:
        """The next windows, at most `count`: one coarse, the rest fine (all coarse ones in turn when count is 1)."""
        self._next_coarse += 1
        if count == 1:
            return [_in_turn(self._coarse + self._fine, self._next_coarse - 1)]
        taken = [_in_turn(self._coarse, self._next_coarse - 1)]
        for _ in range(min(count - 1, len(self._fine))):
            taken.append(_in_turn(self._fine, self._next_fine))
            self._next_fine += 1
        return taken

    @property
    def windows(self) -> list[Crop]:
        """Every window, coarse ones first."""
        return self._coarse + self._fine


def _in_turn(windows: list[Crop], number: int) -> Crop:
    """Window `number` of all of them again and again."""
    again, which = divmod(number, len(windows))
    window = windows[which]
    turned = again % TURNED_EVERY == TURNED_EVERY - 1
    return replace(window, angle=math.pi) if turned else window


def _grid(width: int, height: int, side: float) -> list[Crop]:
    """Windows of one side that cover the picture with OVERLAP, nearest to the centre first."""
    middle = ((width - 1) / 2, (height - 1) / 2)
    centers = [(x, y) for y in _line(height, side) for x in _line(width, side)]
    centers.sort(key=lambda center: (round(math.dist(center, middle), 6), center))
    return [Crop(center, side) for center in centers]


def _line(length: int, side: float) -> list[float]:
    """Centres along one axis: both ends touched, evenly spaced, an odd number so that one lies in the middle."""
    room = length - side
    if room < 1:
        return [(length - 1) / 2]
    steps = math.ceil(room / (side * (1 - OVERLAP)))
    steps += steps % 2
    return [side / 2 - 0.5 + room * i / steps for i in range(steps + 1)]
