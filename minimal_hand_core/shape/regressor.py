"""Shape from bone ratios by a network: 15 → 128 → 256 → 512 → 256 → 128 → 10 (fact sheet 4.3), and its weights.

Unlike the peer's: the input is normalised, and the output reaches ±limit rather than ±1, beyond every β it is trained
on. The network belongs to one hand model, since β of one mean nothing to another: its file says which by a signature,
and holds nothing of the model itself (MANO's data may not be passed on).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from minimal_hand_core.arrays import ArrayLike
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.hand.skeleton import NUM_BETAS, NUM_BONES, REFERENCE_BONE
from minimal_hand_core.shape.fit import ShapeFit, bone_basis, model_ratios, read_ratios, restore_fit
from minimal_hand_core.weights import WeightsError, WeightsFormat

HIDDEN = (128, 256, 512, 256, 128)
LIMIT = 4.0

_FAR = 10.0
"""In normalised units: what is further from the mean hand is no hand and is taken as being this far."""
_PROBES = 8
_SAME = 1e-4
"""Signatures of one model, in single and in double precision, differ by less."""


class ShapeRegressorError(WeightsError):
    """There are no shape regressor's weights for this model, or a file does not hold them; says why and what to do."""

    network = 'shape regressor'


_FILES = WeightsFormat(
    ShapeRegressorError, 'minimal_hand_shape_regressor', 'shape_regressor.safetensors', 'train_shape'
)


class ShapeRegressor(nn.Module):
    """Bone ratios to β of one hand model; untrained until weights are loaded.

    Args:
        model: a HandModel, or anything with rest_keypoint_basis() -> (offset (21, 3), directions (21, 3, 10)).
        limit: |β| is below this.

    Raises:
        ValueError: limit is not above 0; not a hand model.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    _offset: torch.Tensor
    _directions: torch.Tensor

    def __init__(self, model: Any, limit: float = LIMIT) -> None:
        super().__init__()
        if not limit > 0:
            raise ValueError(f'limit: expected a number above 0, found {limit!r}')
        self.limit = float(limit)
        self.model_name = str(getattr(model, 'name', type(model).__name__))
        self.signature = model_signature(model)
        sizes = (NUM_BONES, *HIDDEN)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], NUM_BETAS))

        # Of the model, hence made anew with it and never written: mean hand, and how far a unit of β moves each ratio.
        centre = model_ratios(model, np.zeros((1, NUM_BETAS)))[0]
        steps = model_ratios(model, 0.1 * np.eye(NUM_BETAS)) - centre
        scale = np.maximum(np.linalg.norm(steps, axis=0) / 0.1, 1e-3)
        offset, directions = bone_basis(model)
        constants = {'mean': centre, 'scale': scale, '_offset': offset, '_directions': directions}
        for name, value in constants.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32), persistent=False)

    def forward(self, ratios: torch.Tensor) -> torch.Tensor:
        """β (B, 10) within ±limit for bone ratios (B, 15); float32, differentiable."""
        inputs = ((ratios - self.mean) / self.scale).clamp(-_FAR, _FAR)
        return torch.as_tensor(self.limit * torch.tanh(self.layers(inputs)))

    def ratios(self, betas: torch.Tensor) -> torch.Tensor:
        """Bone ratios (B, 15) of the model's rest pose for betas (B, 10); float32, differentiable."""
        bones = self._offset + torch.einsum('nik,bk->bni', self._directions, betas)
        lengths = torch.linalg.vector_norm(bones, dim=-1)
        return lengths / lengths[:, REFERENCE_BONE, None]

    def fit(self, ratios: ArrayLike) -> ShapeFit:
        """β of each hand of a batch.

        Args:
            ratios: (B, 15) as from bone_ratios (divided by the reference bone), NumPy or torch.

        Returns:
            ShapeFit; iterations are 0, converged is True.

        Raises:
            ValueError: wrong shape, empty batch, NaN or infinite.
        """
        target = read_ratios(ratios)
        with torch.inference_mode():
            near = np.clip(target, -1e6, 1e6).astype(np.float32)
            betas = self(torch.from_numpy(near).to(self.mean.device))
            found = self.ratios(betas).double().cpu().numpy()
        batch = len(target)
        with np.errstate(over='ignore'):
            residual = ((found - target) ** 2).sum(axis=1)
        whole = betas.double().cpu().numpy()
        return restore_fit(whole, residual, np.zeros(batch, np.int64), np.ones(batch, np.bool_), ratios)


def load_shape_regressor(path: str | Path = 'default', model: Any = None) -> ShapeRegressor:
    """A network with trained weights, float32, on the CPU, in eval mode.

    Args:
        path: 'default' for the weights that come with this package (for the open hand), or a file of train_shape.
        model: the hand model that β are for, right or left; the open hand when None.

    Raises:
        ShapeRegressorError: the file is missing, damaged, of another kind, or made for another hand model.
        ValueError: not a hand model.
    """
    model = load_hand_model() if model is None else model
    path = _FILES.resolve(path)
    state, metadata = _FILES.read(path)
    try:
        limit = float(metadata['limit'])
        signature = np.array(json.loads(metadata['signature']), dtype=np.float64).reshape(_PROBES)
    except (KeyError, ValueError, TypeError) as error:
        reason = 'no shape regressor: it names neither limit nor model; give a file of train_shape'
        raise ShapeRegressorError(path, reason) from error
    regressor = ShapeRegressor(model, limit)
    if not np.allclose(signature, regressor.signature, atol=_SAME):
        raise ShapeRegressorError(
            path,
            f'made for the hand model {metadata.get("model", "?")}, not for {regressor.model_name}: train weights for '
            'it with `train_shape --model PATH --config config/training/shape_regressor.yaml --output FOLDER` and '
            'give their path, or choose the method lm or pso',
        )
    _FILES.fill(regressor, state, path, 'shape regressor')
    return regressor.eval()


def save_shape_regressor(regressor: ShapeRegressor, path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Write a network's weights, matrices in half precision; a file that is there is replaced whole or not at all.

    Args:
        regressor: not changed.
        path: a `.safetensors` file; its folder must exist.
        metadata: more to keep. 'limit', 'model', 'signature' and 'format' are set here.

    Raises:
        ShapeRegressorError: another kind of path, it cannot be written, or a weight is not finite.
        ValueError: metadata is not text, or contradicts the network.
    """
    fixed = {
        'limit': repr(regressor.limit),
        'model': regressor.model_name,
        'signature': json.dumps([round(float(value), 6) for value in regressor.signature]),
    }
    _FILES.write(regressor, Path(path), metadata, fixed, half=True)


def model_signature(model: Any) -> np.ndarray:
    """Eight numbers that differ between hand models whose β mean different ratios; the same for both sides of a hand.

    Each is a weighted sum of the bone ratios at some β: enough to tell models apart, too little to rebuild one.
    """
    # Cosines of whole numbers serve as random numbers that stay the same for ever.
    probes = np.cos(np.arange(_PROBES * NUM_BETAS, dtype=np.float64)).reshape(_PROBES, NUM_BETAS)
    weights = np.cos(1000.0 + np.arange(_PROBES * NUM_BONES, dtype=np.float64)).reshape(_PROBES, NUM_BONES)
    return np.asarray((model_ratios(model, probes) * weights).sum(axis=1))
