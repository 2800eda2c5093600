"""MediaPipe Hands beside our tracker: `make bench MEDIAPIPE=1`.

    python -m benchmarks.mediapipe_hands bench_output/bench.json

MediaPipe cannot share an environment with us (it wants NumPy 1 and another OpenCV), so it gets one of its own in
`.cache/`, made at the first call (about 1 GB). A rendered hand moves through a clip, there and back; both follow it in
processes of their own (`clip_worker`), bound to the same cores, taking turns, so that both meet the same load. The rows
are added to the JSON of the run.

On one core the processor's time counts, of all threads; on two the clock. `video` is MediaPipe's tracking mode,
`stills` its other one, in which each picture is searched afresh; so do we then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import MEDIAPIPE
from minimal_hand_core.data.synthetic import RenderedScene
from minimal_hand_core.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / '.cache' / 'bench-mediapipe'
PACKAGE = 'mediapipe==0.10.21'
PYTHONS = ((3, 9), (3, 12))
"""Oldest and newest Python that the package has wheels for."""
PICTURES = 45
"""Of the clip one way, at 30 per second."""
TURNS = {'video': 4, 'stills': 1}
COMPLEXITIES = ('full', 'lite')


class EnvironmentFailure(Exception):
    """MediaPipe cannot be had here; says why, and what would help."""


def find_python() -> str:
    """An interpreter that MediaPipe has wheels for: the running one, or the newest on the path.

    Raises:
        EnvironmentFailure: there is none.
    """
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return sys.executable
    for minor in range(PYTHONS[1][1], PYTHONS[0][1] - 1, -1):
        found = shutil.which(f'python3.{minor}')
        if found:
            return found
    oldest, newest = ('.'.join(map(str, version)) for version in PYTHONS)
    here = '.'.join(map(str, sys.version_info[:2]))
    raise EnvironmentFailure(
        f'{PACKAGE} has wheels for Python {oldest} to {newest}; this is {here} and none of those is on the path'
    )


def make_environment(folder: Path = ENVIRONMENT) -> Path:
    """The interpreter of MediaPipe's environment, which is made unless it is there and whole.

    Raises:
        EnvironmentFailure: no fitting Python, or pip fails.
    """
    python = folder / 'bin' / 'python'
    whole = folder / 'whole'
    if python.exists() and whole.is_file() and whole.read_text() == PACKAGE:
        return python
    base = find_python()
    print(f'bench: {PACKAGE} goes into {folder}; this takes minutes', flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([base, '-m', 'venv', str(folder)])
    _run([str(python), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE])
    whole.write_text(PACKAGE)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = [line for line in done.stdout.splitlines() if line.strip()][-1:]
        raise EnvironmentFailure(f'{" ".join(command)} failed: {"".join(last)}')


def write_clip(path: Path, pictures: int = PICTURES) -> None:
    """A hand that moves there and back again, 640×480 BGR, with its true keypoints and its camera."""
    scene = RenderedScene()
    frames = [scene.frame(i / 30) for i in range(pictures)]
    frames += frames[::-1]
    np.savez(
        path,
        images=np.stack([image for image, _ in frames]),
        keypoints_px=np.stack([truth.keypoints_px for _, truth in frames]),
        intrinsics=scene.intrinsics,
    )


class Follower:
    """A `clip_worker` process.

    Args:
        python: the interpreter of its environment.
        clip: file of `write_clip`.
        method, mode, cores: as of `clip_worker`.

    Raises:
        EnvironmentFailure: it does not start; with the last line it said.
    """

    def __init__(self, python: str | Path, clip: Path, method: str, mode: str, cores: int) -> None:
        self.method, self.mode, self.cores = method, mode, cores
        command = [str(python), str(ROOT / 'benchmarks' / 'clip_worker.py'), str(clip), method, mode, str(cores)]
        self._errors = clip.with_name(f'{method}.log')
        with self._errors.open('w') as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.engine = self._answer()['engine']
        self.turns: list[dict[str, Any]] = []

    def turn(self) -> None:
        """Once more through the clip."""
        assert self._process.stdin is not None
        self._process.stdin.write('\n')
        self._process.stdin.flush()
        self.turns.append(self._answer())

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def entry(self, group: str, name: str) -> dict[str, Any]:
        """One benchmark as pytest-benchmark writes it."""
        clock = 'cpu' if self.cores == 1 else 'wall'
        seconds = np.array([value for turn in self.turns for value in turn[clock]])
        errors = [value for turn in self.turns for value in turn['error']]
        apart = f', keypoints {100 * np.median(errors):.1f} % of the box from the truth' if errors else ''
        note = f'{self.engine}; hand found in {sum(turn["found"] for turn in self.turns)} of {len(seconds)} pictures'
        return {
            'name': name,
            'fullname': f'benchmarks/mediapipe_hands.py::{name}',
            'group': group,
            'stats': {'median': float(np.median(seconds)), 'min': seconds.min(), 'max': seconds.max()},
            'options': {'timer': 'process_time' if clock == 'cpu' else 'perf_counter'},
            'extra_info': {'note': note + apart},
        }

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        said = [line for line in self._errors.read_text().splitlines() if line.strip()][-1:]
        raise EnvironmentFailure(f'{self.method}, {self.mode}, {self.cores} cores: {"".join(said) or "no answer"}')


def measure(theirs: str | Path, clip: Path, mode: str, cores: int, turns: int) -> list[dict[str, Any]]:
    """Benchmarks of one group: ours, and MediaPipe's of both sizes.

    Args:
        theirs: interpreter of MediaPipe's environment.
        clip: file of `write_clip`.
        mode, cores: a key of MEDIAPIPE.
        turns: times through the clip, each.

    Raises:
        EnvironmentFailure: a process does not start or dies.
    """
    methods = {'ours': sys.executable, **dict.fromkeys(COMPLEXITIES, theirs)}
    followers: dict[str, Follower] = {}
    try:
        for method, python in methods.items():
            followers[method] = Follower(python, clip, method, mode, cores)
        for _ in range(turns):
            for follower in followers.values():
                follower.turn()
    finally:
        for follower in followers.values():
            follower.close()
    group = MEDIAPIPE[mode, cores]
    ours = [followers['ours'].entry(group, f'test_ours_tracker[{size}]') for size in COMPLEXITIES]
    return ours + [followers[size].entry(group, f'test_peer_mediapipe[{size}]') for size in COMPLEXITIES]


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'benchmarks.mediapipe_hands', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('report', type=Path, help='JSON of `make bench`, to which the rows are added')
    options = parser.parse_args(arguments)
    try:
        report = json.loads(options.report.read_text())
        groups = [key for key in MEDIAPIPE if key[1] <= len(os.sched_getaffinity(0))]
        python = make_environment()
        added = []
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / 'clip.npz'
            write_clip(clip)
            for mode, cores in groups:
                added += measure(python, clip, mode, cores, TURNS[mode])
        report['benchmarks'] = [entry for entry in report['benchmarks'] if entry['group'] not in MEDIAPIPE.values()]
        report['benchmarks'] += added
        write_atomically(options.report, json.dumps(report).encode())
    except (OSError, ValueError, KeyError, EnvironmentFailure) as error:
        print(f'bench: MediaPipe is left out: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
