"""Scores: alignments, errors, PCK and AUC; predictions of a network over labelled samples.

`alignment` moves a predicted hand onto the true one, `errors` measures distances, `pck` turns them into shares. All are
NumPy in, NumPy out, take a mask of visible keypoints (N, K), and never guess: what is not visible has no error, a joint
that is never visible has score NaN and is left out of means over joints, and nothing visible at all is a ValueError.

On these stand whole evaluations (docs/evaluation.md): `predict` and `prediction_run` make `predictions`, `protocols`
and `scores` turn those into figures, `report` puts them beside the `published` ones; `peer_files` reads and writes the
peer's. `evaluate_detnet` is the command.
"""

from minimal_hand_core.evaluation.alignment import (
    align_centroid_scale,
    align_procrustes,
    align_root_scale,
    root_scale_errors,
)
from minimal_hand_core.evaluation.errors import (
    EndPointError,
    bone_length_errors,
    box_errors,
    end_point_error,
    keypoint_errors,
)
from minimal_hand_core.evaluation.pck import PckCurve, pck, pck_auc, pck_curve

__all__ = [
    'EndPointError',
    'PckCurve',
    'align_centroid_scale',
    'align_procrustes',
    'align_root_scale',
    'bone_length_errors',
    'box_errors',
    'end_point_error',
    'keypoint_errors',
    'pck',
    'pck_auc',
    'pck_curve',
    'root_scale_errors',
]
