"""The part of DetNet's training settings that says what is trained on, checked and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minimal_hand_core.data.augmentation import Variation
from minimal_hand_core.data.datasets.registry import DATASETS
from minimal_hand_core.training.recipe import check

SAMPLINGS = ('balanced', 'proportional')


@dataclass(frozen=True)
class DatasetConfig:
    """One data set of the mixture.

    Attributes:
        name: as `open_dataset` knows it.
        root: its folder, or the folder of all data sets; None: `data.root`.
        split: a training split; what `training/splits.py` holds back of it for validation is never trained on.
        weight: how often it is drawn, relative to the others (see `DataConfig.sampling`).
        options: of its reader, such as {hands: both} or {masks: true}.
    """

    name: str
    root: str | None = None
    split: str = 'train'
    weight: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        readers = [name for name in DATASETS if name != 'rendered']
        hint = ' (rendered hands have no end: give data.rendered_share)' if self.name == 'rendered' else ''
        check(self.name in readers, 'data.datasets: name', self.name, f'one of {", ".join(readers)}{hint}')
        check(self.weight > 0, f'data.datasets: weight of {self.name}', self.weight, 'above 0')


@dataclass(frozen=True)
class DataConfig:
    """Where crops come from.

    A batch is made of negatives, rendered hands and photos. Photos are either those of `datasets` or, as a shorthand,
    those of one `real_hands` folder, whose sources are then drawn equally often.

    Attributes:
        datasets: the mixture.
        root: folder of all data sets, for those without a root of their own.
        sampling: 'balanced' draws every data set equally often, 'proportional' as often as it has samples; either is
            multiplied by its weight.
        real_hands: folder of labelled photos (`labels.json`), or None.
        backgrounds: folder of pictures without a hand, or None: negatives, and what is behind rendered hands. A tenth
            is held back for tests.
        negative_share, rendered_share: share of a batch; photos take the rest. None: all that is left where there are
            no photos, else 0.
        other_side_share: share of the hands of known side that are shown as left hands and taught as no (right) hand,
            so that the score tells the sides apart.
        leave_out: sources of `real_hands` that are never trained on.
        hidden_weight: weight of a 2D label whose joint cannot be seen, as the data set says (`Sample.visible`); seen
            ones have 1.
        view_axes: teach xyz in the axes of the view along the crop's centre, which is how the tracker reads them, where
            a data set has intrinsics; false: in the camera's, as the peers do.
        variation: how far photos are varied.
        kept: folder where pictures of `datasets` are kept cut round the hand and quick to decode (`open_dataset`); it
            is worth it from the second pass on. None: none are.
        workers: processes that make batches; 0 makes them in the trainer's own.
    """

    datasets: tuple[DatasetConfig, ...] = ()
    root: str | None = None
    sampling: str = 'balanced'
    real_hands: str | None = None
    backgrounds: str | None = None
    negative_share: float = 0.0
    rendered_share: float | None = None
    other_side_share: float = 0.0
    leave_out: tuple[str, ...] = ()
    hidden_weight: float = 1.0
    view_axes: bool = True
    variation: Variation = field(default_factory=Variation)
    kept: str | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        photos = bool(self.datasets) or self.real_hands is not None
        check(0 <= self.negative_share <= 1, 'data.negative_share', self.negative_share, '0…1')
        if self.rendered_share is None:
            object.__setattr__(self, 'rendered_share', 0.0 if photos else 1 - self.negative_share)
        check(0 <= self.rendered <= 1, 'data.rendered_share', self.rendered, '0…1')
        total = self.negative_share + self.rendered
        check(total <= 1, 'data.negative_share + data.rendered_share', total, 'at most 1')
        if not photos:
            wanted = 'a folder, or name data.datasets, unless rendered_share + negative_share is 1'
            check(abs(total - 1) < 1e-6, 'data.real_hands', None, wanted)
        if self.backgrounds is None:
            check(self.negative_share == 0, 'data.backgrounds', None, 'a folder, or negative_share: 0')
        both = bool(self.datasets) and self.real_hands is not None
        check(not both, 'data.real_hands', self.real_hands, 'it as one of data.datasets, where others are named')
        wanted = 'nothing without data.real_hands; of data.datasets, real_hands takes options: {leave_out: [...]}'
        check(not self.leave_out or self.real_hands is not None, 'data.leave_out', list(self.leave_out), wanted)
        check(self.sampling in SAMPLINGS, 'data.sampling', self.sampling, f'one of {", ".join(SAMPLINGS)}')
        names = [(part.name, part.split, part.root) for part in self.datasets]
        double = next((name for i, name in enumerate(names) if name in names[:i]), None)
        check(double is None, 'data.datasets', double, 'each data set once; weight says how often it is drawn')
        for part in self.datasets:
            check(part.root or self.root, f'data.datasets: root of {part.name}', None, 'its folder, or data.root')
        check(0 <= self.other_side_share <= 1, 'data.other_side_share', self.other_side_share, '0…1')
        check(0 <= self.hidden_weight <= 1, 'data.hidden_weight', self.hidden_weight, '0…1')
        check(self.workers >= 0, 'data.workers', self.workers, 'at least 0')

    @property
    def rendered(self) -> float:
        """`rendered_share`, which is a number once the settings are made."""
        return 0.0 if self.rendered_share is None else self.rendered_share
