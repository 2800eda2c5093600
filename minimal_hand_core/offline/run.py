"""One input, tracked from wherever it was left to its end.

Results are made in chunks of pictures. A chunk counts once all its parts are on the disk; then the state is written,
with the tracker's memory. Killed at any moment, the same call goes on from the last state, and what comes out is what
would have come out without the interruption. At the end the parts are joined, and the work folder goes.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from minimal_hand_core.data.calibration import camera_from_field_of_view, load_calibration
from minimal_hand_core.files import write_atomically
from minimal_hand_core.offline.inputs import Frame, InputError, PictureInput, VideoInput, open_input
from minimal_hand_core.offline.options import OfflineError, TrackOptions
from minimal_hand_core.offline.outputs import Output, create_outputs
from minimal_hand_core.offline.outputs.meshes import FOLDER as MESHES
from minimal_hand_core.offline.outputs.meshes import remove_meshes
from minimal_hand_core.offline.state import LOCK, STATE, SUMMARY, WORK, State, alone, load_state, new_state
from minimal_hand_core.offline.tracking import OfflineTracker
from minimal_hand_core.tracking import CameraModel

OURS = (SUMMARY, 'hands.npz', 'hands.csv', 'hands.mp4', 'hands.mcap', MESHES, WORK)
"""What lies in the folder of an input's results; nothing else in it is ever removed."""

Report = Callable[[int, int | None], None]
"""Told how many pictures are done, of how many, after every one."""
_ASSUMED = 'assumed, '


@dataclass(frozen=True)
class Task:
    """What is to be done with one input.

    Attributes:
        path: of the input.
        folder: of its results.
        options: how.
        overwrite: begin anew whatever lies there, but for what an earlier call with it left unfinished: that goes on.
    """

    path: Path
    folder: Path
    options: TrackOptions
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes:
        path: of the input.
        folder: of the results.
        pictures: that were tracked, those that could not be read included.
        hands: side → pictures with that hand.
        tracked: pictures of this sitting.
        seconds: of this sitting.
        loading: seconds of it before the first picture.
        backend: what runs the network.
        files: results.
        fault: why the results are not complete, or there are none; '' when all went well.
        notes: what one should know besides.
        already: whether all was there before.
    """

    path: Path
    folder: Path
    pictures: int = 0
    hands: tuple[tuple[str, int], ...] = ()
    tracked: int = 0
    seconds: float = 0.0
    loading: float = 0.0
    backend: str = ''
    files: tuple[Path, ...] = ()
    fault: str = ''
    notes: tuple[str, ...] = ()
    already: bool = False


def track_input(task: Task, report: Report = lambda done, total: None) -> Outcome:
    """Track one input and write its results, from where an earlier call was interrupted.

    Args:
        task: what is to be done.
        report: called after every picture; what it raises ends the work, which can be taken up again.

    Returns:
        what became of it; an input that ends early, where there should be more, is named in `fault`, and what it gave
        is in the results.

    Raises:
        OfflineError: no pictures; results of another run lie there; another process is at work there.
        CameraError, EngineError, CheckpointError, ValueError: as of the tracker.
        OSError: results cannot be written; what was written before is kept and taken up by the next call.
    """
    started = time.monotonic()
    source = open_input(task.path, task.options)
    wanted = new_state(task.path, task.options, anew=task.overwrite)
    finished = None if task.overwrite else load_state(task.folder / SUMMARY)
    if finished is not None:
        return _found(task, finished, wanted)
    _check_free(task)
    work = task.folder / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise OfflineError(f'{work} cannot be made ({error.strerror}): give another --output') from None
    with alone(work):
        # without the folder of its work, what lies there was finished by another process while this one waited
        if task.overwrite and work.exists() and not _goes_on(task.folder, wanted):
            _remove(task.folder)
        finished = load_state(task.folder / SUMMARY)
        if finished is not None:
            return _found(task, finished, wanted)
        state = load_state(work / STATE) or wanted
        _check_same(task, state, wanted)
        before = state.done
        run = _Run(task, source, state, work)
        loading = time.monotonic() - started
        run.track(report, started)
        files = run.join()
        shutil.rmtree(work, ignore_errors=True)
    sitting = {'tracked': state.done - before, 'seconds': time.monotonic() - started, 'loading': loading}
    return _outcome(task, state, files, **sitting)


class _Run:
    """One sitting of an input."""

    def __init__(self, task: Task, source: PictureInput, state: State, work: Path) -> None:
        self._task, self._options, self._source, self._state, self._work = task, task.options, source, state, work
        self._calibration = load_calibration(task.options.camera_info) if task.options.camera_info else None
        self._tracker = OfflineTracker(task.options, state.backend)
        if state.memory:
            self._tracker.recall(state.memory)
        if state.backend and state.backend != self._tracker.backend:
            raise OfflineError(
                f'{work.parent} was begun with backend {state.backend}, which does not run any more: '
                f'remove {work} to begin anew'
            )
        state.backend = self._tracker.backend
        self._outputs: list[Output] = []

    def track(self, report: Report, started: float) -> None:
        """Track what is left."""
        state, spent = self._state, self._state.seconds
        state.total = self._source.count
        frames = self._frames()
        if not state.at_end:
            report(state.done, state.total)
        while not state.at_end:
            before = (state.done, list(state.unreadable), state.misfits, dict(state.hands))
            try:
                self._chunk(frames, report)
            except BaseException:
                state.done, state.unreadable, state.misfits, state.hands = before
                for output in self._outputs:
                    output.drop()
                raise
            state.seconds = spent + time.monotonic() - started
            state.replaced = self._tracker.replaces or state.replaced
            state.memory = self._tracker.remember()
            state.save(self._work / STATE)
        if state.size is None and state.misfits:
            raise self._all_misfit()
        if state.size is None:
            raise InputError(state.fault or f'{self._source.path}: not one of {state.done} pictures can be read')

    def join(self) -> list[Path]:
        """Make the results of the parts, and the summary, which says that they are complete."""
        state, folder = self._state, self._task.folder
        parts = [self._part(start) for start in range(0, state.done, self._options.chunk)]
        self._create_outputs()
        files = [file for output in self._outputs for file in output.join(parts, folder)]
        content = {key: value for key, value in asdict(state).items() if key != 'memory'}
        write_atomically(folder / SUMMARY, json.dumps(content | {'memory': ''}, indent=1).encode())
        return files

    def _frames(self) -> Iterator[Frame]:
        """The pictures that are left; where the input ends early, that is written down."""
        try:
            yield from self._source.frames(self._state.done)
        except InputError as error:
            self._state.fault = str(error)

    def _chunk(self, frames: Iterator[Frame], report: Report) -> None:
        """Track the pictures of the next chunk and finish its parts."""
        state, begun = self._state, False
        count = 0
        for frame in islice(frames, self._options.chunk):
            count += 1
            misfit = self._misfit(frame)
            if frame.image is None:
                state.unreadable.append(frame.name)
            elif misfit:
                state.unreadable.append(f'{frame.name}: {misfit}')
                state.misfits += 1
                if isinstance(self._source, VideoInput) and state.size is None:  # the others have the same size
                    raise self._all_misfit()
            else:
                if state.size is None:
                    state.size = [frame.image.shape[1], frame.image.shape[0]]
                if not begun:
                    self._begin(state.done)
                    begun = True
                tracked = self._tracker.track(frame, self._camera(frame))
                for side, hand in tracked.hands.items():
                    state.hands[side] += hand.state is not None
                for output in self._outputs:
                    output.add(tracked)
            report(state.done + count, state.total)
        if not begun and count:
            self._begin(state.done)
        if count:
            for output in self._outputs:
                output.end()
        if state.size is None:
            self._outputs = []  # made for another size than the film will have
        state.done += count
        state.at_end = count < self._options.chunk

    def _misfit(self, frame: Frame) -> str:
        """Why a picture does not belong to the calibration that was given; '' when it does."""
        if frame.image is None or self._calibration is None:
            return ''
        return self._calibration.size_mismatch(frame.image.shape[1], frame.image.shape[0])

    def _all_misfit(self) -> InputError:
        """The error for an input of which no picture belongs to the calibration; with another one it begins anew."""
        assert self._calibration is not None
        (self._work / STATE).unlink(missing_ok=True)
        return InputError(
            f'{self._source.path}: not one picture is {self._calibration.width}×{self._calibration.height}, which '
            f'camera info {self._options.camera_info} is for ({self._state.unreadable[0]}): give that of these pictures'
        )

    def _begin(self, start: int) -> None:
        self._create_outputs()
        for output in self._outputs:
            output.begin(self._part(start))

    def _create_outputs(self) -> None:
        """For a film of the first picture's size; while that is not known, for parts without a picture."""
        if not self._outputs:
            width, height = self._state.size or (640, 480)
            about = {'input': self._state.input, 'options': self._state.options, 'version': self._state.version}
            self._outputs = create_outputs(
                self._options, self._tracker, self._task.folder, self._source.rate, (width, height), about
            )

    def _part(self, start: int) -> Path:
        return self._work / f'{start:08d}'

    def _camera(self, frame: Frame) -> CameraModel | None:
        """The calibration that was given, else what the input knows, else the assumed field of view."""
        assert frame.image is not None
        camera, told = self._calibration, self._options.camera_info
        if camera is None and frame.camera is not None:
            camera, told = frame.camera, 'recorded'
        elif camera is None and self._options.fov:
            height, width = frame.image.shape[:2]
            camera = camera_from_field_of_view(width, height, self._options.fov)
            told = f'{_ASSUMED}{self._options.fov:g}° wide'
        if self._calibration is None and frame.unusable and not self._state.unusable:
            self._state.unusable = f'picture {frame.number + 1}: {frame.unusable}'
        if told.startswith(_ASSUMED) and self._state.intrinsics:
            self._state.intrinsics = told  # pictures whose intrinsics do not fit them must not pass for measured
        self._state.intrinsics = self._state.intrinsics or told or 'none'
        return camera


def _found(task: Task, finished: State, wanted: State) -> Outcome:
    """Results that are complete: those that are wanted, or of something else."""
    _check_same(task, finished, wanted)
    files = [path for path in (task.folder / name for name in OURS) if path.exists()]
    return _outcome(task, finished, files, already=True)


def _check_same(task: Task, state: State, wanted: State) -> None:
    difference = state.difference(wanted)
    if difference:
        raise OfflineError(
            f'{task.folder} holds results of another run ({difference}): '
            'give another --output, the settings of before, or --overwrite'
        )


def _check_free(task: Task) -> None:
    """Nothing may be overwritten that is not known to be ours, unless that is asked for."""
    folder = task.folder
    if folder.exists() and not folder.is_dir():
        raise OfflineError(f'{folder} is a file: give another --output')
    if task.overwrite or (folder / WORK).exists():
        return
    there = [name for name in OURS if (folder / name).exists()]
    if there:
        raise OfflineError(f'{folder} holds {", ".join(there)}, of no run: give another --output, or --overwrite')


def _goes_on(folder: Path, wanted: State) -> bool:
    """Whether an unfinished run lies there that was begun anew, of the same input and settings."""
    if (folder / SUMMARY).exists():
        return False
    try:
        state = load_state(folder / WORK / STATE)
    except OfflineError:
        return False
    return state is not None and state.anew and not state.difference(wanted)


def _remove(folder: Path) -> None:
    """Remove all that is ours, but for the lock, which is held; first the state, which speaks of the rest."""
    work = folder / WORK
    unfinished = [path for path in work.iterdir() if path.name not in (STATE, LOCK)]
    for path in [work / STATE, *unfinished, *(folder / name for name in OURS if name != WORK)]:
        if path.name == MESHES:
            remove_meshes(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _outcome(task: Task, state: State, files: list[Path], **more: Any) -> Outcome:
    notes = [state.replaced] if state.replaced else []
    if state.unusable:
        notes.append(f'recorded camera info was not used ({state.unusable})')
    for side, count in state.hands.items():
        if not count:
            notes.append(f'no {side} hand was seen in {state.done} pictures')
    if state.intrinsics.startswith(_ASSUMED):
        notes.append(f'intrinsics {state.intrinsics}; distances are as good as that: give --camera-info')
    fault = state.fault
    if state.unreadable and not fault:
        listed = '; '.join(state.unreadable[:3]) + (' …' if len(state.unreadable) > 3 else '')
        verb = 'tracked' if state.misfits else 'read'
        fault = f'{len(state.unreadable)} of {state.done} pictures could not be {verb}: {listed}'
    return Outcome(
        task.path,
        task.folder,
        pictures=state.done,
        hands=tuple(state.hands.items()),
        backend=state.backend,
        files=tuple(files),
        fault=fault,
        notes=tuple(notes),
        **more,
    )
