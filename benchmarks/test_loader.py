"""From files of a data set to one training crop, ours and the peer's way.

Pictures as large as the data sets have them: RHD 320×320, GANerated 256×256 (both PNG), CMU 1920×1080 (JPEG).
"""

import itertools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from native_layouts import render_scene, write_cmu_panoptic, write_ganerated, write_rhd

from benchmarks.baselines.loader import PeerSample, load_crop
from minimal_hand_core.data import HandDataset, open_dataset
from minimal_hand_core.data.augmentation import Variation, crop_rng, varied_crop

PICTURES = 6


class Files(NamedTuple):
    """native, kept: our data set, from its own pictures and from kept ones; peer: the peer's samples."""

    native: HandDataset
    kept: HandDataset
    peer: list[PeerSample]


SETS = ('RHD', 'GANerated', 'CMU')


def camera(width, height, focal):
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def scenes(width, height, focal, sides, distance=0.5):
    """Rendered hands with a sensor's noise, which makes files as large as photos are."""
    rng = np.random.default_rng(0)
    for seed in range(PICTURES):
        scene = render_scene(seed, camera(width, height, focal), (height, width), sides, distance)
        noise = rng.normal(0, 3, scene.image.shape)
        yield replace(scene, image=np.clip(scene.image + noise, 0, 255).astype(np.uint8))


def peer_sample(sample, picture, **labels):
    return PeerSample(**{
        'picture': picture,
        'left': sample.side == 'left',
        'keypoints_px': sample.keypoints_px,
        'keypoints_m': sample.keypoints_m,
        **labels,
    })  # fmt: skip


@pytest.fixture(scope='module')
def opened(tmp_path_factory):
    """Name → the same files for us and for the peer."""
    folder = tmp_path_factory.mktemp('sets')
    rhd = list(scenes(320, 320, 300.0, ('left', 'right')))
    write_rhd(folder / 'rhd', rhd, rhd[:1])
    half = PICTURES // 2
    gan = list(scenes(640, 480, 617.173, ('left',)))
    stems = [stem for stem, _, _ in write_ganerated(folder / 'gan', gan[:half], gan[half:], per_folder=PICTURES)]
    write_cmu_panoptic(folder / 'cmu', list(scenes(1920, 1080, 1400.0, ('right',), distance=1.2)))
    found = {}
    for name, reader, place in zip(SETS, ('rhd', 'ganerated', 'cmu_panoptic'), ('rhd', 'gan', 'cmu')):
        native = open_dataset(reader, folder / place, 'train', cache=False)
        kept = open_dataset(reader, folder / place, 'train', cache=False, kept=folder / 'kept')
        peer = []
        for row, sample in enumerate(native):
            labels, path = {}, native.root / native.labels.files[row].decode()
            if place == 'rhd':
                labels['mask'] = path.parents[1] / 'mask' / path.name
            elif place == 'gan':
                stem = native.root / stems[row]
                labels['keypoints_px'] = stem.with_name(f'{stem.name}_joint2D.txt')
                labels['keypoints_m'] = stem.with_name(f'{stem.name}_joint_pos_global.txt')
            peer.append(peer_sample(sample, path, **labels))
        found[name] = Files(native, kept, peer)
    return found


def measure_ours(benchmark, dataset):
    variation, epochs = Variation(), itertools.count()

    def epoch():
        number = next(epochs)
        return [varied_crop(dataset[i], crop_rng(0, number, i), variation) for i in range(len(dataset))]

    epoch()  # compiles, and keeps pictures where they are to be kept
    crops = benchmark(epoch)
    assert all(crop.image.shape == (128, 128, 3) and crop.weight.all() for crop in crops)
    benchmark.extra_info['items'] = len(dataset)


@pytest.mark.benchmark(group='labelled training crop')
@pytest.mark.parametrize('name', SETS)
def test_ours_crop(benchmark, opened, name):
    measure_ours(benchmark, opened[name].kept)


@pytest.mark.benchmark(group='labelled training crop, native pictures')
@pytest.mark.parametrize('name', SETS)
def test_ours_native(benchmark, opened, name):
    measure_ours(benchmark, opened[name].native)


@pytest.mark.benchmark(group='labelled training crop')
@pytest.mark.parametrize('name', SETS)
def test_peer_crop(benchmark, opened, name):
    samples = opened[name].peer
    epochs = itertools.count()
    crops = benchmark(lambda: [load_crop(sample, crop_rng(0, next(epochs), 0)) for sample in samples])
    for image, points, _ in crops:
        assert image.shape == (3, 128, 128)
        assert ((points > 0) & (points < 128)).all(), 'the hand is in the crop'
    benchmark.extra_info['items'] = len(samples)
