"""recorder where there is no time yet, and where it is activated again."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from minimal_hand_ros.msg import HandShape  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rendered_truth import header  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402
from test_lifecycle import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Manager  # noqa: E402
from test_record_replay import status, written  # noqa: E402

from minimal_hand_core.recording import read_messages  # noqa: E402
from minimal_hand_ros import recorder_node  # noqa: E402
from minimal_hand_ros.qos import LATCHED  # noqa: E402
from minimal_hand_ros.recorded_topics import DEPTH  # noqa: E402
from minimal_hand_ros.recorder_node import RecorderNode  # noqa: E402

MORE = DEPTH + 20
"""Messages, more than are held back."""


def send_before_there_is_a_time(run_here: Callable, peer, path: Path) -> None:
    """A shape, latched before the recorder is there, and MORE joint states."""
    shapes = peer.talk(HandShape, 'hand/shape', LATCHED, listeners=0)
    shapes.publish(HandShape(header=header(1), side='right', hand_length=0.125))
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    run_here(RecorderNode, {'record': str(path), 'diagnostics': False, 'use_sim_time': True})
    joints = peer.talk(JointState, 'hand/joint_states', MORE)

    def received(count: int, message: DiagnosticArray) -> bool:
        return status(message, 'recorder').get('messages received') == str(count)

    for i in range(MORE):
        joints.publish(JointState(header=header(i), name=['a'], position=[float(i)]))
        if i == MORE // 2:  # no more than can wait at the other end
            reports.wait_for(partial(received, 1 + i + 1))
    report = status(reports.wait_for(partial(received, 1 + MORE)), 'recorder')
    assert report['messages written'] == '0'
    assert report['dropped: there is no time from /clock'] == str(MORE - DEPTH)


def test_what_comes_before_the_first_time_is_written_with_it(run_here: Callable, peer, tmp_path: Path, capfd) -> None:
    path = tmp_path / 'hand.mcap'
    send_before_there_is_a_time(run_here, peer, path)
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    clock = peer.talk(Clock, '/clock')

    def told(message: DiagnosticArray) -> bool:
        clock.publish(Clock(clock=Time(sec=7)))  # best effort at the other end
        return written(1 + DEPTH)(message)

    reports.wait_for(told)
    assert peer.call(SetBool, 'record', SetBool.Request(data=False)).success
    found = list(read_messages(path))
    assert {message.stamp for message in found} == {7_000_000_000}
    assert [m.message.hand_length for m in found if m.topic == '/hand/shape'] == [0.125]
    positions = [m.message.position[0] for m in found if m.topic == '/hand/joint_states']
    assert positions == list(range(MORE - DEPTH, MORE))
    assert capfd.readouterr().err.count('there is no time from /clock yet: what comes is written once there is') == 1


def test_what_has_no_time_until_the_end_is_not_written(run_here: Callable, peer, tmp_path: Path) -> None:
    path = tmp_path / 'hand.mcap'
    send_before_there_is_a_time(run_here, peer, path)
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    assert peer.call(SetBool, 'record', SetBool.Request(data=False)).message == f'{path}: 0 messages'
    report = status(reports.wait_for(lambda m: status(m, 'recorder').get('message') == 'not recording'), 'recorder')
    assert report['messages dropped'] == str(1 + MORE) and not list(read_messages(path))


def test_only_the_first_activation_records_at_once(run_here: Callable, peer, tmp_path: Path) -> None:
    path = tmp_path / 'hand.mcap'
    path.write_bytes(b'precious')
    reports = peer.listen(DiagnosticArray, '/diagnostics', 100)
    run_here(RecorderNode, {'record': str(path), 'folder': str(tmp_path), 'autostart': False})
    manager = Manager(peer, 'recorder')
    assert manager.change(CONFIGURE) and not manager.change(ACTIVATE)
    path.unlink()
    assert manager.change(ACTIVATE) and path.exists(), 'the first one that succeeds'
    reports.wait_for(lambda m: status(m, 'recorder').get('file') == str(path))
    reports.clear()
    assert manager.change(DEACTIVATE) and manager.change(ACTIVATE)
    reports.wait_for(lambda m: status(m, 'recorder').get('message') == 'not recording')
    reports.clear()
    # a lifecycle manager's reset
    assert all(manager.change(step) for step in (DEACTIVATE, CLEANUP, CONFIGURE, ACTIVATE))
    reports.wait_for(lambda m: status(m, 'recorder').get('message') == 'not recording')
    start = peer.ask(SetBool, 'record', SetBool.Request(data=True))()
    assert start.success and re.fullmatch(rf'recording {tmp_path}/hand_[-\d_]+\.mcap', start.message)


def test_two_recorders_share_a_folder(tmp_path: Path) -> None:
    all_at_once = Barrier(8)

    def start(number: int) -> Path:
        all_at_once.wait()
        with recorder_node._open(str(tmp_path) + '/' * (number % 2)) as writer:
            return writer.path

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            paths = list(pool.map(start, range(8)))
            assert len({*paths}) == 8 and all(path.parent == tmp_path for path in paths)


def test_folders_are_made_when_a_recording_begins(run_here: Callable, peer, tmp_path: Path) -> None:
    at_once, later, file = tmp_path / 'at' / 'once', tmp_path / 'la' / 'ter', tmp_path / 'file'
    recorder = run_here(RecorderNode, {'record': f'{at_once}/', 'folder': str(later)})
    assert len(list(at_once.glob('hand_*.mcap'))) == 1 and not later.exists()
    peer.call(SetBool, 'record', SetBool.Request(data=False))
    start = peer.call(SetBool, 'record', SetBool.Request(data=True))
    assert start.success and start.message.startswith(f'recording {later}/hand_')
    peer.call(SetBool, 'record', SetBool.Request(data=False))
    file.touch()
    recorder.node.set_parameters_atomically([Parameter('folder', value=str(file / 'in'))])
    refused = peer.call(SetBool, 'record', SetBool.Request(data=True))
    assert not refused.success
    assert refused.message == f'folder {file}/in cannot be made: Not a directory; give one that may be written to'
