"""Messages to and from robots, in pure functions: hands in, joint commands out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from minimal_hand_core.robots import HandObservation
from minimal_hand_core.robots.hand_urdf import joint_names
from minimal_hand_ros.messages import state_from_message
from minimal_hand_ros.msg import HandPose


def observation_from_pose(message: HandPose) -> HandObservation:
    """The hand of a valid HandPose.

    Raises:
        ValueError: a value that is not finite, or an unknown side.
    """
    state = state_from_message(message)
    return HandObservation.from_pose(
        state.side, state.stamp, state.angles, state.keypoints_m, np.asarray(state.rotations[0])
    )


def hand_angles(message: JointState, side: str) -> np.ndarray:
    """(20,) angles of a hand's joint states, in ANGLE_NAMES' order, whatever order the message has.

    Raises:
        ValueError: a joint is missing, or there are not as many positions as names.
    """
    return joint_positions(message, joint_names(side))


def joint_positions(message: JointState, names: Sequence[str]) -> np.ndarray:
    """Positions of these joints; others in the message do not matter.

    Raises:
        ValueError: a joint is missing, or there are not as many positions as names.
    """
    if len(message.position) != len(message.name):
        raise ValueError(f'joint states have {len(message.name)} names and {len(message.position)} positions')
    found = dict(zip(message.name, message.position))
    missing = [name for name in names if name not in found]
    if missing:
        others = f' and {len(missing) - 1} more' if len(missing) > 1 else ''
        raise ValueError(f'joint states lack {missing[0]!r}{others}')
    return np.array([found[name] for name in names], np.float64)


def command_message(stamp: Time, names: Sequence[str], positions: np.ndarray) -> JointState:
    """JointState that asks for these positions, radians or metres."""
    return JointState(
        header=Header(stamp=stamp), name=list(names), position=array('d', np.asarray(positions, float).tolist())
    )
