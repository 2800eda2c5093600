"""Sources of photos, left out of training in turn."""

import json

import pytest
import yaml
from labelled_photos import write_photos

from minimal_hand_core.data.datasets.holdout import is_held_out
from minimal_hand_core.training.evaluate_unseen import left_out_row, main, table

SETTINGS = {
    'steps': 1,
    'batch': 2,
    'warmup': 0,
    'resolution': 32,
    'data': {'rendered_share': 0.0},
    'validation': {'every': 1, 'rendered': 0},
}


@pytest.fixture
def photos(tmp_path):
    names = [f'group{i}' for i in range(100)]
    held_back = iter([name for name in names if is_held_out(name)])
    trained_on = iter([name for name in names if not is_held_out(name)])
    sources = {'garden': (held_back, trained_on, trained_on), 'kitchen': (held_back, trained_on)}
    marks = [
        {'source': source, 'near_dup_group': next(groups), 'side': 'right'}
        for source, each in sources.items()
        for groups in each
    ]
    return write_photos(tmp_path / 'photos', marks)


@pytest.fixture
def command(tmp_path, photos):
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(yaml.safe_dump(SETTINGS))
    return ['--config', str(recipe), '--set', f'data.real_hands={photos}', '--output', str(tmp_path / 'out')]


def test_each_source_has_its_turn_and_is_scored_by_a_network_that_never_saw_it(tmp_path, command, capsys):
    assert main([*command, '--at-once', '2']) == 0
    scores = json.loads((tmp_path / 'out/unseen.json').read_text())
    assert list(scores) == ['garden', 'kitchen']
    for source, hands in (('garden', 3), ('kitchen', 2)):
        settings = yaml.safe_load((tmp_path / 'out' / source / 'config.yaml').read_text())
        assert settings['data']['leave_out'] == [source] and settings['steps'] == 1
        assert scores[source][source]['hands'] == hands
    assert 'mean' in capsys.readouterr().out
    before = (tmp_path / 'out/garden/detnet.safetensors').read_bytes()
    assert main(command) == 0  # what is trained is only scored again
    assert (tmp_path / 'out/garden/detnet.safetensors').read_bytes() == before
    assert json.loads((tmp_path / 'out/unseen.json').read_text()) == scores


def test_a_training_that_fails_is_named_with_its_reason(tmp_path, command, capsys):
    assert main([*command, '--set', 'start_from=/nowhere/net.safetensors']) == 1
    error = capsys.readouterr().err
    assert 'training without garden failed' in error and '/nowhere/net.safetensors' in error
    assert not (tmp_path / 'out/unseen.json').exists()


@pytest.mark.parametrize(
    ('more', 'words'),
    [
        (['--set', 'data.leave_out=[garden]'], 'data.leave_out'),
        (['--set', 'data.real_hands=/nowhere'], 'labels.json is missing'),
        (['--at-once', '0'], '--at-once is 0'),
    ],
)
def test_what_cannot_be_evaluated_is_said_without_a_traceback(command, more, words, capsys):
    assert main([*command, *more]) == 1
    error = capsys.readouterr().err
    assert error.startswith('evaluate_unseen: ') and words in error and 'Traceback' not in error


def test_a_source_that_cannot_be_scored_is_named_before_anything_is_trained(tmp_path, photos, command, capsys):
    records = json.loads((photos / 'labels.json').read_text())
    for record in records:
        record['tier'] = 'B' if record['source'] == 'kitchen' else 'A'
    (photos / 'labels.json').write_text(json.dumps(records))
    assert main(command) == 1
    assert 'kitchen has no hand of tier A, to be scored on: give other --tiers' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_one_source_alone_cannot_be_left_out(photos, command, capsys):
    records = json.loads((photos / 'labels.json').read_text())
    (photos / 'labels.json').write_text(json.dumps([record for record in records if record['source'] == 'garden']))
    assert main(command) == 1
    assert 'one source, garden' in capsys.readouterr().err


def test_a_row_compares_with_the_trainings_that_saw_the_source():
    def summary(pck):
        return {'hands': 4, 'mean_error': 0.05, 'pck@0.1': pck - 0.1, 'pck@0.2': pck}

    scores = {
        'a': {'a': summary(0.5), 'b': summary(0.9), 'c': summary(0.9)},
        'b': {'a': summary(0.8), 'b': summary(0.6), 'c': summary(0.9)},
        'c': {'a': summary(0.9), 'b': summary(0.9), 'c': summary(0.7)},
    }
    assert left_out_row(scores, 'a') == pytest.approx([0.05, 0.4, 0.5, 0.85])
    assert table(scores).row_count == 4
