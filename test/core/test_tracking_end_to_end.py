"""The tracker with the default weights on rendered pictures of a moving hand, which comes and goes."""

import numpy as np
import pytest

from minimal_hand_core.data.synthetic import RenderedScene
from minimal_hand_core.tracking import CameraModel, HandTracker, HandTrackerConfig

RATE = 15
ABSENT = ((0.0, 0.4), (2.0, 2.8))
SECONDS = 4.4


@pytest.fixture(scope='module', params=['right', 'left'])
def clip(request):
    """(truth or None, state or None, score, lost) of every picture."""
    scene = RenderedScene(seed=11, side=request.param, absent=ABSENT)
    height, width = scene.size
    camera = CameraModel(width, height, scene.intrinsics, [])
    hand_length = scene.truth(1.0).hand_length
    tracking = HandTracker(HandTrackerConfig(side=request.param, hand_length=hand_length))
    results = []
    for i in range(int(SECONDS * RATE)):
        picture, truth = scene.frame(i / RATE)
        state = tracking.track(picture, i / RATE, camera)
        results.append((truth, state, tracking.score, tracking.lost))
    return results


def test_no_pose_from_a_picture_without_a_hand(clip):
    empty = [(state, score, lost) for truth, state, score, lost in clip if truth is None]
    assert len(empty) > 10
    assert all(state is None for state, _, _ in empty)
    assert max(score for _, score, _ in empty) < 0.5
    assert empty[-1][2], 'lost after more than lost_timeout'


def test_the_hand_is_found_and_followed(clip):
    present = [state is not None for truth, state, _, _ in clip if truth is not None]
    assert np.mean(present) > 0.8


def test_keypoints_and_wrist_are_near_the_truth(clip):
    pairs = [(truth, state) for truth, state, _, _ in clip if truth is not None and state is not None]
    pixels = [
        np.linalg.norm(state.uv - truth.keypoints_px, axis=1).mean() / np.ptp(truth.keypoints_px, axis=0).max()
        for truth, state in pairs
    ]
    ranges = [abs(state.wrist_position[2] / truth.wrist[2] - 1) for truth, state in pairs]
    bearing = [np.linalg.norm((state.wrist_position - truth.wrist)[:2]) / truth.wrist[2] for truth, state in pairs]
    assert np.median(pixels) < 0.06
    assert np.median(ranges) < 0.12
    assert np.median(bearing) < 0.04
