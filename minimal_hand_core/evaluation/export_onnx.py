"""Write DetNet with its decoder as an ONNX file, checked before it is there: `export_onnx small.onnx`.

The file's answers are compared with PyTorch's on real crops (`--crops`) or on rendered hands, and a file that differs
is not written. With `--int8` the convolutions are quantised; that costs accuracy, which is measured on labelled crops
that were not calibrated on, and a file that costs too much is not written either.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minimal_hand_core.data.augmentation import plain_crop
from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.datasets.rendered import open_rendered
from minimal_hand_core.data.sample import Sample
from minimal_hand_core.detnet.checkpoint import load_detnet, weights_file
from minimal_hand_core.evaluation.errors import box_errors
from minimal_hand_core.evaluation.pck import pck_auc
from minimal_hand_core.exit_status import exit_status
from minimal_hand_core.files import write_atomically
from minimal_hand_core.inference.choice import measure
from minimal_hand_core.inference.engine import EngineError, NetworkEngine
from minimal_hand_core.inference.onnx_model import ONNX, digest, export_model
from minimal_hand_core.inference.onnxruntime_engine import OnnxRuntimeEngine
from minimal_hand_core.inference.quantization import quantize_model
from minimal_hand_core.inference.torch_engine import TorchEngine

BATCH = 16
LARGEST_DIFFERENCE = 0.05
"""Pixels of the crop between a keypoint of the file and PyTorch's."""
LARGEST_COST = 0.005
"""Of INT8, in the area under the curve of correct keypoints."""
AUC_HIGH = 0.3
"""Upper end of that curve, in sides of the hand's box; the lower end is 0."""

EPILOG = """examples:
  export_onnx small.onnx
  export_onnx peer.onnx --weights checkpoint.pth --crops ~/data/photos
  export_onnx small_int8.onnx --int8 --calibration ~/data/photos

The file runs with the parameters backend:=onnxruntime weights:=small.onnx, or anywhere else that ONNX runs.
"""


class LabelledCrops(NamedTuple):
    """N crops as the tracker cuts them, and where their keypoints are.

    images: (N, 128, 128, 3) uint8 RGB, left hands mirrored.
    uv: (N, 21, 2) pixels of the crop.
    """

    images: np.ndarray
    uv: np.ndarray


class Int8Cost(NamedTuple):
    """What INT8 costs and gains.

    before, after: accuracy in float32 and in INT8, see `accuracy`.
    seconds_before, seconds_after: of one crop in ONNX Runtime, one thread, the fastest of several runs in turns.
    """

    before: float
    after: float
    seconds_before: float
    seconds_after: float


def cut_crops(samples: Sequence[Sample], limit: int) -> LabelledCrops:
    """At most `limit` crops, evenly spread over the samples."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(limit, len(samples))).astype(int))
    cut = [plain_crop(samples[int(i)])[0] for i in chosen]
    return LabelledCrops(np.stack([crop.image for crop in cut]), np.stack([crop.uv for crop in cut]))


def keypoint_difference(engine: NetworkEngine, reference: NetworkEngine, crops: np.ndarray) -> float:
    """Largest distance in pixels of the crop between the keypoints of two engines; infinite where one is not finite."""
    apart = np.linalg.norm(all_keypoints(engine, crops) - all_keypoints(reference, crops), axis=-1)
    return float(apart.max()) if np.isfinite(apart).all() else float('inf')


def accuracy(engine: NetworkEngine, crops: LabelledCrops) -> float:
    """Area under the PCK curve, 0…0.3 of the longer side of the labelled box, by the labels of the crops."""
    return pck_auc(box_errors(all_keypoints(engine, crops.images), crops.uv), low=0, high=AUC_HIGH, steps=31)


def all_keypoints(engine: NetworkEngine, crops: np.ndarray) -> np.ndarray:
    """(N, 21, 2) float64 pixels of N crops, in batches."""
    parts = [engine.run(crops[i : i + BATCH]).uv for i in range(0, len(crops), BATCH)]
    return np.concatenate(parts).astype(np.float64)


def export(weights: str, path: Path, crops: np.ndarray) -> float:
    """Write the ONNX file of some weights.

    Args:
        weights: 'default' or the path of a checkpoint.
        path: a `.onnx` file; its folder must exist.
        crops: (N, 128, 128, 3) uint8 RGB, to compare on.

    Returns:
        largest difference from PyTorch of a keypoint on the crops, in pixels of the crop.

    Raises:
        EngineError: the file would differ from PyTorch, or a package is missing.
        CheckpointError: weights that cannot be read or do not fit.
        OSError: the file cannot be written.
    """
    model, difference = _checked_model(weights, crops)
    write_atomically(path, model)
    return difference


def export_int8(weights: str, path: Path, calibration: np.ndarray, test: LabelledCrops) -> Int8Cost:
    """Write the ONNX file of some weights with its convolutions in INT8.

    Args:
        weights, path: as of `export`.
        calibration: (N, 128, 128, 3) uint8 RGB.
        test: other crops, to measure the cost on.

    Raises:
        EngineError: INT8 costs LARGEST_COST or more; else as `export`.
    """
    model, _ = _checked_model(weights, test.images)
    quantized = quantize_model(model, calibration)
    engines = {'before': OnnxRuntimeEngine(model), 'after': OnnxRuntimeEngine(quantized)}
    before, after = (accuracy(engine, test) for engine in engines.values())
    if not before - after < LARGEST_COST:
        raise EngineError(
            f'INT8 lowers the accuracy from {before:.4f} to {after:.4f}, {LARGEST_COST} or more: nothing is written; '
            'calibrate on more crops, or stay with float32'
        )
    write_atomically(path, quantized)
    seconds = measure(engines)
    return Int8Cost(before, after, seconds['before'], seconds['after'])


def _checked_model(weights: str, crops: np.ndarray) -> tuple[bytes, float]:
    """The serialised model and its largest difference from PyTorch, which is within bounds."""
    network = load_detnet(weights)
    model = export_model(network, {'weights_sha256': digest(weights_file(weights))})
    difference = keypoint_difference(OnnxRuntimeEngine(model), TorchEngine(network), crops)
    if not difference <= LARGEST_DIFFERENCE:
        raise EngineError(
            f'the exported model puts a keypoint {difference:.3g} pixels from where PyTorch does, more than '
            f'{LARGEST_DIFFERENCE}: nothing is written'
        )
    return model, difference


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'export_onnx', description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('output', type=Path, help='the .onnx file to write')
    parser.add_argument('--weights', default='default', help='"default", a .safetensors or a .pth file')
    parser.add_argument(
        '--crops', type=Path, help='labelled photos (labels.json) to compare on; default: rendered hands'
    )
    parser.add_argument('--int8', action='store_true', help='quantise the convolutions; needs --calibration')
    parser.add_argument(
        '--calibration', type=Path, help='labelled photos: of the train split to calibrate on, the others to test on'
    )
    parser.add_argument('--limit', type=int, default=256, help='compare and test on so many crops at most')
    parser.add_argument('--calibration-limit', type=int, default=64, help='calibrate on so many crops at most')
    options = parser.parse_args(arguments)
    if options.output.suffix != ONNX:
        parser.error(f'output is {str(options.output)!r}: give the name of a {ONNX} file')
    if not options.output.parent.is_dir():
        parser.error(f'there is no folder {options.output.parent}')
    if options.int8 != (options.calibration is not None):
        parser.error('--int8 and --calibration FOLDER belong together')
    if options.limit < 1 or options.calibration_limit < 1:
        parser.error('--limit and --calibration-limit must be 1 or more')
    return exit_status('export_onnx', lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    if options.int8:
        calibration = cut_crops(RealHands(options.calibration, 'train'), options.calibration_limit)
        test = cut_crops(RealHands(options.calibration, 'validation', tiers='A'), options.limit)
        cost = export_int8(options.weights, options.output, calibration.images, test)
        print(
            f'{options.output}: INT8, calibrated on {len(calibration.images)} crops; area under PCK up to '
            f'{AUC_HIGH} of the box, on {len(test.images)} others: {cost.before:.4f} in float32, {cost.after:.4f} '
            f'in INT8; a crop takes {1e3 * cost.seconds_before:.1f} and {1e3 * cost.seconds_after:.1f} ms'
        )
    else:
        real = options.crops is not None
        samples = RealHands(options.crops, 'validation') if real else open_rendered(None, 'validation')
        crops = cut_crops(samples, options.limit if real else min(options.limit, 32)).images
        difference = export(options.weights, options.output, crops)
        print(
            f'{options.output}: largest difference of a keypoint from PyTorch {difference:.2g} pixels of the crop, '
            f'on {len(crops)} {"real" if real else "rendered"} hands'
        )


if __name__ == '__main__':
    sys.exit(main())
