"""The command track_file: several inputs at once, processes that die, and everything that can be wrong."""

import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from offline_clips import FILES, assert_same_results, rows_of

from minimal_hand_core.data.rendered import RenderedSource
from minimal_hand_core.inference.onnxruntime_engine import OnnxRuntimeEngine
from minimal_hand_core.offline import pool, tracking
from minimal_hand_core.offline.options import TrackOptions
from minimal_hand_core.offline.pool import run_pool
from minimal_hand_core.offline.run import WORK, Task, track_input
from minimal_hand_core.offline.state import load_state
from minimal_hand_core.offline.track_file import main, make_tasks
from minimal_hand_core.tracking import HandTrackerConfig

COUNT = 30
LONG = 150
PATIENCE = 240


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """A rendered hand, 320 × 240."""
    path = tmp_path_factory.mktemp('rendered') / 'clip.mp4'
    source = RenderedSource(size=(240, 320), seed=1)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 30.0, (320, 240))
    for _ in range(COUNT):
        writer.write(source.read().image)
    writer.release()
    return path


@pytest.fixture(scope='module')
def long_video(video):
    """The same over and over: long enough for somebody to come in between."""
    path = video.with_name('long.mp4')
    capture, pictures = cv2.VideoCapture(str(video)), []
    while (read := capture.read())[0]:
        pictures.append(read[1])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 30.0, (320, 240))
    for i in range(LONG):
        there_and_back = pictures + pictures[::-1]
        writer.write(there_and_back[i % len(there_and_back)])
    writer.release()
    return path


@pytest.fixture(scope='module')
def settings():
    return TrackOptions(HandTrackerConfig(backend='onnxruntime'), chunk=10)


@pytest.fixture(scope='module')
def whole(long_video, settings, tmp_path_factory):
    """Results of the long video without any interruption."""
    folder = tmp_path_factory.mktemp('whole')
    outcome = track_input(Task(long_video, folder, settings))
    assert not outcome.fault and dict(outcome.hands)['right'] > COUNT
    return folder


def options_of_command(video, output, *more):
    command = ['--backend', 'onnxruntime', '--chunk', '10', '--quiet', '-o', str(output), *more]
    return [str(path) for path in ([video] if isinstance(video, Path) else video)] + command


def start(*arguments):
    command = [sys.executable, '-m', 'minimal_hand_core.offline.track_file', *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_chunks(folder, process=None, chunks=2):
    """Until some chunks of an input are done; the state."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        state = load_state(folder / WORK / 'state.json')
        if state is not None and state.done >= chunks * 10:
            return state
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError(f'nothing happened in {folder}')


def worker_of(folder):
    """The process that works on an input."""
    return int((folder / WORK / 'lock').read_text().split()[1])


@pytest.mark.parametrize('number, code', [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_command_says_so_and_goes_on(long_video, whole, tmp_path, capsys, number, code):
    def interrupt():
        wait_for_chunks(tmp_path / 'long')
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    thread = threading.Thread(target=interrupt)
    thread.start()
    assert main(options_of_command(long_video, tmp_path)) == code
    thread.join()
    assert 'the same command goes on where it was' in capsys.readouterr().err
    assert signal.getsignal(number) == before
    done = load_state(tmp_path / 'long' / WORK / 'state.json').done
    assert 20 <= done < LONG and not (tmp_path / 'long' / 'summary.json').exists()
    assert main(options_of_command(long_video, tmp_path)) == 0
    assert_same_results(whole, tmp_path / 'long')


@pytest.mark.slow
def test_a_killed_command_goes_on(long_video, whole, tmp_path):
    process = start(*options_of_command(long_video, tmp_path))
    wait_for_chunks(tmp_path / 'long', process)
    assert worker_of(tmp_path / 'long') == process.pid
    process.kill()
    process.communicate()
    assert not (tmp_path / 'long' / 'summary.json').exists()
    assert main(options_of_command(long_video, tmp_path)) == 0
    assert_same_results(whole, tmp_path / 'long')


@pytest.mark.slow
def test_pool_replaces_a_worker_that_dies(video, long_video, settings, whole, tmp_path):
    tasks = make_tasks([long_video, video], tmp_path, settings, True)
    killed = []

    def kill_once():
        state = load_state(tasks[0].folder / WORK / 'state.json')
        if not killed and state is not None and state.done >= 20:
            killed.append(worker_of(tasks[0].folder))
            os.kill(killed[0], signal.SIGKILL)

    outcomes = {outcome.path.name: outcome for outcome in run_pool(tasks, 2, kill_once)}
    assert killed and set(outcomes) == {'clip.mp4', 'long.mp4'}
    assert not any(outcome.fault for outcome in outcomes.values())
    assert 0 < outcomes['long.mp4'].tracked < LONG, 'it went on where the other worker had been'
    assert_same_results(whole, tmp_path / 'long')


def test_pool_outlives_a_worker_that_dies_before_it_is_given_anything(settings, tmp_path, monkeypatch):
    start, dead = pool._start, []

    def stillborn():
        worker = start()
        if not dead:
            dead.append(worker.process.pid)
            worker.process.kill()
            worker.process.join()
        return worker

    monkeypatch.setattr(pool, '_start', stillborn)
    tasks = make_tasks([tmp_path / 'missing.mp4'], tmp_path, settings, False)
    outcomes = {outcome.path.name: outcome for outcome in run_pool(tasks, 1, lambda: None)}
    assert dead and 'does not exist' in outcomes['missing.mp4'].fault


def test_an_engine_that_fails_on_the_way_is_told_with_the_results(long_video, tmp_path, capsys, monkeypatch):
    """Wherever the work was done: a warning in a log of another machine is read by nobody."""
    tracking._engine.cache_clear()
    infer, runs = OnnxRuntimeEngine._infer, []

    def fail_later(*arguments):
        runs.append(1)
        if len(runs) > 50:
            raise RuntimeError('out of memory')
        return infer(*arguments)

    monkeypatch.setattr(OnnxRuntimeEngine, '_infer', fail_later)
    assert main(options_of_command(long_video, tmp_path, '--outputs', 'npz')) == 0
    tracking._engine.cache_clear()
    said = 'onnxruntime failed and torch takes its place: RuntimeError: out of memory'
    assert f'long.mp4: {said}' in capsys.readouterr().out
    assert load_state(tmp_path / 'long' / 'summary.json').replaced == said
    assert np.load(tmp_path / 'long' / 'hands.npz')['valid'][60:].mean() > 0.9
    # the note stays with what is complete
    assert main(options_of_command(long_video, tmp_path, '--outputs', 'npz')) == 0
    assert said in capsys.readouterr().out


@pytest.mark.slow
def test_ray_replaces_a_worker_that_dies(video, long_video, settings, whole, tmp_path):
    pytest.importorskip('ray', reason='Ray is not installed')
    from minimal_hand_core.offline.ray_pool import run_ray

    tasks = make_tasks([long_video, video], tmp_path, settings, True)
    killed = []

    def kill_once():
        state = load_state(tasks[0].folder / WORK / 'state.json')
        if not killed and state is not None and state.done >= 20:
            killed.append(worker_of(tasks[0].folder))
            os.kill(killed[0], signal.SIGKILL)

    outcomes = {outcome.path.name: outcome for outcome in run_ray(tasks, '', 2, kill_once)}
    assert killed and killed[0] != os.getpid()
    assert not any(outcome.fault for outcome in outcomes.values())
    assert 0 < outcomes['long.mp4'].tracked < LONG, 'it went on where the other worker had been'
    assert_same_results(whole, tmp_path / 'long')


def test_one_unreadable_input_does_not_hold_up_the_others(video, tmp_path, capsys):
    (tmp_path / 'bad.mp4').write_text('no video')
    inputs = [tmp_path / 'bad.mp4', video, tmp_path / 'missing.mcap']
    assert main(options_of_command(inputs, tmp_path / 'out', '--jobs', '1')) == 1
    told = capsys.readouterr()
    assert 'clip.mp4: 30 pictures, right hand in' in told.out and 'pictures/s in onnxruntime; ' in told.out
    line = re.search(
        r'^all: 30 pictures in ([0-9.]+) s, .* an hour of video at 30 Hz costs ([0-9]+) min of one process$',
        told.out,
        re.M,
    )
    each = re.search(r'^clip.mp4: .*; ([0-9.]+) s, ', told.out, re.M)
    # 30 of 108,000 pictures, without the loading of the network
    assert 0 < int(line[2]) <= float(each[1]) * 3600 / 60 + 4 and float(each[1]) <= float(line[1]) + 0.1
    last = told.err.strip().splitlines()
    assert 'bad.mp4 cannot be read' in told.err and 'missing.mcap does not exist' in told.err
    assert last[-1] == 'track_file: 2 of 3 inputs were not tracked whole'
    assert {path.name for path in (tmp_path / 'out' / 'clip').iterdir()} == {*FILES, 'summary.json'}
    # once more: what is complete is not done again
    assert main(options_of_command(video, tmp_path / 'out')) == 0
    told = capsys.readouterr().out
    assert 'was complete before' in told and 'an hour of video' not in told


def test_a_full_disk_keeps_what_was_done(long_video, whole, tmp_path, capsys):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # the parts are smaller than this, what is joined of them is not
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
        assert main(options_of_command(long_video, tmp_path)) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, full)
    told = capsys.readouterr().err
    assert 'make room' in told and 'Traceback' not in told
    assert load_state(tmp_path / 'long' / WORK / 'state.json').done == LONG
    assert main(options_of_command(long_video, tmp_path)) == 0
    assert_same_results(whole, tmp_path / 'long')


def test_an_input_is_worked_on_once(video, tmp_path, capsys, monkeypatch):
    import fcntl

    from minimal_hand_core.offline import state

    monkeypatch.setattr(state, 'PATIENCE', 0.2)
    (tmp_path / 'clip' / WORK).mkdir(parents=True)
    with (tmp_path / 'clip' / WORK / 'lock').open('w') as lock:
        lock.write('process 17 on elsewhere\n')
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(options_of_command(video, tmp_path)) == 1
    assert 'is being worked on by process 17 on elsewhere' in capsys.readouterr().err


def test_folders_that_cannot_be_used(video, tmp_path, capsys):
    (tmp_path / 'file').write_text('mine')
    assert main(options_of_command(video, tmp_path / 'file')) == 1
    assert 'is a file' in capsys.readouterr().err
    assert main(options_of_command(video, tmp_path / 'file' / 'x' / 'y')) == 1
    told = capsys.readouterr().err
    assert f'{tmp_path / "file"} is a file: give another --output' in told and '--overwrite' not in told
    (tmp_path / 'out' / 'clip').mkdir(parents=True)
    (tmp_path / 'out' / 'clip' / 'hands.csv').write_text('mine')
    assert main(options_of_command(video, tmp_path / 'out')) == 1
    assert '--overwrite' in capsys.readouterr().err
    assert main(options_of_command(video, tmp_path / 'out', '--overwrite', '--outputs', 'csv')) == 0
    assert len(rows_of(tmp_path / 'out' / 'clip' / 'hands.csv')) == COUNT


@pytest.mark.parametrize(
    'more, message',
    [
        (('--fov', '190'), 'field of view is 190.0'),
        (('--hand-length', '2'), 'hand_length is 2.0'),
        (('--outputs', 'csv,avi'), "output is 'avi'"),
        (('--camera-info', 'missing.yaml'), 'missing.yaml cannot be read'),
        (('--weights', 'missing.safetensors'), 'missing.safetensors'),
        (('--model', 'missing.npz'), 'missing.npz'),
        (('--ray-address', '127.0.0.1:1'), 'Ray'),
    ],
)
def test_wrong_options_are_told_in_a_line(video, tmp_path, capsys, more, message):
    if 'Ray' in message:
        pytest.importorskip('ray', reason='Ray is not installed')
    assert main(options_of_command(video, tmp_path, *more)) == 1
    told = capsys.readouterr().err
    assert message in told and 'Traceback' not in told


def test_without_ray_the_extra_is_named(video, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    assert main(options_of_command(video, tmp_path, '--ray')) == 1
    assert 'pip install ray' in capsys.readouterr().err


def test_names_of_the_folders(settings, tmp_path):
    def names(*inputs):
        return [task.folder.name for task in make_tasks(map(Path, inputs), tmp_path, settings, False)]

    assert names('/v/clip.mp4', '/v/other.mcap', '/v/pictures') == ['clip', 'other', 'pictures']
    assert names('/v/clip.mp4', '/v/clip.mcap') == ['clip_mp4', 'clip_mcap']
    assert names('/v/a/clip.mp4', '/v/b/clip.mp4') == ['a_clip', 'b_clip']
    assert names('/v/clip.mp4', '/v/clip.mcap', '/v/clip_mp4.avi')[:2] == ['v_clip_mp4', 'clip_mcap']
    assert names('/v/clip.mp4', '/v/../v/clip.mp4') == ['clip']


def test_progress_without_a_terminal_is_lines(video, settings, tmp_path, capsys, monkeypatch):
    from minimal_hand_core.offline import progress

    monkeypatch.setattr(progress, 'LINE_EVERY', 0.0)
    (task,) = make_tasks([video], tmp_path, settings, False)
    with progress.RunProgress([task], [COUNT]) as bar:
        track_input(task, lambda done, total: bar.report(task, done, total))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 + COUNT and lines[-1].startswith('30 of 30 pictures, ')
    assert 'min left' in lines[5]
    assert np.all(np.diff([int(line.split()[0]) for line in lines]) > 0)
