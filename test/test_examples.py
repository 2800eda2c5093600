"""The scripts of examples/: each runs as a reader would run it, and what it writes is what it says."""

from __future__ import annotations

import csv
import json
import runpy
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from minimal_hand_core.data.rendered import RenderedSource
from minimal_hand_core.data.sources import SourceError
from minimal_hand_core.data.stream import FIELD_OF_VIEW, pictures
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.pose import ANGLE_NAMES

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / 'examples').glob('*.py'))
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """run('photo_to_mesh', *arguments): in an empty folder; what it prints."""
    monkeypatch.chdir(tmp_path)

    def start(name: str, *arguments: object) -> str:
        main = runpy.run_path(str(ROOT / 'examples' / f'{name}.py'))['main']
        main([str(argument) for argument in arguments])
        return capsys.readouterr().out

    return start


@pytest.fixture(scope='module')
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of a left hand, and one of its pictures beside it."""
    path = tmp_path_factory.mktemp('clip') / 'left.mp4'
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 30, (640, 480))
    source = RenderedSource(side='left', seed=2)
    for _ in range(8):
        image = source.read().image
        video.write(image)
    video.release()
    cv2.imwrite(str(path.with_suffix('.png')), image)
    return path


def glb_points(path: Path) -> np.ndarray:
    content = path.read_bytes()
    length = struct.unpack_from('<I', content, 12)[0]
    head = json.loads(content[20 : 20 + length])
    count = head['accessors'][0]['count']
    return np.frombuffer(content, '<f4', 3 * count, 28 + length).reshape(-1, 3)


def test_they_are_short_and_say_how_they_are_run() -> None:
    assert len(EXAMPLES) == 5
    for path in EXAMPLES:
        text = path.read_text()
        assert len(text.splitlines()) < 65, path.name
        assert f'python examples/{path.name}\n' in text or f'python examples/{path.name} ' in text
        assert 'minimal_hand_ros' not in text, f'{path.name}: examples are of the core alone'
        assert f'examples/{path.name}' in (ROOT / 'docs' / 'examples.md').read_text(), f'{path.name} is not in the docs'


def test_photo_to_mesh(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run('photo_to_mesh').startswith('hand.glb: right hand, ')
    points = glb_points(tmp_path / 'hand.glb') * (1, -1, -1)  # glTF: y up, z towards the viewer
    shot = RenderedSource().read()
    # the tracker's hand is the model's mean size; a hand of another size is seen as nearer or farther
    assert len(points) == len(shot.truth.vertices)
    pixels = shot.truth.intrinsics @ points.T
    true = shot.truth.intrinsics @ shot.truth.vertices.T
    assert np.abs(pixels[:2] / pixels[2] - true[:2] / true[2]).mean() < 8

    run('photo_to_mesh', clip.with_suffix('.png'), '--side', 'left', '-o', 'left.obj')
    lines = (tmp_path / 'left.obj').read_text().splitlines()
    model = load_hand_model(side='left')
    assert sum(line.startswith('v ') for line in lines) == model.num_vertices
    assert sum(line.startswith('f ') for line in lines) == len(model.faces)


def test_webcam_overlay(run: Run, clip: Path, tmp_path: Path) -> None:
    said = run('webcam_overlay', clip, '--side', 'left', '--pictures', 0)
    assert said.startswith('overlay.mp4: 8 pictures, a hand in ')
    video = cv2.VideoCapture(str(tmp_path / 'overlay.mp4'))
    original = cv2.VideoCapture(str(clip))
    changed = []
    while (found := video.read())[0]:
        changed.append(np.abs(found[1].astype(int) - original.read()[1]).max(axis=2) > 60)
    assert len(changed) == 8
    assert 300 < changed[-1].sum() < 30_000, 'nothing, or everything, was drawn over'


def test_webcam_overlay_of_pictures_of_several_sizes(run: Run, tmp_path: Path) -> None:
    (tmp_path / 'photos').mkdir()
    for name, size in (('a', (48, 64)), ('b', (64, 48)), ('c', (48, 64))):
        cv2.imwrite(str(tmp_path / 'photos' / f'{name}.png'), np.full((*size, 3), 128, np.uint8))
    assert run('webcam_overlay', 'photos').startswith('overlay.mp4: 3 pictures')
    video = cv2.VideoCapture(str(tmp_path / 'overlay.mp4'))
    shapes = []
    while (found := video.read())[0]:
        shapes.append(found[1].shape)
    assert shapes == [(48, 64, 3)] * 3


def test_fit_my_hand(run: Run, clip: Path, tmp_path: Path) -> None:
    said = run('fit_my_hand', clip, clip.with_suffix('.png'), '--side', 'left', '--hand-length', 0.093)
    assert 'of 9 pictures' in said
    saved = np.load(tmp_path / 'my_hand.npz')
    assert saved['betas'].shape == (10,) and np.isfinite(saved['betas']).all() and np.abs(saved['betas']).max() > 0.01
    assert saved['hand_length'] == 0.093 and saved['side'] == 'left'
    said = run('fit_my_hand', clip, '--side', 'left', '-o', 'my.hand2')
    assert said.startswith('my.hand2.npz: ') and (tmp_path / 'my.hand2.npz').is_file()


@pytest.mark.parametrize('degrees', [False, True])
def test_angles_to_csv(run: Run, clip: Path, tmp_path: Path, degrees: bool) -> None:
    run('angles_to_csv', clip, '--side', 'left', *(['--degrees'] if degrees else []))
    rows = list(csv.DictReader((tmp_path / 'angles.csv').open()))
    unit = 'deg' if degrees else 'rad'
    assert list(rows[0])[2:] == [f'{name}_{unit}' for name in ANGLE_NAMES]
    assert [float(row['time_s']) for row in rows] == pytest.approx([i / 30 for i in range(8)], abs=1e-4)
    truth = RenderedSource(side='left', seed=2).read().truth.angles
    found = np.array([float(rows[-1][f'{name}_{unit}']) for name in ANGLE_NAMES])
    assert np.abs((np.radians(found) if degrees else found) - truth).mean() < 0.35


def test_angles_to_csv_overwrites_nothing_for_nothing(run: Run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / 'angles.csv').write_text('precious')
    with pytest.raises(SourceError, match='does not exist'):
        run('angles_to_csv', 'nowhere.mp4')
    assert (tmp_path / 'angles.csv').read_text() == 'precious'
    (tmp_path / 'mine.mp4').write_bytes(clip.read_bytes())
    with pytest.raises(ValueError, match='./mine.mp4 is the source and would be overwritten: give another --output'):
        run('angles_to_csv', tmp_path / 'mine.mp4', '-o', './mine.mp4')
    assert (tmp_path / 'mine.mp4').read_bytes() == clip.read_bytes()


def test_retarget_gripper(run: Run, clip: Path) -> None:
    lines = run('retarget_gripper', clip, '--side', 'left').splitlines()
    assert len(lines) == 8
    following = [line for line in lines if 'following' in line]
    assert following
    for line in following:
        assert 0.0 <= float(line.rsplit('finger_joint ')[1].split(',')[0]) <= 0.04


def test_pictures_without_the_hand_asked_for(run: Run, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'grey.png'), np.full((240, 320, 3), 128, np.uint8))
    for name in ('photo_to_mesh', 'fit_my_hand'):
        with pytest.raises(ValueError, match='no right hand'):
            run(name, 'grey.png')


def test_a_source_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / 'examples' / 'photo_to_mesh.py'), 'nowhere.jpg']
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stdout == ''
    assert ended.stderr.startswith("error: source 'nowhere.jpg' does not exist") and ended.stderr.count('\n') == 1


@pytest.mark.parametrize(('display', 'framework'), [(None, 'QT5'), (':0', '')])
def test_a_window_without_a_display_is_refused_at_once(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: str | None, framework: str
) -> None:
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv('DISPLAY', display)
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: framework)
    with pytest.raises(ValueError, match='--show: no display'):
        run('webcam_overlay', clip, '--show')
    assert not list(tmp_path.glob('*.mp4'))


def test_stream_of_a_folder_skips_what_it_cannot_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ('a', 'c'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / 'b.png').write_bytes(b'no picture')
    seen = list(pictures(str(tmp_path)))
    assert [Path(picture.name).name for picture in seen] == ['a.png', 'c.png']
    assert [picture.stamp for picture in seen] == pytest.approx([0.0, 2 / 30])
    assert 'b.png' in caplog.text
    k = seen[0].camera.k
    assert 2 * np.degrees(np.arctan(32 / k[0, 0])) == pytest.approx(FIELD_OF_VIEW)
    assert len(list(pictures('rendered', 3))) == 3
    with pytest.raises(SourceError, match='does not exist'):
        next(pictures('nowhere'))
