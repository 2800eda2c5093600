"""Driving robots: the hand as a URDF, robot hands from their URDF, retargeting, and what keeps commands safe."""

from minimal_hand_core.robots.config import METHODS, RetargetConfig, RetargetConfigError, read_retarget_config
from minimal_hand_core.robots.hand_pieces import RestHand, rest_hand
from minimal_hand_core.robots.hand_urdf import hand_urdf
from minimal_hand_core.robots.kinematics import Kinematics
from minimal_hand_core.robots.observation import AnglesToObservation, HandObservation
from minimal_hand_core.robots.retargeters import Retargeter, RetargetError, create_retargeter
from minimal_hand_core.robots.robot import Joint, Robot, UrdfError
from minimal_hand_core.robots.safety import Command, CommandGuard, GuardState, SafetySettings
from minimal_hand_core.robots.urdf import parse_urdf, read_urdf

__all__ = [
    'METHODS',
    'AnglesToObservation',
    'Command',
    'CommandGuard',
    'GuardState',
    'HandObservation',
    'Joint',
    'Kinematics',
    'RestHand',
    'RetargetConfig',
    'RetargetConfigError',
    'RetargetError',
    'Retargeter',
    'Robot',
    'SafetySettings',
    'UrdfError',
    'create_retargeter',
    'hand_urdf',
    'parse_urdf',
    'read_retarget_config',
    'read_urdf',
    'rest_hand',
]
