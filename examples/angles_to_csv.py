"""Joint angles of a hand, picture by picture → a CSV file for a spreadsheet or pandas.

    python examples/angles_to_csv.py                                  # a rendered hand → angles.csv
    python examples/angles_to_csv.py clip.mp4 --side left --degrees -o left.csv

One row for each picture: its time, the score, and 20 angles, empty where there is no hand. 0 is the flat hand,
flexion is positive.
"""

import argparse
import csv
import sys
from itertools import chain
from pathlib import Path

import numpy as np

from minimal_hand_core.data.stream import pictures
from minimal_hand_core.pose import ANGLE_NAMES
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Joint angles of a hand → CSV.')
    parser.add_argument('source', nargs='?', default='rendered', help='video, folder, picture or webcam index')
    parser.add_argument('--side', default='right', choices=('right', 'left'))
    parser.add_argument('--pictures', type=int, default=90, help='end after so many; 0 = at the end of the source')
    parser.add_argument('--degrees', action='store_true', help='in place of radians')
    parser.add_argument('-o', '--output', default='angles.csv')
    options = parser.parse_args(arguments)
    if Path(options.output).resolve() == Path(options.source).resolve():
        raise ValueError(f'{options.output} is the source and would be overwritten: give another --output')

    tracker = HandTracker(HandTrackerConfig(side=options.side))
    unit = 'deg' if options.degrees else 'rad'
    rows = seen = 0
    stream = pictures(options.source, options.pictures, side=options.side)
    first = [picture for picture in (next(stream, None),) if picture]  # before a file is overwritten for nothing
    with open(options.output, 'w', newline='', encoding='utf-8') as file:
        table = csv.writer(file)
        table.writerow(['time_s', 'score', *(f'{name}_{unit}' for name in ANGLE_NAMES)])
        for picture in chain(first, stream):
            hand = tracker.track(picture.image, picture.stamp, picture.camera)
            angles = [''] * len(ANGLE_NAMES)
            if hand is not None:
                values = np.degrees(hand.angles) if options.degrees else hand.angles
                angles = [f'{value:.4f}' for value in values]
            table.writerow([f'{picture.stamp:.4f}', f'{tracker.score:.3f}', *angles])
            rows, seen = rows + 1, seen + (hand is not None)
    print(f'{options.output}: {rows} pictures, a hand in {seen}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
