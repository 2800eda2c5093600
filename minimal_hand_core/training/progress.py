"""How far a training run is: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class RunProgress:
    """A context in which `advance` is called after every step.

    Args:
        step: steps done before.
        steps: of the whole run.
        every: steps from line to line where there is no terminal.
        quiet: show nothing, for all but one of the processes that train together.
    """

    def __init__(self, step: int, steps: int, every: int = 50, quiet: bool = False) -> None:
        self._first, self._steps, self._every, self._quiet = step, steps, every, quiet
        self._started = time.monotonic()
        self._bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            disable=quiet,
        )
        self._task = self._bar.add_task('training', total=steps, completed=step)

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, step: int, text: str) -> None:
        """`step` steps are done; `text` tells their losses."""
        self._bar.update(self._task, completed=step, description=text)
        if not self._quiet and not self._bar.console.is_terminal and step % self._every == 0:
            rate = (step - self._first) / (time.monotonic() - self._started)
            left = (self._steps - step) / rate / 60
            print(f'step {step}: {text}, {rate:.2f} steps/s, {left:.0f} min left', flush=True)

    def print(self, text: str) -> None:
        """A line of its own."""
        if not self._quiet:
            self._bar.console.print(text)
