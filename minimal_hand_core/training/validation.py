"""Look at a run on hands it is never trained on: what is held back of its data sets, and rendered hands of other seeds.

Test sets are never looked at here (training/splits.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minimal_hand_core.data.datasets.real_hands import EmptySplitError, RealHands
from minimal_hand_core.data.datasets.rendered import open_rendered
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.data.survey import evenly
from minimal_hand_core.detnet.network import DetNet
from minimal_hand_core.evaluation.alignment import root_scale_errors
from minimal_hand_core.evaluation.errors import box_errors
from minimal_hand_core.evaluation.pck import pck, pck_auc
from minimal_hand_core.evaluation.predict import Predictions, predict
from minimal_hand_core.hand.skeleton import MIDDLE_MCP, WRIST
from minimal_hand_core.tracking.picture import PictureError
from minimal_hand_core.training.config import TrainingConfig
from minimal_hand_core.training.run import tell
from minimal_hand_core.training.splits import Part, open_validation
from minimal_hand_core.training.stream import CropStream


@dataclass(frozen=True)
class HeldBack:
    """Samples under a name of their own; `spatial`: their 3D labels are worth scoring."""

    name: str
    samples: Sequence[Sample]
    spatial: bool


class Validator:
    """Holds the validation samples; `run` scores a network on them.

    Args:
        config: the settings.
        stream: the batches trained on, whose held-back parts these are.

    Attributes:
        sets: what is looked at.
        unreadable: names of pictures that could not be read, and are left out.

    Raises:
        ValueError: a data folder is missing or malformed, or a split must not be looked at.
    """

    def __init__(self, config: TrainingConfig, stream: CropStream) -> None:
        data, count = config.data, config.validation.count
        self.unreadable: list[str] = []
        self.sets: list[HeldBack] = []
        if data.real_hands is not None:
            try:
                self.sets.append(HeldBack('real', RealHands(data.real_hands, 'validation', tiers='A'), False))
            except EmptySplitError as error:
                tell(f'no photos to look at the run on: {error}')
        rendered = config.validation.rendered if data.rendered > 0 else 0
        if rendered:
            samples = list(open_rendered(data.backgrounds, 'validation', length=rendered))
            self.sets.append(HeldBack('rendered', samples, True))
        found = [(part.name, parts.validation) for part, parts in zip(data.datasets, stream.parts)]
        for more in config.validation.datasets:
            found.append((more.name, open_validation(more.name, str(more.root or data.root), more.split, more.options)))
        names = [name for name, part in found if part is not None]
        for i, (name, part) in enumerate(found):
            if part is None:
                continue
            again = sum(other == name for other, _ in found[:i])
            some = Part(part.whole, part.rows[evenly(len(part), count)])
            title = name if names.count(name) == 1 else f'{name}_{again + 1}'
            self.sets.append(HeldBack(title, some, name != 'real_hands'))

    def run(self, model: DetNet) -> dict[str, float]:
        """Score `model`, which is left in eval mode.

        Returns:
            for each set: `…_error`, `…_pck10` and `…_pck20`, mean 2D error and PCK in shares of the hand's box, of the
            joints that are labelled; where there is 3D, `…_mm`, mean error with root and scale aligned, and, behind all
            of these, `…_auc`, area under the PCK curve from 20 to 50 mm.
        """
        model.eval()
        row: dict[str, float] = {}
        later: dict[str, float] = {}
        for part in self.sets:
            if not len(part.samples):
                continue
            found = predict(model, self._readable(part.samples))
            row.update(_scores_2d(part.name, found))
            if part.spatial:
                spatial = _scores_3d(part.name, found)
                row.update({name: value for name, value in spatial.items() if name.endswith('_mm')})
                later.update({name: value for name, value in spatial.items() if name.endswith('_auc')})
        return {name: round(value, 4) for name, value in {**row, **later}.items()}

    def _readable(self, samples: Sequence[Sample]) -> Iterator[Sample]:
        for i in range(len(samples)):
            try:
                sample = samples[i]
            except PictureError as error:
                if str(error) not in self.unreadable:
                    self.unreadable.append(str(error))
                continue
            yield sample


def _scores_2d(name: str, found: Predictions) -> dict[str, float]:
    labelled = np.isfinite(found.true_uv).all(axis=-1)
    errors = box_errors(found.uv, found.true_uv, labelled)
    return {
        f'{name}_error': float(errors[labelled].mean()),
        f'{name}_pck10': pck(errors, 0.1, labelled),
        f'{name}_pck20': pck(errors, 0.2, labelled),
    }


def _scores_3d(name: str, found: Predictions) -> dict[str, float]:
    labelled = np.isfinite(found.true_m).all(axis=-1)
    placed = labelled[:, MIDDLE_MCP] & labelled[:, WRIST]
    if not placed.any():
        return {}
    seen = labelled[placed]
    errors = root_scale_errors(found.camera_xyz[placed], found.true_m[placed], seen) * 1000
    return {f'{name}_mm': float(errors[seen].mean()), f'{name}_auc': pck_auc(errors, seen)}
