"""Keypoints to rotations: ours and the peer's AIK on the same hands, ours within joint limits, and IKNet."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.baselines import aik as peer
from minimal_hand_core.evaluation.pose_methods import HAND_LENGTH, NOISES, FixedNoise, score_poses
from minimal_hand_core.pose import ANATOMICAL_LIMITS, JointAxes, load_iknet, solve_pose
from minimal_hand_core.training.posed_hands import PoseSampler

MANY = 1000
TOLERANCE = 5e-3
"""Radians, about: what the peer's 1e-8 terms make of its own rotations, fact sheet 5.1."""


@pytest.fixture(scope='module')
def sampler():
    return PoseSampler(11, 200)


@pytest.fixture(scope='module')
def hands(sampler):
    """One template (21, 3) and 1,000 targets, metres: other people's hands with 3 mm of noise."""
    batch = sampler.batch(0, MANY, FixedNoise(3.0))
    return HAND_LENGTH * batch.template[0], HAND_LENGTH * batch.target


@pytest.fixture(scope='module')
def network():
    return load_iknet()


def keypoint_error(solve, sampler):
    score = score_poses(solve, sampler.batch(1, 300, NOISES['10mm']))
    return f'{score.keypoint_mm:.1f} mm, {score.angle_deg:.1f}° from the truth at 10 mm noise'


def one_by_one(solve, hands):
    """Calls solve on one hand after another."""
    template, targets = hands
    turns = itertools.cycle(targets)
    return lambda: solve(template, next(turns))


@pytest.mark.benchmark(group='AIK, one hand')
def test_ours_aik(benchmark, hands):
    template, targets = hands
    theirs = np.stack([peer.solve_pose(template, target) for target in targets[:100]])
    np.testing.assert_allclose(solve_pose(template, targets[:100]), theirs, atol=TOLERANCE)
    benchmark(one_by_one(solve_pose, hands))


@pytest.mark.benchmark(group='AIK, one hand')
def test_peer_aik(benchmark, hands):
    benchmark(one_by_one(peer.solve_pose, hands))


@pytest.mark.benchmark(group='AIK, 1,000 hands, per hand')
def test_ours_aik_batch(benchmark, hands, sampler):
    benchmark.extra_info['items'] = MANY
    benchmark(solve_pose, *hands)
    benchmark.extra_info['note'] = keypoint_error(solve_pose, sampler)


@pytest.mark.benchmark(group='AIK within joint limits, one hand')
def test_ours_limits(benchmark, hands):
    axes = JointAxes.from_keypoints(hands[0])
    benchmark(one_by_one(lambda *hand: solve_pose(*hand, limits=ANATOMICAL_LIMITS, axes=axes), hands))


@pytest.mark.benchmark(group='AIK within joint limits, 1,000 hands, per hand')
def test_ours_limits_batch(benchmark, hands, sampler):
    axes = JointAxes.from_keypoints(hands[0])

    def within(template, target):
        return solve_pose(template, target, limits=ANATOMICAL_LIMITS, axes=JointAxes.from_keypoints(template))

    benchmark.extra_info['items'] = MANY
    benchmark(solve_pose, *hands, limits=ANATOMICAL_LIMITS, axes=axes)
    benchmark.extra_info['note'] = keypoint_error(within, sampler)


@pytest.mark.benchmark(group='IKNet, one hand')
def test_ours_iknet(benchmark, hands, network):
    benchmark(one_by_one(network.solve, hands))


@pytest.mark.benchmark(group='IKNet, 1,000 hands, per hand')
def test_ours_iknet_batch(benchmark, hands, sampler, network):
    benchmark.extra_info['items'] = MANY
    benchmark(network.solve, *hands)
    benchmark.extra_info['note'] = keypoint_error(network.solve, sampler)
