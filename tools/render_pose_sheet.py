#!/usr/bin/env python3
"""Renders what pose solvers make of noisy keypoints, side by side, to be judged by looking.

Usage: python tools/render_pose_sheet.py [--noise 10] [--side right|left] [--output docs/images/pose_solvers.jpg]

A row is one hand: the truth, the noisy keypoints that the solvers are given, and their answers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from render_open_hand_sheet import EXTENT, TILE, in_rows, named_tile, turned  # noqa: E402

from minimal_hand_core.data.synthetic.poses import sample_pose  # noqa: E402
from minimal_hand_core.evaluation.pose_methods import FixedNoise  # noqa: E402
from minimal_hand_core.hand import FINGER_COLORS_BGR, FINGER_KEYPOINTS, HandModel, load_hand_model  # noqa: E402
from minimal_hand_core.pose import JointAxes, PoseSolver, joint_angles  # noqa: E402

FAMILIES = (('open', 'palm'), ('fist', 'thumb side'), ('pinch', 'thumb side'), ('point', 'palm'), ('grasp', 'back'))
"""Pose and view of each row."""


def posed(model: HandModel, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and keypoints (21, 3)."""
    with torch.inference_mode():
        hand = model(torch.as_tensor(rotations, dtype=model.dtype)[None], torch.zeros(1, 10, dtype=model.dtype))
    return hand.vertices[0].double().numpy(), hand.keypoints[0].double().numpy()


def skeleton_tile(name: str, points: np.ndarray, centre: np.ndarray, view: np.ndarray) -> np.ndarray:
    """Keypoints alone, placed as `draw` places the hand whose middle is `centre`."""
    tile = np.full((TILE, TILE, 3), 34, np.uint8)
    pixels = (((points - centre) @ view.T)[:, :2] * (TILE / EXTENT) + TILE / 2) * 16
    for finger, chain in FINGER_KEYPOINTS.items():
        line = np.round(pixels[[0, *chain]]).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(tile, [line], False, FINGER_COLORS_BGR[finger], 2, cv2.LINE_AA, 4)
    cv2.putText(tile, name, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (230, 230, 230), 1, cv2.LINE_AA)
    return tile


def sheet(noise: float, side: str, seed: int) -> np.ndarray:
    """Rows of FAMILIES, five tiles each."""
    model = load_hand_model('open', side)
    axes = JointAxes.from_model(model)
    template = model.rest_keypoint_basis()[0].double().numpy()
    solvers = {
        'AIK': PoseSolver(side=side, limits=False),
        'AIK within limits': PoseSolver(side=side),
        'IKNet': PoseSolver('iknet', side=side, limits=False),
    }
    rng = np.random.default_rng(seed)
    length = np.linalg.norm(template[9] - template[0])
    tiles = []
    for family, looking in FAMILIES:
        pose = sample_pose(rng, axes, family)
        view = turned(looking, 20, 10)
        if side == 'left':
            view = view * [-1, 1, 1] * [[-1], [1], [1]]
        truth = posed(model, pose.rotations)
        target = truth[1] + length * FixedNoise(noise).sample(rng, 1)[0]
        centre = (truth[0].max(axis=0) + truth[0].min(axis=0)) / 2
        tiles += [named_tile(model, f'{family}, truth', truth, view)]
        tiles += [skeleton_tile(f'keypoints, {noise:g} mm noise', target, centre, view)]
        for name, solver in solvers.items():
            rotations = np.asarray(solver(template, target, axes))
            wrong = np.degrees(np.abs(joint_angles(rotations, axes) - pose.angles)).mean()
            tiles.append(named_tile(model, f'{name}: {wrong:.0f} deg off', posed(model, rotations), view))
    return in_rows(tiles, columns=5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--noise', type=float, default=10.0, help='millimetres per coordinate')
    parser.add_argument('--side', choices=('right', 'left'), default='right')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--output', type=Path, default=ROOT / 'docs' / 'images' / 'pose_solvers.jpg')
    options = parser.parse_args()
    cv2.imwrite(str(options.output), sheet(options.noise, options.side, options.seed))
    print(options.output)
    return 0


if __name__ == '__main__':
    sys.exit(main())
