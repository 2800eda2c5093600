"""What a tracker makes of cameras, clocks and messages as they are in the field, over DDS."""

from __future__ import annotations

import copy
import signal
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from conftest import NOISE, PATIENCE  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from minimal_hand_ros.msg import HandKeypoints, HandPose  # noqa: E402
from rclpy.qos import QoSProfile  # noqa: E402
from rendered_truth import FRAME, PERIOD, header, keypoints  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.shape import HandShape  # noqa: E402
from minimal_hand_core.tracking import CameraModel, PoseConfig, PoseEstimator  # noqa: E402
from minimal_hand_ros.ik_node import IkNode  # noqa: E402
from minimal_hand_ros.images import ENCODINGS, compressed_message, image_message  # noqa: E402
from minimal_hand_ros.messages import info_from_camera, keypoints_array, keypoints_from_message  # noqa: E402
from minimal_hand_ros.qos import RESULTS, pictures  # noqa: E402
from minimal_hand_ros.stamps import to_nanoseconds  # noqa: E402
from minimal_hand_ros.tracker_node import TrackerNode  # noqa: E402

LENGTH = 8
"""Pictures of the clip; it is shown forward and back, so that it can go on for ever without a jump."""


@pytest.fixture(scope='module')
def clip() -> list[np.ndarray]:
    """A rendered hand that is found at once, 320×240."""
    scene = RenderedScene(3, size=(240, 320))
    pictures = [scene.frame(number / 30)[0] for number in range(LENGTH)]
    return pictures + pictures[-2:0:-1]


@pytest.fixture(scope='module')
def camera() -> CameraModel:
    return CameraModel(320, 240, RenderedScene(3, size=(240, 320)).truth(0.0).intrinsics, np.zeros(0))


class Feed:
    """A camera in the test's hands, and what comes out of the tracker."""

    def __init__(self, peer, clip: list[np.ndarray], camera: CameraModel | None, namespace: str = '') -> None:
        self.clip, self._camera = clip, camera
        self.keypoints = peer.listen(HandKeypoints, f'{namespace}hand/keypoints', QoSProfile(depth=1000))
        self.poses = peer.listen(HandPose, f'{namespace}hand/pose', QoSProfile(depth=1000))
        self.infos = peer.talk(CameraInfo, f'{namespace}camera_info', RESULTS) if camera is not None else None
        self.images = peer.talk(Image, f'{namespace}image_raw', pictures(reliable=True))

    def send(self, number: int, picture: np.ndarray | None = None) -> None:
        """Picture `number` of the endless clip, or another one in its place, and its camera info."""
        if self.infos is not None:
            self.infos.publish(info_from_camera(header(number), self._camera, 320, 240))
        picture = self.clip[number % len(self.clip)] if picture is None else picture
        self.images.publish(image_message(header(number), picture))

    def show(self, number: int, picture: np.ndarray | None = None, patience: float = PATIENCE) -> HandKeypoints:
        """The same, and what was seen in it."""
        self.send(number, picture)
        return self.keypoints.wait_for(lambda message: message.header == header(number), patience)

    def find(self, start: int) -> HandPose:
        """Pictures from number `start` until there is a metric hand (its camera info may come late)."""
        for number in range(start, start + 60):
            # Fast DDS loses what is sent before both ends know of each other, of which only one is seen here.
            may_be_lost = not self.keypoints.messages and number < start + 2
            try:
                seen = self.show(number, patience=20 if may_be_lost else PATIENCE)
            except AssertionError:
                if not may_be_lost:
                    raise
                continue
            if seen.valid:
                pose = self.poses.wait_for(lambda m, number=number: m.header == header(number))
                if pose.metric or self.infos is None:
                    return pose
        raise AssertionError('the hand was not found in 60 pictures')


TRACKER = {'backend': 'torch', 'input_timeout': 3600.0}


def test_a_camera_that_stops_and_returns(run_here: Callable, peer, clip, camera) -> None:
    transforms = peer.listen(TFMessage, '/tf', QoSProfile(depth=1000))
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    run_here(TrackerNode, {**TRACKER, 'input_timeout': 0.5})
    feed = Feed(peer, clip, camera)
    last = feed.find(0)
    # nothing more comes
    gone = to_nanoseconds(last.header.stamp)
    lost = feed.poses.wait_for(lambda m: not m.valid and to_nanoseconds(m.header.stamp) > gone)
    assert lost.header.frame_id == FRAME
    sent = len(transforms.messages)
    stale = diagnostics.wait_for(lambda m: m.status[0].message.startswith('no pictures for')).status[0]
    assert stale.level == b'\3' and stale.name == 'tracker: hand tracking'
    figures = {value.key for value in stale.values}
    stages = ('decode', 'keypoints', 'shape', 'pose', 'check', 'publish')
    timed = (*(f'{stage} latency' for stage in stages), 'age of the answer')
    assert {f'{name} {share} (ms)' for name in timed for share in ('p50', 'p95')} <= figures
    assert {'input rate (Hz)', 'pictures dropped', 'score', 'backend', 'engine', 'state', 'lifecycle'} <= figures
    assert len(transforms.messages) == sent, 'TF of a hand that no picture shows'
    feed.poses.clear()
    # ten seconds later, by its stamps, it returns, and the hand is where the picture shows it
    again = feed.find(400 * len(clip))
    assert again.valid and not [m for m in feed.poses.messages if not m.valid]


def test_a_hand_is_gone_by_the_clock_where_time_is_simulated(run_here: Callable, peer) -> None:
    poses = peer.listen(HandPose, 'hand/pose', QoSProfile(depth=100))
    here = run_here(IkNode, {'input_timeout': 0.5, 'use_sim_time': True})
    clock, found = peer.talk(Clock, '/clock'), peer.talk(HandKeypoints, 'hand/keypoints')
    scene = RenderedScene(seed=1)
    while here.node.get_clock().now().nanoseconds == 0:
        clock.publish(Clock(clock=header(1).stamp))  # best effort at the other end
        time.sleep(0.01)
    found.publish(keypoints(scene, 1))
    assert poses.wait_for().header == header(1)
    assert poses.wait_for(lambda m: not m.valid).header == header(1), 'ahead of the clock, which stands still'


def test_a_hand_that_leaves_takes_all_with_it_and_returns_without_a_jump(
    run_here: Callable, peer, clip, camera
) -> None:
    transforms = peer.listen(TFMessage, '/tf', QoSProfile(depth=1000))
    markers = peer.listen(MarkerArray, 'hand/markers')
    run_here(TrackerNode, {**TRACKER, 'marker_rate': 0})
    feed = Feed(peer, clip, camera)
    last = feed.find(0)
    start = round((to_nanoseconds(last.header.stamp) - to_nanoseconds(header(0).stamp)) / PERIOD)
    for number in range(start + 1, start + 11):  # the filters settle
        assert feed.show(number).valid
    last = feed.poses.wait_for(lambda m: m.header == header(number))
    gone = to_nanoseconds(last.header.stamp)
    markers.wait_for(lambda m: m.markers[0].header == last.header)

    feed.poses.clear()
    empty = RenderedScene(3, size=(240, 320), absent=[(0.0, 1e9)]).frame(0.0)[0]
    for away in range(number + 1, number + 31):
        assert not feed.show(away, empty).valid
    lost = feed.poses.wait_for()
    assert 0.3e9 < to_nanoseconds(lost.header.stamp) - gone < 0.4e9
    deleted = markers.wait_for(lambda m: m.markers[0].action == Marker.DELETE)
    assert {m.action for m in deleted.markers} == {Marker.DELETE} and deleted.markers[0].header == lost.header

    # back in another place: the first pose is that of its picture, as if there had been none before
    feed.clip = [np.roll(picture, 30, axis=1) for picture in clip]
    back = feed.find(away + 1)
    seen = feed.keypoints.wait_for(lambda m: m.header == back.header)
    first = next(m for m in feed.poses.messages if m.valid)
    assert first.header == back.header, 'a pose from a picture without a hand'
    assert [m.header for m in feed.poses.messages if not m.valid] == [lost.header], 'said once'
    shape = HandShape(np.array(back.betas, float), back.hand_length)
    alone = PoseEstimator(PoseConfig(filter='none')).update(keypoints_from_message(seen), shape, camera)
    # The fit may stop one step sooner or later, 0.25 mm apart, where its keypoints differ in the last digit.
    np.testing.assert_allclose(keypoints_array(back), alone.keypoints_m, atol=1e-3)
    assert np.linalg.norm(keypoints_array(back)[0] - keypoints_array(last)[0]) > 0.02, 'a jump would not be seen'
    transforms.wait_for(lambda m: m.transforms[0].header.stamp == back.header.stamp)
    stamps = [to_nanoseconds(m.transforms[0].header.stamp) for m in transforms.messages]
    assert not [s for s in stamps if gone < s < to_nanoseconds(back.header.stamp)], 'TF of a hand that is gone'
    shown = [m.markers[0] for m in markers.messages if to_nanoseconds(m.markers[0].header.stamp) > gone]
    between = [m for m in shown if to_nanoseconds(m.header.stamp) < to_nanoseconds(back.header.stamp)]
    assert [m.action for m in between] == [Marker.DELETE]


def test_time_that_jumps_back(run_here: Callable, peer, clip, camera) -> None:
    """A bag that starts over: the same stamps again, and again the same answers."""
    run_here(TrackerNode, {**TRACKER, 'filter': 'one_euro'})
    feed = Feed(peer, clip, camera)
    feed.find(0)
    rounds = []
    for _ in range(2):
        feed.poses.clear()
        feed.keypoints.clear()
        feed.find(1000)
        for number in range(1060, 1060 + LENGTH):
            assert feed.show(number).valid
        rounds.append(feed.poses.wait_for(lambda m: m.header == header(1060 + LENGTH - 1)))
    first, second = (np.array(pose.keypoints) for pose in rounds)
    np.testing.assert_allclose(second, first, atol=0.01)
    assert all(pose.valid and pose.metric for pose in rounds)


def test_twice_as_many_pictures_as_it_can_take(run_here: Callable, peer, clip, camera) -> None:
    """The newest picture wins and nothing queues up, whatever the machine can do."""
    here = run_here(TrackerNode, TRACKER)
    feed = Feed(peer, clip, camera)
    feed.find(0)
    feed.keypoints.clear()
    # the tracker as slow as a machine on which a picture takes 33 ms
    tracked = here.node.work.input._on_picture
    pause = threading.Event()

    def slow(*arguments: object) -> object:
        pause.wait(0.033)
        return tracked(*arguments)

    here.node.work.input._on_picture = slow
    answered: list[int] = []

    def ask() -> None:
        peer.call(GetState, 'tracker/get_state', GetState.Request())
        answered.append(len(feed.keypoints.messages))

    asking = threading.Thread(target=ask)
    sent: dict[int, float] = {}
    ticker = threading.Event()
    for number in range(1000, 1180):  # three seconds at 60 Hz
        sent[to_nanoseconds(header(number).stamp)] = time.monotonic()
        feed.send(number)
        ticker.wait(1 / 60)
        if number == 1030:
            asking.start()
    feed.keypoints.wait_for(lambda m: m.header == header(1179))
    stamps = [to_nanoseconds(m.header.stamp) for m in feed.keypoints.messages]
    assert stamps == sorted(set(stamps)), 'pictures were looked at twice or in another order'
    assert len(stamps) < 150, 'it was not overloaded'
    asking.join()
    assert answered[0] < len(stamps), 'services have to wait until no picture is waiting'
    late = np.array(feed.keypoints.arrivals) - [sent[stamp] for stamp in stamps]
    half = len(late) // 2
    # a queue would make each answer later than the one before; the newest picture waits for two others at most
    assert np.median(late[half:]) < 2 * np.median(late[:half]) + 0.05
    gaps = np.diff(feed.keypoints.arrivals)
    assert np.median(late) < 3 * np.median(gaps) + 0.05
    assert int(here.node.work.report().values['pictures passed over']) > 10


def test_a_short_stall_loses_no_picture(run_here: Callable, peer, clip, camera) -> None:
    """Another program has the processor for three pictures: they are looked at afterwards, in their order."""
    here = run_here(TrackerNode, TRACKER)
    feed = Feed(peer, clip, camera)
    feed.find(0)
    took = []
    for number in range(500, 510):
        began = time.monotonic()
        feed.show(number)
        took.append(time.monotonic() - began)
    # a camera with which also a busy machine keeps up, and the tracker knows it
    period = max(0.1, 3 * max(took))
    ticker = threading.Event()
    for number in range(520, 540):
        feed.show(number)
        ticker.wait(period)
    feed.keypoints.clear()
    tracked = here.node.work.input._on_picture
    pause = threading.Event()
    seen = []

    def now_and_then_slow(*arguments: object) -> object:
        seen.append(len(seen))
        pause.wait(3.5 * period if len(seen) % 12 == 6 else 0.0)
        return tracked(*arguments)

    here.node.work.input._on_picture = now_and_then_slow
    for number in range(1000, 1040):
        feed.send(number)
        ticker.wait(period)
    feed.keypoints.wait_for(lambda m: m.header == header(1039))
    assert [m.header for m in feed.keypoints.messages] == [header(number) for number in range(1000, 1040)]
    assert here.node.work.report().values['pictures passed over'] == '0'


def test_two_trackers_in_two_namespaces(run_here: Callable, peer, clip, camera) -> None:
    # frames have the same names: each has a TF tree of its own
    create = partial(TrackerNode, cli_args=['--ros-args', '-r', '/tf:=tf'])
    for name in ('left_eye', 'right_eye'):
        run_here(create, TRACKER, namespace=name)
    trees = {
        name: peer.listen(TFMessage, name, QoSProfile(depth=1000)) for name in ('left_eye/tf', 'right_eye/tf', '/tf')
    }
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    one, other = (Feed(peer, clip, camera, f'{name}/') for name in ('left_eye', 'right_eye'))
    assert one.find(0).valid
    trees['left_eye/tf'].wait_for()
    assert not other.keypoints.messages and not other.poses.messages and not trees['right_eye/tf'].messages
    assert other.find(500).valid
    trees['right_eye/tf'].wait_for()
    assert not trees['/tf'].messages
    numbers = {to_nanoseconds(m.header.stamp) for m in one.keypoints.messages}
    assert numbers.isdisjoint(to_nanoseconds(m.header.stamp) for m in other.keypoints.messages)
    for name in ('left_eye', 'right_eye'):
        diagnostics.wait_for(lambda m, name=name: m.status[0].name == f'{name}/tracker: hand tracking')


def test_without_intrinsics(run_here: Callable, peer, clip, capfd) -> None:
    transforms = peer.listen(TFMessage, '/tf', RESULTS)
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    run_here(TrackerNode, TRACKER)
    feed = Feed(peer, clip, None)
    pose = feed.find(0)
    assert pose.valid and not pose.metric and not any(pose.keypoints[:3])
    for number in range(100, 105):
        feed.show(number)
    status = diagnostics.wait_for(lambda m: 'not calibrated' in m.status[0].message).status[0]
    assert status.level == b'\1' and {v.key: v.value for v in status.values}['intrinsics'] == 'missing'
    assert not transforms.messages
    assert capfd.readouterr().err.count('the camera is not calibrated') == 1


def test_a_killed_tracker_is_replaced(start_node: Callable, peer, clip, camera) -> None:
    first = start_node('tracker_node', TRACKER)
    first.wait_for_line('ready')
    feed = Feed(peer, clip, camera)
    feed.find(0)
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    second = start_node('tracker_node', TRACKER)
    second.wait_for_line('ready')
    number = 1000
    feed.keypoints.clear()
    while not feed.keypoints.messages:  # until the new subscription has been discovered
        feed.send(number)
        number += 1
        try:
            feed.keypoints.wait_for(timeout=0.5)
        except AssertionError:
            assert number < 1400, second.output
    assert feed.find(number).metric
    assert second.stop() == 0 and 'Traceback' not in second.output


MALFORMED = [
    ({'data': array('B', bytes(1000))}, '1000 bytes'),
    ({'step': 0}, 'step 0'),
    ({'encoding': 'nonsense'}, "encoding 'nonsense'"),
    ({'width': 0, 'height': 0}, '0×0'),
]


def test_malformed_messages_are_named_and_survived(run_here: Callable, peer, weights: Path) -> None:
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics')
    run_here(TrackerNode, {**TRACKER, 'weights': str(weights)})
    infos = peer.talk(CameraInfo, 'camera_info', RESULTS)
    images = peer.talk(Image, 'image_raw', pictures(reliable=True))
    found = peer.listen(HandKeypoints, 'hand/keypoints', RESULTS)

    def dropped(reason: str, send: Callable[[], None] = lambda: None) -> bool:
        def told(message: DiagnosticArray) -> bool:
            send()
            return any(v.key.startswith('dropped: ') and reason in v.key for v in message.status[0].values)

        return bool(diagnostics.wait_for(told))

    info = CameraInfo(header=header(0), width=128, height=96, k=np.full(9, np.nan))
    assert dropped('not finite', partial(infos.publish, info))  # best effort at the other end
    for number, (changes, said) in enumerate(MALFORMED):
        message = image_message(header(number), NOISE)
        for name, value in changes.items():
            setattr(message, name, value)
        images.publish(message)
        assert dropped(said)
    errors = [m.status[0] for m in diagnostics.messages if m.status[0].level == b'\2']
    assert errors and 'pictures dropped' in errors[-1].message
    images.publish(image_message(header(100), NOISE))
    assert found.wait_for(lambda m: m.header == header(100)).width == 128


FIELDS = ['height', 'width', 'step', 'encoding', 'data', 'bigendian', 'stamp']


def mutated_pictures(rng: np.random.Generator, count: int) -> Iterator[Image]:
    """Pictures of which one to three fields are wrong, odd, huge or of another encoding."""
    good = image_message(header(0), NOISE[:48, :64])
    edges = [0, 1, 2, 3, 5, 47, 63, 64, 65, 192, 4096, 2**16, 2**31 - 1, 2**32 - 1]
    encodings = [*ENCODINGS, '', 'mono', '32FC1', '64FC4', 'bayer_rggb12', 'jpeg', 'bgr8 ', 'x' * 300, 'ü']
    for number in range(count):
        message = copy.copy(good)
        message.header = header(number)
        for field in rng.choice(FIELDS, rng.integers(1, 4)):
            if field in ('height', 'width', 'step'):
                value = int(rng.choice(edges)) if rng.random() < 0.6 else int(rng.integers(0, 2**32))
                setattr(message, field, value)
            elif field == 'encoding':
                message.encoding = str(rng.choice(encodings))
            elif field == 'data':
                size = int(rng.choice([0, 1, 63, 64 * 48, 64 * 48 * 3 - 1, 64 * 48 * 3, 64 * 48 * 8]))
                message.data = array('B', rng.bytes(size))
            elif field == 'bigendian':
                message.is_bigendian = int(rng.integers(0, 256))
            else:
                message.header.stamp.sec = int(rng.choice([-(2**31), -1, 0, 2**31 - 1]))
                message.header.stamp.nanosec = int(rng.choice([0, 999_999_999, 2**32 - 1]))
        yield message


def mutated_infos(rng: np.random.Generator, count: int) -> Iterator[CameraInfo]:
    numbers = [0.0, -1.0, 1.0, 60.0, 1e-300, 1e300, np.nan, np.inf, -np.inf]
    for number in range(count):
        info = CameraInfo(header=header(number), width=64, height=48)
        info.k = np.array([60.0, 0, 32, 0, 60, 24, 0, 0, 1])
        if rng.random() < 0.8:
            info.k[rng.integers(0, 9)] = rng.choice(numbers)
        if rng.random() < 0.7:
            info.d = array('d', rng.choice(numbers, rng.integers(0, 16)).tolist())
        info.distortion_model = str(rng.choice(['plumb_bob', 'rational_polynomial', 'equidistant', '', 'fisheye', 'x']))
        if rng.random() < 0.3:
            info.width = int(rng.choice([0, 1, 2**32 - 1]))
        yield info


def mutated_boxes(rng: np.random.Generator, count: int) -> Iterator[RegionOfInterest]:
    edges = [0, 1, 31, 100, 319, 320, 2**31, 2**32 - 1]
    for _ in range(count):
        x, y, width, height = rng.choice(edges, 4).tolist()
        yield RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)


def mutated_jpegs(rng: np.random.Generator, count: int) -> Iterator[CompressedImage]:
    good = np.frombuffer(compressed_message(header(0), NOISE[:48, :64]).data, np.uint8)
    for number in range(count):
        data = good.copy()
        data[rng.integers(0, len(data), rng.integers(1, 30))] = rng.integers(0, 256)
        data = data[: rng.integers(0, len(data) + 1)] if rng.random() < 0.5 else data
        kind = str(rng.choice(['jpeg', 'bgr8; jpeg compressed bgr8', 'png', '', '16UC1; compressedDepth']))
        yield CompressedImage(header=header(number), format=kind, data=array('B', data.tobytes()))


@pytest.mark.parametrize('seed', range(2))
def test_no_message_ends_the_tracker(run_here: Callable, peer, clip, camera, seed: int) -> None:
    """2,100 mutated messages, most of them straight to the callbacks; and afterwards it still finds a hand."""
    here = run_here(TrackerNode, {**TRACKER, 'search_windows': 1})
    feed = Feed(peer, clip, camera)
    rng = np.random.default_rng(seed)
    took = here.node.work.input

    def fuzz() -> None:
        makers = (mutated_pictures, mutated_infos, mutated_boxes, mutated_jpegs)
        for image, info, box, jpeg in zip(*(make(rng, 500) for make in makers)):
            took._take_info(info)
            here.node.work._detection._take_box(box)
            took._take_raw(image)
            took._take_compressed(jpeg)

    task = here._executor.create_task(fuzz)
    done = threading.Event()
    task.add_done_callback(lambda _: done.set())
    assert done.wait(500), 'the fuzzing hangs'
    task.result()
    received = took._statistics.received
    assert received == 1000 and 300 < took._drops.count < 1000 and took._info_drops.count > 100
    # some over DDS
    for image, info in zip(mutated_pictures(rng, 50), mutated_infos(rng, 50)):
        feed.infos.publish(info)
        feed.images.publish(image)
    assert feed.find(5000).metric
    assert here.node.is_active
