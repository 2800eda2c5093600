"""The demo: its figures, its pictures, its processes, and the whole of it."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import urllib.request
import webbrowser
from collections import deque
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from perfect_hand import perfect_state  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.recording import read_messages  # noqa: E402
from minimal_hand_core.tracking import CameraModel, PoseConfig, PoseEstimator  # noqa: E402
from minimal_hand_core.tracking.mirrored import mirror_camera, mirror_picture  # noqa: E402
from minimal_hand_ros.demo.film import annotate, write_clip, write_sheet  # noqa: E402
from minimal_hand_ros.demo.main import _parse, _start, main  # noqa: E402
from minimal_hand_ros.demo.processes import NodeDied, NodeGroup  # noqa: E402
from minimal_hand_ros.demo.records import Record, figures  # noqa: E402
from minimal_hand_ros.demo.report import progress_line, summary_lines  # noqa: E402
from minimal_hand_ros.demo.view import View  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def scene() -> RenderedScene:
    return RenderedScene(seed=2, size=(240, 320))


def record(scene: RenderedScene, number: int, offset: float = 0.0) -> Record:
    """Picture `number` at 20 Hz, tracked without fault but for `offset` metres along z."""
    picture, truth = scene.frame(number / 20)
    camera = CameraModel(320, 240, truth.intrinsics, np.zeros(0))
    state = perfect_state(truth, number / 20, truth.keypoints_m + (0, 0, offset))
    return Record(
        stamp=number * 50_000_000,
        jpeg=cv2.imencode('.jpg', picture)[1].tobytes(),
        camera=camera,
        found=True,
        score=0.9,
        uv=truth.keypoints_px + (3.0, 4.0),
        state=state,
        truth=truth.keypoints_m,
        stages={'keypoints': 0.010, 'pose': 0.002},
        pose_latency=0.014,
        tf_latency=0.015,
    )


def test_figures(scene: RenderedScene) -> None:
    records = [record(scene, number, offset=0.01) for number in range(5)]
    records.insert(2, Record(stamp=75_000_000, found=False, score=0.1))
    total = figures(records)
    assert (total.pictures, total.answered, total.found, total.posed) == (6, 6, 5, 5)
    assert total.rate == pytest.approx(20)
    assert total.shape_error == pytest.approx(0, abs=1e-9)
    assert total.wrist_error == pytest.approx(0.01)
    assert total.pixel_error == pytest.approx(5, abs=1e-3)
    assert total.tf_p50 == pytest.approx(0.015) and total.pose_p95 == pytest.approx(0.014)
    assert total.stages == {'keypoints': pytest.approx(0.010), 'pose': pytest.approx(0.002)}


def test_figures_of_nothing() -> None:
    nothing = figures([])
    assert nothing.pictures == 0 and nothing.rate is None and nothing.shape_error is None


def test_words(scene: RenderedScene) -> None:
    total = figures([record(scene, number) for number in range(3)])
    line = progress_line(12.3, total)
    for part in ('12.3 s', '20.0 Hz', 'picture→TF 15 ms', 'keypoints 10.0', '0.0 mm', '5.0 px', 'score 0.90'):
        assert part in line
    assert '\n' not in line
    assert 'waiting for pictures' in progress_line(0.0, figures([]))
    nobody = figures([Record(stamp=1, found=False, score=0.05)])
    assert 'no hand' in progress_line(1.0, nobody)
    lines = '\n'.join(summary_lines('a.mp4', nobody, ['something odd'], [Path('x/clip.mp4')]))
    for part in ('1 from a.mp4', 'saw none in 1 pictures', 'something odd', 'x/clip.mp4'):
        assert part in lines


def test_clip_and_contact_sheet(scene: RenderedScene, tmp_path: Path) -> None:
    records = [record(scene, number) for number in range(15)]
    estimator = PoseEstimator()
    assert write_clip(tmp_path / 'clip.mp4', records, estimator, 20.0) == 15
    clip = cv2.VideoCapture(str(tmp_path / 'clip.mp4'))
    assert int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) == 15
    assert (clip.get(cv2.CAP_PROP_FRAME_WIDTH), clip.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (320, 240)
    assert write_sheet(tmp_path / 'sheet.png', records, estimator) == 12
    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    assert sheet.shape == (3 * 360, 4 * 480, 3)
    # something has been drawn: the first picture differs from what was taken
    plain = cv2.resize(scene.frame(0.0)[0], (480, 360))
    assert (np.abs(sheet[:360, :480].astype(int) - plain).max(axis=2) > 60).sum() > 500


def test_hands_are_drawn_where_they_are_in_a_flipped_picture(scene: RenderedScene) -> None:
    plain = record(scene, 0)
    picture = cv2.imdecode(np.frombuffer(plain.jpeg, np.uint8), cv2.IMREAD_COLOR)
    flipped = cv2.imencode('.png', mirror_picture(picture))[1].tobytes()
    camera = mirror_camera(plain.camera, 320)
    drawn = annotate(dataclasses.replace(plain, truth=None), PoseEstimator())
    below = slice(30, None)  # the caption, which nobody flips
    changed = np.abs(drawn[below].astype(int) - picture[below]).mean()
    for known in (camera, dataclasses.replace(camera, width=0, height=0)):  # a camera need not know its size
        mirrored = dataclasses.replace(plain, jpeg=flipped, camera=known, truth=None)
        seen = annotate(mirrored, PoseEstimator(PoseConfig(mirrored=True)))
        assert np.abs(mirror_picture(seen)[below].astype(int) - drawn[below]).mean() < 0.1 * changed


def test_pictures_without_a_hand_are_shown_as_such(scene: RenderedScene, tmp_path: Path) -> None:
    pictures = [cv2.imencode('.jpg', np.full((48, 64, 3), 50 * i, np.uint8))[1].tobytes() for i in (0, 1, 2, 2)]
    records = [Record(stamp=i, jpeg=jpeg, found=False, score=0.1) for i, jpeg in enumerate(pictures)]
    assert write_sheet(tmp_path / 'sheet.png', records, PoseEstimator()) == 3
    assert write_sheet(tmp_path / 'none.png', [], PoseEstimator()) == 0


def test_a_node_that_dies_is_named_with_its_last_words() -> None:
    with NodeGroup() as group:
        group.start('camera_node', 'minimal_hand_ros.camera_node', {'source': '/nowhere'})
        group.nodes[0]._process.wait(180)
        with pytest.raises(NodeDied, match=r"(?s)camera_node ended with exit code 1.*source '/nowhere' does not exist"):
            group.check()


def test_warnings_are_told_while_the_node_writes_more() -> None:
    lines: deque[str] = deque()

    class Line(str):
        """Another one is written as this one is looked at."""

        def __contains__(self, part: str) -> bool:
            lines.append('written meanwhile')
            return super().__contains__(part)

    lines.append(Line('[WARN] [1.0] [camera_node]: too dark'))
    group, node = NodeGroup(), FakeNode()
    node.lines = lines
    group.nodes.append(node)
    assert group.warnings() == ['too dark']


class Started:
    """A NodeGroup that starts nothing: name → parameters."""

    def __init__(self) -> None:
        self.told: dict[str, dict[str, object]] = {}

    def start(self, name: str, module: str, parameters: dict[str, object], *_: object) -> None:
        self.told[name] = parameters


@pytest.mark.parametrize('mirrored', [False, True])
def test_who_looks_at_flipped_pictures_is_told(mirrored: bool) -> None:
    told = {}
    for more in ([], ['--composed']):
        arguments = ['--source', '0', '--no-viewer', *more, *(['--mirrored'] if mirrored else [])]
        group = Started()
        _start(group, _parse(arguments))
        told |= group.told
    assert 'mirrored' not in told.pop('camera_node')
    assert set(told) == {'keypoint_node', 'shape_server', 'ik_node', 'tracker'}
    assert all(parameters['mirrored'] is mirrored for parameters in told.values())


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--duration', 'nan'], "argument --duration: 'nan': give seconds, 1 to 3600"),
        (['--seed', '-1'], "argument --seed: '-1' is not a whole number, 0 or above"),
        (['--seed', 'one'], "argument --seed: 'one' is not a whole number, 0 or above"),
        (['--seed', '2147483648'], "argument --seed: '2147483648': give a whole number from 0 to 2147483647"),
        (['--mirrored'], 'argument --mirrored: pictures of the rendered hand are not flipped: give another --source'),
    ],
)
def test_an_option_that_cannot_be_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert capsys.readouterr().err.endswith(f'demo: error: {said}\n')


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'minimal_hand_ros.demo', *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )


def children() -> set[str]:
    """Nodes of this project that run on this machine's behalf of this test run."""
    found = set()
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            command = (folder / 'cmdline').read_text().replace('\0', ' ')
            environment = (folder / 'environ').read_text()
        except OSError:
            continue
        if 'minimal_hand_ros.' in command and f'DEMO_TEST={os.getpid()}' in environment:
            found.add(command)
    return found


def check_demo(output: str, folder: Path) -> None:
    for part in ('picture→TF', 'mm', 'px', 'clip.mp4', 'contact_sheet.png', 'hand/markers', 'hand/joint_states'):
        assert part in output, output
    assert 'Traceback' not in output
    assert (folder / 'clip.mp4').stat().st_size > 10_000
    assert cv2.imread(str(folder / 'contact_sheet.png')) is not None
    assert not children()


def test_the_whole_demo_with_four_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEMO_TEST', str(os.getpid()))
    done = run_demo('--duration', '4', '--rate', '10', '--output', str(tmp_path), '--no-viewer')
    assert done.returncode == 0, done.stdout
    check_demo(done.stdout, tmp_path)
    assert 'viewer' not in done.stdout


RECORD = """
import os, sys
os.environ.update(ROS_DOMAIN_ID=sys.argv[1], ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST')
import rclpy
from minimal_hand_ros.msg import HandPose
from std_srvs.srv import SetBool
rclpy.init()
node = rclpy.create_node('asks')
client = node.create_client(SetBool, 'record')
assert client.wait_for_service(60)
future = client.call_async(SetBool.Request(data=True))
rclpy.spin_until_future_complete(node, future, timeout_sec=60)
print(future.result().message)
poses = []
node.create_subscription(HandPose, 'hand/pose', poses.append, 10)
while len(poses) < 30:
    rclpy.spin_once(node, timeout_sec=60)
"""
"""Starts a recording, and waits until there is something to record."""


def test_the_whole_demo_with_its_view_until_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('viser', reason='viser is not installed: extra [viewer]')
    monkeypatch.setenv('DEMO_TEST', str(os.getpid()))
    domain = os.environ.get('ROS_DOMAIN_ID', '73')
    options = ['--duration', '4', '--rate', '10', '--output', str(tmp_path), '--composed', '--keep', '--domain', domain]
    demo = subprocess.Popen(
        [sys.executable, '-m', 'minimal_hand_ros.demo', *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        text = ''.join(lines)
        address = re.search(r'^view +(http://localhost:\d+)$', text, re.MULTILINE)
        if address and 'Ctrl-C ends it' in text:
            break
    assert address, ''.join(lines)
    with urllib.request.urlopen(address[1], timeout=60) as page:
        assert b'<html' in page.read()
    # what the button of the view asks for
    ask = [sys.executable, '-c', RECORD, domain]
    told = subprocess.run(ask, stdout=subprocess.PIPE, text=True, timeout=120, check=True).stdout
    demo.send_signal(signal.SIGINT)
    lines.append(demo.communicate(timeout=280)[0])
    assert demo.returncode == 0, ''.join(lines)
    check_demo(''.join(lines), tmp_path)
    (file,) = tmp_path.glob('hand_*.mcap')
    assert f'recording {file}' in told
    assert sum(recorded.message.side == 'right' for recorded in read_messages(file, ['/hand/pose'])) > 10


class FakeNode:
    """As much of a NodeProcess as is looked at."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended = False


def test_the_address_of_the_view_is_told_once_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, 'open', opened.append)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    for display in ('', ':0'):
        monkeypatch.setenv('DISPLAY', display)
        node = FakeNode()
        view = View(node)
        assert view.news() is None and view.address is None
        node.lines.append('[INFO] [1.0] [viewer]: ready: open http://localhost:8081 in a browser')
        assert view.news() == 'view       http://localhost:8081' and view.address == 'http://localhost:8081'
        assert view.news() is None
        assert opened == (['http://localhost:8081'] if display else []), 'no screen, no browser'
        node.lines.append('error: viewer: all is lost')
        node.ended = True
        assert view.news() == 'no view    all is lost' and view.address is None
        assert view.news() is None


def test_the_demo_does_without_a_viewer_that_dies() -> None:
    with NodeGroup() as group:
        view = View(
            group.start('viewer', 'minimal_hand_ros.viewer_node', {'host': '192.0.2.1', 'port': 0}, vital=False)
        )
        group.nodes[0]._process.wait(180)
        assert view.news() == (
            "no view    host '192.0.2.1' is none of this machine (Cannot assign requested address): "
            'give 127.0.0.1, or 0.0.0.0 for all'
        )
        group.check()


def test_a_source_that_does_not_exist_ends_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEMO_TEST', str(os.getpid()))
    done = run_demo('--source', str(tmp_path / 'nothing.mp4'), '--output', str(tmp_path / 'out'))
    assert done.returncode == 1
    assert 'camera_node ended with exit code 1' in done.stdout and 'does not exist' in done.stdout
    assert 'Traceback' not in done.stdout
    assert not children()


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEMO_TEST', str(os.getpid()))
    demo = subprocess.Popen(
        [sys.executable, '-m', 'minimal_hand_ros.demo', '--output', str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert demo.stdout is not None
    assert any('started camera_node' in line for line in demo.stdout)
    demo.send_signal(signal.SIGINT)
    rest = demo.communicate(timeout=280)[0]
    assert demo.returncode == 130 and 'Traceback' not in rest, rest
    assert not children()
