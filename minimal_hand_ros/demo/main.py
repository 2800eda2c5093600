"""Command line of the demo, and the order in which it does things."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rclpy.executors import SingleThreadedExecutor

from minimal_hand_core.data.rendered import rendered_hand_length
from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.option_types import number_from_0
from minimal_hand_core.recording import is_recording
from minimal_hand_core.tracking import PoseConfig, PoseEstimator
from minimal_hand_ros.demo.film import FilmError, write_clip, write_sheet
from minimal_hand_ros.demo.monitor import Monitor
from minimal_hand_ros.demo.processes import NodeGroup
from minimal_hand_ros.demo.records import Figures, Record, figures
from minimal_hand_ros.demo.report import progress_line, summary_lines
from minimal_hand_ros.demo.session import START_PATIENCE, listening, run_session, seconds_between, undisturbed
from minimal_hand_ros.demo.view import View
from minimal_hand_ros.files import shared_file
from minimal_hand_ros.large_pictures import large_pictures

RECENT = 2.0
"""Seconds that the progress line looks back."""
KEEP_PERIOD = 0.5
"""Seconds between two looks at the nodes that are kept."""
MAX_WARNINGS = 5
MAX_SEED = 2**31 - 1
"""As camera_node takes it."""


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable demo; returns its exit code."""
    options = _parse(args)
    return run_session('demo', options.domain, partial(_run, options))


def _run(options: argparse.Namespace) -> int:
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    with NodeGroup() as group:
        try:
            view = _start(group, options)
            records, counts = _watch(group, view, options)
            if not options.keep:
                undisturbed(group.stop)
            code = _report(options, folder, records, counts, group.warnings())
            if options.keep:
                _keep(group, view)
        finally:
            undisturbed(group.stop)
    return code


def _parse(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='demo',
        description='Track a rendered, filmed or live hand with the nodes of minimal_hand_ros, and show it.',
    )
    parser.add_argument(
        '--source', default='rendered', help="'rendered', a webcam's index, a picture, folder, video or recording"
    )
    parser.add_argument(
        '--duration', type=seconds_between(1, 3600), default=20.0, help='seconds, counted from the first result'
    )
    parser.add_argument('--output', default='demo_output', help='folder for clip, contact sheet and recordings')
    parser.add_argument('--side', choices=SIDES, default='right', help='which hand')
    parser.add_argument('--mirrored', action='store_true', help='pictures are flipped left to right (selfie cameras)')
    parser.add_argument('--model', default='open', help='hand model')
    parser.add_argument('--weights', default='default', help='network weights')
    parser.add_argument('--backend', default='auto', help='inference engine')
    parser.add_argument('--seed', type=_seed, default=0, help='of the rendered hand')
    parser.add_argument('--rate', type=float, default=0.0, help='pictures per second; 0: as suits the source')
    parser.add_argument(
        '--hold', type=int, default=5, help='how often each picture of a folder is shown; 1 for a sequence'
    )
    parser.add_argument('--composed', action='store_true', help='all stages in one process')
    parser.add_argument('--keep', action='store_true', help='go on after the report, until Ctrl-C')
    parser.add_argument('--no-viewer', action='store_true', help='no view in the browser')
    parser.add_argument('--domain', type=int, default=None, help='ROS_DOMAIN_ID; chosen at random if not given')
    options = parser.parse_args(args)
    if options.mirrored and options.source == 'rendered':
        parser.error('argument --mirrored: pictures of the rendered hand are not flipped: give another --source')
    return options


def _seed(text: str) -> int:
    value = number_from_0(text)
    if value > MAX_SEED:
        raise argparse.ArgumentTypeError(f'{text!r}: give a whole number from 0 to {MAX_SEED}')
    return value


def _start(group: NodeGroup, options: argparse.Namespace) -> View | None:
    """Start the nodes, and unless it is not wanted the view, with a recorder for its button."""
    hand: dict[str, object] = {'side': options.side, 'model': options.model}
    seen = {'mirrored': options.mirrored}  # of those who look at the picture, or place a hand in it
    measured = {**hand, **seen}
    if options.source == 'rendered':
        # as a user measures his own hand once; without it all distances carry the error of the mean hand's size
        measured['hand_length'] = rendered_hand_length(options.model, options.seed)
    network = {'side': options.side, 'weights': options.weights, 'backend': options.backend, **seen}
    camera = {**hand, 'source': options.source, 'rate': options.rate, 'seed': options.seed}
    pose = {**hand, **seen}
    if Path(options.source).is_dir() and not is_recording(options.source):
        # photos that have nothing to do with each other: time to find each hand, and none of the last one in it
        camera['hold'] = options.hold
        pose['filter'] = 'one_euro' if options.hold == 1 else 'none'
    profile = large_pictures(shared_file('config/fastdds_large_images.xml'))
    group.start('camera_node', 'minimal_hand_ros.camera_node', camera, profile)
    if options.composed:
        group.start('tracker', 'minimal_hand_ros.tracker_node', {**measured, **network, **pose})
    else:
        group.start('keypoint_node', 'minimal_hand_ros.keypoint_node', network)
        group.start('shape_server', 'minimal_hand_ros.shape_server', measured)
        group.start('ik_node', 'minimal_hand_ros.ik_node', pose)
    if options.no_viewer:
        return None
    recorder = {'side': options.side, 'folder': options.output}
    group.start('recorder', 'minimal_hand_ros.recorder_node', recorder, vital=False)
    return View(group.start('viewer', 'minimal_hand_ros.viewer_node', {**hand, 'port': 0}, vital=False))


def _watch(group: NodeGroup, view: View | None, options: argparse.Namespace) -> tuple[list[Record], dict[str, int]]:
    """Listen to the nodes for the duration; returns records and messages per topic."""
    names = ', '.join(node.name for node in group.nodes)
    print(f'started {names} on ROS_DOMAIN_ID {os.environ["ROS_DOMAIN_ID"]}, source {options.source}', flush=True)
    with listening(Monitor) as (monitor, executor):
        _spin(executor, monitor, group, view, options.duration)
    return monitor.records(), dict(monitor.counts)


def _keep(group: NodeGroup, view: View | None) -> None:
    """Let the nodes go on until Ctrl-C."""
    where = f', seen at {view.address}' if view is not None and view.address else ''
    print(f'going on{where}; Ctrl-C ends it', flush=True)
    try:
        while True:
            group.check()
            _tell(view, refreshed=False)
            time.sleep(KEEP_PERIOD)
    except KeyboardInterrupt:
        print('\nstopped')


def _spin(
    executor: SingleThreadedExecutor, monitor: Monitor, group: NodeGroup, view: View | None, duration: float
) -> None:
    """Listen until `duration` seconds after the first result, keeping the progress line up to date."""
    refreshed = sys.stdout.isatty()
    period = 0.2 if refreshed else 1.0
    began = time.monotonic()
    first: float | None = None
    next_line = began
    while first is None or time.monotonic() - first < duration:
        executor.spin_once(timeout_sec=0.05)
        now = time.monotonic()
        if first is None:
            if monitor.counts['hand/keypoints']:
                first = next_line = now
            elif now - began > START_PATIENCE:
                raise ValueError(
                    f'no result in {START_PATIENCE:g} s: the machine is overloaded, or the source gives no pictures'
                )
        if now >= next_line:
            group.check()
            _tell(view, refreshed)
            next_line = now + period
            recent = figures(monitor.records(newer_than=time.time_ns() - int(RECENT * 1e9)))
            _show(progress_line(now - (first if first is not None else began), recent), refreshed)
    if refreshed:
        print()


def _tell(view: View | None, refreshed: bool) -> None:
    """Print what is new of the view, above the line that is refreshed."""
    line = view.news() if view is not None else None
    if line is not None:
        _show(line, refreshed)
        if refreshed:
            print()


def _show(line: str, refreshed: bool) -> None:
    if refreshed:
        print(f'\r\033[K{line}', end='', flush=True)
    else:
        print(line, flush=True)


def _report(
    options: argparse.Namespace, folder: Path, records: list[Record], counts: dict[str, int], warnings: list[str]
) -> int:
    total = figures(records)
    files = _film(options, folder, records, total)
    topics = ', '.join(f'{topic} {count}' for topic, count in sorted(counts.items()))
    print(f'messages   {topics}')
    for line in summary_lines(options.source, total, warnings[:MAX_WARNINGS], files):
        print(line)
    return 0


def _film(options: argparse.Namespace, folder: Path, records: list[Record], total: Figures) -> list[Path]:
    estimator = PoseEstimator(PoseConfig(side=options.side, model=options.model, mirrored=options.mirrored))
    clip, sheet = folder / 'clip.mp4', folder / 'contact_sheet.png'
    span = (records[-1].stamp - records[0].stamp) * 1e-9 if len(records) > 1 else 0.0
    rate = min(max((total.pictures - 1) / span if span > 0 else 1.0, 1.0), 60.0)
    files = []
    if write_clip(clip, records, estimator, rate):
        files.append(clip)
    if write_sheet(sheet, records, estimator):
        files.append(sheet)
    if not files:
        raise FilmError('no picture arrived')
    return files
