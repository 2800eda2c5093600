"""Settings of retargeting: a YAML file → frozen dataclasses, every name checked against the robot's URDF.

    urdf: ../../urdf/two_finger_gripper.urdf    # relative to this file
    method: direct                              # direct, vector or dex
    max_speed: 0.1                              # rad/s or m/s; one number, or joint: number
    joints: [finger_joint]                      # which are commanded; optional, see below
    rest: {finger_joint: 0.04}                  # where nothing is said: 0, or the limit next to it
    direct: {finger_joint: {distance: [thumb_tip, index_tip], from: [0.015, 0.09], to: [0.0, 0.04]}}

Joints that are not commanded are nobody's concern here: a hand on an arm does not move the arm. Commanded are, unless
`joints` says otherwise, with method direct the joints that follow something, with vector and dex those that hang on the
lowest link that carries all links of the vectors.

config/retarget/ holds examples of all methods; docs/teleoperation.md explains them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from minimal_hand_core.errors import one_line
from minimal_hand_core.pose import ANGLE_NAMES
from minimal_hand_core.robots import config_values as values
from minimal_hand_core.robots.config_values import RetargetConfigError
from minimal_hand_core.robots.observation import hand_to_robot
from minimal_hand_core.robots.part import common_link, is_carried_rigidly, joints_below, moves_any, part_of
from minimal_hand_core.robots.robot import Robot
from minimal_hand_core.robots.urdf import read_urdf

METHODS = ('direct', 'vector', 'dex')
DEX_TYPES = ('vector', 'position')


@dataclass(frozen=True)
class JointMap:
    """One robot joint from the hand: position = scale · (Σ weight · angle, or distance) + offset, kept in a range.

    Attributes:
        joint: name, one of robot.names.
        angles: (place in ANGLE_NAMES, weight) of each angle; empty for a distance.
        keypoints: the two keypoints whose distance in metres counts; None for angles.
        scale, offset: radians or metres of the robot.
        low, high: the result is kept between them; ∓inf unless `from` and `to` are given.
    """

    joint: str
    angles: tuple[tuple[int, float], ...]
    keypoints: tuple[int, int] | None
    scale: float
    offset: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class LinkVectors:
    """Vectors of the hand that those between links of the robot shall equal.

    Attributes:
        links: K pairs of names, from and to.
        keypoints: (K, 2) int64, from and to.
        scales: (K,) how much longer the robot's vector is.
        weights: (K,) above 0.
        fingers, palm: axes of the root of RetargetConfig.robot, in whose frame vectors are compared: that along which
            straight fingers point, and that which the palm faces.
        smoothness: how strongly the joints keep to their last positions, m² per rad².
        huber: metres; a vector that misses by more counts linearly.
    """

    links: tuple[tuple[str, str], ...]
    keypoints: np.ndarray
    scales: np.ndarray
    weights: np.ndarray
    fingers: str
    palm: str
    smoothness: float = 1e-4
    huber: float = 0.02


@dataclass(frozen=True, eq=False)
class RetargetConfig:
    """How a hand drives a robot.

    Attributes:
        robot: the part of what is in the URDF that is commanded.
        method: one of METHODS.
        rest: (N,) positions.
        max_speed: (N,) rad/s or m/s: the URDF's, or the file's where that is less or the URDF's is missing.
        direct: of method direct, what each joint follows; those of robot.names that are not here stay at rest.
        vectors: of methods vector and dex.
        dex_type: of method dex, one of DEX_TYPES.
    """

    robot: Robot
    method: str
    rest: np.ndarray
    max_speed: np.ndarray
    direct: tuple[JointMap, ...] = ()
    vectors: LinkVectors | None = None
    dex_type: str = field(default='vector')


def read_retarget_config(
    path: str | os.PathLike[str], *, urdf: str | os.PathLike[str] | None = None, method: str | None = None
) -> RetargetConfig:
    """Read a retargeting file and the URDF it names.

    Args:
        path: the YAML file.
        urdf: takes the place of the file's.
        method: takes the place of the file's.

    Raises:
        RetargetConfigError: no such file, not YAML, a setting that is unknown, missing or of the wrong kind, a joint,
            link, angle or keypoint there is not, a joint without a speed, or a method without its settings.
        UrdfError: the URDF cannot be read.
    """
    file = Path(path).expanduser()
    try:
        tree = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else 'not a text file'
        raise RetargetConfigError(f'retargeting file {file} cannot be read: {reason}') from None
    except yaml.YAMLError as error:
        raise RetargetConfigError(f'retargeting file {file} is not YAML: {one_line(error)}') from None
    try:
        return _build(values.names(tree, 'the file'), file.parent, urdf, method)
    except RetargetConfigError as error:
        raise RetargetConfigError(f'retargeting file {file}: {error}') from None


_KNOWN = ('urdf', 'method', 'max_speed', 'joints', 'rest', 'direct', 'vectors', 'dex')
_MAP_KNOWN = ('angle', 'angles', 'distance', 'scale', 'offset', 'from', 'to')
_VECTORS_KNOWN = ('base', 'fingers', 'palm', 'scale', 'smoothness', 'huber', 'links')
_LINK_KNOWN = ('from', 'to', 'hand', 'scale', 'weight')


def _build(tree: dict[str, Any], folder: Path, urdf: Any, method: str | None) -> RetargetConfig:
    values.check_known(tree, _KNOWN, '')
    named = urdf if urdf is not None else tree.get('urdf')
    if not isinstance(named, (str, os.PathLike)) or not str(named):
        raise RetargetConfigError("'urdf' is missing; give the path of the robot's URDF")
    place = Path(named).expanduser() if urdf is not None else folder / Path(named).expanduser()
    robot = read_urdf(place)
    if not robot.names:
        raise RetargetConfigError(f'robot {robot.name!r} has no joint that moves')
    chosen = method if method is not None else tree.get('method', 'direct')
    if chosen not in METHODS:
        raise RetargetConfigError(f"'method' is {chosen!r}; give one of {', '.join(METHODS)}")
    wanted = 'direct' if chosen == 'direct' else 'vectors'
    if not tree.get(wanted):
        raise RetargetConfigError(f"method {chosen!r} needs '{wanted}', which is missing")
    dex = values.names(tree.get('dex') or {}, 'dex')
    values.check_known(dex, ('type',), 'dex.')
    dex_type = dex.get('type', 'vector')
    if dex_type not in DEX_TYPES:
        raise RetargetConfigError(f"'dex.type' is {dex_type!r}; give one of {', '.join(DEX_TYPES)}")
    direct = tuple(_joint_map(robot, *item) for item in values.names(tree.get('direct') or {}, 'direct').items())
    vectors = _vectors(robot, values.names(tree['vectors'], 'vectors')) if tree.get('vectors') else None
    frame = carrier = robot.links[0]
    if vectors is not None:
        frame, carrier = _base(robot, vectors, tree['vectors'].get('base'))
    if chosen == 'direct':
        vectors, frame = None, robot.links[0]
        joints = _joints(robot, tree.get('joints'), tuple(item.joint for item in direct))
        for item in direct:
            if item.joint not in joints:
                raise RetargetConfigError(f"'direct.{item.joint}' follows something, but 'joints' does not name it")
    else:
        direct = ()
        joints = _joints(robot, tree.get('joints'), joints_below(robot, carrier))
        hanging = joints_below(robot, frame)
        for joint in joints:
            if joint not in hanging:
                raise RetargetConfigError(
                    f"'joints': {joint!r} does not hang on {frame!r}, in whose frame vectors are compared; "
                    "leave it out, or give a link further up as 'vectors.base'"
                )
    rest, speeds = _rest(robot, tree.get('rest')), _speeds(robot, tree.get('max_speed'))
    part = part_of(robot, frame, joints, rest)
    if vectors is not None and not moves_any(part, vectors.links):
        raise RetargetConfigError("'vectors.links': no commanded joint moves any of these links against another")
    kept = [robot.names.index(name) for name in part.names]
    for i in kept:
        if not math.isfinite(speeds[i]):
            raise RetargetConfigError(f"the URDF gives joint {robot.names[i]!r} no velocity limit; add 'max_speed'")
    return RetargetConfig(part, chosen, rest[kept], speeds[kept], direct, vectors, dex_type)


def _joints(robot: Robot, given: Any, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """The commanded joints."""
    if given is None:
        return otherwise
    if not isinstance(given, list) or not given:
        raise RetargetConfigError(f"'joints' is {given!r}; give a list of joints, or leave it out")
    return tuple(robot.names[values.look_up(robot.index_of, joint, 'joints')] for joint in given)


def _base(robot: Robot, vectors: LinkVectors, given: Any) -> tuple[str, str]:
    """The link in whose frame vectors are compared, and the one on which those joints hang that they command.

    Both are the link given. Else the latter is the lowest that carries all, and the former the root where nothing moves
    that against it.
    """
    common = common_link(robot, [link for pair in vectors.links for link in pair])
    if given is None:
        return robot.links[0] if is_carried_rigidly(robot, common) else common, common
    values.look_up(robot.link_index, given, 'vectors.base')
    if common_link(robot, [common, given]) != given:
        raise RetargetConfigError(
            f"'vectors.base' is {given!r}, which does not carry {common!r}; give a link that does"
        )
    return given, given


def _rest(robot: Robot, given: Any) -> np.ndarray:
    rest = np.clip(np.zeros(len(robot.names)), robot.lower, robot.upper)
    for joint, value in values.names(given or {}, 'rest').items():
        i = values.look_up(robot.index_of, joint, 'rest')
        rest[i] = values.number(value, f'rest.{joint}')
        if not robot.lower[i] <= rest[i] <= robot.upper[i]:
            span = f'{robot.lower[i]:g} … {robot.upper[i]:g}'
            raise RetargetConfigError(f"'rest.{joint}' is {rest[i]:g}; the joint's limits are {span}")
    return rest


def _speeds(robot: Robot, given: Any) -> np.ndarray:
    speeds = np.where(robot.velocity > 0, robot.velocity, math.inf)
    if isinstance(given, Mapping):
        for joint, value in values.names(given, 'max_speed').items():
            i = values.look_up(robot.index_of, joint, 'max_speed')
            speeds[i] = min(speeds[i], values.number(value, f'max_speed.{joint}', above=0.0))
    elif given is not None:
        speeds = np.minimum(speeds, values.number(given, 'max_speed', above=0.0))
    return speeds


def _joint_map(robot: Robot, joint: str, given: Any) -> JointMap:
    where = f'direct.{joint}'
    tree = values.names(given, where)
    values.check_known(tree, _MAP_KNOWN, f'{where}.')
    sources = [key for key in ('angle', 'angles', 'distance') if key in tree]
    if len(sources) != 1:
        raise RetargetConfigError(
            f"'{where}' needs one of angle, angles, distance; it has {', '.join(sources) or 'none'}"
        )
    angles: tuple[tuple[int, float], ...] = ()
    keypoints = None
    if 'distance' in tree:
        keypoints = values.keypoints(tree['distance'], f'{where}.distance')
    else:
        weights = [(tree['angle'], 1.0)] if 'angle' in tree else values.names(tree['angles'], f'{where}.angles').items()
        angles = tuple(
            (values.place(name, ANGLE_NAMES, 'angle', where), values.number(weight, f'{where}.angles.{name}'))
            for name, weight in weights
        )
    values.look_up(robot.index_of, joint, where)
    if ('from' in tree) != ('to' in tree) or ('from' in tree and ({'scale', 'offset'} & set(tree))):
        raise RetargetConfigError(f"'{where}': give both from and to, or scale and offset")
    if 'from' not in tree:
        scale, offset = (
            values.number(tree.get(key, default), f'{where}.{key}') for key, default in (('scale', 1), ('offset', 0))
        )
        return JointMap(joint, angles, keypoints, scale, offset, -math.inf, math.inf)
    (a, b), (c, d) = (values.pair(tree[key], f'{where}.{key}') for key in ('from', 'to'))
    if a == b:
        raise RetargetConfigError(f"'{where}.from' is [{a:g}, {b:g}]; give two different numbers")
    scale = (d - c) / (b - a)
    return JointMap(joint, angles, keypoints, scale, c - scale * a, min(c, d), max(c, d))


def _vectors(robot: Robot, tree: dict[str, Any]) -> LinkVectors:
    values.check_known(tree, _VECTORS_KNOWN, 'vectors.')
    rows = tree.get('links')
    if not isinstance(rows, list) or not rows:
        raise RetargetConfigError("'vectors.links' must be a list of {from, to, hand}")
    overall = values.number(tree.get('scale', 1.0), 'vectors.scale', above=0.0)
    links, keypoints, scales, weights = [], [], [], []
    for i, given in enumerate(rows):
        where = f'vectors.links[{i}]'
        row = values.names(given, where)
        values.check_known(row, _LINK_KNOWN, f'{where}.')
        for key in ('from', 'to', 'hand'):
            if key not in row:
                raise RetargetConfigError(f"'{where}.{key}' is missing")
        for key in ('from', 'to'):
            values.look_up(robot.link_index, row[key], f'{where}.{key}')
        links.append((row['from'], row['to']))
        keypoints.append(values.keypoints(row['hand'], f'{where}.hand'))
        scales.append(overall * values.number(row.get('scale', 1.0), f'{where}.scale', above=0.0))
        weights.append(values.number(row.get('weight', 1.0), f'{where}.weight', above=0.0))
    axes = {key: tree.get(key) for key in ('fingers', 'palm')}
    try:
        hand_to_robot('right', str(axes['fingers']), str(axes['palm']))
    except ValueError as error:
        raise RetargetConfigError(f'vectors: {error}') from None
    return LinkVectors(
        tuple(links),
        np.array(keypoints),
        np.array(scales),
        np.array(weights),
        str(axes['fingers']),
        str(axes['palm']),
        values.number(tree.get('smoothness', LinkVectors.smoothness), 'vectors.smoothness', above=0.0),
        values.number(tree.get('huber', LinkVectors.huber), 'vectors.huber', above=0.0),
    )
