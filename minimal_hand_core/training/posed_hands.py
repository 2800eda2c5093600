"""Posed hands without pictures: an endless, repeatable stream of templates, poses and noisy keypoints for IKNet.

Batch `step` depends on the settings and on `step` alone, so a resumed run continues exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from minimal_hand_core.data.synthetic.chance import pick
from minimal_hand_core.data.synthetic.poses import FAMILIES, sample_angles
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.hand.rotations import axis_angle_to_matrix
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS, MIDDLE_MCP, NUM_BETAS, NUM_JOINTS, PALM_KEYPOINTS, WRIST
from minimal_hand_core.pose.absolute import absolute_from_local, keypoints_from_absolute
from minimal_hand_core.pose.angles import ANATOMICAL_LIMITS, rotations_from_angles
from minimal_hand_core.pose.axes import JointAxes
from minimal_hand_core.training.recipe import check


@dataclass(frozen=True)
class NoiseConfig:
    """Noise of target keypoints, as a network makes it; lengths in hand lengths, each the largest standard deviation.

    A hand's own deviations are u² times these, u uniform in 0…1: most hands are seen well, some badly.

    Attributes:
        independent: of each coordinate by itself.
        drift: of a whole finger's tip; its joints share in it, more from base to tip.
        depth: how many times as large noise is along the line of sight, 1…depth.
    """

    independent: float = 0.15
    drift: float = 0.3
    depth: float = 3.0

    def __post_init__(self) -> None:
        for name in ('independent', 'drift'):
            check(0 <= getattr(self, name) <= 1, f'noise.{name}', getattr(self, name), '0…1')
        check(1 <= self.depth <= 10, 'noise.depth', self.depth, '1…10')

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """(B, 21, 3) hand lengths."""
        shares = rng.random((2, size, 1, 1)) ** 2
        depth = rng.uniform(1, self.depth, (size, 1, 1))
        return keypoint_noise(rng, self.independent * shares[0], self.drift * shares[1], depth)


class NoiseModel(Protocol):
    """Where the noise of a batch comes from."""

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """(B, 21, 3) hand lengths."""
        ...


@dataclass(frozen=True)
class RestConfig:
    """Other rest poses than the hand model's, so that the network heeds the template.

    Attributes:
        share: of the hands that have one.
        angle: standard deviation of each joint's turn about each axis, degrees.
        length: standard deviation of the logarithm of each bone's length.
        palm: standard deviation of a finger base's place, hand lengths.
    """

    share: float = 0.3
    angle: float = 10.0
    length: float = 0.1
    palm: float = 0.03

    def __post_init__(self) -> None:
        check(0 <= self.share <= 1, 'rest.share', self.share, '0…1')
        check(0 <= self.angle <= 45, 'rest.angle', self.angle, '0…45')
        check(0 <= self.length <= 0.5, 'rest.length', self.length, '0…0.5')
        check(0 <= self.palm <= 0.3, 'rest.palm', self.palm, '0…0.3')


class PosedHands(NamedTuple):
    """A batch of right hands whose palm is not turned; float64, hand lengths, keypoints relative to the wrist.

    Attributes:
        template: (B, 21, 3) rest pose.
        target: (B, 21, 3) posed and noisy; what a solver is given.
        truth: (B, 21, 3) posed, without noise.
        absolute: (B, 21, 3, 3) true rotations.
        angles: (B, 20) of the hand model's own rest pose.
    """

    template: np.ndarray
    target: np.ndarray
    truth: np.ndarray
    absolute: np.ndarray
    angles: np.ndarray


class PoseSampler:
    """Random shapes and poses of the open hand.

    Poses come from a pool, made once, of the families that rendered hands have, each time bent a little otherwise.

    Args:
        seed: another seed, another pool and other hands.
        pool: number of poses in it.
    """

    jitter = np.radians(5.0)
    """Standard deviation of what is added to every angle of the pool."""

    def __init__(self, seed: int, pool: int) -> None:
        self.seed = seed
        self._model = load_hand_model()
        rng = np.random.default_rng((seed, 0))
        self._pool = np.stack([sample_angles(rng, pick(rng, FAMILIES)) for _ in range(pool)])

    def batch(
        self, step: int, size: int, noise: NoiseModel, rest: RestConfig | None = None, *, any_angles: bool = False
    ) -> PosedHands:
        """Batch `step` of `size` hands.

        Args:
            step: another step, other hands.
            size: number of hands.
            noise: of the targets.
            rest: how many have another rest pose; None for none.
            any_angles: instead of poses that people take, angles anywhere within ANATOMICAL_LIMITS, each by itself.
        """
        rng = np.random.default_rng((self.seed, 1, step))
        betas = np.clip(rng.normal(0, 1, (size, NUM_BETAS)), -3, 3)
        offset, directions = (part.numpy().astype(np.float64) for part in self._model.rest_keypoint_basis())
        template = offset + np.einsum('kcd,bd->bkc', directions, betas)
        template -= template[:, WRIST, None]
        template /= np.linalg.norm(template[:, MIDDLE_MCP], axis=-1)[:, None, None]
        angles = self._pool[rng.integers(len(self._pool), size=size)]
        angles = np.clip(angles + rng.normal(0, self.jitter, angles.shape), *ANATOMICAL_LIMITS.T)
        if any_angles:
            low, high = ANATOMICAL_LIMITS.T
            angles = rng.uniform(low, high, angles.shape)
        local = rotations_from_angles(angles, JointAxes.from_keypoints(template))
        absolute = np.asarray(absolute_from_local(local))
        if rest is not None:
            other = rng.random(size) < rest.share
            template[other], absolute[other] = _other_rest(rng, template[other], absolute[other], rest)
        truth = _posed(template, absolute)
        return PosedHands(template, truth + noise.sample(rng, size), truth, absolute, angles)


def _posed(template: np.ndarray, absolute: np.ndarray) -> np.ndarray:
    return keypoints_from_absolute(torch.from_numpy(template), torch.from_numpy(absolute)).numpy()


def _other_rest(
    rng: np.random.Generator, template: np.ndarray, absolute: np.ndarray, how: RestConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The same poses (but for changed bones) told from another rest pose T′ = Q·T: R·T = (R·Qᵀ)·T′."""
    count = len(template)
    if count == 0:
        return template, absolute
    parents = list(KEYPOINT_PARENTS)
    bones = (template - template[:, parents]) * np.exp(rng.normal(0, how.length, (count, 21, 1)))
    bones[:, PALM_KEYPOINTS] += rng.normal(0, how.palm, (count, len(PALM_KEYPOINTS), 3))
    rest = np.zeros_like(template)
    rest[:, 1:] = bones[:, 1:].reshape(count, 5, 4, 3).cumsum(axis=2).reshape(count, 20, 3)
    rest /= np.linalg.norm(rest[:, MIDDLE_MCP], axis=-1)[:, None, None]
    turns = np.tile(np.eye(3), (count, NUM_JOINTS, 1, 1))
    vectors = rng.normal(0, np.radians(how.angle), (count, NUM_JOINTS - 1, 3))
    turns[:, 1:] = axis_angle_to_matrix(torch.from_numpy(vectors)).numpy()
    before = np.asarray(absolute_from_local(turns))
    return _posed(rest, before), absolute @ np.swapaxes(before, -1, -2)


def keypoint_noise(
    rng: np.random.Generator, independent: np.ndarray, drift: np.ndarray, depth: np.ndarray
) -> np.ndarray:
    """(B, 21, 3): see NoiseConfig for what the three (B, 1, 1) are, here of each hand."""
    size = len(independent)
    noise = independent * rng.normal(size=(size, 21, 3))
    growing = np.arange(1, 5)[:, None] / 4
    astray = drift * rng.normal(size=(size, 5, 3))
    noise[:, 1:] += (astray[:, :, None] * growing).reshape(size, 20, 3)
    sight = rng.normal(size=(size, 1, 3))
    sight /= np.linalg.norm(sight, axis=-1, keepdims=True)
    return np.asarray(noise + (depth - 1) * (noise * sight).sum(-1, keepdims=True) * sight)
