#!/usr/bin/env python3
"""Gives the open hand its mean pose and the principal directions of its poses, from the poses that are rendered.

Usage: python tools/fit_pose_space.py [--hand PATH] [--count 20000] [--seed 0]

Adds pose_mean, pose_components and pose_deviations to the .npz and leaves its other arrays as they are. The poses are
those of minimal_hand_core/data/synthetic/poses.py, all families in their shares; run this again when those change.
To look at the result: python tools/render_open_hand_sheet.py --poses components --output sheet.png
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from open_hand.archive import save  # noqa: E402

from minimal_hand_core.data.synthetic.chance import pick  # noqa: E402
from minimal_hand_core.data.synthetic.poses import FAMILIES, sample_angles  # noqa: E402
from minimal_hand_core.hand import OPEN_HAND, load_hand_model, matrix_to_axis_angle  # noqa: E402
from minimal_hand_core.pose.angles import ANGLE_NAMES, JointAxes, rotations_from_angles  # noqa: E402

_FLEXIONS = np.array([name.endswith('flexion') for name in ANGLE_NAMES], float)
_STILL = 1e-5
"""Radians; joints that are hinges leave directions in which no pose varies."""


def pose_vectors(angles: np.ndarray, axes: JointAxes) -> np.ndarray:
    """Joint angles (N, 20) to the axis–angle vectors (N, 45) of joints 1 … 15."""
    rotations = torch.from_numpy(rotations_from_angles(angles, axes)[:, 1:])
    return matrix_to_axis_angle(rotations).flatten(1).numpy()


def pose_space(vectors: np.ndarray, closing: np.ndarray) -> dict[str, np.ndarray]:
    """Mean (45,), components (45, 45) and deviations (45,) of poses (N, 45), float64.

    The components are orthonormal, the widest first, each with the sign that goes with `closing` (45,). Directions in
    which no pose varies fill the basis, so that 45 coefficients can express any pose.
    """
    mean = vectors.mean(axis=0)
    _, singular, rows = np.linalg.svd(vectors - mean, full_matrices=False)
    deviations = singular / np.sqrt(len(vectors))
    moving = deviations > _STILL
    basis = np.array([row if row @ closing > 0 else -row for row in rows[moving]])
    while len(basis) < len(mean):
        left = np.eye(len(mean)) - basis.T @ basis
        longest = left[np.linalg.norm(left, axis=1).argmax()]
        basis = np.vstack([basis, longest / np.linalg.norm(longest)])
    return {
        'pose_mean': mean,
        'pose_components': basis,
        'pose_deviations': np.where(moving, deviations, 0.0),
    }


def fit(axes: JointAxes, count: int, seed: int) -> dict[str, np.ndarray]:
    """pose_space of `count` random poses."""
    rng = np.random.default_rng(seed)
    angles = np.stack([sample_angles(rng, pick(rng, FAMILIES)) for _ in range(count)])
    flat, bent = pose_vectors(np.stack([0 * _FLEXIONS, 0.1 * _FLEXIONS]), axes)
    return pose_space(pose_vectors(angles, axes), bent - flat)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--hand', type=Path, default=OPEN_HAND, help='the .npz to complete')
    parser.add_argument('--count', type=int, default=20000, help='poses to draw')
    parser.add_argument('--seed', type=int, default=0)
    arguments = parser.parse_args()
    axes = JointAxes.from_model(load_hand_model(arguments.hand, dtype=torch.float64))
    found = fit(axes, arguments.count, arguments.seed)
    with np.load(arguments.hand, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    save(arguments.hand, {**arrays, **{key: value.astype(np.float32) for key, value in found.items()}})
    share = np.cumsum(found['pose_deviations'] ** 2)
    print(f'{arguments.hand}: mean of {arguments.count} poses; of their variance the first directions hold')
    print(', '.join(f'{n}: {share[n - 1] / share[-1]:.3f}' for n in (1, 2, 3, 6, 10, 15, 25)))


if __name__ == '__main__':
    main()
