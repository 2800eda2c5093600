"""Films put end to end without encoding them again."""

import cv2
import numpy as np
import pytest
from offline_clips import pictures_of

from minimal_hand_core.offline.outputs.mp4 import Mp4Error, join_mp4, read_track


def write_film(path, seed, count, size=(96, 64), rate=25.0):
    rng = np.random.default_rng(seed)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, size)
    ground = cv2.GaussianBlur(rng.integers(0, 255, (size[1], size[0], 3), np.uint8), (0, 0), 3)
    for i in range(count):
        writer.write(np.roll(ground, 2 * i, axis=1))
    writer.release()
    return path


@pytest.mark.parametrize('counts', [(1,), (7, 7), (30, 1, 13, 13)])
def test_joined_films_show_the_pictures_of_all(tmp_path, counts):
    parts = [write_film(tmp_path / f'{i}.mp4', i, count) for i, count in enumerate(counts)]
    join_mp4(parts, tmp_path / 'all.mp4')
    found = pictures_of(tmp_path / 'all.mp4')
    expected = [picture for part in parts for picture in pictures_of(part)]
    assert len(found) == len(expected) == sum(counts)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected))
    capture = cv2.VideoCapture(str(tmp_path / 'all.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == sum(counts) and capture.get(cv2.CAP_PROP_FPS) == 25
    stamps = []
    while capture.grab():
        stamps.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    assert np.allclose(stamps, 40 * np.arange(sum(counts)), atol=0.1)


def test_a_joined_film_can_be_sought_and_joined_again(tmp_path):
    parts = [write_film(tmp_path / f'{i}.mp4', i, 20) for i in range(3)]
    join_mp4(parts, tmp_path / 'all.mp4')
    capture = cv2.VideoCapture(str(tmp_path / 'all.mp4'))
    capture.set(cv2.CAP_PROP_POS_FRAMES, 40)
    assert np.array_equal(capture.read()[1], pictures_of(parts[2])[0])
    join_mp4([tmp_path / 'all.mp4', parts[0]], tmp_path / 'again.mp4')
    assert len(pictures_of(tmp_path / 'again.mp4')) == 80


def test_key_pictures_are_those_of_all_parts(tmp_path):
    """A part of one picture has key pictures only, which its file says by naming none."""
    parts = [write_film(tmp_path / f'{i}.mp4', i, count) for i, count in enumerate((1, 5, 20))]
    keys, before = [], 0
    for part in parts:
        track = read_track(part)
        keys += [before + key for key in track.keys or range(1, len(track.sizes) + 1)]
        before += len(track.sizes)
    join_mp4(parts, tmp_path / 'all.mp4')
    assert read_track(tmp_path / 'all.mp4').keys == keys and len(keys) < 26


def test_what_a_film_says_of_itself(tmp_path):
    track = read_track(write_film(tmp_path / 'film.mp4', 0, 30))
    assert len(track.sizes) == sum(count for count, _ in track.durations) == 30
    assert track.keys[0] == 1 and track.keys == sorted(track.keys)
    assert sum(count for _, count, _ in track.runs) == 30 and sum(size for *_, size in track.runs) == sum(track.sizes)


def test_what_is_no_whole_film_is_named(tmp_path):
    whole = write_film(tmp_path / 'film.mp4', 0, 30)
    cut = tmp_path / 'cut.mp4'
    cut.write_bytes(whole.read_bytes()[:-300])
    (tmp_path / 'text.mp4').write_text('no film at all')
    (tmp_path / 'empty.mp4').write_bytes(b'')
    for name in ('cut.mp4', 'text.mp4', 'empty.mp4', 'missing.mp4'):
        with pytest.raises(Mp4Error, match=f'{name} is no whole MP4'):
            join_mp4([whole, tmp_path / name], tmp_path / 'all.mp4')
        assert not (tmp_path / 'all.mp4').exists()
