"""`make_synthetic`: write labelled pictures of rendered hands to a folder."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minimal_hand_core.data.synthetic.scenes import SyntheticSample

FORMATS = ('jpg', 'png')
LABELS = ('keypoints_px', 'keypoints_m', 'visible', 'visibility', 'intrinsics', 'betas', 'rotations', 'angles')

_EPILOG = """
examples:
  make_synthetic hands                                   1,000 pictures of 128 px with made-up backgrounds
  make_synthetic hands -n 5000 --seed 7 --backgrounds photos/
  make_synthetic hands -n 64 --size 256 --format png --masks

The folder then holds
  images/0000000.jpg …   one right hand each
  masks/0000000.png …    255 where the hand is (with --masks)
  labels.npz             per picture: keypoints_px (21,2), keypoints_m (21,3) metres in the camera frame, visible (21,),
                         visibility (21,), intrinsics (3,3), betas (10,), rotations (16,3,3), angles (20,)
  labels.json            how it was made, and per picture: file, family of the pose, keypoints_px

The same arguments and version give the same pictures; another kind of processor may round a pixel differently.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 2 unusable arguments)."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        _check(options)
        seconds = _make(options, console)
    except (ValueError, OSError) as error:
        console.print(f'make_synthetic: {error}', style='red', markup=False, highlight=False, soft_wrap=True)
        return 2
    rate = options.count / max(seconds, 1e-9)
    console.print(
        f'{options.count} pictures in {options.output} ({rate:.0f} per second)',
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='make_synthetic',
        description='Render hands with exact labels.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('output', type=Path, help='folder to write to; new or empty')
    parser.add_argument('-n', '--count', type=int, default=1000, help='number of pictures (default %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='another seed, other hands (default %(default)s)')
    parser.add_argument('--size', type=int, default=128, help='side of the pictures, pixels (default %(default)s)')
    parser.add_argument('--backgrounds', type=Path, help='folder of .jpg or .png photos without hands')
    parser.add_argument('--split', default='all', help='which backgrounds: all, train (9/10) or test (1/10)')
    parser.add_argument('--format', default='jpg', help='jpg or png (default %(default)s)')
    parser.add_argument('--centred', action='store_true', help='crop exactly on the hand, as test sets want')
    parser.add_argument('--masks', action='store_true', help='write masks as well')
    return parser


def _check(options: argparse.Namespace) -> None:
    if options.count < 1:
        raise ValueError(f'--count: expected 1 or more, found {options.count}')
    if options.format not in FORMATS:
        raise ValueError(f'--format: unknown {options.format!r}, choose one of {", ".join(FORMATS)}')
    if options.output.exists() and not options.output.is_dir():
        raise ValueError(f'output: {options.output} is a file; name a new folder')
    if options.output.is_dir() and any(options.output.iterdir()):
        raise ValueError(f'output: {options.output} is not empty; name a new folder or empty it')


def _make(options: argparse.Namespace, console: Console) -> float:
    # Imported late: --help and wrong arguments should not wait for compiled kernels.
    from minimal_hand_core.data.synthetic.backgrounds import Backgrounds
    from minimal_hand_core.data.synthetic.scenes import CENTRED, SyntheticHands
    from minimal_hand_core.threads import limit_threads

    photos = Backgrounds(options.backgrounds, options.split) if options.backgrounds else None
    variation = CENTRED if options.centred else None
    hands = SyntheticHands(options.seed, photos, options.size, options.count, variation)
    # One hand at a time is too little work to share out; idle threads that spin would cost more than they do.
    limit_threads(1)
    hands[0]  # compiles the kernels, once per machine; not part of the rate
    folders = [options.output / 'images'] + ([options.output / 'masks'] if options.masks else [])
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn('rendering'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    labels: dict[str, list[np.ndarray]] = {name: [] for name in LABELS}
    records = []
    start = time.perf_counter()
    with Progress(*columns, console=console, transient=True) as progress:
        for i in progress.track(range(options.count)):
            sample = hands[i]
            records.append(_write_pictures(options, sample, f'{i:07d}'))
            for name in LABELS:
                labels[name].append(np.asarray(getattr(sample, name)))
    seconds = time.perf_counter() - start
    np.savez_compressed(options.output / 'labels.npz', **{name: np.stack(rows) for name, rows in labels.items()})  # type: ignore[arg-type]
    made = {
        'seed': options.seed,
        'size': options.size,
        'centred': options.centred,
        'side': 'right',
        'split': options.split,
    }
    made['backgrounds'] = str(options.backgrounds) if options.backgrounds else None
    (options.output / 'labels.json').write_text(json.dumps({'made_with': made, 'samples': records}) + '\n')
    return seconds


def _write_pictures(options: argparse.Namespace, sample: SyntheticSample, name: str) -> dict[str, Any]:
    file = f'images/{name}.{options.format}'
    _write(options.output / file, sample.image)
    if options.masks:
        _write(options.output / 'masks' / f'{name}.png', sample.mask.astype(np.uint8) * 255)
    return {'file': file, 'family': sample.family, 'keypoints_px': np.round(sample.keypoints_px, 3).tolist()}


def _write(path: Path, image: np.ndarray) -> None:
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path} could not be written; is the disk full or the folder read-only?')


if __name__ == '__main__':
    sys.exit(main())
