"""The settings of a training run: read from YAML, checked, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml


class ConfigError(ValueError):
    """A setting is unknown, missing or out of range; the message names it."""


@dataclass(frozen=True)
class DataConfig:
    """Where crops come from.

    Attributes:
        real_hands: folder of labelled photos (`labels.json`), or None for rendered hands alone.
        backgrounds: folder of pictures without a hand, or None: negatives, and what is behind rendered hands. A tenth
            is held back for tests.
        negative_share, rendered_share: share of a batch; photos take the rest.
        leave_out: sources of photos that are never trained on.
        workers: processes that make batches.
    """

    real_hands: str | None = None
    backgrounds: str | None = None
    negative_share: float = 0.0
    rendered_share: float = 1.0
    leave_out: tuple[str, ...] = ()
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ('negative_share', 'rendered_share'):
            _check(0 <= getattr(self, name) <= 1, f'data.{name}', getattr(self, name), '0…1')
        total = self.negative_share + self.rendered_share
        _check(total <= 1, 'data.negative_share + data.rendered_share', total, 'at most 1')
        if self.real_hands is None:
            _check(
                abs(total - 1) < 1e-6,
                'data.real_hands',
                None,
                'a folder, unless rendered_share + negative_share is 1',
            )
        if self.backgrounds is None:
            _check(self.negative_share == 0, 'data.backgrounds', None, 'a folder, or negative_share: 0')
        _check(self.workers >= 1, 'data.workers', self.workers, 'at least 1')


@dataclass(frozen=True)
class ValidationConfig:
    """How often, in steps, and on how many rendered hands (of a seed of their own) a run is looked at."""

    every: int = 500
    rendered: int = 400

    def __post_init__(self) -> None:
        _check(self.every >= 1, 'validation.every', self.every, 'at least 1')
        _check(self.rendered >= 0, 'validation.rendered', self.rendered, 'at least 0')


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run. `steps` fixes the learning rate's cosine, so it cannot change when a run is resumed.

    Attributes:
        start_from: weights to begin with, as `load_detnet` takes them ('default': those of this package), or None for
            random ones. A run that goes on does not read them again.
        ema_decay: of the weights' moving average, reached after about 10 / (1 − ema_decay) steps.
    """

    backbone: str = 'small'
    start_from: str | None = None
    seed: int = 1
    steps: int = 5000
    batch: int = 48
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: int = 200
    ema_decay: float = 0.998
    checkpoint_every: int = 100
    data: DataConfig = field(default_factory=DataConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        # The loss here is the small network's; the peers' loss for resnet50 is not written yet.
        _check(self.backbone == 'small', 'backbone', self.backbone, "'small'")
        for name in ('steps', 'batch', 'checkpoint_every'):
            _check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')
        _check(0 <= self.warmup < self.steps, 'warmup', self.warmup, f'0 … {self.steps - 1} (steps − 1)')
        _check(self.learning_rate > 0, 'learning_rate', self.learning_rate, 'above 0')
        _check(self.weight_decay >= 0, 'weight_decay', self.weight_decay, 'at least 0')
        _check(0 <= self.ema_decay < 1, 'ema_decay', self.ema_decay, '0 … below 1')


def _check(fine: bool, name: str, found: Any, wanted: str) -> None:
    if not fine:
        raise ConfigError(f'{name} is {found!r}; give {wanted}')


def load_config(path: Path | str, overrides: dict[str, Any] | None = None) -> TrainingConfig:
    """Read a YAML file.

    Args:
        path: the file.
        overrides: values by dotted name, such as {'data.real_hands': '/data/hands', 'steps': 100}.

    Raises:
        ConfigError: no such file, not YAML, an unknown name, a wrong type, or a value out of range.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text()) or {}
    except OSError as error:
        raise ConfigError(f'{path} cannot be read: {error.strerror}') from None
    except yaml.YAMLError as error:
        raise ConfigError(f'{path} is not YAML: {error}') from None
    if not isinstance(tree, dict):
        raise ConfigError(f'{path} holds a {type(tree).__name__}; expected names with values')
    for name, value in (overrides or {}).items():
        *parents, leaf = name.split('.')
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return config_from_dict(tree)


def config_from_dict(tree: dict[str, Any]) -> TrainingConfig:
    """The inverse of `dataclasses.asdict`, with the checks of `load_config`."""
    return _build(TrainingConfig, tree, '')


def _build(cls: type, tree: Any, prefix: str) -> Any:
    if not isinstance(tree, dict):
        raise ConfigError(f'{prefix.rstrip(".")} is {tree!r}; expected names with values')
    hints = get_type_hints(cls)
    known = [f.name for f in fields(cls)]
    values = {}
    for name, value in tree.items():
        if name not in known:
            raise ConfigError(f'{prefix}{name} is not a setting; choose from {", ".join(known)}')
        values[name] = _convert(hints[name], value, prefix + name)
    return cls(**values)


def _convert(wanted: Any, value: Any, name: str) -> Any:
    if is_dataclass(wanted):
        return _build(wanted, value, name + '.')  # type: ignore[arg-type]
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if wanted is str and isinstance(value, str):
        return value
    if wanted == (str | None) and (value is None or isinstance(value, str)):
        return value
    if wanted == tuple[str, ...] and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise ConfigError(f'{name} is {value!r}; expected {getattr(wanted, "__name__", wanted)}')
