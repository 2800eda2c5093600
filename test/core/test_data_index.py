"""Indices: when they are kept, when they are stale, and what a damaged or incomplete folder is answered with."""

import json
import os
import pickle
import shutil
import time
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from native_layouts.examples import EXAMPLES, compare

from minimal_hand_core.cache import VARIABLE
from minimal_hand_core.data import DatasetError, dataset_splits, open_dataset
from minimal_hand_core.data.datasets import cache as index_cache
from minimal_hand_core.data.datasets import rhd, stb
from minimal_hand_core.tracking.picture import PictureError

READERS = [name for name in EXAMPLES if name != 'real_hands']
LABELS = {
    'cmu_panoptic': 'hands_v143_14817.json',
    'cmu_hand_labels': 'manual_train/*.json',
    'rhd': 'training/anno_training.pickle',
    'ganerated': 'noObject/0001/0001_joint2D.txt',
    'stb': 'labels/B2Counting_SK.mat',
    'dexter_object': 'data/Pinch/annotations/Pinch3D.txt',
    'ego_dexter': 'Desk/annotation.txt_3D.txt',
    'freihand': 'training_xyz.json',
}
"""One file of labels of each data set's first split."""


@pytest.fixture(scope='module')
def originals(tmp_path_factory):
    """name → root of an example that must not be changed."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp('originals') / name
            EXAMPLES[name](made[name])
        return made[name]

    return get


@pytest.fixture
def copy(originals, tmp_path):
    """name → root of an example whose labels may be changed; its pictures are links, to be replaced, not written to."""

    def light(source, target):
        if source.endswith(('.png', '.jpg')):
            os.symlink(source, target)
        else:
            shutil.copy2(source, target)

    def get(name):
        return shutil.copytree(originals(name), tmp_path / name, copy_function=light)

    return get


def first_split(name):
    return 'train' if 'train' in dataset_splits(name) else 'test'


def open_first(name, root, **options):
    return open_dataset(name, root, first_split(name), **options)


def labels_file(name, root):
    return sorted(root.glob(LABELS[name]))[0]


class Scans:
    """Counts how often a reader really reads labels."""

    def __init__(self, module, monkeypatch):
        self.count = 0
        scan = module.LAYOUT.scan

        def counted(request):
            self.count += 1
            return scan(request)

        monkeypatch.setattr(module, 'LAYOUT', replace(module.LAYOUT, scan=counted))


@pytest.fixture
def scans(monkeypatch):
    """scans(module) → a counter of that reader's scans."""
    return lambda module: Scans(module, monkeypatch)


@pytest.mark.parametrize('name', READERS)
def test_a_cached_index_gives_the_same_samples(name, originals, tmp_path):
    root = originals(name)
    fresh = open_first(name, root, cache=tmp_path / 'cache')
    again = open_first(name, root, cache=tmp_path / 'cache')
    assert len(list((tmp_path / 'cache').iterdir())) == 1
    for one, other in zip(fresh, again, strict=True):
        np.testing.assert_array_equal(one.keypoints_px, other.keypoints_px)
        np.testing.assert_array_equal(one.visible, other.visible)
        np.testing.assert_array_equal(one.image, other.image)
        assert (one.side, one.key) == (other.side, other.key)
        assert one.keypoints_m is other.keypoints_m is None or (one.keypoints_m == other.keypoints_m)[one.visible].all()
    assert fresh.report == again.report and fresh.labels.extra.keys() == again.labels.extra.keys()


def test_labels_are_scanned_once(originals, tmp_path, scans):
    counter = scans(stb)
    for _ in range(3):
        open_dataset('stb', originals('stb'), 'test', cache=tmp_path)
    assert counter.count == 1
    open_dataset('stb', originals('stb'), 'train', cache=tmp_path)
    assert counter.count == 2, 'another split, another index'
    open_dataset('stb', originals('stb'), 'test', cache=False)
    assert counter.count == 3


def test_an_index_is_not_used_for_another_root_option_or_version(copy, originals, tmp_path, scans, monkeypatch):
    counter = scans(rhd)
    open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path / 'cache')
    open_dataset('rhd', copy('rhd'), 'train', cache=tmp_path / 'cache')
    open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path / 'cache', hands='both')
    assert counter.count == 3
    monkeypatch.setattr(index_cache, 'FORMAT', index_cache.FORMAT + 1)
    open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path / 'cache')
    assert counter.count == 4


@pytest.mark.parametrize('name', READERS)
def test_changed_labels_make_an_index_stale(name, copy, tmp_path, scans):
    counter = scans(import_module(f'minimal_hand_core.data.datasets.{name}'))
    root = copy(name)
    open_first(name, root, cache=tmp_path / 'cache')
    changed = labels_file(name, root)
    # GANerated has too many files to look at each: there a folder's own time counts
    place = changed.parent if name == 'ganerated' else changed
    later = time.time() + 10
    os.utime(place, (later, later))
    open_first(name, root, cache=tmp_path / 'cache')
    assert counter.count == 2
    open_first(name, root, cache=tmp_path / 'cache')
    assert counter.count == 2


@pytest.mark.parametrize('damage', [b'', b'PK\x03\x04 nonsense', None])
def test_a_damaged_index_is_made_again(damage, originals, tmp_path, scans):
    counter = scans(rhd)
    root = originals('rhd')
    want = list(open_dataset('rhd', root, 'train', cache=tmp_path))
    path = next(tmp_path.iterdir())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    again = open_dataset('rhd', root, 'train', cache=tmp_path)
    assert counter.count == 2
    np.testing.assert_array_equal(again[0].keypoints_px, want[0].keypoints_px)
    open_dataset('rhd', root, 'train', cache=tmp_path)
    assert counter.count == 2, 'the new one was stored'


def test_an_index_with_rows_missing_is_made_again(originals, tmp_path, scans):
    counter = scans(rhd)
    open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path)
    path = next(tmp_path.iterdir())
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays['visible'] = arrays['visible'][:1]
    np.savez(path, **arrays)
    assert len(open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path)) == 2
    assert counter.count == 2


def test_an_index_is_never_unpickled(originals, tmp_path):
    open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path)
    path = next(tmp_path.iterdir())
    with np.load(path) as stored:
        arrays = dict(stored)

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / 'trapped'),))

    arrays['files'] = np.array([Trap(), Trap()], object)
    np.savez(path, **arrays)
    assert len(open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path)) == 2
    assert not (tmp_path / 'trapped').exists()


def test_a_cache_that_cannot_be_written_is_done_without(originals, tmp_path, caplog):
    (tmp_path / 'file').write_text('no folder')
    hands = open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path / 'file' / 'cache')
    assert len(hands) == 2 and 'could not be written' in caplog.text


def test_the_default_cache_is_the_users_and_the_data_folder_stays_clean(copy, tmp_path, monkeypatch):
    root = copy('rhd')
    before = sorted(root.rglob('*'))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
    monkeypatch.delenv(VARIABLE, raising=False)
    open_dataset('rhd', root, 'train')
    assert sorted(root.rglob('*')) == before
    assert [path.suffix for path in (tmp_path / 'home/minimal_hand_ros/datasets').iterdir()] == ['.npz']
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'elsewhere'))
    open_dataset('rhd', root, 'train')
    assert len(list((tmp_path / 'elsewhere/datasets').iterdir())) == 1


def test_one_folder_may_hold_all_data_sets(originals, tmp_path):
    (tmp_path / 'RHD').mkdir()
    (tmp_path / 'RHD/RHD_published_v2').symlink_to(originals('rhd'))
    (tmp_path / 'STB').symlink_to(originals('stb'))
    assert len(open_dataset('rhd', tmp_path, 'training', cache=False)) == 2
    assert len(open_dataset('stb', tmp_path, 'val', cache=False)) == 2


@pytest.mark.parametrize(
    ('name', 'place', 'part'),
    [('rhd', 'RHD/RHD_published_v2', 'evaluation'), ('cmu_hand_labels', 'CMU/hand_labels', 'manual_test')],
)
def test_the_test_part_alone_is_found_beside_another_set(name, place, part, originals, tmp_path):
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / part).symlink_to(originals(name) / part)
    (tmp_path / 'training').mkdir()  # of FreiHAND, unpacked into the same folder
    assert len(open_dataset(name, tmp_path, 'test', cache=False)) > 0


def test_what_others_may_read_is_theirs_to_read(originals, tmp_path):
    before = os.umask(0o022)
    try:
        open_dataset('rhd', originals('rhd'), 'train', cache=tmp_path)
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.rglob('*.npz')] == [0o644]


def test_pictures_of_one_video_are_one_group(copy):
    root = copy('cmu_hand_labels')
    labels = sorted((root / 'manual_train').glob('*.json'))[:1]
    for path in labels:
        for number in range(6):
            for suffix in ('.json', '.jpg'):
                name = f'Ricki_unit_8.flv_{number:06d}_{"lr"[number % 2]}{suffix}'
                shutil.copyfile(path.with_suffix(suffix), path.with_name(name))
    hands = open_dataset('cmu_hand_labels', root, 'train', cache=False)
    groups = {hands.group(row) for row in range(len(hands)) if 'Ricki' in hands.key(row)}
    assert groups == {'Ricki_unit_8'}


# What is missing or malformed


def test_unknown_names_splits_and_options_list_what_there_is(originals):
    with pytest.raises(DatasetError, match=r"data set is 'rdh'; choose one of cmu_panoptic, cmu_hand_labels, rhd"):
        open_dataset('rdh', '.', 'train')
    with pytest.raises(DatasetError, match=r"rhd: split is 'validation'; choose one of train, test"):
        open_dataset('rhd', originals('rhd'), 'validation')
    with pytest.raises(DatasetError, match=r"rhd: option is 'hand'; choose one of hands"):
        open_dataset('rhd', originals('rhd'), 'train', hand='both')
    with pytest.raises(DatasetError, match=r"rhd: hands is 'all'; choose one of main, both"):
        open_dataset('rhd', originals('rhd'), 'train', hands='all')
    with pytest.raises(DatasetError, match='stb has no masks'):
        open_dataset('stb', originals('stb'), 'train', masks=True)
    with pytest.raises(DatasetError, match="freihand has no masks in split 'test'"):
        open_dataset('freihand', originals('freihand'), 'test', masks=True, cache=False)
    with pytest.raises(DatasetError, match='choose one of train, validation, test'):
        open_dataset('rendered', None, 'all')
    with pytest.raises(ValueError, match='root of rhd is None'):
        open_dataset('rhd', None, 'train')


@pytest.mark.parametrize('name', READERS)
def test_a_wrong_folder_is_told_what_is_expected(name, tmp_path):
    (tmp_path / 'empty').mkdir()
    for root in (tmp_path / 'nowhere', tmp_path / 'empty'):
        with pytest.raises(DatasetError, match=r'(?s)is missing.* is expected as\n.*<- root') as error:
            open_first(name, root, cache=False)
        assert str(root) in str(error.value)


@pytest.mark.parametrize('name', READERS)
def test_missing_labels_are_named(name, copy):
    root = copy(name)
    missing = labels_file(name, root)
    if name in ('cmu_hand_labels', 'ganerated'):  # where only a whole folder can be missed
        missing = root / missing.relative_to(root).parts[0]
        shutil.rmtree(missing)
    else:
        missing.unlink()
    with pytest.raises(DatasetError, match='is missing') as error:
        open_first(name, root, cache=False)
    assert missing.name in str(error.value) and '<- root' in str(error.value)


@pytest.mark.parametrize('name', ['cmu_panoptic', 'cmu_hand_labels', 'rhd', 'ganerated', 'stb', 'freihand'])
def test_half_unpacked_pictures_are_named_counted_and_left_out_only_when_asked(name, copy, tmp_path):
    root = copy(name)
    whole = open_first(name, root, cache=tmp_path / 'cache')
    lost = root / whole.labels.files[1].decode()
    lost.unlink()
    with pytest.raises(DatasetError, match=rf'(?s){lost.name} is missing; 1 of \d+ pictures.*partial=True'):
        open_first(name, root, cache=tmp_path / 'cache')
    rest = open_first(name, root, cache=tmp_path / 'cache', partial=True)
    assert len(rest) == len(whole) - 1 and whole.key(1) not in [rest.key(i) for i in range(len(rest))]
    assert f'1 of {len(whole)} samples left out: their pictures are not there' in rest.report
    assert [sample.key for sample in rest] == [whole.key(i) for i in range(len(whole)) if i != 1]


@pytest.mark.parametrize('name', ['dexter_object', 'ego_dexter'])
def test_tips_and_pictures_must_be_as_many(name, copy):
    root = copy(name)
    whole = len(open_first(name, root, cache=False))
    last = sorted(next(root.rglob('color')).parent.glob('color/*'))[-1]
    last.unlink()
    with pytest.raises(DatasetError, match=r'has \d lines, .*color has \d pictures; .*paired by order'):
        open_first(name, root, cache=False)
    rest = open_first(name, root, cache=False, partial=True)
    assert whole - 1 <= len(rest) <= whole and 'of both are paired' in rest.report[0]


@pytest.mark.parametrize('name', ['cmu_hand_labels', 'ganerated'])
def test_pictures_without_labels_are_named_and_counted(name, copy):
    root = copy(name)
    whole = open_first(name, root, cache=False)
    labels_file(name, root).unlink()
    with pytest.raises(DatasetError, match=r'1 of \d pictures have no labels, the first is \w+; .*partial=True'):
        open_first(name, root, cache=False)
    rest = open_first(name, root, cache=False, partial=True)
    assert len(rest) == len(whole) - 1 and rest.report[0].endswith('left out')


def test_an_unreadable_picture_is_named_and_not_replaced(copy):
    root = copy('rhd')
    hands = open_dataset('rhd', root, 'train', cache=False)
    picture = root / 'training/color/00001.png'
    content = picture.read_bytes()
    picture.unlink()
    picture.write_bytes(content[:200])
    assert hands[0].key == 'training/00000/right'
    with pytest.raises(PictureError, match=r'00001\.png is cut off'):
        hands[1]
    with pytest.raises(IndexError):
        hands[2]
    assert [sample.key for sample in hands[:1]] == ['training/00000/right'] and hands[-2].key == hands[0].key


def _edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_labels_that_are_not_numbers_are_refused(copy):
    root = copy('freihand')
    _edit_json(root / 'training_xyz.json', lambda content: content[1][3].__setitem__(0, float('nan')))
    with pytest.raises(DatasetError, match=r'label of keypoint 3 of training/rgb/00000001\.jpg is not a number'):
        open_dataset('freihand', root, 'train', cache=False)
    _edit_json(root / 'training_xyz.json', lambda content: content[1].pop())
    with pytest.raises(DatasetError, match=r'training_xyz\.json does not hold n×21×3 numbers'):
        open_dataset('freihand', root, 'train', cache=False)
    _edit_json(root / 'training_xyz.json', lambda content: content.pop(1))
    with pytest.raises(DatasetError, match=r'training_\w+\.json has 3 hands, .*training_xyz\.json has 2'):
        open_dataset('freihand', root, 'train', cache=False)
    (root / 'evaluation_xyz.json').unlink()
    with pytest.raises(DatasetError, match=r'evaluation_xyz\.json is missing; it comes in FreiHAND_pub_v2_eval\.zip'):
        open_dataset('freihand', root, 'test', cache=False)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('cmu_panoptic', b'{"root": []}', 'a list "root" of hands'),
        ('cmu_panoptic', b'{"root": [{"img_paths": "a.jpg"}]}', "missing 'joint_self'"),
        ('cmu_panoptic', b'{"root": [', 'is not valid JSON'),
        ('cmu_panoptic', b'\xff\xfe', 'cannot be read'),
        ('cmu_hand_labels', b'[]', 'expected an object with hand_pts and is_left'),
        ('cmu_hand_labels', b'{"hand_pts": [[1, 2, 1]], "is_left": 0}', r'is 1×3; expected 21×3'),
        ('cmu_hand_labels', b'{"hand_pts": [], "is_left": 2}', 'is_left is 2; expected 0 or 1'),
        ('rhd', b'nonsense', 'is not a pickle that can be read'),
        ('rhd', pickle.dumps({}), 'expected a dictionary number'),
        ('rhd', pickle.dumps({0: {'uv_vis': np.zeros((42, 3))}}), 'xyz and K; found'),
        ('rhd', pickle.dumps({0: {'uv_vis': np.zeros((21, 3)), 'xyz': 0, 'K': 0}}), 'is 1×21×3; expected n×42×3'),
        ('ganerated', b'1,2,3', r'has 3 numbers; expected 42'),
        ('ganerated', b'1,2,x', r'cannot be read as numbers'),
        ('stb', b'MATLAB 5.0 no, not really', 'is not a MATLAB file'),
        ('dexter_object', b'1,2,3;4,5,6\n', r'line 1 has 2 groups; expected five tips'),
        ('ego_dexter', b'1,2;1,2;1,2;1,2;1,2;\n', r"line 1 has '1,2'; expected x,y,z"),
        ('ego_dexter', b'1,2,c;1,2,c;1,2,c;1,2,c;1,2,c;\n', r"has '1,2,c'; expected x,y,z"),
    ],
)
def test_malformed_labels_are_named(name, content, message, copy):
    root = copy(name)
    path = labels_file(name, root)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        open_first(name, root, cache=False)
    assert path.name in str(error.value)


def test_an_mat_file_without_labels_is_named(copy):
    import scipy.io

    root = copy('stb')
    scipy.io.savemat(labels_file('stb', root), {'something': np.zeros(3)})
    with pytest.raises(DatasetError, match=r'B2Counting_SK\.mat has no variable handPara'):
        open_first('stb', root, cache=False)


def test_a_pickle_cannot_run_anything(copy, tmp_path):
    root = copy('rhd')

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / 'trapped'),))

    (root / 'training/anno_training.pickle').write_bytes(pickle.dumps({0: Trap()}))
    with pytest.raises(DatasetError, match=r'is refused: it names posix\.mkdir'):
        open_dataset('rhd', root, 'train', cache=False)
    assert not (tmp_path / 'trapped').exists()


def test_samples_of_a_slice_and_all_alike(originals):
    hands = open_dataset('rhd', originals('rhd'), 'train', cache=False)
    assert [sample.key for sample in hands] == [sample.key for sample in hands[:]]
    compare(hands[1:], EXAMPLES['rhd'](originals('rhd'))['train'][1:])


def test_worker_processes_read_the_same(originals):
    from torch.utils.data import DataLoader

    hands = open_dataset('rhd', originals('rhd'), 'train', cache=False, masks=True)
    again = pickle.loads(pickle.dumps(hands))
    loader = DataLoader(hands, batch_size=1, num_workers=1, collate_fn=lambda samples: samples[0])
    for one, other, third in zip(hands, again, loader, strict=True):
        assert one.key == other.key == third.key
        for field in ('image', 'mask', 'keypoints_px', 'visible'):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
            np.testing.assert_array_equal(getattr(one, field), getattr(third, field))


def test_samples_are_the_callers_to_change(originals):
    hands = open_dataset('rhd', originals('rhd'), 'train', cache=False)
    first = hands[0]
    for values in (first.keypoints_px, first.keypoints_m, first.visible, first.intrinsics):
        values[...] = 0
    assert hands[0].keypoints_px.any() and hands[0].keypoints_m.any() and hands[0].intrinsics.any()
