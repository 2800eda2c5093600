"""How far off the wrist is, and whether its covariance says so: `evaluate_wrist`.

Rendered hands move before cameras of several focal lengths, near and far, right and left; the network is in the loop
and the hand length is known. Poses are those of one picture each, unfiltered, as the covariance is of one picture.

A covariance is calibrated when 68 % of the errors lie within one standard deviation of each coordinate, 95 % within
two, and as many within the ellipsoids that should hold 68 % and 95 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from minimal_hand_core.data.synthetic import HandMotion, RenderedScene
from minimal_hand_core.evaluation.report import check_output_file, write_output
from minimal_hand_core.exit_status import exit_status
from minimal_hand_core.hand import HandModel, load_hand_model
from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.inference import Engine, create_engine
from minimal_hand_core.option_types import number_from_0
from minimal_hand_core.shape import ShapeEstimator
from minimal_hand_core.tracking import (
    CameraModel,
    DetectorConfig,
    KeypointDetector,
    Keypoints,
    PoseConfig,
    PoseEstimator,
)
from minimal_hand_core.tracking.depth import DepthPicture

DEPTHS = ('none', 'exact', 'sensor')
"""No depth picture; the renderer's own; one as a sensor would make it (sensor_depth)."""
ONE_SIGMA, TWO_SIGMA = 0.6827, 0.9545

EPILOG = """examples:
  evaluate_wrist
  evaluate_wrist --seeds 200 40 --frames 60 --depth sensor
  evaluate_wrist --weights runs/small/detnet.safetensors --output wrist.json
"""


class View(NamedTuple):
    """A camera and where the hand is: nearest and farthest distance in metres, focal length in pixels (640×480)."""

    name: str
    distance: tuple[float, float]
    focal: float


VIEWS = (
    View('0.36–0.58 m, f 600', (0.36, 0.58), 600.0),
    View('0.25–0.35 m, f 600', (0.25, 0.35), 600.0),
    View('0.6–1.0 m, f 600', (0.6, 1.0), 600.0),
    View('0.36–0.58 m, f 400', (0.36, 0.58), 400.0),
    View('0.7–1.2 m, f 1000', (0.7, 1.2), 1000.0),
)


@dataclass(frozen=True, eq=False)
class WristErrors:
    """What became of N pictures with a hand, M of them with a pose.

    Attributes:
        pictures: (V,) of each of the VIEWS; N together.
        views: (M,) index into VIEWS.
        truth: (M, 3) metres, true wrist.
        position: (M, 3) metres, error of the wrist.
        rotation: (M, 3) radians, error as a turn vector about the camera's axes.
        covariance: (M, 6, 6) as the tracker states it.
        scale: (M,) size of the hand that the network draws in the picture, beside the true one.
    """

    pictures: np.ndarray
    views: np.ndarray
    truth: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    covariance: np.ndarray
    scale: np.ndarray

    def of_view(self, view: int) -> WristErrors:
        """Those of one view."""
        mine = self.views == view
        arrays = (self.truth, self.position, self.rotation, self.covariance, self.scale)
        pictures = np.where(np.arange(len(self.pictures)) == view, self.pictures, 0)
        return WristErrors(pictures, self.views[mine], *(array[mine] for array in arrays))


@dataclass(frozen=True)
class WristAccuracy:
    """Figures of WristErrors.

    Attributes:
        pictures, poses: how many there were, and how many had a pose.
        range_median, range_p90: |error| of the distance camera–wrist, share of the distance.
        range_bias: median of the signed error, share; positive = too far.
        wrist_median, wrist_p90: distance of the wrist from the true one, metres.
        rotation_median, rotation_p90: degrees.
        one_sigma, two_sigma: shares of errors within one and two standard deviations: x, y, z, turns about X, Y, Z.
        position_68, position_95, rotation_68, rotation_95: shares within the ellipsoids of the covariance that should
            hold 68 % and 95 %.
        keypoint_scale: median, see PoseConfig.
    """

    pictures: int
    poses: int
    range_median: float
    range_p90: float
    range_bias: float
    wrist_median: float
    wrist_p90: float
    rotation_median: float
    rotation_p90: float
    one_sigma: tuple[float, ...]
    two_sigma: tuple[float, ...]
    position_68: float
    position_95: float
    rotation_68: float
    rotation_95: float
    keypoint_scale: float


def summarise(errors: WristErrors) -> WristAccuracy:
    """The figures of at least one pose.

    Raises:
        ValueError: there is none.
    """
    if len(errors.position) == 0:
        raise ValueError(f'errors: expected at least one pose, found none in {errors.pictures.sum()} pictures')
    true_range = np.linalg.norm(errors.truth, axis=1)
    relative = np.linalg.norm(errors.truth + errors.position, axis=1) / true_range - 1
    wrist = np.linalg.norm(errors.position, axis=1)
    turn = np.degrees(np.linalg.norm(errors.rotation, axis=1))
    both = np.abs(np.concatenate([errors.position, errors.rotation], axis=1))
    sigma = np.sqrt(np.einsum('nii->ni', errors.covariance))
    position = _squared_distances(errors.position, errors.covariance[:, :3, :3])
    rotation = _squared_distances(errors.rotation, errors.covariance[:, 3:, 3:])
    inner, outer = chi2.ppf(ONE_SIGMA, 3), chi2.ppf(TWO_SIGMA, 3)
    return WristAccuracy(
        pictures=int(errors.pictures.sum()),
        poses=len(errors.position),
        range_median=float(np.median(np.abs(relative))),
        range_p90=float(np.percentile(np.abs(relative), 90)),
        range_bias=float(np.median(relative)),
        wrist_median=float(np.median(wrist)),
        wrist_p90=float(np.percentile(wrist, 90)),
        rotation_median=float(np.median(turn)),
        rotation_p90=float(np.percentile(turn, 90)),
        one_sigma=tuple((both < sigma).mean(axis=0).tolist()),
        two_sigma=tuple((both < 2 * sigma).mean(axis=0).tolist()),
        position_68=float((position < inner).mean()),
        position_95=float((position < outer).mean()),
        rotation_68=float((rotation < inner).mean()),
        rotation_95=float((rotation < outer).mean()),
        keypoint_scale=float(np.median(errors.scale)),
    )


def measure(
    engine: Engine,
    seeds: Sequence[int],
    frames: int = 60,
    *,
    rate: float = 3.0,
    depth: str = 'none',
    views: Sequence[View] = VIEWS,
    config: PoseConfig | None = None,
) -> WristErrors:
    """Track rendered hands; seed s has view s modulo their number, and the side changes with every round of views.

    Args:
        engine: runs the network.
        seeds: one clip each.
        frames: pictures per clip.
        rate: pictures per second of the clip.
        depth: one of DEPTHS.
        views: cameras.
        config: of the PoseEstimator; side, hand length and filter are set here.

    Raises:
        ValueError: an argument out of its range.
    """
    if depth not in DEPTHS:
        raise ValueError(f'depth: expected one of {", ".join(DEPTHS)}, found {depth!r}')
    if frames < 1 or not rate > 0 or not seeds:
        raise ValueError(f'expected seeds, frames and a rate above 0, found {len(seeds)}, {frames}, {rate}')
    models = {side: load_hand_model('open', side) for side in SIDES}
    rows = []
    counts = np.zeros(len(views), int)
    for seed in seeds:
        for row in _clip(engine, models, seed, frames, rate, depth, views, config or PoseConfig()):
            counts[seed % len(views)] += 1
            if row is not None:
                rows.append(row)
    if not rows:
        raise ValueError(f'no hand was found in {counts.sum()} pictures')
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return WristErrors(counts, *columns)


def sensor_depth(depth: np.ndarray, rng: np.random.Generator, wall: float) -> np.ndarray:
    """What a depth camera would make of it: a wall behind, noise, holes, and flying pixels at edges.

    Args:
        depth: (H, W) float32 metres, 0 = nothing there.
        rng: of noise and holes.
        wall: metres, what is behind everything.

    Returns:
        (H, W) uint16 millimetres, 0 = hole: noise of 4 mm at 0.5 m that grows with the square of the distance, 15 % of
        4×4 blocks missing, and at each edge a pixel between the two surfaces.
    """
    full = np.where(depth > 0, depth, np.float32(wall))
    beside = np.roll(full, 1, axis=1)
    full = np.where(np.abs(full - beside) > 0.05, (full + beside) / 2, full)
    full = full + rng.normal(0, 0.004, full.shape) * (full / 0.5) ** 2
    height, width = full.shape
    holes = np.kron(rng.random((-(-height // 4), -(-width // 4))) < 0.15, np.ones((4, 4), bool))
    return np.where(holes[:height, :width], 0, np.round(1000 * full)).astype(np.uint16)


def _clip(
    engine: Engine,
    models: dict[str, HandModel],
    seed: int,
    frames: int,
    rate: float,
    depth: str,
    views: Sequence[View],
    config: PoseConfig,
) -> Iterator[tuple[object, ...] | None]:
    """One row per picture, in the order of the arrays of WristErrors; None for a picture without a pose."""
    view = seed % len(views)
    side = SIDES[seed // len(views) % 2]
    scene = RenderedScene(
        seed, motion=HandMotion(seed, distance=views[view].distance), side=side, focal=views[view].focal
    )
    height, width = scene.size
    camera = CameraModel(width, height, scene.intrinsics, np.zeros(0))
    truth = scene.truth(0.0)
    assert truth is not None
    length = truth.hand_length
    settings = {**asdict(config), 'side': side, 'hand_length': length, 'hand_length_sigma': 0.0, 'filter': 'none'}
    estimator = PoseEstimator(PoseConfig(**settings), models[side])
    shapes = ShapeEstimator(models[side], hand_length=length)
    detector = KeypointDetector(DetectorConfig(side=side), engine)
    rng = np.random.default_rng((seed, 0xDE97))
    for n in range(frames):
        t = n / rate
        picture, truth = scene.frame(t)
        found = detector.detect(picture, t, camera)
        state = None
        if truth is not None and isinstance(found, Keypoints):
            measured = None
            if depth != 'none':
                metres = scene.depth(t)
                if depth == 'sensor':
                    metres = sensor_depth(metres, rng, float(truth.wrist[2]) + 0.25)
                measured = DepthPicture.from_array(metres, t)
            state = estimator.update(found, shapes.update(found.xyz, found.confidence), camera, measured)
        if truth is None or state is None or not isinstance(found, Keypoints):
            yield None
            continue
        turn = Rotation.from_matrix(state.wrist_rotation @ truth.rotations[0].T).as_rotvec()
        scale = _scale(found.uv, truth.keypoints_px)
        yield view, truth.wrist, state.wrist_position - truth.wrist, turn, state.wrist_covariance, scale


def _scale(found: np.ndarray, true: np.ndarray) -> float:
    """Of (21, 2) pixels, the size beside the true ones, by least squares."""
    found, true = found - found.mean(axis=0), true - true.mean(axis=0)
    return float((found * true).sum() / (true * true).sum())


def _squared_distances(errors: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(N,) Mahalanobis's, of (N, 3) and (N, 3, 3)."""
    return np.asarray((errors * np.linalg.solve(covariance, errors[..., None])[..., 0]).sum(axis=1))


def table(rows: dict[str, WristAccuracy], title: str) -> Table:
    """One line per name."""
    result = Table(title=title)
    heads = ('poses', 'range', 'bias', 'wrist mm', 'rotation °', '1σ x y z', '1σ X Y Z', '68/95 % pos.', '68/95 % rot.')
    for name in ('view', *heads):
        result.add_column(name, justify='left' if name == 'view' else 'right', no_wrap=True)
    for name, row in rows.items():
        one = [f'{100 * share:.0f}' for share in row.one_sigma]
        result.add_row(
            name,
            f'{row.poses}/{row.pictures}',
            f'{100 * row.range_median:.2f} %',
            f'{100 * row.range_bias:+.1f} %',
            f'{1000 * row.wrist_median:.1f}',
            f'{row.rotation_median:.1f}',
            ' '.join(one[:3]),
            ' '.join(one[3:]),
            f'{100 * row.position_68:.0f}/{100 * row.position_95:.0f}',
            f'{100 * row.rotation_68:.0f}/{100 * row.rotation_95:.0f}',
        )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'evaluate_wrist',
        description='Accuracy of the metric wrist, and calibration of its covariance, on rendered hands.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--seeds',
        type=number_from_0,
        nargs=2,
        default=(200, 20),
        metavar=('FIRST', 'COUNT'),
        help='clips; default 200 20',
    )
    parser.add_argument('--frames', type=number_from_0, default=60, help='pictures per clip; default 60')
    parser.add_argument('--rate', type=float, default=3.0, help='pictures per second; default 3, over a whole motion')
    parser.add_argument('--depth', choices=DEPTHS, default='none', help='registered depth pictures')
    parser.add_argument('--weights', default='default', help='"default", a checkpoint or an .onnx file')
    parser.add_argument('--backend', default='auto', help='inference engine')
    parser.add_argument('--keypoint-scale', type=float, default=PoseConfig().keypoint_scale, help='see PoseConfig')
    parser.add_argument('--output', type=Path, help='JSON file for all figures')
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    return exit_status('evaluate_wrist', lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    output = None if options.output is None else check_output_file(options.output)
    engine = create_engine(options.backend, options.weights, 1)
    first, count = options.seeds
    errors = measure(
        engine,
        range(first, first + count),
        options.frames,
        rate=options.rate,
        depth=options.depth,
        config=PoseConfig(keypoint_scale=options.keypoint_scale),
    )
    by_view = {view.name: errors.of_view(i) for i, view in enumerate(VIEWS)}
    rows = {name: summarise(mine) for name, mine in by_view.items() if len(mine.position)}
    rows['all'] = summarise(errors)
    console = Console(width=max(Console().width, 130))
    console.print(table(rows, f'seeds {first}–{first + count - 1}, depth: {options.depth}'))
    console.print(f'keypoint_scale measured: {rows["all"].keypoint_scale:.3f}, used: {options.keypoint_scale:.3f}')
    if output is not None:
        write_output(output, json.dumps({name: asdict(row) for name, row in rows.items()}, indent=1).encode())


if __name__ == '__main__':
    sys.exit(main())
