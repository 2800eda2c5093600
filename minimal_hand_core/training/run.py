"""What every training run shares: its schedule, its steps, the average of its weights, its checkpoint and its log."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from minimal_hand_core import __version__
from minimal_hand_core.errors import first_line
from minimal_hand_core.files import write_atomically
from minimal_hand_core.training.comparison import changes, matches, over, plain
from minimal_hand_core.training.fingerprint import differences
from minimal_hand_core.training.meter import Meter
from minimal_hand_core.training.schedule import learning_rate, moving_average

CHECKPOINT = 'last.pt'
"""In the folder of a run: all that is needed to continue."""


Network = TypeVar('Network', bound=nn.Module)


class TrainingRun(Generic[Network]):
    """What a run needs to continue exactly: network, optimiser, moving average, step, random numbers; saved whole and
    atomically.

    The moving average also averages the buffers, batch norms' among them, so its weights can be used as they are.

    Args:
        config: the settings.
        model: the network to be trained.
        optimizer: of the network's parameters.

    Attributes:
        may_change: settings that may be others when a run goes on; all the rest shape it. '*' stands for any one part
            of a dotted name.
        dtype: what the network computes in.
        data: what it is trained on (training/fingerprint.py), or None where that follows from the settings.
        logged, looked: losses since the last row of loss.csv, and since the last validation.
    """

    may_change: ClassVar[tuple[str, ...]] = ()
    dtype = torch.float32

    def __init__(self, config: Any, model: Network, optimizer: torch.optim.Optimizer) -> None:
        self.config = config
        self.step = 0
        self.model = model
        self.optimizer = optimizer
        self.average = AveragedModel(model, multi_avg_fn=moving_average(config.ema_decay), use_buffers=True)
        self.scaler = torch.amp.GradScaler(enabled=False)
        self.data: list[dict[str, Any]] | None = None
        self.logged, self.looked = Meter(), Meter()

    @property
    def averaged(self) -> Network:
        """The network with averaged weights."""
        return cast(Network, self.average.module)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return learning_rate(self.config, step)

    def descend(self, loss: Tensor, limit: float = 5.0) -> None:
        """One optimiser step down the loss, a scalar, at the schedule's rate, with gradients of at most `limit` (0: of
        any size)."""
        for group in self.optimizer.param_groups:
            group['lr'] = self.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if limit:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.model)
        self.step += 1

    def settings(self) -> dict[str, Any]:
        """What the run depends on, by name, in plain types."""
        return asdict(self.config)

    def save(self, folder: Path) -> None:
        """Write `last.pt`; a write that fails leaves the one before.

        Raises:
            OSError: no space or no permission.
            ValueError: weights are not finite.
        """
        state = {name: part.state_dict() for name, part in self._stateful().items()}
        about = {'step': self.step, 'config': plain(self.settings()), 'data': self.data, 'version': __version__}
        about['dtype'] = str(self.dtype)
        path = folder / CHECKPOINT
        kept = f'{path} still holds the one before' if path.exists() else f'there is none in {folder} yet'
        # The loss that was looked at led to these weights; theirs is not known yet.
        if not all(bool(torch.isfinite(weight).all()) for weight in self.model.parameters()):
            raise ValueError(
                f'the weights are not finite at step {self.step}, and are not written; {kept}. Try a smaller '
                'learning_rate, or precision: float32'
            )
        try:
            save_checkpoint({**about, **state, 'random': random_state()}, path)
        except OSError as error:
            raise OSError(
                error.errno,
                f'{error.strerror or error}: the checkpoint of step {self.step} could not be written; {kept}. Make '
                'room and run the same command again',
            ) from None

    def load(self, folder: Path, *, allow_data_change: bool = False) -> bool:
        """Continue from `last.pt` if there is one.

        Args:
            folder: of the run.
            allow_data_change: go on with other data than the run was begun with, with a word to stderr.

        Raises:
            ValueError: the file is damaged, or was written with other settings that shape the run, or, unless that is
                allowed, with other data; the message names the first of them.
        """
        path = folder / CHECKPOINT
        for leftover in folder.glob(f'.{CHECKPOINT}.*.part'):  # of a process that was killed as it wrote
            leftover.unlink(missing_ok=True)
        if not path.exists():
            return False
        try:
            state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
            saved = state['config']
        except Exception as error:  # damaged archives raise nearly anything
            raise ValueError(
                f'{path} is no checkpoint that can be read ({first_line(error)}); '
                'put a copy in its place, or delete it to begin anew'
            ) from None
        self._check_same_run(path, saved, allow_data_change)
        self._check_same_data(path, state.get('data'), allow_data_change)
        for name, part in self._stateful().items():
            if name in state:  # files from before there was such a part do without
                part.load_state_dict(state[name])
        before = state.get('dtype', str(self.dtype))
        if before != str(self.dtype):
            tell(f'{path} was trained in {before}, and goes on in {self.dtype}: the numbers will not be the same')
        if 'random' in state:
            restore_random_state(state['random'])
        self.step = state['step']
        return True

    def _stateful(self) -> dict[str, Any]:
        parts = {'model': self.model, 'average': self.average, 'optimizer': self.optimizer}
        return {**parts, 'scaler': self.scaler, 'logged': self.logged, 'looked': self.looked}

    def _check_same_run(self, path: Path, saved: dict[str, Any], allow_data_change: bool) -> None:
        now = plain(self.settings())
        then = over(plain(asdict(type(self.config)())), plain(saved))  # a newer setting than the file had its default
        for name, (old, new) in changes(then, now).items():
            if any(matches(name, pattern) for pattern in self.may_change):
                continue
            if name.startswith('data.') and allow_data_change:
                tell(f'{name} was {old}, is {new}')
                continue
            hint = ', or give --allow-data-change' if name.startswith('data.') else ''
            raise ValueError(
                f'{path} was made with {name}: {old}, not {new}; use its settings, or another folder{hint}'
            )

    def _check_same_data(self, path: Path, then: list[dict[str, Any]] | None, allow_data_change: bool) -> None:
        if self.data is None:
            return
        if then is None:
            tell(f'{path} does not say what it was trained on; whether these are the same data is not checked')
            return
        told = differences(then, self.data)
        if told and not allow_data_change:
            raise ValueError(
                f'{path} was trained on other data: {"; ".join(told)}. Bring them back, use another folder, or go on '
                'with --allow-data-change'
            )
        for line in told:
            tell(f'other data than before: {line}')


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """`torch.save`; a write that fails leaves the file that was there before.

    Raises:
        OSError: no space or no permission.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def random_state() -> dict[str, Any]:
    """PyTorch's random numbers, of the processor and of every GPU in use."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    return {'cpu': torch.get_rng_state(), 'cuda': cuda}


def restore_random_state(state: dict[str, Any]) -> None:
    """The inverse of random_state; GPUs that are not here are left out."""
    torch.set_rng_state(state['cpu'])
    if torch.cuda.is_available():
        for device, numbers in enumerate(state['cuda'][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(numbers, device)


def tell(text: str) -> None:
    """A line to whoever watches, once: of several ranks, the first says it."""
    if os.environ.get('RANK', '0') == '0':
        print(text, file=sys.stderr, flush=True)
