"""Pictures of selfie cameras: flipped left to right before they reach the tracker."""

import numpy as np
import pytest
from fake_engine import DotEngine, paint, placed

from minimal_hand_core.tracking import CameraModel, Crop, HandTracker, HandTrackerConfig, KeypointDetector
from minimal_hand_core.tracking.mirrored import mirror_camera, mirror_crop, mirror_uv

K = [600, 0.7, 290.0, 0, 610, 251.0, 0, 0, 1]
LENSES = {
    'plain': CameraModel(640, 480, K, []),
    'plumb_bob': CameraModel(640, 480, K, [-0.15, 0.04, 0.003, -0.004, 0.01]),
    'rational': CameraModel(640, 480, K, [0.1, 0.02, 0.003, -0.004, 0.01, 0.2, 0.03, 0.01], 'rational_polynomial'),
    'prism and tilt': CameraModel(
        640,
        480,
        K,
        [0.1, 0.02, 0.003, -0.004, 0.01, 0.2, 0.03, 0.01, 0.002, -0.001, 0.003, 0.001, 0.02, -0.03],
        'rational_polynomial',
    ),
    'equidistant': CameraModel(640, 480, K, [0.02, -0.01, 0.003, 0.001], 'equidistant'),
}


@pytest.mark.parametrize('lens', LENSES)
def test_the_mirrored_camera_sees_the_mirrored_world(lens):
    camera = LENSES[lens]
    mirrored = mirror_camera(camera, 640)
    points = np.random.default_rng(0).uniform((-0.2, -0.15, 0.4), (0.2, 0.15, 0.8), (40, 3))
    assert np.allclose(mirrored.project(points * (-1, 1, 1)), mirror_uv(camera.project(points), 640), atol=1e-9)
    again = mirror_camera(mirrored, 640)
    assert np.allclose(again.k, camera.k) and np.array_equal(again.d, camera.d)


def test_a_mirrored_crop_shows_the_same():
    crop = Crop((123.4, 210.0), 90.0, 0.3)
    corners = mirror_uv(crop.corners(), 640)
    found = mirror_crop(crop, 640).corners()
    assert np.allclose(found[np.lexsort(found.T)], corners[np.lexsort(corners.T)])


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('lens', ['plain', 'plumb_bob'])
def test_a_flipped_picture_is_tracked_as_the_plain_one(side, lens):
    camera = LENSES[lens]
    flipped_camera = mirror_camera(camera, 640)
    config = HandTrackerConfig(side=side, hand_length=0.09)
    plain = HandTracker(config, DotEngine())
    flipped = HandTracker(HandTrackerConfig(side=side, hand_length=0.09, mirrored=True), DotEngine())
    states = 0
    for i in range(12):
        picture = paint(placed((300 + 6 * i, 230), 100, 0.05 * i, side))
        a = plain.track(picture, i / 30, camera)
        b = flipped.track(np.ascontiguousarray(picture[:, ::-1]), i / 30, flipped_camera)
        assert (a is None) == (b is None) and plain.score == flipped.score
        if a is None:
            continue
        states += 1
        assert a.side == b.side == side
        assert np.allclose(b.uv, mirror_uv(a.uv, 640), atol=1e-9)
        for name in ('keypoints_m', 'rotations', 'angles', 'betas', 'wrist_position', 'wrist_covariance'):
            assert np.allclose(getattr(a, name), getattr(b, name), atol=1e-9), name
    assert states > 8


def test_boxes_are_of_the_picture_as_received():
    picture = np.ascontiguousarray(paint(placed((100, 100), 30))[:, ::-1])
    config = HandTrackerConfig(mirrored=True, search_windows=1)
    engine = DotEngine()
    seeker = KeypointDetector(config, engine)
    seeker.suggest(Crop((540, 100), 120))
    found = seeker.detect(picture, 0.0)
    assert seeker.following and engine.batches == [1, 2]
    assert abs(found.crop.center[0] - 540) < 20


def test_a_selfie_right_hand_is_not_taken_for_a_left_one():
    picture = np.ascontiguousarray(paint(placed((320, 240), 110, side='right'))[:, ::-1])
    wrong = KeypointDetector(HandTrackerConfig(side='right'), DotEngine())
    right = KeypointDetector(HandTrackerConfig(side='right', mirrored=True), DotEngine())
    for i in range(10):
        wrong.detect(picture, i / 30)
        right.detect(picture, i / 30)
    assert right.following and not wrong.following
