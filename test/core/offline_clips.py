"""Short clips of a hand of dots, as every kind of input, and the results of tracking them beside each other."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from fake_engine import DotEngine, paint, placed

from minimal_hand_core.offline import TrackOptions
from minimal_hand_core.recording import Recording, RecordingWriter
from minimal_hand_core.tracking import HandTrackerConfig

COUNT = 34
SIZE = (240, 320)
RATE = 30.0
ABSENT = range(20, 24)
K = [300.0, 0, 159.5, 0, 300, 119.5, 0, 0, 1]
FILES = ('hands.npz', 'hands.csv', 'hands.mp4', 'hands.mcap')


class NamedDotEngine(DotEngine):
    """With the name that a network's engine has."""

    backend = 'torch'
    replaces = ''


def clip_picture(number: int) -> np.ndarray:
    """(240, 320, 3): a hand that moves, and is away for some pictures."""
    if number in ABSENT:
        return paint(None, SIZE)
    return paint(placed((150 + 2 * number, 120 + 20 * np.sin(number / 5)), 45), SIZE)


def write_video(path: Path, count: int = COUNT) -> Path:
    # Motion JPEG, which keeps small dots
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), RATE, SIZE[::-1])
    assert writer.isOpened()
    for number in range(count):
        writer.write(clip_picture(number))
    writer.release()
    return path


def write_folder(path: Path, count: int = COUNT) -> Path:
    path.mkdir()
    for number in range(count):
        assert cv2.imwrite(str(path / f'{number:04d}.png'), clip_picture(number))
    return path


def write_bag(path: Path, count: int = COUNT, start: int = 1_700_000_000_000_000_000) -> Path:
    with RecordingWriter(path) as writer:
        for number in range(count):
            stamp = start + number * 33_333_333
            head = {'stamp': dict(zip(('sec', 'nanosec'), divmod(stamp, 10**9))), 'frame_id': 'eye'}
            info = {'header': head, 'width': SIZE[1], 'height': SIZE[0], 'k': K, 'distortion_model': 'plumb_bob'}
            writer.write('/camera_info', 'sensor_msgs/msg/CameraInfo', info, stamp)
            data = cv2.imencode('.jpg', clip_picture(number))[1].tobytes()
            picture = {'header': head, 'format': 'jpeg', 'data': data}
            writer.write('/image_raw/compressed', 'sensor_msgs/msg/CompressedImage', picture, stamp)
    return path


def options(**more) -> TrackOptions:
    """Small chunks, so that a short clip has several."""
    return TrackOptions(HandTrackerConfig(backend='torch', check_side=False), **{'chunk': 8, **more})


def messages(path: Path) -> list[tuple[str, str, bytes, int]]:
    with Recording(path) as recording:
        return [tuple(message) for message in recording.raw_messages()]


def pictures_of(path: Path) -> list[np.ndarray]:
    capture, found = cv2.VideoCapture(str(path)), []
    while True:
        read, picture = capture.read()
        if not read:
            return found
        found.append(picture)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def assert_same_results(one: Path, other: Path) -> None:
    """Table, text, film and recording of two folders are equal."""
    for name in ('hands.npz', 'hands.csv'):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert messages(one / 'hands.mcap') == messages(other / 'hands.mcap')
    first, second = pictures_of(one / 'hands.mp4'), pictures_of(other / 'hands.mp4')
    assert len(first) == len(second) > 0
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
