"""How steady a tracked hand is at rest, and what that costs in motion.

Two figures, each of a filtered stream beside the unfiltered one:
    * jitter: RMS distance of the samples of a resting hand from their mean; of rotations, the angle from the mean
      rotation. Noise of every frequency counts, slow drift as well.
    * lag: the delay τ for which raw(t − τ) is nearest to filtered(t) in the sense of least squares, over a motion.

`python -m minimal_hand_core.evaluation.steadiness` measures both on rendered pictures with sensor noise, the network in
the loop: hands that rest, and hands that shuttle sideways or in depth.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from minimal_hand_core.arrays import check_shape
from minimal_hand_core.data.synthetic import HandMotion, MotionState, RenderedScene
from minimal_hand_core.inference import Engine, create_engine
from minimal_hand_core.shape import HandShape
from minimal_hand_core.tracking import (
    CameraModel,
    DetectorConfig,
    HandState,
    KeypointDetector,
    Keypoints,
    PoseConfig,
    PoseEstimator,
)

RATE = 30.0
"""Pictures per second."""
SETTLED = 2.0
"""Seconds from the first hand on that do not count: a straight line through noise needs some to be known."""
PLACE = (0.0, 0.08, 0.5)
"""Metres, middle of the wrist's way."""
HALF_WAY = 0.1
"""Metres from there to the turning points."""
LONGEST_LAG = 0.2
"""Seconds."""


class ShuttleMotion:
    """A hand that holds one pose while its wrist goes to and fro at constant speed, turning smoothly, or rests.

    Args:
        seed: another seed, another hand and pose.
        speed: metres per second between the turning points; 0 = rest.
        axis: along which, 0 = x, 2 = z.
    """

    def __init__(self, seed: int, speed: float, axis: int = 0) -> None:
        motion = HandMotion(seed)
        # Gestures are held at the beginning of each of their slots.
        self._pose = motion.at(float(np.random.default_rng(seed).uniform(0, motion.period)))
        self._speed, self._axis = speed, axis
        self.betas = motion.betas

    def at(self, t: float) -> MotionState:
        """The hand at t seconds."""
        wrist = np.array(PLACE)
        if self._speed > 0:
            # A triangle wave whose corners are rounded: the arc sine of a sine that stays below 1.
            turns = self._speed * t / (4 * HALF_WAY)
            wrist[self._axis] += HALF_WAY * 2 / math.pi * math.asin(0.97 * math.sin(2 * math.pi * turns))
        return MotionState(self._pose.rotations, self.betas, wrist, self._pose.angles)


class Clip(NamedTuple):
    """What the network saw of a rendered hand.

    Attributes:
        found: of every picture with a hand.
        wrists: (N, 3) metres, where the wrist was in those.
        shape: of the hand, as rendered.
        camera: of the pictures.
        pictures: how many there were.
    """

    found: list[Keypoints]
    wrists: np.ndarray
    shape: HandShape
    camera: CameraModel
    pictures: int


def record_clip(
    engine: Engine, seed: int, speed: float, axis: int = 0, seconds: float = 4.0, noise: float = 4.0
) -> Clip:
    """Render a hand, with the truth's shape known, and run the detector on it.

    Args:
        engine: runs the network.
        seed: another seed, another hand, pose and room.
        speed, axis: as of ShuttleMotion.
        seconds: length.
        noise: standard deviation of the sensor's noise, grey levels, new in every picture.
    """
    scene = RenderedScene(seed, motion=ShuttleMotion(seed, speed, axis), noise=0.0)  # type: ignore[arg-type]
    height, width = scene.size
    camera = CameraModel(width, height, scene.intrinsics, np.zeros(0))
    detector = KeypointDetector(DetectorConfig(), engine)
    rng = np.random.default_rng(seed)
    found, wrists = [], []
    picture, truth = scene.frame(0.0)
    pictures = round(seconds * RATE)
    for i in range(pictures):
        if speed > 0:
            picture, truth = scene.frame(i / RATE)
        assert truth is not None
        grain = np.round(rng.normal(0, noise, picture.shape)).astype(np.int16)
        keypoints = detector.detect(cv2.add(picture, grain, dtype=cv2.CV_8U), i / RATE, camera)
        if isinstance(keypoints, Keypoints):
            found.append(keypoints)
            wrists.append(truth.wrist)
    assert truth is not None
    return Clip(found, np.array(wrists).reshape(-1, 3), HandShape(truth.betas, truth.hand_length), camera, pictures)


def replay(clip: Clip, config: PoseConfig, estimator: PoseEstimator | None = None) -> list[HandState]:
    """Poses of the hands of a clip.

    Raises:
        ValueError: the keypoints of a picture cannot be posed.
    """
    if estimator is None:
        estimator = PoseEstimator(config)
    else:
        estimator.reconfigure(config)
        estimator.reset()
    states = [estimator.update(keypoints, clip.shape, clip.camera) for keypoints in clip.found]
    good = [state for state in states if state is not None]
    if len(good) < len(states):
        raise ValueError(f'{len(states) - len(good)} of {len(states)} hands of the clip cannot be posed')
    return good


class Jitter(NamedTuple):
    """RMS about the mean: metres, radians, metres from the wrist (21 keypoints), radians (20 angles)."""

    wrist: float
    rotation: float
    keypoints: float
    angles: float


def jitter(states: list[HandState]) -> Jitter:
    """Of a hand at rest, as in the module's convention.

    Raises:
        ValueError: fewer than two states after the time it takes to settle.
    """
    states = [state for state in states if state.stamp - states[0].stamp >= SETTLED]
    if len(states) < 2:
        raise ValueError(f'states: expected 2 or more after {SETTLED:g} s, found {len(states)}')
    rotations = Rotation.from_matrix(np.stack([state.wrist_rotation for state in states]))
    turns = (rotations.mean().inv() * rotations).magnitude()
    posed = np.stack([state.keypoints_m - state.wrist_position for state in states])
    return Jitter(
        _spread(np.stack([state.wrist_position for state in states])),
        float(np.sqrt((turns**2).mean())),
        _spread(posed),
        _spread(np.stack([state.angles for state in states])[..., None]),
    )


def lag(filtered: np.ndarray, raw: np.ndarray, stamps: np.ndarray) -> float:
    """Delay of a filtered path, seconds, as in the module's convention; −LONGEST_LAG … LONGEST_LAG.

    Args:
        filtered, raw: (N, 3) places.
        stamps: (N,) seconds, increasing.

    Raises:
        ValueError: shapes that do not fit, or a clip too short to be shifted by LONGEST_LAG.
    """
    check_shape(raw, 'raw', (len(stamps), 3))
    check_shape(filtered, 'filtered', (len(stamps), 3))
    inside = (stamps >= stamps[0] + LONGEST_LAG) & (stamps <= stamps[-1] - LONGEST_LAG)
    if inside.sum() < 2:
        raise ValueError(f'stamps: expected more than {2 * LONGEST_LAG:g} s, found {np.ptp(stamps):g} s')
    delays = np.linspace(-LONGEST_LAG, LONGEST_LAG, 401)
    shifted = np.stack(
        [[np.interp(stamps[inside] - delay, stamps, raw[:, axis]) for axis in range(3)] for delay in delays]
    )
    return float(delays[((shifted - filtered[inside].T) ** 2).sum(axis=(1, 2)).argmin()])


def wrist_lag(clip: Clip, filtered: list[HandState], raw: list[HandState]) -> float:
    """`lag` of the wrist's place, seconds, of two replays of one clip."""
    return lag(_wrists(filtered), _wrists(raw), np.array([state.stamp for state in raw]))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser('steadiness', description='Jitter at rest and lag in motion of the filters.')
    parser.add_argument('--hands', type=int, default=6, help='rendered hands')
    parser.add_argument('--speed', type=float, default=0.5, help='m/s of the moving ones')
    parser.add_argument('--noise', type=float, default=4.0, help='grey levels of the sensor')
    parser.add_argument('--weights', default='default', help='of the network')
    parser.add_argument('--plot', type=Path, help='draw wrist positions over time to this .png')
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    engine = create_engine('auto', options.weights)
    rest = [record_clip(engine, seed, 0.0, seconds=6.0, noise=options.noise) for seed in range(options.hands)]
    moving = [
        record_clip(engine, seed, options.speed, 2 * (seed % 2), 3.0, options.noise) for seed in range(options.hands)
    ]
    estimator = PoseEstimator(PoseConfig(filter='none'))
    streams: dict[str, list[list[HandState]]] = {}
    table = Table(title=f'{options.hands} hands, noise {options.noise:g}, {options.speed:g} m/s, {RATE:g} Hz')
    for name in ('filter', 'wrist', 'rotation', 'keypoints', 'angles', 'lag sideways', 'lag in depth', 'lost'):
        table.add_column(name, justify='left' if name == 'filter' else 'right')
    plain: Jitter | None = None
    lost = 1 - sum(len(clip.found) for clip in rest + moving) / sum(clip.pictures for clip in rest + moving)
    for name in ('none', 'one_euro', 'kalman'):
        config = replace(estimator.config, filter=name)
        streams[name] = [replay(clip, config, estimator) for clip in rest + moving]
        each = np.array([jitter(states) for states in streams[name][: len(rest)]])
        total = Jitter(*np.sqrt((each**2).mean(axis=0)))
        plain = plain or total
        lags = [
            wrist_lag(clip, states, raw)
            for clip, states, raw in zip(moving, streams[name][len(rest) :], streams['none'][len(rest) :])
        ]
        table.add_row(
            name,
            f'{total.wrist * 1e3:.2f} mm ÷{plain.wrist / total.wrist:.1f}',
            f'{math.degrees(total.rotation):.2f}° ÷{plain.rotation / total.rotation:.1f}',
            f'{total.keypoints * 1e3:.2f} mm ÷{plain.keypoints / total.keypoints:.1f}',
            f'{math.degrees(total.angles):.2f}° ÷{plain.angles / total.angles:.1f}',
            *(f'{np.median(part) * 1e3:.0f} ms' if part else '–' for part in (lags[::2], lags[1::2])),
            f'{100 * lost:.1f} %',
        )
    Console().print(table)
    if options.plot is not None:
        _plot(options.plot, rest + moving, streams)
    return 0


def _spread(values: np.ndarray) -> float:
    """RMS distance of (T, …, D) from the mean over T, averaged over the axes between."""
    return float(np.sqrt(((values - values.mean(axis=0)) ** 2).sum(axis=-1).mean()))


def _wrists(states: list[HandState]) -> np.ndarray:
    return np.stack([state.wrist_position for state in states])


def _plot(path: Path, clips: list[Clip], streams: dict[str, list[list[HandState]]]) -> None:
    """One row per clip, x and z of the wrist in millimetres, from the true place."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(clips), 2, figsize=(14, 2.2 * len(clips)), squeeze=False)
    for row, clip in enumerate(clips):
        for column, axis in enumerate((0, 2)):
            plot = axes[row, column]
            stamps = [keypoints.stamp for keypoints in clip.found]
            offset = np.median(_wrists(streams['none'][row])[:, axis] - clip.wrists[:, axis])
            plot.plot(stamps, 1e3 * (clip.wrists[:, axis] + offset), 'k', lw=0.7, label='true, shifted')
            for name, style in (('none', '.'), ('one_euro', '-'), ('kalman', '-')):
                plot.plot(stamps, 1e3 * _wrists(streams[name][row])[:, axis], style, ms=2, lw=0.8, label=name)
            plot.set_ylabel(f'{"xyz"[axis]} [mm]')
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=70)


if __name__ == '__main__':
    sys.exit(main())
