"""The refiner of keypoints: what it sees, what it may change, and that it is part of the network wherever that goes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from near import check_engines

from minimal_hand_core.data.synthetic import SyntheticHands
from minimal_hand_core.detnet import DecodedHands, DetNet, DetNetOutput, decode, load_detnet, save_detnet
from minimal_hand_core.detnet.losses import refined_loss
from minimal_hand_core.detnet.refiner import TOKEN_SIZE, KeypointRefiner, describe_joints
from minimal_hand_core.detnet.small import maps_from_logits
from minimal_hand_core.detnet.targets import heat_targets
from minimal_hand_core.training.config import config_from_dict
from minimal_hand_core.training.recipe import ConfigError
from minimal_hand_core.training.state import RawMaps, RunState
from minimal_hand_core.training.stream import CropStream
from minimal_hand_core.training.train_detnet import train_step

pytestmark = pytest.mark.usefixtures('own_cache')

QUICK = {
    'steps': 40, 'batch': 4, 'warmup': 1, 'resolution': 96, 'tensorboard': False, 'data': {'workers': 0},
    'validation': {'rendered': 2},
}  # fmt: skip


@pytest.fixture(scope='module')
def refined():
    """The default network with a refiner that moves every keypoint somewhat."""
    torch.manual_seed(3)
    network = load_detnet()
    network.refiner = KeypointRefiner()
    torch.nn.init.normal_(network.refiner.leave.weight, std=0.03)
    return network.eval()


@pytest.fixture(scope='module')
def crops():
    return np.stack([sample.image[..., ::-1] for sample in SyntheticHands(0, length=3)])


def perfect_maps(uv, size=24):
    heat = heat_targets(uv, size=size)
    numbers = torch.arange(21.0) / 100
    locations = numbers[None, :, None, None, None].expand(len(uv), 21, 3, size, size).clone()
    return DetNetOutput(heat, locations - 0.5, locations)


def test_tokens_of_perfect_maps_say_what_is_there():
    uv = torch.rand(2, 21, 2, generator=torch.Generator().manual_seed(0)) * 80 + 24
    output = perfect_maps(uv)
    tokens = describe_joints(output, decode(output))
    assert tokens.shape == (2, 21, TOKEN_SIZE) and tokens.dtype == torch.float32
    place = (uv + 0.5) / 64 - 1
    numbers = (torch.arange(21.0) / 100)[:, None].expand(2, 21, 3)
    for first, wanted in ((0, place), (3, numbers), (6, numbers - 0.5), (9, numbers), (12, numbers), (15, place)):
        found = tokens[..., first : first + wanted.shape[-1]]
        assert torch.allclose(found, wanted, atol=2e-3), first
    assert torch.allclose(tokens[..., 2], torch.ones(2, 21), atol=0.01), 'sure'
    assert torch.allclose(tokens[..., 17:19], torch.full((2, 21, 2), 1 / 12), atol=1e-3), 'a cell is a twelfth'
    assert (tokens[..., 21] < 0.01).all() and (tokens[..., 25] < 0.01).all(), 'nothing elsewhere'


def test_the_other_place_of_a_keypoint_is_seen():
    here, there = torch.full((1, 21, 2), 36.0), torch.full((1, 21, 2), 90.0) + torch.tensor([0.0, 8.0])
    first, second = perfect_maps(here), perfect_maps(there)
    both = first._replace(heatmaps=0.7 * first.heatmaps + 0.3 * second.heatmaps)
    both.locations[..., 12:, :] = 0.9
    tokens = describe_joints(both, decode(both))
    assert torch.allclose(tokens[..., :2], ((here + 0.5) / 64 - 1), atol=0.02)
    assert torch.allclose(tokens[..., 19:21], ((there + 0.5) / 64 - 1), atol=1 / 24), 'to half a cell'
    assert torch.allclose(tokens[..., 21], torch.full((1, 21), 0.3), atol=0.01)
    assert torch.allclose(tokens[..., 22:25], torch.full((1, 21, 3), 0.9))


@pytest.mark.parametrize('size', [8, 24, 32])
def test_maps_without_any_heat_give_numbers(size):
    nothing = DetNetOutput(torch.zeros(1, 21, size, size), *torch.zeros(2, 1, 21, 3, size, size))
    tokens = describe_joints(nothing, decode(nothing))
    assert torch.isfinite(tokens).all() and tokens.abs().max() <= 1.5


def test_a_new_refiner_changes_nothing_and_no_gradient_leaves_it():
    uv = torch.full((2, 21, 2), 50.0)
    output = DetNetOutput(*(part.requires_grad_() for part in perfect_maps(uv)))
    refiner = KeypointRefiner()
    decoded = decode(output)
    corrected = refiner(output)
    assert torch.equal(corrected.uv, decoded.uv) and torch.equal(corrected.xyz, decoded.xyz)
    (corrected.uv.sum() + corrected.xyz.sum()).backward()
    assert all(part.grad is None for part in output) and refiner.leave.weight.grad.abs().max() > 0


def test_it_learns_from_the_whole_hand_what_one_joint_does_not_say():
    """Of one joint nothing is seen; it lies where two others point to."""
    torch.manual_seed(0)
    refiner = KeypointRefiner()
    optimizer = torch.optim.AdamW(refiner.parameters(), lr=2e-3)

    def hands(count, generator):
        uv = torch.rand(count, 21, 2, generator=generator) * 60 + 34
        uv[:, 8] = uv[:, 6] + uv[:, 7] - 64
        seen = uv.clone()
        seen[:, 8] = 64
        return perfect_maps(seen), uv

    def error(generator):
        output, uv = hands(200, generator)
        with torch.no_grad():
            return float((refiner(output).uv - uv)[:, 8].norm(dim=-1).mean())

    before = error(torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    for _ in range(150):
        output, uv = hands(32, generator)
        loss = refined_loss(refiner(output), uv, decode(output).xyz, torch.ones(32, 21), torch.ones(32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = error(torch.Generator().manual_seed(1))
    assert before > 20 and after < 0.35 * before, (before, after)


def test_its_loss_counts_what_is_labelled_and_in_the_crop():
    uv, xyz = torch.full((1, 21, 2), 60.0), torch.zeros(1, 21, 3)
    exact = DecodedHands(uv.clone(), xyz.clone(), torch.ones(1, 21))
    ones, none = torch.ones(1, 21), torch.zeros(1)
    assert refined_loss(exact, uv, xyz, ones, ones[:, 0]) == 0
    off = DecodedHands(uv + 6.4, xyz + 0.3, torch.ones(1, 21))
    assert refined_loss(off, uv, xyz, ones, none) == pytest.approx(0.1 - 0.015, abs=1e-6)
    assert refined_loss(off, uv, xyz, 0 * ones, ones[:, 0]) == pytest.approx(0.3 - 0.05, abs=1e-6)
    outside = uv.clone()
    outside[:, 4] = 130
    only = torch.zeros(1, 21)
    only[:, 4] = 1
    assert refined_loss(off, outside, xyz, only, none) == 0


def test_keypoints_of_every_engine_are_corrected(refined, crops, tmp_path):
    wanted = check_engines(refined, crops, tmp_path / 'refined.safetensors')
    with torch.no_grad():
        images = torch.from_numpy(crops).permute(0, 3, 1, 2) / 255.0 - 0.5
        plain: DecodedHands = decode(refined(images))
    assert 1 < (wanted['uv'] - plain.uv).abs().max() < 100 and torch.equal(wanted['confidence'], plain.confidence)


def test_it_is_kept_with_the_weights(refined, tmp_path):
    path = tmp_path / 'refined.safetensors'
    save_detnet(refined, path)
    loaded = load_detnet(path)
    assert loaded.refiner is not None
    for name, part in loaded.refiner.state_dict().items():
        assert torch.allclose(part, refined.refiner.state_dict()[name], atol=1e-3), name
    assert DetNet('small').refiner is None


def test_training_begins_one_beside_old_weights_and_goes_on_with_one(refined, tmp_path):
    old, new = tmp_path / 'old.safetensors', tmp_path / 'new.safetensors'
    save_detnet(DetNet('small', 96), old)
    save_detnet(refined, new, half=False)
    fresh = RunState(config_from_dict({**QUICK, 'refiner': True, 'start_from': str(old)}))
    assert fresh.model.refiner is not None and not fresh.model.refiner.leave.weight.any()
    deeper = {**QUICK, 'deeper': refined.deeper}
    on = RunState(config_from_dict({**deeper, 'refiner': True, 'start_from': str(new)}))
    assert torch.equal(on.model.refiner.leave.weight, refined.refiner.leave.weight)
    with pytest.raises(ConfigError, match='refiner is false, and the weights .*new.safetensors have it; give true'):
        RunState(config_from_dict({**deeper, 'start_from': str(new)}))


def test_it_learns_from_keypoints_as_they_are_read_afterwards(refined, crops):
    """The network computes in bfloat16; its maps are decoded in float32 all the same, or places are cells off."""
    images = torch.from_numpy(crops.copy()).permute(0, 3, 1, 2) / 255 - 0.5
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        heat, delta, location, uv, xyz, confidence = RawMaps(refined, logits=True)(images)
    expected = refined.refiner(maps_from_logits(heat.float(), delta.float(), location.float()))
    torch.testing.assert_close(DecodedHands(uv, xyz, confidence), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize('settings', [{}, {'loss': 'joints'}, {'loss': 'peer'}])
def test_training_lowers_its_loss(settings):
    config = config_from_dict({**QUICK, **settings, 'refiner': True, 'schedule': 'steps', 'drop_every': 99})
    batch = CropStream(config)[0]
    state = RunState(config)
    losses = [float(train_step(state, batch).refined) for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0], losses
