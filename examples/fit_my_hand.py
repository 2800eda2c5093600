"""The shape of your own hand from photos or a short clip → betas and hand length in a file.

    python examples/fit_my_hand.py                                           # a rendered hand → my_hand.npz
    python examples/fit_my_hand.py *.jpg --hand-length 0.093                 # photos, hand open, from several sides
    python examples/fit_my_hand.py clip.mp4 --hand-length 0.093

One camera sees no absolute size: measure from the crease of the wrist to the middle knuckle, in metres.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from minimal_hand_core.data.stream import pictures
from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.shape import ShapeCalibration
from minimal_hand_core.tracking import DetectorConfig, KeypointDetector, Keypoints

LOOKS = 5  # at a picture in which no hand was found yet


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Fit the shape of a hand model to your hand.')
    parser.add_argument('sources', nargs='*', default=['rendered'], help='photos, folders, videos, a webcam index')
    parser.add_argument('--side', default='right', choices=('right', 'left'))
    parser.add_argument('--pictures', type=int, default=40, help='of each source, at most')
    parser.add_argument('--hand-length', type=float, help='metres; default: that of the hand model')
    parser.add_argument('-o', '--output', default='my_hand.npz')
    options = parser.parse_args(arguments)

    detector = KeypointDetector(DetectorConfig(side=options.side))
    seen: list[Keypoints] = []
    for source in options.sources:
        detector.reset()
        for picture in pictures(source, options.pictures, side=options.side):
            looks = (detector.detect(picture.image, picture.stamp, picture.camera) for _ in range(LOOKS))
            seen += [next((look for look in looks if isinstance(look, Keypoints)), None)]
    found = [keypoints for keypoints in seen if keypoints is not None]
    if not found:
        raise ValueError(f'no {options.side} hand in {len(seen)} pictures')

    model = load_hand_model(side=options.side)
    calibration = ShapeCalibration(model, len(found), hand_length=options.hand_length)
    for keypoints in found:
        calibration.add(keypoints.xyz, keypoints.confidence)
    result = calibration.result()
    if result.shape is None:
        raise ValueError(result.message)
    output = Path(options.output)
    output = output if output.suffix == '.npz' else Path(f'{output}.npz')  # as NumPy would name it
    np.savez(output, side=options.side, betas=result.shape.betas, hand_length=result.shape.hand_length)
    print(f'{output}: from {result.frames} of {len(seen)} pictures, which agree to {100 * result.spread:.1f} %')
    print('betas', *np.round(result.shape.betas, 2), f'  hand length {result.shape.hand_length:.4f} m')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
