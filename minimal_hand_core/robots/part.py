"""The part of a robot that is commanded, as a robot of its own: a hand on an arm is driven as if there were no arm."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from minimal_hand_core.robots.kinematics import Kinematics
from minimal_hand_core.robots.robot import MOVING, Joint, Robot


def common_link(robot: Robot, links: Iterable[str]) -> str:
    """The lowest link that is, or carries, all of these (at least one)."""
    paths = [_path(robot, link) for link in links]
    return [step[0] for step in zip(*paths, strict=False) if len(set(step)) == 1][-1]


def is_carried_rigidly(robot: Robot, link: str) -> bool:
    """Whether no joint between the root and this link moves."""
    path = set(_path(robot, link))
    return not any(joint.child in path and joint.kind in MOVING for joint in robot.joints)


def joints_below(robot: Robot, link: str) -> tuple[str, ...]:
    """Names of the actuated joints that move something against this link and hang on it."""
    below = _links_below(robot, link)
    return tuple(joint.name for joint in robot.actuated if joint.child in below)


def moves_any(robot: Robot, pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether some joint moves the two links of some pair against each other."""
    moved = {joint.child for joint in robot.joints if joint.kind in MOVING}
    return any(moved & (set(_path(robot, a)) ^ set(_path(robot, b))) for a, b in pairs)


def part_of(robot: Robot, base: str, joints: Collection[str], rest: np.ndarray) -> Robot:
    """What hangs on a link, with some of its joints.

    Args:
        robot: the whole.
        base: link that becomes the root.
        joints: actuated joints that stay so; all must hang on the base. Those that follow them go on doing so.
        rest: (N,) positions of the whole's actuated joints; all other joints are fixed there.

    Returns:
        Links and joints in the whole's order; limits and speeds are those that the whole leaves to each joint.
    """
    if base == robot.links[0] and set(joints) == set(robot.names):
        return robot
    below = _links_below(robot, base)
    frames = dict(zip(robot.links, Kinematics(robot).link_frames(rest)))
    kept = []
    for joint in robot.joints:
        if joint.child not in below:
            continue
        leader = joint.mimic.joint if joint.mimic else joint.name
        if joint.kind in MOVING and leader not in joints:
            origin = np.linalg.solve(frames[joint.parent], frames[joint.child])
            joint = replace(joint, kind='fixed', origin=origin, lower=0.0, upper=0.0, velocity=0.0, mimic=None)
        elif joint.name in joints:
            joint = _as_in(robot, joint)
        kept.append(joint)
    return Robot(robot.name, (base, *(joint.child for joint in kept)), tuple(kept))


def _as_in(robot: Robot, joint: Joint) -> Joint:
    """An actuated joint with what joints that follow it, perhaps elsewhere, leave it."""
    i = robot.names.index(joint.name)
    kind = joint.kind if robot.endless[i] or joint.kind != 'continuous' else 'revolute'
    lower, upper, velocity = (float(values[i]) for values in (robot.lower, robot.upper, robot.velocity))
    return replace(joint, kind=kind, lower=lower, upper=upper, velocity=velocity)


def _path(robot: Robot, link: str) -> list[str]:
    """From the root to the link."""
    parents = {joint.child: joint.parent for joint in robot.joints}
    path = [link]
    while path[-1] in parents:
        path.append(parents[path[-1]])
    return path[::-1]


def _links_below(robot: Robot, link: str) -> set[str]:
    below = {link}
    for joint in robot.joints:  # each after the joint that moves its parent
        if joint.parent in below:
            below.add(joint.child)
    return below - {link}
