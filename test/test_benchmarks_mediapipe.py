"""MediaPipe beside the tracker, without MediaPipe: a made-up one takes its place in the worker's other environment."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import mediapipe_hands
from benchmarks.mediapipe_hands import EnvironmentFailure, Follower, find_python, main, make_environment
from benchmarks.rows import MEDIAPIPE
from benchmarks.table import read_lines

FAKE = """
import time
from types import SimpleNamespace as Some

__version__ = '0.0'
made = []


class Hands:
    def __init__(self, **settings):
        assert settings['max_num_hands'] == 1
        self.seconds = 0.02 if settings['model_complexity'] else 0.01
        self.static, self.calls = settings['static_image_mode'], 0

    def process(self, image):
        print('chatter')
        assert image[0, 0].tolist() == [1, 2, 3], 'RGB'
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        self.calls += 1
        landmarks = Some(landmark=[Some(x=(k + 0.5) / 64, y=0.5 / 48) for k in range(21)])
        return Some(multi_hand_landmarks=[landmarks] if self.calls % 3 else None)


solutions = Some(hands=Some(Hands=Hands))
"""


@pytest.fixture
def clip(tmp_path):
    """Three pictures of 48×64 whose keypoints lie on the first row, one pixel from where FAKE puts them."""
    images = np.zeros((3, 48, 64, 3), np.uint8)
    images[:] = 3, 2, 1
    truth = np.stack([np.arange(21.0), np.ones(21)], axis=-1)
    np.savez(
        tmp_path / 'clip.npz', images=images, keypoints_px=np.stack([truth] * 3), intrinsics=np.diag([60.0, 60, 1])
    )
    return tmp_path / 'clip.npz'


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """An interpreter that finds the made-up MediaPipe."""
    (tmp_path / 'mediapipe.py').write_text(FAKE)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    return sys.executable


def test_rows_are_added_to_the_run(tmp_path, clip, theirs, monkeypatch, capsys):
    stale = {'group': MEDIAPIPE['video', 1], 'name': 'test_ours_old'}
    (tmp_path / 'bench.json').write_text(json.dumps({'benchmarks': [stale]}))
    monkeypatch.setattr(mediapipe_hands, 'MEDIAPIPE', {('video', 1): MEDIAPIPE['video', 1]})
    monkeypatch.setattr(mediapipe_hands, 'make_environment', lambda: theirs)
    monkeypatch.setattr(mediapipe_hands, 'write_clip', lambda path: path.write_bytes(clip.read_bytes()))
    assert main([str(tmp_path / 'bench.json')]) == 0, capsys.readouterr().err
    report = json.loads((tmp_path / 'bench.json').read_text())
    rows = {line.title.rpartition(', ')[2]: line for line in read_lines(report)}
    assert list(rows) == ['full', 'lite']
    # 20 and 10 ms of the processor, of which a process always sees some more.
    assert rows['full'].peer.low >= 0.02 and 0.01 <= rows['lite'].peer.low < rows['full'].peer.low
    assert rows['full'].ours == rows['lite'].ours and rows['full'].ours.low > 0
    assert (
        rows['full'].peer.note
        == 'mediapipe 0.0; hand found in 8 of 12 pictures, keypoints 5.0 % of the box from the truth'
    )
    assert 'hand found in 0 of 12 pictures' in rows['full'].ours.note and '1 thread' in rows['full'].ours.note
    assert {entry['options']['timer'] for entry in report['benchmarks']} == {'process_time'}


def test_a_worker_that_fails_is_named(clip, tmp_path, monkeypatch):
    (tmp_path / 'mediapipe.py').write_text("raise ImportError('no AVX here')")
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    with pytest.raises(EnvironmentFailure, match='full, stills, 1 cores: ImportError: no AVX here'):
        Follower(sys.executable, clip, 'full', 'stills', 1)


def test_pythons_without_wheels_are_named(monkeypatch):
    monkeypatch.setattr(mediapipe_hands.sys, 'version_info', (3, 13, 1))
    monkeypatch.setattr(mediapipe_hands.shutil, 'which', {'python3.11': '/usr/bin/python3.11'}.get)
    assert find_python() == '/usr/bin/python3.11'
    monkeypatch.setattr(mediapipe_hands.shutil, 'which', lambda name: None)
    with pytest.raises(EnvironmentFailure, match='wheels for Python 3.9 to 3.12; this is 3.13 and none of those is on'):
        find_python()


def test_environment_is_made_once(tmp_path, monkeypatch, capsys):
    commands = []

    def run(command):
        commands.append(command)
        (tmp_path / 'env' / 'bin').mkdir(parents=True, exist_ok=True)
        (tmp_path / 'env' / 'bin' / 'python').touch()

    monkeypatch.setattr(mediapipe_hands, '_run', run)
    for _ in range(2):
        assert make_environment(tmp_path / 'env') == tmp_path / 'env' / 'bin' / 'python'
    assert len(commands) == 2 and commands[1][-1] == 'mediapipe==0.10.21'
    (tmp_path / 'env' / 'whole').unlink()  # interrupted
    make_environment(tmp_path / 'env')
    assert len(commands) == 4


def test_what_keeps_mediapipe_away_is_one_line(tmp_path, monkeypatch, capsys):
    assert main([str(tmp_path / 'none.json')]) == 1
    (tmp_path / 'bench.json').write_text('{"benchmarks": []}')
    monkeypatch.setattr(mediapipe_hands, 'find_python', lambda: '/bin/false')
    monkeypatch.setattr(mediapipe_hands, 'ENVIRONMENT', tmp_path / 'env')
    monkeypatch.setattr(mediapipe_hands.make_environment, '__defaults__', (tmp_path / 'env',))
    assert main([str(tmp_path / 'bench.json')]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith('bench: MediaPipe is left out: ') for line in lines)
    assert 'none.json' in lines[0] and '/bin/false -m venv' in lines[1]
    assert json.loads((tmp_path / 'bench.json').read_text()) == {'benchmarks': []}
