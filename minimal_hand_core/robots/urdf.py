"""Reading a URDF: links, joints and limits, checked, in the order root to tips; and writing what was read.

Format: the URDF specification of ROS (wiki.ros.org/urdf/XML); what moves a link is read, what it looks like is not.
"""

from __future__ import annotations

import math
import os
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from minimal_hand_core.robots.robot import KINDS, MOVING, Joint, Mimic, Robot, UrdfError, did_you_mean


def read_urdf(path: str | os.PathLike[str]) -> Robot:
    """Read a URDF file.

    Raises:
        UrdfError: no such file, or what `parse_urdf` raises, with the file's name.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else 'not a text file'
        raise UrdfError(f'URDF {file} cannot be read: {reason}') from None
    try:
        return parse_urdf(text)
    except UrdfError as error:
        raise UrdfError(f'URDF {file}: {error}') from None


def parse_urdf(text: str) -> Robot:
    """Read a URDF from its text.

    Raises:
        UrdfError: not XML, a xacro file, not a robot, a joint without parent or child, an unknown link, an unknown kind
            of joint, links that are not one tree, limits that are missing or crossed, a joint that follows one that is
            not driven, or numbers that are none.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UrdfError(f'not well-formed XML ({error})') from None
    if root.tag != 'robot':
        raise UrdfError(f'expected <robot>, found <{root.tag}>')
    if any(tag.tag.startswith('{') and 'xacro' in tag.tag for tag in root.iter()):
        raise UrdfError('this is a xacro file; run it through xacro first')
    links = [_attribute(tag, 'name', '<link>') for tag in root.findall('link')]
    if not links:
        raise UrdfError('no <link>')
    joints = [_joint(tag, set(links)) for tag in root.findall('joint')]
    for kind, names in (('links', links), ('joints', [joint.name for joint in joints])):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UrdfError(f'two {kind} are called {twice[0]!r}')
    ordered = _in_order(links, joints)
    _check_mimics(joints)
    root_link = next(link for link in links if all(joint.child != link for joint in joints))
    robot = Robot(root.get('name', ''), (root_link, *(joint.child for joint in ordered)), tuple(ordered))
    _check_room(robot)
    return robot


def to_urdf(robot: Robot) -> str:
    """A robot as URDF text, which `parse_urdf` reads back to rounding; without looks and masses, efforts 0."""
    root = ElementTree.Element('robot', name=robot.name)
    for link in robot.links:
        ElementTree.SubElement(root, 'link', name=link)
    for joint in robot.joints:
        tag = ElementTree.SubElement(root, 'joint', name=joint.name, type=joint.kind)
        ElementTree.SubElement(tag, 'parent', link=joint.parent)
        ElementTree.SubElement(tag, 'child', link=joint.child)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of a pitch of 90°, where one of the other two angles is free
            turn = Rotation.from_matrix(joint.origin[:3, :3]).as_euler('xyz')
        ElementTree.SubElement(tag, 'origin', xyz=_text(joint.origin[:3, 3]), rpy=_text(turn))
        if joint.kind == 'fixed':
            continue
        ElementTree.SubElement(tag, 'axis', xyz=_text(joint.axis))
        limit = {'effort': '0', 'velocity': repr(float(joint.velocity))}
        if joint.kind != 'continuous':
            limit |= {'lower': repr(float(joint.lower)), 'upper': repr(float(joint.upper))}
        ElementTree.SubElement(tag, 'limit', limit)
        if joint.mimic:
            factors = {'multiplier': repr(joint.mimic.multiplier), 'offset': repr(joint.mimic.offset)}
            ElementTree.SubElement(tag, 'mimic', {'joint': joint.mimic.joint, **factors})
    return ElementTree.tostring(root, encoding='unicode')


def _joint(tag: ElementTree.Element, links: set[str]) -> Joint:
    name = _attribute(tag, 'name', '<joint>')
    where = f'joint {name!r}'
    kind = _attribute(tag, 'type', where)
    if kind not in KINDS:
        raise UrdfError(f'{where}: type is {kind!r}; only {", ".join(KINDS)} are supported')
    ends = []
    for end in ('parent', 'child'):
        found = tag.find(end)
        link = _attribute(found, 'link', f'{where}: <{end}>') if found is not None else None
        if link is None:
            raise UrdfError(f'{where}: no <{end} link="…"/>')
        if link not in links:
            raise UrdfError(f'{where}: {end} {link!r} is not a link{did_you_mean(link, tuple(sorted(links)))}')
        ends.append(link)
    axis = np.array([1.0, 0.0, 0.0])
    axis_tag = tag.find('axis')
    if axis_tag is not None and kind in MOVING:
        axis = _numbers(axis_tag.get('xyz', '1 0 0'), 3, f'{where}: axis')
        if not np.linalg.norm(axis) > 1e-9:
            raise UrdfError(f'{where}: axis must not be zero')
        axis = axis / np.linalg.norm(axis)
    lower, upper, velocity = _limits(tag, kind, where)
    mimic_tag = tag.find('mimic')
    mimic = None
    if mimic_tag is not None and kind in MOVING:
        factors = [
            _numbers(mimic_tag.get(key, default), 1, f'{where}: mimic {key}')[0]
            for key, default in (('multiplier', '1'), ('offset', '0'))
        ]
        mimic = Mimic(_attribute(mimic_tag, 'joint', f'{where}: <mimic>'), float(factors[0]), float(factors[1]))
    return Joint(name, kind, ends[0], ends[1], _origin(tag.find('origin'), where), axis, lower, upper, velocity, mimic)


def _limits(tag: ElementTree.Element, kind: str, where: str) -> tuple[float, float, float]:
    if kind == 'fixed':
        return 0.0, 0.0, 0.0
    found = tag.find('limit')
    if found is None and kind != 'continuous':
        raise UrdfError(f'{where}: a {kind} joint needs <limit lower="…" upper="…" effort="…" velocity="…"/>')
    values = {
        key: float(_numbers(found.get(key, '0') if found is not None else '0', 1, f'{where}: limit {key}')[0])
        for key in ('lower', 'upper', 'velocity')
    }
    if values['velocity'] < 0:
        raise UrdfError(f'{where}: limit velocity is {values["velocity"]:g}; it must not be negative')
    if kind == 'continuous':
        return -math.inf, math.inf, values['velocity']
    if not values['lower'] < values['upper']:
        raise UrdfError(f'{where}: limit lower {values["lower"]:g} must be less than upper {values["upper"]:g}')
    return values['lower'], values['upper'], values['velocity']


def _check_mimics(joints: list[Joint]) -> None:
    known = {joint.name: joint for joint in joints}
    for joint in joints:
        if joint.mimic is None:
            continue
        source = known.get(joint.mimic.joint)
        if source is None:
            hint = did_you_mean(joint.mimic.joint, tuple(known))
            raise UrdfError(f'joint {joint.name!r} follows {joint.mimic.joint!r}, which is not a joint{hint}')
        if source.mimic is not None or source.kind not in MOVING:
            why = 'follows another itself' if source.mimic else 'is fixed'
            raise UrdfError(f'joint {joint.name!r} follows {source.name!r}, which {why}; name a joint that is driven')


def _check_room(robot: Robot) -> None:
    for name, lower, upper in zip(robot.names, robot.lower, robot.upper, strict=True):
        if lower > upper:
            raise UrdfError(
                f'joint {name!r}: its limits and those of the joints that follow it leave no position; '
                'see multiplier and offset of <mimic>'
            )


def _in_order(links: list[str], joints: list[Joint]) -> list[Joint]:
    """The joints, each after the one that moves its parent; depth first, so that a finger stays together."""
    by_child: dict[str, str] = {}
    by_parent: dict[str, list[Joint]] = {link: [] for link in links}
    for joint in joints:
        if joint.child in by_child:
            raise UrdfError(
                f'link {joint.child!r} has two parents, by joints {by_child[joint.child]!r}, {joint.name!r}'
            )
        by_child[joint.child] = joint.name
        by_parent[joint.parent].append(joint)
    roots = [link for link in links if link not in by_child]
    if len(roots) != 1:
        found = ', '.join(map(repr, roots)) if roots else 'none, the links run in a circle'
        raise UrdfError(f'the links must be one tree with one root; roots found: {found}')
    ordered: list[Joint] = []
    waiting = list(reversed(by_parent[roots[0]]))
    while waiting:
        joint = waiting.pop()
        ordered.append(joint)
        waiting += reversed(by_parent[joint.child])
    if len(ordered) != len(joints):
        lost = sorted({joint.child for joint in joints} - {joint.child for joint in ordered})
        raise UrdfError(f'link {lost[0]!r} does not hang on the root: its links run in a circle')
    return ordered


def _origin(tag: ElementTree.Element | None, where: str) -> np.ndarray:
    """(4, 4) of xyz and rpy: fixed axes, roll about x first, then pitch about y, then yaw about z."""
    origin = np.eye(4)
    if tag is None:
        return origin
    origin[:3, 3] = _numbers(tag.get('xyz', '0 0 0'), 3, f'{where}: origin xyz')
    (sr, sp, sy), (cr, cp, cy) = (
        f(_numbers(tag.get('rpy', '0 0 0'), 3, f'{where}: origin rpy')) for f in (np.sin, np.cos)
    )
    origin[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return origin


def _attribute(tag: ElementTree.Element, name: str, where: str) -> str:
    value = tag.get(name)
    if not value:
        raise UrdfError(f'{where}: no {name}')
    return value


def _numbers(text: str, count: int, where: str) -> np.ndarray:
    try:
        values = np.array([float(part) for part in text.split()])
    except ValueError:
        values = np.array([])
    if values.shape != (count,) or not np.isfinite(values).all():
        raise UrdfError(f'{where}: expected {count} finite number{"s" if count > 1 else ""}, found {text!r}')
    return values


def _text(values: np.ndarray) -> str:
    return ' '.join(repr(float(value)) for value in values)
