"""Inputs spread over the machines of a Ray cluster, one input per processor core at a time.

The inputs and the folder of the results must lie at the same paths on every machine: on a shared file system. A worker
or machine that dies is replaced by Ray, and its input goes on from its last state.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minimal_hand_core.errors import first_line
from minimal_hand_core.offline.options import OfflineError
from minimal_hand_core.offline.run import Outcome, Task
from minimal_hand_core.offline.work import outcome_of
from minimal_hand_core.threads import limit_threads

RETRIES = 3
PATIENCE = 5.0
"""Seconds in which a cluster must answer."""
_TICK = 0.5


def run_ray(tasks: Sequence[Task], address: str, jobs: int, tick: Callable[[], None]) -> Iterator[Outcome]:
    """Do all tasks on a Ray cluster.

    Args:
        tasks: one or more; their paths hold on every machine.
        address: of the cluster, 'auto' for the one of this machine or of $RAY_ADDRESS; '' starts one here, which ends
            with the work.
        jobs: workers of one that is started here.
        tick: called several times per second.

    Yields:
        what became of each, in the order in which they are done.

    Raises:
        OfflineError: Ray is not installed, or there is no cluster at that address.
    """
    ray = _import_ray()
    # nothing is told to its makers, and no web page is served
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    begun = not ray.is_initialized()
    if begun:
        local: dict[str, Any] = {'address': address} if address else {'num_cpus': jobs, 'include_dashboard': False}
        _check_reachable(address)
        try:
            ray.init(log_to_driver=False, logging_level='error', **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _no_cluster(address, error) from None
    try:
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_work)
        pending = {remote.remote(task): task for task in tasks}
        while pending:
            ready, _ = ray.wait(list(pending), num_returns=1, timeout=_TICK)
            tick()
            for reference in ready:
                task = pending.pop(reference)
                try:
                    outcome: Outcome = ray.get(reference)
                except ray.exceptions.RayError as error:
                    outcome = Outcome(task.path, task.folder, fault=f'Ray gave it up: {first_line(error)}')
                yield outcome
    finally:
        if begun:
            ray.shutdown()


def _work(task: Task) -> Outcome:
    limit_threads(1)
    return outcome_of(task)


def _check_reachable(address: str) -> None:
    """Somebody must listen at host:port; Ray itself would try for minutes.

    Raises:
        OfflineError: nobody does.
    """
    host, _, port = address.removeprefix('ray://').rpartition(':')
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> OfflineError:
    return OfflineError(
        f'no Ray cluster at {address or "this machine"} ({first_line(error)}): '
        'start one with `ray start --head`, or leave out --ray-address'
    )


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise OfflineError('Ray is not installed: pip install ray, or leave out --ray and use --jobs') from None
    return ray
