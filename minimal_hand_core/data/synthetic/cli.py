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
After Ctrl-C the folder holds what was made until then, with its labels.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 2 unusable arguments, 130 after Ctrl-C)."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)

    def say(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    try:
        _check(options)
        count, seconds = _make(options, console)
    except (ValueError, OSError) as error:
        say(f'make_synthetic: {error}', 'red')
        return 2
    except KeyboardInterrupt:
        say('make_synthetic: interrupted before the first picture')
        return 130
    if count < options.count:
        say(f'make_synthetic: interrupted; {count} of {options.count} pictures in {options.output}, with their labels')
        return 130
    say(f'{count} pictures in {options.output} ({count / max(seconds, 1e-9):.0f} per second)')
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
    parser.add_argument('--split', help='which of --backgrounds: all (default), train (9/10) or test (1/10)')
    parser.add_argument('--format', default='jpg', help='jpg or png (default %(default)s)')
    parser.add_argument('--centred', action='store_true', help='crop exactly on the hand, as test sets want')
    parser.add_argument('--masks', action='store_true', help='write masks as well')
    return parser


def _check(options: argparse.Namespace) -> None:
    if options.count < 1:
        raise ValueError(f'--count: expected 1 or more, found {options.count}')
    if options.format not in FORMATS:
        raise ValueError(f'--format: unknown {options.format!r}, choose one of {", ".join(FORMATS)}')
    if options.split is not None and options.backgrounds is None:
        raise ValueError(f'--split: {options.split!r} is of --backgrounds, which is not given; give both or neither')
    if options.output.exists() and not options.output.is_dir():
        raise ValueError(f'output: {options.output} is a file; name a new folder')
    if options.output.is_dir() and any(options.output.iterdir()):
        raise ValueError(f'output: {options.output} is not empty; name a new folder or empty it')


def _make(options: argparse.Namespace, console: Console) -> tuple[int, float]:
    """How many pictures were made, all unless interrupted, and seconds.

    Raises:
        KeyboardInterrupt: interrupted before there was one.
    """
    # Imported late: --help and wrong arguments should not wait for compiled kernels.
    from minimal_hand_core.data.synthetic.backgrounds import Backgrounds
    from minimal_hand_core.data.synthetic.scenes import CENTRED, SyntheticHands
    from minimal_hand_core.threads import limit_threads

    split = options.split or 'all'
    photos = Backgrounds(options.backgrounds, split) if options.backgrounds else None
    variation = CENTRED if options.centred else None
    hands = SyntheticHands(options.seed, photos, options.size, options.count, variation)
    # One hand at a time is too little work to share out; idle threads that spin would cost more than they do.
    limit_threads(1)
    hands[0]  # compiles the kernels, once per machine; not part of the rate
    folders = [options.output / 'images'] + ([options.output / 'masks'] if options.masks else [])
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn('rendering'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    made: list[tuple[dict[str, Any], dict[str, np.ndarray]]] = []
    start = time.perf_counter()
    with Progress(*columns, console=console, transient=True) as progress:
        try:
            for i in progress.track(range(options.count)):
                sample = hands[i]
                record = _write_pictures(options, sample, f'{i:07d}')
                made.append((record, {name: np.asarray(getattr(sample, name)) for name in LABELS}))
        except KeyboardInterrupt:
            if not made:
                raise
    seconds = time.perf_counter() - start
    _write_labels(options, split, made)
    return len(made), seconds


def _write_labels(
    options: argparse.Namespace, split: str, made: list[tuple[dict[str, Any], dict[str, np.ndarray]]]
) -> None:
    labels = {name: np.stack([rows[name] for _, rows in made]) for name in LABELS}
    np.savez_compressed(options.output / 'labels.npz', **labels)  # type: ignore[arg-type]
    how = {
        'seed': options.seed,
        'size': options.size,
        'centred': options.centred,
        'side': 'right',
        'backgrounds': str(options.backgrounds) if options.backgrounds else None,
        'split': split if options.backgrounds else None,
    }
    samples = [record for record, _ in made]
    (options.output / 'labels.json').write_text(json.dumps({'made_with': how, 'samples': samples}) + '\n')


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
