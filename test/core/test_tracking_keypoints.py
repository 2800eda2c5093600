"""Finding, following and losing a hand."""

from dataclasses import replace

import numpy as np
import pytest
from fake_engine import HAND, DotEngine, paint, placed

from minimal_hand_core.tracking import CameraModel, Crop, DetectorConfig, KeypointDetector, Keypoints, NoHand
from minimal_hand_core.tracking.crop import PAD
from minimal_hand_core.tracking.gates import inconsistency
from minimal_hand_core.tracking.looking import Look, Looker
from minimal_hand_core.tracking.picture import PictureError
from minimal_hand_core.tracking.search import SearchPlan


def detector(**settings):
    engine = DotEngine()
    return KeypointDetector(DetectorConfig(**settings), engine), engine


def find(seeker, picture, frames=60, start=0.0):
    """Show the same picture until the hand is found; number of pictures it took, and the keypoints."""
    for i in range(frames):
        found = seeker.detect(picture, start + i / 30)
        if isinstance(found, Keypoints):
            return i + 1, found
    raise AssertionError('not found')


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize(
    'center, size, angle, within',
    [((320, 240), 110, 0.0, 2), ((330, 250), 150, 1.2, 4), ((120, 130), 55, -0.6, 30), ((540, 390), 40, 2.5, 40)],
)
def test_finds_a_hand_anywhere(side, center, size, angle, within):
    seeker, engine = detector(side=side)
    uv = placed(center, size, angle, side)
    pictures, found = find(seeker, paint(uv))
    assert pictures <= within
    assert max(engine.batches) <= 3
    assert found.side == side and found.score == pytest.approx(0.9)
    assert np.abs(found.uv - uv).max() < 0.03 * size
    mirror = (1, 1, 1) if side == 'right' else (-1, 1, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    truth = (HAND * mirror) @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    assert np.abs(found.xyz - truth).max() < 0.03


def test_the_other_hand_is_not_found():
    seeker, _ = detector(side='left')
    picture = paint(placed((320, 240), 110, side='right'))
    results = [seeker.detect(picture, i / 30) for i in range(40)]
    assert all(isinstance(result, NoHand) for result in results)


def test_no_hand_gives_a_low_score_at_bounded_cost():
    seeker, engine = detector(search_windows=2)
    for i in range(40):
        result = seeker.detect(paint(None), i / 30)
        assert isinstance(result, NoHand) and result.score < 0.1 and result.stamp == i / 30
        assert seeker.network_runs <= 4
    assert not seeker.following
    assert sum(engine.batches) <= 4 * 40


def test_follows_a_fast_hand_with_one_run_per_picture():
    seeker, _ = detector(check_side=False)
    _, found = find(seeker, paint(placed((150, 240), 60)))
    stamp = found.stamp
    for i in range(1, 15):
        stamp += 1 / 30
        # 20 pixels per picture, more with every one: a third of the hand's box at the end.
        uv = placed((150 + 5 * i + 1.5 * i * i, 240), 60, 0.03 * i)
        found = seeker.detect(paint(uv), stamp)
        assert isinstance(found, Keypoints)
        assert np.abs(found.uv - uv).max() < 2.5
        assert seeker.network_runs == 1


def test_a_hand_that_moves_as_expected_is_looked_at_closer() -> None:
    seeker = KeypointDetector(DetectorConfig(check_side=False), DotEngine())
    steps = [0] * 10 + [6] * 10 + [28] + [0] * 10
    x, widths = 200.0, []
    for i, step in enumerate(steps):
        x += step
        uv = placed((x, 240), 60)
        found = seeker.detect(paint(uv), i / 30)
        assert isinstance(found, Keypoints)
        widths.append(found.crop.side / np.ptp(uv, axis=0).max())
    assert widths[1] == pytest.approx(1.5, rel=0.01), 'its speed is yet to be known'
    assert widths[5:10] == pytest.approx([1.3] * 5, rel=0.01)
    assert 1.35 < widths[11] < 1.5 and widths[17] == pytest.approx(1.3, rel=0.01), 'it begins to move; it moves evenly'
    assert widths[21] > 1.45 and widths[-1] == pytest.approx(1.3, rel=0.01), 'it jumped'


def test_a_second_wider_look_keeps_a_hand_that_jumps():
    seeker, _ = detector(check_side=False)
    _, found = find(seeker, paint(placed((300, 240), 60)))
    found = seeker.detect(paint(placed((355, 275), 70)), found.stamp + 1 / 30)
    assert isinstance(found, Keypoints) and seeker.network_runs == 2


def test_loses_a_hand_and_finds_it_again_at_once_nearby():
    seeker, _ = detector(check_side=False)
    _, found = find(seeker, paint(placed((150, 150), 40)))
    stamp = found.stamp + 1 / 30
    assert isinstance(seeker.detect(paint(None), stamp), NoHand)
    assert seeker.network_runs == 2 and not seeker.following
    found = seeker.detect(paint(placed((165, 160), 40)), stamp + 1 / 30)
    assert isinstance(found, Keypoints)


@pytest.mark.parametrize('gap', [5.0, -5.0])
def test_after_a_gap_in_time_the_search_begins_where_the_hand_was(gap):
    seeker, engine = detector(search_windows=1)
    _, found = find(seeker, paint(placed((150, 150), 40)))
    engine.batches.clear()
    assert isinstance(seeker.detect(paint(placed((165, 160), 40)), found.stamp + gap), Keypoints)
    assert engine.batches == [1, 2]


def test_a_score_below_keep_loses_and_below_enter_does_not_find():
    seeker, engine = detector(enter_threshold=0.6, keep_threshold=0.3)
    picture = paint(placed((320, 240), 110))
    engine.score = 0.5
    assert isinstance(seeker.detect(picture, 0.0), NoHand)
    engine.score = 0.7
    _, found = find(seeker, picture, start=0.1)
    engine.score = 0.4
    assert isinstance(seeker.detect(picture, found.stamp + 0.1), Keypoints)
    engine.score = 0.2
    result = seeker.detect(picture, found.stamp + 0.2)
    assert isinstance(result, NoHand) and result.score == pytest.approx(0.2)


def test_a_suggested_place_is_looked_at_first():
    seeker, engine = detector(search_windows=1)
    uv = placed((560, 60), 30)
    seeker.suggest(Crop((565, 70), 120))
    assert isinstance(seeker.detect(paint(uv), 0.0), Keypoints)
    assert engine.batches == [1, 2]


def test_xyz_turns_from_the_view_into_the_camera():
    camera = CameraModel(640, 480, [500, 0, 320, 0, 500, 240, 0, 0, 1], [])
    uv = placed((520, 120), 50)
    first, second = detector()[0], detector()[0]
    for seeker in (first, second):
        seeker.suggest(Crop((520, 120), 160))
    plain = first.detect(paint(uv), 0.0)
    turned = second.detect(paint(uv), 0.0, camera)
    normal = np.cross(turned.xyz[5] - turned.xyz[0], turned.xyz[17] - turned.xyz[0])
    ray = np.array([(plain.crop.center[0] - 320) / 500, (plain.crop.center[1] - 240) / 500, 1])
    # Flat in the view: its normal is the ray through the crop's centre.
    assert np.linalg.norm(np.cross(normal, ray)) < 1e-4 * np.linalg.norm(normal) * np.linalg.norm(ray)
    assert np.allclose(np.linalg.norm(plain.xyz, axis=1), np.linalg.norm(turned.xyz, axis=1))


class Spy(DotEngine):
    """Keeps what it was shown."""

    def run(self, crops):
        self.shown = crops
        return super().run(crops)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_a_hidden_hand_is_painted_over_where_it_is_and_not_elsewhere(side):
    engine, picture = Spy(), np.full((480, 640, 3), 255, np.uint8)
    hand, crop = placed((250, 220), 40, 0.4), Crop((320, 240), 300)
    Looker(engine).look(picture, 0.0, [Look(crop, side)], [hand])
    painted = (engine.shown[0] == PAD).all(axis=2)
    middle, box = hand.mean(axis=0), np.ptp(hand, axis=0).max()

    def covered(uv):
        x, y = crop.to_crop(uv, mirror=side == 'left').round().astype(int).T
        return painted[y, x]

    assert covered(hand).all()
    outwards = (hand - middle) / np.linalg.norm(hand - middle, axis=1, keepdims=True)
    tips = [4, 8, 12, 16, 20]
    assert covered(hand[tips] + 0.06 * box * outwards[tips]).all(), 'flesh reaches beyond the keypoints'
    assert not covered(hand[tips] + 0.25 * box * outwards[tips]).any()
    assert not covered(hand * (-1, 1) + (2 * 320, 0)).any(), 'not its mirror image'


class Liar(DotEngine):
    """A sure network whose picture keypoints and xyz are of different hands."""

    def _see(self, crop):
        uv, xyz, confidence = super()._see(crop)
        return uv, xyz[::-1] * (1, -1, 1), confidence


def test_keypoints_that_contradict_xyz_are_no_hand():
    seeker = KeypointDetector(DetectorConfig(), Liar())
    picture = paint(placed((320, 240), 110))
    assert all(isinstance(seeker.detect(picture, i / 30), NoHand) for i in range(5))


class Wobbly(DotEngine):
    """A sure network whose xyz fits its picture keypoints as badly as is said."""

    misfit = 0.0

    def _see(self, crop):
        uv, xyz, confidence = super()._see(crop)
        if confidence[0] > 0.5:
            wobble = np.random.default_rng(1).normal(size=(21, 2)) * (1, 1)
            unit = inconsistency(uv, xyz + np.column_stack([0.01 * wobble, np.zeros(21)]), confidence) / 0.01
            xyz = xyz + np.column_stack([self.misfit / unit * wobble, np.zeros(21)])
        return uv, xyz, confidence


def test_a_followed_hand_may_contradict_itself_more_than_a_new_one():
    engine = Wobbly()
    seeker, picture = KeypointDetector(DetectorConfig(max_inconsistency=0.1), engine), paint(placed((320, 240), 110))
    engine.misfit = 0.09
    assert all(isinstance(seeker.detect(picture, i / 30), NoHand) for i in range(10))
    engine.misfit = 0.07
    _, found = find(seeker, picture, start=1.0)
    engine.misfit = 0.09
    assert isinstance(seeker.detect(picture, found.stamp + 0.03), Keypoints)
    engine.misfit = 0.11
    assert isinstance(seeker.detect(picture, found.stamp + 0.06), NoHand)


class Broken(DotEngine):
    """A network that answers NaN."""

    def _see(self, crop):
        return tuple(np.full_like(part, np.nan) for part in super()._see(crop))


def test_nan_is_no_hand():
    seeker = KeypointDetector(DetectorConfig(), Broken())
    result = seeker.detect(paint(placed((320, 240), 110)), 0.0)
    assert result == NoHand(0.0, 0.0)


def test_inconsistency_measures():
    uv = placed((300, 200), 80, 0.7)
    xyz = np.column_stack([uv / 37 + 4, np.zeros(21)])
    assert inconsistency(uv, xyz, np.ones(21)) < 1e-9
    assert inconsistency(uv, -xyz, np.ones(21)) == float('inf')
    assert inconsistency(uv, xyz * (1, -1, 1), np.ones(21)) > 0.2


def test_bad_pictures_are_refused_and_change_nothing():
    seeker, _ = detector()
    picture = paint(placed((320, 240), 110))
    find(seeker, picture)
    for bad in (np.zeros((0, 0, 3), np.uint8), picture.astype(np.uint16), picture[..., :2]):
        with pytest.raises(PictureError):
            seeker.detect(bad, 3.0)
    assert seeker.following
    assert isinstance(seeker.detect(picture, 3.1), Keypoints)


def test_a_tiny_picture_and_a_change_of_size_do_no_harm():
    seeker, _ = detector()
    for size in ((1, 1), (7, 400), (480, 640), (1080, 1920), (300, 40)):
        assert isinstance(seeker.detect(paint(None, size), 0.0), NoHand)
    find(seeker, paint(placed((320, 240), 110)))
    assert seeker.detect(np.zeros((9, 9), np.uint8), 1.0).score < 0.1


@pytest.mark.parametrize('size', [(640, 480), (480, 640), (1920, 1080), (100, 100), (3, 200)])
def test_search_windows_cover_the_picture_centre_first(size):
    plan = SearchPlan(*size)
    middle = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    assert plan.windows[0].center == pytest.approx(middle)
    y, x = np.mgrid[0 : size[1] : 5, 0 : size[0] : 5]
    for side in {round(window.side, 6) for window in plan.windows}:
        boxes = [window for window in plan.windows if round(window.side, 6) == side]
        near = [(abs(x - w.center[0]) <= w.side / 2) & (abs(y - w.center[1]) <= w.side / 2) for w in boxes]
        assert np.any(near, axis=0).all() or side >= min(size)
    upside_down = {replace(window, angle=np.pi) for window in plan.windows}
    for count in (1, 3):
        plan.restart()
        assert {window for _ in range(400) for window in plan.take(count)} == set(plan.windows) | upside_down
        plan.restart()
        assert all(plan.take(count)[0].angle == 0.0 for _ in range(2))


@pytest.mark.parametrize(
    'settings, said',
    [
        ({'side': 'both'}, "side is 'both'.*right, left"),
        ({'enter_threshold': 1.5}, 'enter_threshold is 1.5.*0…1'),
        ({'enter_threshold': 0.3, 'keep_threshold': 0.4}, 'keep_threshold is 0.4.*enter_threshold'),
        ({'search_windows': 0}, 'search_windows is 0'),
        ({'min_crop_side': float('nan')}, 'min_crop_side is nan'),
        ({'weights': ''}, "weights is ''"),
    ],
)
def test_bad_settings_are_named(settings, said):
    with pytest.raises(ValueError, match=said):
        DetectorConfig(**settings)


def test_settings_change_while_running():
    seeker, engine = detector()
    picture = paint(placed((320, 240), 110))
    _, found = find(seeker, picture)
    engine.score = 0.6
    seeker.reconfigure(DetectorConfig(enter_threshold=0.9, keep_threshold=0.5))
    assert isinstance(seeker.detect(picture, found.stamp + 0.03), Keypoints), 'still the same hand'
    seeker.reconfigure(DetectorConfig(enter_threshold=0.9, keep_threshold=0.8))
    assert isinstance(seeker.detect(picture, found.stamp + 0.06), NoHand)
    for settings in ({'side': 'left'}, {'backend': 'torch'}, {'weights': 'x.onnx'}, {'threads': 2}):
        with pytest.raises(ValueError, match=f'{next(iter(settings))} cannot change'):
            seeker.reconfigure(DetectorConfig(**settings))
    assert seeker.config.keep_threshold == 0.8


def test_the_place_of_a_lost_hand_is_looked_at_for_a_while():
    seeker, engine = detector(search_windows=2)
    _, found = find(seeker, paint(placed((560, 60), 30)), frames=200)
    for i in range(1, 10):
        assert isinstance(seeker.detect(paint(None), found.stamp + i / 30), NoHand)
    back = seeker.detect(paint(placed((566, 64), 30)), found.stamp + 10 / 30)
    assert isinstance(back, Keypoints)


def test_crops_of_hands_at_the_border_are_padded():
    seeker, _ = detector()
    _, found = find(seeker, paint(placed((320, 240), 90)))
    stamp, last = found.stamp, 0
    for i in range(1, 60):
        stamp += 1 / 30
        uv = placed((320 - 6 * i, 240 - 2 * i), 90)
        if isinstance(seeker.detect(paint(uv), stamp), Keypoints):
            last = (uv >= 0).all(axis=1).mean()
    assert last < 0.9, 'followed until it was partly beyond the border'
    assert not seeker.following
