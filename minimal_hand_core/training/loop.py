"""The outer loop of every trainer: step, log, validate, save, until it is done or told to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from minimal_hand_core.training.logs import LOSSES, METRICS, Board, append_row, trim_rows
from minimal_hand_core.training.progress import RunProgress
from minimal_hand_core.training.run import TrainingRun


class Loop:
    """One sitting of a run.

    Args:
        run: the run; its settings have `steps` and `checkpoint_every`.
        folder: where it is kept.
        step: does the next step and returns its losses by name, 'total' among them, scalars.
        validate: scores by name.
        every: steps from one validation to the next; there is one at the end, too.
        log_every: steps that a row of loss.csv is the mean of.
        board: TensorBoard's, or None.
        writes: False for a rank that leaves files and validation to another.
        show: the losses that progress tells.
    """

    def __init__(
        self,
        run: TrainingRun[Any],
        folder: Path,
        step: Callable[[], Mapping[str, Tensor]],
        validate: Callable[[], dict[str, float]],
        *,
        every: int,
        log_every: int = 50,
        board: Board | None = None,
        writes: bool = True,
        show: tuple[str, ...] = ('total',),
    ) -> None:
        self.run, self.folder = run, folder
        self._step, self._validate = step, validate
        self._every, self._log_every = every, log_every
        self._board, self._writes, self._show = board, writes, show
        self._last: Mapping[str, Tensor] = {}

    def go(self, stop_after: int | None = None) -> None:
        """Train until the last step, or for `stop_after` steps.

        Raises:
            ValueError: the loss is not finite; the folder keeps the last checkpoint before that.
            OSError: the folder cannot be written.
        """
        run = self.run
        steps: int = run.config.steps
        stop = steps if stop_after is None else min(steps, run.step + stop_after)
        if self._writes:
            for name in (LOSSES, METRICS):
                trim_rows(self.folder / name, run.step)
        with RunProgress(run.step, steps, every=self._log_every, quiet=not self._writes) as progress:
            while run.step < stop:
                started = time.perf_counter()
                self._last = {name: loss.detach() for name, loss in self._step().items()}
                for meter in (run.logged, run.looked):
                    meter.add(self._last, time.perf_counter() - started)
                self._after_step(progress, stop)
        if self._board is not None:
            self._board.close()

    def _after_step(self, progress: RunProgress, stop: int) -> None:
        run = self.run
        log = run.step % self._log_every == 0
        save = run.step % run.config.checkpoint_every == 0 or run.step == stop
        validate = run.step % self._every == 0 or run.step == run.config.steps
        # Reading a number off a GPU waits for it, so there it is done now and then only.
        if log or save or validate or not self._last['total'].is_cuda:
            self._check_finite()
            progress.advance(run.step, ' '.join(f'{name} {float(self._last[name]):.4g}' for name in self._show))
        if log:
            about = {'lr': run.rate(run.step - 1), 'seconds': run.logged.seconds()}
            self._write(LOSSES, {'step': run.step, **run.logged.means(), **about}, 'loss')
            run.logged.clear()
        if validate:
            trained = {f'train_{name}': value for name, value in run.looked.means().items()}
            run.looked.clear()
            if self._writes:
                metrics = self._validate()
                progress.print(f'step {run.step}: {metrics}')
                self._write(METRICS, {'step': run.step, **metrics, **trained}, 'validation')
        # Last: whoever is killed before this does the step, its rows and its validation again.
        if save and self._writes:
            run.save(self.folder)

    def _check_finite(self) -> None:
        if not math.isfinite(float(self._last['total'])):
            raise ValueError(
                f'the loss is not finite at step {self.run.step}; {self.folder} keeps the last checkpoint before it. '
                'Try a smaller learning_rate, or precision: float32'
            )

    def _write(self, name: str, row: dict[str, Any], group: str) -> None:
        if not self._writes:
            return
        append_row(self.folder / name, {key: _short(value) for key, value in row.items()})
        if self._board is not None:
            for key, value in row.items():
                if key != 'step':
                    self._board.add_scalar(f'{group}/{key}', float(value), self.run.step)


def _short(value: float) -> float:
    return value if isinstance(value, int) else float(f'{value:.6g}')
