#!/usr/bin/env python3
"""Measures what the card of the default network says of it (minimal_hand_core/assets/DETNET_SMALL.md).

Usage: python tools/card_figures.py [--photos ../shared/data/real_hands] [--backgrounds ../shared/data/backgrounds]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from minimal_hand_core.data.augmentation import plain_crop  # noqa: E402
from minimal_hand_core.data.datasets.real_hands import STRETCHED_SOURCES, RealHands  # noqa: E402
from minimal_hand_core.data.sample import Sample  # noqa: E402
from minimal_hand_core.data.synthetic import CENTRED, Backgrounds, RenderedScene, SyntheticHands  # noqa: E402
from minimal_hand_core.data.synthetic.drawings import drawing  # noqa: E402
from minimal_hand_core.detnet import DetNet, load_detnet  # noqa: E402
from minimal_hand_core.detnet.output import CROP_SIZE  # noqa: E402
from minimal_hand_core.evaluation import align_procrustes, box_errors  # noqa: E402
from minimal_hand_core.evaluation.alignment import root_scale_errors  # noqa: E402
from minimal_hand_core.evaluation.pck import pck  # noqa: E402
from minimal_hand_core.evaluation.predict import Predictions, predict  # noqa: E402
from minimal_hand_core.evaluation.presence import crop_scores, roc_auc  # noqa: E402

SCENES = range(20, 28)
ANY_VIEW, STRETCHED = 78, 79
"""Seeds of no split: training seeds are far above."""
ALL_STRETCHED = replace(CENTRED, stretched=1.0)


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--photos', type=Path, default=ROOT.parent / 'shared/data/real_hands')
    parser.add_argument('--backgrounds', type=Path, default=ROOT.parent / 'shared/data/backgrounds')
    parser.add_argument('--weights', default='default')
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = load_detnet(options.weights)
    backgrounds = Backgrounds(options.backgrounds, split='test')

    photos = list(RealHands(options.photos, 'validation', tiers='A'))
    found = predict(network, photos)
    tell_2d('photos, tier A', found)
    tell_pseudo_3d(found, 'A')
    tell_pseudo_3d(predict(network, RealHands(options.photos, 'validation')), 'A and B')
    tell_both('a hand moving before a camera', predict(network, scene_samples()))
    hands = list(SyntheticHands(ANY_VIEW, backgrounds, 256, 500, CENTRED))
    found = predict(network, hands)
    tell_both('any view', found)
    seen = np.array([sample.visible for sample in hands])
    errors = box_errors(found.uv, found.true_uv)
    print(f'  of the joints that no object hides {100 * errors[seen].mean():.2f} %, of the others '
          f'{100 * errors[~seen].mean():.2f} %, {100 * (~seen).mean():.1f} % of all')  # fmt: skip
    tell_2d('any view, stretched', predict(network, SyntheticHands(STRETCHED, backgrounds, 256, 250, ALL_STRETCHED)))

    rng = np.random.default_rng(0)
    absent = crop_scores(network, np.stack([backgrounds.sample(rng, 128)[..., ::-1] for _ in range(500)]))
    rng = np.random.default_rng(5)
    pages = crop_scores(network, np.stack([drawing(rng, CROP_SIZE) for _ in range(300)]))
    print(f'drawn pages and patterns: {100 * (pages > 0.5).mean():.1f} % above 0.5')
    real, wrong_real = sides(network, [sample for sample in photos if sample.side is not None])
    drawn, wrong_drawn = sides(network, hands)
    print(f'without a hand: {100 * (absent > 0.5).mean():.1f} % above 0.5; any-view hands below 0.5: '
          f'{100 * (drawn < 0.5).mean():.1f} %')  # fmt: skip
    print(f'ROC AUC of the score: photos {roc_auc(real, absent):.4f}, any view {roc_auc(drawn, absent):.4f}')
    for name, right, wrong in (('photos', real, wrong_real), ('any view', drawn, wrong_drawn)):
        print(f'{name}: the true side of {len(right)} scores higher in {100 * (right > wrong).mean():.1f} %, the wrong '
              f'one alone reaches 0.5 in {100 * (wrong > 0.5).mean():.1f} %')  # fmt: skip
    return 0


def scene_samples(seeds: Iterable[int] = SCENES) -> Iterable[Sample]:
    """Twenty pictures of each scene, over all of its motion."""
    for seed in seeds:
        scene = RenderedScene(seed=seed)
        for t in np.linspace(0.3, 19.7, 20):
            image, truth = scene.frame(float(t))
            known = np.ones(21, bool)
            yield Sample(image, truth.keypoints_px, truth.keypoints_m, known, truth.intrinsics, 'right', f'{seed}/{t}')


def tell_2d(name: str, found: Predictions) -> None:
    """Error and PCK in shares of the hand's box."""
    errors = box_errors(found.uv, found.true_uv)
    print(f'{name}, {len(errors)}: mean error {100 * errors.mean():.2f} % (median {100 * np.median(errors):.2f} %), '
          f'PCK@0.1 {pck(errors, 0.1):.4f}, PCK@0.2 {pck(errors, 0.2):.4f}')  # fmt: skip


def tell_both(name: str, found: Predictions) -> None:
    """The same, and 3D with root and scale aligned."""
    tell_2d(name, found)
    errors = 1000 * root_scale_errors(found.camera_xyz, found.true_m)
    print(f'  3D, root and scale aligned: mean {errors.mean():.1f} mm')


def tell_pseudo_3d(found: Predictions, tiers: str) -> None:
    """Against the world landmarks of the sources that were not stretched."""
    true_shape = np.array([key.split('/')[-2] not in STRETCHED_SOURCES for key in found.keys])
    truth = found.true_m[true_shape]
    aligned = align_procrustes(found.xyz[true_shape], truth)
    distances = 1000 * np.linalg.norm(aligned - truth, axis=-1)
    print(f'photos not stretched, tiers {tiers}, {len(truth)}: Procrustes-aligned {distances.mean():.1f} mm')


def sides(network: DetNet, samples: list[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the crops of hands as they are taken, and of the same crops taken for the other side."""
    crops = np.stack([plain_crop(sample)[0].image for sample in samples])
    return crop_scores(network, crops), crop_scores(network, np.ascontiguousarray(crops[:, :, ::-1]))


if __name__ == '__main__':
    sys.exit(main())
