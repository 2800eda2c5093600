"""One input tracked offline: its results, and that an interruption changes nothing in them."""

import fcntl
import itertools
import json
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest
from offline_clips import (
    ABSENT,
    COUNT,
    FILES,
    RATE,
    SIZE,
    K,
    NamedDotEngine,
    assert_same_results,
    clip_picture,
    messages,
    options,
    pictures_of,
    rows_of,
    write_bag,
    write_folder,
    write_video,
)

from minimal_hand_core.data import films
from minimal_hand_core.offline import OfflineError, Task, TrackOptions, track_input, tracking
from minimal_hand_core.offline.inputs import InputError, open_input
from minimal_hand_core.offline.outputs import film, meshes, recording
from minimal_hand_core.offline.run import WORK
from minimal_hand_core.pose import ANGLE_NAMES
from minimal_hand_core.recording import Recording, RecordingWriter, read_messages
from minimal_hand_core.tracking import HandTrackerConfig


class Interrupted(BaseException):
    """As Ctrl-C is one."""


@pytest.fixture(autouse=True)
def dots(monkeypatch):
    """The network sees dots; one engine per test, so that it is not taken along."""
    tracking._engine.cache_clear()
    monkeypatch.setattr(tracking, 'create_engine', lambda *_: NamedDotEngine())
    yield
    tracking._engine.cache_clear()


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp('clip') / 'clip.avi')


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp('bag') / 'clip.mcap')


def interrupt_at(pictures):
    """A report that interrupts at each of these counts of pictures, once."""
    left = list(pictures)

    def report(done, total):
        if left and done == left[0]:
            left.pop(0)
            raise Interrupted

    return report


def track_through(task, report):
    """Track again and again until nothing interrupts; how often that was."""
    for tries in itertools.count(1):
        try:
            return track_input(task, report), tries
        except Interrupted:
            continue


def test_all_results_of_a_video(video, tmp_path):
    outcome = track_input(Task(video, tmp_path / 'out', options()))
    assert not outcome.fault and outcome.pictures == COUNT
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == sorted([*FILES, 'summary.json'])
    table = np.load(tmp_path / 'out' / 'hands.npz')
    assert table['uv'].shape == (COUNT, 21, 2) and table['wrist_covariance'].shape == (COUNT, 6, 6)
    assert np.array_equal(table['picture'], np.arange(COUNT)) and set(table['side']) == {'right'}
    assert np.allclose(np.diff(table['stamp']) * 1e-9, 1 / RATE, atol=1e-3)
    valid = table['valid']
    assert valid.sum() == dict(outcome.hands)['right'] > 20
    assert not valid[list(ABSENT)].any()
    assert np.isnan(table['keypoints_m'][~valid]).all() and np.isfinite(table['keypoints_m'][valid]).all()
    assert np.allclose(table['keypoints_m'][valid][:, 0], table['wrist_position'][valid], atol=1e-5)
    rows = rows_of(tmp_path / 'out' / 'hands.csv')
    assert len(rows) == COUNT
    for row, angles, good in zip(rows, table['angles'], valid):
        assert row['valid'] == str(int(good))
        found = [row[f'{name}_rad'] for name in ANGLE_NAMES]
        assert np.allclose(np.array(found, float), angles, atol=1e-5) if good else found == [''] * 20
    assert len(pictures_of(tmp_path / 'out' / 'hands.mp4')) == COUNT


@pytest.mark.parametrize(('lost_timeout', 'gone'), [(0.3, []), (0.1, [ABSENT[-1]])])
def test_recording_has_what_the_tracker_publishes(bag, tmp_path, lost_timeout, gone):
    settings = options(pictures=True)
    settings = replace(settings, tracker=replace(settings.tracker, lost_timeout=lost_timeout))
    outcome = track_input(Task(bag, tmp_path / 'out', settings))
    table = np.load(tmp_path / 'out' / 'hands.npz')
    found = {}
    for message in read_messages(tmp_path / 'out' / 'hands.mcap'):
        found.setdefault(message.topic, []).append(message)
    hands = dict(outcome.hands)['right']
    assert {topic: len(each) for topic, each in found.items()} == {
        **dict.fromkeys(('/camera_info', '/image_raw/compressed', '/hand/keypoints'), COUNT),
        **dict.fromkeys(('/hand/joint_states', '/hand/wrist', '/tf', '/hand/shape'), hands),
        '/hand/pose': hands + len(gone),
    }
    assert table['valid'][0] and table['valid'].tolist() == table['found'].tolist(), 'a shape with each, and the first'
    assert [message.message.valid for message in found['/hand/keypoints']] == table['found'].tolist()
    told = table['valid'].copy()
    told[gone] = True
    assert [message.stamp for message in found['/hand/pose']] == table['stamp'][told].tolist()
    poses = [message.message for message in found['/hand/pose']]
    assert [pose.valid for pose in poses] == table['valid'][told].tolist()
    assert np.allclose(poses[0].keypoints, table['keypoints_m'][0].reshape(-1), atol=1e-6)
    assert poses[0].header.frame_id == 'eye' and list(found['/camera_info'][0].message.k) == K
    assert len(found['/tf'][0].message.transforms) == 21
    # the pictures are those of the bag, byte for byte
    original = [bytes(each.message.data) for each in read_messages(bag, ['/image_raw/compressed'])]
    assert [bytes(each.message.data) for each in found['/image_raw/compressed']] == original


@pytest.mark.parametrize('side', ['right', 'both'])
def test_an_interruption_changes_nothing(video, bag, tmp_path, side):
    for number, path in enumerate((video, bag)):
        whole, resumed = (Task(path, tmp_path / f'{name}{number}', options(side=side)) for name in ('whole', 'resumed'))
        track_input(whole)
        # within a chunk, at its last picture, at the first of one, and within a hand's absence, before it is said
        outcome, tries = track_through(resumed, interrupt_at((3, 16, 17, 22, COUNT)))
        assert tries == 6 and not outcome.fault
        assert_same_results(whole.folder, resumed.folder)
        assert not (resumed.folder / WORK).exists()


def test_an_interruption_while_results_are_joined(video, tmp_path, monkeypatch):
    whole, resumed = (Task(video, tmp_path / name, options()) for name in ('whole', 'resumed'))
    track_input(whole)
    for module, name in ((recording, '_append'), (film, 'join_mp4')):
        with monkeypatch.context() as context:
            context.setattr(module, name, lambda *_: (_ for _ in ()).throw(Interrupted))
            with pytest.raises(Interrupted):
                track_input(resumed)
    tracked = []
    outcome = track_input(resumed, lambda done, total: tracked.append(done))
    assert not tracked and not outcome.fault
    assert_same_results(whole.folder, resumed.folder)


def test_what_is_complete_is_not_tracked_again(video, tmp_path):
    task = Task(video, tmp_path / 'out', options(outputs=('npz',)))
    first = track_input(task)
    written = (task.folder / 'hands.npz').stat().st_mtime_ns
    again = track_input(task, lambda done, total: pytest.fail('tracked again'))
    assert again.already and (again.pictures, again.hands) == (first.pictures, first.hands)
    assert (task.folder / 'hands.npz').stat().st_mtime_ns == written


def test_results_among_the_pictures_are_not_part_of_them(tmp_path):
    folder = write_folder(tmp_path / 'pictures', 12)
    task = Task(folder, folder / 'out', options(outputs=('npz',)))
    assert not track_input(task).already
    (folder / 'notes.txt').write_text('mine')
    (folder / '.#lock').symlink_to('nowhere')
    assert track_input(task).already
    (folder / '0003.png').write_bytes((folder / '0004.png').read_bytes() + b' ')
    with pytest.raises(OfflineError, match='results of another run .size was'):
        track_input(task)


def test_intrinsics_that_stop_fitting_are_told(tmp_path):
    bag = tmp_path / 'clip.mcap'
    with RecordingWriter(bag) as writer:
        for number in range(12):
            stamp = 10**18 + number * 33_333_333
            head = {'stamp': dict(zip(('sec', 'nanosec'), divmod(stamp, 10**9)))}
            info = {'header': head, 'width': SIZE[1] if number < 6 else 1920, 'height': SIZE[0], 'k': K}
            writer.write('/camera_info', 'sensor_msgs/msg/CameraInfo', info, stamp)
            data = cv2.imencode('.jpg', clip_picture(number))[1].tobytes()
            shot = {'header': head, 'format': 'jpeg', 'data': data}
            writer.write('/image_raw/compressed', 'sensor_msgs/msg/CompressedImage', shot, stamp)
    outcome = track_input(Task(bag, tmp_path / 'out', options(outputs=('npz',))))
    assert any('intrinsics assumed, 60° wide' in note for note in outcome.notes)
    why = 'picture 7: picture is 320×240, its intrinsics are for 1920×240'
    assert f'recorded camera info was not used ({why})' in outcome.notes
    assert json.loads((tmp_path / 'out' / 'summary.json').read_text())['unusable'] == why


@pytest.mark.parametrize('fov', [60.0, 0.0])
def test_recorded_intrinsics_that_are_none_are_told(tmp_path, fov):
    bag = tmp_path / 'clip.mcap'
    with RecordingWriter(bag) as writer:
        k = [float('nan'), *K[1:]]
        info = {'header': {'stamp': {'sec': 1}}, 'width': SIZE[1], 'height': SIZE[0], 'k': k}
        writer.write('/camera_info', 'sensor_msgs/msg/CameraInfo', info, 10**9)
        data = cv2.imencode('.jpg', clip_picture(0))[1].tobytes()
        shot = {'header': {'stamp': {'sec': 1}}, 'format': 'jpeg', 'data': data}
        writer.write('/image_raw/compressed', 'sensor_msgs/msg/CompressedImage', shot, 10**9)
    task = Task(bag, tmp_path / 'out', options(outputs=('npz',), fov=fov))
    for outcome in (track_input(task), track_input(task)):
        (note,) = (note for note in outcome.notes if 'recorded camera info was not used' in note)
        assert 'picture 1: camera matrix [nan' in note and 'not finite' in note
    given = options(outputs=('npz',), camera_info=str(calibration(tmp_path, SIZE[1], SIZE[0])))
    assert not any('recorded' in note for note in track_input(Task(bag, tmp_path / 'given', given)).notes)


def calibration(folder, width, height):
    path = folder / f'{width}.yaml'
    path.write_text(
        f'image_width: {width}\nimage_height: {height}\ndistortion_model: plumb_bob\n'
        f'camera_matrix: {{data: {K}}}\ndistortion_coefficients: {{data: [0, 0, 0, 0, 0]}}\n'
    )
    return path


def test_a_picture_of_another_size_than_the_calibration_is_left_out(tmp_path):
    folder = write_folder(tmp_path / 'pictures')
    for number in (0, 17):
        cv2.imwrite(str(folder / f'{number:04d}.png'), clip_picture(number)[:120, :160])
    given = options(camera_info=str(calibration(tmp_path, 320, 240)))
    whole, resumed = (Task(folder, tmp_path / name, given) for name in ('whole', 'resumed'))
    outcome = track_input(whole)
    assert f'2 of {COUNT} pictures could not be tracked' in outcome.fault
    assert '0000.png: picture is 160×120, its intrinsics are for 320×240; ' in outcome.fault
    assert 'publish' not in outcome.fault and dict(outcome.hands)['right'] == COUNT - 2 - len(ABSENT)
    assert len(np.load(whole.folder / 'hands.npz')['uv']) == COUNT - 2
    assert {picture.shape for picture in pictures_of(whole.folder / 'hands.mp4')} == {(240, 320, 3)}
    track_through(resumed, interrupt_at((13, 22)))
    assert_same_results(whole.folder, resumed.folder)


def test_a_calibration_of_another_size_is_told_with_the_input(video, tmp_path):
    folder = write_folder(tmp_path / 'pictures')
    wrong, right = (str(calibration(tmp_path, *size)) for size in ((640, 480), (320, 240)))
    for path in (folder, video):
        task = Task(path, tmp_path / 'out' / path.stem, options(outputs=('npz',), camera_info=wrong))
        with pytest.raises(InputError, match=r'not one picture is 640×480, which camera info .*640\.yaml') as error:
            track_input(task)
        assert str(error.value).startswith(f'{path}: ') and '320×240' in str(error.value)
        assert '\n' not in str(error.value) and 'publish' not in str(error.value)
        outcome = track_input(Task(path, task.folder, options(outputs=('npz',), camera_info=right)))
        assert not outcome.fault and outcome.pictures == COUNT, 'what failed is not in the way of what is right'


def test_results_of_another_run_are_kept_unless_told(video, tmp_path):
    folder = tmp_path / 'out'
    track_input(Task(video, folder, options(outputs=('npz',))))
    (folder / 'notes.txt').write_text('mine')
    other = options(outputs=('npz',), side='left')
    with pytest.raises(OfflineError, match="another run .side was 'right', is 'left'.*--overwrite"):
        track_input(Task(video, folder, other))
    track_input(Task(video, folder, other, overwrite=True))
    assert set(np.load(folder / 'hands.npz')['side']) == {'left'}
    assert (folder / 'notes.txt').read_text() == 'mine'


def test_what_was_begun_anew_goes_on_with_the_same_command(video, tmp_path):
    whole, anew = (Task(video, tmp_path / name, options(), name == 'anew') for name in ('whole', 'anew'))
    track_input(whole)
    track_input(Task(video, anew.folder, options(outputs=('npz',), side='left')))
    outcome, tries = track_through(anew, interrupt_at((3, 20)))
    assert tries == 3 and outcome.tracked == COUNT - 16, 'two chunks of eight were done before'
    assert_same_results(whole.folder, anew.folder)
    again = track_input(anew)
    assert not again.already and again.tracked == COUNT, 'what is complete is begun anew'


def test_what_was_begun_otherwise_is_begun_anew(video, tmp_path):
    settings = options(outputs=('npz',))
    with pytest.raises(Interrupted):
        track_input(Task(video, tmp_path, settings), interrupt_at([20]))
    anew = Task(video, tmp_path, settings, overwrite=True)
    with pytest.raises(Interrupted):
        track_input(anew, interrupt_at([20]))
    assert len(np.load(tmp_path / WORK / '00000008.npz')['uv']) == 8
    content = json.loads((tmp_path / WORK / 'state.json').read_text())
    for spoiled in ('{', json.dumps(content | {'version': '0'})):
        (tmp_path / WORK / 'state.json').write_text(spoiled)
        with pytest.raises(Interrupted):
            track_input(anew, interrupt_at([4]))
        assert [path.name for path in (tmp_path / WORK).iterdir()] == ['lock']
    assert track_input(anew).tracked == COUNT


def test_nothing_is_removed_while_another_process_is_at_work(video, tmp_path, monkeypatch):
    monkeypatch.setattr('minimal_hand_core.offline.state.PATIENCE', 0.2)
    with pytest.raises(Interrupted):
        track_input(Task(video, tmp_path, options(outputs=('npz',))), interrupt_at([20]))
    before = {path: path.read_bytes() for path in (tmp_path / WORK).iterdir()}
    with (tmp_path / WORK / 'lock').open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OfflineError, match='is being worked on by process'):
            track_input(Task(video, tmp_path, options(outputs=('npz',)), overwrite=True))
    assert {path: path.read_bytes() for path in (tmp_path / WORK).iterdir()} == before


def test_what_another_process_finished_meanwhile_is_not_removed(video, tmp_path, monkeypatch):
    task, waiting = Task(video, tmp_path, options(outputs=('npz',)), overwrite=True), []

    @contextmanager
    def alone(work):
        if not waiting:
            waiting.append(work)
            track_input(task)
        yield

    monkeypatch.setattr('minimal_hand_core.offline.run.alone', alone)
    assert track_input(task, lambda done, total: pytest.fail('tracked again')).already


def test_an_unfinished_run_with_other_settings_is_refused(video, tmp_path):
    with pytest.raises(Interrupted):
        track_input(Task(video, tmp_path, options(outputs=('npz',))), interrupt_at([20]))
    with pytest.raises(OfflineError, match='fov was 60.0, is 70.0'):
        track_input(Task(video, tmp_path, options(outputs=('npz',), fov=70.0)))


def test_a_changed_input_is_refused(tmp_path):
    video = write_video(tmp_path / 'clip.avi')
    with pytest.raises(Interrupted):
        track_input(Task(video, tmp_path / 'out', options(outputs=('npz',))), interrupt_at([20]))
    write_video(video, COUNT + 4)
    with pytest.raises(OfflineError, match='size was .*, is'):
        track_input(Task(video, tmp_path / 'out', options(outputs=('npz',))))


def test_files_of_no_run_are_not_overwritten(video, tmp_path):
    (tmp_path / 'hands.csv').write_text('mine')
    with pytest.raises(OfflineError, match='holds hands.csv, of no run'):
        track_input(Task(video, tmp_path, options()))
    assert (tmp_path / 'hands.csv').read_text() == 'mine'


def test_a_damaged_state_is_told(video, tmp_path):
    with pytest.raises(Interrupted):
        track_input(Task(video, tmp_path, options(outputs=('npz',))), interrupt_at([20]))
    state = tmp_path / WORK / 'state.json'
    content = json.loads(state.read_text())
    state.write_text(json.dumps(content | {'memory': 'gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAVmYWxzZZSFlFKULg=='}))
    with pytest.raises(ValueError, match=r'memory of a tracker cannot be read: posix\.system'):
        track_input(Task(video, tmp_path, options(outputs=('npz',))))
    state.write_text('{')
    with pytest.raises(OfflineError, match='state.json cannot be read.*--overwrite'):
        track_input(Task(video, tmp_path, options(outputs=('npz',))))
    (tmp_path / 'photo.jpg').write_bytes(b'')
    for overwrite in (False, True):
        with pytest.raises(OfflineError, match=r'photo.jpg/x/.*Not a directory\): give another --output'):
            track_input(Task(video, tmp_path / 'photo.jpg' / 'x', options(outputs=('npz',)), overwrite))
    state.write_text(json.dumps(content | {'backend': 'onnxruntime'}))
    with pytest.raises(OfflineError, match=r'begun with backend onnxruntime, .*: remove .*\.work to begin anew'):
        track_input(Task(video, tmp_path, options(outputs=('npz',))))
    state.write_text(json.dumps({name: value for name, value in content.items() if name != 'anew'}))
    assert track_input(Task(video, tmp_path, options(outputs=('npz',)))).tracked == COUNT - 16, 'as it was once written'


def test_a_cut_off_recording_keeps_what_was_whole(tmp_path, monkeypatch):
    monkeypatch.setattr('minimal_hand_core.recording.writer.FLUSH_PERIOD', 0.0)  # a chunk per message
    bag, cut = write_bag(tmp_path / 'whole.mcap'), tmp_path / 'cut.mcap'
    cut.write_bytes(bag.read_bytes()[: int(0.6 * bag.stat().st_size)])
    task = Task(cut, tmp_path / 'out', options(outputs=('npz',)))
    outcome = track_input(task)
    assert 'cut off or damaged' in outcome.fault
    assert COUNT > outcome.pictures == len(np.load(task.folder / 'hands.npz')['uv']) > 10
    assert 'cut off' in track_input(task).fault, 'nor is it whole the second time'


def test_no_hand_in_the_whole_video(tmp_path):
    folder = tmp_path / 'empty'
    write_folder(folder, 0)
    for number in range(10):
        cv2.imwrite(str(folder / f'{number}.png'), np.full((240, 320, 3), 90, np.uint8))
    outcome = track_input(Task(folder, tmp_path / 'out', options(meshes='obj')))
    assert not outcome.fault and 'no right hand was seen in 10 pictures' in outcome.notes
    assert len(rows_of(tmp_path / 'out' / 'hands.csv')) == len(pictures_of(tmp_path / 'out' / 'hands.mp4')) == 10
    topics = [topic for topic, *_ in messages(tmp_path / 'out' / 'hands.mcap')]
    assert topics.count('/hand/keypoints') == 10
    assert topics.count('/hand/pose') == topics.count('/hand/shape') == 1, 'that there is none is said once'


def test_unreadable_pictures_are_named_and_left_out(tmp_path):
    folder = write_folder(tmp_path / 'pictures')
    for number in (0, 9, *range(16, 24)):
        (folder / f'{number:04d}.png').write_bytes(b'no picture')
    whole, resumed = (Task(folder, tmp_path / name, options()) for name in ('whole', 'resumed'))
    outcome = track_input(whole)
    assert f'10 of {COUNT} pictures could not be read' in outcome.fault and '0000.png' in outcome.fault
    assert len(np.load(whole.folder / 'hands.npz')['uv']) == COUNT - 10
    track_through(resumed, interrupt_at((13, 22)))
    assert_same_results(whole.folder, resumed.folder)


def test_a_film_has_the_size_of_the_first_picture_that_can_be_read(tmp_path):
    folder = write_folder(tmp_path / 'pictures')
    for number in range(10):
        (folder / f'{number:04d}.png').write_bytes(b'no picture')
    whole, resumed = (Task(folder, tmp_path / name, options()) for name in ('whole', 'resumed'))
    track_input(whole)
    assert {picture.shape for picture in pictures_of(whole.folder / 'hands.mp4')} == {(240, 320, 3)}
    track_through(resumed, interrupt_at((8, 20)))
    assert_same_results(whole.folder, resumed.folder)


@pytest.mark.parametrize('form', ['obj', 'glb'])
def test_meshes(video, tmp_path, form, monkeypatch):
    on_disk = []
    monkeypatch.setattr(meshes, 'to_disk', lambda path: on_disk.append(path.name))
    every = Task(video, tmp_path / 'all', options(outputs=(), meshes=form))
    best = Task(video, tmp_path / 'best', options(outputs=('npz',), meshes=form, mesh_pictures='best'))
    outcome = track_input(every)
    files = [file.name for file in sorted((every.folder / 'meshes').iterdir())]
    assert sorted(on_disk) == files, 'a power cut after a chunk must not take its meshes'
    assert len(files) == dict(outcome.hands)['right'] and files[0].startswith('right_0000')
    track_input(best)
    (chosen,) = (best.folder / 'meshes').iterdir()
    table = np.load(best.folder / 'hands.npz')
    assert chosen.name == f'right_{np.where(table["valid"], table["score"], -1).argmax():08d}.{form}'
    if form == 'obj':
        lines = [line.split() for line in chosen.read_text().splitlines()]
        vertices = np.array([line[1:] for line in lines if line[0] == 'v'], float)
        one = [line.split() for line in (every.folder / 'meshes' / chosen.name).read_text().splitlines()]
        assert np.allclose(vertices, np.array([line[1:] for line in one if line[0] == 'v'], float), atol=2e-5)
        wrist = table['wrist_position'][table['picture'] == int(chosen.stem[-8:])][0]
        assert np.linalg.norm(vertices - wrist, axis=1).min() < 0.03
    else:
        assert chosen.read_bytes()[:4] == b'glTF'


def test_pictures_of_several_sizes_fit_one_film(tmp_path):
    folder = write_folder(tmp_path / 'pictures', 6)
    cv2.imwrite(str(folder / '0003.png'), np.full((120, 400, 3), 50, np.uint8))
    track_input(Task(folder, tmp_path / 'out', options()))
    assert [picture.shape for picture in pictures_of(tmp_path / 'out' / 'hands.mp4')] == [(240, 320, 3)] * 6


def test_without_intrinsics_hands_are_relative_to_the_wrist(video, tmp_path):
    track_input(Task(video, tmp_path, options(fov=0.0)))
    table = np.load(tmp_path / 'hands.npz')
    assert table['valid'].any() and not table['metric'].any() and np.isnan(table['wrist_position']).all()
    assert '/tf' not in {topic for topic, *_ in messages(tmp_path / 'hands.mcap')}
    assert len(pictures_of(tmp_path / 'hands.mp4')) == COUNT


def test_a_mirrored_picture_is_drawn_as_it_is(video, tmp_path, monkeypatch):
    """The skeleton of the film lies on the hand of the picture, whichever way that is flipped."""
    drawn = {}

    def note(picture, uv, *_):
        drawn.setdefault(mirrored, []).append(uv)

    monkeypatch.setattr(film, 'draw_skeleton', note)
    for mirrored, side in ((False, 'right'), (True, 'left')):
        config = options().tracker
        config = type(config)(**{**vars(config), 'mirrored': mirrored, 'side': side})
        settings = options(outputs=('npz', 'mp4'), side=side)
        settings = type(settings)(**{**vars(settings), 'tracker': config})
        track_input(Task(video, tmp_path / side, settings))
        table = np.load(tmp_path / side / 'hands.npz')
        seen = table['uv'][table['valid']].mean(axis=1)
        assert np.abs(np.array(drawn[mirrored]).mean(axis=1) - seen).max() < 15


def test_an_input_can_be_entered_anywhere(video, bag, tmp_path):
    for path in (video, bag, write_folder(tmp_path / 'pictures', 12)):
        source = open_input(path, options())
        whole = list(source.frames())
        assert len(whole) == source.count
        for start in (1, 7, len(whole) - 1, len(whole)):
            rest = list(source.frames(start))
            assert [(frame.number, frame.stamp) for frame in rest] == [(f.number, f.stamp) for f in whole[start:]]
            assert all(np.array_equal(a.image, b.image) for a, b in zip(rest, whole[start:]))


def test_a_folder_of_mcap_files_is_one_recording(bag, tmp_path):
    folder = tmp_path / 'bag'
    folder.mkdir()
    (folder / 'bag_0.mcap').write_bytes(bag.read_bytes())  # without the metadata.yaml of rosbag2
    assert len(list(open_input(folder, options()).frames())) == COUNT


def test_inputs_that_are_none(tmp_path):
    (tmp_path / 'nothing').mkdir()
    (tmp_path / 'text.mp4').write_text('no video')
    (tmp_path / 'text.mcap').write_text('no recording')
    for name, message in (
        ('missing.mp4', 'does not exist'),
        ('nothing', 'holds no picture'),
        ('text.mp4', 'no video, bag or picture of a known format'),
        ('text.mcap', 'no MCAP file'),
    ):
        with pytest.raises(OfflineError, match=message):
            track_input(Task(tmp_path / name, tmp_path / 'out', options()))
        assert not (tmp_path / 'out' / 'summary.json').exists()


def test_a_video_without_pictures(tmp_path):
    path = tmp_path / 'none.avi'
    cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 30, (320, 240)).release()
    with pytest.raises(OfflineError, match='none.avi'):
        track_input(Task(path, tmp_path / 'out', options()))


def test_a_video_that_is_cut_off(video, tmp_path):
    cut = tmp_path / 'cut.avi'
    cut.write_bytes(video.read_bytes()[: int(0.5 * video.stat().st_size)])
    outcome = track_input(Task(cut, tmp_path / 'out', options()))
    assert 'cut off' in outcome.fault and 0 < outcome.pictures < COUNT
    assert len(pictures_of(tmp_path / 'out' / 'hands.mp4')) == outcome.pictures


class Slow:
    """A video whose pictures come at half the rate that it says."""

    def __init__(self, path):
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)

    def __getattr__(self, name):
        return getattr(self._capture, name)

    def get(self, what):
        twice = what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_POS_MSEC)
        return (2 if twice else 1) * self._capture.get(what)


@pytest.mark.parametrize('rate', [0.0, 10.0])
def test_a_video_that_is_slower_than_it_says_is_whole(video, monkeypatch, rate):
    monkeypatch.setattr(films, '_open', Slow)
    source = open_input(video, options(rate=rate))
    assert source.count == 2 * COUNT
    assert len(list(source.frames())) == COUNT


def test_a_film_of_pictures_too_large_for_it_is_smaller(tmp_path):
    tracker = tracking.OfflineTracker(options())
    assert film.FilmOutput(tracker, 30, (9248, 6936))._size == (8190, 6142)
    assert film.FilmOutput(tracker, 30, (1, 20000))._size == (2, 8190)


def test_results_in_a_bag_are_no_part_of_it(bag, tmp_path):
    folder = tmp_path / 'bag'
    folder.mkdir()
    (folder / 'clip.mcap').write_bytes(bag.read_bytes())
    (folder / 'metadata.yaml').write_text('rosbag2_bagfile_information:\n  relative_file_paths: [clip.mcap]\n')
    task = Task(folder, folder, options(outputs=('csv', 'mcap')))
    assert track_input(task).pictures == COUNT
    again = track_input(task)
    assert again.pictures == COUNT and not again.fault
    assert '/hand/pose' not in Recording(folder).topics and len(list(open_input(folder, options()).frames())) == COUNT


def test_only_our_meshes_are_removed(video, tmp_path):
    (tmp_path / 'meshes').mkdir()
    (tmp_path / 'meshes/my_own_scan.obj').write_text('o mine')
    task = Task(video, tmp_path, options(outputs=(), meshes='obj'), overwrite=True)
    track_input(task)
    assert len(list((tmp_path / 'meshes').iterdir())) > 1
    track_input(Task(video, tmp_path, options(outputs=('npz',)), overwrite=True))
    assert [path.name for path in (tmp_path / 'meshes').iterdir()] == ['my_own_scan.obj']


def test_bad_options_are_named():
    for bad, message in (
        ({'outputs': ('avi',)}, "output is 'avi'"),
        ({'outputs': ()}, 'no output is asked for'),
        ({'side': 'upper'}, "side is 'upper'"),
        ({'meshes': 'stl'}, "meshes is 'stl'"),
        ({'chunk': 0}, 'chunk is 0'),
        ({'fov': 200.0}, 'field of view is 200.0'),
        ({'camera_info': '/missing.yaml'}, 'missing.yaml cannot be read'),
    ):
        with pytest.raises(ValueError, match=message):
            options(**bad)


def test_two_sides_that_contradict_each_other_are_refused():
    left = HandTrackerConfig(side='left')
    with pytest.raises(OfflineError, match="side is 'right', but the tracker's settings say 'left': give side='left'"):
        TrackOptions(left)
    assert TrackOptions(left, side='left').sides == TrackOptions(side='left').sides == ('left',)
    assert TrackOptions(left, side='both').sides == ('right', 'left')


def test_a_video_without_pictures_is_named_in_one_message(tmp_path, capfd):
    video = tmp_path / 'empty.mp4'
    cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*'mp4v'), 30.0, (64, 48)).release()
    assert video.stat().st_size > 0
    with pytest.raises(InputError, match='empty.mp4 cannot be read: a video without pictures'):
        open_input(video, TrackOptions())
    assert 'WARN' not in capfd.readouterr().err
