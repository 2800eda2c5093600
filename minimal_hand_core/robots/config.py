"""Settings of retargeting: a YAML file → frozen dataclasses, every name checked against the robot's URDF.

    urdf: ../../urdf/two_finger_gripper.urdf    # relative to this file
    method: direct                              # direct, vector or dex
    max_speed: 0.1                              # rad/s or m/s; one number, or joint: number
    rest: {finger_joint: 0.04}                  # where nothing is said: 0, or the limit next to it
    direct: {finger_joint: {distance: [thumb_tip, index_tip], from: [0.015, 0.09], to: [0.0, 0.04]}}

config/retarget/ holds examples of all methods; docs/teleoperation.md explains them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from minimal_hand_core.hand.skeleton import KEYPOINT_NAMES
from minimal_hand_core.pose import ANGLE_NAMES
from minimal_hand_core.robots.observation import hand_to_robot
from minimal_hand_core.robots.robot import Robot, UrdfError, did_you_mean
from minimal_hand_core.robots.urdf import read_urdf

METHODS = ('direct', 'vector', 'dex')
DEX_TYPES = ('vector', 'position')


class RetargetConfigError(ValueError):
    """A retargeting file that cannot be used; the message names the file, the setting and what would be right."""


@dataclass(frozen=True)
class JointMap:
    """One robot joint from the hand: position = scale · (Σ weight · angle, or distance) + offset, kept in a range.

    Attributes:
        joint: place in robot.actuated.
        angles: (place in ANGLE_NAMES, weight) of each angle; empty for a distance.
        keypoints: the two keypoints whose distance in metres counts; None for angles.
        scale, offset: radians or metres of the robot.
        low, high: the result is kept between them; ∓inf unless `from` and `to` are given.
    """

    joint: int
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
        links: (K, 2) int64, places in robot.links, from and to.
        keypoints: (K, 2) int64, from and to.
        scales: (K,) how much longer the robot's vector is.
        weights: (K,) above 0.
        fingers, palm: axes of the robot's root along which straight fingers point, and which the palm faces.
        smoothness: how strongly the joints keep to their last positions, m² per rad².
        huber: metres; a vector that misses by more counts linearly.
    """

    links: np.ndarray
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
        urdf: the robot's file.
        robot: what is in it.
        method: one of METHODS.
        rest: (N,) positions.
        max_speed: (N,) rad/s or m/s: the URDF's, or the file's where that is less or the URDF's is missing.
        direct: what each joint follows; joints not named stay at rest.
        vectors: of methods vector and dex.
        dex_type: of method dex, one of DEX_TYPES.
    """

    urdf: Path
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
        raise RetargetConfigError(f'retargeting file {file} is not YAML: {" ".join(str(error).split())}') from None
    try:
        return _build(_names(tree, 'the file'), file.parent, urdf, method)
    except RetargetConfigError as error:
        raise RetargetConfigError(f'retargeting file {file}: {error}') from None


_KNOWN = ('urdf', 'method', 'max_speed', 'rest', 'direct', 'vectors', 'dex')
_MAP_KNOWN = ('angle', 'angles', 'distance', 'scale', 'offset', 'from', 'to')
_VECTORS_KNOWN = ('fingers', 'palm', 'scale', 'smoothness', 'huber', 'links')
_LINK_KNOWN = ('from', 'to', 'hand', 'scale', 'weight')


def _build(tree: dict[str, Any], folder: Path, urdf: Any, method: str | None) -> RetargetConfig:
    _check_known(tree, _KNOWN, '')
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
    dex = _names(tree.get('dex') or {}, 'dex')
    _check_known(dex, ('type',), 'dex.')
    dex_type = dex.get('type', 'vector')
    if dex_type not in DEX_TYPES:
        raise RetargetConfigError(f"'dex.type' is {dex_type!r}; give one of {', '.join(DEX_TYPES)}")
    return RetargetConfig(
        urdf=place,
        robot=robot,
        method=chosen,
        rest=_rest(robot, tree.get('rest')),
        max_speed=_speeds(robot, tree.get('max_speed')),
        direct=tuple(_joint_map(robot, *item) for item in _names(tree.get('direct') or {}, 'direct').items()),
        vectors=_vectors(robot, _names(tree['vectors'], 'vectors')) if tree.get('vectors') else None,
        dex_type=dex_type,
    )


def _rest(robot: Robot, given: Any) -> np.ndarray:
    rest = np.clip(np.zeros(len(robot.names)), robot.lower, robot.upper)
    for joint, value in _names(given or {}, 'rest').items():
        i = _look_up(robot.index_of, joint, 'rest')
        rest[i] = _number(value, f'rest.{joint}')
        if not robot.lower[i] <= rest[i] <= robot.upper[i]:
            span = f'{robot.lower[i]:g} … {robot.upper[i]:g}'
            raise RetargetConfigError(f"'rest.{joint}' is {rest[i]:g}; the joint's limits are {span}")
    return rest


def _speeds(robot: Robot, given: Any) -> np.ndarray:
    speeds = np.where(robot.velocity > 0, robot.velocity, math.inf)
    if isinstance(given, Mapping):
        for joint, value in _names(given, 'max_speed').items():
            i = _look_up(robot.index_of, joint, 'max_speed')
            speeds[i] = min(speeds[i], _number(value, f'max_speed.{joint}', above=0.0))
    elif given is not None:
        speeds = np.minimum(speeds, _number(given, 'max_speed', above=0.0))
    for joint, speed in zip(robot.names, speeds):
        if not math.isfinite(speed):
            raise RetargetConfigError(f"the URDF gives joint {joint!r} no velocity limit; add 'max_speed'")
    return speeds


def _joint_map(robot: Robot, joint: str, given: Any) -> JointMap:
    where = f'direct.{joint}'
    tree = _names(given, where)
    _check_known(tree, _MAP_KNOWN, f'{where}.')
    sources = [key for key in ('angle', 'angles', 'distance') if key in tree]
    if len(sources) != 1:
        raise RetargetConfigError(
            f"'{where}' needs one of angle, angles, distance; it has {', '.join(sources) or 'none'}"
        )
    angles: tuple[tuple[int, float], ...] = ()
    keypoints = None
    if 'distance' in tree:
        keypoints = _keypoints(tree['distance'], f'{where}.distance')
    else:
        weights = [(tree['angle'], 1.0)] if 'angle' in tree else _names(tree['angles'], f'{where}.angles').items()
        angles = tuple(
            (_place(name, ANGLE_NAMES, 'angle', where), _number(weight, f'{where}.angles.{name}'))
            for name, weight in weights
        )
    index = _look_up(robot.index_of, joint, where)
    if ('from' in tree) != ('to' in tree) or ('from' in tree and ({'scale', 'offset'} & set(tree))):
        raise RetargetConfigError(f"'{where}': give both from and to, or scale and offset")
    if 'from' not in tree:
        scale, offset = (
            _number(tree.get(key, default), f'{where}.{key}') for key, default in (('scale', 1), ('offset', 0))
        )
        return JointMap(index, angles, keypoints, scale, offset, -math.inf, math.inf)
    (a, b), (c, d) = (_pair(tree[key], f'{where}.{key}') for key in ('from', 'to'))
    if a == b:
        raise RetargetConfigError(f"'{where}.from' is [{a:g}, {b:g}]; give two different numbers")
    scale = (d - c) / (b - a)
    return JointMap(index, angles, keypoints, scale, c - scale * a, min(c, d), max(c, d))


def _vectors(robot: Robot, tree: dict[str, Any]) -> LinkVectors:
    _check_known(tree, _VECTORS_KNOWN, 'vectors.')
    rows = tree.get('links')
    if not isinstance(rows, list) or not rows:
        raise RetargetConfigError("'vectors.links' must be a list of {from, to, hand}")
    overall = _number(tree.get('scale', 1.0), 'vectors.scale', above=0.0)
    links, keypoints, scales, weights = [], [], [], []
    for i, given in enumerate(rows):
        where = f'vectors.links[{i}]'
        row = _names(given, where)
        _check_known(row, _LINK_KNOWN, f'{where}.')
        for key in ('from', 'to', 'hand'):
            if key not in row:
                raise RetargetConfigError(f"'{where}.{key}' is missing")
        links.append([_look_up(robot.link_index, row[key], f'{where}.{key}') for key in ('from', 'to')])
        keypoints.append(_keypoints(row['hand'], f'{where}.hand'))
        scales.append(overall * _number(row.get('scale', 1.0), f'{where}.scale', above=0.0))
        weights.append(_number(row.get('weight', 1.0), f'{where}.weight', above=0.0))
    axes = {key: tree.get(key) for key in ('fingers', 'palm')}
    try:
        hand_to_robot('right', str(axes['fingers']), str(axes['palm']))
    except ValueError as error:
        raise RetargetConfigError(f'vectors: {error}') from None
    return LinkVectors(
        np.array(links),
        np.array(keypoints),
        np.array(scales),
        np.array(weights),
        str(axes['fingers']),
        str(axes['palm']),
        _number(tree.get('smoothness', LinkVectors.smoothness), 'vectors.smoothness', above=0.0),
        _number(tree.get('huber', LinkVectors.huber), 'vectors.huber', above=0.0),
    )


def _names(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise RetargetConfigError(f"'{where}' is {value!r}; expected names with values")
    return value


def _check_known(tree: dict[str, Any], known: tuple[str, ...], prefix: str) -> None:
    for name in tree:
        if name not in known:
            raise RetargetConfigError(f"'{prefix}{name}' is not a setting{did_you_mean(name, known)}")


def _look_up(place: Callable[[str, str], int], name: Any, where: str) -> int:
    """Where a robot has the joint or link of that name, by one of its own methods."""
    if not isinstance(name, str):
        raise RetargetConfigError(f"'{where}' is {name!r}; give a name")
    try:
        return place(name, where)
    except UrdfError as error:
        raise RetargetConfigError(str(error)) from None


def _number(value: Any, where: str, above: float = -math.inf) -> float:
    wanted = 'a number' if above == -math.inf else f'a number above {above:g}'
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > above):
        raise RetargetConfigError(f"'{where}' is {value!r}; give {wanted}")
    return float(value)


def _pair(value: Any, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise RetargetConfigError(f"'{where}' is {value!r}; give two numbers")
    return _number(value[0], where), _number(value[1], where)


def _keypoints(value: Any, where: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2 or value[0] == value[1]:
        raise RetargetConfigError(f"'{where}' is {value!r}; give two different keypoints")
    return _place(value[0], KEYPOINT_NAMES, 'keypoint', where), _place(value[1], KEYPOINT_NAMES, 'keypoint', where)


def _place(name: Any, known: tuple[str, ...], kind: str, where: str) -> int:
    if name not in known:
        raise RetargetConfigError(f"'{where}': {name!r} is no {kind}{did_you_mean(str(name), known)}")
    return known.index(name)
