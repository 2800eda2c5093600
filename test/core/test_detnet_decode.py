"""Decoding: the position is read finer than a cell, everywhere on the map, and nothing is invented without heat."""

import math
import statistics
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minimal_hand_core.detnet import DecodedHands, DetNetOutput, decode

CELLS = torch.arange(32, dtype=torch.float32)


def gaussians(cells: torch.Tensor, sigma: float = 1.0) -> torch.Tensor:
    """Heat maps (B, J, 32, 32) of peak 1 round positions (B, J, 2), (x, y) in cells; written out, not separable."""
    x = CELLS - cells[..., 0, None, None]
    y = CELLS.unsqueeze(1) - cells[..., 1, None, None]
    return torch.exp(-0.5 * (x**2 + y**2) / sigma**2)


def read(heat: torch.Tensor, locations: torch.Tensor | None = None) -> DecodedHands:
    if locations is None:
        locations = torch.zeros(*heat.shape[:2], 3, *heat.shape[2:], dtype=heat.dtype)
    return decode(DetNetOutput(heat, torch.zeros_like(locations), locations))


def random_cells(low: float, high: float, batch: int = 50, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(batch, 21, 2, generator=generator)


def pixel_errors(heat: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    # The middle of cell 0 lies between pixels 1 and 2.
    return (read(heat).uv - (4 * cells + 1.5)).norm(dim=-1)


def test_cardinality() -> None:
    hands = read(gaussians(random_cells(3, 28, batch=4)))
    assert [tuple(values.shape) for values in hands] == [(4, 21, 2), (4, 21, 3), (4, 21)]
    hands = read(torch.zeros(0, 21, 32, 32))
    assert [tuple(values.shape) for values in hands] == [(0, 21, 2), (0, 21, 3), (0, 21)]


@pytest.mark.parametrize(
    ('cell', 'pixel'), [((0.0, 0.0), (1.5, 1.5)), ((10.0, 20.0), (41.5, 81.5)), ((31.0, 0.0), (125.5, 1.5))]
)
def test_pixel_of_a_cell(cell: tuple[float, float], pixel: tuple[float, float]) -> None:
    hands = read(gaussians(torch.tensor([[cell]])))
    torch.testing.assert_close(hands.uv[0, 0], torch.tensor(pixel), atol=0.02, rtol=0)


@pytest.mark.parametrize('size', [24, 16])
def test_coarser_maps_lie_over_the_same_crop(size: int) -> None:
    ruler = torch.arange(size, dtype=torch.float32)
    cells = random_cells(2, size - 3)
    across = torch.exp(-0.5 * (ruler - cells[..., None]).square())  # (B, J, 2, size)
    heat = across[:, :, 1, :, None] * across[:, :, 0, None, :]
    # cell 0 begins at the crop's border, which is at −0.5
    torch.testing.assert_close(read(heat).uv, (cells + 0.5) * 128 / size - 0.5, atol=2e-3, rtol=0)


def test_gaussians_are_read_exactly() -> None:
    cells = random_cells(3, 28)
    hands = read(gaussians(cells))
    assert pixel_errors(gaussians(cells), cells).max() < 1e-3
    assert hands.confidence.min() > 0.99


def test_border_does_not_pull() -> None:
    """Up to the last pixel of the crop, where half of the Gaussian or more is cut off."""
    cells = random_cells(-0.5, 31.5, batch=200)
    near = ((cells < 2) | (cells > 29)).any(dim=-1)
    assert pixel_errors(gaussians(cells), cells)[near].max() < 0.02


@settings(max_examples=60, deadline=None)
@given(x=st.floats(-0.5, 31.5), y=st.floats(-0.5, 31.5), scale=st.floats(1e-3, 1.0))
def test_any_position_and_height(x: float, y: float, scale: float) -> None:
    cells = torch.tensor([[[x, y]]])
    assert pixel_errors(scale * gaussians(cells), cells).item() < 0.02


@pytest.mark.parametrize(('sigma', 'tolerance'), [(0.7, 0.2), (1.5, 0.4), (2.0, 0.8)])
def test_other_widths_are_read_nearly_exactly(sigma: float, tolerance: float) -> None:
    cells = random_cells(6, 25)
    assert pixel_errors(gaussians(cells, sigma), cells).max() < tolerance


def test_noise_and_background_are_borne() -> None:
    """Twice as good as the cell of the highest value, whose mean error is 0.38 cells = 1.5 px without any noise."""
    cells = random_cells(4, 27)
    generator = torch.Generator().manual_seed(3)
    heat = gaussians(cells)
    heat = heat * torch.exp(0.2 * torch.randn(heat.shape, generator=generator))
    heat = heat + 0.01 * torch.rand(heat.shape, generator=generator)
    assert pixel_errors(heat, cells).mean() < 0.5


def test_a_second_hand_far_away_does_not_matter() -> None:
    cells = random_cells(4, 12)
    heat = gaussians(cells) + 0.8 * gaussians(cells + 12)
    assert pixel_errors(heat, cells).max() < 0.01


def test_mirrored_maps_give_mirrored_positions() -> None:
    heat = gaussians(random_cells(-0.5, 31.5)) + 0.3 * gaussians(random_cells(0, 31, seed=5), 2.0)
    hands, mirrored = read(heat), read(heat.flip(-1))
    torch.testing.assert_close(mirrored.uv[..., 0], 127 - hands.uv[..., 0], atol=1e-3, rtol=0)
    torch.testing.assert_close(mirrored.uv[..., 1], hands.uv[..., 1], atol=1e-3, rtol=0)
    torch.testing.assert_close(mirrored.confidence, hands.confidence)
    transposed = read(heat.transpose(-1, -2))
    torch.testing.assert_close(transposed.uv.flip(-1), hands.uv, atol=1e-3, rtol=0)


def test_locations_are_read_where_the_heat_is() -> None:
    cells = random_cells(3, 28, batch=4)
    truth = torch.randn(4, 21, 3, generator=torch.Generator().manual_seed(2))
    # The truth within 10 cells of the keypoint, garbage elsewhere.
    far = (gaussians(cells) < math.exp(-50)).unsqueeze(2)
    locations = torch.where(far, torch.tensor(1000.0), truth[..., None, None].expand(4, 21, 3, 32, 32))
    torch.testing.assert_close(read(gaussians(cells), locations).xyz, truth, atol=1e-4, rtol=1e-4)


def test_locations_are_averaged_about_the_keypoint() -> None:
    cells = random_cells(5, 26, batch=4)
    slope = CELLS.expand(4, 21, 3, 32, 32)  # the map of x, in cells
    hands = read(gaussians(cells), slope)
    torch.testing.assert_close(hands.xyz, cells[..., :1].expand(4, 21, 3), atol=0.05, rtol=0)


def test_confidence_is_the_share_of_heat_near_the_peak() -> None:
    cells = torch.full((1, 1, 2), 15.0)
    assert read(gaussians(cells)).confidence.item() == pytest.approx(1.0, abs=2e-3)
    assert read(0.25 * gaussians(cells)).confidence.item() == pytest.approx(0.25, abs=2e-3)
    assert read(3.0 * gaussians(cells)).confidence.item() == 1.0
    other = 0.6 * gaussians(cells) + 0.4 * gaussians(cells + 10)
    assert read(other).confidence.item() == pytest.approx(0.6, abs=2e-3)
    # On the left edge of the crop, half a cell before the first cell's middle.
    edge = torch.tensor([[[-0.5, 15.0]]])
    assert read(gaussians(edge)).confidence.item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize('value', [0.0, 1e-38, 1e-20])
def test_no_heat_invents_nothing(value: float) -> None:
    heat = torch.full((2, 21, 32, 32), value)
    locations = torch.full((2, 21, 3, 32, 32), 7.0)
    hands = read(heat, locations)
    assert (hands.confidence < 1e-6).all()
    assert all(torch.isfinite(values).all() for values in hands)
    if value == 0:
        assert (hands.xyz == 0).all()
        torch.testing.assert_close(hands.uv, torch.full_like(hands.uv, 1.5))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), sharpness=st.floats(0.0, 60.0))
def test_any_map_gives_positions_in_the_crop(seed: int, sharpness: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(1, 21, 1024, generator=generator)
    heat = 2 * math.pi * torch.softmax(logits, dim=-1).reshape(1, 21, 32, 32)
    hands = read(heat, torch.randn(1, 21, 3, 32, 32, generator=generator))
    assert all(torch.isfinite(values).all() for values in hands)
    assert ((hands.uv >= -0.5) & (hands.uv <= 127.5)).all()
    assert ((hands.confidence >= 0) & (hands.confidence <= 1)).all()
    # Never far from the highest cell: at most two cells per axis.
    index = heat.flatten(2).argmax(dim=-1)
    cells = torch.stack((index % 32, index // 32), dim=-1)
    assert ((hands.uv - (4 * cells + 1.5)).abs() <= 8.001).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype: torch.dtype) -> None:
    cells = random_cells(3, 28, batch=2)
    hands = read(gaussians(cells).to(dtype))
    wanted = torch.float64 if dtype == torch.float64 else torch.float32
    assert {values.dtype for values in hands} == {wanted}
    torch.testing.assert_close(hands.uv.float(), 4 * cells + 1.5, atol=0.05, rtol=0)


def test_gradients_flow() -> None:
    cells = random_cells(3, 28, batch=1).requires_grad_()
    read(gaussians(cells)).uv.sum().backward()
    # A perfect map moves by a cell when its keypoint does: four pixels.
    torch.testing.assert_close(cells.grad, torch.full_like(cells, 4.0), atol=0.05, rtol=0)


def test_maps_that_do_not_belong_together_are_an_error() -> None:
    heat = torch.zeros(2, 21, 32, 32)
    with pytest.raises(ValueError, match=r'location maps have shape \(2, 63, 32, 32\).*need \(2, 21, 3, 32, 32\)'):
        read(heat, torch.zeros(2, 63, 32, 32))
    with pytest.raises(ValueError, match=r'heat maps have shape \(21, 32, 32\): give \(B, 21, 32, 32\)'):
        read(torch.zeros(21, 32, 32), torch.zeros(21, 3, 32, 32))


def test_speed() -> None:
    """About 0.5 ms for a hand on one thread of a machine at rest; the bound leaves room for a busy one."""
    heat, locations = gaussians(random_cells(3, 28, batch=1)), torch.rand(1, 21, 3, 32, 32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = []
    with torch.inference_mode():
        for _ in range(50):
            start = time.perf_counter()
            read(heat, locations)
            seconds.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    assert statistics.median(seconds) < 0.01
