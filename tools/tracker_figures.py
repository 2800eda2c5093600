#!/usr/bin/env python3
"""Measures what docs/tracking.md says of the default tracker: how close it looks, hands that do not point up, and what
it takes for a hand where there is none.

Usage: python tools/tracker_figures.py [--only close turned absent] [--photos ../shared/data/real_hands]
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from minimal_hand_core.data.datasets.real_hands import RealHands  # noqa: E402
from minimal_hand_core.data.sample import Sample  # noqa: E402
from minimal_hand_core.data.synthetic import CENTRED, Backgrounds, RenderedScene, SyntheticHands  # noqa: E402
from minimal_hand_core.evaluation import box_errors  # noqa: E402
from minimal_hand_core.inference import Engine, create_engine  # noqa: E402
from minimal_hand_core.tracking import (  # noqa: E402
    CameraModel,
    DetectorConfig,
    HandTracker,
    HandTrackerConfig,
    KeypointDetector,
    Keypoints,
    track,
    upright,
)
from minimal_hand_core.tracking.crop import CROP_FACTOR, PAD  # noqa: E402

PEOPLE = range(300, 312)
"""Seeds of scenes, of no split."""
ANY_VIEW = 78
LOOKS = 8
"""Pictures until a hand must have been found."""
ABSENT_LOOKS = 24
SETTLED = 8
"""Pictures of a moving hand that do not count."""


def close(engine: Engine) -> None:
    """Moving hands, in squares of one size and in those that fit the motion."""
    for rate, pictures in ((30.0, 60), (10.0, 40)):
        results: dict[str, list[np.ndarray]] = {}
        for seed in PEOPLE:
            scene, start = RenderedScene(seed), float(np.random.default_rng(seed).uniform(0, 15))
            frames = [scene.frame(start + i / rate) for i in range(pictures)]
            for name, side in (
                (f'always {CROP_FACTOR}', CROP_FACTOR),
                (f'{track.CLOSE} to {CROP_FACTOR}', track.CLOSE),
            ):
                with patch.object(track, 'CLOSE', side):
                    results.setdefault(name, []).append(_followed(engine, scene, frames, rate))
        for name, clips in results.items():
            rows = np.concatenate(clips)
            print(f'{name}, {rate:g} Hz, {len(rows)} pictures: {100 * np.nanmean(rows[:, 0]):.2f} %, '
                  f'{1000 * np.nanmean(rows[:, 1]):.1f} mm, change {100 * np.sqrt(np.nanmean(rows[:, 2])):.2f} %, lost '
                  f'{int(np.isnan(rows[:, 0]).sum())}')  # fmt: skip


def _followed(engine: Engine, scene: RenderedScene, frames: list, rate: float) -> np.ndarray:
    """(N, 3) of each picture: error as a share of the hand's box, metres from the wrist on, and squared change of the
    first since the picture before; NaN where there is none."""
    height, width = scene.size
    camera = CameraModel(width, height, scene.intrinsics, np.zeros(0))
    config = HandTrackerConfig(hand_length=frames[0][1].hand_length, filter='none')
    tracker, before, rows = HandTracker(config, engine), None, []
    for i, (picture, truth) in enumerate(frames):
        state = tracker.track(picture, i / rate, camera)
        row, off = np.full(3, np.nan), None
        if state is not None:
            off = (state.uv - truth.keypoints_px) / np.ptp(truth.keypoints_px, axis=0).max()
            away = (state.keypoints_m - state.wrist_position) - (truth.keypoints_m - truth.wrist)
            row[:2] = np.linalg.norm(off, axis=1).mean(), np.linalg.norm(away, axis=1).mean()
            if before is not None:
                row[2] = ((off - before) ** 2).sum(axis=1).mean()
        before = off
        rows.append(row)
    return np.array(rows[SETTLED:])


def turned(engine: Engine, photos: Path) -> None:
    """Hands in larger pictures, turned by quarters, with squares that turn and squares that do not."""
    sets = {
        'photos': list(RealHands(photos, 'validation', tiers='A'))[::5],
        'rendered': list(SyntheticHands(ANY_VIEW, size=256, length=150, variation=CENTRED)),
    }
    for name, samples in sets.items():
        for quarters in range(4):
            errors = []
            for hold in (math.tau, upright.HOLD):
                with patch.object(upright, 'HOLD', hold):
                    errors.append(np.array([_found(engine, *_padded(sample, quarters), sample) for sample in samples]))
            both = np.isfinite(errors).all(axis=0)
            said = [f'found {100 * np.isfinite(e).mean():.0f} %, {100 * e[both].mean():.1f} % '
                    f'({100 * np.median(e[both]):.1f} %)' for e in errors]  # fmt: skip
            print(f'{name} turned by {90 * quarters}°: never turned {said[0]}; as it is {said[1]}')


def _padded(sample: Sample, quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture with half its size of grey on every side, turned, and the keypoints in it."""
    margin = max(sample.image.shape[:2]) // 2
    picture = cv2.copyMakeBorder(sample.image, *[margin] * 4, cv2.BORDER_CONSTANT, value=(PAD, PAD, PAD))
    uv = sample.keypoints_px + margin
    for _ in range(quarters):
        uv = np.column_stack([uv[:, 1], picture.shape[1] - 1 - uv[:, 0]])
        picture = np.rot90(picture)
    return np.ascontiguousarray(picture), uv


def _found(engine: Engine, picture: np.ndarray, uv: np.ndarray, sample: Sample) -> float:
    """Mean error after LOOKS pictures as a share of the hand's box; NaN without a hand there."""
    detector = KeypointDetector(DetectorConfig(side=sample.side or 'right'), engine)
    for i in range(LOOKS):
        found = detector.detect(picture, i / 30)
    if not isinstance(found, Keypoints):
        return math.nan
    error = float(box_errors(found.uv[None], uv[None]).mean())
    return error if error < 0.5 else math.nan


def absent(engine: Engine, backgrounds: Path) -> None:
    """What is taken for a hand in pictures without one."""
    taken = []
    for picture in _empty_pictures(Backgrounds(backgrounds, split='test')):
        detector = KeypointDetector(DetectorConfig(), engine)
        taken.append(sum(isinstance(detector.detect(picture, i / 30), Keypoints) for i in range(ABSENT_LOOKS)))
    print(f'{len(taken)} backgrounds, {ABSENT_LOOKS} pictures of each: a hand in {sum(taken)} of '
          f'{len(taken) * ABSENT_LOOKS} pictures, of {sum(map(bool, taken))} backgrounds')  # fmt: skip


def _empty_pictures(backgrounds: Backgrounds) -> Iterator[np.ndarray]:
    """Every held-back background, 480 pixels on its shorter side at least."""
    for path in backgrounds.files:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is not None:
            scale = max(1.0, 480 / min(picture.shape[:2]))
            yield cv2.resize(picture, None, fx=scale, fy=scale)


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        '--only', nargs='+', choices=('close', 'turned', 'absent'), default=['close', 'turned', 'absent']
    )
    parser.add_argument('--weights', default='default')
    parser.add_argument('--photos', type=Path, default=ROOT.parent / 'shared/data/real_hands')
    parser.add_argument('--backgrounds', type=Path, default=ROOT.parent / 'shared/data/backgrounds')
    options = parser.parse_args()
    torch.set_num_threads(1)
    engine = create_engine('auto', options.weights, 1)
    if 'close' in options.only:
        close(engine)
    if 'turned' in options.only:
        turned(engine, options.photos)
    if 'absent' in options.only:
        absent(engine, options.backgrounds)
    return 0


if __name__ == '__main__':
    sys.exit(main())
