"""Picture sources, decoding and calibration files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from minimal_hand_core.data import films, sources
from minimal_hand_core.data.calibration import camera_from_field_of_view, load_calibration
from minimal_hand_core.data.decoding import decode_picture, load_picture
from minimal_hand_core.data.films import DEFAULT_RATE, plausible_rate
from minimal_hand_core.data.picture_messages import encode_jpeg
from minimal_hand_core.data.rendered import rendered_hand_length
from minimal_hand_core.data.sources import SourceError, open_source
from minimal_hand_core.data.stream import FIELD_OF_VIEW, pictures
from minimal_hand_core.offline import TrackOptions, open_input
from minimal_hand_core.tracking import CameraError, CameraModel, PictureError


@pytest.fixture
def picture(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)


def encoded(suffix: str, picture: np.ndarray) -> np.ndarray:
    return cv2.imencode(suffix, picture)[1].reshape(-1)


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tiff', '.ppm'])
def test_lossless_pictures_come_back(picture: np.ndarray, suffix: str) -> None:
    np.testing.assert_array_equal(decode_picture(encoded(suffix, picture), 'it'), picture)


def test_alpha_is_dropped(picture: np.ndarray) -> None:
    with_alpha = np.dstack([picture, picture[:, :, 0]])
    np.testing.assert_array_equal(decode_picture(encoded('.png', with_alpha), 'it'), picture)


def test_exif_orientation_is_applied() -> None:
    upright = np.zeros((40, 80, 3), np.uint8)
    upright[:, :40] = 255
    jpeg = encoded('.jpg', upright).tobytes()
    # APP1 with one EXIF entry: orientation 6, to be turned by 90° clockwise
    entry = b'\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00'
    exif = b'Exif\0\0MM\0*\0\0\0\x08\x00\x01' + entry + b'\0\0\0\0'
    turned = jpeg[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + jpeg[2:]
    found = decode_picture(np.frombuffer(turned, np.uint8), 'it')
    assert found.shape == (80, 40, 3)
    assert found[:30].mean() > 250 and found[50:].mean() < 5


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.99])
def test_half_a_picture_is_an_error(picture: np.ndarray, suffix: str, share: float) -> None:
    data = encoded(suffix, picture)
    with pytest.raises(PictureError, match='it is cut off'):
        decode_picture(data[: int(len(data) * share)], 'it')


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_what_is_behind_a_picture_is_nothing_to_it(picture: np.ndarray, suffix: str) -> None:
    """Phones append a film, in which all markers occur by chance."""
    film = np.frombuffer(b'ftyp' + b'\xff\xd9 \xff\xda \xff\xd8\xff' * 50 + bytes(1000), np.uint8)
    data = encoded(suffix, picture)
    found = decode_picture(np.concatenate([data, film]), 'it')
    np.testing.assert_array_equal(found, decode_picture(data, 'it'))


def test_a_picture_that_is_cut_off_behind_its_thumbnail_is_an_error(picture: np.ndarray) -> None:
    jpeg, thumbnail = encoded('.jpg', picture).tobytes(), encoded('.jpg', picture[::8, ::8]).tobytes()
    whole = jpeg[:2] + b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail + jpeg[2:]
    assert decode_picture(np.frombuffer(whole, np.uint8), 'it').shape == picture.shape
    with pytest.raises(PictureError, match='it is cut off'):
        decode_picture(np.frombuffer(whole[:-200], np.uint8), 'it')


@pytest.mark.parametrize(
    ('data', 'said'),
    [
        (np.zeros(0, np.uint8), 'is empty'),
        (np.arange(200, dtype=np.uint8), 'cannot be decoded'),
        (encoded('.tiff', np.zeros((4, 4, 3), np.float32)), 'float32'),
    ],
)
def test_what_is_no_picture_is_an_error(data: np.ndarray, said: str) -> None:
    with pytest.raises(PictureError, match=f'^it .*{said}'):
        decode_picture(data, 'it')


def test_grey_pictures_get_three_equal_channels(picture: np.ndarray) -> None:
    grey = picture[..., 1]
    for kept in (grey, grey.astype(np.uint16) << 8):
        found = decode_picture(encoded('.png', kept), 'it')
        np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bits_become_eight(picture: np.ndarray) -> None:
    picture[0, 0] = 255  # says that all bits are in use
    found = decode_picture(encoded('.png', picture.astype(np.uint16) << 4), 'it')
    np.testing.assert_array_equal(found, picture)


def test_a_picture_that_cannot_be_a_jpeg_is_named(picture: np.ndarray) -> None:
    assert decode_picture(encode_jpeg(picture, 90), 'it').shape == picture.shape
    for shape in ((0, 64, 3), (0, 0, 3), (1, 70000, 3)):
        with pytest.raises(PictureError, match=r'picture 7 of shape \(.*\) could not be encoded as JPEG'):
            encode_jpeg(np.zeros(shape, np.uint8), 90, 'picture 7')


def test_load_picture_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match='nothing.png cannot be read: No such file'):
        load_picture(tmp_path / 'nothing.png')


def test_single_picture(tmp_path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / 'a.PNG'), picture)
    once = open_source(str(tmp_path / 'a.PNG'), loop=False)
    np.testing.assert_array_equal(once.read().image, picture)
    assert once.read() is None
    forever = open_source(str(tmp_path / 'a.PNG'))
    assert all(forever.read() is not None for _ in range(3))


def test_folder_in_order_of_names(tmp_path: Path) -> None:
    for value, name in ((2, 'b.png'), (1, 'a.png'), (3, 'c.png')):
        cv2.imwrite(str(tmp_path / name), np.full((4, 4, 3), value, np.uint8))
    (tmp_path / 'bb.png').write_bytes(b'broken')
    (tmp_path / 'notes.txt').write_text('x')
    source = open_source(str(tmp_path), loop=False)
    assert [source.read().image[0, 0, 0] for _ in range(2)] == [1, 2]
    with pytest.raises(PictureError, match='bb.png cannot be decoded'):
        source.read()
    assert source.read().image[0, 0, 0] == 3
    assert source.read() is None


def test_folder_goes_round(tmp_path: Path) -> None:
    for value, name in ((1, 'a.png'), (2, 'b.png')):
        cv2.imwrite(str(tmp_path / name), np.full((4, 4, 3), value, np.uint8))
    source = open_source(str(tmp_path))
    assert [source.read().image[0, 0, 0] for _ in range(5)] == [1, 2, 1, 2, 1]


def test_pictures_of_a_folder_can_be_held(tmp_path: Path) -> None:
    for value, name in ((1, 'a.png'), (2, 'b.png')):
        cv2.imwrite(str(tmp_path / name), np.full((4, 4, 3), value, np.uint8))
    source = open_source(str(tmp_path), hold=2)
    assert [source.read().image[0, 0, 0] for _ in range(6)] == [1, 1, 2, 2, 1, 1]


def test_folder_of_broken_pictures_is_told_once_round(tmp_path: Path) -> None:
    for name in ('a.png', 'b.png'):
        (tmp_path / name).write_bytes(b'broken')
    source = open_source(str(tmp_path))
    for _ in range(2):
        with pytest.raises(PictureError):
            source.read()
    with pytest.raises(SourceError, match='none of its 2 pictures'):
        source.read()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 12.0, (64, 48))
    for value in (50, 100, 150):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    return path


def test_video(video: Path) -> None:
    source = open_source(str(video), loop=False)
    assert source.rate == pytest.approx(12)
    assert [round(float(source.read().image.mean()) / 50) for _ in range(3)] == [1, 2, 3]
    assert source.read() is None
    source.close()


def test_video_goes_round(video: Path) -> None:
    source = open_source(str(video))
    assert [round(float(source.read().image.mean()) / 50) for _ in range(7)] == [1, 2, 3, 1, 2, 3, 1]


class Uneven:
    """A film as phones make them: a picture that was dropped, a time that stands still, a picture that is damaged."""

    def __init__(self, path: Path) -> None:
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        self._times = iter((0.0, 83.3, 83.3, 333.3, 400.0))
        self._at = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._capture, name)

    def grab(self) -> bool:
        done = self._capture.grab()
        self._at = next(self._times) if done else self._at
        return done

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        return (False, None) if self._at == 333.3 else self._capture.retrieve()

    def get(self, what: int) -> float:
        return self._at if what == cv2.CAP_PROP_POS_MSEC else self._capture.get(what)


@pytest.mark.parametrize('what', [480.0, 12.0, 0.5, 'uneven', 'folder'])
def test_live_and_offline_give_the_same_pictures_the_same_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: float | str
) -> None:
    path = tmp_path / 'input'
    if what == 'folder':
        path.mkdir()
        for name in 'abde':
            cv2.imwrite(str(path / f'{name}.png'), np.zeros((48, 64, 3), np.uint8))
        (path / 'c.png').write_bytes(b'broken')
    else:
        path = path.with_suffix('.mp4')
        rate = 12.0 if what == 'uneven' else float(what)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, (64, 48))
        for value in range(5):
            writer.write(np.full((48, 64, 3), 50 * value, np.uint8))
        writer.release()
    if what == 'uneven':
        monkeypatch.setattr(films, '_open', Uneven)
    offline = open_input(path, TrackOptions())
    frames = [frame for frame in offline.frames() if frame.image is not None]
    live = list(pictures(str(path)))
    assert [round(picture.stamp * 1e9) for picture in live] == [frame.stamp for frame in frames]
    assert all(np.array_equal(picture.image, frame.image) for picture, frame in zip(live, frames, strict=True))
    assert open_source(str(path)).rate == offline.rate
    if what == 480.0:
        assert offline.rate == 480 and live[-1].stamp == pytest.approx(4 / 480, abs=1e-6)
    if what == 'uneven':
        assert [picture.stamp for picture in live] == pytest.approx([0, 0.0833, 0.0833 + 1 / 12, 0.4])


def test_a_rate_that_no_film_has_is_not_believed() -> None:
    assert [plausible_rate(rate) for rate in (1.0, 29.97, 480.0, 960.0)] == [1.0, 29.97, 480.0, 960.0]
    for rate in (0.0, 0.5, -1.0, 1000.0, 90000.0, float('nan'), float('inf')):
        assert plausible_rate(rate) == DEFAULT_RATE


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('', 'does not exist'),
        ('nothing.mp4', "'nothing.mp4' does not exist: give 'rendered'"),
        ('9999999', 'there is no webcam with this index'),
    ],
)
def test_sources_that_are_not_there(name: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        open_source(name)


def test_files_that_are_no_video_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='holds no picture'):
        open_source(str(tmp_path))
    file = tmp_path / 'notes.mp4'
    file.write_text('no video')
    with pytest.raises(SourceError, match='notes.mp4 cannot be read'):
        open_source(str(file))


def test_rendered_source_is_deterministic() -> None:
    first, second = (open_source('rendered', seed=4, rate=10) for _ in range(2))
    for _ in range(2):
        one, other = first.read(), second.read()
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.truth.keypoints_m, other.truth.keypoints_m)
        np.testing.assert_allclose(first.camera.project(one.truth.keypoints_m), one.truth.keypoints_px, atol=1e-9)


def test_length_of_the_rendered_hand() -> None:
    shot = open_source('rendered', seed=4).read()
    assert rendered_hand_length(seed=4) == pytest.approx(shot.truth.hand_length, rel=1e-5)


CALIBRATION = {
    'image_width': 640,
    'image_height': 480,
    'camera_matrix': '{data: [600, 0, 320, 0, 610, 240, 0, 0, 1]}',
    'distortion_model': 'plumb_bob',
    'distortion_coefficients': '{data: [0.1, -0.2, 0, 0, 0.01]}',
}


def written(path: Path, **changes: object) -> Path:
    content = {**CALIBRATION, **changes}
    path.write_text('\n'.join(f'{key}: {value}' for key, value in content.items() if value is not None))
    return path


def test_calibration_file(tmp_path: Path) -> None:
    camera = load_calibration(f'file://{written(tmp_path / "camera.yaml")}')
    assert (camera.width, camera.height) == (640, 480)
    np.testing.assert_array_equal(camera.k, [[600, 0, 320], [0, 610, 240], [0, 0, 1]])
    np.testing.assert_array_equal(camera.d, [0.1, -0.2, 0, 0, 0.01])


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'camera_matrix': None}, "'camera_matrix' is missing"),
        ({'camera_matrix': 5}, 'not where they belong'),
        ({'camera_matrix': '{data: [1, 2]}'}, 'has 2 values'),
        ({'camera_matrix': '{data: [0, 0, 320, 0, 610, 240, 0, 0, 1]}'}, 'focal lengths'),
        ({'distortion_model': 'crystal_ball'}, "'crystal_ball'"),
        ({'image_width': '[', 'image_height': '}'}, 'it is not YAML'),
    ],
)
def test_wrong_calibration_files_are_errors_that_name_the_file(tmp_path: Path, changes: dict, said: str) -> None:
    with pytest.raises(CameraError, match=f'camera.yaml.*{said}'):
        load_calibration(written(tmp_path / 'camera.yaml', **changes))


def test_field_of_view() -> None:
    camera = camera_from_field_of_view(640, 480, 90.0)
    left, right = camera.normalize(np.array([[-0.5, 239.5], [639.5, 239.5]]))
    np.testing.assert_allclose(left, (-1, 0), atol=1e-12)
    np.testing.assert_allclose(right, (1, 0), atol=1e-12)
    with pytest.raises(CameraError, match='180'):
        camera_from_field_of_view(640, 480, 180.0)


class Hanging:
    """A webcam that gives no picture, after `seconds` each time."""

    def __init__(self, index: int, seconds: float, clock: list[float]) -> None:
        self.seconds, self.clock = seconds, clock

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return True

    def set(self, what: int, value: float) -> None:
        pass

    def read(self) -> tuple[bool, None]:
        self.clock[0] += self.seconds
        return False, None

    def release(self) -> None:
        pass


@pytest.mark.parametrize(('seconds', 'most'), [(0.0, 30), (2.0, 11)])
def test_a_webcam_that_stops_is_given_up_soon(monkeypatch: pytest.MonkeyPatch, seconds: float, most: int) -> None:
    clock = [0.0]
    monkeypatch.setattr(sources.cv2, 'VideoCapture', lambda index: Hanging(index, seconds, clock))
    monkeypatch.setattr(sources.time, 'monotonic', lambda: clock[0])
    monkeypatch.delenv('OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT', raising=False)
    webcam = open_source('0')
    assert os.environ['OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT'] == '2'
    for _ in range(most - 1):
        with pytest.raises(PictureError, match='webcam 0 gave no picture'):
            webcam.read()
    with pytest.raises(SourceError, match='stopped giving pictures'):
        webcam.read()


class Watching(Hanging):
    """A webcam that gives a picture after `seconds` each time, but for the second one."""

    def __init__(self, index: int, seconds: float, clock: list[float]) -> None:
        super().__init__(index, seconds, clock)
        self.count = 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        super().read()
        self.count += 1
        return self.count != 2, np.zeros((48, 64, 3), np.uint8)


def test_pictures_of_a_webcam_have_the_time_at_which_they_came(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [5.0]
    monkeypatch.setattr(sources.cv2, 'VideoCapture', lambda index: Watching(index, 0.25, clock))
    monkeypatch.setattr(sources.time, 'monotonic', lambda: clock[0])
    assert [picture.stamp for picture in pictures('0', 3)] == pytest.approx([0.25, 0.75, 1.0])
    assert 'webcam 0 gave no picture' in caplog.text


def test_a_picture_that_cannot_be_read_leaves_a_gap_in_time(tmp_path: Path, picture: np.ndarray) -> None:
    for name in ('0.png', '2.png', '3.png'):
        cv2.imwrite(str(tmp_path / name), picture)
    (tmp_path / '1.png').write_bytes(b'no picture')
    rate = open_source(str(tmp_path), loop=False).rate
    shown = list(pictures(str(tmp_path)))
    assert [round(each.stamp * rate) for each in shown] == [0, 2, 3]
    assert len(list(pictures(str(tmp_path), 2))) == 2


def test_intrinsics_that_are_given_go_before_others(
    tmp_path: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(tmp_path / '0.png'), picture)
    camera = CameraModel(64, 48, [70, 0, 31, 0, 70, 22, 0, 0, 1], [])
    (found,) = pictures(str(tmp_path), camera=camera)
    assert found.camera is camera
    (assumed,) = pictures(str(tmp_path))
    across = 2 * np.degrees(np.arctan(32 / assumed.camera.k[0, 0]))
    assert across == pytest.approx(FIELD_OF_VIEW)
    with pytest.raises(CameraError, match='64×48'):
        list(pictures(str(tmp_path), camera=CameraModel(640, 480, camera.k, [])))
    monkeypatch.setattr(sources.FolderSource, 'camera', assumed.camera)
    assert next(pictures(str(tmp_path))).camera is assumed.camera, 'its own'
    assert next(pictures(str(tmp_path), camera=camera)).camera is camera
