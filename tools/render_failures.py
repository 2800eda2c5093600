#!/usr/bin/env python3
"""Renders the worst of many hands with what the default network finds in them, and a fair choice of the others.

Usage: python tools/render_failures.py [--hands 500] [--output docs/images/failures.jpg]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from minimal_hand_core.data.synthetic import CENTRED, SyntheticHands  # noqa: E402
from minimal_hand_core.detnet import load_detnet  # noqa: E402
from minimal_hand_core.evaluation import box_errors  # noqa: E402
from minimal_hand_core.evaluation.photos import overlay_sheet  # noqa: E402
from minimal_hand_core.evaluation.predict import predict  # noqa: E402

SEED = 79
"""Of no split: training seeds are far above."""


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--hands', type=int, default=500)
    parser.add_argument('--weights', default='default')
    parser.add_argument('--output', type=Path, default=ROOT / 'docs' / 'images' / 'failures.jpg')
    options = parser.parse_args()
    hands = SyntheticHands(SEED, size=256, variation=CENTRED)
    samples = [hands[number] for number in range(options.hands)]
    pictures = {sample.key: sample.image for sample in samples}
    found = predict(load_detnet(options.weights), samples)
    sheet = overlay_sheet(pictures.__getitem__, found, box_errors(found.uv, found.true_uv), 32)
    sheet = cv2.resize(sheet, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    if not cv2.imwrite(str(options.output), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85]):
        print(f'render_failures: {options.output} cannot be written', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
