"""The tracker as a whole, without ROS, and its filters."""

import itertools
import time

import pytest

from benchmarks.rows import TRACKER, TWO_THREADS
from minimal_hand_core.data.rendered import RenderedSource
from minimal_hand_core.inference import create_engine
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig
from minimal_hand_core.tracking.filters import Kalman, OneEuro

RATE = 30.0
PICTURES = 30


@pytest.fixture(scope='module')
def clip():
    """Pictures (480, 640, 3) of a moving hand, and their camera."""
    source = RenderedSource(rate=RATE)
    return [source.read().image for _ in range(PICTURES)], source.camera


def follow(benchmark, clip, threads):
    pictures, camera = clip
    engine = create_engine('auto', threads=threads)
    tracker = HandTracker(HandTrackerConfig(), engine)
    found = []
    counter = itertools.count()

    def track():
        i = next(counter)
        found.append(tracker.track(pictures[i % PICTURES], i / RATE, camera) is not None)

    for _ in range(PICTURES):
        track()
    benchmark(track)
    benchmark.extra_info['note'] = f'{engine.description}; hand found in {sum(found)} of {len(found)} pictures'


@pytest.mark.benchmark(group=TRACKER)
def test_ours_tracker(benchmark, clip):
    follow(benchmark, clip, 1)


@pytest.mark.benchmark(group=f'{TRACKER}, {TWO_THREADS}', timer=time.perf_counter)
def test_ours_tracker_two_threads(benchmark, clip, two_threads):
    follow(benchmark, clip, 2)


def steady(benchmark, rng, keep):
    points = rng.normal(size=(21, 3))
    frames = itertools.count()
    benchmark(lambda: keep(points, next(frames) / RATE))


@pytest.mark.benchmark(group='One-Euro filter, 21 keypoints')
def test_ours_one_euro(benchmark, rng):
    steady(benchmark, rng, OneEuro(min_cutoff=1.0, beta=5.0))


@pytest.mark.benchmark(group='Kalman filter, 21 keypoints')
def test_ours_kalman(benchmark, rng):
    steady(benchmark, rng, Kalman())
