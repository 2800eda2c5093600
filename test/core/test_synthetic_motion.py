"""The scripted hand and the camera in front of it."""

import numpy as np
import pytest
import torch

from minimal_hand_core.data.synthetic import HandMotion, RenderedScene
from minimal_hand_core.data.synthetic.motion import GESTURES
from minimal_hand_core.data.synthetic.poses import PALM_VIEW
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.pose.angles import ANATOMICAL_LIMITS

SMALL = (120, 160)


@pytest.fixture(scope='module')
def scene() -> RenderedScene:
    return RenderedScene(seed=1, size=SMALL)


def test_motion_is_periodic_smooth_and_calm() -> None:
    motion = HandMotion(seed=2)
    times = np.arange(0, motion.period, 1 / 30)
    states = [motion.at(t) for t in times]
    again = motion.at(times[7] + motion.period)
    np.testing.assert_allclose(again.rotations, states[7].rotations, atol=1e-9)
    np.testing.assert_allclose(again.wrist, states[7].wrist, atol=1e-9)
    wrists = np.stack([s.wrist for s in states + [motion.at(motion.period)]])
    assert np.linalg.norm(np.diff(wrists, axis=0), axis=1).max() * 30 < 0.5  # m/s
    angles = np.stack([s.angles for s in states + [motion.at(motion.period)]])
    assert np.abs(np.diff(angles, axis=0)).max() < np.radians(15)
    assert np.ptp(angles, axis=0).max() > np.radians(60)  # it does open and close


def test_motion_stays_in_front_of_the_camera_and_within_limits() -> None:
    low, high = ANATOMICAL_LIMITS.T
    for seed in range(4):
        motion = HandMotion(seed)
        for t in np.linspace(0, motion.period, 40, endpoint=False):
            state = motion.at(t)
            assert 0.35 <= state.wrist[2] <= 0.6
            assert (state.angles >= low - 1e-9).all()
            assert (state.angles <= high + 1e-9).all()
            # The palm's direction stays within about 60° of the camera.
            palm = state.rotations[0] @ PALM_VIEW.T
            assert palm[2, 2] > np.cos(np.radians(62))
            np.testing.assert_allclose(np.linalg.det(state.rotations), 1, atol=1e-9)


def test_gestures_are_within_limits() -> None:
    low, high = np.degrees(ANATOMICAL_LIMITS).T
    for name, pose in GESTURES.items():
        angles = np.array(pose, float).reshape(20)
        assert (angles >= low).all() and (angles <= high).all(), name


def test_frames_depend_on_the_time_alone(scene: RenderedScene) -> None:
    first, _ = scene.frame(1.25)
    scene.frame(7.0)
    np.testing.assert_array_equal(first, scene.frame(1.25)[0])
    np.testing.assert_array_equal(first, RenderedScene(seed=1, size=SMALL).frame(1.25)[0])
    assert (first != scene.frame(1.3)[0]).any()


@pytest.mark.parametrize('side', ['right', 'left'])
def test_truth_is_the_hand_models(side: str) -> None:
    scene = RenderedScene(seed=0, size=SMALL, side=side)
    model = load_hand_model('open', side)
    for t in (0.0, 3.3, 12.0):
        image, truth = scene.frame(t)
        assert truth is not None
        assert image.shape == (*SMALL, 3)
        assert truth.side == side
        out = model(
            torch.tensor(truth.rotations, dtype=torch.float32)[None],
            torch.tensor(truth.betas, dtype=torch.float32)[None],
        )
        keypoints = out.keypoints[0].detach().numpy()
        np.testing.assert_allclose(truth.keypoints_m - truth.keypoints_m[0], keypoints - keypoints[0], atol=1e-5)
        np.testing.assert_allclose(truth.keypoints_m[0], truth.wrist, atol=1e-5)
        np.testing.assert_allclose(np.linalg.det(truth.rotations), 1, atol=1e-9)
        length = np.linalg.norm(truth.keypoints_m[9] - truth.keypoints_m[0])
        assert truth.hand_length == pytest.approx(length)
        pixels = truth.keypoints_m @ truth.intrinsics.T
        np.testing.assert_allclose(truth.keypoints_px, pixels[:, :2] / pixels[:, 2:])


def test_left_pictures_mirror_right_ones() -> None:
    right, left = RenderedScene(3, SMALL, noise=0), RenderedScene(3, SMALL, noise=0, side='left')
    image, truth = right.frame(2.0)
    mirrored, other = left.frame(2.0)
    np.testing.assert_array_equal(image[:, ::-1], mirrored)
    assert truth is not None and other is not None
    np.testing.assert_allclose(other.keypoints_px[:, 0], SMALL[1] - 1 - truth.keypoints_px[:, 0])


def test_the_hand_is_where_the_truth_says(scene: RenderedScene) -> None:
    empty = RenderedScene(seed=1, size=SMALL, absent=[(0, 1e9)])
    background, nothing = empty.frame(4.0)
    assert nothing is None
    image, truth = scene.frame(4.0)
    assert truth is not None
    changed = np.abs(image.astype(int) - background).max(axis=2) > 12
    xy = np.round(truth.keypoints_px).astype(int)
    inside = ((xy >= 0) & (xy < (SMALL[1], SMALL[0]))).all(axis=1)
    assert inside.sum() >= 18
    assert changed[xy[inside, 1], xy[inside, 0]].mean() > 0.8


def test_the_hand_is_absent_when_asked() -> None:
    scene = RenderedScene(seed=0, size=SMALL, absent=[(1.0, 2.0)])
    assert scene.frame(0.9)[1] is not None
    assert scene.frame(1.0)[1] is None
    assert scene.frame(1.99)[1] is None
    assert scene.frame(2.0)[1] is not None


@pytest.mark.parametrize(
    'options',
    [
        {'size': (10, 10)},
        {'side': 'both'},
        {'absent': [(2, 1)]},
        {'background': np.zeros((5, 5, 3), np.uint8)},
    ],
)
def test_bad_scenes_are_named(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        RenderedScene(seed=0, **options)


@pytest.mark.parametrize('options', [{'period': 0.0}, {'distance': (0.5, 0.3)}])
def test_bad_motion_is_named(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        HandMotion(seed=0, **options)
