"""The tracker as a whole, without ROS, and its filter."""

import itertools

import pytest

from minimal_hand_core.data.synthetic import RenderedScene
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig
from minimal_hand_core.tracking.filters import OneEuro

RATE = 30.0
PICTURES = 30


@pytest.mark.benchmark(group='tracker without ROS, one 640×480 picture')
def test_ours_tracker(benchmark):
    scene = RenderedScene()
    pictures = [scene.frame(i / RATE)[0] for i in range(PICTURES)]
    assert pictures[0].shape == (480, 640, 3)
    tracker = HandTracker(HandTrackerConfig())
    found = []
    counter = itertools.count()

    def track():
        i = next(counter)
        found.append(tracker.track(pictures[i % PICTURES], i / RATE) is not None)

    for _ in range(PICTURES):
        track()
    benchmark(track)
    benchmark.extra_info['note'] = f'hand found in {sum(found)} of {len(found)} pictures'


@pytest.mark.benchmark(group='One-Euro filter, 21 keypoints')
def test_ours_one_euro(benchmark, rng):
    keep = OneEuro(min_cutoff=1.0, beta=5.0)
    points = rng.normal(size=(21, 3))
    frames = itertools.count()
    benchmark(lambda: keep(points, next(frames) / RATE))
