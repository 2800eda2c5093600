"""Where the time of one picture goes, as a flame graph: `python -m benchmarks.flame_graph flame.png`.

Samples HandTracker with pyinstrument (`pip install pyinstrument`) while it follows a rendered hand, and draws who calls
whom: each bar is a function, as wide as the time within it, and lies on the one that called it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minimal_hand_core.data.rendered import RenderedSource
from minimal_hand_core.threads import limit_threads
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig

RATE = 30.0
PICTURES, ROUNDS, WARM_UP = 150, 4, 60
SEED = 3
INTERVAL = 0.0003
"""Seconds between two samples."""
LEAST = 0.002
"""Share of the whole below which a function is left out."""
_LABEL = 0.012
"""Share of the whole that has room for one letter or two."""


@dataclass
class Call:
    """A function with all its calls from one place; seconds include the functions that it calls."""

    name: str
    seconds: float = 0.0
    calls: dict[str, Call] = field(default_factory=dict)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog='flame_graph', description='Draw where the time of one picture goes.')
    parser.add_argument('output', type=Path, help='picture to write, .png or .svg')
    parser.add_argument('--backend', default='onnxruntime', help='inference engine')
    parser.add_argument('--threads', type=int, default=1, help='threads of the engine')
    parser.add_argument('--width', type=float, default=None, help='ms of the whole width, to compare two pictures')
    parser.add_argument('--title', default='HandTracker.track', help='what to write above')
    options = parser.parse_args(args)
    try:
        root = profile_tracker(HandTrackerConfig(backend=options.backend, threads=options.threads))
        draw(root, ROUNDS * PICTURES, options.title, options.output, options.width)
    except ModuleNotFoundError as error:
        print(f'error: flame_graph: {error.name} is not installed: pip install {error.name}', file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f'error: flame_graph: {error}', file=sys.stderr)
        return 2
    return 0


def profile_tracker(config: HandTrackerConfig) -> Call:
    """The calls of ROUNDS · PICTURES pictures."""
    limit_threads(config.threads)
    source = RenderedSource(seed=SEED)
    pictures = [source.read().image for _ in range(PICTURES)]
    tracker = HandTracker(config)

    def follow(first: int, count: int) -> None:
        for number in range(first, first + count):
            place = number % (2 * PICTURES)  # forward and back, so that the clip has no jump
            tracker.track(pictures[min(place, 2 * PICTURES - 1 - place)], number / RATE, source.camera)

    follow(0, WARM_UP)
    return sample(lambda: follow(WARM_UP, ROUNDS * PICTURES), 'track')


def sample(work: Callable[[], None], function: str) -> Call:
    """The calls below the functions of this name while the work is done.

    Raises:
        ModuleNotFoundError: pyinstrument is not installed.
        ValueError: no sample fell into such a function.
    """
    from pyinstrument import Profiler

    profiler = Profiler(interval=INTERVAL)
    with profiler:
        work()
    root = Call(function)
    session = profiler.last_session
    assert session is not None
    for frame in _outermost([session.root_frame()], function):
        _add(root, frame)
    if not root.seconds:
        raise ValueError(f'no sample fell into {function}')
    return root


def _outermost(frames: Iterable[Any], function: str) -> Iterable[Any]:
    for frame in frames:
        if frame is None:
            continue
        if frame.function == function:
            yield frame
        else:
            yield from _outermost(frame.children, function)


def _add(call: Call, frame: Any) -> None:
    call.seconds += frame.time
    for child in frame.children:
        if child.function.startswith('['):  # pyinstrument's own word for the time in the function itself
            continue
        name = 'in ONNX Runtime' if child.function.startswith('pybind11') else child.function
        if name in ('<lambda>', '<listcomp>', '<genexpr>', '__init__', '__call__', 'run', 'update'):
            name = f'{Path(child.file_path or "").stem}.{name}'
        _add(call.calls.setdefault(name, Call(name)), child)


def draw(root: Call, pictures: int, title: str, output: Path, width: float | None = None) -> None:
    """Write the flame graph; times are of one picture. `width`: milliseconds from left to right; None: all there are.

    Raises:
        OSError: the file cannot be written.
        ValueError: of a kind that cannot be written.
    """
    os.environ.setdefault('MPLBACKEND', 'agg')
    from matplotlib import pyplot

    depth = _depth(root, root.seconds)
    figure, axes = pyplot.subplots(figsize=(13, 0.6 + 0.27 * depth), dpi=110)
    whole = root.seconds if width is None else 1e-3 * width * pictures
    _bar(axes, root, 0.0, 0, whole, pictures)
    axes.set_xlim(0, whole)
    axes.set_ylim(-0.5, depth - 0.5)
    axes.axis('off')
    axes.set_title(f'{title}: {1e3 * root.seconds / pictures:.2f} ms per picture', fontsize=10, loc='left')
    figure.tight_layout(pad=0.3)
    figure.savefig(output)
    pyplot.close(figure)


def _depth(call: Call, whole: float) -> int:
    return 1 + max((_depth(each, whole) for each in call.calls.values() if each.seconds > LEAST * whole), default=0)


def _bar(axes: Any, call: Call, left: float, level: int, whole: float, pictures: int) -> None:
    share = call.seconds / whole
    hue = 0.55 + 0.4 * (sum(map(ord, call.name)) * 37 % 100) / 100
    axes.barh(
        level, call.seconds, left=left, height=0.92, align='center', color=(1.0, hue, 0.35), edgecolor='white', lw=0.5
    )
    text = f'{call.name} {1e3 * call.seconds / pictures:.2f}'
    room = int(share / _LABEL * 1.75)
    if room >= 3:
        axes.text(
            left + 0.002 * whole,
            level,
            text if len(text) <= room else text[: room - 1] + '…',
            fontsize=7,
            va='center',
            clip_on=True,
        )
    for each in sorted(call.calls.values(), key=lambda each: -each.seconds):
        if each.seconds > LEAST * whole:
            _bar(axes, each, left, level + 1, whole, pictures)
            left += each.seconds


if __name__ == '__main__':
    sys.exit(main())
