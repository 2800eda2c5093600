"""How good the weights that ship are, on hands they were never trained on. Figures as in assets/DETNET_SMALL.md."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from minimal_hand_core.data.augmentation import plain_crop
from minimal_hand_core.data.datasets.real_hands import RealHands
from minimal_hand_core.data.synthetic import CENTRED, Backgrounds, SyntheticHands
from minimal_hand_core.detnet import load_detnet
from minimal_hand_core.evaluation.errors import box_errors
from minimal_hand_core.evaluation.pck import pck
from minimal_hand_core.evaluation.predict import predict
from minimal_hand_core.evaluation.presence import crop_scores, roc_auc
from minimal_hand_core.training.config import load_config
from minimal_hand_core.training.train_detnet import WEIGHTS
from minimal_hand_core.weights import ASSETS, WEIGHTS_INDEX
from tools.card_figures import scene_samples

# Training seeds start at 10,000, see data/datasets/rendered.py.
SCENE_SEEDS = (20, 21, 22)
ANY_VIEW_SEED = 78


@pytest.fixture(scope='module')
def network():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_detnet()
    torch.set_num_threads(threads)


def test_hands_of_unseen_scenes_are_found(network):
    """A hand before a camera, as in the demo. The first goal was 6 % of the hand's box; it is below 2.2 %."""
    found = predict(network, scene_samples(SCENE_SEEDS))
    assert box_errors(found.uv, found.true_uv).mean() < 0.03


def test_hands_in_any_view_are_found(network):
    """Views from all over the sphere, with objects, blur and noise; a guard at today's level, not yet the goal."""
    hands = SyntheticHands(ANY_VIEW_SEED, size=256, variation=CENTRED)
    found = predict(network, (hands[i] for i in range(120)))
    errors = box_errors(found.uv, found.true_uv)
    assert np.median(errors) < 0.04
    assert errors.mean() < 0.065


def test_the_score_tells_hands_from_pictures_without_one(network, shared_path):
    """The goal is an area of 0.98 under the curve, on held-back backgrounds and hands."""
    backgrounds = Backgrounds(shared_path('data/backgrounds'), split='test')
    rng = np.random.default_rng(0)
    absent = crop_scores(network, np.stack([backgrounds.sample(rng, 128)[..., ::-1] for _ in range(200)]))
    photos = RealHands(shared_path('data/real_hands'), 'validation', tiers='A')
    hands = SyntheticHands(ANY_VIEW_SEED, backgrounds, 256, 80, CENTRED)
    crops = [plain_crop(sample)[0].image for samples in (hands, photos[::4]) for sample in samples]
    assert roc_auc(crop_scores(network, np.stack(crops)), absent) >= 0.99
    assert (absent > 0.5).mean() <= 0.03


def test_held_back_photos_are_found(network, shared_path):
    """The tenth of the photos that was never trained on; the goals: 0.993 and 0.97 of the points, 3.2 %."""
    photos = RealHands(shared_path('data/real_hands'), 'validation', tiers='A')
    found = predict(network, photos)
    errors = box_errors(found.uv, found.true_uv)
    assert pck(errors, 0.2) >= 0.993
    assert pck(errors, 0.1) >= 0.97
    assert errors.mean() <= 0.032


def test_the_weights_are_the_deeper_ones(network):
    """And their hash is checked when they are loaded; here, that the list of hashes names what there is."""
    assert network.deeper and network.refiner is not None and network.resolution == 96
    listed = json.loads((ASSETS / WEIGHTS_INDEX).read_text())
    for path in ASSETS.glob('*.safetensors'):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed.pop(path.name)['sha256']
    assert not listed


def test_trainings_that_leave_photos_out_go_back_to_renders_alone():
    """Weights that saw a source's photos would know it; each recipe begins with what the one before it writes."""
    recipe, seen = 'config/training/detnet_small_unseen.yaml', []
    while (begin := load_config(recipe).start_from) is not None:
        recipe = f'config/training/{Path(begin).parent.name}.yaml'
        assert Path(begin) == Path('runs') / Path(recipe).stem / WEIGHTS
        seen.append(load_config(recipe).data.real_hands)
    assert seen == [None, None]
