"""How far an input is, in one small file beside its results: written whole, after all it speaks of is on the disk."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from minimal_hand_core import __version__
from minimal_hand_core.data.films import pictures_in
from minimal_hand_core.detnet.checkpoint import weights_file
from minimal_hand_core.errors import first_line
from minimal_hand_core.files import write_atomically
from minimal_hand_core.inference.onnx_model import digest
from minimal_hand_core.offline.options import OfflineError, TrackOptions
from minimal_hand_core.recording import is_recording, recording_files

WORK, STATE, LOCK = '.work', 'state.json', 'lock'
"""Folder of what is unfinished, in that of the results, and the files in it."""
SUMMARY = 'summary.json'
"""In the folder of the results: what was done; there once they are complete."""
PATIENCE = 10.0
"""Seconds in which another process may let go of an input."""


@dataclass
class State:
    """How far an input is.

    Attributes:
        input: path, size and time of change of what is tracked.
        options: as TrackOptions.plain gives them.
        version: of this package.
        done: pictures that are in the parts.
        total: pictures there are, as far as is known.
        at_end: whether there are no more.
        fault: why the input ended early; '' where it did not.
        unreadable: names of pictures that could not be read, or are of another size than the calibration is for.
        misfits: how many of them are of another size.
        hands: side → pictures with that hand.
        backend: that runs the network, or ran it at first.
        replaced: which failed on the way, and why; '' when none did.
        size: (width, height) of the first picture; None before there was one.
        intrinsics: where they are from.
        unusable: why recorded intrinsics were not used, of the first picture for which they were not; '' if they were.
        seconds: spent so far.
        memory: of the tracker.
        anew: whether it was begun in place of what lay there before.
    """

    input: dict[str, Any]
    options: dict[str, Any]
    version: str = __version__
    done: int = 0
    total: int | None = None
    at_end: bool = False
    fault: str = ''
    unreadable: list[str] = field(default_factory=list)
    misfits: int = 0
    hands: dict[str, int] = field(default_factory=dict)
    backend: str = ''
    replaced: str = ''
    size: list[int] | None = None
    intrinsics: str = ''
    unusable: str = ''
    seconds: float = 0.0
    memory: bytes = b''
    anew: bool = False

    def save(self, path: Path) -> None:
        """Write it.

        Raises:
            OSError: no space or no permission; the one before is kept.
        """
        content = asdict(self) | {'memory': base64.b64encode(self.memory).decode()}
        write_atomically(path, json.dumps(content, indent=1).encode())

    def difference(self, other: State) -> str:
        """What the first thing is in which another run differs from this one; '' when nothing does."""
        for kind in ('input', 'options'):
            mine, theirs = getattr(self, kind), getattr(other, kind)
            for name in [*mine, *theirs]:
                if mine.get(name) != theirs.get(name):
                    return f'{name} was {mine.get(name)!r}, is {theirs.get(name)!r}'
        return '' if self.version == other.version else f'version was {self.version}, is {other.version}'


def load_state(path: Path) -> State | None:
    """The state in a file; None when there is none.

    Raises:
        OfflineError: it cannot be read.
    """
    try:
        content = {'anew': False, 'misfits': 0, 'unusable': ''} | json.loads(path.read_bytes())  # not in older ones
        content['options'].setdefault('rectified', False)
        content['memory'] = base64.b64decode(content.get('memory', ''))
        return State(**{each.name: content[each.name] for each in fields(State)})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OfflineError(f'{path} cannot be read ({error.strerror or error}): give another --output') from None
    except (ValueError, KeyError, TypeError) as error:
        raise OfflineError(f'{path} cannot be read ({first_line(error)}): give --overwrite to begin anew') from None


def new_state(path: Path, options: TrackOptions, anew: bool = False) -> State:
    """The state of an input of which nothing is done yet.

    Raises:
        CheckpointError: weights that are not there.
        OSError: the input cannot be looked at.
    """
    place = path.resolve()
    stats = [each.stat() for each in _files_of(place)]
    facts = {
        'path': str(place),
        'size': sum(stat.st_size for stat in stats),
        'changed': max((stat.st_mtime_ns for stat in stats), default=0),
    }
    return State(facts, options.plain() | _contents(options), hands=dict.fromkeys(options.sides, 0), anew=anew)


def _files_of(place: Path) -> list[Path]:
    """What an input is read from: results beside it in a folder are none of it."""
    if not place.is_dir():
        return [place]
    if is_recording(place):
        return recording_files(place)
    return pictures_in(place)


def _contents(options: TrackOptions) -> dict[str, str]:
    """SHA-256 of the files that the settings name: what is in them shapes the results, not what they are called."""
    config = options.tracker
    files = {'weights': weights_file(config.weights), 'model': Path(config.model)}
    files |= {'pose_weights': Path(config.pose_weights), 'shape_weights': Path(config.shape_weights)}
    files |= {'camera_info': Path(options.camera_info or '.')}
    return {f'content of {name}': digest(path) for name, path in files.items() if path.is_file()}


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Work on an input that no other process works on.

    Raises:
        OfflineError: another one does, still after PATIENCE.
        OSError: no permission.
    """
    with (work / LOCK).open('a+') as file:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    file.seek(0)
                    who = file.read().strip() or 'another process'
                    raise OfflineError(f'{work.parent} is being worked on by {who}: let it finish, or end it') from None
                time.sleep(0.1)
        file.seek(0)
        file.truncate()
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        yield
