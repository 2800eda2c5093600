"""From the numbers poses are written in, axis–angle vectors or PCA coefficients, to rotations, and back.

Source: fact sheet 3.1 (flat hand mean) and 3.3 (hands_components, hands_mean).
"""

from __future__ import annotations

import torch
from torch import nn

from minimal_hand_core.hand.arguments import check_finite, check_tensor
from minimal_hand_core.hand.parameters import NUM_POSE_NUMBERS, HandParameters
from minimal_hand_core.hand.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from minimal_hand_core.hand.skeleton import NUM_JOINTS


class PoseSpace(nn.Module):
    """What poses of one hand look like: the flat pose, the mean pose, and the directions in which poses vary.

    Convention:
        * Axis–angle vectors, radians, MANO's joint order, the wrist first; (B, 16, 3) or the same numbers as (B, 48).
        * `flat_hand_mean` says what zero means for the fingers. True: the flat hand. False: the mean pose, whose
          vectors are added to those given. Axis–angle input is about the flat hand unless told otherwise, so that
          zero is the identity; PCA coefficients are about the mean pose, where their statistics come from. (Other
          MANO layers have one switch for both.)
        * The wrist has no part in the mean or in the components.

    Differentiable in all arguments.

    Args:
        hand: the arrays of the hand; mean, components and deviations may be missing.
        dtype: torch.float32 or torch.float64.

    Attributes:
        mean_vector: (45,) mean pose, radians, or None.
        components: (45, 45), rows the principal directions, or None.
        deviations: (45,), standard deviation along each row, or None.
    """

    mean_vector: torch.Tensor | None
    components: torch.Tensor | None
    deviations: torch.Tensor | None
    _like: torch.Tensor

    def __init__(self, hand: HandParameters, dtype: torch.dtype) -> None:
        super().__init__()
        self.name = hand.name
        for name, value in (
            ('mean_vector', hand.pose_mean),
            ('components', hand.pose_components),
            ('deviations', hand.pose_deviations),
        ):
            self.register_buffer(name, None if value is None else torch.tensor(value, dtype=dtype), persistent=False)
        self.register_buffer('_like', torch.zeros(0, dtype=dtype), persistent=False)

    def flat(self, batch: int = 1) -> torch.Tensor:
        """Rotations (B, 16, 3, 3) of the flat hand: identities."""
        identity = torch.eye(3, dtype=self._like.dtype, device=self._like.device)
        return identity.repeat(batch, NUM_JOINTS, 1, 1)

    def mean(self, batch: int = 1) -> torch.Tensor:
        """Rotations (B, 16, 3, 3) of the mean pose.

        Raises:
            ValueError: the hand model has no mean pose.
        """
        return self.from_axis_angle(self._like.new_zeros(batch, NUM_JOINTS, 3), flat_hand_mean=False)

    def from_axis_angle(self, pose: torch.Tensor, flat_hand_mean: bool = True) -> torch.Tensor:
        """Axis–angle to rotations.

        Args:
            pose: (B, 16, 3) or (B, 48), radians.
            flat_hand_mean: zero is the flat hand; else the mean pose.

        Returns:
            (B, 16, 3, 3).

        Raises:
            ValueError: wrong shape, dtype or device, no hand at all, not finite (where check_finite looks); no mean
                pose in the hand model.
        """
        flattened = isinstance(pose, torch.Tensor) and pose.dim() == 2
        check_tensor(pose, 'pose', ('B', 3 * NUM_JOINTS) if flattened else ('B', NUM_JOINTS, 3), self._like)
        check_finite(pose, 'pose')
        vectors = pose.reshape(-1, NUM_JOINTS, 3)
        if not flat_hand_mean:
            vectors = torch.cat([vectors[:, :1], vectors[:, 1:] + self._known_mean().view(-1, 3)], dim=1)
        return axis_angle_to_matrix(vectors)

    def from_pca(
        self, coefficients: torch.Tensor, wrist: torch.Tensor | None = None, flat_hand_mean: bool = False
    ) -> torch.Tensor:
        """Coefficients of the first principal directions to rotations.

        Args:
            coefficients: (B, n), n of 1 to 45, in units of the components (one standard deviation is deviations[:n]).
            wrist: (B, 3) axis–angle of the whole hand, radians; none when left out.
            flat_hand_mean: zero is the mean pose; with True the flat hand, as in MANO layers that are told so.

        Returns:
            (B, 16, 3, 3).

        Raises:
            ValueError: as from_axis_angle; no components in the hand model.
        """
        components = self._known_components()
        check_tensor(coefficients, 'coefficients', ('B', 'n'), self._like)
        batch, count = coefficients.shape
        if count > NUM_POSE_NUMBERS:
            raise ValueError(f'coefficients: expected shape (B, n), n of 1 to {NUM_POSE_NUMBERS}, found n = {count}')
        check_finite(coefficients, 'coefficients')
        fingers = coefficients @ components[:count]
        if not flat_hand_mean:
            fingers = fingers + self._known_mean()
        if wrist is None:
            wrist = fingers.new_zeros(batch, 3)
        else:
            check_tensor(wrist, 'wrist', (batch, 3), self._like)
            check_finite(wrist, 'wrist')
        return axis_angle_to_matrix(torch.cat([wrist, fingers], dim=1).view(batch, NUM_JOINTS, 3))

    def to_axis_angle(self, rotations: torch.Tensor, flat_hand_mean: bool = True) -> torch.Tensor:
        """Rotations (B, 16, 3, 3) to axis–angle (B, 16, 3): the inverse of from_axis_angle for angles below π.

        Raises:
            ValueError: as from_axis_angle.
        """
        check_tensor(rotations, 'rotations', ('B', NUM_JOINTS, 3, 3), self._like)
        check_finite(rotations, 'rotations')
        vectors = matrix_to_axis_angle(rotations)
        if flat_hand_mean:
            return vectors
        return torch.cat([vectors[:, :1], vectors[:, 1:] - self._known_mean().view(-1, 3)], dim=1)

    def to_pca(
        self, rotations: torch.Tensor, count: int = NUM_POSE_NUMBERS, flat_hand_mean: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotations (B, 16, 3, 3) to coefficients (B, count), least squares, and the wrist's axis–angle (B, 3).

        With all 45 coefficients it is the inverse of from_pca for angles below π.

        Raises:
            ValueError: as from_pca.
        """
        components = self._known_components()
        if not 1 <= count <= NUM_POSE_NUMBERS:
            raise ValueError(f'count: expected 1 to {NUM_POSE_NUMBERS}, found {count}')
        vectors = self.to_axis_angle(rotations, flat_hand_mean)
        fingers = vectors[:, 1:].flatten(1)
        return fingers @ torch.linalg.pinv(components[:count]), vectors[:, 0]

    def _known_mean(self) -> torch.Tensor:
        if self.mean_vector is None:
            raise ValueError(f'{self.name} holds no mean pose (pose_mean, or hands_mean in MANO files)')
        return self.mean_vector

    def _known_components(self) -> torch.Tensor:
        if self.components is None:
            raise ValueError(
                f'{self.name} holds no pose components (pose_components, or hands_components in MANO files)'
            )
        return self.components
