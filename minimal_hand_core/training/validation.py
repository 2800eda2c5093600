"""Look at a run on hands it is never trained on: held-back photos, and rendered hands of other seeds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from minimal_hand_core.data.real_hands import RealHands
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.data.synthetic import CENTRED, Backgrounds, SyntheticHands
from minimal_hand_core.detnet.losses import DetNetLoss
from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.evaluation.keypoints2d import box_errors, pck
from minimal_hand_core.evaluation.predict import predict
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST
from minimal_hand_core.training.config import TrainingConfig

RENDERED_SEED = 77
"""Below the training seeds, see `stream.RENDERED_SEED`."""
RENDERED_SIZE = 256
"""Pixels of rendered validation pictures; the crop is cut from them as from any other picture."""


class Validator:
    """Holds the validation samples; `run` appends one row to `path` (CSV)."""

    def __init__(self, config: TrainingConfig, path: Path) -> None:
        self.path = path
        data = config.data
        self.real: list[Sample] = (
            list(RealHands(data.real_hands, 'validation', tiers='A')) if data.real_hands is not None else []
        )
        count = config.validation.rendered if data.rendered_share > 0 else 0
        backgrounds = Backgrounds(data.backgrounds, split='test') if data.backgrounds else None
        rendered = SyntheticHands(RENDERED_SEED, backgrounds, size=RENDERED_SIZE, variation=CENTRED)
        self.rendered: list[Sample] = [rendered[i] for i in range(count)]

    def run(self, model: DetNet, step: int, loss: DetNetLoss) -> dict[str, float]:
        """Score `model`, which is left in eval mode.

        Returns:
            the row: losses of the last batch; `real_*` and `rendered_*` mean 2D error and PCK, shares of the hand's
            box; `rendered_mm`, mean 3D error with root and scale aligned.
        """
        model.eval()
        row = {'step': float(step), 'heat': float(loss.heat), 'location': float(loss.location)}
        for name, samples in (('real', self.real), ('rendered', self.rendered)):
            if not samples:
                continue
            found = predict(model, samples)
            errors = box_errors(found.uv, found.true_uv)
            row[f'{name}_error'] = float(errors.mean())
            row[f'{name}_pck10'] = pck(errors, 0.1)
            row[f'{name}_pck20'] = pck(errors, 0.2)
            if name == 'rendered':
                row['rendered_mm'] = float(root_scale_errors(found.xyz, found.true_m).mean() * 1000)
        row = {key: round(value, 4) for key, value in row.items()}
        new = not self.path.exists()
        with self.path.open('a', newline='') as file:
            writer = csv.DictWriter(file, row.keys())
            if new:
                writer.writeheader()
            writer.writerow(row)
        return row


def root_scale_errors(xyz: np.ndarray, true_m: np.ndarray) -> np.ndarray:
    """Distances (N, 21) in metres after giving the prediction the true root and the true wrist–middle-MCP length
    (fact sheet 6.2).

    Args:
        xyz: (N, 21, 3) any unit.
        true_m: (N, 21, 3) metres.
    """
    moved = xyz - xyz[:, MIDDLE_MCP : MIDDLE_MCP + 1]
    truth = true_m - true_m[:, MIDDLE_MCP : MIDDLE_MCP + 1]
    scale = np.linalg.norm(truth[:, WRIST], axis=-1) / np.maximum(np.linalg.norm(moved[:, WRIST], axis=-1), 1e-9)
    return np.asarray(np.linalg.norm(moved * scale[:, None, None] - truth, axis=-1))
