"""Jitter and lag: the measures themselves, and what the default filters make of rendered hands."""

from dataclasses import replace

import numpy as np
import pytest

from minimal_hand_core.evaluation.steadiness import (
    HALF_WAY,
    ShuttleMotion,
    jitter,
    lag,
    record_clip,
    replay,
    wrist_lag,
)
from minimal_hand_core.inference import create_engine
from minimal_hand_core.tracking import PoseConfig, PoseEstimator


def test_lag_measures_a_delay():
    stamps = np.arange(90) / 30
    path = np.column_stack([np.sin(3 * stamps), np.cos(2 * stamps), stamps])
    for delay in (-0.05, 0.0, 0.033, 0.1):
        late = np.column_stack([np.sin(3 * (stamps - delay)), np.cos(2 * (stamps - delay)), stamps - delay])
        assert lag(late, path, stamps) == pytest.approx(delay, abs=0.003)
    with pytest.raises(ValueError, match=r'more than 0.4 s, found 0.3'):
        lag(path[:10], path[:10], stamps[:10])
    with pytest.raises(ValueError, match='filtered'):
        lag(path[:, :2], path, stamps)


def test_the_shuttle_goes_at_its_speed():
    motion = ShuttleMotion(0, 0.5)
    x = np.array([motion.at(t).wrist[0] for t in np.arange(0, 1.6, 0.01)])
    speeds = np.abs(np.diff(x)) / 0.01
    assert 0.4 < np.median(speeds) < 0.5 and 0.9 * HALF_WAY > x.max() > 0.8 * HALF_WAY
    assert ShuttleMotion(0, 0.0).at(1.0).wrist[0] == 0


@pytest.fixture(scope='module')
def clips():
    """A resting hand and one that moves, seen by the default network through noise."""
    engine = create_engine('onnxruntime')
    return record_clip(engine, 0, 0.0, seconds=4.0), record_clip(engine, 0, 0.5, seconds=1.2)


@pytest.mark.parametrize('kind, steadier, most_lag', [('one_euro', 5.0, 0.015), ('kalman', 3.0, 0.01)])
def test_default_filters_are_steady_and_quick(clips, kind, steadier, most_lag):
    rest, moving = clips
    assert len(rest.found) > 0.95 * rest.pictures and len(moving.found) > 0.9 * moving.pictures
    estimator = PoseEstimator(PoseConfig(filter='none'))
    plain = [replay(clip, estimator.config, estimator) for clip in clips]
    smooth = [replay(clip, replace(estimator.config, filter=kind), estimator) for clip in clips]
    before, after = jitter(plain[0]), jitter(smooth[0])
    for name, unsteady, steady in zip(before._fields, before, after):
        assert unsteady > steadier * steady, name
    assert abs(wrist_lag(moving, smooth[1], plain[1])) < most_lag
