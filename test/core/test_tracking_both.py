"""Two hands in one picture: found, kept apart, and each of its own side."""

import math

import numpy as np
import pytest
from fake_engine import DotEngine, paint, placed
from two_hands import TwoHands

from minimal_hand_core.inference import EngineOutput, create_engine
from minimal_hand_core.tracking import (
    BothHandsTracker,
    CameraModel,
    Crop,
    DetectorConfig,
    HandsDetector,
    HandTrackerConfig,
    KeypointDetector,
    Keypoints,
)
from minimal_hand_core.tracking.gates import same_place
from minimal_hand_core.tracking.mirrored import mirror_camera
from minimal_hand_core.tracking.track import CHECKS_AT_START, Track

CAMERA = CameraModel(640, 480, [600, 0, 319.5, 0, 600, 239.5, 0, 0, 1], [])
SIDES = ('right', 'left')


def two(right, left, size=60):
    """Picture with the dots of a right and a left hand, each (x, y) or None."""
    picture = paint(None)
    for side, place in (('right', right), ('left', left)):
        if place is not None:
            dots = paint(placed(place, size, side=side))
            covered = (dots != 90).any(axis=2)
            picture[covered] = dots[covered]
    return picture


class NearestHand(DotEngine):
    """Sees the dots nearest to the middle of the crop, so that another hand at its border does not disturb."""

    def _see(self, crop):
        y, x = np.mgrid[:128, :128]
        near = crop.copy()
        near[np.hypot(x - 63.5, y - 63.5) > 62] = 90
        return super()._see(near)


def both(engine=None, **settings):
    return HandsDetector(DetectorConfig(**settings), engine or NearestHand(), SIDES)


def run(detector, picture, pictures, start=0.0):
    for i in range(pictures):
        found = detector.detect(picture, start + i / 30)
    return found


def test_two_hands_are_found_and_told_apart():
    detector = both()
    right, left = placed((170, 240), 60), placed((470, 240), 60, side='left')
    found = run(detector, two((170, 240), (470, 240)), 40)
    assert set(detector.following) == set(SIDES)
    assert found['right'].side == 'right' and np.abs(found['right'].uv - right).max() < 3
    assert found['left'].side == 'left' and np.abs(found['left'].uv - left).max() < 3


def test_the_cost_of_a_picture_is_bounded():
    engine = NearestHand()
    detector = both(engine, search_windows=3)
    for i in range(30):
        hands = [None, (170, 240)][i > 6], [None, (470, 240)][i > 16]
        detector.detect(two(*hands), i / 30)
        assert detector.network_runs <= 6
    run(detector, two((170, 240), (470, 240)), 20, 1.0)
    runs = []
    for i in range(60, 75):
        detector.detect(two((170, 240), (470, 240)), i / 30)
        runs.append(detector.network_runs)
    assert min(runs) == 2 and max(runs) <= 4 and np.mean(runs) < 2.5


def test_one_hand_is_one_hand():
    for side, place in (('right', (170, 240)), ('left', (470, 240))):
        detector = both()
        hands = (place, None) if side == 'right' else (None, place)
        found = run(detector, two(*hands), 30)
        assert detector.following == (side,)
        other = 'left' if side == 'right' else 'right'
        assert found[other].score < 0.1


def test_each_hand_is_lost_and_found_by_itself():
    detector = both()
    run(detector, two((170, 240), (470, 240)), 40)
    run(detector, two((170, 240), None), 3, 2.0)
    assert detector.following == ('right',)
    run(detector, two((170, 240), (470, 240)), 3, 2.2)
    assert set(detector.following) == set(SIDES)


class Sideless(NearestHand):
    """Takes every hand for one of either side, but prefers the true one by a little, as real weights do."""

    preference = 0.06

    def run(self, crops):
        true, flipped = super().run(crops), super().run(np.ascontiguousarray(crops[:, :, ::-1]))
        flipped.uv[..., 0] = 127 - flipped.uv[..., 0]
        flipped.xyz[..., 0] *= -1
        use = (true.confidence.mean(axis=1) >= 0.5)[:, None]
        return EngineOutput(
            np.where(use[..., None], true.uv, flipped.uv),
            np.where(use[..., None], true.xyz, flipped.xyz),
            np.where(use, true.confidence, flipped.confidence - self.preference * (flipped.confidence > 0.5)),
        )


def test_a_network_that_hardly_knows_sides_still_keeps_them():
    detector = both(Sideless())
    found = run(detector, two((170, 240), (470, 240)), 40)
    assert found['right'].uv[0, 0] < 320 < found['left'].uv[0, 0]
    single = KeypointDetector(DetectorConfig(side='left'), Sideless())
    picture = two((170, 240), None)
    assert not any(isinstance(single.detect(picture, i / 30), Keypoints) for i in range(40))
    careless = KeypointDetector(DetectorConfig(side='left', check_side=False), Sideless())
    assert any(isinstance(careless.detect(picture, i / 30), Keypoints) for i in range(40))


def test_the_other_hand_is_let_go_when_it_looks_so_again_and_again():
    engine = Sideless()
    detector = KeypointDetector(DetectorConfig(side='left', search_windows=1), engine)
    picture, stamps = two((320, 240), None, 110), iter(np.arange(100) / 30)

    def seen(pictures):
        found = []
        for _ in range(pictures):
            detector.suggest(Crop((320, 240), 400))
            found.append(isinstance(detector.detect(picture, next(stamps)), Keypoints))
        return found

    engine.preference = 0.02
    assert all(seen(9)), 'by so little either side may score higher'
    detector.reset()
    engine.preference = 0.045
    assert seen(1) == [True], 'one picture is no proof'
    assert seen(8)[-1] is False
    now = next(stamps)
    stamps = iter(now + np.array([0.4, 0.8, 1.2, 1.6, 2.05, 2.5]))
    assert not any(seen(4)), 'nor is it taken for one again at once'
    assert any(seen(2))


def test_a_hand_that_turns_out_to_be_of_the_other_side_changes_it_once():
    engine = Sideless()
    detector = both(engine, search_windows=1)
    picture = two((320, 240), None, 110)
    run(detector, picture, 2)
    assert detector.following == ('right',)
    engine.preference = -0.09  # the network has thought better of it
    sides = []
    for i in range(2, 30):
        detector.detect(picture, i / 30)
        sides += detector.following
    assert sides[-1] == 'left' and len(sides) == 28
    assert sides == sorted(sides, reverse=True), 'right, then left for good'


def test_the_look_at_the_other_side_can_wait_until_the_answer_is_out():
    picture = two((170, 240), None)
    now, later = (HandsDetector(DetectorConfig(), DotEngine(), ['right']) for _ in range(2))
    runs = []
    for i in range(25):
        expected = now.detect(picture, i / 30)['right']
        found = later.detect(picture, i / 30, defer=True)['right']
        assert isinstance(found, Keypoints) == isinstance(expected, Keypoints)
        if isinstance(found, Keypoints):
            np.testing.assert_array_equal(found.uv, expected.uv)
        before = later.network_runs
        later.check_sides()
        assert later.network_runs == now.network_runs, 'the same looks, some of them later'
        runs.append(later.network_runs - before)
        later.check_sides()
        assert later.network_runs == now.network_runs, 'only once'
    assert max(runs) == 1 and 5 <= sum(runs) < 10


def test_what_a_late_look_finds_counts_in_the_next_picture():
    picture, detector = two((170, 240), None), both(Sideless())
    for i in range(10):
        detector.detect(picture, i / 30, defer=True)
        detector.check_sides()
    assert detector.following == ('right',)
    detector.detect(picture, 10 / 30, defer=True)
    while not detector._tracks['right'].wrong_side:  # as looks at the other side would have it
        detector._tracks['right'].weigh(-0.5)
    assert detector.following == ('right',)
    found = detector.detect(picture, 11 / 30, defer=True)
    assert isinstance(found['left'], Keypoints) and not isinstance(found['right'], Keypoints)
    assert detector.following == ('left',)


def test_hands_that_cross_keep_their_sides():
    detector = both(Sideless())
    run(detector, two((150, 240), (490, 240)), 40)
    sides = []
    for i in range(40):
        x = 150 + 340 * i / 39
        found = detector.detect(two((x, 240), (640 - x, 240)), 2 + i / 30)
        for side, middle in (('right', x), ('left', 640 - x)):
            if isinstance(found[side], Keypoints) and abs(2 * x - 640) > 150:
                box = found[side].uv[:, 0]
                sides.append(abs((box.min() + box.max()) / 2 - middle) < 40)
    assert len(sides) > 20 and all(sides)


def test_a_box_moves_the_tracker_to_another_hand():
    engine = NearestHand()
    detector = KeypointDetector(DetectorConfig(search_windows=1), engine)
    picture = two((170, 240), None)
    other = paint(placed((470, 240), 60))
    covered = (other != 90).any(axis=2)
    picture[covered] = other[covered]
    detector.suggest(Crop((170, 240), 260))
    found = run(detector, picture, 20)
    assert found.uv[0, 0] < 320
    detector.suggest(Crop((175, 245), 240))  # round the hand that is followed
    assert detector.detect(picture, 1.0).uv[0, 0] < 320 and detector.network_runs <= 2
    detector.suggest(Crop((320, 60), 100))  # shows nothing
    assert detector.detect(picture, 1.03).uv[0, 0] < 320
    detector.suggest(Crop((5000, 60), 100))  # beyond the picture
    assert detector.detect(picture, 1.06).uv[0, 0] < 320
    detector.suggest(Crop((470, 240), 260))
    assert detector.detect(picture, 1.7).uv[0, 0] < 320, 'a box of long ago'
    detector.suggest(Crop((470, 240), 260))
    assert detector.detect(picture, 1.73).uv[0, 0] > 320
    assert detector.detect(picture, 1.76).uv[0, 0] > 320


@pytest.mark.parametrize('side', SIDES)
@pytest.mark.parametrize('every', [True, False])
def test_a_box_is_looked_at_as_either_hand(side, every):
    detector = both(search_windows=1)
    place = (320, 240)
    picture = two(*((place, None) if side == 'right' else (None, place)), size=30)
    for i in range(3):
        if every or i == 0:
            detector.suggest(Crop(place, 120))
        found = detector.detect(picture, i / 30)
        assert isinstance(found[side], Keypoints) and detector.following == (side,)


def test_boxes_that_show_nothing_do_not_keep_the_search_to_one_side():
    for side in SIDES:
        detector = both()
        picture = two(*(((170, 240), None) if side == 'right' else (None, (170, 240))))
        for i in range(30):
            detector.suggest(Crop((600, 440), 40))
            found = detector.detect(picture, i / 30)
        assert isinstance(found[side], Keypoints)


def test_pictures_stamped_at_once_say_nothing_of_a_velocity():
    stamps = [i / 30 for i in range(16)]
    stamps[6] = stamps[5] + 0.0005
    track = None
    for i, stamp in enumerate(stamps):
        uv = placed((100 + 10 * i, 240), 50)
        found = Keypoints('right', stamp, 0.95, uv, np.zeros((21, 3)), np.full(21, 0.9))
        if track is None:
            track = Track(found)
            continue
        if i > 3:
            seen = track.crop_at(stamp)
            assert math.dist(seen.center, (uv.min(axis=0) + uv.max(axis=0)) / 2) < 0.15 * seen.side
        track.take(found)


def test_the_side_is_judged_by_many_pictures():
    found = Keypoints('right', 0.0, 0.9, placed((100, 100), 50), np.zeros((21, 3)), np.full(21, 0.9), Crop((0, 0), 99))
    track = Track(found, 0.02)
    for _ in range(CHECKS_AT_START - 1):
        track.weigh(-0.2)
    assert not track.wrong_side, 'too few'
    track.weigh(-0.2)
    assert track.wrong_side
    sure = Track(found, 0.1)
    for _ in range(40):
        sure.weigh(0.1)
    for _ in range(10):
        sure.weigh(-0.1)
    assert not sure.wrong_side


def test_a_track_of_the_other_side_keeps_its_evidence_and_gets_room():
    places = [placed((100 + 3 * i, 100), 50) for i in range(12)]
    hands = [Keypoints('right', i / 30, 0.9, uv, np.zeros((21, 3)), np.full(21, 0.9)) for i, uv in enumerate(places)]
    track = Track(hands[0], -0.1)
    for found in hands[1:]:
        track.take(found)
        track.weigh(-0.1)
    assert track.wrong_side
    close = track.crop_at(hands[-1].stamp).side
    track.change_side(hands[-1])
    assert not track.wrong_side
    assert track.crop_at(hands[-1].stamp).side > 1.1 * close, 'as the other hand it may be elsewhere'
    for _ in range(5):
        track.weigh(-0.1)
    assert not track.wrong_side, 'what spoke for this side still counts'


def test_old_looks_at_the_other_side_are_forgotten():
    found = Keypoints('right', 0.0, 0.9, placed((100, 100), 50), np.zeros((21, 3)), np.full(21, 0.9), Crop((0, 0), 99))
    track = Track(found, 0.1)
    for margin in [0.1] * 1000 + [-0.1] * 60:
        track.weigh(margin)
    assert track.wrong_side


def test_same_place():
    hand = placed((300, 200), 80)
    assert same_place(hand, hand + 10) and same_place(hand, placed((305, 205), 70, 0.5))
    assert not same_place(hand, hand + (150, 0)) and not same_place(hand, placed((390, 200), 20))


def test_both_hands_become_metric_states():
    tracker = BothHandsTracker(HandTrackerConfig(hand_length=0.09), NearestHand())
    picture = two((170, 240), (470, 240))
    for i in range(40):
        states = tracker.track(picture, i / 30, CAMERA)
    assert states['right'].side == 'right' and states['left'].side == 'left'
    assert states['right'].wrist_position[0] < 0 < states['left'].wrist_position[0]
    assert tracker.mesh(states['left']).shape == tracker.mesh(states['right']).shape
    assert set(tracker.timings) == {'crop', 'network', 'decode', 'shape', 'pose', 'total'}
    assert tracker.scores == {'right': pytest.approx(0.9), 'left': pytest.approx(0.9)}
    for i in range(40, 60):
        states = tracker.track(two((170, 240), None), i / 30, CAMERA)
    assert states['left'] is None and states['right'] is not None
    assert tracker.lost == {'right': False, 'left': True}
    tracker.reset()
    assert tracker.lost == {'right': True, 'left': True}


def test_both_hands_of_a_selfie_camera_keep_their_sides():
    engines = NearestHand(), NearestHand()
    plain = BothHandsTracker(HandTrackerConfig(hand_length=0.09), engines[0])
    selfie = BothHandsTracker(HandTrackerConfig(hand_length=0.09, mirrored=True), engines[1])
    picture = two((170, 240), (470, 240))
    for i in range(40):
        expected = plain.track(picture, i / 30, CAMERA)
        found = selfie.track(np.ascontiguousarray(picture[:, ::-1]), i / 30, mirror_camera(CAMERA, 640))
    for side, column in (('right', 639 - 170), ('left', 639 - 470)):
        assert found[side].side == side
        assert abs(np.ptp(found[side].uv[:, 0]) / 2 + found[side].uv[:, 0].min() - column) < 20
        for name in ('keypoints_m', 'rotations', 'wrist_position'):
            assert np.allclose(getattr(found[side], name), getattr(expected[side], name), atol=1e-9), name


def test_bad_sides_are_named():
    for sides in ((), ('right', 'right'), ('both',)):
        with pytest.raises(ValueError, match='sides are'):
            HandsDetector(DetectorConfig(), NearestHand(), sides)


@pytest.fixture(scope='module')
def crossing():
    """Rendered hands that cross, the right one before the left one, and what the default network tracks of them."""
    paths = {
        'right': lambda t: (-0.15 + min(0.1 * t, 0.3), 0.08, 0.5),
        'left': lambda t: (0.15 - min(0.1 * t, 0.3), 0.06, 0.5),
    }
    scene = TwoHands(paths, seed=1, start=3.0)
    detector = HandsDetector(DetectorConfig(), create_engine('onnxruntime'), SIDES)
    results = []
    for i in range(34):
        picture, truths = scene.frame(i / 8)
        results.append((truths, detector.detect(picture, i / 8), detector.network_runs))
    return results


def test_rendered_hands_that_cross_are_never_swapped(crossing):
    right_place, seen = [], {side: [] for side in SIDES}
    for truths, found, _ in crossing:
        for side in SIDES:
            hand = found[side]
            seen[side].append(isinstance(hand, Keypoints))
            if not isinstance(hand, Keypoints):
                continue
            error = {
                each: np.linalg.norm(hand.uv - truth.keypoints_px, axis=1).mean() for each, truth in truths.items()
            }
            box = np.ptp(truths[side].keypoints_px, axis=0).max()
            apart = np.linalg.norm(truths['right'].wrist - truths['left'].wrist) > 0.08
            if apart:
                right_place.append(error[side] < 0.25 * box)
    assert np.mean(right_place) > 0.95
    assert np.mean(seen['right']) > 0.85 and np.mean(seen['left']) > 0.5
    assert all(seen['left'][-8:]), 'the hand that was covered is found again'


def test_rendered_hands_cost_little(crossing):
    runs = [count for _, _, count in crossing]
    assert max(runs) <= 7 and np.median(runs) <= 4
