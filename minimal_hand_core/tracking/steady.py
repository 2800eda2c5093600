"""The filters of one hand: what the network says of its form, the form that fits the picture, and the wrist's place.

A fit makes much of little: noise of a thousandth of a hand in xyz can tilt the hand by a degree and put it millimetres
nearer. So xyz is steadied before the fit as well as the points that come out of it.
"""

from __future__ import annotations

import numpy as np

from minimal_hand_core.tracking.config import PoseConfig
from minimal_hand_core.tracking.filters import Filter, Kalman, NoFilter, OneEuro


class Steady:
    """Filters of the kind and with the parameters of the settings.

    Args:
        config: settings.
    """

    def __init__(self, config: PoseConfig) -> None:
        self._make(config)

    def reconfigure(self, config: PoseConfig) -> None:
        """Go on with other parameters from the same state; another kind of filter starts afresh."""
        if config.filter == self._kind:
            for each, parameters in zip((self._xyz, self._points, self._wrist), _parameters(config), strict=True):
                if isinstance(each, (OneEuro, Kalman)):
                    each.set_parameters(*parameters)
        else:
            self._make(config)

    def reset(self) -> None:
        """Forget the hand."""
        for each in (self._xyz, self._points, self._wrist):
            each.reset()

    def xyz(self, value: np.ndarray, stamp: float) -> np.ndarray:
        """(21, 3) hand lengths, as the network said it → filtered."""
        return self._xyz(value, stamp)

    def points(self, value: np.ndarray, stamp: float) -> np.ndarray:
        """(21, 3) hand lengths, as fitted → filtered."""
        return self._points(value, stamp)

    def wrist(self, value: np.ndarray, stamp: float) -> np.ndarray:
        """(3,) metres → filtered."""
        return self._wrist(value, stamp)

    def _make(self, config: PoseConfig) -> None:
        self._kind = config.filter
        self._xyz, self._points, self._wrist = (_filter(self._kind, each) for each in _parameters(config))


def _filter(kind: str, parameters: tuple[float, ...]) -> Filter:
    if kind == 'one_euro':
        return OneEuro(*parameters)
    if kind == 'kalman':
        return Kalman(*parameters)
    return NoFilter()


def _parameters(config: PoseConfig) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Of the filters of xyz, points and wrist."""
    if config.filter == 'kalman':
        pose: tuple[float, ...] = (config.pose_noise, config.pose_acceleration, config.kalman_agility)
        return pose, pose, (config.wrist_noise, config.wrist_acceleration, config.kalman_agility)
    pose = (config.pose_min_cutoff, config.pose_beta, config.derivative_cutoff, config.pose_rest_speed)
    return (
        pose,
        pose,
        (config.wrist_min_cutoff, config.wrist_beta, config.derivative_cutoff, config.wrist_rest_speed),
    )
