"""Weights in `.safetensors` files: those of this package verified, any file checked against its network, written whole.

A kind of network describes its files by one `WeightsFormat` and raises errors of its own class. Reading such a file
cannot run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from minimal_hand_core.errors import first_line
from minimal_hand_core.files import write_atomically

SAFETENSORS = '.safetensors'
ASSETS = Path(__file__).resolve().parent / 'assets'
"""Where the files that come with this package are."""
WEIGHTS_INDEX = 'weights.json'
"""In ASSETS: {file name: {"sha256": hexadecimal digest}}."""

_COUNTER = '.num_batches_tracked'
_HALF_MAX = torch.finfo(torch.float16).max
_SHOWN = 4
"""How many keys of each kind an error names."""


class WeightsError(ValueError):
    """A file does not hold the weights asked for, or cannot be read or written; says which file and why."""

    network: ClassVar[str] = ''
    """Whose weights, for the message."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f'{self.network} weights {path}: {reason}'.lstrip())
        self.path = Path(path)
        self.reason = reason


@dataclass(frozen=True)
class WeightsFormat:
    """The files of one kind of network. All methods raise `error` alone, unless they say otherwise.

    Attributes:
        error: what is raised.
        name: metadata entry 'format' of every file.
        default: file in ASSETS that 'default' stands for.
        trainer: command that writes such files.
    """

    error: type[WeightsError]
    name: str
    default: str
    trainer: str

    def resolve(self, path: str | Path) -> Path:
        """`path`, or the weights that come with this package for 'default', after their SHA-256 was compared with
        weights.json."""
        if str(path) != 'default':
            return Path(path).expanduser()
        path = ASSETS / self.default
        if not path.is_file():
            raise self.error(
                path,
                f'not in this installation: train them with `{self.trainer}` (it writes such a file), or give the '
                'path of a checkpoint',
            )
        try:
            expected = json.loads((ASSETS / WEIGHTS_INDEX).read_text(encoding='utf-8'))[self.default]['sha256']
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f'{WEIGHTS_INDEX} beside it gives no sha256 ({first_line(error)}): reinstall'
            raise self.error(path, reason) from error
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            raise self.error(path, f'sha256 is {found}, {WEIGHTS_INDEX} says {expected}: damaged, reinstall')
        return path

    def read(self, path: Path, with_tensors: bool = True) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        """Tensors by key (none of them unless asked for) and metadata of a file."""
        self.check_exists(path)
        try:
            with safe_open(path, framework='pt') as file:
                keys = file.keys() if with_tensors else ()
                return {key: file.get_tensor(key) for key in keys}, file.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise self.error(path, f'not a whole safetensors file: {first_line(error)}') from error

    def check_exists(self, path: Path) -> None:
        if not path.is_file():
            raise self.error(path, 'is a folder' if path.is_dir() else 'no such file')

    def fill(self, model: nn.Module, state: Mapping[str, torch.Tensor], path: Path, network: str) -> None:
        """Load `state` into the model if every key, shape and number of it fits; `network` names the model in errors.

        Counters of batch norms may be missing: PyTorch before 0.4.1 did not count batches, and nothing needs the count.
        """
        expected = model.state_dict()
        missing = [key for key in expected if key not in state and not key.endswith(_COUNTER)]
        unexpected = [key for key in state if key not in expected]
        reshaped = [
            f'{key} expected {tuple(expected[key].shape)}, found {tuple(state[key].shape)}'
            for key in expected
            if key in state and expected[key].shape != state[key].shape
        ]
        kinds = (('missing', missing), ('unexpected', unexpected), ('of another shape', reshaped))
        faults = [f'{len(keys)} {kind}: {_first(keys)}' for kind, keys in kinds if keys]
        if faults:
            raise self.error(path, f'does not fit the {network} network; keys {"; ".join(faults)}')
        for key in expected:
            if key in state and not _is_finite(state[key]):
                raise self.error(path, f'{key} holds NaN or infinite numbers')
        model.load_state_dict({**expected, **state})

    def write(
        self,
        model: nn.Module,
        path: Path,
        metadata: Mapping[str, str] | None,
        fixed: Mapping[str, str],
        half: bool,
    ) -> None:
        """Write the model's state; whoever reads the path sees the old file or the new one, never a part.

        Args:
            model: not changed.
            path: a `.safetensors` file; its folder must exist.
            metadata: whatever the caller wants kept.
            fixed: metadata that the model dictates; 'format' is added.
            half: store what has two axes or more in float16, unless it cannot hold it.

        Raises:
            ValueError: metadata is not text, or contradicts `fixed`.
        """
        if path.suffix != SAFETENSORS:
            raise self.error(path, f'unknown kind {path.suffix!r}: the file is written as {SAFETENSORS}')
        # Metadata comes first: an unusable value is an error before any work is done.
        entries = dict(metadata or {})
        for key, value in entries.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise ValueError(f'metadata {key!r}: {value!r} is not text: convert both to str')
        for key, value in {**fixed, 'format': self.name}.items():
            if entries.setdefault(key, value) != value:
                raise ValueError(f'metadata {key!r} is {entries[key]!r}, but the model is {value!r}: leave it out')

        state = {}
        for key, tensor in model.state_dict().items():
            tensor = tensor.detach().cpu()
            if not _is_finite(tensor):
                raise self.error(path, f'not written: {key} holds NaN or infinite numbers')
            if half and tensor.ndim > 1 and tensor.abs().max() <= _HALF_MAX:
                tensor = tensor.half()
            state[key] = tensor.contiguous()
        try:
            write_atomically(path, save(state, entries))
        except OSError as error:
            raise self.error(path, f'cannot be written: {first_line(error)}') from error


def _is_finite(tensor: torch.Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _first(keys: list[str]) -> str:
    more = f' and {len(keys) - _SHOWN} more' if len(keys) > _SHOWN else ''
    return ', '.join(keys[:_SHOWN]) + more
