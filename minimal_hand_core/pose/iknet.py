"""IKNet: a network from a template and 21 noisy keypoints to rotations (fact sheet 5.2; Zhou et al., CVPR 2020).

The layout is the original's: 252 numbers in, six fully connected layers, 21 absolute rotations as quaternions out.
Unlike the original:
    * The target is first turned into the template's frame by the palm's best rotation, so that the network sees every
      hand the same way up and the result turns with the hand exactly.
    * The template's half of the input varies in training (shape, bone lengths, rest pose) and so is worth its place.
    * The six rotations that are the same by construction, wrist and finger bases, are one.
    * Right and left hands: a left one is mirrored before and back after.
    * Activation and width are arguments; 1024 wide with sigmoids is the original's, SiLU trains faster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from minimal_hand_core.arrays import ArrayLike, restore
from minimal_hand_core.hand.mirror import mirror_points, mirror_rotations
from minimal_hand_core.hand.rotations import quaternion_to_matrix
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS, MIDDLE_MCP, NUM_KEYPOINTS, PALM_KEYPOINTS, SIDES, WRIST
from minimal_hand_core.pose.absolute import RIGID, local_from_absolute
from minimal_hand_core.pose.aik import read_hands
from minimal_hand_core.pose.kabsch import best_rotations
from minimal_hand_core.weights import WeightsError, WeightsFormat

NUM_FEATURES = 4 * 3 * NUM_KEYPOINTS
ACTIVATIONS: dict[str, type[nn.Module]] = {'sigmoid': nn.Sigmoid, 'relu': nn.ReLU, 'silu': nn.SiLU}

_PALM = list(PALM_KEYPOINTS)
_PARENTS = list(KEYPOINT_PARENTS)


class IKNetError(WeightsError):
    """A file does not hold IKNet's weights, or cannot be read or written; says which file and why."""

    network = 'IKNet'


_FILES = WeightsFormat(IKNetError, 'minimal_hand_iknet', 'iknet.safetensors', 'train_iknet')


class IKNet(nn.Module):
    """The network; untrained until weights are loaded.

    Args:
        width: of the hidden layers; the original's is 1024.
        depth: number of hidden layers; the original's is 6.
        activation: 'sigmoid' (the original's), 'relu' or 'silu'.

    Raises:
        ValueError: width or depth below 1, or an unknown activation.
    """

    def __init__(self, width: int = 1024, depth: int = 6, activation: str = 'sigmoid') -> None:
        super().__init__()
        for name, value in (('width', width), ('depth', depth)):
            if value < 1:
                raise ValueError(f'{name}: expected 1 or more, found {value}')
        if activation not in ACTIVATIONS:
            raise ValueError(f'activation: expected one of {", ".join(ACTIVATIONS)}, found {activation!r}')
        self.width, self.depth, self.activation = width, depth, activation
        sizes = [NUM_FEATURES] + depth * [width]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), ACTIVATIONS[activation]()]
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, 4 * NUM_KEYPOINTS)
        # Starts near the identity: a mean of quaternions of any sign would have no direction.
        nn.init.normal_(self.output.weight, std=0.1 / width**0.5)
        with torch.no_grad():
            self.output.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 1.0]).repeat(NUM_KEYPOINTS))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (B, 252) of `iknet_features` → unit quaternions (B, 21, 4), x y z w, w ≥ 0.

        Absolute rotations in the template's frame; those of wrist and finger bases are the same.
        """
        found = self.output(self.hidden(features)).view(-1, NUM_KEYPOINTS, 4)
        found = torch.where(found[..., 3:] < 0, -found, found)
        palm = found[:, RIGID, :].mean(dim=1, keepdim=True)
        rigid = torch.zeros(NUM_KEYPOINTS, dtype=torch.bool, device=found.device)
        rigid[list(RIGID)] = True
        found = torch.where(rigid[:, None], palm, found)
        return found / torch.linalg.vector_norm(found, dim=-1, keepdim=True).clamp_min(1e-12)

    def matrices(self, features: torch.Tensor) -> torch.Tensor:
        """`forward` as rotation matrices (B, 21, 3, 3)."""
        return quaternion_to_matrix(self(features))

    def solve(self, template: ArrayLike, target: ArrayLike, side: str = 'right') -> Any:
        """Local joint rotations that pose the template like the target, as `solve_pose` does, but learned: not exact,
        and less led astray by noise.

        Args:
            template: (B, 21, 3) or (21, 3) keypoints of the hand model's rest pose, in the model's frame.
            target: (B, 21, 3) or (21, 3) keypoints to follow. Any unit and frame; of the same side.
            side: 'right' or 'left'.

        Returns:
            (B, 16, 3, 3) or (16, 3, 3) rotations in MANO's joint order, proper, the kind and dtype of target. [0] is
            the wrist's rotation, template frame → target frame; the others are relative to the parent joint.

        Raises:
            ValueError: wrong shape, NaN or infinite, wrist and middle_mcp at one place, unknown side; the network is in
                training mode.
        """
        if self.training:
            raise ValueError('the network is in training mode, call .eval(): it would use and change batch statistics')
        if side not in SIDES:
            raise ValueError(f'side: expected one of {", ".join(SIDES)}, found {side!r}')
        rest, points, unbatched = read_hands(template, target)
        if side == 'left':
            rest, points = mirror_points(rest), mirror_points(points)
        features, turned = iknet_features(rest, points)
        weight = self.output.weight
        inputs = torch.from_numpy(features).to(device=weight.device, dtype=weight.dtype)
        with torch.inference_mode():
            found = quaternion_to_matrix(self(inputs).double()).cpu().numpy()
        rotations = np.asarray(local_from_absolute(turned[:, None] @ found))
        if side == 'left':
            rotations = mirror_rotations(rotations)
        return restore(rotations[0] if unbatched else rotations, target)

    def extra_repr(self) -> str:
        return f'width={self.width}, depth={self.depth}, activation={self.activation}'


def iknet_features(rest: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The network's input, and the palm rotation that was taken out of it.

    252 numbers: target keypoints, target bones (child − parent, the wrist's zero), template keypoints, template bones,
    each 21×3. Keypoints are (X − X9) / |X9 − X0|, as DetNet's; the target in the template's frame.

    Args:
        rest, points: (B, 21, 3) float64 each, wrist and middle MCP apart; right hands.

    Returns:
        features (B, 252) and rotations (B, 3, 3) from the template's frame to the target's, float64.
    """
    halves = [_normalise(points), _normalise(rest)]
    palms = [np.ascontiguousarray(half[:, _PALM] - half[:, WRIST, None]) for half in halves]
    turned = np.empty((len(points), 3, 3))
    best_rotations(palms[1], palms[0], turned)
    halves[0] = halves[0] @ turned
    parts = [part for half in halves for part in (half, half - half[:, _PARENTS])]
    return np.stack(parts, axis=1).reshape(len(points), NUM_FEATURES), turned


def _normalise(points: np.ndarray) -> np.ndarray:
    root = points[:, MIDDLE_MCP, None]
    length = np.linalg.norm(root - points[:, WRIST, None], axis=-1, keepdims=True)
    return np.asarray((points - root) / length)


def load_iknet(path: str | Path = 'default') -> IKNet:
    """A network with trained weights, float32, on the CPU, in eval mode.

    Args:
        path: 'default' for the weights that come with this package, or a file of train_iknet.

    Raises:
        IKNetError: the file is missing, damaged, of another kind, or its keys or shapes do not fit.
    """
    path = _FILES.resolve(path)
    state, metadata = _FILES.read(path)
    try:
        network = IKNet(int(metadata['width']), int(metadata['depth']), metadata['activation'])
    except (KeyError, ValueError) as error:
        raise IKNetError(path, f'no IKNet, its metadata do not tell the layers: {error}') from error
    _FILES.fill(network, state, path, f'{network.width}×{network.depth}')
    return network.eval()


def save_iknet(network: IKNet, path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Write a network's weights, matrices in half precision; a file that is there is replaced whole or not at all.

    Args:
        network: not changed.
        path: a `.safetensors` file; its folder must exist.
        metadata: more to keep. 'width', 'depth', 'activation' and 'format' are set here.

    Raises:
        IKNetError: another kind of path, it cannot be written, or a weight is not finite.
        ValueError: metadata is not text, or contradicts the network.
    """
    fixed = {'width': str(network.width), 'depth': str(network.depth), 'activation': network.activation}
    _FILES.write(network, Path(path), metadata, fixed, half=True)
