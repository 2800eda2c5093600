"""A robot as a tree of links: joints, limits, and which of them are commanded."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np

MOVING = ('revolute', 'continuous', 'prismatic')
KINDS = (*MOVING, 'fixed')


class UrdfError(ValueError):
    """A URDF that cannot be read or used; the message names the file, the place in it and what is wrong."""


@dataclass(frozen=True)
class Mimic:
    """A joint that follows another: position = multiplier · position of `joint` + offset."""

    joint: str
    multiplier: float
    offset: float


@dataclass(frozen=True, eq=False)
class Joint:
    """How a child link hangs on its parent.

    Attributes:
        name, kind, parent, child: as in the file; kind is one of KINDS.
        origin: (4, 4) float64, the child's frame in the parent's at position 0; metres.
        axis: (3,) float64 unit vector in the child's frame.
        lower, upper: radians, or metres of a prismatic joint; ∓inf where nothing limits it.
        velocity: rad/s or m/s; 0 where the file names none.
        mimic: whom it follows, if anyone.
    """

    name: str
    kind: str
    parent: str
    child: str
    origin: np.ndarray
    axis: np.ndarray
    lower: float
    upper: float
    velocity: float
    mimic: Mimic | None = None


@dataclass(frozen=True, eq=False)
class Robot:
    """The tree of a robot's links.

    Attributes:
        name: of the robot.
        links: names; links[0] is the root, links[i + 1] is the child of joints[i].
        joints: all, fixed ones too; each after the joint that moves its parent.
    """

    name: str
    links: tuple[str, ...]
    joints: tuple[Joint, ...]

    @cached_property
    def actuated(self) -> tuple[Joint, ...]:
        """The N joints that are commanded: those that move and follow no other. Positions (N,) are in this order."""
        return tuple(joint for joint in self.joints if joint.kind in MOVING and joint.mimic is None)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the actuated joints."""
        return tuple(joint.name for joint in self.actuated)

    @cached_property
    def lower(self) -> np.ndarray:
        """(N,) float64, lowest position of each actuated joint."""
        return self._range(low=True)

    @cached_property
    def upper(self) -> np.ndarray:
        """(N,) float64, highest position of each actuated joint."""
        return self._range(low=False)

    @cached_property
    def velocity(self) -> np.ndarray:
        """(N,) float64, rad/s or m/s, the fastest each actuated joint may move; 0 where the file does not say."""
        found = [joint.velocity for joint in self.actuated]
        for i, joint in enumerate(self.actuated):
            for follower in self._followers(joint):
                assert follower.mimic is not None
                if follower.velocity and follower.mimic.multiplier:
                    own = follower.velocity / abs(follower.mimic.multiplier)
                    found[i] = min(found[i], own) if found[i] else own
        return np.array(found)

    @cached_property
    def endless(self) -> np.ndarray:
        """(N,) bool, which actuated joints stand the same after a whole turn: continuous, and none follows them."""
        return np.array([joint.kind == 'continuous' and not self._followers(joint) for joint in self.actuated], bool)

    def index_of(self, joint: str, where: str) -> int:
        """Place of an actuated joint in positions.

        Raises:
            UrdfError: there is none of that name; names `where` it was asked for and the likeliest one meant.
        """
        if joint in self.names:
            return self.names.index(joint)
        known = {other.name: other for other in self.joints}
        if joint in known:
            mimic = known[joint].mimic
            why = f'follows {mimic.joint!r}; command that one' if mimic else 'is fixed'
            raise UrdfError(f'{where}: joint {joint!r} of robot {self.name!r} {why}')
        raise UrdfError(f'{where}: robot {self.name!r} has no joint {joint!r}{did_you_mean(joint, self.names)}')

    def link_index(self, link: str, where: str) -> int:
        """Place of a link in `links`; raises UrdfError as `index_of`."""
        if link in self.links:
            return self.links.index(link)
        raise UrdfError(f'{where}: robot {self.name!r} has no link {link!r}{did_you_mean(link, self.links)}')

    def _followers(self, joint: Joint) -> list[Joint]:
        return [other for other in self.joints if other.mimic is not None and other.mimic.joint == joint.name]

    def _range(self, low: bool) -> np.ndarray:
        """Own limits, narrowed to what the joints that follow can do as well."""
        ends = []
        for joint in self.actuated:
            end = joint.lower if low else joint.upper
            for follower in self._followers(joint):
                assert follower.mimic is not None
                factor, offset = follower.mimic.multiplier, follower.mimic.offset
                if factor:
                    reach = sorted((limit - offset) / factor for limit in (follower.lower, follower.upper))
                    end = max(end, reach[0]) if low else min(end, reach[1])
            ends.append(end)
        return np.array(ends)


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """'; did you mean …?' when a known name is like this one, else the known names."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f'; did you mean {close[0]!r}?' if close else f'; it has {", ".join(known) or "none"}'
