"""Recordings without ROS: written and read back by this package, by mcap-ros2-support and by rosbags."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

from minimal_hand_core.data.sources import SourceError, open_source
from minimal_hand_core.data.stream import pictures as pictures_of
from minimal_hand_core.recording import (
    DamagedRecordingError,
    Offer,
    Recording,
    RecordingError,
    RecordingWriter,
    definition,
    encode,
    is_known_as,
    is_recording,
    move_stamps,
    read_messages,
    type_hash,
)
from minimal_hand_core.recording import writer as writer_module
from minimal_hand_core.recording.pictures import RecordedPictures
from minimal_hand_core.tracking import CameraModel, PictureError

POSE, JPEG, IMAGE, INFO = (
    'minimal_hand_ros/msg/HandPose',
    'sensor_msgs/msg/CompressedImage',
    'sensor_msgs/msg/Image',
    'sensor_msgs/msg/CameraInfo',
)
START = 1_700_000_000_000_000_000
PERIOD = 33_333_333
WIDTH, HEIGHT = 64, 48


def header(stamp: int, frame: str = 'eye') -> dict[str, object]:
    return {'stamp': {'sec': stamp // 10**9, 'nanosec': stamp % 10**9}, 'frame_id': frame}


def pose(i: int) -> dict[str, object]:
    return {
        'header': header(START + i * PERIOD),
        'side': 'left',
        'valid': True,
        'score': 0.25,
        'keypoints': np.arange(63, dtype=np.float64).reshape(21, 3) + i,
        'wrist': {'pose': {'position': {'x': 0.1, 'z': float(i)}, 'orientation': {'w': 1.0}}},
        'rotations': [{'w': 1.0, 'x': k / 16} for k in range(16)],
        'stage_names': ['detect', 'fit'],
        'stage_latency': [0.5, 0.25],
    }


def picture(i: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), 10 * (i % 20), np.uint8)


def jpeg(i: int) -> dict[str, object]:
    data = cv2.imencode('.jpg', picture(i))[1].tobytes()
    return {'header': header(START + i * PERIOD), 'format': 'bgr8; jpeg compressed bgr8', 'data': data}


def info(i: int) -> dict[str, object]:
    k = [70.0, 0, 31.5, 0, 71.0, 23.5, 0, 0, 1]
    return {
        'header': header(START + i * PERIOD),
        'width': WIDTH,
        'height': HEIGHT,
        'k': k,
        'd': [0.1, -0.2, 0.0, 0.0, 0.0],
        'distortion_model': 'plumb_bob',
    }


def write(path: Path, count: int = 30) -> Path:
    """`count` pictures, each with its camera info and pose, a little apart."""
    with RecordingWriter(path) as writer:
        writer.add_topic('/hand/pose', POSE, Offer(latched=True, depth=7))
        for i in range(count):
            stamp = START + i * PERIOD
            writer.write('/image_raw/compressed', JPEG, jpeg(i), stamp + 1)
            writer.write('/camera_info', INFO, info(i), stamp + 2)
            writer.write('/hand/pose', POSE, pose(i), stamp + 3, published_ns=stamp)
    return path


@pytest.fixture(scope='module')
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp('recording') / 'hand.mcap')


def test_what_is_written_is_read_back(recorded: Path) -> None:
    with Recording(recorded) as recording:
        assert {name: (topic.type_name, topic.count) for name, topic in recording.topics.items()} == {
            '/hand/pose': (POSE, 30),
            '/image_raw/compressed': (JPEG, 30),
            '/camera_info': (INFO, 30),
        }
        assert (recording.start, recording.end) == (START + 1, START + 29 * PERIOD + 3)
        assert recording.topics['/hand/pose'].offer == Offer(reliable=True, latched=True, depth=7)
    messages = list(read_messages(recorded))
    assert [m.stamp for m in messages] == sorted(m.stamp for m in messages)
    last = messages[-1]
    assert last.topic == '/hand/pose' and last.message.side == 'left' and last.message.valid is True
    np.testing.assert_array_equal(last.message.keypoints, np.arange(63) + 29)
    assert last.message.rotations[3].x == 3 / 16 and last.message.wrist.pose.position.z == 29.0
    assert last.message.stage_names == ['detect', 'fit']
    assert [m.message.header.stamp.nanosec for m in read_messages(recorded, ['/camera_info'])][:2] == [0, PERIOD]


def test_mcap_ros2_support_reads_it(recorded: Path) -> None:
    with recorded.open('rb') as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == 'ros2'
        messages = list(reader.iter_decoded_messages())
    assert len(messages) == 90
    assert {m.schema.encoding for m in messages} == {'ros2msg'}
    assert {m.channel.message_encoding for m in messages} == {'cdr'}
    poses = [m for m in messages if m.schema.name == POSE]
    assert [m.message.log_time for m in poses] == [START + i * PERIOD + 3 for i in range(30)]
    assert poses[4].message.publish_time == START + 4 * PERIOD
    found = poses[4].decoded_message
    assert list(found.keypoints) == [4.0 + k for k in range(63)] and found.rotations[2].x == 2 / 16
    image = next(m.decoded_message for m in messages if m.schema.name == JPEG)
    assert cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR).shape == (HEIGHT, WIDTH, 3)


def test_rosbags_reads_it(recorded: Path) -> None:
    with AnyReader([recorded]) as reader:
        assert reader.message_count == 90
        connection = next(c for c in reader.connections if c.topic == '/hand/pose')
        profile = connection.ext.offered_qos_profiles[0]
        assert (profile.depth, profile.durability) == (7, QosDurability.TRANSIENT_LOCAL)
        assert profile.reliability == QosReliability.RELIABLE
        for found, stamp, data in reader.messages([connection]):
            message = reader.deserialize(data, found.msgtype)
            assert message.keypoints[0] * PERIOD + START + 3 == stamp


def test_definitions_are_whole() -> None:
    text = definition(POSE)
    parts = [line.removeprefix('MSG: ') for line in text.splitlines() if line.startswith('MSG: ')]
    assert {'std_msgs/Header', 'builtin_interfaces/Time', 'geometry_msgs/PoseWithCovariance'} <= set(parts)
    assert is_known_as(POSE, text) and not is_known_as(POSE, 'string side\n')
    with pytest.raises(RecordingError, match="message type 'some/msg/Thing' is not known: give one of"):
        definition('some/msg/Thing')


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'sidee': 'left'}, 'HandPose.sidee: .* has no such field; it has side'),
        ({'score': 'high'}, 'HandPose.score: expected float32'),
        ({'keypoints': [1.0, 2.0]}, 'HandPose.keypoints: expected 63 values, found 2'),
        ({'header': {'stamp': {'sec': 2**40}}}, 'HandPose.header.stamp.sec: expected int32'),
        ({'header': {'stamp': {'nanosec': 0.5}}}, 'HandPose.header.stamp.nanosec: expected uint32'),
        ({'side': 3}, 'HandPose.side: expected a text, found 3'),
        ({'score': 1e300}, 'HandPose. cannot be encoded: float too large'),
        ({'wrist': 1.0}, 'HandPose.wrist: expected a mapping'),
        ({'rotations': [{}] * 3}, 'HandPose.rotations: expected 16 values, found 3'),
        ({'rotations': 3}, 'HandPose.rotations: expected a list, found 3'),
        ({'rotations': {'w': 1.0}}, 'HandPose.rotations: expected a list, found {'),
        ({'stage_names': 'detect'}, "HandPose.stage_names: expected a list, found 'detect'"),
        ({'stage_names': b'detect'}, "HandPose.stage_names: expected a list, found b'detect'"),
    ],
)
def test_fields_that_do_not_fit_are_named(fields: dict, said: str) -> None:
    with pytest.raises(RecordingError, match=said):
        encode(POSE, fields)


def test_an_existing_file_is_never_overwritten(recorded: Path) -> None:
    before = recorded.read_bytes()
    with pytest.raises(RecordingError, match='hand.mcap exists and is not overwritten: give another name'):
        RecordingWriter(recorded)
    assert recorded.read_bytes() == before


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('hand.bag', 'give a name that ends in .mcap'),
        ('nowhere/hand.mcap', 'cannot be written: No such file or directory; give a folder that exists'),
        ('file/hand.mcap', 'cannot be written: Not a directory'),
    ],
)
def test_a_file_that_cannot_be_made(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(RecordingError, match=said):
        RecordingWriter(tmp_path / name)


def test_a_topic_keeps_its_type(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'a.mcap') as writer:
        writer.write('/hand/pose', POSE, pose(0), START)
        with pytest.raises(RecordingError, match="topic /hand/pose .* has type 'minimal_hand_ros/msg/HandPose', not"):
            writer.write('/hand/pose', INFO, info(0), START)
        with pytest.raises(RecordingError, match='stamp of a message on /hand/pose is -1'):
            writer.write('/hand/pose', POSE, pose(0), -1)
    with pytest.raises(RecordingError, match=r'a\.mcap is closed'):
        writer.write('/hand/pose', POSE, pose(0), START)


@pytest.fixture
def small_disk() -> Callable[[int], None]:
    """small_disk(size): no file may grow beyond it, as the system itself enforces."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_disk_without_room_keeps_what_was_written(tmp_path: Path, small_disk: Callable[[int], None]) -> None:
    path, noise = tmp_path / 'full.mcap', np.random.default_rng(0)
    writer = RecordingWriter(path)
    small_disk(3_500_000)
    with pytest.raises(RecordingError, match='full.mcap cannot be written: File too large; make room .* is kept'):
        for i in range(1000):
            writer.write('/noise', JPEG, {'data': noise.bytes(50_000)}, START + i)
    assert not writer.open
    writer.close()
    with pytest.raises(RecordingError, match='is closed'):
        writer.write('/noise', JPEG, {}, START)
    kept = []
    with pytest.raises(DamagedRecordingError, match='it ends in the middle'):
        kept.extend(read_messages(path))
    assert [m.stamp for m in kept] == [START + i for i in range(len(kept))] and 45 < len(kept) < 70


def test_a_disk_that_is_full_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RecordingWriter(tmp_path / 'full.mcap')
    writer.write('/hand/pose', POSE, pose(0), START)

    def no_space(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'write', no_space)
    with pytest.raises(RecordingError, match='No space left on device; make room or take another folder'):
        writer.close()
    monkeypatch.undo()
    with pytest.raises(RecordingError, match='is cut off before its first message'):
        Recording(tmp_path / 'full.mcap')


@pytest.mark.parametrize('share', [0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_gives_what_is_whole(tmp_path: Path, share: float) -> None:
    noise = np.random.default_rng(0)
    with RecordingWriter(tmp_path / 'whole.mcap') as writer:
        for i in range(100):
            writer.write('/noise', JPEG, {'header': header(START + i), 'data': noise.bytes(50_000)}, START + i)
    data = (tmp_path / 'whole.mcap').read_bytes()
    path = tmp_path / 'cut.mcap'
    path.write_bytes(data[: int(len(data) * share)])
    kept = []
    with pytest.raises(DamagedRecordingError) as error:
        kept.extend(read_messages(path))
    assert error.value.count == len(kept) >= 100 * share - 25
    assert [m.message.header.stamp.nanosec for m in kept] == list(range(len(kept)))
    assert f'{path} is cut off or damaged' in str(error.value) and f'{len(kept)} messages could be read' in str(error)
    assert Recording(path).topics['/noise'].count == len(kept)


def test_a_byte_that_is_not_what_it_was(tmp_path: Path, recorded: Path) -> None:
    data = bytearray(recorded.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path = tmp_path / 'bad.mcap'
    path.write_bytes(data)
    with pytest.raises(DamagedRecordingError, match=r'bad\.mcap is cut off or damaged \(.+\): \d+ messages'):
        list(read_messages(path))


@pytest.mark.parametrize(
    ('name', 'content', 'said'),
    [
        ('empty.mcap', b'', 'empty.mcap is no MCAP file'),
        ('text.mcap', b'hello, this is no recording', 'is no MCAP file'),
        ('text.db3', b'hello, this is no recording', 'text.db3 cannot be read'),
        ('text.bag', b'hello, this is no recording', 'text.bag cannot be read'),
        ('film.mp4', b'', 'has an unknown ending: give one of .mcap, .db3, .bag or a folder'),
    ],
)
def test_files_that_are_no_recording(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=said):
        Recording(tmp_path / name)


def test_a_file_without_its_beginning_or_not_there(tmp_path: Path, recorded: Path) -> None:
    with pytest.raises(RecordingError, match='nothing.mcap does not exist: give an .mcap file'):
        Recording(tmp_path / 'nothing.mcap')
    with pytest.raises(RecordingError, match=r'is a folder without metadata\.yaml: give one of its files'):
        Recording(tmp_path)
    path = tmp_path / 'short.mcap'
    path.write_bytes(recorded.read_bytes()[:60])
    with pytest.raises(RecordingError, match=r'short\.mcap is cut off before its first message'):
        Recording(path)


def test_a_killed_process_loses_its_last_second_at_most(tmp_path: Path) -> None:
    path = tmp_path / 'killed.mcap'
    program = f"""
import minimal_hand_core.recording.writer as w
w.FLUSH_PERIOD = 0.0
writer = w.RecordingWriter({str(path)!r})
for i in range(50):
    writer.write('/hand/pose', {POSE!r}, {{'score': i / 64}}, {START} + i)
print('written', flush=True)
input()
"""
    process = subprocess.Popen([sys.executable, '-c', program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b'written\n'
    process.kill()
    process.wait()
    kept = []
    with pytest.raises(DamagedRecordingError):
        kept.extend(read_messages(path))
    assert [m.message.score * 64 for m in kept] == list(range(50))


def rosbag2(folder: Path, storage: StoragePlugin, recorded: Path) -> Path:
    """The same messages in a bag of rosbag2's form."""
    with Recording(recorded) as recording, Writer2(folder, version=9, storage_plugin=storage) as writer:
        connections = {
            topic.name: writer.add_connection(
                topic.name, topic.type_name, msgdef=topic.definition, rihs01=type_hash(topic.type_name)
            )
            for topic in recording.topics.values()
        }
        for message in recording.raw_messages():
            writer.write(connections[message.topic], message.stamp, message.data)
    return folder


@pytest.mark.parametrize('storage', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_bags_of_rosbag2(tmp_path: Path, recorded: Path, storage: StoragePlugin) -> None:
    folder = rosbag2(tmp_path / 'bag', storage, recorded)
    assert is_recording(folder) and not is_recording(tmp_path)
    expected = [(m.topic, m.stamp) for m in read_messages(recorded)]
    for path in (folder, next(p for p in folder.iterdir() if p.suffix in ('.db3', '.mcap'))):
        found = list(read_messages(path))
        assert [(m.topic, m.stamp) for m in found] == expected
        np.testing.assert_array_equal(found[-1].message.keypoints, np.arange(63) + 29)
    with Recording(folder) as recording:
        start = START + 20 * PERIOD
        assert [m.stamp for m in recording.raw_messages(['/hand/pose'], start)] == [
            START + i * PERIOD + 3 for i in range(20, 30)
        ]


def test_a_bag_without_metadata_and_with_many_files(tmp_path: Path) -> None:
    folder = tmp_path / 'bag'
    folder.mkdir()
    for i in (0, 9, 10):
        with RecordingWriter(folder / f'bag_{i}.mcap') as writer:
            writer.write('/hand/pose', POSE, pose(i), START + i)
    (folder / 'bag_9.mcap').write_bytes((folder / 'bag_9.mcap').read_bytes()[:-40])
    write(folder / 'other.mcap', 1)
    assert is_recording(folder)
    found = []
    with pytest.raises(DamagedRecordingError, match=r'bag_9\.mcap is cut off'):
        found.extend(read_messages(folder))
    assert [m.stamp - START for m in found] == [0, 9, 10]


@pytest.mark.parametrize('share', [0, 60], ids=['nothing', 'a header'])
def test_a_last_file_without_messages_does_not_hide_the_others(tmp_path: Path, recorded: Path, share: int) -> None:
    folder = tmp_path / 'bag'
    folder.mkdir()
    (folder / 'bag_1.mcap').write_bytes(recorded.read_bytes()[:share])
    reason = 'cut off before its first message' if share else 'no MCAP file'
    with pytest.raises(RecordingError, match=rf'bag_1\.mcap is {reason}'):
        Recording(folder)
    write(folder / 'bag_0.mcap', 4)
    found = []
    with Recording(folder) as recording:
        assert (recording.start, recording.end) == (START + 1, START + 3 * PERIOD + 3)
        assert recording.topics['/hand/pose'].count == 4
        for _ in range(2):
            with pytest.raises(DamagedRecordingError, match=rf'bag_1\.mcap is cut off or damaged \({reason}\): 0 mess'):
                found.extend(recording.messages())
    assert len(found) == 2 * 12


def test_files_without_messages_that_are_whole_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / 'bag'
    folder.mkdir()
    RecordingWriter(folder / 'bag_1.mcap').close()
    with pytest.raises(RecordingError, match=r'bag holds no messages of ROS 2'):
        Recording(folder)
    write(folder / 'bag_0.mcap', 4)
    assert len(list(read_messages(folder))) == 12
    with pytest.raises(RecordingError, match=r'bag_1\.mcap holds no messages of ROS 2'):
        Recording(folder / 'bag_1.mcap')


def test_a_bag_of_ros_1(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    stamp = types['builtin_interfaces/msg/Time'](sec=12, nanosec=34)
    head = types['std_msgs/msg/Header'](seq=1, stamp=stamp, frame_id='eye')
    data = np.frombuffer(cv2.imencode('.png', picture(3))[1].tobytes(), np.uint8)
    image = types[JPEG](header=head, format='png', data=data)
    with Writer1(tmp_path / 'one.bag') as writer:
        connection = writer.add_connection('/image_raw/compressed', JPEG, typestore=store)
        writer.write(connection, START, store.serialize_ros1(image, JPEG))
    with RecordedPictures(tmp_path / 'one.bag') as pictures:
        (found,) = pictures
    assert (found.stamp, found.frame_id, found.camera, found.jpeg) == (12_000_000_034, 'eye', None, None)
    np.testing.assert_array_equal(found.image, picture(3))


def test_pictures_come_with_their_intrinsics(recorded: Path) -> None:
    with RecordedPictures(recorded) as pictures:
        assert (pictures.topic, pictures.info, pictures.count) == ('/image_raw/compressed', '/camera_info', 30)
        assert pictures.rate == pytest.approx(30, rel=1e-3)
        found = list(pictures)
    assert [p.stamp for p in found] == [START + i * PERIOD for i in range(30)]
    assert all(p.camera.k[0, 0] == 70.0 and p.camera.d[1] == -0.2 for p in found)
    assert found[7].jpeg == jpeg(7)['data'] and found[7].frame_id == 'eye'
    assert abs(int(found[7].image[5, 5, 0]) - 70) <= 1


@pytest.mark.parametrize('left_out', ['repeat_channels', 'repeat_schemas'])
def test_an_index_without_channels_or_schemas_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    monkeypatch.setattr(writer_module, 'Writer', partial(writer_module.Writer, **{left_out: False}))
    path = write(tmp_path / 'bare.mcap', 3)
    assert [message.header.stamp.nanosec for _, _, message, _ in read_messages(path, ['/hand/pose'])]
    with Recording(path) as recording:
        assert recording.topics['/hand/pose'].count == 3 and '/camera_info' in recording.topics


def test_rectified_pictures_have_the_camera_of_p(tmp_path: Path) -> None:
    path = tmp_path / 'rectified.mcap'
    with RecordingWriter(path) as writer:
        for i in range(2):
            p = [50.0, 0, 30, 0, 0, 51, 20, 0, 0, 0, 1, 0]
            writer.write('/camera_info', INFO, {**info(i), 'p': p, 'distortion_model': 'unknown'}, START + i * PERIOD)
            writer.write('/image_raw/compressed', JPEG, jpeg(i), START + i * PERIOD + 1)
    with RecordedPictures(path, rectified=True) as pictures:
        assert all(p.camera.k[1, 1] == 51 and not p.camera.d.size for p in pictures)
    with RecordedPictures(path) as pictures:
        assert all(p.camera is None for p in pictures)


@pytest.mark.parametrize('rectified', [False, True])
def test_binned_and_cropped_pictures_have_the_camera_of_what_is_sent(tmp_path: Path, rectified: bool) -> None:
    path = tmp_path / 'binned.mcap'
    k, p = [140.0, 0, 163, 0, 142, 97, 0, 0, 1], [140.0, 0, 163, 9, 0, 142, 97, 0, 0, 0, 1, 0]
    roi = {'x_offset': 100, 'y_offset': 50, 'width': 2 * WIDTH, 'height': 2 * HEIGHT, 'do_rectify': True}
    whole = {**info(0), 'width': 640, 'height': 480, 'k': k, 'p': p}
    with RecordingWriter(path) as writer:
        writer.write('/camera_info', INFO, {**whole, 'binning_x': 2, 'binning_y': 2, 'roi': roi}, START)
        writer.write('/image_raw/compressed', JPEG, jpeg(0), START + 1)
    with RecordedPictures(path, rectified=rectified) as pictures:
        (found,) = pictures
    assert found.unusable == '' and found.camera.k.tolist() == [[70, 0, 31.5], [0, 71, 23.5], [0, 0, 1]]


def test_the_rate_is_that_of_the_pictures_alone(tmp_path: Path) -> None:
    path = tmp_path / 'late.mcap'
    with RecordingWriter(path) as writer:
        writer.write('/hand/pose', POSE, pose(0), START - 60 * 10**9)
        for i in range(10):
            writer.write('/image_raw/compressed', JPEG, jpeg(i), START + i * PERIOD)
    with RecordedPictures(path) as pictures:
        assert pictures.rate == pytest.approx(30, rel=1e-3) and pictures.count == 10
    path.write_bytes(path.read_bytes()[:-50])
    with RecordedPictures(path) as pictures:
        assert pictures.rate == pytest.approx(30, rel=1e-3)


def test_the_rate_of_fast_pictures_is_theirs(tmp_path: Path) -> None:
    path = tmp_path / 'fast.mcap'
    with RecordingWriter(path) as writer:
        for i in range(10):
            writer.write('/image_raw/compressed', JPEG, jpeg(i), START + i * 10**9 // 480)
    with RecordedPictures(path) as pictures:
        assert pictures.rate == pytest.approx(480, rel=1e-3)


def test_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'bad.mcap'
    with RecordingWriter(path) as writer:
        writer.write('/image_raw/compressed', JPEG, {'format': 'jpeg', 'data': b'no picture'}, START)
    with RecordedPictures(path) as pictures:
        (found,) = pictures
    assert found.image is None and 'bad.mcap, picture 1: ' in found.name
    source = open_source(str(path), loop=True)
    with pytest.raises(PictureError, match=r'bad\.mcap, picture 1: '):
        source.read()
    with pytest.raises(SourceError, match=r'bad\.mcap holds no picture that can be read'):
        source.read()


def test_raw_pictures_and_choosing_a_topic(tmp_path: Path) -> None:
    path = tmp_path / 'two.mcap'
    raw = picture(5)
    fields = {'height': HEIGHT, 'width': WIDTH, 'encoding': 'rgb8', 'step': 3 * WIDTH, 'data': raw}
    with RecordingWriter(path) as writer:
        for name in ('/a/color', '/b/color'):
            writer.write(name, IMAGE, fields, START)
    with pytest.raises(RecordingError, match='pictures on several topics: give one of /a/color, /b/color'):
        RecordedPictures(path)
    with pytest.raises(RecordingError, match='has no pictures on /c; it has /a/color, /b/color'):
        RecordedPictures(path, '/c')
    with RecordedPictures(path, '/b/color') as pictures:
        (found,) = pictures
    np.testing.assert_array_equal(found.image, raw)
    assert found.stamp == START and found.camera is None and found.jpeg is None
    with RecordingWriter(tmp_path / 'none.mcap') as writer:
        writer.write('/hand/pose', POSE, pose(0), START)
    with pytest.raises(RecordingError, match='none.mcap holds no pictures; its topics are /hand/pose'):
        RecordedPictures(tmp_path / 'none.mcap')


def test_a_recording_that_is_cut_off_before_its_first_picture_says_so(tmp_path: Path) -> None:
    path = tmp_path / 'cut.mcap'
    with RecordingWriter(path) as writer:
        writer.add_topic('/image_raw/compressed', JPEG)
        writer.write('/camera_info', INFO, info(0), START)
        writer.write('/hand/pose', POSE, pose(0), START)
    with pytest.raises(RecordingError, match='cut.mcap holds no pictures; its topics are'):
        RecordedPictures(path)
    path.write_bytes(path.read_bytes()[:-50])
    for topic in ('', '/image_raw/compressed'):
        said = 'cut.mcap is cut off before its first picture on /image_raw/compressed'
        with pytest.raises(RecordingError, match=said):
            RecordedPictures(path, topic)
    path.unlink()
    with RecordingWriter(path) as writer:
        writer.write('/hand/pose', POSE, pose(0), START)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(RecordingError, match='holds no pictures before it is cut off; its topics are /hand/pose'):
        RecordedPictures(path)


def test_why_recorded_intrinsics_are_not_used_is_kept(tmp_path: Path) -> None:
    path = tmp_path / 'odd.mcap'
    with RecordingWriter(path) as writer:
        for i, change in enumerate([{}, {'k': [float('nan')] * 9}, {'width': 2 * WIDTH}, {'k': [0.0] * 9}]):
            writer.write('/camera_info', INFO, {**info(i), **change}, START + i * PERIOD)
            writer.write('/image_raw/compressed', JPEG, jpeg(i), START + i * PERIOD + 1)
    with RecordedPictures(path) as pictures:
        good, nan, large, none = pictures
    assert good.camera is not None and nan.camera is large.camera is none.camera is None
    assert good.unusable == none.unusable == '', 'a camera that is not calibrated is no mistake'
    assert 'not finite' in nan.unusable
    assert large.unusable == 'picture is 64×48, its intrinsics are for 128×48'


def test_of_a_raw_and_a_compressed_topic_the_raw_one_is_taken(tmp_path: Path) -> None:
    path = tmp_path / 'both.mcap'
    fields = {'height': HEIGHT, 'width': WIDTH, 'encoding': 'rgb8', 'step': 3 * WIDTH, 'data': picture(5)}
    with RecordingWriter(path) as writer:
        writer.write('/a/color/compressed', JPEG, jpeg(5), START)
        writer.write('/a/color', IMAGE, fields, START)
    with RecordedPictures(path) as pictures:
        assert pictures.topic == '/a/color'
    with RecordedPictures(path, '/a/color/compressed') as pictures:
        assert pictures.topic == '/a/color/compressed'


def test_damage_before_the_first_intrinsics_does_not_hide_the_pictures(tmp_path: Path) -> None:
    path = tmp_path / 'cut.mcap'
    with RecordingWriter(path) as writer:
        writer.add_topic('/camera_info', INFO)
        for i in range(5):
            writer.write('/image_raw/compressed', JPEG, jpeg(i), START + i)
    path.write_bytes(path.read_bytes()[:-50])
    found = []
    with RecordedPictures(path) as pictures:
        assert pictures.info == '/camera_info'
        with pytest.raises(DamagedRecordingError, match=r'cut\.mcap is cut off .*: 5 messages could be read'):
            found.extend(pictures)
    assert len(found) == 5 and all(each.camera is None and each.image is not None for each in found)


def test_a_recording_is_a_picture_source(recorded: Path, tmp_path: Path) -> None:
    source = open_source(str(recorded), loop=False)
    assert source.rate == pytest.approx(30, rel=1e-3) and source.camera is None
    shots = [source.read() for _ in range(31)]
    assert shots[30] is None and source.camera.k[1, 1] == 71.0
    assert [int(shot.image[0, 0, 0]) // 10 for shot in shots[1:4]] == [1, 2, 3]
    source.close()
    source = open_source(str(recorded), loop=True)
    assert [source.read() is None for _ in range(70)] == [False] * 70
    source.close()
    (tmp_path / 'empty.mcap').touch()
    with pytest.raises(SourceError, match=r'source recording .*empty\.mcap is no MCAP file'):
        open_source(str(tmp_path / 'empty.mcap'))


def test_pictures_in_a_row_have_the_intrinsics_of_their_recording(recorded: Path) -> None:
    own = [p.camera.k[0, 0] for p in pictures_of(str(recorded), limit=3)]
    given = CameraModel(WIDTH, HEIGHT, [80.0, 0, 31.5, 0, 80.0, 23.5, 0, 0, 1], [])
    assert own == [70.0] * 3
    assert [p.camera.k[0, 0] for p in pictures_of(str(recorded), limit=2, camera=given)] == [80.0] * 2


def test_pictures_in_a_row_have_the_times_of_their_messages(tmp_path: Path) -> None:
    path = tmp_path / 'uneven.mcap'
    with RecordingWriter(path) as writer:
        for i in (0, 1, 5, 6):
            writer.write('/image_raw/compressed', JPEG, jpeg(i), START + i * PERIOD)
    stamps = [found.stamp for found in pictures_of(str(path))]
    assert stamps == pytest.approx([i * PERIOD * 1e-9 for i in (0, 1, 5, 6)], abs=1e-9)


def test_a_cut_off_recording_gives_its_pictures_first(recorded: Path, tmp_path: Path) -> None:
    path = tmp_path / 'cut.mcap'
    path.write_bytes(recorded.read_bytes()[:-50])
    source = open_source(str(path), loop=False)
    for _ in range(30):
        assert source.read() is not None
    with pytest.raises(SourceError, match='cut.mcap is cut off or damaged .*: 60 messages could be read'):
        source.read()
    source.close()


def test_stamps_are_moved_wherever_they_are() -> None:
    hour = 3600 * 10**9
    tf = 'tf2_msgs/msg/TFMessage'
    transforms = {'transforms': [{'header': header(START), 'child_frame_id': 'a'}, {'child_frame_id': 'b'}]}
    for kind, fields in ((POSE, pose(0)), (tf, transforms)):
        later = dict(fields)
        if kind == POSE:
            later['header'] = header(START + hour)
        else:
            later['transforms'] = [{'header': header(START + hour), 'child_frame_id': 'a'}, {'child_frame_id': 'b'}]
        assert move_stamps(kind, encode(kind, fields), lambda stamp: stamp + hour) == encode(kind, later)
        for length in (0, 1, 3, 11):
            with pytest.raises(RecordingError, match=f'{length} bytes are no message of type {kind!r}'):
                move_stamps(kind, encode(kind, fields)[:length], lambda stamp: stamp + hour)
    text = encode('std_msgs/msg/String', {'data': 'no stamp'})
    assert move_stamps('std_msgs/msg/String', text, lambda stamp: stamp + hour) == text
