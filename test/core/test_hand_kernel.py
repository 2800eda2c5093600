"""The compiled way through the hand model: when it is taken, and that nothing can be told from its results."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from made_up_hand import made_up_parameters, random_pose
from torch.autograd import forward_ad

from minimal_hand_core.hand import HandModel, axis_angle_to_matrix, load_hand_model
from minimal_hand_core.hand import model as module

DOUBLE = torch.float64


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """Grows by the batch size at every call of the kernel."""
    made: list[int] = []
    original = module.pose_hands
    monkeypatch.setattr(module, 'pose_hands', lambda *given: made.append(len(given[0])) or original(*given))
    return made


@pytest.fixture(scope='module')
def model():
    return HandModel(made_up_parameters(), DOUBLE)


def assert_same(found, expected, **tolerance) -> None:
    for a, b in zip(found, expected):
        torch.testing.assert_close(a.detach(), b.detach(), **tolerance)


@pytest.mark.parametrize('dtype', [torch.float32, DOUBLE])
@pytest.mark.parametrize('batch', [1, 5])
@pytest.mark.parametrize('shared', [False, True])
def test_both_ways_agree(calls, dtype: torch.dtype, batch: int, shared: bool):
    model = load_hand_model(dtype=dtype)
    rotations, betas = (value.to(dtype) for value in random_pose(batch))
    translation = torch.randn(1 if shared else batch, 3, dtype=dtype)
    betas = betas[:1] if shared else betas
    calls.clear()
    fast = model(rotations, betas, translation), model.keypoints(rotations, betas, translation)
    assert calls == [batch, batch]
    rotations.requires_grad_()
    slow = model(rotations, betas, translation), model.keypoints(rotations, betas, translation)
    assert len(calls) == 2
    tolerance = {'atol': 2e-6 if dtype == torch.float32 else 1e-14, 'rtol': 0}
    assert_same(fast[0], slow[0], **tolerance)
    for keypoints in (fast[1], slow[1]):
        torch.testing.assert_close(keypoints.detach(), fast[0].keypoints, **tolerance)
    assert fast[0].vertices.dtype == dtype and not fast[0].vertices.requires_grad


def test_taken_only_where_no_gradient_is_asked_for(calls, model):
    rotations, betas = random_pose(2)
    model(rotations, betas)
    with torch.no_grad():
        model(rotations.clone().requires_grad_(), betas)
    with torch.inference_mode():
        model(rotations, betas)
    assert len(calls) == 3
    assert model(rotations, betas.clone().requires_grad_()).vertices.requires_grad
    assert model(rotations, betas, torch.zeros(1, 3, dtype=DOUBLE, requires_grad=True)).joints.requires_grad
    assert len(calls) == 3


@pytest.mark.filterwarnings('ignore:.*torch.jit.script:DeprecationWarning')
def test_forward_mode_gradients_are_not_lost(calls, model):
    rotations, betas = random_pose(1)
    direction = torch.randn(1, 10, dtype=DOUBLE)

    def joints(betas):
        return model(rotations, betas).joints

    slope = torch.autograd.functional.jvp(joints, betas, direction)[1]
    calls.clear()
    with forward_ad.dual_level(), torch.no_grad():
        tangent = forward_ad.unpack_dual(joints(forward_ad.make_dual(betas, direction))).tangent
    torch.testing.assert_close(tangent, slope)
    torch.testing.assert_close(torch.func.jvp(joints, (betas,), (direction,))[1], slope)
    jacobian = torch.func.jacfwd(joints)(betas)
    torch.testing.assert_close((jacobian * direction).sum(dim=(-1, -2)), slope)
    assert not calls


def test_function_transforms(calls, model):
    rotations, betas = random_pose(3)
    calls.clear()
    mapped = torch.func.vmap(lambda r, b: model(r[None], b[None]).vertices[0])(rotations, betas)
    slope = torch.func.grad(lambda b: model(rotations, b).joints.sum())(betas)
    assert not calls and slope.abs().max() > 0
    torch.testing.assert_close(mapped, model(rotations, betas).vertices)


@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::torch.jit.TracerWarning')
def test_traced_model_still_depends_on_its_input(model):
    rotations, betas = random_pose(2)
    traced = torch.jit.trace(model, (rotations, betas), check_trace=False)
    other, shape = random_pose(2, seed=4)
    assert_same(traced(other, shape), model(other, shape))


def test_arguments_laid_out_otherwise(model):
    """Expanded, transposed and sliced tensors; results do not share memory with them."""
    rotations, betas = random_pose(4)
    expected = model(rotations, betas)
    turned = rotations.transpose(0, 1).contiguous().transpose(0, 1)
    wide = torch.cat([betas, betas], dim=1)[:, 10:]
    assert not turned.is_contiguous() and not wide.is_contiguous()
    assert_same(model(turned, wide), expected)
    one = model(rotations[:1].expand(4, -1, -1, -1), betas[:1].expand(4, -1))
    assert_same(one, model(rotations[:1].repeat(4, 1, 1, 1), betas[:1]))


@pytest.mark.parametrize('gradient', [False, True])
def test_arguments_are_left_alone_and_calls_are_alike(model, gradient: bool):
    rotations, betas = random_pose(2)
    before = rotations.clone(), betas.clone()
    first = model(rotations, betas.requires_grad_(gradient))
    kept = [value.detach().clone() for value in first]
    model(*random_pose(2, seed=8))
    assert_same(first, kept, atol=0, rtol=0)
    assert_same((rotations, betas), before, atol=0, rtol=0)


def test_not_finite_is_named_either_way(model):
    for gradient in (False, True):
        for place, name in enumerate(('rotations', 'betas', 'translation')):
            for bad in (torch.nan, torch.inf, -torch.inf):
                arguments = [*random_pose(2), torch.zeros(2, 3, dtype=DOUBLE)]
                arguments[place].view(-1)[4] = bad
                arguments[0].requires_grad_(gradient)
                with pytest.raises(ValueError, match=f'{name}: expected finite numbers, found NaN or infinity in 1 of'):
                    model(*arguments)
                with pytest.raises(ValueError, match=name):
                    model.keypoints(*arguments)


def test_large_numbers_are_finite():
    """Their sum is not, in float32; a sum is only the first question."""
    model = HandModel(made_up_parameters())
    rotations, betas = (value.float() for value in random_pose(2))
    translation = torch.full((2, 3), 3e38)
    assert model(rotations, betas, translation).joints.isfinite().any()


def test_converted_copied_and_pickled_models():
    parameters = made_up_parameters()
    rotations, betas = random_pose(2)
    exact = HandModel(parameters, DOUBLE)(rotations, betas)
    model = HandModel(parameters)
    single = model(rotations.float(), betas.float())
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(file, weights_only=False)):
        assert_same(other(rotations.float(), betas.float()), single, atol=0, rtol=0)
        other.double()
        assert other.dtype == DOUBLE and model.dtype == torch.float32
        assert_same(other(rotations, betas), exact, atol=1e-5, rtol=0)
        assert_same(other.float()(rotations.float(), betas.float()), single, atol=0, rtol=0)
    assert not model.state_dict() and not list(model.parameters())
    model.load_state_dict({})


def test_shared_memory_moves_buffers_without_harm(model):
    rotations, betas = random_pose(1)
    mine = copy.deepcopy(model)
    expected = mine(rotations, betas)
    mine.share_memory()
    assert_same(mine(rotations, betas), expected, atol=0, rtol=0)


def test_halves_and_other_devices_go_the_plain_way(calls, model):
    meta = copy.deepcopy(model).to('meta')
    rotations, betas = random_pose(2)
    calls.clear()
    assert meta(rotations.to('meta'), betas.to('meta')).vertices.shape == (2, model.num_vertices, 3)
    half = copy.deepcopy(model).to(torch.bfloat16)
    rough = half(rotations.bfloat16(), betas.bfloat16()).vertices
    assert not calls and rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.double(), model(rotations, betas).vertices, atol=0.1, rtol=0.1)


@pytest.mark.parametrize('size', [0.0, 1e-12, 1e-9, 1e-5, 0.3, 3.14159, 7.0])
def test_kernel_of_axis_angle_agrees(size: float):
    vectors = torch.nn.functional.normalize(torch.randn(50, 2, 3, dtype=DOUBLE), dim=-1) * size
    fast = axis_angle_to_matrix(vectors)
    slow = axis_angle_to_matrix(vectors.requires_grad_())
    assert slow.requires_grad and not fast.requires_grad
    torch.testing.assert_close(fast, slow.detach(), atol=1e-15, rtol=0)
    single = axis_angle_to_matrix(vectors.detach().float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, fast, atol=1e-6)


@pytest.mark.parametrize('dtype', [torch.float32, DOUBLE])
@pytest.mark.parametrize('shared', [False, True])
def test_arrays_in_arrays_out(dtype: torch.dtype, shared: bool) -> None:
    model = HandModel(made_up_parameters(), dtype)
    rotations, betas = (value.to(dtype) for value in random_pose(3, seed=2))
    betas = betas[:1] if shared else betas
    vertices, keypoints = model.pose_arrays(rotations.double().numpy(), betas.double().numpy())
    expected = model(rotations, betas)
    np.testing.assert_array_equal(vertices, expected.vertices.numpy())
    np.testing.assert_array_equal(keypoints, expected.keypoints.numpy())


@pytest.mark.parametrize(
    ('rotations', 'betas', 'word'),
    [
        (np.zeros((2, 15, 3, 3)), np.zeros((2, 10)), 'rotations'),
        (np.zeros((0, 16, 3, 3)), np.zeros((1, 10)), 'rotations'),
        (np.zeros((2, 16, 3, 3)), np.zeros((3, 10)), 'betas'),
        (np.zeros((1, 16, 3, 3)), np.full((1, 10), np.nan), 'betas: expected finite'),
        (np.full((1, 16, 3, 3), np.inf), np.zeros((1, 10)), 'rotations: expected finite'),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    model: HandModel, rotations: np.ndarray, betas: np.ndarray, word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        model.pose_arrays(rotations, betas)
