"""recorder and replay over real DDS: what is sent is in the file, and what is in the file is sent, bit by bit."""

from __future__ import annotations

import re
import resource
import signal
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import TransformStamped  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from mcap.reader import make_reader  # noqa: E402
from mcap.writer import Writer  # noqa: E402
from mcap_ros2.decoder import DecoderFactory  # noqa: E402
from minimal_hand_ros.msg import HandPose, HandShape  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from rendered_truth import header  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from minimal_hand_core.recording import Offer, RawMessage, Recording, RecordingWriter, read_messages, type_hash  # noqa: E402
from minimal_hand_ros import recorder_node, replay_node  # noqa: E402
from minimal_hand_ros.camera_node import CameraNode  # noqa: E402
from minimal_hand_ros.health import Level  # noqa: E402
from minimal_hand_ros.images import image_message, picture_from_compressed  # noqa: E402
from minimal_hand_ros.names import BOTH  # noqa: E402
from minimal_hand_ros.qos import LATCHED, TRANSFORMS, pictures  # noqa: E402
from minimal_hand_ros.recorded_topics import outputs, type_name  # noqa: E402
from minimal_hand_ros.recorder_node import RecorderNode  # noqa: E402
from minimal_hand_ros.replay_arguments import as_ros_arguments  # noqa: E402
from minimal_hand_ros.replay_node import ReplayNode  # noqa: E402
from minimal_hand_ros.replay_schedule import Schedule, span_of  # noqa: E402
from minimal_hand_ros.settings import RecorderSettings  # noqa: E402
from minimal_hand_ros.stamps import to_nanoseconds  # noqa: E402
from minimal_hand_ros.tracker_node import TrackerNode  # noqa: E402

START = 1_700_000_000_000_000_000
PICTURES = 8
JPEG = 'sensor_msgs/msg/CompressedImage'
POSE = 'minimal_hand_ros/msg/HandPose'


def status(message: DiagnosticArray, node: str) -> dict[str, object]:
    """Level, message and values of one node's diagnostics; empty where the message is another's."""
    for found in message.status:
        if found.name.startswith(f'{node}:'):
            level = Level(found.level[0])
            return {'level': level, 'message': found.message, **{pair.key: pair.value for pair in found.values}}
    return {}


def written(count: int) -> Callable[[DiagnosticArray], bool]:
    return lambda message: int(status(message, 'recorder').get('messages written', 0)) >= count


def bits(recording: Path, topic: str) -> list[bytes]:
    with Recording(recording) as opened:
        return [bytes(message.data) for message in opened.raw_messages([topic])]


def deactivate(peer, node: str) -> None:
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert peer.ask(ChangeState, f'{node}/change_state', request)().success


def is_in_order(part: list[bytes], whole: list[bytes]) -> bool:
    """Whether all of `part` is in `whole`, in the same order; a busy machine may lose some between."""
    left = iter(whole)
    return all(any(each == other for other in left) for each in part)


@pytest.fixture(scope='module')
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures with intrinsics, poses and frames, 10 ms apart; stamps are 1 ms before what was recorded."""
    path = tmp_path_factory.mktemp('replay') / 'short.mcap'
    data = cv2.imencode('.jpg', np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    with RecordingWriter(path) as writer:
        for i in range(10):
            stamp = START + i * 10_000_000
            head = {'stamp': {'sec': stamp // 10**9, 'nanosec': stamp % 10**9}, 'frame_id': f'eye{i}'}
            log = stamp + 1_000_000
            writer.write('/image_raw/compressed', JPEG, {'header': head, 'format': 'jpeg', 'data': data}, log)
            writer.write('/camera_info', 'sensor_msgs/msg/CameraInfo', {'header': head, 'width': 64}, log + 1)
            writer.write('/hand/pose', POSE, {'header': head, 'side': 'right', 'score': i / 16}, log + 2)
            frames = {'transforms': [{'header': head, 'child_frame_id': 'right_hand/wrist'}] * 2}
            writer.write('/tf', 'tf2_msgs/msg/TFMessage', frames, log + 3)
    return path


@pytest.fixture
def poses_only(short: Path, tmp_path: Path) -> Path:
    """The same without pictures, so that a replay can wait for all of its topics."""
    path = tmp_path / 'poses.mcap'
    with Recording(short) as recording, RecordingWriter(path) as writer:
        for name in ('/hand/pose', '/tf'):
            writer.add_topic(name, recording.topics[name].type_name, Offer(depth=100))
        for message in recording.raw_messages(['/hand/pose', '/tf']):
            writer.write(message.topic, message.type_name, message.data, message.stamp)
    return path


def test_the_rendered_hand_is_recorded_and_replayed(run_here: Callable, peer, tmp_path: Path) -> None:
    path = tmp_path / 'hand.mcap'
    poses = peer.listen(HandPose, 'hand/pose', 100, raw=True)
    transforms = peer.listen(TFMessage, '/tf', 100)
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    # first, so that it hears them all
    run_here(RecorderNode, {'record': str(path), 'markers': True})
    run_here(TrackerNode, {'backend': 'torch', 'lost_timeout': 60.0, 'input_timeout': 3600.0})
    camera = run_here(CameraNode, {'rate': 10.0})
    # A hand that is found at once is there before the camera knows that its JPEGs are wanted.
    jpegs = next(each for each in camera.node.publishers if each.topic_name == '/image_raw/compressed')
    transforms.wait_for(lambda _: jpegs.get_subscription_count() > 0)
    transforms.wait_for_count(len(transforms.messages) + 2 * PICTURES)
    deactivate(peer, 'camera_node')
    reports.wait_for(written(6 * PICTURES))
    answer = peer.call(SetBool, 'record', SetBool.Request(data=False))
    assert answer.success and re.fullmatch(f'{path}: \\d+ messages', answer.message)
    deactivate(peer, 'tracker')

    with path.open('rb') as file:
        found = list(
            make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()]).iter_decoded_messages()
        )
    by_topic = {name: [m for m in found if m.channel.topic == name] for name in {m.channel.topic for m in found}}
    types = {name: messages[0].schema.name for name, messages in by_topic.items()}
    assert types == {
        '/image_raw/compressed': JPEG,
        '/camera_info': 'sensor_msgs/msg/CameraInfo',
        '/tf': 'tf2_msgs/msg/TFMessage',
        '/hand/truth': POSE,
        '/hand/keypoints': 'minimal_hand_ros/msg/HandKeypoints',
        '/hand/shape': 'minimal_hand_ros/msg/HandShape',
        '/hand/pose': POSE,
        '/hand/wrist': 'geometry_msgs/msg/PoseWithCovarianceStamped',
        '/hand/joint_states': 'sensor_msgs/msg/JointState',
        '/hand/markers': 'visualization_msgs/msg/MarkerArray',
        '/diagnostics': 'diagnostic_msgs/msg/DiagnosticArray',
    }
    for name, messages in by_topic.items():
        offered = str(peer.node.get_publishers_info_by_topic(name)[0].topic_type_hash)
        assert messages[0].channel.metadata['topic_type_hash'] == offered == type_hash(types[name]), name
    with AnyReader([path]) as reader:
        assert reader.message_count == len(found)
        assert {c.topic: c.msgtype for c in reader.connections} == types
    stamps = {
        name: [to_nanoseconds(m.decoded_message.header.stamp) for m in messages]
        for name, messages in by_topic.items()
        if name not in ('/tf', '/hand/markers', '/diagnostics', '/hand/shape')
    }
    seen = stamps['/image_raw/compressed']
    assert seen == sorted(set(seen)) and len(seen) >= PICTURES
    # The recorder finds the camera and the tracker in any order; from then on it hears both.
    told = set(stamps['/camera_info'])
    assert {stamp for stamp in stamps['/hand/pose'] if stamp >= min(told)} <= told
    assert len(set(stamps['/hand/pose']) & set(seen)) >= PICTURES
    for message in by_topic['/image_raw/compressed']:
        picture = picture_from_compressed(message.decoded_message)
        assert picture.shape == (480, 640, 3) and picture.std() > 10
    assert is_in_order(poses.messages[:PICTURES], bits(path, '/hand/pose'))

    again = peer.listen(CompressedImage, 'image_raw/compressed', 100, raw=True)
    poses.clear()
    run_here(
        ReplayNode, {'path': str(path), 'pictures_only': True, 'wait_for_subscribers': True, 'rate': 2.0, 'loop': True}
    )
    assert is_in_order(again.wait_for_count(PICTURES)[:PICTURES], bits(path, '/image_raw/compressed'))
    assert not poses.messages


def test_raw_pictures_are_compressed_where_nobody_else_does(run_here: Callable, peer, tmp_path: Path) -> None:
    path = tmp_path / 'raw.mcap'
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    run_here(RecorderNode, {'record': str(path), 'jpeg_quality': 95, 'diagnostics': False})
    images = peer.talk(Image, 'image_raw', pictures(reliable=False))
    picture = np.full((48, 64, 3), (20, 120, 220), np.uint8)
    images.publish(Image(header=header(1), height=4, width=4, encoding='32FC1', step=16, data=array('B', bytes(64))))
    report = reports.wait_for(lambda m: status(m, 'recorder').get('messages dropped') == '1')
    assert any('32FC1' in key for key in status(report, 'recorder'))
    images.publish(image_message(header(2), picture))
    reports.wait_for(written(1))
    assert peer.call(SetBool, 'record', SetBool.Request(data=False)).success
    (found,) = read_messages(path)
    assert (found.topic, found.type_name) == ('/image_raw/compressed', JPEG)
    assert found.message.header.frame_id == header(2).frame_id and to_nanoseconds(
        found.message.header.stamp
    ) == to_nanoseconds(header(2).stamp)
    assert np.abs(picture_from_compressed(found.message).astype(int) - picture).max() <= 3


def test_raw_pictures_as_they_are_and_what_is_latched(run_here: Callable, peer, tmp_path: Path) -> None:
    path = tmp_path / 'raw.mcap'
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    # before the recorder is there
    shapes = peer.talk(HandShape, 'hand/shape', LATCHED, listeners=0)
    shape = HandShape(header=header(1), side='right', hand_length=0.125)
    shapes.publish(shape)
    frames = peer.talk(TFMessage, '/tf_static', LATCHED, listeners=0)
    fixed = TFMessage(transforms=[TransformStamped(header=header(1), child_frame_id='camera')])
    frames.publish(fixed)
    run_here(RecorderNode, {'record': str(path), 'pictures': 'raw', 'diagnostics': False})
    images = peer.talk(Image, 'image_raw', pictures(reliable=True))
    joints = peer.talk(JointState, 'hand/joint_states')
    sent = image_message(header(2), np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3))
    images.publish(sent)
    named = JointState(header=header(2), name=['a'], position=[0.5])
    joints.publish(named)
    reports.wait_for(written(4))
    assert peer.call(SetBool, 'record', SetBool.Request(data=False)).success
    for topic, message in (
        ('/image_raw', sent),
        ('/hand/joint_states', named),
        ('/hand/shape', shape),
        ('/tf_static', fixed),
    ):
        assert [deserialize_message(data, type(message)) for data in bits(path, topic)] == [message], topic
    with Recording(path) as recording:
        latched = {name for name, topic in recording.topics.items() if topic.offer.latched}
    assert latched == {'/hand/shape', '/tf_static'}


def test_the_service_names_files_and_says_what_cannot_be(run_here: Callable, peer, tmp_path: Path) -> None:
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    recorder = run_here(RecorderNode, {'folder': str(tmp_path)})
    reports.wait_for(lambda m: status(m, 'recorder').get('message') == 'not recording')
    # sent once each, as a second start or stop is answered otherwise
    stop = peer.ask(SetBool, 'record', SetBool.Request(data=False))()
    assert stop.success and stop.message == 'not recording'
    paths = []
    for _ in range(2):
        start = peer.ask(SetBool, 'record', SetBool.Request(data=True))()
        assert start.success and re.fullmatch(
            rf'recording {tmp_path}/hand_\d{{4}}-\d\d-\d\d_[-\d_]+\.mcap', start.message
        )
        again = peer.ask(SetBool, 'record', SetBool.Request(data=True))()
        paths.append(Path(start.message.removeprefix('recording ')))
        assert again.success and again.message == f'already recording {paths[-1]}'
        stop = peer.ask(SetBool, 'record', SetBool.Request(data=False))()
        assert stop.success and stop.message.startswith(f'{paths[-1]}: ')
    assert paths[0] != paths[1] and all(path.is_file() for path in paths)
    recorder.node.set_parameters_atomically([Parameter('folder', value=str(paths[0]))])
    refused = peer.ask(SetBool, 'record', SetBool.Request(data=True))()
    assert not refused.success and 'cannot be made: File exists; give one that may be written to' in refused.message
    stop = peer.ask(SetBool, 'record', SetBool.Request(data=False))()
    assert not stop.success and stop.message == refused.message, 'why nothing was recorded'
    reports.wait_for(lambda m: status(m, 'recorder').get('level') == Level.ERROR)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 300 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_ends_the_recording_and_not_the_node(
    run_here: Callable, peer, tmp_path: Path, small_files: None
) -> None:
    path = tmp_path / 'full.mcap'
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    run_here(RecorderNode, {'record': str(path), 'folder': str(tmp_path), 'diagnostics': False})
    images = peer.talk(CompressedImage, 'image_raw/compressed', pictures(reliable=True))
    noise = np.random.default_rng(0).integers(0, 256, 200_000, np.uint8)

    def failed(message: DiagnosticArray) -> bool:
        images.publish(CompressedImage(header=header(3), format='jpeg', data=array('B', noise.tobytes())))
        return status(message, 'recorder').get('level') == Level.ERROR

    report = status(reports.wait_for(failed), 'recorder')
    assert re.search(r'full\.mcap cannot be written: File too large; make room .* is kept', str(report['message']))
    assert path.stat().st_size <= 300_000
    answer = peer.ask(SetBool, 'record', SetBool.Request(data=True))()
    assert answer.success, answer.message


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda folder: folder / 'there.mcap', 'there.mcap exists and is not overwritten: give another name'),
        (lambda folder: folder / 'nowhere' / 'a.mcap', 'No such file or directory; give a folder that exists'),
        (lambda folder: folder / 'a.mp4', 'a.mp4: give a name that ends in .mcap'),
    ],
)
def test_a_recorder_that_cannot_start(fail_to_start: Callable, tmp_path: Path, make: Callable, said: str) -> None:
    (tmp_path / 'there.mcap').write_bytes(b'precious')
    line = fail_to_start(recorder_node.main, {'record': make(tmp_path)})
    assert re.match(f'error: recorder: recording .*{said}', line), line
    assert (tmp_path / 'there.mcap').read_bytes() == b'precious'


def test_sigterm_closes_the_file(start_node: Callable, peer, tmp_path: Path) -> None:
    # with a folder in the place of a file
    recorder = start_node('recorder_node', {'record': f'{tmp_path}/', 'diagnostics': False})
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    joints = peer.talk(JointState, 'hand/joint_states', 100)
    for i in range(20):
        joints.publish(JointState(header=header(i), name=['a'], position=[float(i)]))
    reports.wait_for(written(20))
    assert recorder.stop(signal.SIGTERM) == 0
    assert recorder.wait_for_line(r'recorded .*hand_.*\.mcap: 20 messages in .* 0 dropped')
    (path,) = tmp_path.glob('hand_*.mcap')
    with path.open('rb') as file:
        assert make_reader(file).get_summary().statistics.message_count == 20
    assert [m.message.position[0] for m in read_messages(path)] == list(range(20))


def test_both_hands_have_topics_each() -> None:
    settings = RecorderSettings('', '.', BOTH, 'compressed', 90, True, False)
    names = [topic.name for topic in outputs(settings)]
    for side in ('right', 'left'):
        wanted = ('keypoints', 'shape', 'pose', 'wrist', 'joint_states', 'markers')
        assert {f'{side}_hand/{name}' for name in wanted} <= set(names)
    assert 'hand/pose' not in names and '/diagnostics' not in names
    assert type_name(CameraInfo) == 'sensor_msgs/msg/CameraInfo'


@pytest.mark.parametrize('stamps', ['original', 'continued', 'now'])
def test_a_replay_is_the_recording_again(run_here: Callable, peer, poses_only: Path, stamps: str) -> None:
    poses = peer.listen(HandPose, 'hand/pose', 100, raw=True)
    frames = peer.listen(TFMessage, '/tf', TRANSFORMS, raw=True)
    settings = {'path': str(poses_only), 'wait_for_subscribers': True, 'loop': True, 'stamps': stamps}
    begin = peer.node.get_clock().now().nanoseconds
    run_here(ReplayNode, settings)
    raw_heard, raw_moved = poses.wait_for_count(25), frames.wait_for_count(25)
    if stamps == 'original':
        assert raw_heard[:20] == bits(poses_only, '/hand/pose') * 2
        assert raw_moved[:20] == bits(poses_only, '/tf') * 2
    heard = [deserialize_message(data, HandPose) for data in raw_heard]
    moved = [deserialize_message(data, TFMessage) for data in raw_moved]
    assert [message.score * 16 for message in heard[:25]] == [i % 10 for i in range(25)]
    found = [to_nanoseconds(message.header.stamp) for message in heard[:25]]
    recorded = [START + i * 10_000_000 for i in range(10)]
    assert [to_nanoseconds(message.transforms[1].header.stamp) for message in moved[:25]] == found
    if stamps == 'original':
        assert found == (recorded * 3)[:25]
        return
    steps = np.diff(found)
    # from one round to the next as from one message to the next; the recording is 3 ns longer than its poses
    assert found[0] == START if stamps == 'continued' else begin < found[0] < begin + 180 * 10**9
    assert (np.abs(steps - 10_000_000) <= 10).all(), steps


def test_pause_and_rate_and_part(run_here: Callable, peer, short: Path) -> None:
    poses = peer.listen(HandPose, 'hand/pose', 100)
    infos = peer.listen(CameraInfo, 'camera_info', 100)
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    run_here(ReplayNode, {'path': str(short), 'paused': True, 'start': 0.05, 'end': 0.075, 'loop': True, 'rate': 0.1})
    reports.wait_for(lambda m: status(m, 'replay').get('message') == 'paused')
    assert not poses.messages and not infos.messages
    # the bytes go out a tenth as fast: 100 ms apart
    assert peer.call(SetBool, 'pause', SetBool.Request(data=False)).message.startswith('replaying at')
    heard = poses.wait_for_count(8)
    assert {message.header.frame_id for message in heard} == {'eye5', 'eye6', 'eye7'}
    assert np.median(np.diff(poses.arrivals)) > 0.05
    assert peer.call(SetBool, 'pause', SetBool.Request(data=True)).message.startswith('paused at 0.0')
    reports.clear()
    report = status(reports.wait_for(lambda m: status(m, 'replay').get('message') == 'paused'), 'replay')
    count = len(poses.messages)
    reports.clear()
    reports.wait_for(lambda m: bool(status(m, 'replay')))
    assert len(poses.messages) == count and report['file'] == str(short)


def whole_round(schedule: Schedule) -> list[RawMessage]:
    found = [schedule.due(0)]
    while not schedule.at_end:
        found.append(schedule.due(10**12))
    return found


def test_compressed_pictures_are_offered_raw_too(run_here: Callable, peer, short: Path) -> None:
    images = peer.listen(Image, 'image_raw', pictures(reliable=True))
    run_here(ReplayNode, {'path': str(short), 'pictures_only': True, 'wait_for_subscribers': True, 'loop': True})
    image = images.wait_for_count(3)[0]
    assert (image.width, image.height, image.encoding) == (64, 48, 'bgr8')
    assert image.header.frame_id.startswith('eye') and to_nanoseconds(image.header.stamp) >= START


class TestSchedule:
    """By a clock of the test's own."""

    def schedule(self, path: Path, rate: float = 1.0, start: float = 0.0, end: float = 0.0) -> Schedule:
        recording = Recording(path)
        schedule = Schedule(recording, ['/hand/pose'], span_of(recording, start, end), rate)
        assert schedule.begin()
        return schedule

    def test_pace_and_rate(self, short: Path) -> None:
        for rate in (1.0, 4.0, 0.5):
            schedule = self.schedule(short, rate)
            assert schedule.due(1000) is not None
            assert schedule.due(1000) is None and schedule.wait(1000) == round(10_000_000 / rate)
            assert schedule.due(1000 + round(10_000_000 / rate)).stamp == START + 11_000_002

    def test_a_pause_moves_all_that_comes(self, short: Path) -> None:
        schedule = self.schedule(short)
        assert schedule.due(0) is not None
        schedule.hold(4_000_000)
        schedule.go(1_000_000_000)
        assert schedule.wait(1_000_000_000) == 6_000_000
        schedule.hold(1_000_000_000, 2.0)
        schedule.go(1_000_000_000)
        assert schedule.wait(1_000_000_000) == 3_000_000

    def test_part_of_it(self, short: Path) -> None:
        schedule = self.schedule(short, start=0.05, end=0.071)
        assert [message.stamp for message in whole_round(schedule)] == [
            START + 1_000_002 + i * 10_000_000 for i in (5, 6, 7)
        ]

    def test_a_recording_that_is_cut_off(self, short: Path, tmp_path: Path) -> None:
        path = tmp_path / 'cut.mcap'
        path.write_bytes(short.read_bytes()[:-30])
        schedule = self.schedule(path)
        assert len(whole_round(schedule)) == 10 and 'cut.mcap is cut off or damaged' in schedule.damage


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda folder: {}, "parameter 'path' is '': give an .mcap file"),
        (lambda folder: {'path': folder / 'nothing.mcap'}, 'nothing.mcap does not exist'),
        (lambda folder: {'path': folder / 'broken.mcap'}, 'broken.mcap is no MCAP file'),
        (lambda folder: {'path': folder / 'foreign.mcap'}, 'holds nothing that can be replayed; its topics are /a'),
        (lambda folder: {'path': folder / 'a.mcap', 'pictures_only': True}, 'holds nothing that can be replayed'),
        (lambda folder: {'path': folder / 'a.mcap', 'start': 5.0}, "parameter 'start' is 5: the recording has 0.000 s"),
        (
            lambda folder: {'path': folder / 'a.mcap', 'start': 5.0, 'end': 4.0},
            "parameter 'end' is 4: give more seconds",
        ),
    ],
)
def test_a_replay_that_cannot_start(fail_to_start: Callable, tmp_path: Path, make: Callable, said: str) -> None:
    (tmp_path / 'broken.mcap').write_bytes(b'broken')
    with RecordingWriter(tmp_path / 'a.mcap') as writer:
        writer.write('/a', 'std_msgs/msg/String', {'data': 'hello'}, START)
    write_foreign_type(tmp_path / 'foreign.mcap')
    line = fail_to_start(replay_node.main, make(tmp_path))
    assert re.match(f'error: replay: .*{said}', line), line


def write_foreign_type(path: Path) -> None:
    """A recording with a type that is not installed."""
    with path.open('wb') as file:
        writer = Writer(file)
        writer.start(profile='ros2')
        schema = writer.register_schema('nobody_msgs/msg/Thing', 'ros2msg', b'int32 a\n')
        channel = writer.register_channel('/a', 'cdr', schema)
        writer.add_message(channel, START, b'\0\1\0\0\1\0\0\0', START)
        writer.finish()


def test_the_command_line_becomes_parameters() -> None:
    arguments = as_ros_arguments(
        ['replay', "it's.mcap", '--pictures-only', '--rate', '2', '--wait', '--ros-args', '-r', '/a:=/b']
    )
    assert arguments == [
        'replay',
        '--ros-args',
        '-p',
        "path:='it''s.mcap'",
        '-p',
        'rate:=2.0',
        '-p',
        'pictures_only:=true',
        '-p',
        'wait_for_subscribers:=true',
        '--ros-args',
        '-r',
        '/a:=/b',
    ]
    assert as_ros_arguments(['replay', '--ros-args', '-p', 'path:=a']) == [
        'replay',
        '--ros-args',
        '-p',
        'path:=a',
    ]


def test_a_recording_that_is_cut_off_is_replayed_as_far_as_it_goes(start_node: Callable, poses_only: Path) -> None:
    poses_only.write_bytes(poses_only.read_bytes()[:-20])
    replay = start_node('replay_node', {'path': poses_only, 'rate': 2.0})
    assert replay.wait() == 0
    assert replay.wait_for_line(r'WARN.*poses\.mcap is cut off or damaged .*: 20 messages could be read')
    assert replay.wait_for_line(r'poses\.mcap is at its end: 20 messages replayed')
