"""A tracker's memory: taken up by another, it goes on exactly."""

import pickle

import numpy as np
import pytest
from fake_engine import DotEngine, paint, placed

from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.tracking import HandsDetector, HandTrackerConfig
from minimal_hand_core.tracking.memory import RecallError, recall, remember
from minimal_hand_core.tracking.tracker import HandSolver

SIZE = (240, 320)


def stages(sides=SIDES, **settings):
    config = HandTrackerConfig(**settings)
    solvers = {side: HandSolver(HandTrackerConfig(**{**settings, 'side': side})) for side in sides}
    return HandsDetector(config, DotEngine(), sides), solvers


def pictures():
    """A right hand that moves, goes, and comes back elsewhere."""
    for i in range(24):
        away = 10 <= i < 14
        yield paint(None if away else placed((140 + 3 * i + 60 * (i > 14), 120), 45), SIZE)


def track(detector, solvers, shown, first):
    found = []
    for i, picture in enumerate(shown, first):
        seen = detector.detect(picture, i / 30)
        found.append({side: solver.solve(seen[side], None) for side, solver in solvers.items()})
    return found


@pytest.mark.parametrize('kind', ['one_euro', 'kalman', 'none'])
def test_another_tracker_goes_on_exactly(kind):
    shown = list(pictures())
    whole = track(*stages(filter=kind), shown, 0)
    assert sum(any(hands.values()) for hands in whole) > 12
    for cut in (0, 1, 6, 12, 20):
        first = stages(filter=kind)
        track(*first, shown[:cut], 0)
        second = stages(filter=kind)
        recall(remember(*first), *second)
        for expected, found in zip(whole[cut:], track(*second, shown[cut:], cut)):
            for side in SIDES:
                assert (expected[side] is None) == (found[side] is None)
                if expected[side] is not None:
                    assert np.array_equal(expected[side].keypoints_m, found[side].keypoints_m)
                    assert np.array_equal(expected[side].betas, found[side].betas)
                    assert expected[side].score == found[side].score


def test_memory_is_small_and_its_own():
    first, second = stages(), stages()
    shown = list(pictures())
    track(*first, shown[:9], 0)
    memory = remember(*first)
    assert len(memory) < 60_000
    recall(memory, *second)
    again = remember(*second)
    track(*first, shown[9:], 9)
    assert remember(*second) == again, 'nothing is shared between the two'


def test_what_is_no_memory_is_refused_and_changes_nothing():
    first, second = stages(), stages(('right',))
    track(*first, list(pictures())[:5], 0)
    before = remember(*second)

    class Bad:
        def __reduce__(self):
            return (divmod, (7, 2))

    for memory, message in (
        (remember(*first), 'of another tracker'),
        (b'', 'cannot be read'),
        (remember(*second)[:-20], 'cannot be read'),
        (pickle.dumps(Bad()), 'builtins.divmod'),
        (pickle.dumps([1]), 'of another tracker'),
    ):
        with pytest.raises(RecallError, match=message):
            recall(memory, *second)
    assert remember(*second) == before
