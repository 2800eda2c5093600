"""A long run of camera_node and tracker, its latency, lost pictures and memory: `make soak`.

The clip is rendered before, so that drawing costs the run nothing, and goes forward and back, so that it has no jump.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo
from tf2_msgs.msg import TFMessage

from minimal_hand_core.data.rendered import rendered_hand_length
from minimal_hand_core.data.synthetic import RenderedScene
from minimal_hand_ros.demo.endurance import Limits, Run, calm_part, judge, part
from minimal_hand_ros.demo.film import FilmError
from minimal_hand_ros.demo.processes import NodeGroup
from minimal_hand_ros.demo.session import START_PATIENCE, listening, run_session, seconds_between
from minimal_hand_ros.files import shared_file
from minimal_hand_ros.large_pictures import large_pictures
from minimal_hand_ros.msg import HandKeypoints
from minimal_hand_ros.stamps import to_nanoseconds

RATE = 30.0
SEED = 3
CLIP = 5.0
"""Seconds of the clip, one way."""
WARM_UP = 2.0
"""Seconds that are not counted, from the first TF on."""
LAST_ANSWERS = 1.0
"""Seconds that pictures have to be answered in after the end."""
_DEEP = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
_PAGE = os.sysconf('SC_PAGE_SIZE')


class Listener(Node):
    """Keeps when which picture was sent, answered and turned into TF; stamps in nanoseconds."""

    def __init__(self) -> None:
        super().__init__('soak')
        self.sent: list[int] = []
        self.answered: set[int] = set()
        self.transformed: dict[int, float] = {}
        self._stages: dict[str, list[tuple[float, float]]] = {}
        self.create_subscription(CameraInfo, 'camera_info', self._take_info, _DEEP)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._take_diagnostics, _DEEP)
        self.create_subscription(HandKeypoints, 'hand/keypoints', self._take_keypoints, _DEEP)
        # As bytes: to make Python objects of them takes longer than to send them, and is no part of their way.
        self.create_subscription(TFMessage, '/tf', self._take_transforms, _DEEP, raw=True)

    def run(
        self, marks: list[tuple[int, float]], memory: list[tuple[float, float]], processor: dict[str, float]
    ) -> Run:
        """What was seen of the pictures with stamps between the first and the last mark.

        Args:
            marks: (nanoseconds, share of the processors that was stolen since the mark before), about one per second.
            memory: as of Run, as pairs.
            processor: seconds by process in that time.
        """
        seen = self.sent, self.answered, self.transformed
        sent, lost, latencies = part([(marks[0][0], marks[-1][0])], *seen)
        stages = {name: tuple(np.median(pairs, axis=0).tolist()) for name, pairs in self._stages.items()}
        each = {name: seconds / max(sent, 1) for name, seconds in processor.items()}
        return Run(sent, lost, latencies, np.array(memory).reshape(-1, 2), stages, each, calm_part(marks, *seen))

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {each.key: each.value for each in status.values} if status.name.startswith('tracker:') else {}
            for key, value in values.items():
                name, found, _ = key.partition(' p50 (ms)')
                if found:
                    pair = float(value), float(values[f'{name} p95 (ms)'])
                    self._stages.setdefault(name.removesuffix(' latency'), []).append(pair)

    def _take_info(self, message: CameraInfo) -> None:
        self.sent.append(to_nanoseconds(message.header.stamp))

    def _take_keypoints(self, message: HandKeypoints) -> None:
        self.answered.add(to_nanoseconds(message.header.stamp))

    def _take_transforms(self, data: bytes) -> None:
        now = time.time_ns()
        stamp = to_nanoseconds(deserialize_message(data, TFMessage).transforms[0].header.stamp)
        self.transformed[stamp] = (now - stamp) * 1e-9


def main(args: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 when all limits were kept, 1 when not."""
    options = _parse(args)
    return run_session('soak', options.domain, partial(_run, options))


def _run(options: argparse.Namespace) -> int:
    limits = Limits(options.p50 * 1e-3, options.p99 * 1e-3, options.lost, options.drift * 1e6, options.found * 1e-2)
    with tempfile.TemporaryDirectory() as folder:
        print('rendering the clip', flush=True)
        video, calibration, hand_length = write_clip(Path(folder), CLIP)
        run = _watch(options, video, calibration, hand_length)
    good, lines = judge(run, limits)
    print('\n'.join(lines))
    return 0 if good else 1


def write_clip(folder: Path, seconds: float) -> tuple[Path, Path, float]:
    """A rendered hand, forward and back, as a video and a calibration file; and the length of the hand, metres.

    Raises:
        FilmError: the video cannot be written.
    """
    scene = RenderedScene(SEED)
    height, width = scene.size
    pictures = [scene.frame(number / RATE)[0] for number in range(int(seconds * RATE))]
    video, calibration = folder / 'clip.mp4', folder / 'camera.yaml'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*'mp4v'), RATE, (width, height))
    if not writer.isOpened():
        raise FilmError(f'{video} cannot be written: no space, or no MPEG-4 encoder')
    for picture in [*pictures, *pictures[-2:0:-1]]:
        writer.write(picture)
    writer.release()
    k = ', '.join(f'{value:.9g}' for value in np.asarray(scene.intrinsics, float).reshape(-1))
    calibration.write_text(
        f'image_width: {width}\nimage_height: {height}\ncamera_name: rendered\n'
        f'camera_matrix: {{rows: 3, cols: 3, data: [{k}]}}\ndistortion_model: plumb_bob\n'
        'distortion_coefficients: {rows: 1, cols: 5, data: [0.0, 0.0, 0.0, 0.0, 0.0]}\n'
    )
    return video, calibration, rendered_hand_length(seed=SEED)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f'/proc/{pid}/statm').read_text().split()[1]) * _PAGE


def processor_seconds(pid: int) -> float:
    """What a process has had of the processor, all its threads together."""
    after_name = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf('SC_CLK_TCK')


def stolen_seconds() -> float:
    """What a hypervisor has given to others of this machine's processors since it started, per processor."""
    fields = Path('/proc/stat').read_text().split('\n', 1)[0].split()
    return int(fields[8]) / os.sysconf('SC_CLK_TCK') / (os.cpu_count() or 1)


def _parse(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='soak', description='Run camera_node and tracker for long and judge the run.')
    parser.add_argument('--duration', type=seconds_between(5, 7 * 86400), default=600.0, help='seconds')
    parser.add_argument('--backend', default='auto', help='inference engine')
    parser.add_argument('--p50', type=float, default=20.0, help='limit of picture→TF, ms')
    parser.add_argument('--p99', type=float, default=33.0, help='limit of picture→TF, ms')
    parser.add_argument('--lost', type=int, default=0, help='limit of lost pictures')
    parser.add_argument('--drift', type=float, default=5.0, help='limit of the growth of memory, MB')
    parser.add_argument('--found', type=float, default=95.0, help='limit of the pictures with a hand found, percent')
    parser.add_argument('--domain', type=int, default=None, help='ROS_DOMAIN_ID; chosen at random if not given')
    return parser.parse_args(args)


def _watch(options: argparse.Namespace, video: Path, calibration: Path, hand_length: float) -> Run:
    with NodeGroup() as group:
        camera = {'source': str(video), 'camera_info': str(calibration), 'rate': RATE}
        profile = large_pictures(shared_file('config/fastdds_large_images.xml'))
        group.start('camera_node', 'minimal_hand_ros.camera_node', camera, profile)
        tracker = {'backend': options.backend, 'hand_length': hand_length}
        group.start('tracker', 'minimal_hand_ros.tracker_node', tracker)
        processors = len(os.sched_getaffinity(0))
        print(
            f'started camera_node and tracker on ROS_DOMAIN_ID {os.environ["ROS_DOMAIN_ID"]}, {processors} processors',
            flush=True,
        )
        with listening(Listener) as (listener, executor):
            return _listen(listener, executor, group, options.duration)


def _listen(listener: Listener, executor: SingleThreadedExecutor, group: NodeGroup, duration: float) -> Run:
    began = time.monotonic()
    while not listener.transformed:
        executor.spin_once(timeout_sec=0.1)
        group.check()
        if time.monotonic() - began > START_PATIENCE:
            raise ValueError(f'no TF in {START_PATIENCE:g} s: the machine is overloaded')
    _spin(executor, WARM_UP)
    pid = next(node.pid for node in group.nodes if node.name == 'tracker')
    memory: list[tuple[float, float]] = []
    before = {node.name: processor_seconds(node.pid) for node in group.nodes}
    marks = [(time.time_ns(), 0.0)]
    began, stolen = time.monotonic(), stolen_seconds()
    next_line = 0.0
    while (passed := time.monotonic() - began) < duration:
        group.check()
        memory.append((passed, float(resident_bytes(pid))))
        if passed >= next_line:
            print(f'{passed:6.0f} s  {len(listener.sent)} pictures, tracker {memory[-1][1] / 1e6:.1f} MB', flush=True)
            next_line += 30
        _spin(executor, min(1.0, duration - passed))
        now, stolen_now = time.time_ns(), stolen_seconds()
        marks.append((now, (stolen_now - stolen) / max(1e-9 * (now - marks[-1][0]), 1e-3)))
        stolen = stolen_now
    used = {node.name: processor_seconds(node.pid) - before[node.name] for node in group.nodes}
    _spin(executor, LAST_ANSWERS)
    return listener.run(marks, memory, used)


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


if __name__ == '__main__':
    sys.exit(main())
