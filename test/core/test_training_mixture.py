"""Mixtures of data sets: who is drawn how often, what is held back, what is refused, and what cannot be read."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from native_layouts.examples import EXAMPLES

from minimal_hand_core.data.datasets.holdout import is_held_out
from minimal_hand_core.data.datasets.kept import KeptPictures
from minimal_hand_core.data.datasets.registry import DATASETS, dataset_splits
from minimal_hand_core.training.config import config_from_dict
from minimal_hand_core.training.mixture import CYCLE, Passes, Turns
from minimal_hand_core.training.ranks import Ranks
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.splits import TRAINING, open_parts, open_validation
from minimal_hand_core.training.stream import CropStream, load_batches
from minimal_hand_core.training.train_detnet import train
from minimal_hand_core.training.validation import Validator

QUICK = {'steps': 4, 'batch': 8, 'warmup': 1, 'checkpoint_every': 2, 'log_every': 2, 'tensorboard': False}
LOOK = {'every': 4, 'rendered': 0}


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Folders with tiny data sets in their native layouts."""
    folder = tmp_path_factory.mktemp('data')
    names = ('rhd', 'freihand', 'cmu_hand_labels', 'stb')
    for name in names:
        EXAMPLES[name](folder / name)
    return {name: str(folder / name) for name in names}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv('MINIMAL_HAND_CACHE', str(tmp_path_factory.getbasetemp() / 'cache'))


def settings(roots, *names, **data):
    return config_from_dict(
        {
            **QUICK,
            'data': {'datasets': [{'name': name, 'root': roots[name]} for name in names], 'workers': 0, **data},
            'validation': LOOK,
        }
    )


def test_turns_keep_shares_in_every_stretch():
    shares = [0.06, 0.3, 0.32, 0.32]
    turns = Turns(shares)
    order = [turns[i] for i in range(2 * CYCLE)]
    drawn = np.array([turn.source for turn in order])
    np.testing.assert_allclose(np.bincount(drawn[:CYCLE]) / CYCLE, shares)
    windows = np.lib.stride_tricks.sliding_window_view(drawn, 100)[::37]
    for source, share in enumerate(shares):
        counts = (windows == source).sum(axis=1)
        assert abs(counts - 100 * share).max() <= 2
        assert [turn.before for turn in order if turn.source == source] == list(range((drawn == source).sum()))


def test_a_small_share_is_kept_and_none_is_none():
    turns = Turns([1.0, 1e-9, 0.0])
    assert turns.counts.tolist() == [CYCLE - 1, 1, 0]
    for shares in ([], [0.0], [-1.0, 2.0], [float('nan')]):
        with pytest.raises(ValueError, match='shares: expected numbers'):
            Turns(shares)


def test_every_sample_comes_once_per_pass():
    passes = Passes((1, 2), 7)
    drawn = [passes[i] for i in range(21)]
    for start in (0, 7, 14):
        assert sorted(drawn[start : start + 7]) == list(range(7))
    assert drawn[:7] != drawn[7:14]
    assert [Passes((1, 2), 7)[i] for i in (20, 3, 11)] == [drawn[20], drawn[3], drawn[11]], 'in any order'
    assert [Passes((1, 3), 7)[i] for i in range(7)] != drawn[:7]


@pytest.mark.parametrize(
    ('sampling', 'weights', 'wanted'),
    [
        ('balanced', (1, 1), lambda sizes: (0.5, 0.5)),
        ('balanced', (1, 3), lambda sizes: (0.25, 0.75)),
        ('proportional', (1, 1), lambda sizes: sizes / sizes.sum()),
        ('proportional', (2, 1), lambda sizes: sizes * (2, 1) / (sizes * (2, 1)).sum()),
    ],
)
def test_shares_of_the_data_sets_are_as_stated(roots, monkeypatch, sampling, weights, wanted):
    names = ('rhd', 'freihand')
    data = {
        'datasets': [{'name': n, 'root': roots[n], 'weight': w} for n, w in zip(names, weights)],
        'sampling': sampling,
        'rendered_share': 0.5,
    }
    stream = CropStream(config_from_dict({**QUICK, 'data': data}))
    sizes = np.array([len(parts.train) for parts in stream.parts])
    drawn = []
    monkeypatch.setattr(stream, '_photo', lambda samples, row, *_: drawn.append((len(samples), row)))
    monkeypatch.setattr(stream, '_rendered', lambda index: drawn.append(('rendered', index)))
    for step in range(200):
        stream._mixture(step, [])
    counts = np.array([sum(who == size for who, _ in drawn) for size in sizes])
    np.testing.assert_allclose(counts / (200 * 8 / 2), wanted(sizes), atol=0.005)
    rendered = [index for who, index in drawn if who == 'rendered']
    assert rendered == list(range(800)), 'no rendered hand comes twice'


def test_2d_and_3d_sets_mix(roots):
    stream = CropStream(settings(roots, 'cmu_hand_labels', 'rhd'))
    batch = stream[0]
    assert batch['images'].shape == (8, 3, 128, 128)
    assert sorted(batch['weight_3d'].tolist()) == [0] * 4 + [1] * 4
    flat = batch['weight_3d'] == 0
    assert (batch['xyz'][flat] == 0).all() and (batch['weight'] == 1).all()
    lengths = (batch['xyz'][~flat][:, 0] - batch['xyz'][~flat][:, 9]).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones(4))


def test_joints_that_cannot_be_seen_count_less(roots):
    name, quiet = 'cmu_hand_labels', {'occluder': 0.0}
    plain = CropStream(settings(roots, name, variation=quiet))
    half = CropStream(settings(roots, name, variation=quiet, hidden_weight=0.25))
    assert (plain[0]['weight'] == 1).all()
    hidden = sorted(int((weight == 0.25).sum()) for weight in half[0]['weight'])
    true = [int((~hand.visible).sum()) for hand in plain.parts[0].train]
    assert sum(true) > 0 and set(hidden) == set(true)
    for key in ('images', 'uv', 'xyz', 'weight_3d'):
        assert torch.equal(plain[0][key], half[0][key])


def test_a_left_hand_is_taught_as_no_right_hand(roots):
    plain = CropStream(settings(roots, 'rhd', rendered_share=0.5))[0]
    mixed = CropStream(settings(roots, 'rhd', rendered_share=0.5, other_side_share=0.5))[0]
    other = (mixed['uv'] < -1000).all(dim=2).all(dim=1)
    assert 0 < other.sum() < 8
    assert torch.equal(mixed['images'][other], plain['images'][other].flip(-1))
    assert (mixed['weight'][other] == 1).all() and (mixed['weight_3d'][other] == 0).all()
    for key in plain:
        assert torch.equal(mixed[key][~other], plain[key][~other]), key
    # of a hand of unknown side nobody can say that it is the wrong one
    stream = CropStream(settings(roots, 'cmu_hand_labels', other_side_share=1.0))
    known = stream.parts[0].train[0]
    for sample, hand in ((known, False), (replace(known, side=None), True)):
        assert stream._photo([sample], 0, range(1), np.random.default_rng(0), []).hand == hand


def test_a_batch_is_the_same_whoever_makes_it(roots):
    config = settings(roots, 'rhd', 'freihand', rendered_share=0.25)
    whole = CropStream(config)
    parts = [CropStream(config, Ranks(rank, 2, rank))[3] for rank in (1, 0)]  # by turns in every step
    for key, value in whole[3].items():
        assert torch.equal(torch.cat([part[key] for part in parts]), value), key
    loader = load_batches(CropStream(settings(roots, 'rhd', 'freihand', rendered_share=0.25, workers=2)), 2)
    for step, draw in zip((2, 3), loader):
        assert not draw.failure
        for key, value in whole[step].items():
            assert torch.equal(draw.batch[key], value), key
    other = CropStream(
        config_from_dict({**QUICK, 'seed': 2, 'data': {'datasets': [{'name': 'rhd', 'root': roots['rhd']}]}})
    )
    assert not torch.equal(other[3]['images'], whole[3]['images'])
    with pytest.raises(ValueError, match='batch is 8; give a multiple of the 3 processes'):
        CropStream(config, Ranks(0, 3, 0))


@pytest.mark.parametrize('world', [2, 4])
def test_every_rank_sees_its_share_of_every_data_set(roots, world, monkeypatch):
    """Turns go round evenly; every second or fourth crop would be of the same set throughout the run."""
    config = settings(roots, 'rhd', 'freihand', rendered_share=0.5, negative_share=0.0)
    for rank in range(world):
        stream = CropStream(config, Ranks(rank, world, rank))
        drawn = []
        monkeypatch.setattr(stream, '_rendered', lambda before, drawn=drawn: drawn.append('rendered'))
        monkeypatch.setattr(stream, '_photo', lambda part, *rest, drawn=drawn: drawn.append(id(part)))
        for step in range(32):
            stream._mixture(step, [])
        counts = sorted(drawn.count(kind) / len(drawn) for kind in set(drawn))
        assert counts == pytest.approx([0.25, 0.25, 0.5], abs=0.1)


def test_every_data_set_says_what_may_be_trained_on():
    assert set(TRAINING) == set(DATASETS)
    for name, splits in TRAINING.items():
        assert set(splits) <= set(dataset_splits(name))
        assert not {'test', 'validation'} & set(splits)
        assert 'all' not in splits, 'it has test samples in it'


def test_rendered_hands_are_looked_at_by_their_number(tmp_path):
    with pytest.raises(ConfigError, match='rendered hands is validation.rendered'):
        open_validation('rendered', str(tmp_path), 'validation', {})


@pytest.mark.parametrize('name', [name for name in DATASETS if name != 'rendered'])
@pytest.mark.parametrize('split', ['test', 'evaluation', 'all', 'validation'])
def test_no_test_set_is_trained_on_or_looked_at(name, split, tmp_path):
    if {'evaluation': 'test'}.get(split, split) in dataset_splits(name):
        with pytest.raises(ConfigError, match='has samples that runs are tested or compared on'):
            open_parts(name, str(tmp_path), split, {})
    if split != 'validation':
        with pytest.raises(ConfigError, match="only looked at on 'validation'.* never on a test set"):
            open_validation(name, str(tmp_path), split, {})


def test_what_is_held_back_is_never_trained_on(roots):
    parts = open_parts('stb', roots['stb'], 'train', {})
    train, validation = ({part.key(i) for i in range(len(part))} for part in parts)
    assert train and validation and not train & validation
    assert all('/B2' in key for key in validation) and not any('/B1' in key or '/B2' in key for key in train)
    whole = open_parts('freihand', roots['freihand'], 'training', {})
    assert len(whole.train) + len(whole.validation or ()) == 12
    with pytest.raises(ConfigError, match='options of real_hands: .*hand'):
        open_parts('real_hands', roots['rhd'], 'train', {'hand': 'both'})


def test_photos_too_few_to_hold_any_back_are_trained_on(tmp_path, capsys):
    records = []
    for i in range(40):
        if not is_held_out(f'group {i}'):
            record = {
                'file': f'{i}.png',
                'source': 'mine',
                'tier': 'A',
                'near_dup_group': f'group {i}',
                'side': 'right',
            }
            points = np.random.default_rng(i).uniform(20, 100, (21, 3))
            records.append({**record, 'keypoints_px': points[:, :2].tolist(), 'world_m': (points / 1000).tolist()})
            cv2.imwrite(str(tmp_path / f'{i}.png'), np.zeros((128, 128, 3), np.uint8))
    (tmp_path / 'labels.json').write_text(json.dumps(records))
    parts = open_parts('real_hands', str(tmp_path), 'train', {})
    assert len(parts.train) == len(records) and parts.validation is None
    assert 'nothing is held back' in capsys.readouterr().err
    config = config_from_dict({**QUICK, 'data': {'real_hands': str(tmp_path)}, 'validation': LOOK})
    assert not Validator(config, CropStream(config)).sets
    assert 'no photos to look at the run on' in capsys.readouterr().err


def test_a_run_on_native_data_looks_at_what_it_held_back(roots, tmp_path):
    config = settings(roots, 'stb', 'cmu_hand_labels', rendered_share=0.25)
    state = train(config, tmp_path)
    assert state.step == 4
    (row,) = csv.DictReader((tmp_path / 'metrics.csv').open())
    assert {'step', 'heat', 'location', 'stb_error', 'stb_pck10', 'stb_mm', 'stb_auc', 'train_total'} <= set(row)
    assert float(row['stb_mm']) > 0 and not any(name.startswith('rhd') for name in row)
    losses = list(csv.DictReader((tmp_path / 'loss.csv').open()))
    assert [row['step'] for row in losses] == ['2', '4']
    assert list(losses[0]) == ['step', 'total', 'heat', 'delta', 'location', 'lr', 'seconds']
    mean = (float(losses[0]['total']) + float(losses[1]['total'])) / 2
    assert float(row['train_total']) == pytest.approx(mean, rel=1e-4)
    assert (tmp_path / 'best.safetensors').exists()


def test_another_held_back_set_can_be_looked_at(roots):
    look = {**LOOK, 'count': 1, 'datasets': [{'name': 'stb', 'root': roots['stb']}]}
    data = {'datasets': [{'name': 'rhd', 'root': roots['rhd']}]}
    config = config_from_dict({**QUICK, 'data': data, 'validation': look})
    (looked,) = Validator(config, CropStream(config)).sets
    assert looked.name == 'stb' and len(looked.samples) == 1
    look['datasets'][0]['split'] = 'test'
    config = config_from_dict({**QUICK, 'data': data, 'validation': look})
    with pytest.raises(ConfigError, match="split 'test' of stb"):
        Validator(config, CropStream(config))


def test_pictures_can_be_kept_for_training_and_are_scored_as_they_are(roots, tmp_path):
    plain = open_parts('stb', roots['stb'], 'train', {})
    parts = open_parts('stb', roots['stb'], 'train', {}, KeptPictures(tmp_path))
    first, again, whole = parts.train[0], parts.train[0], plain.train[0]
    assert list(tmp_path.rglob('*.kept'))
    assert np.array_equal(first.image, again.image) and not np.array_equal(first.image, whole.image)
    assert np.array_equal(parts.validation[0].image, plain.validation[0].image)


def test_as_much_is_kept_as_the_crops_may_show(roots, tmp_path):
    sizes = []
    for name, variation in {'usual': {}, 'near': {'scale': [0.5, 1.3]}}.items():
        data = {'datasets': [{'name': 'stb', 'root': roots['stb']}], 'kept': str(tmp_path / name), 'workers': 0}
        stream = CropStream(config_from_dict({**QUICK, 'data': {**data, 'variation': variation}}))
        sizes.append(stream.parts[0].train[0].image.size)
    usual = open_parts('stb', roots['stb'], 'train', {}, KeptPictures(tmp_path / 'usual'))
    assert usual.train[0].image.size == sizes[0] < sizes[1]


def test_an_unreadable_picture_is_named_and_another_is_drawn(tmp_path, capsys):
    EXAMPLES['freihand'](tmp_path / 'data')
    (tmp_path / 'data/training/rgb/00000001.jpg').write_bytes(b'\xff\xd8\xff nothing')
    config = settings({'freihand': str(tmp_path / 'data')}, 'freihand')
    stream = CropStream(config)
    draws = [stream.draw(step) for step in range(4)]
    names = [name for draw in draws for name in draw.unreadable]
    assert names and all('training/rgb/00000001.jpg is cut off' in name for name in names)
    assert all(len(draw.batch['images']) == 8 for draw in draws)
    for key, value in CropStream(config)[1].items():
        assert torch.equal(value, draws[1].batch[key]), 'also what is drawn instead is repeatable'
    train(config, tmp_path / 'run')
    assert (tmp_path / 'run/unreadable.txt').read_text().splitlines() == [names[0]]
    assert '00000001.jpg is cut off' in capsys.readouterr().err


def test_too_many_unreadable_pictures_stop_the_run(tmp_path):
    EXAMPLES['freihand'](tmp_path / 'data')
    for number in (1, 2, 4):
        (tmp_path / f'data/training/rgb/{number:08d}.jpg').write_bytes(b'')
    config = settings({'freihand': str(tmp_path / 'data')}, 'freihand', workers=1)
    with pytest.raises(ValueError, match='2 of 1[0-2] pictures cannot be read, more than one in a hundred'):
        train(config, tmp_path / 'run')
    assert len((tmp_path / 'run/unreadable.txt').read_text().splitlines()) == 2


def test_samples_without_a_box_are_left_out_and_counted(roots, monkeypatch, capsys):
    import minimal_hand_core.training.splits as splits

    def blind(*arguments, **options):
        hands = opened(*arguments, **options)
        hands.labels.keypoints_px = hands.labels.keypoints_px.copy()
        hands.labels.keypoints_px[0, 1:] = np.nan
        return hands

    opened = splits.open_dataset
    monkeypatch.setattr(splits, 'open_dataset', blind)
    before = open_parts('freihand', roots['freihand'], 'train', {})
    assert 0 not in before.train.rows and 0 not in (before.validation.rows if before.validation else [])
    assert 'freihand: 1 of 12 samples are left out' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ({'datasets': [{'name': 'rhd'}]}, 'data.datasets: root of rhd is None; give its folder, or data.root'),
        ({'datasets': [{'name': 'hands', 'root': 'x'}]}, "data.datasets: name is 'hands'; give one of cmu_panoptic"),
        ({'datasets': [{'name': 'rendered', 'root': 'x'}]}, 'give data.rendered_share'),
        ({'datasets': [{'root': 'x'}]}, 'data.datasets[0]: give name'),
        ({'datasets': [{'name': 'rhd', 'root': 'x', 'weight': 0}]}, 'weight of rhd is 0.0; give above 0'),
        ({'datasets': 2 * [{'name': 'rhd', 'root': 'x'}]}, 'give each data set once'),
        ({'datasets': [{'name': 'rhd', 'root': 'x'}], 'real_hands': 'y'}, "data.real_hands is 'y'; give it as one of"),
        ({'datasets': [{'name': 'rhd', 'root': 'x', 'parts': 3}]}, 'data.datasets[0].parts is not a setting'),
        ({'datasets': {'name': 'rhd'}}, 'data.datasets is'),
        ({'datasets': [{'name': 'rhd', 'root': 'x'}], 'leave_out': ['a']}, "data.leave_out is ['a']; give"),
        ({'sampling': 'random'}, "data.sampling is 'random'; give one of balanced, proportional"),
        ({'hidden_weight': 2}, 'data.hidden_weight is 2.0'),
        ({'variation': {'blurr': 1}}, 'data.variation.blurr is not a setting'),
    ],
)  # fmt: skip
def test_a_wrong_mixture_is_named(data, message):
    with pytest.raises(ConfigError) as error:
        config_from_dict({**QUICK, 'data': data})
    assert message in str(error.value)
