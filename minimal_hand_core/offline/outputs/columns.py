"""The table of results: one row per picture and hand, its columns, their types and their names as text.

Lengths in metres, angles in radians, pixels with their centres at integers, camera frame x right, y down, z forward.
What a row does not have (no hand, no intrinsics) is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from minimal_hand_core.hand.rotations import quaternion_to_matrix
from minimal_hand_core.hand.skeleton import JOINT_NAMES, KEYPOINT_NAMES, NUM_BETAS
from minimal_hand_core.offline.tracking import TrackedFrame, TrackedHand
from minimal_hand_core.pose import ANGLE_NAMES
from minimal_hand_core.tracking import HandState, Keypoints

KIND = 'tracked hands'
"""Of the NPZ files, as save_arrays has it."""
_XYZ, _QUATERNION, _POSE = 'xyz', 'xyzw', ('x', 'y', 'z', 'rx', 'ry', 'rz')


class Column(NamedTuple):
    """One array of the table.

    Attributes:
        shape: of one row.
        dtype: of NumPy.
        names: of its columns as text, row-major; of a covariance, the upper triangle alone.
    """

    shape: tuple[int, ...]
    dtype: str
    names: tuple[str, ...]


COLUMNS: Mapping[str, Column] = {
    'picture': Column((), '<i8', ('picture',)),
    'stamp': Column((), '<i8', ('stamp_ns',)),
    'side': Column((), '<U5', ('side',)),
    'found': Column((), '?', ('found',)),
    'valid': Column((), '?', ('valid',)),
    'metric': Column((), '?', ('metric',)),
    'score': Column((), '<f4', ('score',)),
    'uv': Column((21, 2), '<f4', tuple(f'{name}_{axis}_px' for name in KEYPOINT_NAMES for axis in 'uv')),
    'confidence': Column((21,), '<f4', tuple(f'{name}_confidence' for name in KEYPOINT_NAMES)),
    'keypoints_m': Column((21, 3), '<f4', tuple(f'{name}_{axis}_m' for name in KEYPOINT_NAMES for axis in _XYZ)),
    'angles': Column((len(ANGLE_NAMES),), '<f4', tuple(f'{name}_rad' for name in ANGLE_NAMES)),
    'wrist_position': Column((3,), '<f8', tuple(f'wrist_position_{axis}_m' for axis in _XYZ)),
    'wrist_orientation': Column((4,), '<f8', tuple(f'wrist_orientation_{axis}' for axis in _QUATERNION)),
    'wrist_covariance': Column(
        (6, 6), '<f8', tuple(f'wrist_covariance_{a}_{b}' for i, a in enumerate(_POSE) for b in _POSE[i:])
    ),
    'rotations': Column(
        (16, 4), '<f4', tuple(f'{name}_rotation_{axis}' for name in JOINT_NAMES for axis in _QUATERNION)
    ),
    'betas': Column((NUM_BETAS,), '<f4', tuple(f'beta_{i}' for i in range(NUM_BETAS))),
    'hand_length': Column((), '<f4', ('hand_length_m',)),
}
"""name → what it is. `found`: the network saw a hand; `valid`: it was posed; `stamp` is in nanoseconds."""
TRIANGLE = np.triu_indices(6)
"""Which of the covariance the text has."""


def rows(tracked: TrackedFrame) -> list[dict[str, Any]]:
    """The rows of one picture, one per side that is looked for."""
    return [_row(tracked.frame.number, tracked.frame.stamp, side, hand) for side, hand in tracked.hands.items()]


def arrays(table: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Rows → the columns of COLUMNS, (N, …) each; N may be 0."""
    listed = list(table)
    found = {}
    for name, column in COLUMNS.items():
        found[name] = np.zeros((len(listed), *column.shape), column.dtype)
        for i, row in enumerate(listed):
            found[name][i] = row[name]
    return found


def state_of(row: Mapping[str, np.ndarray]) -> HandState:
    """The hand of a row that is valid: {name: value of that row}."""
    float64 = {name: np.asarray(row[name], np.float64) for name, column in COLUMNS.items() if 'f' in column.dtype}
    return HandState(
        side=str(row['side']),
        stamp=float(row['stamp']) * 1e-9,
        score=float(row['score']),
        uv=float64['uv'],
        confidence=float64['confidence'],
        keypoints_m=float64['keypoints_m'],
        betas=float64['betas'],
        hand_length=float(row['hand_length']),
        rotations=quaternion_to_matrix(torch.from_numpy(float64['rotations'])).numpy(),
        angles=float64['angles'],
        wrist_position=float64['wrist_position'] if row['metric'] else np.zeros(3),
        wrist_covariance=float64['wrist_covariance'],
        metric=bool(row['metric']),
    )


def _row(number: int, stamp: int, side: str, hand: TrackedHand) -> dict[str, Any]:
    row: dict[str, Any] = {name: np.nan for name, column in COLUMNS.items() if 'f' in column.dtype}
    found, state = hand.found, hand.state
    row |= {'picture': number, 'stamp': stamp, 'side': side, 'score': found.score}
    row |= {'found': isinstance(found, Keypoints), 'valid': state is not None, 'metric': False}
    if isinstance(found, Keypoints):
        row |= {'uv': found.uv, 'confidence': found.confidence}
    if state is not None:
        row |= {
            'metric': state.metric,
            'keypoints_m': state.keypoints_m,
            'angles': state.angles,
            'wrist_position': state.wrist_position if state.metric else np.nan,
            'wrist_orientation': hand.quaternions[0],
            'wrist_covariance': state.wrist_covariance,
            'rotations': hand.quaternions,
            'betas': state.betas,
            'hand_length': state.hand_length,
        }
    return row
