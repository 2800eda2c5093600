"""plot_results: what is read from runs of ours and of the peer's, what is drawn, and what happens with broken files."""

import pickle
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest

from minimal_hand_core.evaluation.plot_results import main
from minimal_hand_core.evaluation.run_curves import Curve, CurveError, read_runs
from minimal_hand_core.evaluation.run_figure import best, draw_runs, smoothed
from minimal_hand_core.training.logs import append_row

pytest.importorskip('matplotlib')
ROOT = Path(__file__).resolve().parents[2]


def write_run(folder, steps=20, losses=True):
    folder.mkdir(parents=True)
    for i in range(1, steps + 1):
        if losses:
            row = {'step': 50 * i, 'total': 10 / i, 'heat': 5 / i, 'lr': 1e-3, 'seconds': 0.5}
            append_row(folder / 'loss.csv', row)
        if i % 5 == 0:
            row = {'step': 50 * i, 'heat': 6 / i, 'real_error': 0.5 / i, 'rendered_auc': 0.9 - abs(i - 15) / 100}
            append_row(folder / 'metrics.csv', {**row, 'train_heat': 5.1 / i})
    return folder


def write_peer_run(folder, epochs=12):
    folder.mkdir(parents=True)
    epoch = np.arange(1, epochs + 1)
    for letter in 'HDL':
        np.save(folder / f'loss{letter}.npy', np.stack([epoch, 1 / epoch], axis=1))
    auc = {name: np.stack([epoch, 0.9 - (epoch - 8.0) ** 2 / 1000], axis=1) for name in ('rhd', 'stb', 'do', 'eo')}
    np.save(folder / 'auc_all.npy', auc)
    np.save(folder / 'acc_hm_all.npy', {name: auc[name].tolist() for name in ('rhd', 'stb')})
    return folder


def curves_of(run):
    return {(curve.quantity, curve.of): curve for curve in run.curves}


def test_a_run_of_ours(tmp_path):
    (run,) = read_runs([str(write_run(tmp_path / 'small'))])
    curves = curves_of(run)
    assert run.name == 'small' and run.notes == []
    assert set(curves) == {
        ('total', 'training'), ('heat', 'training'), ('lr', 'training'),
        ('heat', 'validation'), ('error', 'real'), ('auc', 'rendered'),
    }  # fmt: skip
    heat = curves['heat', 'training']
    assert heat.unit == 'step' and len(heat.x) == 20, 'the finer one, of loss.csv'
    np.testing.assert_allclose(heat.y, 5 / np.arange(1, 21))
    np.testing.assert_array_equal(curves['auc', 'rendered'].x, [250, 500, 750, 1000])


def test_a_run_without_loss_csv_still_has_what_metrics_csv_repeats(tmp_path):
    (run,) = read_runs([str(write_run(tmp_path / 'old', losses=False))])
    assert ('heat', 'training') in curves_of(run)


def test_a_run_of_the_peer(tmp_path):
    (run,) = read_runs([f'peer={write_peer_run(tmp_path / "out_loss_auc")}'])
    curves = curves_of(run)
    assert run.name == 'peer'
    assert {('heat', 'training'), ('delta', 'training'), ('location', 'training')} < set(curves)
    assert {of for quantity, of in curves if quantity == 'auc'} == {'rhd', 'stb', 'do', 'eo'}
    assert {of for quantity, of in curves if quantity == 'acc'} == {'rhd', 'stb'}
    # the peer's own script names the epoch before the best one for DO and EO (fact sheet 6.6)
    assert best(curves['auc', 'do']) == (8.0, pytest.approx(0.9))


def test_a_folder_of_runs_and_runs_of_one_name(tmp_path):
    for place in ('one/small', 'one/large', 'two/small'):
        write_run(tmp_path / place, steps=5)
    (tmp_path / 'one' / 'empty').mkdir()
    names = [run.name for run in read_runs([str(tmp_path / 'one'), str(tmp_path / 'two' / 'small')])]
    assert names == ['large', 'one/small', 'two/small']
    assert [run.name for run in read_runs([f'all={tmp_path / "one"}'])] == ['all large', 'all small']


def test_a_row_that_was_cut_off_is_left_out_and_told(tmp_path):
    folder = write_run(tmp_path / 'killed')
    text = (folder / 'loss.csv').read_text()
    (folder / 'loss.csv').write_text(text[: text.rindex(',') - 2])
    (run,) = read_runs([str(folder)])
    assert len(curves_of(run)['total', 'training'].x) == 19
    assert len(run.notes) == 1 and 'loss.csv: 1 of 20 rows' in run.notes[0]
    (folder / 'loss.csv').write_text(text.replace('500,1.0,0.5', '500,1.0,what'))
    (run,) = read_runs([str(folder)])
    assert 500 not in curves_of(run)['total', 'training'].x
    assert '1 of 20 rows' in run.notes[0]


def test_a_step_written_twice_counts_as_written_last(tmp_path):
    folder = tmp_path / 'resumed'
    folder.mkdir()
    for step, loss in ((50, 4.0), (100, 3.0), (150, 2.0), (100, 2.5), (150, float('nan'))):
        append_row(folder / 'loss.csv', {'step': step, 'total': loss})
    curve = read_runs([str(folder)])[0].curves[0]
    np.testing.assert_array_equal(curve.x, [50, 100, 150])
    np.testing.assert_array_equal(curve.y, [4.0, 2.5, np.nan])


class Boom:
    def __reduce__(self):
        return (print, ('the pickle ran',))


def _save_object(path, value):
    array = np.empty((), object)
    array[()] = value
    np.save(path, array)


@pytest.mark.parametrize(
    ('spoil', 'reason'),
    [
        (lambda path: np.save(path, np.zeros((5, 3))), r'lossD.npy left out: it holds an array of float64 \(5, 3\)'),
        (lambda path: np.save(path, np.zeros(0)), 'lossD.npy left out'),
        (lambda path: path.write_bytes(b'not an array'), 'lossD.npy left out: it is no whole .npy file'),
        (lambda path: path.write_bytes(path.read_bytes()[:140]), 'lossD.npy left out: it is no whole .npy file'),
        (lambda path: _save_object(path, {'a': 1}), 'lossD.npy left out: it holds'),
        (lambda path: _save_object(path, Boom()), r'lossD.npy left out: it wants to run (builtins|__builtin__).print'),
    ],
)
def test_a_broken_array_is_left_out_by_name(tmp_path, spoil, reason, capsys):
    folder = write_peer_run(tmp_path / 'peer')
    spoil(folder / 'lossD.npy')
    (run,) = read_runs([str(folder)])
    assert ('delta', 'training') not in curves_of(run) and ('heat', 'training') in curves_of(run)
    assert len(run.notes) == 1
    assert re.search(reason, run.notes[0]), run.notes[0]
    assert 'the pickle ran' not in capsys.readouterr().out


def test_scores_of_a_wrong_shape_are_left_out_by_name(tmp_path):
    folder = write_peer_run(tmp_path / 'peer')
    np.save(folder / 'auc_all.npy', {'rhd': np.zeros((4, 2, 2))})
    (folder / 'acc_hm_all.npy').write_bytes(pickle.dumps(3))
    (run,) = read_runs([str(folder)])
    assert 'auc_all.npy left out: rhd holds an array of float64 (4, 2, 2)' in run.notes[0]
    assert 'acc_hm_all.npy left out' in run.notes[1]


def test_nothing_to_draw_is_said(tmp_path):
    with pytest.raises(CurveError, match='missing does not exist; expected loss.csv or metrics.csv'):
        read_runs([str(tmp_path / 'missing')])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(CurveError, match='empty holds no curves, nor does a folder in it; expected .*lossH.npy'):
        read_runs([str(tmp_path / 'empty')])
    (tmp_path / 'empty' / 'metrics.csv').write_text('step,heat\n')
    with pytest.raises(CurveError, match='empty holds no curve that can be read: .*metrics.csv holds no rows yet'):
        read_runs([str(tmp_path / 'empty')])
    (tmp_path / 'empty' / 'metrics.csv').write_text('a,b\n1,2\n')
    with pytest.raises(CurveError, match='metrics.csv left out: it has no column "step"'):
        read_runs([str(tmp_path / 'empty')])
    with pytest.raises(CurveError, match='is a file; give its folder'):
        read_runs([str(tmp_path / 'empty' / 'metrics.csv')])


def test_smoothing_keeps_a_straight_line_and_takes_noise():
    line = 3 - 0.1 * np.arange(100)
    np.testing.assert_allclose(smoothed(line, 0.8)[40:60], line[40:60], atol=1e-3)  # no lag
    noisy = line + np.random.default_rng(0).normal(0, 1, 100)
    assert np.std((smoothed(noisy, 0.8) - line)[20:80]) < 0.5
    np.testing.assert_array_equal(smoothed(line, 0.0), line)
    gap = line.copy()
    gap[50] = np.nan
    found = smoothed(gap, 0.8)
    assert np.isnan(found[50]) and np.isfinite(np.delete(found, 50)).all()
    with pytest.raises(ValueError, match='smooth is 1.0; give 0 … below 1'):
        smoothed(line, 1.0)


def test_best_is_highest_for_scores_and_lowest_for_errors():
    x, y = np.arange(4.0), np.array([0.2, 0.9, np.nan, 0.1])
    assert best(Curve('auc', 'rhd', 'epoch', x, y)) == (1.0, 0.9)
    assert best(Curve('pck10', 'real', 'step', x, y)) == (1.0, 0.9)
    assert best(Curve('mm', 'rendered', 'step', x, y)) == (3.0, 0.1)
    assert best(Curve('heat', 'training', 'step', x, y)) is None


def test_the_picture_has_a_panel_per_quantity_and_every_run_in_its_legend(tmp_path):
    runs = read_runs([str(write_run(tmp_path / 'small')), str(write_run(tmp_path / 'large', steps=10))])
    pictures = draw_runs(runs, smooth=0.6, log=True, title='two runs')
    texts = [
        element.text for element in ElementTree.fromstring(pictures['svg']).iter('{http://www.w3.org/2000/svg}text')
    ]
    for text in ('two runs', 'loss, total', 'loss, heat maps', 'AUC of 3D PCK, 20–50 mm', 'learning rate', 'step'):
        assert text in texts
    assert 'small, validation' in texts and 'large, training' in texts
    assert 'small: 0.9 at 750' in texts, 'where the score was best'
    image = cv2.imdecode(np.frombuffer(pictures['png'], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[0] > 600 and image.shape[1] > 1200
    assert (image < 250).any(axis=2).mean() > 0.01
    few = draw_runs(runs, only=['auc'])
    assert len(few['svg']) < len(pictures['svg'])
    assert few == draw_runs(runs, only=['auc']), 'the same for the same'
    with pytest.raises(ValueError, match="no run has 'acc'; choose from total, heat, lr, error, auc"):
        draw_runs(runs, only=['acc'])


def test_command_line(tmp_path, capsys):
    ours, peer = write_run(tmp_path / 'ours'), write_peer_run(tmp_path / 'peer')
    (peer / 'lossL.npy').write_bytes(b'')
    output = tmp_path / 'new' / 'curves.png'
    assert main([str(ours), f'theirs={peer}', '--output', str(output), '--smooth', '0.5']) == 0
    told = capsys.readouterr()
    assert '2 runs in' in told.out and 'lossL.npy left out' in told.err
    assert output.stat().st_size > 10_000 and output.with_suffix('.svg').stat().st_size > 10_000
    assert main([str(tmp_path / 'nowhere')]) == 1
    assert 'plot_results: ' in capsys.readouterr().err
    assert main([str(ours), '--smooth', '2']) == 1
    assert 'smooth is 2.0' in capsys.readouterr().err
    photo = tmp_path / 'photo.jpg'
    photo.write_bytes(b'')
    assert main([str(ours), '--output', str(photo / 'x')]) == 1
    assert capsys.readouterr().err == (
        f'plot_results: --output {photo / "x"}: {photo} is a file; give a name in a folder\n'
    )
    shutil.rmtree(output.parent)


def test_it_needs_neither_ros_nor_a_display(tmp_path):
    folder = write_run(tmp_path / 'run', steps=5)
    program = (
        'import sys; from minimal_hand_core.evaluation.plot_results import main; '
        f'assert main([{str(folder)!r}, "--output", {str(tmp_path / "out")!r}]) == 0; '
        'assert "rclpy" not in sys.modules and "matplotlib.pyplot" not in sys.modules'
    )
    environment = {'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path), 'MPLCONFIGDIR': str(tmp_path)}
    run = subprocess.run([sys.executable, '-c', program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / 'out.svg').is_file()


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['--help'])
    assert stop.value.code == 0
    assert 'plot_results runs/small' in capsys.readouterr().out
