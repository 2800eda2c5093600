"""The hand model against a plain reference, and its invariants; parameters, mirroring and loading."""

import dataclasses
import io
import math
import struct

import numpy as np
import pytest
import torch
from made_up_hand import VERTICES, made_up_parameters, plain_skinning, random_pose

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
    read_npz,
)


@pytest.mark.parametrize('gradient', [True, False], ids=['skinning', 'kernel'])
@pytest.mark.parametrize('posed', [True, False], ids=['blend shapes', 'none'])
def test_forward_agrees_with_plain_skinning(posed: bool, gradient: bool):
    parameters = made_up_parameters(posed=posed)
    rotations, betas = random_pose(3)
    translation = torch.tensor([[0.1, -2, 3], [0, 0, 0], [5, 6, 7]], dtype=torch.float64)
    output = HandModel(parameters, torch.float64)(rotations, betas.requires_grad_(gradient), translation)
    assert output.vertices.requires_grad is gradient
    for i in range(3):
        vertices, joints = plain_skinning(parameters, rotations[i].numpy(), betas[i].detach().numpy())
        keypoints = np.concatenate([joints, vertices[parameters.tip_vertices]])[list(KEYPOINTS_FROM_JOINTS_AND_TIPS)]
        for found, expected in zip(output, (vertices, joints, keypoints)):
            np.testing.assert_allclose(found[i].detach().numpy(), expected + translation[i].numpy(), atol=1e-12)


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
        ((2, 16, 3), (2, 10), None, r'rotations: expected shape \(B, 16, 3, 3\), found \(2, 16, 3\)'),
        ((16, 3, 3), (1, 10), None, r'rotations: expected shape \(B, 16, 3, 3\), found \(16, 3, 3\)'),
        ((2, 15, 3, 3), (2, 10), None, r'rotations: expected shape \(B, 16, 3, 3\), found \(2, 15, 3, 3\)'),
        ((0, 16, 3, 3), (0, 10), None, r'rotations: expected shape \(B, 16, 3, 3\), found \(0, 16, 3, 3\)'),
        ((2, 16, 3, 3), (2, 9), None, r'betas: expected shape \(2, 10\), found \(2, 9\)'),
        ((2, 16, 3, 3), (3, 10), None, r'betas: expected shape \(2, 10\), found \(3, 10\)'),
        ((2, 16, 3, 3), (10,), None, r'betas: expected shape \(2, 10\), found \(10\)'),
        ((2, 16, 3, 3), (0, 10), None, r'betas: expected shape \(2, 10\), found \(0, 10\)'),
        ((2, 16, 3, 3), (2, 10), (2, 4), r'translation: expected shape \(2, 3\), found \(2, 4\)'),
        ((2, 16, 3, 3), (2, 10), (3, 3), r'translation: expected shape \(2, 3\), found \(3, 3\)'),
        ((2, 16, 3, 3), (2, 10), (3,), r'translation: expected shape \(2, 3\), found \(3\)'),
    ],
)
def test_wrong_shapes_are_named(rotations, betas, translation, words: str):
    model = HandModel(made_up_parameters())
    arguments = [torch.zeros(shape) for shape in (rotations, betas, translation) if shape is not None]
    for call in (model, model.keypoints):
        with pytest.raises(ValueError, match=words):
            call(*arguments)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda value: value.double(), 'expected torch.float32 as the hand model, found torch.float64'),
        (lambda value: value.half(), 'expected torch.float32 as the hand model, found torch.float16'),
        (lambda value: value.long(), 'expected torch.float32 as the hand model, found torch.int64'),
        (lambda value: value.numpy(), 'expected a tensor of torch.float32, found ndarray; torch.as_tensor'),
        (lambda value: value.tolist(), 'expected a tensor of torch.float32, found list'),
        (lambda value: value.to('meta'), 'expected on cpu as the hand model, found on meta'),
    ],
)
def test_wrong_kinds_are_named(change, words: str):
    model = HandModel(made_up_parameters())
    arguments = {'rotations': torch.zeros(1, 16, 3, 3), 'betas': torch.zeros(1, 10), 'translation': torch.zeros(1, 3)}
    for name, value in arguments.items():
        with pytest.raises(ValueError, match=f'{name}: {words}'):
            model(**{**arguments, name: change(value)})
    for rest in (model.rest_joints, model.rest_keypoints, model.bone_ratios):
        with pytest.raises(ValueError, match=f'betas: {words}'):
            rest(change(arguments['betas']))


def test_other_precisions_are_refused():
    with pytest.raises(ValueError, match='dtype: expected torch.float32 or torch.float64, found torch.float16'):
        load_hand_model(dtype=torch.float16)


def test_keypoints_alone_and_centred():
    model = HandModel(made_up_parameters(), torch.float64)
    rotations, betas = random_pose(3)
    translation = torch.ones(1, 3, dtype=torch.float64)
    hand = model(rotations, betas, translation)
    torch.testing.assert_close(model.keypoints(rotations, betas, translation), hand.keypoints)
    for keypoint in (9, 0):
        moved = hand.centred(keypoint) if keypoint != 9 else hand.centred()
        torch.testing.assert_close(moved.keypoints[:, keypoint], torch.zeros(3, 3, dtype=torch.float64))
        for before, after in zip(hand, moved):
            torch.testing.assert_close(after, before - hand.keypoints[:, keypoint, None])


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
        ('pose_mean', np.zeros(48), 'pose_mean must be 45 numbers'),
        ('pose_components', np.zeros((6, 45)), 'pose_components must be 45×45 numbers'),
        ('pose_deviations', np.full(45, np.nan), 'pose_deviations.*not finite'),
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


@pytest.mark.parametrize('name', ['made up', 'open'])
def test_mirroring_twice_changes_no_bit(name: str):
    parameters = made_up_parameters() if name == 'made up' else read_npz(OPEN_HAND)
    back = mirror_parameters(mirror_parameters(parameters))
    for field in dataclasses.fields(parameters):
        before, after = getattr(parameters, field.name), getattr(back, field.name)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype and before.tobytes() == after.tobytes(), field.name
        else:
            assert before == after, field.name


def test_mirror_takes_numpy_and_keeps_dtype():
    points = np.arange(6, dtype=np.float32).reshape(2, 3)
    mirrored = mirror_points(points)
    assert mirrored.dtype == np.float32
    np.testing.assert_array_equal(mirrored, [[0, 1, 2], [-3, 4, 5]])


def save_npz(path, parameters: HandParameters, **changes) -> None:
    fields = [field.name for field in dataclasses.fields(parameters) if field.name != 'name']
    arrays = {**{field: getattr(parameters, field) for field in fields}, **changes}
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
    torch.testing.assert_close(mirror_rotations(left.pose_space.mean()), loaded.pose_space.mean())
    save_npz(tmp_path / 'bare.npz', parameters, posedirs=None, pose_mean=None, pose_components=None)
    assert load_hand_model(tmp_path / 'bare.npz').pose_space.mean_vector is None


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


def single_array() -> bytes:
    """An .npy file."""
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def spoiled_npz() -> bytes:
    """A compressed .npz whose first array cannot be expanded."""
    file = io.BytesIO()
    np.savez_compressed(file, vertices=np.zeros(100))
    content = bytearray(file.getvalue())
    start = 30 + sum(struct.unpack('<HH', content[26:30]))  # behind the header of the entry, its name and extras
    content[start : start + 4] = b'\xff' * 4
    return bytes(content)


@pytest.mark.parametrize(
    'content',
    [b'', b'not a zip archive', b'PK\x03\x04 but broken', single_array(), spoiled_npz()],
    ids=['empty', 'text', 'no archive', 'a single array', 'spoiled'],
)
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
