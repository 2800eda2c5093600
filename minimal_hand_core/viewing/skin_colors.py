"""Colours for the skin of a hand: how sure the tracker is of each part, and shading that shows its form.

Convention: colours are red, green, blue in 0…1. Shading is that of a matt surface under one lamp beside the camera
(half-Lambert), for viewers that do not light what has a colour at every vertex, as RViz does not.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix

from minimal_hand_core.arrays import check_shape, cross
from minimal_hand_core.hand.model import HandModel
from minimal_hand_core.hand.skeleton import NUM_BETAS, NUM_KEYPOINTS

CONFIDENCE_COLORS = (
    (0.0, (0.78, 0.10, 0.11)),
    (0.4, (0.95, 0.45, 0.20)),
    (0.7, (0.98, 0.85, 0.45)),
    (1.0, (0.45, 0.75, 0.85)),
)
"""Confidence → colour: red, orange, yellow, light blue, linear between; the colour-blind can tell the ends apart."""

_NEARNESS = 4
_LAMP = np.array([-0.4, -0.6, -0.7]) / np.linalg.norm([-0.4, -0.6, -0.7])
_DARKEST = 0.35


def confidence_colors(confidence: np.ndarray) -> np.ndarray:
    """(N, 3) float64 colours of confidences (N,); what is outside 0…1 takes the colour of the nearer end."""
    values = [value for value, _ in CONFIDENCE_COLORS]
    channels = np.array([color for _, color in CONFIDENCE_COLORS]).T
    return np.stack([np.interp(confidence, values, channel) for channel in channels], axis=-1)


class SkinColors:
    """Colours of the vertices of one hand model.

    A vertex takes the confidences of the keypoints near it on the flat hand, weighted by 1 / distance⁴, so that each
    phalanx shows its own joints.

    Args:
        model: the hand.

    Attributes:
        shares: (V, 21) float64, what each keypoint adds to each vertex; rows add up to 1.
    """

    def __init__(self, model: HandModel) -> None:
        betas = torch.zeros(1, NUM_BETAS, dtype=model.dtype)
        rest = model(model.pose_space.flat(), betas)
        vertices, keypoints = rest.vertices[0].double().numpy(), rest.keypoints[0].double().numpy()
        distances = np.linalg.norm(vertices[:, None] - keypoints, axis=-1)
        nearness = np.maximum(distances, 1e-4) ** -_NEARNESS
        self.shares: np.ndarray = nearness / nearness.sum(axis=1, keepdims=True)
        self._faces = model.faces.numpy()
        corners = self._faces.reshape(-1)
        rows = np.repeat(np.arange(len(self._faces)), 3)
        # adds up the normals of the triangles at each vertex; larger triangles count more
        self._gather = csr_matrix((np.ones(len(corners)), (corners, rows)), (len(vertices), len(self._faces)))
        # a mirrored hand whose triangles were not turned round has its normals inside
        self._outward = 1.0 if _volume(vertices[self._faces]) > 0 else -1.0

    def __call__(self, vertices: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """Colours of the skin.

        Args:
            vertices: (V, 3) float64 metres, camera frame.
            confidence: (21,) of the keypoints, 0…1.

        Returns:
            (V, 3) float64.

        Raises:
            ValueError: another shape.
        """
        check_shape(vertices, 'vertices', (len(self.shares), 3))
        check_shape(confidence, 'confidence', (NUM_KEYPOINTS,))
        a, b, c = (vertices.take(self._faces[:, i], axis=0) for i in range(3))
        normals = self._gather @ cross(b - a, c - a)
        lengths = np.sqrt(np.einsum('vi,vi->v', normals, normals))
        towards = self._outward * (normals @ _LAMP) / np.maximum(lengths, 1e-12)
        shade = _DARKEST + (1 - _DARKEST) * (0.5 + 0.5 * towards)
        return shade[:, None] * confidence_colors(self.shares @ confidence)


def _volume(triangles: np.ndarray) -> float:
    """Six times the signed volume of a surface (F, 3, 3): above 0 where its triangles turn anticlockwise seen from
    outside."""
    centred = triangles - triangles.mean(axis=(0, 1))
    return float(np.einsum('fi,fi->', centred[:, 0], cross(centred[:, 1], centred[:, 2])))
