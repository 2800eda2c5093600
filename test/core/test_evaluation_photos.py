"""2D scores of labelled photos."""

import json

import cv2
import numpy as np
import pytest
from labelled_photos import write_photos

from minimal_hand_core.detnet import DetNet, save_detnet
from minimal_hand_core.evaluation import photos
from minimal_hand_core.evaluation.errors import box_errors
from minimal_hand_core.evaluation.pck import pck
from minimal_hand_core.evaluation.photos import main, summarise


def test_errors_are_shares_of_the_longer_side():
    truth = np.zeros((1, 3, 2))
    truth[0] = [(0, 0), (100, 0), (0, 50)]
    found = truth + [(6, 8), (0, 0), (0, 20)]
    np.testing.assert_allclose(box_errors(found, truth), [[0.1, 0.0, 0.2]])


def test_pck_counts_visible_points():
    errors = np.array([[0.05, 0.15, 0.5]])
    assert pck(errors, 0.2) == pytest.approx(2 / 3)
    assert pck(errors, 0.2, np.array([[True, True, False]])) == 1.0
    with pytest.raises(ValueError, match='expected at least one visible'):
        pck(errors, 0.2, np.zeros((1, 3), bool))


def test_defects_are_named():
    with pytest.raises(ValueError, match=r'\(N, K, 2\)'):
        box_errors(np.zeros((2, 3, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match='hand 1'):
        box_errors(np.zeros((2, 3, 2)), np.array([[[0, 0], [1, 1], [0, 1]], [[5, 5]] * 3]))


def test_a_summary_rises_with_the_threshold():
    summary = summarise(np.random.default_rng(0).uniform(0, 0.4, (50, 21)))
    curve = list(summary['curve'].values())
    assert curve == sorted(curve)
    assert summary['pck@0.1'] < summary['pck@0.2']
    assert summary['points'] == 50 * 21


def test_the_command_writes_scores_and_overlays(tmp_path, capsys):
    marks = [
        {'source': 'made_up', 'near_dup_group': str(i), 'side': side} for i, side in enumerate(['right', 'left', None])
    ]
    folder = write_photos(tmp_path / 'photos', marks)
    save_detnet(DetNet('small').eval(), tmp_path / 'net.safetensors', {'backbone': 'small'})
    arguments = [str(folder), '--split', 'all', '--weights', str(tmp_path / 'net.safetensors')]
    assert main([*arguments, '--output', str(tmp_path / 'report')]) == 0
    scores = json.loads((tmp_path / 'report/photos.json').read_text())
    assert scores['all']['hands'] == scores['made_up']['hands'] == 3
    assert cv2.imread(str(tmp_path / 'report/overlays.png')).shape[1] == 3 * 256
    assert 'PCK@0.1' in capsys.readouterr().out


def test_an_output_that_cannot_be_written_is_told_before_the_work_or_after_the_table(tmp_path, capsys, monkeypatch):
    marks = [{'source': 'made_up', 'near_dup_group': '1', 'side': 'right'}]
    folder = write_photos(tmp_path / 'photos', marks)
    save_detnet(DetNet('small').eval(), tmp_path / 'net.safetensors', {'backbone': 'small'})
    arguments = [str(folder), '--split', 'all', '--weights', str(tmp_path / 'net.safetensors'), '--output']
    with monkeypatch.context() as patch:
        patch.setattr(photos, 'evaluate', None)
        assert main([*arguments, str(tmp_path / 'net.safetensors' / 'report')]) == 1
    assert 'net.safetensors is a file' in capsys.readouterr().err
    (tmp_path / 'report' / 'photos.json').mkdir(parents=True)
    assert main([*arguments, str(tmp_path / 'report')]) == 1
    told = capsys.readouterr()
    assert 'PCK@0.1' in told.out and told.err.startswith(
        f'evaluate_photos: {tmp_path / "report" / "photos.json"} cannot be written: '
    )


def test_photos_of_ones_own_need_no_more_than_points(tmp_path, capsys):
    folder = write_photos(tmp_path / 'photos', [{}, {}])
    records = json.loads((folder / 'labels.json').read_text())
    plain = [{name: record[name] for name in ('file', 'keypoints_px')} for record in records]
    (folder / 'labels.json').write_text(json.dumps(plain))
    save_detnet(DetNet('small').eval(), tmp_path / 'net.safetensors', {'backbone': 'small'})
    weights = ['--weights', str(tmp_path / 'net.safetensors')]
    assert main([str(folder), *weights]) == 1
    assert '--split all takes every hand' in capsys.readouterr().err
    assert main([str(folder), '--split', 'all', *weights, '--output', str(tmp_path / 'report')]) == 0
    scores = json.loads((tmp_path / 'report/photos.json').read_text())
    assert scores['all']['hands'] == scores['photos']['hands'] == 2


def test_a_missing_folder_is_an_error_without_a_traceback(tmp_path, capsys):
    assert main([str(tmp_path / 'nowhere')]) == 1
    error = capsys.readouterr().err
    assert error.startswith('evaluate_photos: ') and 'labels.json is missing' in error and 'Traceback' not in error
