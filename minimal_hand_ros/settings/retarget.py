"""Parameters of retarget."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_core.robots import METHODS, SafetySettings
from minimal_hand_ros.parameters import ParameterLoader
from minimal_hand_ros.settings.common import load_hand_length, load_model, load_side

INPUTS = ('pose', 'joint_states')


@dataclass(frozen=True)
class RetargetSettings:
    """Settings of retarget.

    Attributes:
        config: path of the retargeting file.
        urdf, method: in place of the file's; '' = the file's.
        input: one of INPUTS.
        side, model, hand_length: of the hand that is followed; the last two matter to input joint_states alone.
        rate: commands per second.
        feedback: whether the robot's joint states say where it starts.
        min_score: of a hand that is followed.
        safety: times and speed.
    """

    config: str
    urdf: str
    method: str
    input: str
    side: str
    model: str
    hand_length: float
    rate: float
    feedback: bool
    min_score: float
    safety: SafetySettings


def load_retarget_settings(load: ParameterLoader) -> RetargetSettings:
    """The parameters of retarget."""
    default = SafetySettings()

    def seconds(name: str, description: str, least: float = 0.0) -> float:
        return load.number(name, getattr(default, name), least, 3600.0, description, live=True)

    return RetargetSettings(
        config=load.text('config', '', 'path of the retargeting file, see config/retarget/'),
        urdf=load.text('urdf', '', "the robot's URDF, in place of the file's; empty: the file's"),
        method=load.choice('method', '', ('', *METHODS), "in place of the file's; empty: the file's"),
        input=load.choice('input', 'pose', INPUTS, 'follow hand/pose or hand/joint_states'),
        side=load_side(load),
        model=load_model(load),
        hand_length=load_hand_length(load, 'counts with input joint_states alone; calibrate does not set it'),
        rate=load.number('rate', 50.0, 1.0, 1000.0, 'commands per second'),
        feedback=load.flag('feedback', False, 'start where robot/joint_states says that the robot is'),
        min_score=load.number('min_score', 0.0, 0.0, 1.0, 'hands with a lower score are not followed', live=True),
        safety=SafetySettings(
            deadman_timeout=seconds(
                'deadman_timeout', "seconds that one press of the dead-man's switch lasts; 0: until it is let go"
            ),
            loss_timeout=seconds('loss_timeout', 'seconds without a hand until the last command is held', 0.01),
            rest_after=seconds('rest_after', 'seconds without a hand until the robot goes to its rest pose; 0: never'),
            max_age=seconds('max_age', 'seconds; hands in older pictures are not followed; 0: any'),
            speed_scale=load.number(
                'speed_scale', default.speed_scale, 0.01, 1.0, "share of the joints' greatest speeds", live=True
            ),
        ),
    )
