"""One followed hand: where it will be in the next picture, and whether it is the side it is taken for."""

from __future__ import annotations

import math
from dataclasses import replace

from minimal_hand_core.tracking.crop import CROP_FACTOR, Crop
from minimal_hand_core.tracking.state import Keypoints
from minimal_hand_core.tracking.upright import upright_crop

CLOSE = 1.3
"""Side of the crop, over the longer side of the hand's box, of a hand that is just where it was expected: the nearer
the network looks, the more it sees, but fingers that open need room."""
ROOM = 1.0
"""How much wider it is for a hand that was elsewhere: times the distance, on either side."""

LEAST_STEP = 0.005
"""Seconds between two pictures below which they say nothing of a velocity: they waited together and were stamped as
they came."""
MAX_PREDICTION = 0.2
"""Seconds that motion is extrapolated at most."""
MAX_SHIFT = 0.5
"""Largest predicted move, in crop sides."""
CHECKS_AT_START = 5
"""Pictures in a row whose mirror image is looked at too after a hand was found."""
CHECK_EVERY = 10
"""Pictures between two such looks later on."""
CHECKS_REMEMBERED = 30
"""How many of them the mean is of, roughly."""
JUMP = 0.5
"""What a jump by its own size takes from a hand's claim to be where it was found."""
WRONG_SIDE = -0.03
"""Mean score less mean score of the mirror image below which a hand is of the other side."""


def followed_crop(crop: Crop, miss: float = 0.0) -> Crop:
    """The square in which a followed hand is looked at next: CLOSE to CROP_FACTOR times its box.

    Args:
        crop: round the last keypoints, of CROP_FACTOR times their box.
        miss: how far that was from where it was expected, pixels.
    """
    return replace(crop, side=min(crop.side, CLOSE / CROP_FACTOR * crop.side + 2 * ROOM * miss))


class Track:
    """A hand that is followed.

    The network scores a right hand higher than its mirror image, but not in every picture: of photos in 99.8 %, of
    rendered hands in any view in 97 %. So the side is judged by the mean over many pictures, which also keeps it where
    hands cross.

    Args:
        found: the hand as it was found.
        margin: its score less the score of its mirror image there, or 0 when that was not looked at.

    Attributes:
        last: the newest keypoints.
        crop: the crop round them, turned so that the hand points up, with room for whatever the hand does.
        expected: where that was expected.
        claim: how sure it is that this is the same hand as before: its score, less for a jump.
    """

    def __init__(self, found: Keypoints, margin: float = 0.0) -> None:
        self.last, self.claim = found, found.score
        self.crop = self.expected = upright_crop(found.uv)
        self._miss = math.inf  # nothing was expected yet
        self._velocity = (0.0, 0.0)
        self._pictures = 0
        self._margin, self._checks = margin, 1

    def crop_at(self, stamp: float) -> Crop:
        """The crop in which the hand is looked at, at a time: `followed_crop`, moved on by its velocity."""
        return followed_crop(self._expected_at(stamp), self._miss)

    def _expected_at(self, stamp: float) -> Crop:
        (x, y), seconds = self._velocity, min(stamp - self.last.stamp, MAX_PREDICTION)
        size = math.hypot(x, y) * seconds
        seconds *= min(1.0, MAX_SHIFT * self.crop.side / max(size, 1e-9))
        center = self.crop.center[0] + seconds * x, self.crop.center[1] + seconds * y
        return replace(self.crop, center=center)

    def take(self, found: Keypoints) -> None:
        """Go on with the keypoints of the next picture."""
        self.expected, crop = self._expected_at(found.stamp), upright_crop(found.uv, self.crop.angle)
        seconds = found.stamp - self.last.stamp
        if seconds > LEAST_STEP:
            # Of the box's centre, pixels per second, half old and half new.
            (x, y), (u, v), (old_u, old_v) = self._velocity, crop.center, self.crop.center
            self._velocity = (0.5 * x + 0.5 * (u - old_u) / seconds, 0.5 * y + 0.5 * (v - old_v) / seconds)
        self._pictures += 1
        jump = math.dist(crop.center, self.expected.center)
        self.claim = found.score - JUMP * CROP_FACTOR * jump / self.expected.side
        self.last, self.crop, self._miss = found, crop, jump

    @property
    def due(self) -> bool:
        """Whether the mirror image is to be looked at in the next picture."""
        return self._pictures < CHECKS_AT_START or self._pictures % CHECK_EVERY == 0

    def weigh(self, margin: float) -> None:
        """Take in one picture's score less the score of the mirror image."""
        self._checks = min(self._checks + 1, CHECKS_REMEMBERED)
        self._margin += (margin - self._margin) / self._checks

    @property
    def wrong_side(self) -> bool:
        """Whether it is a hand of the other side, after as many looks as it takes to say so."""
        return self._checks > CHECKS_AT_START and self._margin < WRONG_SIDE

    def change_side(self, found: Keypoints) -> None:
        """Go on as the other hand, whose keypoints are given."""
        self.last, self.crop = found, upright_crop(found.uv, self.crop.angle)
        self._miss = math.inf
        self._margin = -self._margin
