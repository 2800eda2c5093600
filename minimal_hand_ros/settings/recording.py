"""Parameters of recorder and replay."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_ros.parameters import ParameterError, ParameterLoader
from minimal_hand_ros.settings.common import load_sides

PICTURES = ('compressed', 'raw', 'none')
STAMPS = ('original', 'continued', 'now')
_DAY = 86400.0


@dataclass(frozen=True)
class RecorderSettings:
    """Settings of recorder.

    Attributes:
        record: path of the file to record at once, or a folder, where it gets a name of its own; '' = not recording.
        folder: of the files that the service starts.
        side: 'right', 'left' or 'both', as of the tracker.
        pictures: one of PICTURES.
        jpeg_quality: where the recorder has to compress.
        markers, diagnostics: whether they are recorded too.
    """

    record: str
    folder: str
    side: str
    pictures: str
    jpeg_quality: int
    markers: bool
    diagnostics: bool


@dataclass(frozen=True)
class ReplaySettings:
    """Settings of replay.

    Attributes:
        path: of the recording.
        rate: 1 = as fast as it was recorded.
        loop: start over at the end.
        stamps: one of STAMPS.
        pictures_only: leave out everything but pictures and camera_info.
        start, end: seconds from the beginning of the recording; end 0 = all of it.
        wait_for_subscribers: do not start before somebody listens.
        paused: start paused.
    """

    path: str
    rate: float
    loop: bool
    stamps: str
    pictures_only: bool
    start: float
    end: float
    wait_for_subscribers: bool
    paused: bool


def load_recorder_settings(load: ParameterLoader) -> RecorderSettings:
    """The parameters of recorder."""
    return RecorderSettings(
        record=load.text(
            'record',
            '',
            'path of the .mcap file to record at once, or of a folder, where the file is named by the time; '
            "'': nothing is recorded before the service is called",
        ),
        folder=load.text('folder', '.', 'of the files that the service starts', may_be_empty=False, live=True),
        side=load_sides(load),
        pictures=load.choice(
            'pictures',
            'compressed',
            PICTURES,
            'compressed: as they are published, or compressed here where they are published raw alone; '
            'raw: as they are published raw, about 28 MB per second at 640×480 and 30 Hz',
        ),
        jpeg_quality=load.integer('jpeg_quality', 90, 1, 100, 'of pictures that are compressed here', live=True),
        markers=load.flag('markers', False, 'record the markers too, which can be made from the pose'),
        diagnostics=load.flag('diagnostics', True, 'record /diagnostics too'),
    )


def load_replay_settings(load: ParameterLoader) -> ReplaySettings:
    """The parameters of replay."""
    start = load.number('start', 0.0, 0.0, _DAY, 'seconds from the beginning at which to start')
    end = load.number('end', 0.0, 0.0, _DAY, 'seconds from the beginning at which to end; 0: at the end')
    if 0 < end <= start:
        raise ParameterError(f"parameter 'end' is {end:g}: give more seconds than start, which is {start:g}, or 0")
    return ReplaySettings(
        path=load.text('path', '', 'of the recording: an .mcap file or a rosbag2 folder'),
        rate=load.number('rate', 1.0, 0.01, 100.0, 'how many times as fast as it was recorded', live=True),
        loop=load.flag('loop', False, 'start over at the end', live=True),
        stamps=load.choice(
            'stamps',
            'original',
            STAMPS,
            'original: as recorded, also where a loop starts over; continued: later rounds of a loop go on behind the '
            'one before; now: the first picture has the time at which it is replayed',
        ),
        pictures_only=load.flag('pictures_only', False, 'replay nothing but pictures and camera_info, for a tracker'),
        start=start,
        end=end,
        wait_for_subscribers=load.flag(
            'wait_for_subscribers',
            False,
            'start once all pictures, or where there are none all topics, are listened to',
        ),
        paused=load.flag('paused', False, 'start paused; the service pause lets it go'),
    )
