"""The hand model against a plain reference, and its invariants; parameters, mirroring and loading."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from minimal_hand_core import hand as hand_package
from minimal_hand_core.hand import (
    BONE_KEYPOINTS,
    JOINT_PARENTS,
    KEYPOINT_PARENTS,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    NUM_BETAS,
    NUM_JOINTS,
    OPEN_HAND,
    HandModel,
    HandModelError,
    HandParameters,
    axis_angle_to_matrix,
    load_hand_model,
    mirror_parameters,
    mirror_points,
    mirror_rotations,
)

VERTICES = 40


def made_up_parameters(seed: int = 3, posed: bool = True) -> HandParameters:
    """A model of random numbers: nothing in it is symmetric, small or zero by chance."""
    rng = np.random.default_rng(seed)
    weights = rng.random((VERTICES, NUM_JOINTS))
    regressor = rng.random((NUM_JOINTS, VERTICES))
    return HandParameters(
        side='right',
        vertices=rng.normal(size=(VERTICES, 3)),
        faces=rng.integers(0, VERTICES, (30, 3)),
        weights=weights / weights.sum(axis=1, keepdims=True),
        shapedirs=0.1 * rng.normal(size=(VERTICES, 3, NUM_BETAS)),
        posedirs=0.05 * rng.normal(size=(VERTICES, 3, 135)) if posed else None,
        joint_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        tip_vertices=rng.permutation(VERTICES)[:5],
    )


def random_pose(batch: int, seed: int = 0, size: float = 0.6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    vectors = size * torch.randn(batch, NUM_JOINTS, 3, generator=generator, dtype=torch.float64)
    return axis_angle_to_matrix(vectors), torch.randn(batch, NUM_BETAS, generator=generator, dtype=torch.float64)


def plain_skinning(hand: HandParameters, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fact sheet 3.1 word by word, with 4×4 matrices and loops."""
    shaped = hand.vertices + hand.shapedirs @ betas
    joints = hand.joint_regressor @ shaped
    if hand.posedirs is not None:
        shaped = shaped + hand.posedirs @ (rotations[1:] - np.eye(3)).ravel()
    world = []
    for j in range(NUM_JOINTS):
        local = np.eye(4)
        local[:3, :3] = rotations[j]
        local[:3, 3] = joints[j] if j == 0 else joints[j] - joints[JOINT_PARENTS[j]]
        world.append(local if j == 0 else world[JOINT_PARENTS[j]] @ local)
    vertices = np.zeros_like(shaped)
    for j in range(NUM_JOINTS):
        moved = (shaped - joints[j]) @ world[j][:3, :3].T + world[j][:3, 3]
        vertices += hand.weights[:, j, None] * moved
    return vertices, np.array([m[:3, 3] for m in world])


@pytest.mark.parametrize('posed', [True, False])
def test_forward_agrees_with_plain_skinning(posed: bool):
    parameters = made_up_parameters(posed=posed)
    rotations, betas = random_pose(3)
    output = HandModel(parameters, torch.float64)(rotations, betas)
    for i in range(3):
        vertices, joints = plain_skinning(parameters, rotations[i].numpy(), betas[i].numpy())
        np.testing.assert_allclose(output.vertices[i].numpy(), vertices, atol=1e-12)
        np.testing.assert_allclose(output.joints[i].numpy(), joints, atol=1e-12)
        both = np.concatenate([joints, vertices[parameters.tip_vertices]])
        np.testing.assert_allclose(output.keypoints[i].numpy(), both[list(KEYPOINTS_FROM_JOINTS_AND_TIPS)], atol=1e-12)


def test_float32_stays_close_to_float64():
    parameters = made_up_parameters()
    rotations, betas = random_pose(2)
    exact = HandModel(parameters, torch.float64)(rotations, betas)
    single = HandModel(parameters)(rotations.float(), betas.float())
    assert single.vertices.dtype == torch.float32
    torch.testing.assert_close(single.vertices.double(), exact.vertices, atol=1e-5, rtol=0)


def test_gradcheck():
    model = HandModel(made_up_parameters(), torch.float64)
    rotations, betas = random_pose(1)
    translation = torch.tensor([[0.1, -0.2, 0.3]], dtype=torch.float64)
    inputs = [tensor.requires_grad_() for tensor in (rotations, betas, translation)]
    assert torch.autograd.gradcheck(lambda *args: model(*args), inputs, fast_mode=True)
    assert torch.autograd.gradcheck(model.bone_ratios, (betas,))


def test_no_rotation_gives_the_shaped_template():
    parameters = made_up_parameters()
    model = HandModel(parameters, torch.float64)
    _, betas = random_pose(2)
    identity = torch.eye(3, dtype=torch.float64).expand(2, NUM_JOINTS, 3, 3)
    output = model(identity, betas)
    shaped = parameters.vertices + np.einsum('vck,bk->bvc', parameters.shapedirs, betas.numpy())
    np.testing.assert_allclose(output.vertices.numpy(), shaped, atol=1e-12)
    torch.testing.assert_close(output.joints, model.rest_joints(betas))
    torch.testing.assert_close(output.keypoints, model.rest_keypoints(betas))


def test_wrist_turns_everything_about_the_wrist_joint():
    model = HandModel(made_up_parameters(), torch.float64)
    rotations, betas = random_pose(1)
    turn, _ = random_pose(1, seed=9)
    turned = rotations.clone()
    turned[:, 0] = turn[:, 0] @ rotations[:, 0]
    before, after = model(rotations, betas), model(turned, betas)
    wrist = before.joints[:, :1]
    for field in ('vertices', 'joints', 'keypoints'):
        expected = (getattr(before, field) - wrist) @ turn[0, 0].T + wrist
        torch.testing.assert_close(getattr(after, field), expected)


def test_translation_moves_every_point():
    model = HandModel(made_up_parameters(), torch.float64)
    rotations, betas = random_pose(2)
    offset = torch.tensor([[1.0, 2, 3], [-1, 0, 5]], dtype=torch.float64)
    for here, there in zip(model(rotations, betas), model(rotations, betas, offset)):
        torch.testing.assert_close(there, here + offset[:, None])


def test_a_joint_moves_only_what_lies_beyond_it():
    model = HandModel(made_up_parameters(), torch.float64)
    rotations = torch.eye(3, dtype=torch.float64).repeat(1, NUM_JOINTS, 1, 1)
    betas = torch.zeros(1, NUM_BETAS, dtype=torch.float64)
    rest = model(rotations, betas).joints[0]
    little_mcp = 7
    rotations[0, little_mcp] = axis_angle_to_matrix(torch.tensor([0.3, 0.5, -0.2], dtype=torch.float64))
    moved = (model(rotations, betas).joints[0] - rest).norm(dim=-1) > 1e-9
    assert moved.nonzero().flatten().tolist() == [8, 9]


def test_one_shape_for_many_poses():
    model = HandModel(made_up_parameters(), torch.float64)
    rotations, betas = random_pose(4)
    shared = model(rotations, betas[:1])
    repeated = model(rotations, betas[:1].expand(4, -1))
    torch.testing.assert_close(shared.vertices, repeated.vertices)
    torch.testing.assert_close(shared.keypoints, repeated.keypoints)


def test_rest_keypoints_are_affine_in_betas():
    model = HandModel(made_up_parameters(), torch.float64)
    _, betas = random_pose(5)
    offset, directions = model.rest_keypoint_basis()
    assert offset.shape == (21, 3) and directions.shape == (21, 3, NUM_BETAS)
    expected = offset + torch.einsum('pcm,bm->bpc', directions, betas)
    torch.testing.assert_close(model.rest_keypoints(betas), expected)


def test_bone_ratios_by_hand():
    model = HandModel(made_up_parameters(), torch.float64)
    _, betas = random_pose(2)
    keypoints = model.rest_keypoints(betas).numpy()
    ratios = model.bone_ratios(betas).numpy()
    assert ratios.shape == (2, 15)
    for i, end in enumerate(BONE_KEYPOINTS):
        bone = np.linalg.norm(keypoints[:, end] - keypoints[:, KEYPOINT_PARENTS[end]], axis=1)
        np.testing.assert_allclose(ratios[:, i], bone / np.linalg.norm(keypoints[:, 9] - keypoints[:, 0], axis=1))


@pytest.mark.parametrize(
    ('rotations', 'betas', 'translation', 'words'),
    [
        ((2, 16, 3), (2, 10), None, 'rotations'),
        ((2, 15, 3, 3), (2, 10), None, 'rotations'),
        ((2, 16, 3, 3), (2, 9), None, 'betas'),
        ((2, 16, 3, 3), (3, 10), None, 'betas'),
        ((2, 16, 3, 3), (10,), None, 'betas'),
        ((2, 16, 3, 3), (2, 10), (2, 4), 'translation'),
    ],
)
def test_wrong_shapes_are_named(rotations, betas, translation, words: str):
    model = HandModel(made_up_parameters())
    arguments = [torch.zeros(shape) for shape in (rotations, betas, translation) if shape is not None]
    with pytest.raises(ValueError, match=words):
        model(*arguments)


def test_state_dict_is_empty():
    """A network that holds a hand model must not carry MANO's numbers into its checkpoints."""
    assert not HandModel(made_up_parameters()).state_dict()


@pytest.mark.parametrize(
    ('field', 'value', 'words'),
    [
        ('side', 'both', 'side'),
        ('vertices', np.zeros((VERTICES, 2)), 'vertices'),
        ('weights', np.zeros((VERTICES, 15)), 'weights'),
        ('shapedirs', np.zeros((VERTICES, 3, 9)), 'shapedirs'),
        ('posedirs', np.zeros((VERTICES, 3, 134)), 'posedirs'),
        ('joint_regressor', np.zeros((15, VERTICES)), 'joint_regressor'),
        ('faces', np.full((4, 3), VERTICES), 'faces'),
        ('faces', np.zeros((4, 3)), 'faces'),
        ('tip_vertices', np.array([0, 1, 2, 3, -1]), 'tip_vertices'),
        ('vertices', np.full((VERTICES, 3), np.nan), 'not finite'),
        ('weights', np.full((VERTICES, 16), 'x'), 'weights'),
    ],
)
def test_bad_parameters_are_named(field: str, value: object, words: str):
    with pytest.raises(HandModelError, match=words):
        dataclasses.replace(made_up_parameters(), **{field: value})


def test_parameters_cannot_be_changed():
    parameters = made_up_parameters()
    with pytest.raises(dataclasses.FrozenInstanceError):
        parameters.side = 'left'
    with pytest.raises(ValueError, match='read-only'):
        parameters.vertices[0, 0] = 1


def test_mirrored_model_is_the_mirror_image():
    parameters = made_up_parameters()
    mirrored = mirror_parameters(parameters)
    assert mirrored.side == 'left'
    rotations, betas = random_pose(2)
    one = HandModel(parameters, torch.float64)(rotations, betas)
    other = HandModel(mirrored, torch.float64)(mirror_rotations(rotations), betas)
    for a, b in zip(one, other):
        torch.testing.assert_close(b, mirror_points(a))
    torch.testing.assert_close(torch.linalg.det(mirror_rotations(rotations)), torch.ones(2, 16, dtype=torch.float64))
    back = mirror_parameters(mirrored)
    for field in ('vertices', 'faces', 'shapedirs', 'posedirs', 'weights'):
        np.testing.assert_array_equal(getattr(back, field), getattr(parameters, field))


def test_mirror_takes_numpy_and_keeps_dtype():
    points = np.arange(6, dtype=np.float32).reshape(2, 3)
    mirrored = mirror_points(points)
    assert mirrored.dtype == np.float32
    np.testing.assert_array_equal(mirrored, [[0, 1, 2], [-3, 4, 5]])


def save_npz(path, parameters: HandParameters, **changes) -> None:
    fields = ('vertices', 'faces', 'weights', 'shapedirs', 'posedirs', 'joint_regressor', 'tip_vertices')
    arrays = {field: getattr(parameters, field) for field in fields}
    arrays = {'side': parameters.side, **arrays, **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


def test_npz_of_ones_own(tmp_path):
    parameters = made_up_parameters()
    save_npz(tmp_path / 'own.npz', parameters)
    rotations, betas = random_pose(1)
    expected = HandModel(parameters, torch.float64)(rotations, betas)
    loaded = load_hand_model(tmp_path / 'own.npz', dtype=torch.float64)
    torch.testing.assert_close(loaded(rotations, betas).vertices, expected.vertices)
    left = load_hand_model(str(tmp_path / 'own.npz'), 'left', dtype=torch.float64)
    assert left.side == 'left'
    torch.testing.assert_close(left(mirror_rotations(rotations), betas).vertices, mirror_points(expected.vertices))


def test_npz_lacking_an_array_is_named(tmp_path):
    path = tmp_path / 'short.npz'
    save_npz(path, made_up_parameters(), weights=None, faces=None)
    with pytest.raises(HandModelError, match=r'short\.npz.*faces, weights'):
        load_hand_model(path)


def test_npz_with_a_pickle_inside_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ('the pickle was run',))

    path = tmp_path / 'trap.npz'
    np.savez(path, side=np.array(Trap(), dtype=object))
    with pytest.raises(HandModelError, match=r'trap\.npz'):
        load_hand_model(path)


@pytest.mark.parametrize('content', [b'', b'not a zip archive', b'PK\x03\x04 but broken'])
def test_broken_npz_is_named(tmp_path, content: bytes):
    path = tmp_path / 'broken.npz'
    path.write_bytes(content)
    with pytest.raises(HandModelError, match=r'broken\.npz'):
        load_hand_model(path)


def test_paths_that_are_no_hand(tmp_path):
    with pytest.raises(HandModelError, match=r'nowhere\.npz.*does not exist.*"open"'):
        load_hand_model(tmp_path / 'nowhere.npz')
    with pytest.raises(HandModelError, match='MANO_RIGHT.pkl'):
        load_hand_model(tmp_path)
    (tmp_path / 'hand.obj').write_text('v 0 0 0')
    with pytest.raises(HandModelError, match=r'hand\.obj is not a hand model'):
        load_hand_model(tmp_path / 'hand.obj')
    with pytest.raises(HandModelError, match="side is 'both'.*right, left"):
        load_hand_model('open', 'both')
    with pytest.raises(HandModelError, match=r"''.*does not exist|folder"):
        load_hand_model('')


def test_files_are_read_once_and_again_when_they_change(tmp_path, monkeypatch):
    path = tmp_path / 'own.npz'
    save_npz(path, made_up_parameters(seed=1))
    reads = []
    original = hand_package.loading.read_npz
    monkeypatch.setattr(hand_package.loading, 'read_npz', lambda name: reads.append(name) or original(name))
    first, second = load_hand_model(path), load_hand_model(path)
    assert len(reads) == 1
    assert first is not second, 'models are modules of their own: .to() on one must not change the other'
    save_npz(path, made_up_parameters(seed=2, posed=False))
    assert not torch.equal(load_hand_model(path).rest_keypoint_basis()[0], first.rest_keypoint_basis()[0])
    assert len(reads) == 2


def test_open_hand_is_the_default():
    model = load_hand_model()
    assert model.side == 'right' and model.name == OPEN_HAND.name
    assert model.parents == JOINT_PARENTS
    assert math.isclose(float(model.bone_ratios(torch.zeros(1, 10))[0, 6]), 1.0)
