"""Values of a retargeting file, each checked and, where it is wrong, named with what would be right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minimal_hand_core.hand.skeleton import KEYPOINT_NAMES
from minimal_hand_core.robots.robot import UrdfError, did_you_mean


class RetargetConfigError(ValueError):
    """A retargeting file that cannot be used; the message names the file, the setting and what would be right."""


def names(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise RetargetConfigError(f"'{where}' is {value!r}; expected names with values")
    return value


def check_known(tree: dict[str, Any], known: tuple[str, ...], prefix: str) -> None:
    for name in tree:
        if name not in known:
            raise RetargetConfigError(f"'{prefix}{name}' is not a setting{did_you_mean(name, known)}")


def look_up(place: Callable[[str, str], int], name: Any, where: str) -> int:
    """Where a robot has the joint or link of that name, by one of its own methods."""
    if not isinstance(name, str):
        raise RetargetConfigError(f"'{where}' is {name!r}; give a name")
    try:
        return place(name, where)
    except UrdfError as error:
        raise RetargetConfigError(str(error)) from None


def number(value: Any, where: str, above: float = -math.inf) -> float:
    wanted = 'a number' if above == -math.inf else f'a number above {above:g}'
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > above):
        raise RetargetConfigError(f"'{where}' is {value!r}; give {wanted}")
    return float(value)


def pair(value: Any, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise RetargetConfigError(f"'{where}' is {value!r}; give two numbers")
    return number(value[0], where), number(value[1], where)


def keypoints(value: Any, where: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2 or value[0] == value[1]:
        raise RetargetConfigError(f"'{where}' is {value!r}; give two different keypoints")
    return place(value[0], KEYPOINT_NAMES, 'keypoint', where), place(value[1], KEYPOINT_NAMES, 'keypoint', where)


def place(name: Any, known: tuple[str, ...], kind: str, where: str) -> int:
    if name not in known:
        raise RetargetConfigError(f"'{where}': {name!r} is no {kind}{did_you_mean(str(name), known)}")
    return known.index(name)
