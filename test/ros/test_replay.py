"""replay: what it does while nothing is replayed, and at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from conftest import Inbox  # noqa: E402
from minimal_hand_ros.msg import HandPose  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from test_lifecycle import ACTIVATE, CONFIGURE, DEACTIVATE, Clock, Manager  # noqa: E402

from minimal_hand_core.recording import RecordingWriter  # noqa: E402
from minimal_hand_ros import replay_node  # noqa: E402
from minimal_hand_ros.camera_node import CameraNode  # noqa: E402
from minimal_hand_ros.replay_node import ReplayNode  # noqa: E402

START = 1_700_000_000_000_000_000
HOUR = 3600
"""Seconds."""


def test_a_rate_set_while_inactive_keeps_the_place(
    monkeypatch: pytest.MonkeyPatch, run_here: Callable, peer, tmp_path: Path
) -> None:
    # monkeypatch comes first, so that the node is closed before the true time is back, by which the recording is over
    path = tmp_path / 'poses.mcap'
    with RecordingWriter(path) as writer:
        for stamp in (START, START + HOUR * 10**9):
            writer.write('/hand/pose', 'minimal_hand_ros/msg/HandPose', {'side': 'right'}, stamp)
    clock = Clock()
    monkeypatch.setattr(replay_node, 'time', clock)
    poses = peer.listen(HandPose, 'hand/pose', 100)
    replay = run_here(ReplayNode, {'path': str(path), 'wait_for_subscribers': True})
    poses.wait_for_count(1)
    manager = Manager(peer, 'replay')
    assert manager.change(DEACTIVATE)
    clock.now += 5 * HOUR
    replay.node.set_parameters_atomically([Parameter('rate', value=2.0)])
    clock.now += 5 * HOUR
    assert manager.change(ACTIVATE)
    assert replay.node.work._schedule.wait(clock.monotonic_ns()) == HOUR * 10**9 // 2
    assert len(poses.messages) == 1


@pytest.fixture
def acknowledged(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """Topics of publishers whose subscribers were waited for."""
    inbox, wait = Inbox('acknowledged'), Publisher.wait_for_all_acked

    def waited(publisher: Publisher, *arguments: object) -> bool:
        inbox.put(publisher.topic_name)
        return wait(publisher, *arguments)

    monkeypatch.setattr(Publisher, 'wait_for_all_acked', waited)
    return inbox


def test_at_the_end_of_a_recording_nothing_is_under_way(
    run_here: Callable, peer, tmp_path: Path, acknowledged: Inbox
) -> None:
    path = tmp_path / 'short.mcap'
    data = cv2.imencode('.jpg', np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    with RecordingWriter(path) as writer:
        writer.write('/camera_info', 'sensor_msgs/msg/CameraInfo', {'width': 64}, START)
        writer.write('/image_raw/compressed', 'sensor_msgs/msg/CompressedImage', {'data': data}, START)
    run_here(ReplayNode, {'path': str(path), 'autostart': False})
    manager = Manager(peer, 'replay')
    assert manager.change(CONFIGURE) and manager.change(ACTIVATE)
    assert set(acknowledged.wait_for_count(3)) == {'/camera_info', '/image_raw/compressed', '/image_raw'}


def test_at_the_end_of_a_source_nothing_is_under_way(
    run_here: Callable, peer, tmp_path: Path, acknowledged: Inbox
) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((48, 64, 3), np.uint8))
    run_here(CameraNode, {'source': str(tmp_path), 'loop': False, 'rate': 20.0, 'hold': 1, 'autostart': False})
    manager = Manager(peer, 'camera_node')
    assert manager.change(CONFIGURE) and manager.change(ACTIVATE)
    assert set(acknowledged.wait_for_count(3)) == {'/camera_info', '/image_raw/compressed', '/image_raw'}
