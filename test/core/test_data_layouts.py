"""Every reader on a tiny data set in its native layout: the truth comes back, and only the truth."""

import numpy as np
import pytest
from native_layouts.examples import EXAMPLES, ROUNDED, SPOILED, compare, matters, rhd_both

from minimal_hand_core.data import DATASETS, DatasetError, dataset_splits, held_out, open_dataset
from minimal_hand_core.data.datasets import (
    cmu_hand_labels,
    cmu_panoptic,
    dexter_object,
    ego_dexter,
    fingertips,
    freihand,
    ganerated,
    rhd,
    stb,
)
from minimal_hand_core.data.synthetic import SceneVariation


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """name → (root, {split: truths}); each data set is written once."""
    made = {}

    def get(name):
        if name not in made:
            root = tmp_path_factory.mktemp('data') / name
            made[name] = (root, EXAMPLES[name](root))
        return made[name]

    return get


def agree(name, root, truths, **options):
    """Assert that a reader gives these truths for all splits."""
    for split, wanted in truths.items():
        compare(_open(name, root, split, **options), wanted, **ROUNDED.get(name, {}))


def _open(name, root, split, **options):
    if name != 'real_hands':
        options = {'cache': False, **options}
    return open_dataset(name, root, split, **options)


def test_every_data_set_has_an_example():
    assert {*EXAMPLES, 'rendered'} == set(DATASETS)


@pytest.mark.parametrize('name', EXAMPLES)
def test_the_truth_comes_back(name, written):
    root, truths = written(name)
    if name != 'real_hands':
        assert set(truths) == set(dataset_splits(name))
    agree(name, root, truths)


FALSEHOODS = [(name, spoiled) for name in EXAMPLES for spoiled in SPOILED if matters(name, spoiled)]


@pytest.mark.parametrize(('name', 'spoiled'), FALSEHOODS)
def test_false_data_do_not_pass_for_the_truth(name, spoiled, tmp_path, written):
    EXAMPLES[name](tmp_path / name, SPOILED[spoiled])
    with pytest.raises((AssertionError, DatasetError)):
        agree(name, tmp_path / name, written(name)[1])


IDENTITY = tuple(range(21))
NOT_MOVED = ((1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0))
MISTAKES = [
    (cmu_panoptic, 'SIDE', 'left'),
    (cmu_panoptic, 'VALID', 0),
    (cmu_hand_labels, 'FOLDERS', {**cmu_hand_labels.FOLDERS, 'test': ('manual_train',)}),
    (rhd, 'ORDER', IDENTITY),
    (rhd, 'ORDER', (0, *range(17, 21), *range(13, 17), *range(9, 13), *range(5, 9), *range(1, 5))),
    (rhd, 'ROWS', {'right': slice(0, 21), 'left': slice(21, 42)}),
    (rhd, 'FOLDERS', {'train': 'evaluation', 'test': 'training'}),
    (ganerated, 'SIDE', 'right'),
    (ganerated, 'METRES', 1.0),
    (ganerated, 'CAMERA', ((617.173, 0, 128), (0, 617.173, 128), (0, 0, 1))),
    (stb, 'ORDER', IDENTITY),
    (stb, 'ORDER', tuple(reversed(IDENTITY))),
    (stb, 'SIDE', 'right'),
    (stb, 'METRES', 1.0),
    (stb, 'PALM_FACTOR', 1.0),
    (stb, 'RING_MCP', 9),
    (stb, 'ROTATION_VECTOR', tuple(-x for x in stb.ROTATION_VECTOR)),
    (stb, 'ROTATION_VECTOR', (0.0, 0.0, 0.0)),
    (stb, 'TRANSLATION', tuple(-x for x in stb.TRANSLATION)),
    (stb, 'TRANSLATION', (0.0, 0.0, 0.0)),
    (stb, 'INTRINSICS', ((822.79041, 0, 318.47345), (0, 822.79041, 250.31296), (0, 0, 1))),
    (stb, 'SETS', {**stb.SETS, 'train': (1, 2, 3, 4, 5)}),
    (dexter_object, 'SCALE', (1e-3, 1e-3, 1e-3)),
    (dexter_object, 'SCALE', (1e-3, -1e-3, 1e-3)),
    (dexter_object, 'SCALE', (-1.0, -1.0, 1.0)),
    (dexter_object, 'SIDE', 'right'),
    (dexter_object, 'EXTRINSICS', NOT_MOVED),
    (dexter_object, 'MISSING', 0),
    (dexter_object, 'INTRINSICS', ego_dexter.INTRINSICS),
    (ego_dexter, 'METRES', 1.0),
    (ego_dexter, 'SIDE', 'right'),
    (ego_dexter, 'EXTRINSICS', NOT_MOVED),
    (ego_dexter, 'EXTRINSICS', dexter_object.EXTRINSICS),
    (ego_dexter, 'NOTHING', -1.0),
    (ego_dexter, 'INTRINSICS', dexter_object.INTRINSICS),
    (fingertips, 'TIP_KEYPOINTS', (20, 16, 12, 8, 4)),
    (fingertips, 'TIP_KEYPOINTS', (3, 7, 11, 15, 19)),
    (fingertips, 'MINIMUM_TIPS', 1),
    (freihand, 'SIDE', 'left'),
    (freihand, 'COPIES', {**freihand.COPIES, 'train': {'all': 3}}),
]


@pytest.mark.parametrize(('module', 'constant', 'wrong'), MISTAKES)
def test_a_mistake_in_a_reader_is_noticed(module, constant, wrong, written, monkeypatch):
    name = module.LAYOUT.name if module is not fingertips else 'ego_dexter'
    root, truths = written(name)
    monkeypatch.setattr(module, constant, wrong)
    with pytest.raises((AssertionError, DatasetError)):
        agree(name, root, truths)


def test_rhd_gives_both_hands_when_asked(tmp_path):
    truths = rhd_both(tmp_path / 'rhd')
    agree('rhd', tmp_path / 'rhd', truths, hands='both')
    keys = [sample.key for sample in _open('rhd', tmp_path / 'rhd', 'train', hands='both')]
    assert keys == ['training/00000/right', 'training/00000/left', 'training/00001/right', 'training/00001/left']


@pytest.mark.parametrize('protocol', range(6))
def test_rhd_labels_are_read_whatever_python_wrote_them(protocol, tmp_path, written):
    from native_layouts.examples import scenes
    from native_layouts.rhd import write_rhd

    pictures = scenes('rhd', (320, 320), (('left', 'right'), ('right', 'left'), ('left',)), 3, seed=40)
    write_rhd(tmp_path, pictures[:1], pictures[2:], protocol=protocol)
    compare(_open('rhd', tmp_path, 'test'), written('rhd')[1]['test'])


def test_rhd_masks_cover_the_hand_they_belong_to(written):
    root, truths = written('rhd')
    for sample, want in zip(_open('rhd', root, 'train', masks=True), truths['train']):
        inside = sample.mask[tuple(np.round(want.keypoints_px[9]).astype(int)[::-1])]
        assert sample.mask.dtype == bool and sample.mask.shape == sample.image.shape[:2] and inside
        columns = np.flatnonzero(sample.mask.any(axis=0))
        assert abs(columns.mean() - want.keypoints_px[:, 0].mean()) < 40, 'the other hand'
    assert _open('rhd', root, 'train')[0].mask is None


def test_freihand_tells_scale_mano_groups_and_masks(written):
    root, truths = written('freihand')
    hands = _open('freihand', root, 'train', masks=True)
    bone = np.linalg.norm(truths['train'][1].keypoints_m[10] - truths['train'][1].keypoints_m[9])
    np.testing.assert_allclose(hands.labels.extra['scale'][[1, 4, 7, 10]], bone)
    np.testing.assert_allclose(hands.labels.extra['mano'][5], np.linspace(-1, 1, 61) + 2)
    assert [hands.group(row) for row in (0, 3, 6)] == [hands.group(0)] * 3 != [hands.group(1)] * 3
    middle = np.round(truths['train'][0].keypoints_px[9]).astype(int)
    assert all(hands[row].mask[middle[1], middle[0]] for row in (0, 3))
    green = _open('freihand', root, 'train', backgrounds='green')
    compare(green, truths['train'][:3])
    assert green.published is None and hands.published == 130_240


def test_dexter_object_gives_predicted_extents_and_the_depth_cameras_frame(written):
    root, truths = written('dexter_object')
    hands = _open('dexter_object', root, 'test')
    labelled = truths['test'][1].visible
    np.testing.assert_allclose(hands[1].extent_px[labelled], truths['test'][1].keypoints_px[labelled] + 2, atol=1e-3)
    depth = _open('dexter_object', root, 'test', camera='depth')
    assert depth[0].intrinsics is None
    shift = hands[0].keypoints_m[4] - depth[0].keypoints_m[4]
    np.testing.assert_allclose(shift, (0.019, -0.002, -0.005), atol=0.02)
    np.testing.assert_array_equal(depth[0].keypoints_px, hands[0].keypoints_px)


@pytest.mark.parametrize(('name', 'frames', 'scored'), [('dexter_object', 9, 7), ('ego_dexter', 7, 5)])
def test_frames_without_enough_tips_are_left_out_and_counted(name, frames, scored, written):
    root, _ = written(name)
    hands = _open(name, root, 'test')
    assert (len(hands), len(_open(name, root, 'test', frames='all'))) == (scored, frames)
    assert hands.report == (f'{frames - scored} of {frames} frames have fewer than 2 labelled tips and are left out',)


def test_edited_tip_labels_are_read_when_asked(written):
    root, truths = written('ego_dexter')
    agree('ego_dexter', root, truths, labels='edited')
    root, truths = written('dexter_object')
    edited = _open('dexter_object', root, 'test', labels='edited')
    compare(edited, truths['test'][1:2])


def test_ganerated_intrinsics_need_crop_params_that_fit(tmp_path):
    from native_layouts.examples import scenes
    from native_layouts.ganerated import SIZE, write_ganerated

    pictures = scenes('gan', SIZE, (('left',),), 4, seed=60)
    write_ganerated(tmp_path, pictures[:2], pictures[2:], crop_params=False)
    (tmp_path / 'noObject/0001/0001_crop_params.txt').write_text('10,20,3\n')
    hands = _open('ganerated', tmp_path, 'train')
    assert all(sample.intrinsics is None for sample in hands)
    assert hands.report == ('4 of 4 samples have no crop_params that fit their labels, so no intrinsics',)


def test_cmu_points_without_a_position_are_not_labelled(tmp_path):
    import json

    EXAMPLES['cmu_panoptic'](tmp_path)
    path = tmp_path / 'hands_v143_14817.json'
    content = json.loads(path.read_text())
    content['root'][0]['joint_self'][5] = [0, 0, 0]
    content['root'][0]['joint_self'][6][2] = 0
    path.write_text(json.dumps(content))
    sample = _open('cmu_panoptic', tmp_path, 'train')[0]
    assert np.isnan(sample.keypoints_px[5]).all() and np.isfinite(sample.keypoints_px[6]).all()
    assert not sample.visible[[5, 6]].any()


def test_hands_of_one_cmu_picture_belong_together(tmp_path):
    EXAMPLES['cmu_hand_labels'](tmp_path / 'labels')
    folder = tmp_path / 'labels/manual_train'
    first = sorted(folder.glob('*.json'))[0]
    for suffix in ('.json', '.jpg'):
        other = 'r' if first.stem.endswith('_l') else 'l'
        (folder / f'{first.stem.partition("_")[0]}_02_{other}{suffix}').write_bytes(
            first.with_suffix(suffix).read_bytes()
        )
    hands = _open('cmu_hand_labels', tmp_path / 'labels', 'train')
    groups = [hands.group(row) for row in range(len(hands))]
    assert groups[0] == groups[1] == first.stem.partition('_')[0] and len(set(groups)) == len(groups) - 1
    EXAMPLES['cmu_panoptic'](tmp_path / 'panoptic')
    views = _open('cmu_panoptic', tmp_path / 'panoptic', 'train')
    assert {views.group(row) for row in range(len(views))} == {'0000'}


def test_rendered_splits_are_fixed_and_apart():
    test, validation = (open_dataset('rendered', None, split) for split in ('test', 'validation'))
    assert (len(test), len(validation)) == (5000, 500)
    sample = test[3]
    assert sample.image.shape == (256, 256, 3) and sample.side == 'right'
    np.testing.assert_array_equal(sample.image, open_dataset('rendered', None, 'test')[3].image)
    assert np.abs(sample.keypoints_px - validation[3].keypoints_px).max() > 1
    with pytest.raises(ValueError, match='seed is 3; the test split is fixed'):
        open_dataset('rendered', None, 'test', seed=3)
    with pytest.raises(ValueError, match='variation is given; the validation split is fixed'):
        open_dataset('rendered', None, 'validation', variation=SceneVariation(tight=1.0))
    close = SceneVariation(tight=1.0)
    assert open_dataset('rendered', None, 'train', variation=close).variation is close


def test_a_held_out_part_keeps_groups_together(written):
    class Hands:
        def __len__(self):
            return 4000

        def group(self, row):
            return f'hand {row % 1000}'

    out = held_out(Hands())
    assert 0.07 < out.mean() < 0.13
    np.testing.assert_array_equal(out.reshape(4, 1000), np.tile(out[:1000], (4, 1)))
    hands = _open('freihand', written('freihand')[0], 'train')
    np.testing.assert_array_equal(held_out(hands, 2).reshape(4, 3), np.tile(held_out(hands, 2)[:3], (4, 1)))
    with pytest.raises(ValueError, match='parts: expected 2 or more'):
        held_out(hands, 1)
