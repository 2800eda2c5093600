"""Look at a run on hands it is never trained on: held-back photos, and rendered hands of other seeds."""

from __future__ import annotations

from pathlib import Path

from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.datasets.rendered import open_rendered
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.detnet.losses import DetNetLoss
from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.evaluation.alignment import root_scale_errors
from minimal_hand_core.evaluation.errors import box_errors
from minimal_hand_core.evaluation.pck import pck
from minimal_hand_core.evaluation.predict import predict
from minimal_hand_core.training.config import TrainingConfig
from minimal_hand_core.training.run import append_row


class Validator:
    """Holds the validation samples; `run` appends one row to `path` (CSV)."""

    def __init__(self, config: TrainingConfig, path: Path) -> None:
        self.path = path
        self.biomechanical = config.biomechanical > 0
        data = config.data
        self.real: list[Sample] = (
            list(RealHands(data.real_hands, 'validation', tiers='A')) if data.real_hands is not None else []
        )
        count = config.validation.rendered if data.rendered_share > 0 else 0
        self.rendered: list[Sample] = list(open_rendered(data.backgrounds, 'validation', length=count)) if count else []

    def run(self, model: DetNet, step: int, loss: DetNetLoss) -> dict[str, float]:
        """Score `model`, which is left in eval mode.

        Returns:
            the row: losses of the last batch; `real_*` and `rendered_*` mean 2D error and PCK, shares of the hand's
            box; `rendered_mm`, mean 3D error with root and scale aligned.
        """
        model.eval()
        row = {'step': float(step), 'heat': float(loss.heat), 'location': float(loss.location)}
        if self.biomechanical:
            row['biomechanical'] = float(loss.biomechanical)
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
        append_row(self.path, row)
        return row
