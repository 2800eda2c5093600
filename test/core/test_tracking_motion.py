"""The tracker's geometry on a moving hand of known truth, with a network that makes no errors."""

import functools

import numpy as np
import pytest
from fake_engine import OracleEngine, coordinates_picture

from minimal_hand_core.data.synthetic import RenderedScene
from minimal_hand_core.detnet.axes import CAMERA, VIEW
from minimal_hand_core.tracking import CameraModel, HandTracker, HandTrackerConfig

RATE = 20
K = [600, 0, 319.5, 0, 600, 239.5, 0, 0, 1]
LENSES = {'plain': (), 'lens': (-0.15, 0.04, 0.001, -0.001, 0.0)}


@functools.cache
def follow(side, lens, kind, seconds=3.0, axes=VIEW):
    """Track the truth of a rendered scene (without rendering it): (truth, state) of every picture."""
    camera = CameraModel(640, 480, K, LENSES[lens])
    scene = RenderedScene(seed=3, side=side)
    truth = scene.truth(0.0)
    config = HandTrackerConfig(side=side, hand_length=truth.hand_length, filter=kind, keypoint_scale=1.0)
    engine = OracleEngine(camera, side)
    engine.axes = axes
    tracking = HandTracker(config, engine)
    picture = coordinates_picture()
    pairs = []
    for i in range(int(seconds * RATE)):
        truth = scene.truth(i / RATE)
        engine.points, engine.uv = truth.keypoints_m, camera.project(truth.keypoints_m)
        pairs.append((truth, tracking.track(picture, i / RATE, camera)))
    return pairs


def angle_between(a, b):
    """Degrees between rotations (3, 3)."""
    return np.degrees(np.arccos(np.clip((np.trace(a.T @ b) - 1) / 2, -1, 1)))


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('lens', LENSES)
def test_metric_hand_matches_the_truth(side, lens):
    camera = CameraModel(640, 480, K, LENSES[lens])
    pairs = follow(side, lens, 'none')
    found = [i for i, (_, state) in enumerate(pairs) if state is not None]
    assert found[0] < 20 and len(found) == len(pairs) - found[0]
    settled = pairs[found[0] + 20 :]
    wrist = [np.linalg.norm(state.wrist_position - truth.wrist) for truth, state in settled]
    keypoints = [np.linalg.norm(state.keypoints_m - truth.keypoints_m, axis=1).mean() for truth, state in settled]
    turns = [angle_between(state.wrist_rotation, truth.rotations[0]) for truth, state in settled]
    pixels = [np.abs(state.uv - camera.project(truth.keypoints_m)).max() for truth, state in settled]
    assert np.median(wrist) < 0.005 and np.median(keypoints) < 0.006
    assert np.median(turns) < 3
    assert np.median(pixels) < 0.6 and max(pixels) < 3


@pytest.mark.parametrize('side', ['right', 'left'])
def test_a_network_that_was_taught_camera_axes_is_read_in_them(side):
    for (_, one), (_, other) in zip(follow(side, 'plain', 'none'), follow(side, 'plain', 'none', axes=CAMERA)):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(other.keypoints_m, one.keypoints_m, atol=1e-3)
            assert angle_between(one.wrist_rotation, other.wrist_rotation) < 0.5


@pytest.mark.parametrize('kind, most', [('one_euro', 0.006), ('kalman', 0.01)])
def test_filters_lag_little(kind, most):
    plain, smooth = (follow('right', 'plain', each) for each in ('none', kind))
    lag = [
        np.linalg.norm(a.keypoints_m - b.keypoints_m, axis=1).mean()
        for (_, a), (_, b) in zip(plain, smooth, strict=True)
        if a is not None and b is not None
    ]
    assert np.median(lag) < most
