"""The wrist in metres: exact without noise, and honest about noise."""

import numpy as np
import pytest

from minimal_hand_core.tracking.wrist import (
    DEPTH_SIGMA,
    PLACE_SIGMA,
    RANGE_SIGMA,
    WristError,
    honest_covariance,
    place_hand,
    pose_covariance,
    rotation_covariance,
)


def a_hand(rng):
    """(21, 3) metres relative to the wrist: about a hand's size, bent, turned anyhow."""
    points = rng.normal(size=(21, 3)) * (0.04, 0.04, 0.02)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return (points - points[0]) @ rotation.T


@pytest.mark.parametrize('seed', range(10))
def test_exact_without_noise(seed):
    rng = np.random.default_rng(seed)
    points = a_hand(rng)
    wrist = rng.uniform((-0.3, -0.3, 0.25), (0.3, 0.3, 1.5))
    moved = points + wrist
    found, _ = place_hand(moved[:, :2] / moved[:, 2:], points, rng.uniform(0.1, 1, 21))
    assert np.allclose(found, wrist, atol=1e-7)


def test_covariance_is_calibrated_under_pixel_noise():
    rng = np.random.default_rng(1)
    sigma = 2.0 / 600  # two pixels
    inside, distances = [], []
    for _ in range(1500):
        points = a_hand(rng)
        wrist = rng.uniform((-0.2, -0.2, 0.35), (0.2, 0.2, 0.8))
        weights = rng.uniform(0.2, 1, 21)
        moved = points + wrist
        noise = rng.normal(size=(21, 2)) * sigma / np.sqrt(weights)[:, None]
        found, covariance = place_hand(moved[:, :2] / moved[:, 2:] + noise, points, weights)
        covariance = sigma**2 * covariance
        error = found - wrist
        inside.append(np.abs(error) < np.sqrt(np.diag(covariance)))
        distances.append(error @ np.linalg.solve(covariance, error))
    assert np.mean(inside, axis=0) == pytest.approx(0.683, abs=0.04)
    assert np.mean(distances) == pytest.approx(3.0, abs=0.25)  # chi squared with three degrees of freedom


def test_size_noise_is_part_of_the_covariance():
    rng = np.random.default_rng(2)
    points, wrist, relative = a_hand(rng), np.array([0.05, -0.1, 0.6]), 0.05
    moved = points + wrist
    rays = moved[:, :2] / moved[:, 2:]
    errors = [place_hand(rays, points * (1 + relative * rng.normal()))[0] - wrist for _ in range(500)]
    nothing = np.zeros((6, 6))
    covariance = honest_covariance(nothing, wrist, relative) - honest_covariance(nothing, wrist, 0.0)
    assert np.cov(np.transpose(errors)) == pytest.approx(covariance[:3, :3], rel=0.15, abs=1e-7)


def test_points_without_a_ray_are_left_out():
    rng = np.random.default_rng(3)
    points, wrist = a_hand(rng), np.array([0.1, 0.0, 0.5])
    moved = points + wrist
    rays = moved[:, :2] / moved[:, 2:]
    rays[4] = np.nan
    weights = np.ones(21)
    weights[7], rays[7] = 0, (9, 9)
    assert np.allclose(place_hand(rays, points, weights)[0], wrist, atol=1e-7)


def test_what_fixes_no_range_is_an_error():
    rng = np.random.default_rng(4)
    points = a_hand(rng)
    with pytest.raises(WristError, match='0 of 21'):
        place_hand(np.full((21, 2), np.nan), points)
    with pytest.raises(WristError, match='one place'):
        place_hand(np.zeros((21, 2)), np.zeros((21, 3)))


def test_rotation_covariance_is_that_of_the_best_turn():
    rng = np.random.default_rng(5)
    points, sigma = a_hand(rng)[[1, 5, 9, 13, 17]], 0.002
    turns = []
    for _ in range(2000):
        noisy = points + rng.normal(size=points.shape) * sigma
        u, _, vt = np.linalg.svd(noisy.T @ points)
        rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
        turns.append(
            [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
        )
    assert np.cov(np.transpose(turns) / 2) == pytest.approx(rotation_covariance(points, sigma), rel=0.2, abs=1e-4)


def test_rotation_covariance_is_bounded_and_pose_covariance_ordered():
    assert np.linalg.eigvalsh(rotation_covariance(np.zeros((5, 3)), 0.1)).max() <= np.pi**2 + 1e-9
    whole = pose_covariance(np.full((3, 3), 1.0), np.full((3, 3), 2.0))
    assert (whole[:3, :3] == 1).all() and (whole[3:, 3:] == 2).all() and (whole[:3, 3:] == 0).all()


def widened(position, length_sigma, depth_sigma=None):
    """Of honest_covariance: that of independent noise, the whole, and what was added along the ray and across it."""
    root = np.random.default_rng(6).normal(size=(6, 6)) * 0.002
    noise = root @ root.T
    whole = honest_covariance(noise, position, length_sigma, depth_sigma)
    added, ray = (whole - noise)[:3, :3], position / np.linalg.norm(position)
    across = np.cross(ray, (0, 1, 0)) / np.linalg.norm(np.cross(ray, (0, 1, 0)))
    assert added @ ray == pytest.approx((ray @ added @ ray) * ray, abs=1e-12), 'the ray is an axis of what is added'
    return noise, whole, ray @ added @ ray, across @ added @ across


@pytest.mark.parametrize('distance', [0.4, 0.8])
def test_the_range_is_as_unsure_as_the_length_and_the_network(distance):
    _, _, along, across = widened(np.array([0.3, -0.2, 0.9]) * distance / np.sqrt(0.94), 0.05)
    assert across == pytest.approx(PLACE_SIGMA**2)
    assert along - across == pytest.approx((0.05**2 + RANGE_SIGMA**2) * distance**2)


@pytest.mark.parametrize('distance', [0.4, 0.8])
def test_measured_depth_fixes_the_range_whatever_the_length(distance):
    _, _, along, across = widened(np.array([0.3, -0.2, 0.9]) * distance / np.sqrt(0.94), 0.05, 0.004)
    assert across == pytest.approx(PLACE_SIGMA**2)
    assert along - across == pytest.approx(DEPTH_SIGMA**2 + 0.004**2)


def test_every_turn_is_less_sure_than_independent_noise_says():
    noise, whole, _, _ = widened(np.array([0.1, 0.0, 0.6]), 0.05)
    assert (np.sqrt(np.diag(whole)[3:] / np.diag(noise)[3:]) > 1.5).all()
    apart = ~np.eye(6, dtype=bool)
    apart[:3, :3] = False
    assert (whole[apart] == noise[apart]).all(), 'nothing that is added ties turns to each other or to the place'
    assert (np.linalg.eigvalsh(whole) > 0).all()
