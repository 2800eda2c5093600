"""Camera geometry: pixels ↔ rays, and the view along a crop."""

import numpy as np
import pytest

from minimal_hand_core.tracking.camera import CameraError, CameraModel, Readout, view_rotation
from minimal_hand_core.tracking.wrist import place_hand

K = [600.0, 0, 318.0, 0, 610.0, 243.0, 0, 0, 1]
LENSES = [
    ('', ()),
    ('plumb_bob', (0.12, -0.25, 0.001, -0.002, 0.08)),
    ('plumb_bob', (-0.28, 0.07, 0.0, 0.0)),
    ('rational_polynomial', (0.4, -0.1, 0.001, 0.0005, 0.02, 0.7, -0.05, 0.01)),
    ('equidistant', (-0.01, 0.02, -0.01, 0.002)),
    ('equidistant', ()),
]


@pytest.mark.parametrize('model, d', LENSES)
def test_normalize_inverts_project(model, d):
    camera = CameraModel.from_info(640, 480, K, d, model)
    rng = np.random.default_rng(0)
    points = rng.uniform((-0.35, -0.3, 0.8), (0.35, 0.3, 1.5), (200, 3))
    rays = points[:, :2] / points[:, 2:]
    assert np.allclose(camera.normalize(camera.project(points)), rays, atol=1e-6)


def test_project_is_the_pinhole_without_distortion():
    camera = CameraModel(640, 480, K, [])
    assert np.allclose(camera.project([[0.1, -0.2, 2.0]]), [[318 + 600 * 0.05, 243 - 610 * 0.1]])
    assert camera.focal == pytest.approx(np.sqrt(600 * 610))


def test_what_no_ray_reaches_is_nan():
    barrel = CameraModel(640, 480, K, [-0.4, 0.0, 0.0, 0.0])
    assert np.isnan(barrel.normalize([[5000.0, 4000.0]])).all()
    assert np.isnan(barrel.project([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]])).all()
    fish = CameraModel(640, 480, K, [0, 0, 0, 0], 'equidistant')
    assert np.isnan(fish.normalize([[318 + 600 * 1.6, 243]])).all()


def test_wide_equidistant_rays():
    fish = CameraModel(640, 480, [200, 0, 320, 0, 200, 240, 0, 0, 1], [0.01, -0.005, 0.0, 0.0], 'fisheye')
    angles = np.radians([0, 20, 50, 75])
    points = np.column_stack([np.sin(angles), np.zeros(4), np.cos(angles)])
    assert np.allclose(fish.normalize(fish.project(points))[:, 0], np.tan(angles), rtol=1e-6)


@pytest.mark.parametrize(
    ('d', 'widest'),
    [((0.111, 0.192, -0.07, -0.005), 84), ((0.204, 0.015, -0.007, -0.012), 82), ((0.3, -0.5, 0.6, -0.2), 76)],
)
def test_equidistant_lenses_are_inverted_as_far_as_they_can_be(d, widest):
    fish = CameraModel(640, 480, [300, 0, 320, 0, 300, 240, 0, 0, 1], d, 'equidistant')
    angles = np.radians(np.arange(0, widest, 2))
    points = np.column_stack([np.sin(angles), np.zeros(len(angles)), np.cos(angles)])
    assert np.allclose(fish.normalize(fish.project(points))[:, 0], np.tan(angles), rtol=1e-5)


def test_no_calibration_is_no_camera():
    assert CameraModel.from_info(640, 480, [0.0] * 9) is None


@pytest.mark.parametrize(
    'change, said',
    [
        ({'k': [np.nan] * 9}, 'finite'),
        ({'k': [0, 0, 3, 0, 600, 3, 0, 0, 1]}, 'focal'),
        ({'k': [-600, 0, 3, 0, 600, 3, 0, 0, 1]}, 'focal'),
        ({'k': [600, 0, 3, 0, 600, 3, 0, 0, 2]}, 'camera matrix'),
        ({'k': [600, 0, 3]}, '3 values'),
        ({'d': [np.inf, 0, 0, 0]}, 'finite'),
        ({'d': [0.1]}, '1 distortion coefficients'),
        ({'distortion_model': 'fancy'}, "'fancy'.*plumb_bob"),
        ({'width': -1}, '-1'),
    ],
)
def test_bad_intrinsics_are_named(change, said):
    with pytest.raises(CameraError, match=said):
        CameraModel.from_info(**{'width': 640, 'height': 480, 'k': K, 'd': [], **change})


def test_pictures_of_another_size_are_refused():
    camera = CameraModel(640, 480, K, [])
    camera.check_size(640, 480)
    with pytest.raises(CameraError, match='320×240.*640×480'):
        camera.check_size(320, 240)
    CameraModel(0, 0, K, []).check_size(320, 240)
    assert camera.size_mismatch(640, 480) == CameraModel(0, 0, K, []).size_mismatch(320, 240) == ''
    assert camera.size_mismatch(320, 240) == 'picture is 320×240, its intrinsics are for 640×480'


def test_view_rotation_is_proper_and_points_along_the_ray():
    for ray in np.random.default_rng(0).normal(size=(20, 2)):
        rotation = view_rotation(ray)
        direction = np.array([*ray, 1.0])
        assert np.allclose(rotation @ (0, 0, 1), direction / np.linalg.norm(direction))
        assert np.allclose(rotation @ rotation.T, np.eye(3)) and np.linalg.det(rotation) > 0
        # The smallest one: its axis is at right angles to the optical axis.
        assert rotation[0, 1] == pytest.approx(rotation[1, 0])


STRONG = [
    ('plumb_bob', (-0.35, 0.12, 0.002, -0.001, -0.02), 400.0),
    ('plumb_bob', (0.25, 0.1, 0.003, 0.002, 0.0), 500.0),
    ('rational_polynomial', (0.4, -0.1, 0.001, -0.002, 0.02, 0.7, -0.05, 0.01), 380.0),
    ('rational_polynomial', (0.2, 0.1, 0, 0, 0.02, 0.4, 0.05, 0.01, 0.004, -0.001, 0.003, 0.001, 0.05, -0.04), 450.0),
    ('equidistant', (0.08, -0.05, 0.03, -0.006), 260.0),
]


@pytest.mark.parametrize('model, d, focal', STRONG)
def test_a_strong_lens_does_not_move_the_wrist(model, d, focal):
    """Out to the corners of the picture, where ignoring the lens would put the wrist centimetres off."""
    camera = CameraModel.from_info(640, 480, [focal, 0, 322, 0, focal, 237, 0, 0, 1], d, model)
    pinhole = CameraModel(640, 480, camera.k, [])
    rng = np.random.default_rng(0)
    errors, ignoring = [], []
    while len(errors) < 60:
        points = rng.normal(size=(21, 3)) * (0.05, 0.05, 0.02)
        points -= points[0]
        wrist = rng.uniform((-0.45, -0.35, 0.4), (0.45, 0.35, 0.7))
        uv = camera.project(points + wrist)
        if not ((uv >= 0) & (uv <= (639, 479))).all():
            continue
        position, _ = place_hand(camera.normalize(uv), points)
        errors.append(np.linalg.norm(position - wrist))
        position, _ = place_hand(pinhole.normalize(uv), points)
        ignoring.append(np.linalg.norm(position - wrist))
    assert max(errors) < 1e-4
    assert np.median(ignoring) > 0.005 and max(ignoring) > 0.03


@pytest.mark.parametrize(
    'model, d, said',
    [
        ('plumb_bob', [0.1, 0.2, 0.3], 'plumb_bob has 3 distortion coefficients; give one of'),
        ('plumb_bob', [0.1, 0.2, 0, 0, 0, 0, 0, 0.1], 'plumb_bob has 8'),
        ('equidistant', [0.1, 0.2, 0, 0, 0.1], 'equidistant has 5'),
        ('rational_polynomial', [0.1] * 6, 'rational_polynomial has 6'),
        ('rational_polynomial', [0.1] * 7 + [np.nan], 'not finite'),
        ('omnidirectional', [0.1], "'omnidirectional'; give one of plumb_bob, rational_polynomial, equidistant"),
    ],
)
def test_wrong_coefficients_are_named(model, d, said):
    with pytest.raises(CameraError, match=said):
        CameraModel.from_info(640, 480, K, d, model)


@pytest.mark.parametrize(
    'model, count, kept',
    [('plumb_bob', 8, 5), ('plumb_bob', 12, 5), ('rational_polynomial', 10, 8), ('equidistant', 5, 4)],
)
def test_zeros_behind_the_coefficients_of_a_model_are_cut_off(model, count, kept):
    d = [0.1, 0.2, 0.0, 0.01]
    camera = CameraModel.from_info(640, 480, K, d + [0.0] * (count - 4), model)
    assert camera.d.tolist() == d + [0.0] * (kept - 4) and not camera.d.flags.writeable
    ray = [[0.1, -0.1, 1.0]]
    assert np.array_equal(camera.project(ray), CameraModel.from_info(640, 480, K, d, model).project(ray))


def test_what_is_sent_of_a_sensor_has_the_camera_of_its_readout():
    skewed = [600.0, 6, 318.0, 0, 610.0, 243.0, 0, 0, 1]
    camera = CameraModel.from_info(640, 480, skewed, [0.1, 0, 0, 0], '', Readout(40, 20, 501, 400, 2, 4))
    sent = camera.of_size(250, 100)
    assert sent.k.tolist() == [[300, 3, 139], [0, 152.5, 55.75], [0, 0, 1]]
    assert (sent.width, sent.height, sent.d.tolist()) == (250, 100, [0.1, 0, 0, 0])
    # a sensor's ray meets the pixel that its own has become
    ray = [[0.1, -0.1, 1.0]]
    assert np.allclose(sent.project(ray), (camera.project(ray) - (40, 20)) / (2, 4))
    # the whole of it, binned
    assert CameraModel.from_info(640, 480, K, readout=Readout(binning_x=2, binning_y=2)).of_size(320, 240).width == 320


def test_the_readout_counts_for_no_picture_of_the_size_that_is_given():
    camera = CameraModel.from_info(320, 240, K, readout=Readout(100, 50, 320, 240, 2, 2))
    assert camera.of_size(320, 240) is camera, 'calibrated as it is sent'
    assert camera.of_size(640, 480).size_mismatch(640, 480) == 'picture is 640×480, its intrinsics are for 160×120'
    unknown = CameraModel.from_info(0, 0, K, readout=Readout(binning_x=2, binning_y=2)).of_size(320, 240)
    assert unknown.k[0, 0] == 300 and (unknown.width, unknown.height) == (0, 0)
    nothing = CameraModel.from_info(640, 480, K, readout=Readout(binning_x=2000, binning_y=2000)).of_size(320, 240)
    assert nothing.size_mismatch(320, 240)
    plain = CameraModel.from_info(640, 480, K)
    assert plain.of_size(320, 240) is plain


def test_intrinsics_that_are_missing_are_no_camera_and_nan_is_refused():
    assert CameraModel.from_info(0, 0, [0.0] * 9, [], '') is None
    for k in ([np.nan] + [0.0] * 8, [600, 0, np.nan, 0, 600, 240, 0, 0, 1], [np.inf, 0, 320, 0, 600, 240, 0, 0, 1]):
        with pytest.raises(CameraError, match='not finite'):
            CameraModel.from_info(640, 480, k)
