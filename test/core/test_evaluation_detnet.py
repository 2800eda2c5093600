"""`evaluate_detnet` from end to end on tiny native data sets, its report, and its one-sentence errors."""

import csv
import json
import os
import sys
from dataclasses import replace
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import scipy.io
import torch
from native_layouts.examples import EXAMPLES
from perfect_predictions import made_up
from rich.console import Console

from minimal_hand_core.detnet import DetNet, load_detnet, save_detnet
from minimal_hand_core.evaluation import inputs
from minimal_hand_core.evaluation.curves import draw_curves
from minimal_hand_core.evaluation.evaluate_detnet import main
from minimal_hand_core.evaluation.peer_files import write_peer
from minimal_hand_core.evaluation.predict import ModelEngine
from minimal_hand_core.evaluation.predictions import PredictionError, load_predictions, save_predictions
from minimal_hand_core.evaluation.published import (
    DETNET,
    DETNET_BMC,
    IKNET,
    METHODS,
    NETWORK_AIK,
    PAPER,
    PEER,
    PUBLISHED,
    published,
)
from minimal_hand_core.evaluation.report import Report, ReportError, check_output
from minimal_hand_core.tracking.picture import PictureError

SETS = ('rhd', 'stb', 'dexter_object', 'ego_dexter')
PLACES = {'rhd': 'RHD/RHD_published_v2', 'stb': 'STB', 'dexter_object': 'dexter+object', 'ego_dexter': 'EgoDexter/data'}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A folder that holds the four test sets as the peers lay them out."""
    root = tmp_path_factory.mktemp('data')
    for name, place in PLACES.items():
        EXAMPLES[name](root / place)
    return root


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A small network that knows nothing."""
    path = tmp_path_factory.mktemp('weights') / 'net.safetensors'
    save_detnet(DetNet('small').eval(), path)
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MINIMAL_HAND_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def one_engine(weights, monkeypatch):
    """The network as it is, loaded once: an engine takes a second or two to start."""
    engine = ModelEngine(load_detnet(weights))
    monkeypatch.setattr(inputs, 'create_engine', lambda *_: engine)


def arguments(data, weights, *names):
    sets = [part for name in names for part in ('--dataset', name)]
    return [*sets, '--root', str(data), '--weights', str(weights)]


def test_one_command_gives_the_whole_table(data, weights, tmp_path, capsys, monkeypatch, one_engine):
    output = tmp_path / 'report'
    command = [*arguments(data, weights, *SETS), '--dataset', 'rendered', '--set', 'length=3', '--output', str(output)]
    # Options of the reader go to each data set, and only the rendered ones know a length.
    assert main(command) == 1
    assert 'length' in capsys.readouterr().err
    command = [*arguments(data, weights, *SETS), '--output', str(output), '--peer-files', str(tmp_path / 'peer')]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert all(title in printed for title in ('RHD', 'STB', 'Dexter+Object', 'EgoDexter', '.9339', '.891', '.804'))
    assert 'Dexter+Object, DetNet, absolute: dexter_object labels tips only' in printed
    scores = json.loads((output / 'scores.json').read_text())
    counts = {(row['dataset'], row['score']['protocol']): row['score'] for row in scores['rows']}
    assert {name for name, _ in counts} == set(SETS) and len(counts) == 10 and len(scores['skipped']) == 2
    assert (counts['rhd', 'reference']['frames'], counts['rhd', 'reference']['points']) == (1, 21)
    assert (counts['stb', 'absolute']['frames'], counts['stb', 'absolute']['points']) == (3, 63)
    assert (counts['dexter_object', 'reference']['frames'], counts['dexter_object', 'reference']['points']) == (7, 33)
    assert (counts['ego_dexter', 'root-scale']['frames'], counts['ego_dexter', 'root-scale']['points']) == (5, 23)
    lines = list(csv.DictReader((output / 'scores.csv').open()))
    assert len(lines) == 10 and lines[0]['published_peer'] == '0.9339'
    assert float(lines[0]['auc_20_50']) == pytest.approx(counts['rhd', 'reference']['auc'], abs=1e-6)
    picture = cv2.imread(str(output / 'pck_curves.png'))
    assert picture is not None and (picture < 128).any()
    assert ElementTree.parse(output / 'pck_curves.svg').getroot().tag.endswith('svg')

    # Predictions are there: no network runs, nothing is rendered or read, and the scores are the same.
    monkeypatch.setattr(inputs, 'create_engine', lambda *_: pytest.fail('the network ran again'))
    assert main(command) == 0
    assert json.loads((output / 'scores.json').read_text()) == scores
    capsys.readouterr()

    # So are the peer's files, which know neither pixels nor the colour camera's frame.
    command = ['--from', str(tmp_path / 'peer'), '--protocol', 'reference', '--output', str(tmp_path / 'again')]
    assert main(command) == 0
    again = json.loads((tmp_path / 'again/scores.json').read_text())
    assert len(again['rows']) == 4
    for row in again['rows']:
        was = counts[row['dataset'], 'reference']
        assert row['score']['auc'] == pytest.approx(was['auc'], abs=2e-2)
        assert row['score']['mean_mm'] == pytest.approx(was['mean_mm'], rel=1e-3)
        assert row['score']['points'] == was['points']


def test_rendered_hands_need_nothing_on_disk(weights, tmp_path, capsys, monkeypatch):
    output = tmp_path / 'report'
    command = ['--dataset', 'rendered', '--limit', '3', '--weights', str(weights), '--protocol', 'absolute']
    command += ['--set', 'size=128']
    assert main([*command, '--output', str(output)]) == 0
    assert 'rendered (size=128, limit=3)' in capsys.readouterr().out
    (file,) = (output / 'predictions').iterdir()
    stored = load_predictions(file)
    assert stored.keys == ('synthetic-5-0000000', 'synthetic-5-0001666', 'synthetic-5-0003333')
    assert stored.origin.backbone == 'small' and len(stored.origin.weights_sha256) == 64
    # A stored file needs neither weights nor data; without --output nothing is written but what is in the cache.
    monkeypatch.setattr(inputs, 'create_engine', lambda *_: pytest.fail('a network ran'))
    assert main(['--predictions', str(file)]) == 0
    assert 'absolute' in capsys.readouterr().out


def test_rendered_hands_before_photos_have_a_row_of_their_own(weights, tmp_path, capsys):
    (tmp_path / 'rooms').mkdir()
    for i in range(20):  # a tenth of them is for tests
        cv2.imwrite(str(tmp_path / 'rooms' / f'{i}.png'), np.full((300, 300, 3), i, np.uint8))
    command = ['--dataset', 'rendered', '--limit', '2', '--weights', str(weights)]
    assert 'photos behind rendered hands are --backgrounds' in fails([*command, '--root', str(tmp_path)], capsys)
    command += ['--backgrounds', str(tmp_path / 'rooms')]
    assert main([*command, '--protocol', 'reference']) == 0
    assert 'rendered (backgrounds=rooms, limit=2)' in capsys.readouterr().out


def test_checkpoints_of_the_peer_are_shown_its_crops(data, tmp_path, capsys):
    torch.save({f'module.{key}': value for key, value in DetNet('small').state_dict().items()}, tmp_path / 'ckp.pth')
    command = [*arguments(data, tmp_path / 'ckp.pth', 'stb'), '--output', str(tmp_path), '--backend', 'onnxruntime']
    for crop, factor in (([], 2.0), (['--crop', 'tracker'], 1.5)):
        assert main([*command, '--protocol', 'reference', *crop]) == 0
        newest = max((tmp_path / 'predictions').iterdir(), key=lambda path: path.stat().st_mtime_ns)
        stored = load_predictions(newest)
        box = np.ptp(stored.true_uv, axis=1).max(axis=1)
        np.testing.assert_allclose(stored.crops[:, 2], factor * box, rtol=1e-4)
        assert (stored.origin.crop, stored.origin.backend) == ('tracker' if crop else 'peer', 'onnxruntime')


def test_data_sets_can_stand_in_a_file(data, weights, tmp_path, capsys, one_engine):
    file = tmp_path / 'datasets.yaml'
    entries = [
        {'dataset': 'stb', 'root': str(data), 'split': 'val'},
        {'dataset': 'dexter_object', 'root': str(data), 'options': {'labels': 'edited'}},
        {'dataset': 'ego_dexter', 'root': str(data), 'options': {'camera': 'depth'}},
    ]
    file.write_text(json.dumps(entries))  # which is YAML too
    command = ['--datasets', str(file), '--weights', str(weights), '--protocol', 'reference']
    assert main([*command, '--output', str(tmp_path / 'out')]) == 0
    first, second, third = json.loads((tmp_path / 'out/scores.json').read_text())['rows']
    assert (first['split'], first['published']) == ('validation', [])
    assert second['origin']['options'] == {'labels': 'edited'} and second['published'][0]['auc'] == 0.9378
    assert not second['score']['notes'] and second['score']['frames'] == 1
    assert third['score']['frames'] == 5, 'in the depth camera there are no intrinsics to find the hand with'
    assert 'Dexter+Object (labels=edited)' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        (None, 'cannot be read'),
        ('a: [', 'cannot be read'),
        ('dataset: rhd', 'expected a list'),
        ('- {root: x}', 'data set 1: expected dataset: NAME'),
        ('- {dataset: rdh}', 'choose one of cmu_panoptic'),
        ('- {dataset: rhd, folder: x}', "'folder' is not known"),
        ('- {dataset: rhd, options: 3}', 'options are 3'),
    ],
)
def test_a_file_of_data_sets_that_is_none_is_named(text, says, tmp_path, capsys):
    file = tmp_path / 'datasets.yaml'
    if text is not None:
        file.write_text(text)
    assert main(['--datasets', str(file)]) == 1
    assert says in capsys.readouterr().err


def fails(command, capsys):
    """The one sentence of a command that cannot do what it is told."""
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.startswith('evaluate_detnet: ') and 'Traceback' not in error
    return error


def test_what_cannot_be_done_is_one_sentence(data, weights, tmp_path, capsys, one_engine):
    here = arguments(data, weights, 'rhd')
    assert 'nothing to score' in fails([], capsys)
    assert "split is 'validation'; choose one of train, test" in fails([*here, '--split', 'val'], capsys)
    assert 'is missing' in fails(arguments(tmp_path / 'nowhere', weights, 'rhd'), capsys)
    assert '2 --root for 1 data sets' in fails([*here, '--root', str(data)], capsys)
    assert '--set labels: expected OPTION=VALUE' in fails([*here, '--set', 'labels'], capsys)
    assert 'no such file' in fails(arguments(data, tmp_path / 'no.safetensors', 'rhd'), capsys)
    error = fails([*here, '--backbone', 'resnet50'], capsys)
    assert 'does not fit the resnet50 network' in error and str(weights) in error
    assert 'has no end; give --limit' in fails(['--dataset', 'rendered', '--split', 'train'], capsys)
    error = fails(['--dataset', 'rendered', '--weights', str(weights), '--set', 'colour=red'], capsys)
    assert "rendered: option is 'colour'; choose one of length, size, seed, variation" in error
    for many in ('-1', '100000', 'all'):
        with pytest.raises(SystemExit):
            main([*here, '--threads', many])
        assert f'argument --threads: {many}' in capsys.readouterr().err.replace("'", '')
    assert 'is no folder' in fails(['--from', str(tmp_path / 'nowhere')], capsys)
    assert 'no such file' in fails(['--predictions', str(tmp_path / 'x.npz')], capsys)
    (tmp_path / 'file').write_text('')
    assert 'cannot be written to' in fails([*here, '--output', str(tmp_path / 'file/report')], capsys)


def test_a_data_set_without_a_folder_says_so(weights, capsys):
    assert '0 --root for 1 data sets' in fails(['--dataset', 'rhd', '--weights', str(weights)], capsys)


def test_a_disk_that_fills_up_is_one_sentence(tmp_path, monkeypatch, rng):
    report = Report()
    report.add(made_up(rng, 4), DETNET, ['reference'])
    check_output(tmp_path)

    def full(path, content):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('minimal_hand_core.evaluation.report.write_atomically', full)
    with pytest.raises(ReportError, match='No space left on device'):
        report.write(tmp_path)


def test_broken_data_sets_are_one_sentence(weights, tmp_path, capsys):
    EXAMPLES['ego_dexter'](tmp_path / 'eo')
    pictures = sorted((tmp_path / 'eo/Desk/color').iterdir())
    pictures[1].unlink()
    error = fails(arguments(tmp_path / 'eo', weights, 'ego_dexter'), capsys)
    assert 'Desk' in error and '3' in error and '4' in error, 'three pictures, four lines'
    EXAMPLES['stb'](tmp_path / 'stb')
    file = tmp_path / 'stb/labels/B1Counting_SK.mat'
    labels = scipy.io.loadmat(file)['handPara']
    labels[1, 5, 1] = np.nan
    scipy.io.savemat(file, {'handPara': labels})
    error = fails(arguments(tmp_path / 'stb', weights, 'stb'), capsys)
    assert 'is not a number' in error and 'SK_color_1.png' in error


def test_labels_that_changed_are_noticed(data, weights, tmp_path, capsys, one_engine):
    command = [*arguments(data, weights, 'stb'), '--protocol', 'reference', '--output', str(tmp_path)]
    assert main(command) == 0
    (file,) = (tmp_path / 'predictions').iterdir()
    stored = load_predictions(file)
    save_predictions(stored.take(np.array([1, 0, 2])), file)
    assert 'another data set or order: hand 0 is images/B1Counting/SK_color_1.png' in fails(command, capsys)
    save_predictions(stored.take(np.array([0, 1])), file)
    assert 'of 2 hands, the data set has 3' in fails(command, capsys)
    file.write_bytes(b'nothing')
    assert f'{file} is damaged' in fails(command, capsys)


def test_pictures_that_changed_are_predicted_again(data, weights, tmp_path, one_engine):
    """The file's name says what the pictures look like, so an old file is not taken for them."""
    root = tmp_path / 'copy'
    EXAMPLES['stb'](root)
    command = [*arguments(root, weights, 'stb'), '--protocol', 'reference', '--output', str(tmp_path / 'out')]
    assert main(command) == 0
    picture = root / 'images/B1Counting/SK_color_0.png'
    cv2.imwrite(str(picture), 255 - cv2.imread(str(picture)))
    assert main(command) == 0
    old, new = (load_predictions(path) for path in sorted((tmp_path / 'out/predictions').iterdir()))
    assert old.origin.fingerprint != new.origin.fingerprint and not np.array_equal(old.xyz[0], new.xyz[0])
    np.testing.assert_array_equal(old.xyz[1:], new.xyz[1:])


def test_predictions_of_another_decoder_are_made_again(data, weights, tmp_path, monkeypatch, one_engine):
    command = [*arguments(data, weights, 'stb'), '--protocol', 'reference', '--output', str(tmp_path / 'out')]
    assert main(command) == 0 and main(command) == 0
    assert len(list((tmp_path / 'out/predictions').iterdir())) == 1
    assert len(inputs._code()) == 64
    monkeypatch.setattr(inputs, '_code', lambda: 'another')
    assert main(command) == 0
    assert len(list((tmp_path / 'out/predictions').iterdir())) == 2


def test_hands_without_depth_have_2d_figures(data, weights, tmp_path, capsys, one_engine):
    EXAMPLES['cmu_hand_labels'](tmp_path / 'cmu')
    command = [*arguments(tmp_path / 'cmu', weights, 'cmu_hand_labels'), '--output', str(tmp_path / 'out')]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert 'has no 3D labels; only 2D can be scored' in printed and 'CMU hand labels, DetNet, 2D: mean' in printed
    scores = json.loads((tmp_path / 'out/scores.json').read_text())
    assert not scores['rows'] and scores['flat'][0]['frames'] == 1 and len(scores['skipped']) == 3


def test_a_picture_that_does_not_decode_is_named_or_left_out(data, weights, tmp_path, capsys, caplog, one_engine):
    root = tmp_path / 'copy'
    EXAMPLES['stb'](root)
    picture = root / 'images/B1Counting/SK_color_1.png'
    picture.write_bytes(picture.read_bytes()[:100])
    command = [*arguments(root, weights, 'stb'), '--protocol', 'reference', '--output', str(tmp_path / 'out')]
    assert 'SK_color_1.png' in fails(command, capsys)
    assert main([*command, '--partial']) == 0
    assert 'SK_color_1.png' in caplog.text
    assert '1 of 3 hands were not predicted' in capsys.readouterr().out
    picture.unlink()
    assert '1 of 3 pictures of this split are not there' in fails(command, capsys)


def test_published_figures_are_those_of_the_fact_sheet():
    assert len(PUBLISHED) == 3 + 4 + 5 * 4
    assert {row.method for row in PUBLISHED} == {*METHODS, DETNET_BMC}
    best = {row.dataset: row.auc for row in PUBLISHED if (row.source, row.method) == (PEER, NETWORK_AIK)}
    assert best == {'rhd': 0.9272, 'stb': 0.8624, 'dexter_object': 0.94, 'ego_dexter': 0.9365}
    (found,) = published('rhd', 'test', IKNET, 'root-scale')
    assert (found.source, found.auc) == (PAPER, 0.856)
    assert not published('rhd', 'train', DETNET, 'reference') and not published('rhd', 'test', DETNET, 'absolute')


def test_figures_stand_beside_whole_test_sets_only(rng):
    report = Report()
    report.add(made_up(rng, 5, 'rhd'), DETNET, ['reference'])
    report.add(made_up(rng, 5, 'rhd', limit='5'), DETNET, ['reference'])
    for which in ('both', 'main'):
        few = made_up(rng, 5, 'rhd')
        report.add(replace(few, origin=replace(few.origin, options={'hands': which})), DETNET, ['reference'])
    report.add(made_up(rng, 5, 'dexter_object', labels='edited', camera='depth'), DETNET, ['reference'])
    assert [row.published_auc(PEER) for row in report.rows] == [0.9339, None, None, 0.9339, 0.9378]


def test_tables_fit_their_terminal(rng):
    report = Report()
    for dataset in SETS:
        report.add(made_up(rng, 30, dataset, noise=0.3), DETNET, ['reference', 'root-scale', 'absolute'])
    for width in (80, 100, 130, 200):
        console = Console(width=width, record=True, file=open(os.devnull, 'w'))  # noqa: SIM115
        report.show(console)
        table = [line for line in console.export_text().splitlines() if line[:1] in '┏┃┡│├└']
        assert max(map(len, table)) <= width and '…' not in ''.join(table)
        assert all(name in table[1] for name in ('AUC', 'peer', 'paper', 'mean'))
    assert all(name in table[1] for name in ('≤ 25', 'median', 'PA', 'frames', 'points', 'AUC 0–50'))


def test_reports_are_plain_json(rng):
    """Two tips in every frame: no similarity can be fitted, so there is no PA error."""
    hands = made_up(rng, 30, 'dexter_object')
    report = Report()
    report.add(hands.take(hands.labelled.sum(axis=1) == 2), DETNET, ['reference'])
    assert np.isnan(report.rows[0].score.pa_mm)
    written = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert written['rows'][0]['score']['pa_mm'] is None
    assert written['rows'][0]['published'][0]['source'] == PEER


def test_curves_of_the_same_scores_are_the_same_file(rng):
    report = Report()
    hands = made_up(rng, 20, noise=0.3)
    report.add(hands, DETNET, ['reference', 'absolute'])
    report.add(hands.with_xyz(hands.xyz * 1.05), IKNET, ['reference', 'absolute'])
    first, second = draw_curves(report.rows), draw_curves(report.rows)
    assert first == second and set(first) == {'png', 'svg'}
    assert first['svg'].count(IKNET.encode()) >= 1


def test_without_matplotlib_there_are_no_curves_but_a_sentence(rng, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    report = Report()
    report.add(made_up(rng, 4), DETNET, ['reference'])
    assert {path.name for path in report.write(tmp_path)} == {'scores.json', 'scores.csv'}
    assert 'matplotlib is not installed' in caplog.text


def test_nan_in_a_peers_file_is_one_sentence(rng, tmp_path, capsys):
    write_peer(tmp_path, made_up(rng, 4))
    values = np.load(tmp_path / 'rhd_pre_joints.npy')
    values[2, 3, 1] = np.nan
    np.save(tmp_path / 'rhd_pre_joints.npy', values)
    assert 'NaN or infinity, first in row 2' in fails(['--from', str(tmp_path)], capsys)


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit, match='0'):
        main(['--help'])
    printed = capsys.readouterr().out
    assert 'examples:' in printed and 'evaluate_detnet --dataset rendered' in printed
    assert all(name in printed for name in ('reference', 'root-scale', 'absolute'))


def test_errors_are_value_errors():
    assert all(issubclass(kind, ValueError) for kind in (PredictionError, ReportError, PictureError))
