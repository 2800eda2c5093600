#!/usr/bin/env python3
"""Builds minimal_hand_core/assets/biomechanics.npz, the limits of the biomechanical loss, from our own posed hands.

Usage: python tools/build_biomechanics.py [--output PATH]

The file is the same byte for byte on every run with the same open hand, pose sampler and NumPy.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from build_open_hand import save

from minimal_hand_core.data.synthetic import Studio
from minimal_hand_core.detnet.anatomy import HandMeasures, measure_hands
from minimal_hand_core.detnet.biomechanics import LIMITS
from minimal_hand_core.hand import MIDDLE_MCP, WRIST, HandModel, load_hand_model

HANDS = 40_000
SEED = 5_300
BETA = 1.0
"""Standard deviation of the betas, drawn and cut as for rendered training hands."""
SLACK = np.radians(5.0)
"""Added to spread and joint angles: the sampler's hinges do not give sideways, those of people do a little."""
ARCH_SLACK = np.radians(15.0)
"""Added between neighbouring normals of the palm: the sampler's is rigid, while the metacarpals of the ring and little
finger of people bend by 10 to 30 degrees when the palm is made hollow."""
DIRECTIONS = 24
"""Edges of a region of joint angles."""


def posed_hands(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations (count, 16, 3, 3) without the wrist's, and betas (count, 10)."""
    studio = Studio()
    rng = np.random.default_rng(seed)
    rotations = np.stack([studio.pose(rng).rotations for _ in range(count)])
    return rotations, np.clip(rng.normal(0, BETA, (count, 10)), -3, 3)


def network_keypoints(model: HandModel, rotations: np.ndarray, betas: np.ndarray) -> torch.Tensor:
    """(N, 21, 3) float64 in network units."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(rotations), 500):
            chosen = slice(start, start + 500)
            arguments = (torch.from_numpy(part[chosen]).to(model.dtype) for part in (rotations, betas))
            parts.append(model(*arguments).keypoints.double())
    keypoints = torch.cat(parts)
    root, wrist = keypoints[:, MIDDLE_MCP : MIDDLE_MCP + 1], keypoints[:, WRIST : WRIST + 1]
    return (keypoints - root) / (root - wrist).norm(dim=-1, keepdim=True)


def limits(hands: HandMeasures, knuckle_distances: torch.Tensor) -> dict[str, np.ndarray]:
    """The arrays that BiomechanicalLoss reads.

    Args:
        hands: measures of the sample.
        knuckle_distances: (N, 4) between the ends of neighbouring root bones; a slack of the normals is one of the
            curvature over these.
    """
    curvature_slack = ARCH_SLACK / knuckle_distances.mean(dim=0).numpy()
    ends = {name: _ends(getattr(hands, name)) for name in ('lengths', 'curvature', 'spread')}
    return {
        'lengths': ends['lengths'].astype(np.float32),
        'curvature': (ends['curvature'] + np.stack([-curvature_slack, curvature_slack], axis=1)).astype(np.float32),
        'spread': (ends['spread'] + np.array([-SLACK, SLACK])).astype(np.float32),
        'angles': np.stack([region(points) for points in hands.angles.transpose(0, 1).numpy()]).astype(np.float32),
    }


def region(points: np.ndarray) -> np.ndarray:
    """Corners (DIRECTIONS, 2), anticlockwise, of a polygon of evenly spaced normals that holds points (N, 2) and SLACK.

    Each edge touches the points' hull widened by SLACK, so neighbouring edges meet in the polygon's corners.
    """
    turns = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    normals = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    reach = (points @ normals.T).max(axis=0) + SLACK
    pairs = np.stack([normals, np.roll(normals, -1, axis=0)], axis=1)
    return np.linalg.solve(pairs, np.stack([reach, np.roll(reach, -1)], axis=1)[..., None])[..., 0]


def _ends(values: torch.Tensor) -> np.ndarray:
    return np.stack([values.amin(dim=0).numpy(), values.amax(dim=0).numpy()], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output', type=Path, default=LIMITS)
    parser.add_argument('--hands', type=int, default=HANDS, help='poses to sample (%(default)s)')
    options = parser.parse_args()
    torch.set_num_threads(1)
    rotations, betas = posed_hands(options.hands, SEED)
    xyz = network_keypoints(load_hand_model(dtype=torch.float64), rotations, betas)
    roots = xyz[:, [1, 5, 9, 13, 17]]
    arrays = limits(measure_hands(xyz), (roots[:, 1:] - roots[:, :-1]).norm(dim=-1))
    save(options.output, arrays)
    print(f'{options.output}: limits of {len(xyz)} hands')


if __name__ == '__main__':
    main()
