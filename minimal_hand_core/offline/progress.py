"""How far the inputs are: bars with the time left in a terminal, a line now and then in a log."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from minimal_hand_core.offline.run import Outcome, Task
from minimal_hand_core.offline.state import STATE, WORK

LINE_EVERY = 10.0
"""Seconds from line to line where there is no terminal."""
LOOK_EVERY = 1.0
"""Seconds from look to look at what other processes have written."""


class RunProgress:
    """A context in which `report` or `look` tells how far the inputs are.

    Args:
        tasks: the inputs.
        totals: pictures of each, as far as known.
        quiet: show nothing.
    """

    def __init__(self, tasks: Sequence[Task], totals: Sequence[int | None], quiet: bool = False) -> None:
        self._console = Console(stderr=True)
        self._lines = not quiet and not self._console.is_terminal
        self._bars = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[rate]}'),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or self._lines,
            transient=True,
        )
        self._tasks, self._totals = list(tasks), list(totals)
        # what an earlier sitting has done is no work of this one
        self._first = [_state(task.folder / WORK / STATE)[0] for task in tasks]
        self._done = list(self._first)
        self._over: set[int] = set()
        self._all = self._bars.add_task('all' if len(tasks) > 1 else tasks[0].path.name, total=None, rate='')
        self._started = self._said = self._looked = time.monotonic()

    def __enter__(self) -> RunProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def report(self, task: Task, done: int, total: int | None) -> None:
        """`done` pictures of a task are done."""
        i = self._tasks.index(task)
        self._done[i], self._totals[i] = done, total
        self._show()

    def look(self) -> None:
        """See in their state files how far inputs are that other processes, or machines, work on."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        for i, task in enumerate(self._tasks):
            if i not in self._over:
                done, total = _state(task.folder / WORK / STATE)
                if done:
                    self._done[i], self._totals[i] = max(done, self._done[i]), total or self._totals[i]
        self._show()

    def finished(self, outcome: Outcome) -> None:
        """An input is done, one way or the other."""
        i = next(i for i, task in enumerate(self._tasks) if task.folder == outcome.folder)
        self._over.add(i)
        self._done[i] = outcome.pictures
        self._totals[i] = outcome.pictures
        self._first[i] = max(0, outcome.pictures - outcome.tracked)
        self._show()

    def _show(self) -> None:
        done, total = sum(self._done), self._total()
        tracked = sum(done - first for done, first in zip(self._done, self._first))
        seconds = time.monotonic() - self._started
        rate = tracked / seconds if seconds > 0 else 0.0
        self._bars.update(self._all, completed=done, total=total, rate=f'{rate:.0f}/s')
        now = time.monotonic()
        if self._lines and now - self._said >= LINE_EVERY:
            self._said = now
            left = f', {(total - done) / rate / 60:.1f} min left' if total and rate else ''
            print(f'{done} of {total or "?"} pictures, {rate:.0f}/s{left}', file=sys.stderr, flush=True)

    def _total(self) -> int | None:
        known = [total for total in self._totals if total is not None]
        return sum(known) if len(known) == len(self._totals) else None


def _state(path: Path) -> tuple[int, int | None]:
    try:
        content = json.loads(path.read_bytes())
        return int(content['done']), content['total']
    except (OSError, ValueError, KeyError, TypeError):
        return 0, None
