"""`check_dataset` on small data sets, as a user runs it."""

import cv2
import numpy as np
import pytest
from native_layouts.examples import EXAMPLES

from minimal_hand_core.data import open_dataset
from minimal_hand_core.data.check import main
from minimal_hand_core.data.survey import evenly, survey
from minimal_hand_core.hand.skeleton import FINGER_COLORS_BGR


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """run(name, root, more…) → exit status, output, errors, sheet (None when none was written)."""
    monkeypatch.setenv('COLUMNS', '200')

    def go(name, root, *more):
        sheet = tmp_path / 'sheet' / f'{name}.png'
        status = main([name, str(root), '--cache', 'none', '--output', str(sheet), *more])
        out, err = capsys.readouterr()
        return status, out, err, cv2.imread(str(sheet)) if sheet.exists() else None

    return go


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp('roots') / name
            made[name, 'truth'] = EXAMPLES[name](made[name])
        return made[name]

    return get


@pytest.mark.parametrize('name', EXAMPLES)
def test_every_data_set_can_be_checked(name, roots, run):
    splits = ['--split', 'all'] if name == 'real_hands' else []
    status, out, err, sheet = run(name, roots(name), *splits)
    assert name in out and not err
    published = name not in ('dexter_object', 'ego_dexter', 'real_hands')
    assert status == (1 if published else 0)
    assert ('the whole set is known to have' in out) == published
    assert sheet.shape[1] % 256 == 0
    for color in FINGER_COLORS_BGR.values():
        assert (np.abs(sheet.astype(int) - color).max(axis=2) < 12).sum() > 3, 'the skeleton is drawn'


def test_numbers_of_the_table_are_the_truths(roots, run):
    _, out, _, _ = run('stb', roots('stb'), '--split', 'test')
    hands = open_dataset('stb', roots('stb'), 'test', cache=False)
    found = survey(hands)
    true = [1000 * np.linalg.norm(h.keypoints_m[9] - h.keypoints_m[0]) for h in hands]
    np.testing.assert_allclose(found.length_mm, np.percentile(true, [5, 50, 95]), rtol=1e-4)
    np.testing.assert_allclose(found.depth_m[1], np.median([h.keypoints_m[:, 2].mean() for h in hands]), rtol=1e-4)
    assert found.sides == {'left': 1.0} and found.visible == found.labelled == 1
    assert found.projection_px < 1e-2 and found.outside == 0 and found.pictures == 3
    assert '100 % left' in out and f'{np.median(true):.0f} (' in out and '3,000' in out


def test_tips_only_sets_say_so(roots):
    found = survey(open_dataset('dexter_object', roots('dexter_object'), 'test', cache=False))
    assert found.labelled == found.visible == pytest.approx((6 * 5 + 3) / (7 * 21))
    assert found.length_mm is None and found.depth_m is not None


def test_root_relative_labels_have_no_distance(roots):
    found = survey(open_dataset('real_hands', roots('real_hands'), 'all'))
    assert found.depth_m is None and found.length_mm is not None
    assert found.sides == {'right': 0.5, 'left': 0.25, 'unknown': pytest.approx(0.25)}


def test_unreadable_pictures_are_listed_and_the_rest_is_shown(tmp_path, run):
    EXAMPLES['rhd'](tmp_path / 'rhd')
    (tmp_path / 'rhd/training/color/00001.png').write_bytes(b'not a picture')
    status, out, _, sheet = run('rhd', tmp_path / 'rhd', '--split', 'train')
    assert status == 1 and sheet.shape == (256, 256, 3)
    assert '1 of 2 decoded pictures cannot be read' in out and '00001.png' in out


def test_missing_pictures_are_told_apart_from_a_missing_split(tmp_path, run):
    EXAMPLES['rhd'](tmp_path / 'rhd')
    (tmp_path / 'rhd/training/color/00001.png').unlink()
    status, out, err, _ = run('rhd', tmp_path / 'rhd', '--split', 'train')
    assert status == 2 and '00001.png is missing; 1 of 2 pictures' in err and '<- root' in err
    status, out, err, _ = run('rhd', tmp_path / 'rhd')
    assert status == 1 and '! train: ' in out and '00001.png is missing' in out and 'test' in out
    status, out, err, _ = run('rhd', tmp_path / 'rhd', '--partial')
    assert '· train: 1 of 2 samples left out: their pictures are not there' in out


def test_options_of_the_reader_and_few_samples(roots, run):
    _, out, _, sheet = run('rhd', roots('rhd'), '--split', 'train', '--set', 'hands=both', '--samples', '2')
    assert sheet.shape == (256, 512, 3) and '│       4 │' in out
    status, _, err, _ = run('rhd', roots('rhd'), '--set', 'hands')
    assert status == 2 and 'expected OPTION=VALUE' in err
    status, _, err, _ = run('rhd', roots('rhd'), '--set', 'hands=none')
    assert status == 2 and 'choose one of main, both' in err


@pytest.mark.parametrize(
    'name, option, said',
    [
        ('rendered', 'foo=1', "rendered: option is 'foo'; choose one of length, size, seed, variation"),
        ('rendered', 'length=some', "rendered: length is 'some'; give a whole number, 1 or above"),
        ('rendered', 'length=0', "rendered: length is '0'; give a whole number, 1 or above"),
        ('rendered', 'variation=wide', "rendered: variation is 'wide'; it is a SceneVariation"),
        ('real_hands', 'foo=1', "real_hands: option is 'foo'; choose one of tiers, leave_out"),
        ('real_hands', 'tiers=C', "real_hands: tiers is 'C'; give one or several of AB"),
        ('rhd', 'partial=1', "rhd: option is 'partial'; choose one of hands"),
    ],
)
def test_an_option_that_a_reader_does_not_have_is_named(roots, run, name, option, said):
    root, split = ('-', 'test') if name == 'rendered' else (roots(name), 'all' if name == 'real_hands' else 'train')
    status, _, err, _ = run(name, root, '--split', split, '--set', option)
    assert status == 2 and err.startswith(f'check_dataset: {said}') and err.count('\n') == 1


def test_numbers_and_lists_are_options_too(roots, run):
    few = ('--pictures', '2', '--samples', '2')
    status, out, err, _ = run('rendered', '-', '--split', 'test', *few, '--set', 'length=50', '--set', 'size=64')
    assert status == 0 and '│      50 │' in out, err
    status, out, err, _ = run('real_hands', roots('real_hands'), '--split', 'all', '--set', 'leave_out=none,nothing')
    assert status == 0, err


def test_frames_without_labels_are_shown_whole(roots, run):
    status, _, err, sheet = run('ego_dexter', roots('ego_dexter'), '--set', 'frames=all', '--samples', '4')
    assert status == 0, err
    assert sheet.shape == (256, 1024, 3) and sheet[:, 768:].std() > 5


def test_wrong_calls_name_what_there_is(run, tmp_path, capsys):
    status, _, err, sheet = run('rdh', tmp_path)
    assert status == 2 and 'choose one of cmu_panoptic' in err and sheet is None
    status, _, err, _ = run('rhd', tmp_path / 'nowhere')
    assert status == 2 and 'is missing' in err and 'anno_training.pickle' in err
    with pytest.raises(SystemExit):
        main(['rhd', '.', '--pictures', 'none'])
    assert 'neither a number above 0 nor "all"' in capsys.readouterr().err


def test_rendered_hands_can_be_checked(run):
    status, out, _, sheet = run('rendered', '-', '--split', 'test', '--pictures', '2', '--samples', '2')
    assert status == 0 and '5,000' in out and sheet.shape == (256, 512, 3)


def test_evenly_spread_positions():
    assert evenly(10, 3) == [0, 4, 9] and evenly(3, 8) == [0, 1, 2] and evenly(0, 5) == [] and evenly(5, 1) == [0]
