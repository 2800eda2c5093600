"""The compiled loops of tracking, shape and pose against plain NumPy forms of the same formulas."""

import math

import numpy as np
import pytest
import torch
from fake_engine import HAND

from minimal_hand_core.cholesky import factorise, substitute
from minimal_hand_core.hand import axis_angle_to_matrix
from minimal_hand_core.hand.rotations import matrix_to_quaternion
from minimal_hand_core.hand.skeleton import FINGER_JOINTS
from minimal_hand_core.pose import JointAxes, joint_angles, rotations_from_angles
from minimal_hand_core.shape.window import robust_mean
from minimal_hand_core.shape.window_kernel import median
from minimal_hand_core.tracking import CameraModel
from minimal_hand_core.tracking.camera import view_rotation
from minimal_hand_core.tracking.filters import OneEuro
from minimal_hand_core.tracking.gates import inconsistency
from minimal_hand_core.tracking.hand_fit_kernel import weigh
from minimal_hand_core.tracking.view_kernel import apart, box_of, into_picture, share_inside
from minimal_hand_core.tracking.wrist import ITERATIONS, place_hand


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def random_turns(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return axis_angle_to_matrix(torch.from_numpy(rng.normal(size=(*shape, 3)))).numpy()


@pytest.mark.parametrize('damping', [0.0, 0.7])
def test_cholesky_solves_what_numpy_solves(rng, damping):
    root = rng.normal(size=(7, 9))
    matrix, right, factor, solution = root @ root.T, rng.normal(size=7), np.zeros((7, 7)), np.empty(7)
    assert factorise(matrix, damping, factor)
    substitute(factor, right, solution)
    np.testing.assert_allclose(solution, np.linalg.solve(matrix + damping * np.eye(7), right), rtol=1e-9)


@pytest.mark.parametrize('bad', [-1.0, 0.0, np.nan])
def test_cholesky_refuses_what_is_not_positive(bad):
    matrix = np.diag([1.0, bad, 1.0])
    assert not factorise(matrix, 0.0, np.zeros((3, 3)))


def test_median_is_that_of_numpy(rng):
    for count in range(1, 40):
        values = rng.normal(size=count).round(count % 3)  # with equal ones
        assert median(np.append(values, 99.0), count) == np.median(values)
    assert math.isnan(median(np.ones(3), 0))


def plain_robust_mean(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As window.robust_mean says, with NumPy's NaN functions."""
    ratios, frames = rows[:, :15], len(rows)
    with np.errstate(invalid='ignore'):
        if frames >= 10:
            core = int(0.6 * frames)
            centre = np.nan_to_num(np.nanmedian(ratios, axis=0))
            spread = 1.4826 * np.nanmedian(np.abs(ratios - centre), axis=0)
            for _ in range(4):
                precision = np.where(spread > 1e-9, 1 / np.maximum(spread, 1e-9) ** 2, 0)
                seen = np.maximum((~np.isnan(ratios)).sum(axis=1), 1)
                distance = np.sqrt(np.nansum((ratios - centre) ** 2 * precision, axis=1) / seen)
                inside = ratios[distance <= np.sort(distance)[core]]
                centre, spread = np.nan_to_num(np.nanmean(inside, axis=0)), np.nan_to_num(np.nanstd(inside, axis=0))
            agreeing = distance <= 1.7 * np.sort(distance)[core // 2] + 1e-9
            shown = ~np.isnan(rows[agreeing]).all(axis=0)
            rows = np.where(agreeing[:, None] | ~shown, rows, np.nan)
        middle = np.nanmedian(rows, axis=0)
        sigma = 1.4826 * np.nanmedian(np.abs(rows - middle), axis=0)
        near = np.abs(rows - middle) <= 2.5 * sigma + 1e-12
        return np.nanmean(np.where(near, rows, np.nan), axis=0), sigma


@pytest.mark.filterwarnings('ignore:.*(empty slice|All-NaN|Degrees of freedom).*')
@pytest.mark.parametrize('frames', [1, 2, 9, 10, 37, 60])
@pytest.mark.parametrize('wrong', [0.0, 0.25])
def test_robust_mean(rng, frames, wrong):
    rows = rng.uniform(0.2, 1.2, 16) + rng.normal(0, 0.03, (frames, 16))
    rows[rng.random(frames) < wrong] += rng.normal(0, 0.4, 16)
    rows[rng.random(rows.shape) < 0.15] = np.nan
    rows[:, 4] = np.nan
    for found, expected in zip(robust_mean(rows), plain_robust_mean(rows)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_angles_of_any_rotations(rng):
    """Joints that do what no hinge can, finger by finger with matrices."""
    axes = JointAxes.from_keypoints(HAND + rng.normal(0, 0.03, HAND.shape))
    rotations = random_turns(rng, 16)

    def turn(axis: np.ndarray, angle: float) -> np.ndarray:
        return axis_angle_to_matrix(torch.from_numpy(axis * angle)).numpy()

    found = joint_angles(rotations, axes).reshape(5, 4)
    for finger in range(5):
        left_over = np.eye(3)
        for joint in range(3):
            bone, axis = axes.bones[finger, joint], axes.flexion[finger, joint]
            turned = left_over @ rotations[FINGER_JOINTS[finger][joint]]
            direction = turned @ bone
            x, y = direction @ bone, direction @ np.cross(axis, bone)
            assert found[finger, joint + 1 if joint else 0] == pytest.approx(math.atan2(y, x), abs=1e-12)
            done = turn(axis, math.atan2(y, x))
            if joint == 0:
                aside = math.atan2(direction @ np.cross(axes.abduction[finger], bone), math.hypot(x, y))
                assert found[finger, 1] == pytest.approx(aside, abs=1e-12)
                done = done @ turn(axes.abduction[finger], aside)
            left_over = done.T @ turned


def test_angles_of_many_hands_with_axes_for_all_or_each(rng):
    hands = HAND + rng.normal(0, 0.03, (6, 21, 3))
    each, angles = JointAxes.from_keypoints(hands), rng.uniform(-0.5, 0.5, (6, 20))
    np.testing.assert_allclose(joint_angles(rotations_from_angles(angles, each), each), angles, atol=1e-12)
    one = JointAxes.from_keypoints(hands[0])
    shaped = rotations_from_angles(angles.reshape(2, 3, 20), one)
    np.testing.assert_allclose(joint_angles(shaped, one), angles.reshape(2, 3, 20), atol=1e-12)
    many = joint_angles(rotations_from_angles(angles[0], one), each)  # one pose, six hands
    assert many.shape == (6, 20)
    np.testing.assert_allclose(many[0], angles[0], atol=1e-12)


def test_quaternions_are_those_of_the_differentiable_form(rng):
    turns = random_turns(rng, 200)
    turns[:4] = np.stack([np.diag(signs) for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))])
    compiled = matrix_to_quaternion(torch.from_numpy(turns))
    plain = matrix_to_quaternion(torch.from_numpy(turns).requires_grad_()).detach()
    np.testing.assert_allclose(compiled, plain, atol=1e-15)
    assert matrix_to_quaternion(torch.from_numpy(turns).float()).dtype == torch.float32


def test_wrist_by_numpy(rng):
    points, wrist = 0.09 * HAND, np.array([0.03, -0.05, 0.45])
    rays = (points + wrist)[:, :2] / (points + wrist)[:, 2:] + rng.normal(0, 0.004, (21, 2))
    weights = rng.uniform(0.1, 1, 21)
    rays[3], weights[5] = np.nan, 0
    found, covariance = place_hand(rays, points, weights)
    used = np.isfinite(rays[:, 0]) & (weights > 0)
    position = wrist.copy()
    for _ in range(ITERATIONS):
        moved = points[used] + position
        jacobian = np.zeros((used.sum(), 2, 3))
        jacobian[:, [0, 1], [0, 1]] = 1 / moved[:, 2:]
        jacobian[:, :, 2] = -moved[:, :2] / moved[:, 2:] ** 2
        root = np.sqrt(weights[used])[:, None]
        rows = (jacobian * root[..., None]).reshape(-1, 3)
        error = ((moved[:, :2] / moved[:, 2:] - rays[used]) * root).reshape(-1)
        position = position - np.linalg.lstsq(rows, error, rcond=None)[0]
    np.testing.assert_allclose(found, position, atol=1e-8)
    np.testing.assert_allclose(covariance, np.linalg.inv(rows.T @ rows), rtol=1e-5)


def test_one_euro_by_numpy(rng):
    samples, stamps = rng.normal(size=(20, 21, 3)), np.cumsum(rng.uniform(0.01, 0.05, 20))
    filtered = OneEuro(0.5, 2.0, 1.0, 0.1)
    value = speed = alpha = None
    for sample, stamp, before in zip(samples, stamps, [None, *stamps]):
        found = filtered(sample, stamp)
        if value is None:
            value, speed, alpha = sample, np.zeros_like(sample), np.ones((21, 1))
            last = np.zeros_like(sample)
        else:
            step = stamp - before
            change = (sample - value) / step
            alike = np.sqrt(np.maximum((last * change).sum(axis=1, keepdims=True), 0))
            last = change
            size = np.linalg.norm(change, axis=1, keepdims=True)
            change = change * np.minimum(1, np.maximum(alike, 0.1) / size)
            speed = speed + (change - speed) / (1 + 1 / (2 * np.pi * 1.0 * step))
            length = np.maximum(*(np.linalg.norm(part, axis=1, keepdims=True) for part in (speed, 0.3 * change)))
            cutoff = 0.5 + 2.0 * np.maximum(length - 0.1, 0)
            alpha = np.maximum(1 / (1 + 1 / (2 * np.pi * cutoff * step)), alpha / (1 + alpha))
            value = value + alpha * (sample - value)
        np.testing.assert_allclose(found, value, atol=1e-12)


def test_view_and_weights_of_a_fit_by_numpy(rng):
    rays, xyz, confidence = rng.normal(0, 0.2, (21, 2)), rng.normal(size=(21, 3)), rng.uniform(-0.1, 1.1, 21)
    rays[7] = np.inf
    ray_sigma, spread = rng.uniform(0.01, 0.02, 21), rng.uniform(0.5, 2, (21, 2))
    clean, clean_sigma = np.empty((21, 2)), np.empty(21)
    seen, sigma, view = np.empty((21, 3)), np.empty((21, 3)), np.empty((3, 3))
    assert weigh(rays, ray_sigma, xyz, confidence, 0.1, spread, clean, clean_sigma, seen, sigma, view)
    usable = np.isfinite(rays).all(axis=1)
    np.testing.assert_allclose(view, view_rotation(np.median(rays[usable], axis=0)), atol=1e-15)
    np.testing.assert_allclose(seen, (xyz - xyz[9]) @ view, atol=1e-14)
    doubt = 0.7 + 2 * np.sqrt(np.clip(1 - confidence, 0, 1))
    np.testing.assert_allclose(sigma, 0.1 * doubt[:, None] * spread[:, [0, 0, 1]], rtol=1e-12)
    np.testing.assert_array_equal(clean, np.where(usable[:, None], rays, 0))
    np.testing.assert_array_equal(clean_sigma, np.where(usable, ray_sigma, np.inf))
    rays[:] = np.nan
    assert not weigh(rays, ray_sigma, xyz, confidence, 0.1, spread, clean, clean_sigma, seen, sigma, view)


def test_view_rotation_takes_the_axis_to_the_ray(rng):
    for ray in rng.normal(size=(10, 2)):
        rotation = view_rotation(ray)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
        along = rotation @ (0, 0, 1)
        np.testing.assert_allclose(along[:2] / along[2], ray, atol=1e-12)


@pytest.mark.parametrize('mirror', [False, True])
@pytest.mark.parametrize('angle', [0.0, 0.4])
def test_answers_in_the_picture_by_numpy(rng, mirror, angle):
    uv, xyz, confidence = (rng.normal(size=shape).astype(np.float32) for shape in ((21, 2), (21, 3), (21,)))
    affine, found = rng.normal(size=(2, 3)), (np.empty((21, 2)), np.empty((21, 3)), np.empty(21))
    score = into_picture(uv, xyz, confidence, affine, mirror, angle, *found)
    assert score == pytest.approx(confidence.astype(float).mean(), abs=1e-12)
    np.testing.assert_allclose(found[0], uv @ affine[:, :2].T + affine[:, 2], atol=1e-12)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    np.testing.assert_allclose(found[1], xyz * ((-1, 1, 1) if mirror else (1, 1, 1)) @ turn.T, atol=1e-12)
    np.testing.assert_array_equal(found[2], confidence)


def test_gates_by_numpy(rng):
    uv, xyz, confidence = rng.uniform(-50, 700, (21, 2)), rng.normal(size=(21, 3)), rng.uniform(size=21)
    assert box_of(uv) == (*uv.min(axis=0), *uv.max(axis=0))
    inside = ((uv >= -0.5) & (uv < (639.5, 479.5))).all(axis=1)
    assert share_inside(uv, 640, 480) == inside.mean()
    uv = 100 * xyz[:, :2] + 300 + rng.normal(0, 9, (21, 2))
    weights = confidence / confidence.sum()
    meant, seen = (part - weights @ part for part in (xyz[:, :2], uv))
    scale = (weights @ (seen * meant)).sum() / (weights @ meant**2).sum()
    rms = np.sqrt((weights @ (seen - scale * meant) ** 2).sum())
    assert inconsistency(uv, xyz, confidence) == pytest.approx(rms / np.ptp(uv, axis=0).max(), rel=1e-9)
    moved = uv + rng.normal(size=(21, 2))
    wanted = np.sqrt(((moved - uv) ** 2).sum(axis=1)[2:].mean()) / np.ptp(uv, axis=0).max()
    moved[:2] = np.nan
    assert apart(moved, uv, 4) == pytest.approx(wanted, rel=1e-12)
    assert apart(moved, uv, 20) == math.inf
    uv[4, 1] = np.nan
    assert all(map(math.isnan, box_of(uv)))


def test_a_skewed_camera_inverts_itself(rng):
    camera = CameraModel(640, 480, np.array([[600.0, 12, 320], [0, 580, 240], [0, 0, 1]]), np.zeros(0))
    uv = rng.uniform(0, 400, (9, 2))
    rays = camera.normalize(uv)
    np.testing.assert_allclose(camera.project(np.column_stack([rays, np.ones(9)])), uv, atol=1e-9)
