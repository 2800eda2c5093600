"""Score a network's 2D keypoints on a folder of labelled photos, and look at them: `evaluate_photos FOLDER`.

Protocol: each hand is cropped as the tracker crops (square, centred on the box of the labelled keypoints, 1.5 × its
longer side; left hands mirrored, those of unknown side where the network is surer of them so), and errors are divided
by the longer side of the labelled keypoints' box.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from minimal_hand_core.data.datasets.real_hands import SPLITS, EmptySplitError, RealHands
from minimal_hand_core.data.decoding import load_picture
from minimal_hand_core.detnet.checkpoint import load_detnet
from minimal_hand_core.drawing import contact_sheet, draw_skeleton, draw_text
from minimal_hand_core.evaluation.errors import box_errors
from minimal_hand_core.evaluation.pck import pck
from minimal_hand_core.evaluation.predict import Predictions, predict
from minimal_hand_core.evaluation.report import check_output, write_output
from minimal_hand_core.exit_status import exit_status

THRESHOLDS = tuple(round(0.01 * i, 2) for i in range(1, 31))
"""Of the PCK curve, shares of the hand's box."""
LABEL_COLOR_BGR = (255, 255, 255)

EPILOG = """examples:
  evaluate_photos ~/data/photos
  evaluate_photos photos/ --split all --weights runs/small/detnet.safetensors --output report/

labels.json is a list of objects, one per hand: "file", below the folder, and "keypoints_px", 21 pairs of x and y in
pixels (wrist, then thumb, index, middle, ring and little finger, each from base to tip). Optional are "side" (right,
left or null), "source" (a row of the table), "tier" (A or B), and "near_dup_group" (what --split keeps together).
"""


def summarise(errors: np.ndarray) -> dict[str, Any]:
    """Counts, mean error, PCK@0.1, PCK@0.2 and the PCK curve of errors (N, 21), shares of the hand's box."""
    return {
        'hands': len(errors),
        'points': int(errors.size),
        'mean_error': float(errors.mean()),
        'pck@0.1': pck(errors, 0.1),
        'pck@0.2': pck(errors, 0.2),
        'curve': {str(t): pck(errors, t) for t in THRESHOLDS},
    }


def overlay_sheet(
    picture_of: Callable[[str], np.ndarray], found: Predictions, errors: np.ndarray, count: int = 24
) -> np.ndarray:
    """The worst `count` / 2 hands, worst first, then as many evenly spread ones; labels in thin white.

    Args:
        picture_of: gives the (H, W, 3) uint8 BGR picture of a key.
        found: what the network said.
        errors: (N, 21) shares of the hand's box.
        count: hands to show.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    order = np.argsort(-errors.mean(axis=1))
    half = min(count // 2, len(order))
    rest = order[half:]
    spread = rest[np.linspace(0, len(rest) - 1, min(half, len(rest))).astype(int)] if len(rest) else rest
    tiles = []
    for i in [*order[:half], *spread]:
        picture = picture_of(found.keys[i])
        scale = 256 / max(picture.shape[:2])
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else 1)
        tile = np.zeros((256, 256, 3), np.uint8)
        tile[: picture.shape[0], : picture.shape[1]] = picture[:256, :256]
        draw_skeleton(tile, (found.uv[i] + 0.5) * scale - 0.5, thickness=2)
        draw_skeleton(tile, (found.true_uv[i] + 0.5) * scale - 0.5, thickness=1, color=LABEL_COLOR_BGR)
        draw_text(tile, f'{100 * errors[i].mean():.1f} %')
        tiles.append(tile)
    return contact_sheet(tiles, columns=8, width=256)


def evaluate(samples: RealHands, weights: str) -> tuple[dict[str, Any], Predictions, np.ndarray]:
    """Summaries by source and of all together ('all'), the predictions, and the errors (N, 21)."""
    found = predict(load_detnet(weights), samples)
    errors = box_errors(found.uv, found.true_uv)
    sources = np.array([record['source'] for record in samples.records])
    summaries = {str(name): summarise(errors[sources == name]) for name in np.unique(sources)}
    summaries['all'] = summarise(errors)
    return summaries, found, errors


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'evaluate_photos',
        description='2D accuracy on labelled photos.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('folder', type=Path, help='folder with labels.json and the pictures it names')
    parser.add_argument('--weights', default='default', help='"default", a .safetensors or a .pth file')
    parser.add_argument('--split', default='validation', choices=SPLITS, help='validation is the tenth held back')
    parser.add_argument('--tiers', default='A', help='grades of labels to keep, e.g. AB')
    parser.add_argument('--output', type=Path, help='folder for photos.json and overlays.png')
    options = parser.parse_args(arguments)
    return exit_status('evaluate_photos', lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    output = None if options.output is None else check_output(options.output)
    try:
        samples = RealHands(options.folder, options.split, tiers=options.tiers)
    except EmptySplitError as error:
        raise EmptySplitError(f'{error}; --split all takes every hand, --tiers AB every grade') from None
    summaries, found, errors = evaluate(samples, options.weights)
    table = Table(title=f'{options.folder}, split {options.split}, tiers {options.tiers}')
    for name in ('source', 'hands', 'mean error', 'PCK@0.1', 'PCK@0.2'):
        table.add_column(name, justify='left' if name == 'source' else 'right')
    for source, row in summaries.items():
        shares = (f'{100 * row["mean_error"]:.2f} %', f'{row["pck@0.1"]:.4f}', f'{row["pck@0.2"]:.4f}')
        table.add_row(source, str(row['hands']), *shares, end_section=source == 'all')
    Console().print(table)
    if output is not None:
        write_output(output / 'photos.json', json.dumps(summaries, indent=1).encode())
        sheet = overlay_sheet(lambda key: load_picture(options.folder / key), found, errors)
        write_output(output / 'overlays.png', cv2.imencode('.png', sheet)[1].tobytes())


if __name__ == '__main__':
    sys.exit(main())
