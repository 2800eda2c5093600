"""The reader of labelled photos, on small folders written here in the native layout."""

import json
import zlib

import cv2
import numpy as np
import pytest

from minimal_hand_core.data import held_out
from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.datasets.tree import DatasetError
from minimal_hand_core.tracking.picture import PictureError


def _record(number, **changes):
    rng = np.random.default_rng(number)
    record = {
        'file': f'images/subhih/{number:05d}.jpg',
        'source': 'subhih',
        'tier': 'A',
        'keypoints_px': rng.uniform(20, 100, (21, 2)).tolist(),
        'world_m': rng.normal(0, 0.05, (21, 3)).tolist(),
        'near_dup_group': f'group_{number}',
        'side': 'right',
    }
    return {**record, **changes}


def _folder(root, records, pictures=True):
    (root / 'images/subhih').mkdir(parents=True)
    (root / 'labels.json').write_text(json.dumps(records))
    if pictures == 'empty':
        for record in records:
            (root / record['file']).touch()
    elif pictures:
        for record in records:
            cv2.imwrite(str(root / record['file']), np.full((120, 110, 3), (10, 90, 200), np.uint8))
    return root


def test_labels_come_back_by_value(tmp_path):
    records = [_record(1, side='left'), _record(2, tier='B', side=None)]
    hands = RealHands(_folder(tmp_path, records), 'all')
    assert len(hands) == 2
    first, second = hands
    assert first.image.shape == (120, 110, 3)
    assert np.abs(first.image[60, 50].astype(int) - (10, 90, 200)).max() < 6, 'pictures are BGR'
    np.testing.assert_array_equal(first.keypoints_px, records[0]['keypoints_px'])
    world = np.array(records[0]['world_m'])
    np.testing.assert_allclose(first.keypoints_m, world - world[9])
    assert (first.side, second.side) == ('left', None)
    assert first.weight > second.weight > 0
    assert first.weight_3d > second.weight_3d > 0
    for hand in (first, second):
        assert hand.weight_3d < 0.5 * hand.weight, 'their 3D is weaker still'


def test_hands_of_one_picture_have_names_of_their_own(tmp_path):
    file = 'images/subhih/two.jpg'
    hands = RealHands(_folder(tmp_path, [_record(1, file=file), _record(2), _record(3, file=file, side='left')]), 'all')
    assert [hand.key for hand in hands] == [hands.key(row) for row in range(3)]
    assert [hand.key for hand in hands] == [file, 'images/subhih/00002.jpg', f'{file}#2']


def test_a_folder_of_ones_own_needs_files_and_keypoints_alone(tmp_path):
    record = {name: _record(1)[name] for name in ('file', 'keypoints_px')}
    (hand,) = hands = RealHands(_folder(tmp_path, [record]), 'all')
    assert (hand.side, hand.keypoints_m, hand.weight, hand.weight_3d) == (None, None, 1.0, 0.0)
    assert hands.records[0]['source'] == 'photos' and hands.group(0) == record['file']


def test_a_hand_beyond_its_picture_is_refused(tmp_path):
    points = np.array(_record(1)['keypoints_px'])
    beside, partly = points + [120, 0], points + [60, 0]
    records = [_record(1, keypoints_px=beside.tolist()), _record(2, keypoints_px=partly.tolist())]
    hands = RealHands(_folder(tmp_path, records), 'all')
    with pytest.raises(DatasetError, match=r'00001\.jpg all lie beyond its picture of 110×120 pixels'):
        hands[0]
    assert hands[1].visible.all()


def test_stretched_sources_teach_no_3d(tmp_path):
    hands = RealHands(_folder(tmp_path, [_record(1, source='lebanese')]), 'all')
    assert hands[0].weight_3d == 0.0


def test_splits_are_disjoint_and_keep_groups_together(tmp_path):
    records = [_record(i, near_dup_group=f'group_{i // 3}') for i in range(300)]
    root = _folder(tmp_path, records, pictures='empty')
    groups = {
        split: {r['near_dup_group'] for r in RealHands(root, split).records} for split in ('train', 'validation', 'all')
    }
    assert groups['train'] | groups['validation'] == groups['all']
    assert not groups['train'] & groups['validation']
    assert all(zlib.crc32(group.encode()) % 10 == 0 for group in groups['validation']), 'the rule of the README'
    assert 0.02 < len(groups['validation']) / len(groups['all']) < 0.25


def test_left_out_sources_and_tiers_are_gone(tmp_path):
    records = [_record(1), _record(2, source='loris'), _record(3, tier='B')]
    root = _folder(tmp_path, records)
    assert [r['file'] for r in RealHands(root, 'all', tiers='A', leave_out=['loris']).records] == [records[0]['file']]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'keypoints_px': [[1, 2]] * 20}, 'keypoints_px must be 21×2'),
        ({'world_m': [[1, 2, float('nan')]] * 21}, 'world_m must be 21×3 finite'),
        ({'side': 'up'}, "side is 'up'"),
        ({'tier': 'C'}, "tier is 'C'"),
        ({'file': None}, 'file must be a text'),
        ({'source': None}, 'source must be a text'),
        ({'keypoints_px': None}, 'keypoints_px must be 21×2'),
    ],
)
def test_a_malformed_record_is_named(tmp_path, changes, message):
    root = _folder(tmp_path, [_record(1), _record(2, **changes)], pictures=False)
    with pytest.raises(DatasetError, match='record 1') as error:
        RealHands(root, 'all')
    assert message in str(error.value)


def test_a_missing_folder_says_what_is_expected(tmp_path):
    with pytest.raises(DatasetError, match=r'(?s)labels\.json is missing.*images/SOURCE'):
        RealHands(tmp_path / 'nowhere')


def test_missing_pictures_are_an_error_or_left_out_when_asked(tmp_path):
    records = [_record(1), _record(2)]
    root = _folder(tmp_path, records)
    (root / records[1]['file']).unlink()
    with pytest.raises(DatasetError, match=r'00002\.jpg is missing; 1 of 2 pictures are not there'):
        RealHands(root, 'all')
    hands = RealHands(root, 'all', partial=True)
    assert [hands.key(row) for row in range(len(hands))] == [records[0]['file']]
    assert hands.report == ['1 of 2 pictures are not there and left out']


def test_broken_json_and_wrong_split_are_errors(tmp_path):
    root = _folder(tmp_path, [_record(1)], pictures=False)
    with pytest.raises(DatasetError, match='choose one of train, validation, all'):
        RealHands(root, 'test')
    (root / 'labels.json').write_text('[{')
    with pytest.raises(DatasetError, match='not valid JSON'):
        RealHands(root, 'all')


def test_an_unreadable_picture_is_an_error_that_names_it(tmp_path):
    root = _folder(tmp_path, [_record(1)])
    (root / 'images/subhih/00001.jpg').write_bytes(b'not a picture')
    with pytest.raises(PictureError, match=r'00001\.jpg'):
        RealHands(root, 'all')[0]


def test_the_shared_photos_have_the_counts_of_their_readme(shared_path):
    root = shared_path('data/real_hands')
    hands = RealHands(root, 'all')
    assert len(hands) == 5611
    assert held_out(hands).sum() == 565
    assert sum(record['tier'] == 'A' for record in hands.records) == 5176


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    with pytest.raises(DatasetError, match=str(tmp_path / 'none')):
        RealHands('~/none')
