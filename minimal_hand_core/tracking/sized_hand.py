"""The hand model at the size and shape of one person."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from minimal_hand_core.hand import HandModel
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, NUM_BETAS, WRIST
from minimal_hand_core.pose import JointAxes
from minimal_hand_core.shape import HandShape


class SizedHand:
    """Template, joint axes and skin of a model for a HandShape; what belongs to the last shape is kept.

    Args:
        model: the hand.
    """

    def __init__(self, model: HandModel) -> None:
        self.model = model
        self._offset, self._directions = (part.numpy().astype(np.float64) for part in model.rest_keypoint_basis())
        self.model_hand_length = palm_length(self._rest(np.zeros(NUM_BETAS)))
        self._known: HandShape | None = None

    @cached_property
    def faces(self) -> np.ndarray:
        """(F, 3) int, wound so that normals point outwards."""
        return np.asarray(self.model.faces.numpy())

    def template(self, shape: HandShape) -> tuple[np.ndarray, JointAxes]:
        """Rest keypoints (21, 3) in metres at the hand length of the shape, and their joint axes."""
        known = self._known
        if known is None or known.hand_length != shape.hand_length or not np.array_equal(known.betas, shape.betas):
            rest = self._rest(shape.betas)
            self._template = rest * (shape.hand_length / palm_length(rest))
            self._axes = JointAxes.from_keypoints(rest, self.model.side)
            self._known = HandShape(np.array(shape.betas), shape.hand_length)
        return self._template, self._axes

    def vertices(self, rotations: np.ndarray, betas: np.ndarray, hand_length: float) -> np.ndarray:
        """(V, 3) float64 skin in metres relative to the wrist.

        Args:
            rotations: (16, 3, 3) local.
            betas: (10,).
            hand_length: metres.
        """
        dtype = self.model.dtype
        with torch.inference_mode():
            output = self.model(
                torch.as_tensor(rotations[None], dtype=dtype), torch.as_tensor(np.array(betas)[None], dtype=dtype)
            )
        vertices = output.vertices[0].numpy().astype(np.float64)
        wrist = output.joints[0, 0].numpy().astype(np.float64)
        return np.asarray((vertices - wrist) * (hand_length / palm_length(self._rest(betas))))

    def _rest(self, betas: np.ndarray) -> np.ndarray:
        """(21, 3) float64 rest keypoints, the model's own size."""
        return np.asarray(self._offset + self._directions @ np.asarray(betas, np.float64))


def palm_length(keypoints: np.ndarray) -> float:
    """|wrist − middle MCP| of (21, 3), their unit."""
    return float(np.linalg.norm(keypoints[MIDDLE_MCP] - keypoints[WRIST]))
