"""How far posed hands are from true ones, in joint angles and mesh; for rendered hands, whose parameters are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from minimal_hand_core.data import open_dataset
from minimal_hand_core.data.synthetic import SyntheticHands
from minimal_hand_core.evaluation.alignment import align_procrustes
from minimal_hand_core.evaluation.errors import keypoint_errors
from minimal_hand_core.evaluation.pipeline_files import PipelineError, Poses
from minimal_hand_core.evaluation.predictions import Predictions
from minimal_hand_core.hand import HandModel, load_hand_model
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST
from minimal_hand_core.pose import JointAxes, joint_angles
from minimal_hand_core.shape.regressor import model_signature

_CHUNK = 128
"""Meshes at once; bounds memory."""
_SAME_M = 1e-4
"""Metres by which the keypoints of a hand made anew may differ from those stored: float32, and far more than that."""


class TrueHands(NamedTuple):
    """N right hands of the open hand model.

    Attributes:
        betas: (N, 10) float64.
        rotations: (N, 16, 3, 3) float64 local; [0] is the wrist's in the camera frame.
    """

    betas: np.ndarray
    rotations: np.ndarray


class TruthErrors(NamedTuple):
    """Errors of N hands.

    Attributes:
        angle_deg: (N,) mean over the 20 anatomical angles, degrees, each about the axes of its own hand's shape.
        mesh_mm: (N,) mean distance of the vertices, given the true place of the middle MCP and the true hand length.
        mesh_pa_mm: (N,) the same after the best similarity (Procrustes).
    """

    angle_deg: np.ndarray
    mesh_mm: np.ndarray
    mesh_pa_mm: np.ndarray


def true_hands(predictions: Predictions, model: HandModel) -> TrueHands | None:
    """Shape and rotations of rendered hands, drawn again from their seeds, about 1 ms each.

    Returns:
        None for other data sets, which do not tell, and for another hand model, whose β mean something else.

    Raises:
        PipelineError: the hands made anew are not those predicted (another version of the renderer made them).
    """
    origin = predictions.origin
    if origin.dataset != 'rendered' or not np.allclose(model_signature(model), model_signature(load_hand_model())):
        return None
    hands = open_dataset('rendered', None, origin.split)
    assert isinstance(hands, SyntheticHands)
    made = [hands.hand(_index(key, hands)) for key in predictions.keys]
    truth = TrueHands(np.stack([hand.betas for hand in made]), np.stack([hand.rotations for hand in made]))
    with torch.inference_mode():
        arrays = (torch.as_tensor(part, dtype=model.dtype) for part in (truth.rotations, truth.betas))
        keypoints = model.keypoints(*arrays).numpy()
    pair = (part - part[:, WRIST, None] for part in (keypoints, predictions.true_m))
    apart = np.abs(np.subtract(*pair)).max(axis=(1, 2))
    if not apart.max() < _SAME_M:
        raise PipelineError(
            f'{predictions.keys[int(apart.argmax())]} is another hand than the one that was predicted, off by '
            f'{1000 * apart.max():.1f} mm: the predictions are of another version; predict again'
        )
    return truth


def truth_errors(poses: Poses, truth: TrueHands, model: HandModel) -> TruthErrors:
    """Errors of posed right hands.

    Raises:
        PipelineError: another number of hands.
    """
    if len(poses) != len(truth.betas):
        raise PipelineError(f'poses are of {len(poses)} hands, the truth of {len(truth.betas)}')
    true_angles = joint_angles(truth.rotations, JointAxes.from_model(model, truth.betas))
    turned = np.angle(np.exp(1j * (poses.angles - true_angles)))
    errors = []
    for start in range(0, len(poses), _CHUNK):
        rows = slice(start, start + _CHUNK)
        found, given = (_mesh(model, part.rotations[rows], part.betas[rows]) for part in (poses, truth))
        scale = np.linalg.norm(given[1] - given[2], axis=1) / np.linalg.norm(found[1] - found[2], axis=1)
        true_mesh = given[0] - given[1][:, None]
        mesh = (found[0] - found[1][:, None]) * scale[:, None, None]
        aligned = align_procrustes(mesh, true_mesh)
        errors.append(np.stack([keypoint_errors(part, true_mesh).mean(axis=1) for part in (mesh, aligned)]))
    mesh_errors = 1000 * np.concatenate(errors, axis=1)
    return TruthErrors(np.degrees(np.abs(turned)).mean(axis=1), *mesh_errors)


def _mesh(model: HandModel, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (B, V, 3), middle MCPs and wrists (B, 3), float64 metres."""
    with torch.inference_mode():
        arrays = (torch.tensor(part, dtype=model.dtype) for part in (rotations, betas))
        hands = model(*arrays)
    keypoints = hands.keypoints.numpy().astype(np.float64)
    return hands.vertices.numpy().astype(np.float64), keypoints[:, MIDDLE_MCP], keypoints[:, WRIST]


def _index(key: str, hands: SyntheticHands) -> int:
    """Which hand of the split a key names."""
    digits = key.rpartition('-')[2]
    index = int(digits) if digits.isdecimal() else -1
    if not 0 <= index < len(hands) or hands.key(index) != key:
        raise PipelineError(f'{key} is no hand of this split of rendered hands, such as {hands.key(0)}; predict again')
    return index
