"""`check_dataset`: is this data set whole, and do its labels lie on the hands?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from minimal_hand_core.data.augmentation import extent
from minimal_hand_core.data.datasets.registry import DATASETS, dataset_splits, open_dataset, reader_options
from minimal_hand_core.data.datasets.tree import DatasetError
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.data.survey import Survey, evenly, survey
from minimal_hand_core.drawing import contact_sheet, draw_skeleton, draw_text
from minimal_hand_core.files import write_atomically
from minimal_hand_core.tracking.crop import keypoints_crop
from minimal_hand_core.tracking.picture import PictureError

TILE = 256
_HIDDEN_BGR = (0, 0, 0)

_EPILOG = f"""data sets: {', '.join(DATASETS)}

examples:
  check_dataset rhd ~/data/RHD/RHD_published_v2
  check_dataset stb ~/data --split test --pictures all      ~/data holds STB/, RHD/, CMU/ …
  check_dataset rhd ~/data --set hands=both --output rhd_both.png
  check_dataset freihand ~/data/FreiHAND_pub_v2 --partial   go on although pictures are missing

The table shows, per split, the number of samples and the number the set is known to have, which hands it shows, how
many keypoints are labelled and visible, hand length (wrist to middle MCP) and distance from the camera (median and how
far they range), and by how much projected 3D labels miss the 2D labels. The sheet shows hands with their skeletons;
black dots are keypoints that are labelled but not visible.

exit status: 0 all is well, 1 something is odd (it is listed), 2 the data set cannot be read.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        opened, closed = _open_all(options)
        found = {split: survey(dataset, options.pictures) for split, dataset in opened.items()}
        _write_sheet(options.output or Path(f'check_{options.name}.png'), list(opened.values()), options.samples)
    except (ValueError, OSError) as error:
        print(f'check_dataset: {error}', file=sys.stderr)
        return 2
    console.print(_table(options, opened, found))
    problems = [*(f'{split}: {why}' for split, why in closed.items()), *_problems(opened, found)]
    notes = [f'{split}: {line}' for split, dataset in opened.items() for line in getattr(dataset, 'report', ())]
    for line in [f'· {note}' for note in notes] + [f'! {problem}' for problem in problems]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    print(f'hands with their labels: {options.output or f"check_{options.name}.png"}')
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='check_dataset',
        description='Count, measure and show the samples of a data set.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('name', help='which data set, see below', metavar='NAME')
    parser.add_argument(
        'root', help='its folder, or the folder that holds all data sets; - = none (rendered)', metavar='ROOT'
    )
    parser.add_argument('--split', action='append', help='only this split; may be given several times')
    parser.add_argument(
        '--pictures', type=_count, default=200, help='pictures to decode per split, or all (default 200)'
    )
    parser.add_argument('--samples', type=_count, default=24, help='hands on the sheet (default 24)')
    parser.add_argument('--output', type=Path, help='the sheet, a .png file (default check_NAME.png)')
    parser.add_argument('--set', action='append', default=[], metavar='OPTION=VALUE', help='an option of the reader')
    parser.add_argument('--cache', help="folder for the index (default: in the user's cache), or 'none'")
    parser.add_argument('--partial', action='store_true', help='leave out samples whose pictures are missing')
    return parser


def _count(text: str) -> int | None:
    if text == 'all':
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number above 0 nor "all"')
    return int(text)


def _open_all(options: argparse.Namespace) -> tuple[dict[str, Sequence[Sample]], dict[str, str]]:
    """The splits that can be opened, and why the others cannot; an error when a split asked for, or none, can."""
    if options.split:
        return {split: _open(options, split) for split in options.split}, {}
    opened, closed = {}, {}
    for split in dataset_splits(options.name):
        try:
            opened[split] = _open(options, split)
        except DatasetError as error:
            closed[split] = str(error)
    if not opened:
        raise DatasetError(next(iter(closed.values())))
    return opened, closed


def _open(options: argparse.Namespace, split: str) -> Sequence[Sample]:
    chosen: dict[str, Any] = {}
    for assignment in options.set:
        name, equals, value = assignment.partition('=')
        if not equals:
            raise ValueError(f'--set {assignment}: expected OPTION=VALUE, such as hands=both')
        chosen[name] = value
    chosen = reader_options(options.name, chosen)
    cache = True if options.cache is None else (False if options.cache == 'none' else options.cache)
    root = None if options.root == '-' else options.root
    dataset = open_dataset(options.name, root, split, cache=cache, partial=options.partial, **chosen)
    if options.name == 'rendered' and 'length' not in chosen and len(dataset) > 10_000:
        dataset = open_dataset(options.name, root, split, length=10_000, **chosen)  # the endless one
    return dataset


def _table(options: argparse.Namespace, opened: dict[str, Sequence[Sample]], found: dict[str, Survey]) -> Table:
    table = Table(title=f'{options.name}, {options.root}')
    for column in (
        'split',
        'samples',
        'published',
        'hands',
        'labelled',
        'visible',
        'hand length',
        'distance',
        'projection',
    ):
        table.add_column(column, justify='left' if column == 'split' else 'right')
    for split, seen in found.items():
        published = getattr(opened[split], 'published', None)
        sides = ', '.join(f'{100 * share:.0f} % {side}' for side, share in seen.sides.items())
        length, depth, miss = seen.length_mm, seen.depth_m, seen.projection_px
        table.add_row(
            split,
            f'{seen.samples:,}',
            '–' if published is None else f'{published:,}',
            sides,
            f'{100 * seen.labelled:.1f} %',
            f'{100 * seen.visible:.1f} %',
            '–' if length is None else f'{length[1]:.0f} ({length[0]:.0f}…{length[2]:.0f}) mm',
            '–' if depth is None else f'{depth[1]:.2f} ({depth[0]:.2f}…{depth[2]:.2f}) m',
            '–' if miss is None else f'{miss:.2f} px',
        )
    return table


def _problems(opened: dict[str, Sequence[Sample]], found: dict[str, Survey]) -> list[str]:
    """What a user should know of, one sentence each."""
    problems = []
    for split, seen in found.items():
        dataset = opened[split]
        published = getattr(dataset, 'published', None)
        if published is not None and published != seen.samples:
            problems.append(f'{split}: samples {seen.samples:,}, but the whole set is known to have {published:,}')
        if seen.unreadable:
            problems.append(f'{split}: {len(seen.unreadable)} of {seen.pictures} decoded pictures cannot be read:')
            problems += [f'  {message}' for message in seen.unreadable]
        if seen.outside > 0.05:
            problems.append(f'{split}: {100 * seen.outside:.1f} % of the labelled keypoints lie outside their pictures')
        if seen.projection_px is not None and seen.projection_px > 2:
            problems.append(f'{split}: 3D labels miss the 2D labels by {seen.projection_px:.1f} pixels (median)')
    return problems


def _write_sheet(path: Path, datasets: list[Sequence[Sample]], count: int | None) -> None:
    share = None if count is None else max(1, count // len(datasets))
    tiles = []
    for dataset in datasets:
        for row in evenly(len(dataset), len(dataset) if share is None else share):
            try:
                tiles.append(_tile(dataset[row]))
            except PictureError:
                continue  # named in the report
    if not tiles:
        raise ValueError('not one picture can be read, so there is nothing to show')
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(tiles, columns=6, width=TILE)
    done, data = cv2.imencode('.png', sheet)
    if not done:
        raise OSError(f'{path} cannot be made')
    write_atomically(path, data.tobytes())


def _tile(sample: Sample) -> np.ndarray:
    """The hand and a little round it, (TILE, TILE, 3) BGR, with its skeleton."""
    points = extent(sample)
    if len(points) < 2 or np.ptp(points, axis=0).max() <= 0:
        height, width = sample.image.shape[:2]  # nothing to go by: the whole picture
        points = np.array([[0, 0], [width - 1, height - 1]]) / 1.8 + np.array([width, height]) * (1 - 1 / 1.8) / 2
    crop = keypoints_crop(points, 1.8)
    tile = np.ascontiguousarray(crop.extract(sample.image, TILE)[..., ::-1])
    uv = crop.to_crop(sample.keypoints_px, TILE)
    draw_skeleton(tile, uv, thickness=1)
    for x, y in uv[~sample.visible & np.isfinite(uv).all(axis=1)]:
        cv2.circle(tile, (round(x), round(y)), 2, _HIDDEN_BGR, -1)
    draw_text(tile, f'{sample.side or "?"} {"/".join(sample.key.split("/")[-2:])}'[:38])
    return tile


if __name__ == '__main__':
    sys.exit(main())
