"""track_file: track recorded pictures as fast as the machine can, and write what came of it as files."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from minimal_hand_core.files import file_in_the_way
from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.inference import BACKENDS
from minimal_hand_core.inference.choice import choose
from minimal_hand_core.inference.machine import usable_cores
from minimal_hand_core.offline.inputs import open_input
from minimal_hand_core.offline.options import (
    BOTH,
    CHUNK,
    MESH_FORMATS,
    MESH_PICTURES,
    OUTPUTS,
    OfflineError,
    TrackOptions,
)
from minimal_hand_core.offline.pool import run_pool
from minimal_hand_core.offline.progress import RunProgress
from minimal_hand_core.offline.ray_pool import run_ray
from minimal_hand_core.offline.run import Outcome, Task
from minimal_hand_core.offline.work import outcome_of
from minimal_hand_core.option_types import number_from_1
from minimal_hand_core.pose.methods import POSE_METHODS
from minimal_hand_core.shape.methods import SHAPE_METHODS
from minimal_hand_core.threads import limit_threads
from minimal_hand_core.tracking import FILTERS, HandTrackerConfig

NAME = 'track_file'
HOUR = 3600 * 30
"""Pictures of an hour of video at 30 Hz."""
EPILOG = """Each input gets a folder of its own in the output folder, named after it: hands.npz, hands.csv, hands.mp4,
hands.mcap, meshes/, and summary.json once all is complete. Interrupted in whatever way, the same command goes on where
it was, and inputs that are complete are not tracked again, unless with --overwrite.

Exit status: 0 all inputs were tracked whole; 1 one of them was not, which is named at the end, the others are done, or
an option has a value that cannot be used; 2 an option is unknown, missing or none of its choices; 130 and 143
interrupted."""


class _Ended(BaseException):
    """SIGTERM."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    previous = {signal.SIGINT: signal.getsignal(signal.SIGINT), signal.SIGTERM: signal.getsignal(signal.SIGTERM)}
    # also where this was started in the background, with Ctrl-C ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _end)
    try:
        tasks = make_tasks(options.inputs, options.output, _track_options(options), options.overwrite)
        outcomes = list(_run(tasks, options))
    except (ValueError, OSError) as error:
        print(f'{NAME}: {error}', file=sys.stderr)
        return 1
    except (KeyboardInterrupt, _Ended) as error:
        print(f'{NAME}: interrupted; the same command goes on where it was', file=sys.stderr)
        return 143 if isinstance(error, _Ended) else 130
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return _conclude(outcomes, time.monotonic() - started)


def make_tasks(inputs: Iterable[Path], output: Path, options: TrackOptions, overwrite: bool) -> list[Task]:
    """One task per input, each with a folder of its own in `output`, named after it.

    An input that is named twice counts once. Inputs of one name are told apart by their endings, or by the folders they
    are in: 'a/clip.mp4' and 'b/clip.mp4' become 'a_clip' and 'b_clip'.

    Raises:
        OfflineError: `output`, or what it should be in, is a file.
    """
    file = file_in_the_way(output)
    if file is not None:
        raise OfflineError(f'{file} is a file: give another --output, a folder or a name that is free')
    paths = list(dict.fromkeys(Path(os.path.abspath(path.expanduser())) for path in inputs))
    return [Task(path, Path(os.path.abspath(output)) / name, options, overwrite) for path, name in _named(paths)]


def _named(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each path with the shortest name that no other could have as well."""
    names = {path: _names(path) for path in paths}
    for path in paths:
        others = {name for other in paths if other != path for name in names[other]}
        yield path, next((name for name in names[path] if name not in others), names[path][-1])


def _names(path: Path) -> list[str]:
    """clip, clip_mp4, a_clip, b_a_clip, …"""
    folders = path.parts[1:-1]
    longer = ['_'.join((*folders[-depth:], path.stem)) for depth in range(1, len(folders) + 1)]
    return [path.stem, path.name.replace('.', '_'), *longer, '_'.join((*folders, path.name)).replace('.', '_')]


def _run(tasks: Sequence[Task], options: argparse.Namespace) -> Iterator[Outcome]:
    jobs = min(options.jobs or usable_cores(), len(tasks))
    with RunProgress(tasks, [_count(task) for task in tasks], options.quiet) as progress:
        done: Iterator[Outcome]
        config = tasks[0].options.tracker
        if config.backend == 'auto' and jobs > 1 and not options.ray_address:
            # Once, while nothing else runs; the workers find it in the cache.
            choose(config.weights, config.threads)
        if options.ray or options.ray_address:
            done = run_ray(tasks, options.ray_address, jobs, progress.look)
        elif jobs > 1:
            done = run_pool(tasks, jobs, progress.look)
        else:
            limit_threads(1)
            done = (outcome_of(task, partial(progress.report, task)) for task in tasks)
        for outcome in done:
            progress.finished(outcome)
            yield outcome


def _count(task: Task) -> int | None:
    """Pictures of an input, as far as known; what is wrong with it is said by who tracks it."""
    try:
        return open_input(task.path, task.options).count
    except ValueError:
        return None


def _conclude(outcomes: Sequence[Outcome], seconds: float) -> int:
    """Say what became of each input, and what it cost; the exit status."""
    for outcome in outcomes:
        if outcome.files:
            hands = ', '.join(f'{side} hand in {count}' for side, count in outcome.hands)
            speed = 'was complete before'
            if not outcome.already:
                rate = outcome.tracked / outcome.seconds if outcome.seconds else 0.0
                speed = f'{outcome.seconds:.1f} s, {rate:.0f} pictures/s in {outcome.backend}'
            print(f'{outcome.path.name}: {outcome.pictures} pictures, {hands}; {speed}; {outcome.folder}')
        for note in outcome.notes:
            print(f'{outcome.path.name}: {note}')
    tracked = sum(outcome.tracked for outcome in outcomes)
    if tracked:
        work = sum(outcome.seconds - outcome.loading for outcome in outcomes)
        print(
            f'all: {tracked} pictures in {seconds:.1f} s, {tracked / seconds:.0f} pictures/s; '
            f'an hour of video at 30 Hz costs {work / tracked * HOUR / 60:.0f} min of one process'
        )
    faulty = [outcome for outcome in outcomes if outcome.fault]
    for outcome in faulty:
        kept = f'; what could be read is in {outcome.folder}' if outcome.files else ''
        print(f'{NAME}: {outcome.fault}{kept}', file=sys.stderr)
    if faulty and len(outcomes) > 1:
        print(f'{NAME}: {len(faulty)} of {len(outcomes)} inputs were not tracked whole', file=sys.stderr)
    return 1 if faulty else 0


def _track_options(options: argparse.Namespace) -> TrackOptions:
    config = HandTrackerConfig(
        side=SIDES[0] if options.side == BOTH else options.side,
        weights=options.weights,
        backend=options.backend,
        model=options.model,
        mirrored=options.mirrored,
        hand_length=options.hand_length,
        filter=options.filter,
        pose_method=options.pose_method,
        shape_method=options.shape_method,
    )
    wanted = options.outputs.split(',') if options.outputs else []
    for output in wanted:
        if output not in OUTPUTS:
            raise OfflineError(f'output is {output!r}; give some of {",".join(OUTPUTS)}')
    return TrackOptions(
        tracker=config,
        side=options.side,
        camera_info=options.camera_info,
        fov=options.fov,
        rate=options.rate,
        topic=options.topic,
        camera_info_topic=options.camera_info_topic,
        rectified=options.rectified,
        outputs=tuple(output for output in OUTPUTS if output in wanted),
        pictures=options.pictures,
        jpeg_quality=options.jpeg_quality,
        meshes=options.meshes,
        mesh_pictures=options.mesh_pictures,
        chunk=options.chunk,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        NAME,
        description='Track hands in videos, bags, MCAP files and folders of pictures, as fast as the machine can.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('inputs', nargs='+', type=Path, help='videos, .mcap, .bag, .db3, bag folders, picture folders')
    parser.add_argument('-o', '--output', required=True, type=Path, help='folder of the results')
    parser.add_argument('--overwrite', action='store_true', help='begin anew where results lie')
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    what = parser.add_argument_group('what is tracked')
    what.add_argument('--side', choices=(*SIDES, BOTH), default='right', help='which hand (default right)')
    what.add_argument('--mirrored', action='store_true', help='pictures are flipped left to right (selfie cameras)')
    what.add_argument('--model', default='open', help='"open", or a hand model such as MANO_RIGHT.pkl')
    what.add_argument('--hand-length', type=float, default=0.0, help="wrist to middle knuckle, metres (0: the model's)")
    what.add_argument('--camera-info', default='', metavar='YAML', help='calibration; default: as recorded')
    what.add_argument(
        '--fov', type=float, default=60.0, help='degrees, assumed without calibration (0: none; default 60)'
    )
    what.add_argument('--rate', type=float, default=0.0, help='pictures per second of a folder (default 30) or video')
    what.add_argument('--topic', default='', help='of the pictures in a bag with several')
    what.add_argument('--camera-info-topic', default='', help='that belongs to it')
    what.add_argument(
        '--rectified',
        action='store_true',
        help='its pictures are, as image_rect: of camera info P counts, not K, D',
    )
    how = parser.add_argument_group('how')
    how.add_argument('--weights', default='default', help='"default", .safetensors, .pth or .onnx')
    how.add_argument('--backend', default='auto', choices=BACKENDS, metavar='NAME', help=', '.join(BACKENDS))
    how.add_argument('--filter', default='one_euro', choices=FILTERS, help='that steadies the hand (default one_euro)')
    how.add_argument('--pose-method', default='aik', choices=POSE_METHODS, help='(default aik)')
    how.add_argument('--shape-method', default='lm', choices=SHAPE_METHODS, help='(default lm)')
    files = parser.add_argument_group('what is written')
    files.add_argument('--outputs', default=','.join(OUTPUTS), help=f'some of {",".join(OUTPUTS)} (default: all)')
    files.add_argument('--pictures', action='store_true', help='put the pictures into the MCAP file, too')
    files.add_argument('--jpeg-quality', type=int, default=90, help='of those that are no JPEG yet (default 90)')
    files.add_argument('--meshes', default='', choices=MESH_FORMATS, help='also write the skin')
    files.add_argument('--mesh-pictures', default='all', choices=MESH_PICTURES, help='of every picture or the best one')
    where = parser.add_argument_group('several inputs at once')
    where.add_argument(
        '--jobs', type=number_from_1, default=0, help='processes, one input each (default: one per core)'
    )
    where.add_argument(
        '--ray', action='store_true', help='on a Ray cluster: one started here with --jobs workers, or …'
    )
    where.add_argument('--ray-address', default='', help='… the one at this address; auto: of $RAY_ADDRESS, or here')
    parser.add_argument(
        '--chunk', type=number_from_1, default=CHUNK, help=f'pictures from state to state (default {CHUNK})'
    )
    return parser


def _end(number: int, frame: FrameType | None) -> None:
    raise _Ended


if __name__ == '__main__':
    sys.exit(main())
