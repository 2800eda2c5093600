"""Inputs spread over processes of this machine, one input per process at a time.

A worker that dies is replaced, and its input goes on from its last state, RETRIES times at most.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from minimal_hand_core.offline.run import Outcome, Task
from minimal_hand_core.offline.work import outcome_of
from minimal_hand_core.threads import limit_threads

RETRIES = 3
_TICK = 0.5


class _Orphaned(BaseException):
    """The process that gives out the work is gone."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: Task | None = None


def run_pool(tasks: Sequence[Task], jobs: int, tick: Callable[[], None]) -> Iterator[Outcome]:
    """Do all tasks in `jobs` processes.

    Args:
        tasks: one or more.
        jobs: processes.
        tick: called several times per second.

    Yields:
        what became of each, in the order in which they are done.
    """
    waiting = deque((task, 0) for task in tasks)
    tries: dict[int, int] = {}
    workers = [_start() for _ in range(min(jobs, len(tasks)))]
    left = len(tasks)
    try:
        while left:
            for worker in workers:
                if worker.task is None and waiting:
                    worker.task, tried = waiting.popleft()
                    tries[id(worker.task)] = tried
                    with suppress(OSError):  # it died while it waited: seen below, where its pipe is at its end
                        worker.pipe.send(worker.task)
            ready = wait([worker.pipe for worker in workers], _TICK)
            tick()
            for i, worker in enumerate(workers):
                if worker.pipe not in ready:
                    continue
                task = worker.task
                try:
                    outcome: Outcome | None = worker.pipe.recv()
                    worker.task = None
                except (EOFError, OSError):
                    worker.process.join()
                    code = worker.process.exitcode
                    _stop(worker)
                    workers[i] = _start()
                    if task is None:
                        continue
                    tried = tries[id(task)] + 1
                    if tried <= RETRIES:
                        waiting.appendleft((task, tried))
                        continue
                    outcome = Outcome(
                        task.path, task.folder, fault=f'its process died {tried} times (exit code {code})'
                    )
                assert outcome is not None
                left -= 1
                yield outcome
    finally:
        for worker in workers:
            _stop(worker)


def _start() -> _Worker:
    # spawned, since what runs the network does not outlive a fork
    context = multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.terminate()
    worker.process.join()


def _work(pipe: Connection, parent: int) -> None:
    """Do one task after the other until there are no more."""
    # Ctrl-C reaches every process of a terminal; here the one that gives out the work decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    limit_threads(1)  # several per worker would wait for each other

    def report(done: int, total: int | None) -> None:
        if os.getppid() != parent:
            raise _Orphaned

    try:
        while True:
            pipe.send(outcome_of(pipe.recv(), report))
    except (EOFError, OSError, _Orphaned):
        return
