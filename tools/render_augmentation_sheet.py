#!/usr/bin/env python3
"""Renders what each part of the augmentation does to four hands, to be judged by looking.

Usage: python tools/render_augmentation_sheet.py [--seed 5] [--output docs/images/augmentation.jpg]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from minimal_hand_core.data.augmentation import PLAIN, Variation, crop_rng, varied_crop  # noqa: E402
from minimal_hand_core.data.synthetic import NO_EFFECTS, SceneVariation, SyntheticHands  # noqa: E402
from minimal_hand_core.drawing import contact_sheet, draw_skeleton, draw_text  # noqa: E402

MOVE = {'rotation': np.pi / 2, 'scale': (0.8, 1.3), 'shift': 0.1}
EFFECTS = {
    'plain crop': {},
    'rotation, scale, shift': MOVE,
    'far': {'far': 1.0, 'far_scale': 2.4},
    'background': {'background': 1.0},
    'occluder': {'occluder': 1.0},
    'shadow': {'shadow': 1.0},
    'light': {'light': 1.0},
    'color': {'color': 1.0},
    'channels': {'channels': 1.0},
    'blur': {'blur': 1.0},
    'low_resolution': {'low_resolution': 1.0},
    'noise': {'noise': 1.0},
    'jpeg': {'jpeg': 1.0},
    'everything, as trained': None,
}
EACH = 4
TILE = 150


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--seed', type=int, default=5)
    parser.add_argument('--output', type=Path, default=ROOT / 'docs' / 'images' / 'augmentation.jpg')
    options = parser.parse_args()
    scene = SceneVariation(front=0.0, truncated=0.0, far=0.0, distance=(0.5, 1.2), effects=NO_EFFECTS, scale=(1.4, 1.5))
    hands = SyntheticHands(12, size=256, variation=scene)
    tiles = []
    for row, (name, changes) in enumerate(EFFECTS.items()):
        variation = Variation() if changes is None else replace(PLAIN, **changes)
        for i in range(EACH):
            crop = varied_crop(hands[i], crop_rng(options.seed, row, i), variation)
            tile = cv2.cvtColor(crop.image, cv2.COLOR_RGB2BGR)
            if changes is None or changes is MOVE:
                tile = cv2.resize(tile, (384, 384), interpolation=cv2.INTER_CUBIC)
                draw_skeleton(tile, (crop.uv + 0.5) * 3 - 0.5, 2)
            tile = cv2.resize(tile, (TILE, TILE), interpolation=cv2.INTER_AREA if len(tile) > TILE else cv2.INTER_CUBIC)
            if i == 0:
                draw_text(tile, name)
            tiles.append(tile)
    sheet = contact_sheet(tiles, 2 * EACH, TILE)
    cv2.imwrite(str(options.output), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f'{options.output}: {sheet.shape[1]}×{sheet.shape[0]}, {options.output.stat().st_size // 1000} kB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
