"""The flame graph: what is drawn of the samples, and what keeps it from being drawn."""

import sys
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

from benchmarks import flame_graph
from benchmarks.flame_graph import Call, draw, main, sample
from minimal_hand_core.tracking import HandTrackerConfig


def frame(function, time, *children, file='/somewhere/engine.py'):
    """As pyinstrument has them."""
    return SimpleNamespace(function=function, time=time, children=list(children), file_path=file)


@pytest.fixture
def sampler(monkeypatch):
    """A pyinstrument that has seen what is put into `root`, while the work was done."""
    given = SimpleNamespace(root=None, worked=0)

    class Profiler:
        def __init__(self, interval):
            self.last_session = None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            assert given.worked == 1
            self.last_session = SimpleNamespace(root_frame=lambda: given.root)

    module = ModuleType('pyinstrument')
    module.Profiler = Profiler
    monkeypatch.setitem(sys.modules, 'pyinstrument', module)
    return given


def do(sampler):
    def work():
        sampler.worked += 1

    return work


def test_calls_of_one_place_are_added_up(sampler):
    network = frame('run', 3.0, frame('pybind11_builtins', 2.5), frame('[self]', 0.5))
    again = frame('track', 2.0, frame('run', 1.0), frame('solve', 0.5))
    sampler.root = frame('follow', 9.0, frame('track', 5.0, network), frame('other', 1.0, again), frame('read', 1.0))
    root = sample(do(sampler), 'track')
    assert root.seconds == 7.0, 'the calls of track, wherever they were made, and nothing else'
    assert set(root.calls) == {'engine.run', 'solve'}
    assert root.calls['engine.run'].seconds == 4.0
    assert {name: call.seconds for name, call in root.calls['engine.run'].calls.items()} == {'in ONNX Runtime': 2.5}


def test_work_that_was_not_seen_is_named(sampler):
    sampler.root = frame('follow', 1.0)
    with pytest.raises(ValueError, match='no sample fell into track'):
        sample(do(sampler), 'track')


@pytest.mark.parametrize('width', [None, 20.0])
def test_bars_are_as_wide_as_their_time(tmp_path, width):
    root = Call('track', 1.0, {'look': Call('look', 0.5, {'run': Call('run', 0.25)}), 'tiny': Call('tiny', 1e-4)})
    path = tmp_path / 'flame.png'
    draw(root, 100, 'title', path, width)
    picture = cv2.imread(str(path)).astype(int)
    # the bars are all that is yellow or red: little blue beside much red
    colored = (picture[..., 2] - picture[..., 0] > 60).sum(axis=1)
    rows = colored[colored > 0.05 * picture.shape[1]]
    wide = rows.max() / picture.shape[1]
    assert wide == pytest.approx(1.0 if width is None else 0.5, abs=0.03), (
        '10 ms a picture, of what the width stands for'
    )
    levels = {round(float(row) / rows.max(), 1) for row in rows}
    assert {1.0, 0.5} <= levels and min(levels) in (0.2, 0.3), levels


def test_a_tracker_is_followed_through_its_clip(monkeypatch):
    """Forward, back, and on: no jump in the clip, stamps that rise."""
    seen = []

    class Tracker:
        def __init__(self, config):
            assert config.backend == 'torch'

        def track(self, picture, stamp, camera):
            seen.append((picture, stamp))

    clip = [np.full((2, 2, 3), i, np.uint8) for i in range(flame_graph.PICTURES)]
    pictures = iter(clip)
    source = SimpleNamespace(read=lambda: SimpleNamespace(image=next(pictures)), camera=None)
    monkeypatch.setattr(flame_graph, 'HandTracker', Tracker)
    monkeypatch.setattr(flame_graph, 'RenderedSource', lambda seed: source)
    monkeypatch.setattr(flame_graph, 'sample', lambda work, function: (work(), Call(function, 1.0))[1])
    assert flame_graph.profile_tracker(HandTrackerConfig(backend='torch')).name == 'track'
    numbers = np.array([int(picture[0, 0, 0]) for picture, _ in seen])
    assert len(seen) == flame_graph.WARM_UP + flame_graph.ROUNDS * flame_graph.PICTURES
    assert np.abs(np.diff(numbers)).max() == 1 and set(numbers) == set(range(flame_graph.PICTURES))
    assert np.diff([stamp for _, stamp in seen]).min() > 0


def test_what_is_missing_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'pyinstrument', None)
    monkeypatch.setattr(flame_graph, 'profile_tracker', lambda config: sample(lambda: None, 'track'))
    assert main([str(tmp_path / 'flame.png')]) == 2
    assert capsys.readouterr().err == 'error: flame_graph: pyinstrument is not installed: pip install pyinstrument\n'
    monkeypatch.setattr(flame_graph, 'profile_tracker', lambda config: Call('track', 1.0))
    assert main([str(tmp_path / 'nowhere' / 'flame.png')]) == 2
    assert 'nowhere' in capsys.readouterr().err
    assert main([str(tmp_path / 'flame.xyz')]) == 2
    assert 'xyz' in capsys.readouterr().err
