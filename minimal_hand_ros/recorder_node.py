"""recorder: pictures and all that was made of them into an MCAP file.

Subscribes:
    image_raw/compressed  sensor_msgs/CompressedImage  pictures
    image_raw             sensor_msgs/Image            in its place with pictures:=raw; and where nobody publishes
                                                       compressed ones, which are then made here
    camera_info           sensor_msgs/CameraInfo       intrinsics
    hand/keypoints        minimal_hand_ros/HandKeypoints  what the network saw
    hand/shape            minimal_hand_ros/HandShape (latched)  bones and size
    hand/pose             minimal_hand_ros/HandPose    the hand
    hand/wrist            geometry_msgs/PoseWithCovarianceStamped  its wrist
    hand/joint_states     sensor_msgs/JointState       its angles
    hand/markers          visualization_msgs/MarkerArray  with markers:=true
    hand/truth            minimal_hand_ros/HandPose    of a rendered hand
    /tf                   tf2_msgs/TFMessage           frames
    /tf_static            tf2_msgs/TFMessage (latched)  frames that do not move
    /diagnostics          diagnostic_msgs/DiagnosticArray  unless diagnostics:=false

Publishes:
    /diagnostics          diagnostic_msgs/DiagnosticArray  how the node is, once per second

Services:
    record                std_srvs/SetBool             true: start a file named by the time; false: close it; the answer
                                                       names the file

With side:=both there is right_hand/… and left_hand/… in place of hand/…. It subscribes only while it records.

Parameters: see RecorderSettings in settings/recording.py. Lifecycle: see lifecycle.py.

No file is ever overwritten. A disk that is full, or gone, ends the recording with one error and keeps what was written;
the node goes on and can start another one. SIGINT, SIGTERM and deactivation close the file properly.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from minimal_hand_core.errors import one_line
from minimal_hand_core.recording import RecordingError, RecordingExistsError, RecordingWriter
from minimal_hand_core.tracking import PictureError
from minimal_hand_ros import health
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.health import Level
from minimal_hand_ros.images import compressed_message, picture_from_image
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.recorded_topics import COMPRESSED_PICTURES, RecordedTopic, Tap, outputs, pictures, type_name
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import RecorderSettings, load_recorder_settings
from minimal_hand_ros.work_statistics import Statistics

SERVICE = 'record'
_CHECK_PERIOD = 0.5
_NO_TIME = 'there is no time from /clock'


class RecorderWork(Work[RecorderSettings]):
    """Writes what it hears while there is a file.

    Args:
        node: of it.
        settings: of the node.
        begun: what `record` stood for when it was recorded at once; lasts longer than this, and is added to.
    """

    def __init__(self, node: ManagedNode, settings: RecorderSettings, begun: set[str]) -> None:
        self._node, self._settings, self._begun_at_once = node, settings, begun
        self._writer: RecordingWriter | None = None
        self._taps: list[Tap] = []
        self._pictures: Tap | None = None
        self._held: dict[tuple[str, str], deque[bytes]] = {}
        self._begun = 0.0
        self._failure = ''
        self._reset()

    def start(self) -> None:
        """Serve, and record if that is wanted at once; the first time only, also after a cleanup: the file exists."""
        self._node.active.service(SetBool, SERVICE, self._serve)
        self._node.active.timer(_CHECK_PERIOD, self._tick)
        record = self._settings.record
        if record and record not in self._begun_at_once:
            self._begin(_open(record))
            self._begun_at_once.add(record)

    def stop(self) -> None:
        """Close the file."""
        self._end()

    def close(self) -> None:
        """Close the file, should a start have failed half way."""
        self._end()

    def change(self, settings: RecorderSettings) -> None:
        """Take another folder or quality."""
        self._settings = settings

    def report(self) -> Report:
        """How things are."""
        summary = self._statistics.summary(self._drops.reasons)
        if self._writer is None:
            level = Level.ERROR if self._failure else Level.OK
            return Report(level, self._failure or 'not recording', health.values(summary, 'messages'))
        level, message = health.judge(summary, 'messages', 'recording')
        values = {
            'file': str(self._writer.path),
            'seconds': f'{time.monotonic() - self._begun:.0f}',
            'messages written': str(self._writer.messages),
            'bytes written': str(self._writer.size),
        }
        return Report(level, message, values | health.values(summary, 'messages'))

    def _reset(self) -> None:
        self._drops = DropCounter('message', self._node.get_logger().warning)
        self._statistics = Statistics()

    def _serve(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success, response.message = self._begin_by_name() if request.data else self._end_by_request()
        return response

    def _begin_by_name(self) -> tuple[bool, str]:
        if self._writer is not None:
            return True, f'already recording {self._writer.path}'
        try:
            return True, f'recording {self._begin(_named_by_time(Path(self._settings.folder).expanduser()))}'
        except RecordingError as error:
            self._failure = one_line(error)
            self._node.get_logger().error(self._failure)
            return False, self._failure

    def _end_by_request(self) -> tuple[bool, str]:
        writer = self._writer
        if writer is None:
            return not self._failure, self._failure or 'not recording'
        self._end()
        return (False, self._failure) if self._failure else (True, f'{writer.path}: {writer.messages} messages')

    def _begin(self, writer: RecordingWriter) -> Path:
        """Listen; returns the absolute path of the file."""
        self._writer = writer
        self._failure = ''
        self._begun = time.monotonic()
        self._reset()
        for topic in outputs(self._settings):
            self._taps.append(self._tap(topic))
        self._follow_publishers()
        self._node.get_logger().info(f'recording {writer.path}')
        return writer.path

    def _end(self) -> None:
        """Listen no more and close the file; what cannot be is told in the log and kept as the failure."""
        for tap in self._taps:
            tap.close()
        self._taps, self._pictures = [], None
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            if writer.open:
                self._write_held(writer, self._now())
            writer.close()
        except RecordingError as error:
            self._failure = one_line(error)
        left, self._held = sum(map(len, self._held.values())), {}
        if self._failure:
            self._node.get_logger().error(self._failure)
            return
        for _ in range(left):
            self._drop(_NO_TIME)
        seconds = time.monotonic() - self._begun
        self._node.get_logger().info(
            f'recorded {writer.path}: {writer.messages} messages in {seconds:.1f} s, {writer.size / 1e6:.1f} MB, '
            f'{self._drops.count} dropped'
        )

    def _tick(self) -> None:
        if self._writer is None:
            return
        self._follow_publishers()
        try:
            self._write_held(self._writer, self._now())
            # what came last must not wait in memory for the next message
            self._writer.flush()
        except RecordingError as error:
            self._fail(error)

    def _fail(self, error: RecordingError) -> None:
        self._failure = one_line(error)
        self._end()

    def _follow_publishers(self) -> None:
        for tap in self._taps:
            tap.follow()
        wanted = pictures(self._node, self._settings.pictures)
        if wanted is None or (self._pictures is not None and self._pictures.topic == wanted):
            return
        if self._pictures is not None:
            self._pictures.close()
            self._taps.remove(self._pictures)
        self._pictures = self._tap(wanted)
        self._taps.append(self._pictures)

    def _tap(self, topic: RecordedTopic) -> Tap:
        if topic.kind is Image and self._settings.pictures == 'compressed':
            return Tap(self._node, topic, self._take_raw_picture, raw=False)
        name = self._node.resolve_topic_name(topic.name)
        tap = Tap(self._node, topic, lambda data: self._take(tap, name, topic.type_name, data))
        return tap

    def _take_raw_picture(self, message: Image) -> None:
        tap = self._pictures
        if self._writer is None or tap is None:
            return
        try:
            picture = picture_from_image(message)
            small = compressed_message(message.header, picture, self._settings.jpeg_quality)
        except PictureError as error:
            self._statistics.arrived()
            self._drop(error)
            return
        name = self._node.resolve_topic_name(COMPRESSED_PICTURES)
        self._take(tap, name, type_name(CompressedImage), serialize_message(small))

    def _take(self, tap: Tap, name: str, kind: str, data: bytes) -> None:
        writer = self._writer
        if writer is None:  # was waiting for its turn when the recording ended
            return
        start = time.perf_counter()
        self._statistics.arrived()
        now = self._now()
        try:
            writer.add_topic(name, kind, tap.offer())
            if now:
                self._write_held(writer, now)
                writer.write(name, kind, data, now)
            else:
                self._hold(name, kind, data, tap.offer().depth)
        except RecordingError as error:
            self._fail(error)
            return
        self._statistics.answered({'write': time.perf_counter() - start})

    def _now(self) -> int:
        """Nanoseconds; 0 while simulated time is awaited."""
        return self._node.get_clock().now().nanoseconds

    def _hold(self, name: str, kind: str, data: bytes, most: int) -> None:
        """Keep a message until there is a time, of each topic the newest: with the time 0, the file would last from
        1970 until now."""
        self._node.get_logger().warning(f'{_NO_TIME} yet: what comes is written once there is', once=True)
        held = self._held.setdefault((name, kind), deque(maxlen=most))
        if len(held) == most:
            self._drop(_NO_TIME)
        held.append(data)

    def _write_held(self, writer: RecordingWriter, now: int) -> None:
        """Write what was held back, once there is a time.

        Raises:
            RecordingError: it cannot be written.
        """
        if now:
            for (name, kind), held in self._held.items():
                for data in held:
                    writer.write(name, kind, data, now)
            self._held.clear()

    def _drop(self, reason: object) -> None:
        self._statistics.dropped()
        self._drops.drop(reason)


def _open(record: str) -> RecordingWriter:
    """A new file, the one that the parameter record stands for.

    Raises:
        RecordingError: it exists, or it or its folder cannot be made.
    """
    path = Path(record).expanduser()
    return _named_by_time(path) if path.is_dir() or record.endswith('/') else RecordingWriter(path.absolute())


def _named_by_time(folder: Path) -> RecordingWriter:
    """A new file in the folder, which is made: called by the time, with a number behind it where that name is taken.

    Raises:
        RecordingError: it or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f'folder {folder.absolute()} cannot be made: {error.strerror}; give one that may be written to'
        ) from None
    stem = f'hand_{datetime.now():%Y-%m-%d_%H-%M-%S}'
    name, number = stem, 1
    while True:
        try:
            # and not looked up before, as another recorder may take the name in between
            return RecordingWriter(folder.absolute() / f'{name}.mcap')
        except RecordingExistsError:
            number += 1
            name = f'{stem}_{number}'


class RecorderNode(ManagedNode[RecorderSettings]):
    """recorder."""

    def __init__(self, **options: Any) -> None:
        begun: set[str] = set()  # not of the work, which a cleanup drops
        super().__init__(
            'recorder', load_recorder_settings, lambda node, settings: RecorderWork(node, settings, begun), **options
        )


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable recorder."""
    return run_node('recorder', RecorderNode, args)


if __name__ == '__main__':
    sys.exit(main())
