"""DetNet: both backbones give the maps of the contract, and resnet50 is laid out as the peer's checkpoints are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from minimal_hand_core.detnet import DecodedHands, DetNet, DetNetOutput, decode
from minimal_hand_core.detnet.heads import position_channels
from minimal_hand_core.detnet.resnet import Bottleneck

STATE_DICT = Path(__file__).parent.parent / 'data' / 'detnet_state_dict.json'
"""Key → shape of the peer's resnet50 checkpoints: the facts that a file of weights has to meet (fact sheet 2.5)."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Pass(NamedTuple):
    """One forward pass of resnet50, which costs half a second, and what went through some of its modules."""

    output: DetNetOutput
    inputs: dict[str, torch.Tensor]
    outputs: dict[str, torch.Tensor]


@pytest.fixture(scope='module')
def resnet50_pass() -> Pass:
    torch.manual_seed(1)
    net = DetNet('resnet50').eval()
    watched = [f'resnet50.{name}' for name in ('relu', 'block1', 'pool', 'block2', 'block3', 'squeeze')]
    watched += ['hmap_0', 'dmap_0', 'lmap_0']
    inputs, outputs = {}, {}
    for name in watched:

        def keep(module: torch.nn.Module, args: tuple, output: torch.Tensor, name: str = name) -> None:
            inputs[name], outputs[name] = args[0], output

        net.get_submodule(name).register_forward_hook(keep)
    with torch.inference_mode():
        output = net(torch.rand(1, 3, 128, 128) - 0.5)
    return Pass(output, inputs, outputs)


def test_resnet50_keys_and_shapes_are_the_peers() -> None:
    expected = {key: tuple(shape) for key, shape in json.loads(STATE_DICT.read_text()).items()}
    with torch.device('meta'):
        net = DetNet('resnet50')
    found = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
    assert len(expected) == 288
    assert found == expected
    assert list(found) == list(expected)
    assert sum(parameter.numel() for parameter in net.parameters()) == 12_967_635
    counters = [key for key, tensor in net.state_dict().items() if tensor.dtype == torch.int64]
    assert len(counters) == 47
    assert all(key.endswith('.num_batches_tracked') for key in counters)


def test_fixture_is_the_reference() -> None:
    reference = Path(__file__).parents[3] / 'shared' / 'reference' / 'detnet-state-dict.json'
    if not reference.is_file():
        pytest.skip(f'no {reference}')
    assert json.loads(STATE_DICT.read_text()) == json.loads(reference.read_text())


def test_resnet50_costs_what_the_fact_sheet_says() -> None:
    with torch.device('meta'):
        net = DetNet('resnet50').eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 3, 128, 128))
    assert counter.get_total_flops() == pytest.approx(27.5e9, rel=0.005)


def test_resnet50_layers(resnet50_pass: Pass) -> None:
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in resnet50_pass.outputs.items()}
    assert shapes == {
        'resnet50.relu': (64, 64, 64),
        'resnet50.block1': (256, 64, 64),
        'resnet50.pool': (256, 32, 32),
        'resnet50.block2': (512, 32, 32),
        'resnet50.block3': (1024, 32, 32),
        'resnet50.squeeze': (256, 32, 32),
        'hmap_0': (21, 32, 32),
        'dmap_0': (63, 32, 32),
        'lmap_0': (63, 32, 32),
    }
    with torch.device('meta'):
        backbone = DetNet('resnet50').resnet50
    for name, dilation in (('block1', 1), ('pool', 1), ('block2', 2), ('block3', 4)):
        for unit in backbone.get_submodule(name).children():
            assert unit.conv2.dilation == unit.conv2.padding == (dilation, dilation), name


def test_heads_see_positions_and_the_heads_before(resnet50_pass: Pass) -> None:
    output, inputs, outputs = resnet50_pass
    location_input = inputs['lmap_0']
    features, x, y, heat, delta = location_input.split([256, 1, 1, 21, 63], dim=1)
    torch.testing.assert_close(features, outputs['resnet50.squeeze'])
    line = torch.linspace(-1, 1, 32)
    torch.testing.assert_close(x[0, 0], line.expand(32, 32))
    torch.testing.assert_close(y[0, 0], line.unsqueeze(1).expand(32, 32))
    torch.testing.assert_close(heat, output.heatmaps)
    torch.testing.assert_close(heat, torch.sigmoid(outputs['hmap_0']))
    torch.testing.assert_close(delta, outputs['dmap_0'])
    torch.testing.assert_close(inputs['dmap_0'], location_input[:, :279])
    torch.testing.assert_close(inputs['hmap_0'], location_input[:, :258])


def test_map_channels_are_joint_major(resnet50_pass: Pass) -> None:
    output, _, outputs = resnet50_pass
    assert output.deltas.shape == output.locations.shape == (1, 21, 3, 32, 32)
    for j, c in ((0, 0), (7, 2), (20, 1)):
        assert torch.equal(output.deltas[:, j, c], outputs['dmap_0'][:, 3 * j + c])
        assert torch.equal(output.locations[:, j, c], outputs['lmap_0'][:, 3 * j + c])


def test_resnet50_starts_well(resnet50_pass: Pass) -> None:
    heat = resnet50_pass.output.heatmaps
    assert ((heat >= 0) & (heat <= 1)).all()
    assert all(torch.isfinite(maps).all() for maps in resnet50_pass.output)
    torch.manual_seed(0)
    weight = DetNet('resnet50').resnet50.squeeze[0].weight
    # Kaiming normal, fan-in: std = sqrt(2 / (1024 · 9)).
    assert weight.std().item() == pytest.approx((2 / (1024 * 9)) ** 0.5, rel=0.01)


def test_strided_bottleneck_pools_its_shortcut() -> None:
    torch.manual_seed(0)
    unit = Bottleneck(256, 64, stride=2).eval()
    torch.nn.init.zeros_(unit.bn3.weight)
    x = torch.randn(1, 256, 8, 8)
    with torch.inference_mode():
        expected = torch.relu(torch.nn.functional.max_pool2d(x, 2))
        torch.testing.assert_close(unit(x), expected)


def test_position_channels() -> None:
    x, y = position_channels(32)[0]
    assert (x[5, 0], x[5, 31], y[0, 5], y[31, 5]) == (-1, 1, -1, 1)
    assert torch.equal(x, y.T)


def test_small_smoke() -> None:
    torch.manual_seed(0)
    net = DetNet('small').eval()
    with torch.inference_mode():
        output = net(torch.rand(2, 3, 128, 128) - 0.5)
    assert isinstance(output, DetNetOutput)
    assert [tuple(maps.shape) for maps in output] == [(2, 21, 32, 32), (2, 21, 3, 32, 32), (2, 21, 3, 32, 32)]
    assert all(key.startswith('small.') for key in net.state_dict())


def test_small_learns() -> None:
    torch.manual_seed(0)
    net = DetNet('small').train()
    output = net(torch.rand(2, 3, 128, 128) - 0.5)
    sum(maps.square().mean() for maps in output).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


class Reader(torch.nn.Module):
    """Pictures to keypoints in one graph, as an inference engine wants it."""

    def __init__(self, net: DetNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> DecodedHands:
        return decode(self.net(images))


@pytest.mark.parametrize('backbone', [pytest.param('resnet50', marks=pytest.mark.slow), 'small'])
def test_exports_with_any_batch_size(backbone: str) -> None:
    torch.manual_seed(0)
    reader = Reader(DetNet(backbone)).eval()
    batch = torch.export.Dim('batch', min=1, max=64)
    images = torch.rand(3, 3, 128, 128) - 0.5
    program = torch.export.export(reader, (images[:2],), dynamic_shapes=({0: batch},), strict=False)
    if backbone == 'small':  # a batch of resnet50 would take seconds; that its graph exists is enough
        with torch.inference_mode():
            for found, expected in zip(program.module()(images), reader(images), strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_unknown_backbone_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"unknown DetNet backbone 'resnet18': choose one of resnet50, small"):
        DetNet('resnet18')


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        (torch.zeros(3, 128, 128), r'shape \(3, 128, 128\): give \(B, 3, 128, 128\)'),
        (torch.zeros(1, 128, 128, 3), r'shape \(1, 128, 128, 3\): give'),
        (torch.zeros(1, 3, 64, 128), r'shape \(1, 3, 64, 128\): give'),
        (torch.zeros(1, 3, 128, 128, dtype=torch.uint8), r'torch.uint8: give floating point RGB'),
    ],
)
def test_wrong_images_are_an_error(images: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetNet('small').eval()(images)


@pytest.mark.parametrize('resolution', [96, 64, 32])
def test_a_lower_resolution_works_on_shrunk_crops(resolution: int) -> None:
    torch.manual_seed(0)
    net, crops = DetNet('small', resolution).eval(), torch.rand(2, 3, 128, 128) - 0.5
    seen = []
    net.small.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        output = net(crops)
    cells = resolution // 4
    assert [tuple(maps.shape) for maps in output] == [
        (2, 21, cells, cells),
        (2, 21, 3, cells, cells),
        (2, 21, 3, cells, cells),
    ]
    size = (resolution, resolution)
    shrunk = torch.nn.functional.interpolate(crops, size=size, mode='bilinear', antialias=True)
    torch.testing.assert_close(seen[0], shrunk, atol=1e-6, rtol=0)
    wider = DetNet('small')
    wider.load_state_dict(net.state_dict())  # the same weights work in any


@pytest.mark.parametrize(
    ('backbone', 'resolution', 'choices'),
    [('small', 100, '128, 96, 64, 32'), ('resnet50', 96, '128')],
)
def test_an_unknown_resolution_is_an_error(backbone: str, resolution: int, choices: str) -> None:
    with pytest.raises(ValueError, match=f'resolution of DetNet {backbone} is {resolution}: choose one of {choices}$'):
        DetNet(backbone, resolution)
