"""The parameters of the tracker that can be changed in the browser, and the range in which each is of use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from minimal_hand_core.tracking import FILTERS


@dataclass(frozen=True)
class Knob:
    """One parameter.

    Attributes:
        name: of the parameter.
        label: beside the knob, with the unit.
        stage: which of the tracker's stages has it.
        low, high, step: of a slider. The tracker takes more; a slider needs a range in which something can be seen.
        choices: of a choice, in place of a slider; (False, True) for a switch.
        only_with: the filter it belongs to; None: all of them.
    """

    name: str
    label: str
    stage: Literal['detection', 'pose']
    low: float = 0.0
    high: float = 1.0
    step: float = 0.01
    choices: tuple[str, ...] | tuple[bool, ...] = ()
    only_with: str | None = None


KNOBS = (
    Knob('filter', 'Filter', 'pose', choices=FILTERS),
    Knob('wrist_min_cutoff', 'Wrist cut-off (Hz)', 'pose', 0.01, 5.0, 0.01, only_with='one_euro'),
    Knob('wrist_beta', 'Wrist beta (Hz per m/s)', 'pose', 0.0, 400.0, 1.0, only_with='one_euro'),
    Knob('wrist_rest_speed', 'Wrist rest (m/s)', 'pose', 0.0, 0.5, 0.005, only_with='one_euro'),
    Knob('pose_min_cutoff', 'Pose cut-off (Hz)', 'pose', 0.01, 5.0, 0.01, only_with='one_euro'),
    Knob('pose_beta', 'Pose beta (Hz·s)', 'pose', 0.0, 20.0, 0.1, only_with='one_euro'),
    Knob('pose_rest_speed', 'Pose rest (lengths/s)', 'pose', 0.0, 2.0, 0.01, only_with='one_euro'),
    Knob('derivative_cutoff', 'Speed cut-off (Hz)', 'pose', 0.1, 10.0, 0.1, only_with='one_euro'),
    Knob('wrist_noise', 'Wrist noise (m)', 'pose', 1e-4, 0.02, 1e-4, only_with='kalman'),
    Knob('wrist_acceleration', 'Wrist unrest (m/s^1.5)', 'pose', 1e-4, 0.02, 1e-4, only_with='kalman'),
    Knob('pose_noise', 'Pose noise (lengths)', 'pose', 1e-3, 0.2, 1e-3, only_with='kalman'),
    Knob('pose_acceleration', 'Pose unrest (lengths/s^1.5)', 'pose', 1e-3, 0.1, 1e-3, only_with='kalman'),
    Knob('kalman_agility', 'Agility', 'pose', 0.0, 10.0, 0.1, only_with='kalman'),
    Knob('lost_timeout', 'Lost after (s)', 'pose', 0.0, 2.0, 0.05),
    Knob('pose.limits', 'Joint limits', 'pose', choices=(False, True)),
    Knob('enter_threshold', 'Found at score', 'detection', 0.0, 1.0, 0.01),
    Knob('keep_threshold', 'Lost below score', 'detection', 0.0, 1.0, 0.01),
)
"""In the order of the panel."""
