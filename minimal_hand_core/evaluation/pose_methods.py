"""How well pose solvers do on hands whose truth is known: keypoints, rotations, anatomical angles.

`python -m minimal_hand_core.evaluation.pose_methods` prints the table of assets/IKNET.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from minimal_hand_core.pose.absolute import local_from_absolute
from minimal_hand_core.pose.angles import joint_angles
from minimal_hand_core.pose.axes import JointAxes
from minimal_hand_core.pose.methods import PoseSolver
from minimal_hand_core.tracking.kinematics import articulate
from minimal_hand_core.training.posed_hands import PosedHands, PoseSampler, keypoint_noise

TABLE_SEED = 8
"""Below the training seeds, see train_iknet.TRAINING_SEED."""
HAND_LENGTH = 0.0914
"""Metres, of the open hand; errors are given for hands of this size."""


class PoseScore(NamedTuple):
    """Mean errors against the truth (not against the noisy target).

    Attributes:
        keypoint_mm: of 21 keypoints from the wrist, for a hand of HAND_LENGTH.
        rotation_deg: of the 15 finger joints' local rotations, geodesic.
        wrist_deg: of the wrist's.
        angle_deg: of the 20 anatomical angles.
    """

    keypoint_mm: float
    rotation_deg: float
    wrist_deg: float
    angle_deg: float


class FixedNoise(NamedTuple):
    """Noise of one size for all hands; millimetres for a hand of HAND_LENGTH.

    Attributes:
        independent: standard deviation of each coordinate by itself.
        drift: of each coordinate of a finger's tip; the finger's joints share in it, more from base to tip.
        depth: how many times as large noise is along the line of sight.
    """

    independent: float = 0.0
    drift: float = 0.0
    depth: float = 1.0

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """(B, 21, 3) hand lengths."""
        unit = 1e-3 / HAND_LENGTH
        one = np.ones((size, 1, 1))
        return keypoint_noise(rng, self.independent * unit * one, self.drift * unit * one, self.depth * one)


NOISES = {
    'exact': FixedNoise(),
    '3mm': FixedNoise(3.0),
    '5mm': FixedNoise(5.0),
    '10mm': FixedNoise(10.0),
    'correlated': FixedNoise(3.0, 12.0, 2.0),
}
"""What pose solvers are compared on. The last is nearest to what a network does: whole fingers go astray, most in
depth."""


def score_poses(solve: Callable[[np.ndarray, np.ndarray], Any], hands: PosedHands) -> PoseScore:
    """Score solve(template, target) → local rotations on hands of the hand model's own rest pose."""
    found = np.asarray(solve(hands.template, hands.target), np.float64)
    truth = np.asarray(local_from_absolute(hands.absolute))
    posed = np.stack([articulate(rest, pose) for rest, pose in zip(hands.template, found)])
    keypoints = np.linalg.norm(posed - hands.truth, axis=-1).mean() * HAND_LENGTH * 1e3
    axes = JointAxes.from_keypoints(hands.template)
    difference = np.asarray(joint_angles(found, axes)) - hands.angles
    angles = np.abs(np.degrees(np.angle(np.exp(1j * difference))))
    turns = np.degrees(_angle(np.swapaxes(found, -1, -2) @ truth))
    return PoseScore(float(keypoints), float(turns[:, 1:].mean()), float(turns[:, 0].mean()), float(angles.mean()))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser('pose_methods', description='Compare pose solvers on made-up hands.')
    parser.add_argument('--weights', default='default', help="of IKNet: 'default' or a file of train_iknet")
    parser.add_argument('--hands', type=int, default=1000, help='per row')
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        solvers = {
            'AIK': PoseSolver(limits=False),
            'AIK within limits': PoseSolver(),
            'IKNet': PoseSolver('iknet', limits=False, weights=options.weights),
        }
    except ValueError as error:
        print(f'pose_methods: {error}', file=sys.stderr)
        return 1
    sampler = PoseSampler(TABLE_SEED, options.hands)
    print('| Poses | Noise | Method | Keypoints | Finger rotations | Wrist | Angles |')
    print('| --- | --- | --- | --- | --- | --- | --- |')
    for poses, any_angles in (('ordinary', False), ('any angles', True)):
        for noise, model in NOISES.items():
            hands = sampler.batch(0, options.hands, model, any_angles=any_angles)
            for method, solver in solvers.items():
                score = score_poses(solver, hands)
                print(
                    f'| {poses} | {noise} | {method} | {score.keypoint_mm:.1f} mm | {score.rotation_deg:.1f}° '
                    f'| {score.wrist_deg:.1f}° | {score.angle_deg:.1f}° |'
                )
    return 0


def _angle(rotations: np.ndarray) -> np.ndarray:
    """Angle in 0 … π of rotations (…, 3, 3), accurate near both ends."""
    sine = np.linalg.norm(rotations - np.swapaxes(rotations, -1, -2), axis=(-2, -1)) / np.sqrt(2)
    return np.asarray(np.arctan2(sine, np.trace(rotations, axis1=-2, axis2=-1) - 1))


if __name__ == '__main__':
    sys.exit(main())
