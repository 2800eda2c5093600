"""From the figures of a node to one word on how it is; no ROS.

Rules, the first that holds:
    STALE  no input yet, or none for STALE_AFTER seconds (a picture source that is off is not this node's fault)
    ERROR  at least half of the inputs of the last seconds had to be dropped
    WARN   some inputs of the last seconds had to be dropped
    WARN   the camera is not calibrated, its pictures have no times, or an inference engine failed and another one took
           its place
    WARN   the node is at work for BUSY of the time: inputs are passed over, or soon will be
    OK     otherwise, and always while the node is disabled
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from minimal_hand_ros.work_statistics import Summary

STALE_AFTER = 2.0
"""Seconds."""
BUSY = 0.9
"""Share of the time."""
NOT_CALIBRATED = 'the camera is not calibrated: no metric poses, no TF'
NO_TIME = 'pictures have the stamp of the one before: hands are not steadied, set header.stamp'


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


def judge(
    summary: Summary, what: str, state: str, *, enabled: bool = True, warnings: Sequence[str] = ()
) -> tuple[Level, str]:
    """How a node is, in one word and one line.

    Args:
        summary: its figures.
        what: what comes in, in the plural, e.g. 'pictures'.
        state: what it is doing when all is well, e.g. 'following'.
        enabled: whether it looks at what comes in.
        warnings: what else is not as it should be.
    """
    if not enabled:
        return Level.OK, 'disabled'
    if summary.quiet is None:
        return Level.STALE, f'no {what} yet'
    if summary.quiet > STALE_AFTER:
        return Level.STALE, f'no {what} for {summary.quiet:.0f} s'
    if summary.recent_drops:
        level = Level.ERROR if 2 * summary.recent_drops >= summary.recent else Level.WARN
        return level, f'{summary.recent_drops} of the last {summary.recent} {what} dropped'
    if warnings:
        return Level.WARN, '; '.join([state, *warnings])
    busy = sum(pair[0] for pair in summary.latency.values())
    if busy * summary.rate >= BUSY:
        return Level.WARN, f'{state}; {1e3 * busy:.0f} ms for each of the {what}: not all of them can be looked at'
    return Level.OK, state


def values(summary: Summary, what: str) -> dict[str, str]:
    """The figures by name, as texts."""
    found = {
        'input rate (Hz)': f'{summary.rate:.1f}',
        f'{what} received': str(summary.received),
        f'{what} ignored': str(summary.ignored),
        f'{what} passed over': str(summary.passed_over),
        f'{what} dropped': str(sum(summary.dropped.values())),
    }
    found |= {f'dropped: {reason}': str(count) for reason, count in summary.dropped.items()}
    for name, pair in summary.latency.items():
        found |= _pair(f'{name} latency', pair)
    if summary.age is not None:
        found |= _pair('age of the answer', summary.age)
    if summary.quiet is not None:
        found['since the last input (s)'] = f'{summary.quiet:.2f}'
    if summary.score is not None:
        found['score'] = f'{summary.score:.3f}'
    return found


def _pair(name: str, pair: tuple[float, float]) -> dict[str, str]:
    return {f'{name} p50 (ms)': f'{1e3 * pair[0]:.2f}', f'{name} p95 (ms)': f'{1e3 * pair[1]:.2f}'}
