"""Reading MANO-shaped pickles: value by value, and nothing but data."""

import dataclasses
import io
import os
import pickle
import struct
import sys
import types
import warnings

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.spatial.transform import Rotation

from minimal_hand_core.hand import (
    JOINT_PARENTS,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    OPEN_HAND,
    HandModelError,
    HandModelWarning,
    axis_angle_to_matrix,
    length_width_correlation,
    load_hand_model,
    mirror_parameters,
    read_mano,
    read_mano_dict,
    read_npz,
)
from minimal_hand_core.hand.left_file import repair_shapedirs, warn_of_wrong_signs
from minimal_hand_core.hand.loading import _named_side
from minimal_hand_core.hand.mano import TIP_VERTICES

COUNT = 778


def numbers(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = rng.random((COUNT, 16))
    regressor = np.where(rng.random((16, COUNT)) < 0.02, rng.random((16, COUNT)), 0)
    return {
        'v_template': rng.normal(size=(COUNT, 3)),
        'f': rng.integers(0, COUNT, (1538, 3)).astype(np.uint32),
        'shapedirs': rng.normal(size=(COUNT, 3, 20)),
        'posedirs': rng.normal(size=(COUNT, 3, 135)),
        'J_regressor': regressor,
        'weights': weights / weights.sum(axis=1, keepdims=True),
        'kintree_table': np.array([[4294967295, *JOINT_PARENTS[1:]], range(16)], dtype=np.int64),
        'J': rng.normal(size=(16, 3)),
        'hands_mean': rng.normal(size=45),
        'hands_components': rng.normal(size=(45, 45)),
        'hands_coeffs': rng.normal(size=(200, 45)),
    }


@pytest.fixture
def chumpy(monkeypatch):
    """Stand-ins for chumpy's two classes, importable while a pickle is written and gone when it is read."""
    made = {}
    for module, name in (('chumpy.ch', 'Ch'), ('chumpy.reordering', 'Select')):
        made[name] = type(name, (), {'__module__': module})
        stub = types.ModuleType(module)
        setattr(stub, name, made[name])
        monkeypatch.setitem(sys.modules, module, stub)
    monkeypatch.setitem(sys.modules, 'chumpy', types.ModuleType('chumpy'))
    return made


def with_state(cls: type, **state: object) -> object:
    instance = cls()
    instance.__dict__.update(state)
    return instance


def mano_content(chumpy: dict[str, type], values: dict[str, np.ndarray], sparse=scipy.sparse.csc_matrix) -> dict:
    """The dictionary as MANO's files have it."""
    every = np.arange(COUNT * 3 * 20).reshape(COUNT, 3, 20)
    select = with_state(
        chumpy['Select'],
        a=with_state(chumpy['Ch'], x=values['shapedirs']),
        idxs=every[:, :, :10].ravel(),
        preferred_shape=(COUNT, 3, 10),
    )
    content = {**values, 'shapedirs': select, 'bs_style': 'lbs', 'bs_type': 'lrotmin'}
    if sparse is not None:
        content['J_regressor'] = sparse(values['J_regressor'])
    return content


class Python2Pickler(pickle._Pickler):
    """Writes str as Python 2 did, so that a reader needs encoding='latin1'."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_byte_string(self, text: str) -> None:
        raw = text.encode('latin1')
        self.write(pickle.BINSTRING + struct.pack('<i', len(raw)) + raw)
        self.memoize(text)

    def save_raw_bytes(self, raw: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack('<i', len(raw)) + raw)
        self.memoize(raw)

    dispatch[str] = save_byte_string
    dispatch[bytes] = save_raw_bytes


def python2_pickle(content: object) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(content)
    # Module paths as NumPy 1 and SciPy 1.0 wrote them; a module name in a pickle ends with a newline.
    data = buffer.getvalue()
    data = data.replace(b'numpy._core.multiarray\n', b'numpy.core.multiarray\n')
    return data.replace(b'scipy.sparse._csc\n', b'scipy.sparse.csc\n').replace(
        b'scipy.sparse._csr\n', b'scipy.sparse.csr\n'
    )


def assert_same_values(found, values: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(found.vertices, values['v_template'])
    np.testing.assert_array_equal(found.faces, values['f'])
    np.testing.assert_array_equal(found.shapedirs, values['shapedirs'][:, :, :10])
    np.testing.assert_array_equal(found.posedirs, values['posedirs'])
    np.testing.assert_array_equal(found.joint_regressor, values['J_regressor'])
    np.testing.assert_array_equal(found.weights, values['weights'])
    np.testing.assert_array_equal(found.pose_mean, values['hands_mean'])
    np.testing.assert_array_equal(found.pose_components, values['hands_components'])
    np.testing.assert_allclose(found.pose_deviations, values['hands_coeffs'].std(axis=0))


pytestmark = pytest.mark.filterwarnings('ignore::minimal_hand_core.hand.HandModelWarning')
"""Random numbers may well make longer hands narrower."""


@pytest.mark.parametrize('sparse', [scipy.sparse.csc_matrix, scipy.sparse.csr_matrix, None])
def test_python2_file_comes_back_value_by_value(tmp_path, chumpy, sparse):
    values = numbers()
    data = python2_pickle(mano_content(chumpy, values, sparse))
    assert b'chumpy.reordering\nSelect' in data and b'numpy._core' not in data and b'scipy.sparse._' not in data
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(data)
    found = read_mano(path)
    assert found.side == 'right'
    assert_same_values(found, values)
    assert tuple(found.tip_vertices) == (745, 317, 444, 556, 673)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL))
def test_python3_files_of_every_protocol(tmp_path, chumpy, protocol: int):
    values = numbers()
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(pickle.dumps(mano_content(chumpy, values), protocol=protocol))
    assert_same_values(read_mano(path), values)


def test_chumpy_is_not_imported(tmp_path, chumpy, monkeypatch):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(python2_pickle(mano_content(chumpy, numbers())))
    for name in ('chumpy', 'chumpy.ch', 'chumpy.reordering'):
        monkeypatch.delitem(sys.modules, name)
    read_mano(path)
    assert not any(name.startswith('chumpy') for name in sys.modules)


def test_other_keys_are_plain_too(tmp_path, chumpy):
    path = tmp_path / 'MANO_RIGHT.pkl'
    values = numbers()
    path.write_bytes(python2_pickle(mano_content(chumpy, values)))
    data = read_mano_dict(path)
    np.testing.assert_array_equal(data['hands_mean'], values['hands_mean'])
    assert data['bs_style'] == 'lbs'
    assert isinstance(data['shapedirs'], np.ndarray) and data['shapedirs'].shape == (COUNT, 3, 10)


def test_model_from_a_mano_file(tmp_path, chumpy):
    values = numbers()
    (tmp_path / 'MANO_RIGHT.pkl').write_bytes(python2_pickle(mano_content(chumpy, values)))
    betas = torch.full((1, 10), 0.3, dtype=torch.float64)
    shaped = values['v_template'] + values['shapedirs'][:, :, :10] @ np.full(10, 0.3)
    for source in (tmp_path / 'MANO_RIGHT.pkl', tmp_path):
        model = load_hand_model(source, dtype=torch.float64)
        np.testing.assert_allclose(model.rest_joints(betas)[0].numpy(), values['J_regressor'] @ shaped, atol=1e-12)
        rotations = axis_angle_to_matrix(torch.full((1, 16, 3), 0.2, dtype=torch.float64))
        assert model(rotations, betas).vertices.shape == (1, COUNT, 3)
        assert model.tip_vertices == TIP_VERTICES['right']


@pytest.mark.parametrize('side', ['right', 'left'])
def test_forward_of_a_mano_file_is_fact_sheet_3_1(tmp_path, chumpy, side: str):
    """Pickle to keypoints against plain NumPy: blend shapes row by row, chain, skinning, mean pose, tips by side."""
    values = numbers()
    path = tmp_path / f'MANO_{side.upper()}.pkl'
    path.write_bytes(python2_pickle(mano_content(chumpy, values)))
    model = load_hand_model(path, side, dtype=torch.float64)
    rng = np.random.default_rng(5)
    betas, coefficients, wrist = rng.normal(size=10), 0.2 * rng.normal(size=6), rng.normal(size=3)
    rotations = model.pose_space.from_pca(*(torch.from_numpy(value)[None] for value in (coefficients, wrist)))
    found = model(rotations, torch.from_numpy(betas)[None])

    fingers = coefficients @ values['hands_components'][:6] + values['hands_mean']
    turns = Rotation.from_rotvec(np.concatenate([wrist, fingers]).reshape(16, 3)).as_matrix()
    shapedirs = values['shapedirs'][:, :, :10] * np.array([1 if side == 'right' else -1, 1, 1])[:, None]
    shaped = values['v_template'] + shapedirs @ betas
    joints = values['J_regressor'] @ shaped
    for number, turn in enumerate(turns[1:]):
        for row in range(3):
            for column in range(3):
                feature = turn[row, column] - (row == column)
                shaped = shaped + feature * values['posedirs'][:, :, 9 * number + 3 * row + column]
    world = []
    for j, parent in enumerate(JOINT_PARENTS):
        if j == 0:
            world.append((turns[0], joints[0]))
        else:
            above, place = world[parent]
            world.append((above @ turns[j], above @ (joints[j] - joints[parent]) + place))
    vertices = sum(
        values['weights'][:, j, None] * ((shaped - joints[j]) @ turn.T + place) for j, (turn, place) in enumerate(world)
    )
    places = np.array([place for _, place in world])
    tips = vertices[[745, 317, 444 if side == 'right' else 445, 556, 673]]
    np.testing.assert_allclose(found.vertices[0], vertices, atol=1e-11)
    np.testing.assert_allclose(found.joints[0], places, atol=1e-11)
    keypoints = np.concatenate([places, tips])[list(KEYPOINTS_FROM_JOINTS_AND_TIPS)]
    np.testing.assert_allclose(found.keypoints[0], keypoints, atol=1e-11)


def test_files_without_pose_statistics_are_read(tmp_path, chumpy):
    content = mano_content(chumpy, numbers())
    for key in ('hands_mean', 'hands_components', 'hands_coeffs'):
        del content[key]
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(python2_pickle(content))
    found = read_mano(path)
    assert found.pose_mean is found.pose_components is found.pose_deviations is None
    path.write_bytes(python2_pickle({**content, 'hands_coeffs': np.zeros((4, 6))}))
    assert read_mano(path).pose_deviations is None


def test_tips_of_ones_own(tmp_path, chumpy):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(python2_pickle(mano_content(chumpy, numbers())))
    own = (744, 320, 443, 555, 672)
    for side in ('right', 'left'):
        model = load_hand_model(path, side, dtype=torch.float64, tip_vertices=own)
        assert model.tip_vertices == own
        hand = model(axis_angle_to_matrix(torch.full((1, 16, 3), 0.2).double()), torch.ones(1, 10).double())
        torch.testing.assert_close(hand.keypoints[0, [4, 8, 12, 16, 20]], hand.vertices[0, list(own)])
    assert load_hand_model(path).tip_vertices == TIP_VERTICES['right'], 'what was read before is not changed'
    for bad, words in (
        ((1, 2, 3), 'tip_vertices must be 5'),
        ((0, 1, 2, 3, 778), '778 vertices'),
        ((0.5,) * 5, 'integers'),
    ):
        with pytest.raises(HandModelError, match=words):
            load_hand_model(path, tip_vertices=bad)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_a_sign_error_can_be_seen(side: str):
    """On the open hand, whose betas are standard deviations of people as MANO's are."""
    right = read_npz(OPEN_HAND)
    hand = right if side == 'right' else mirror_parameters(right)
    assert length_width_correlation(hand) == pytest.approx(0.76, abs=0.01)
    wrong = repair_shapedirs(hand)
    assert length_width_correlation(wrong) == pytest.approx(-0.72, abs=0.01)
    assert length_width_correlation(dataclasses.replace(hand, shapedirs=0 * hand.shapedirs)) == 0
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warn_of_wrong_signs(hand, repaired=True)
    with pytest.warns(HandModelWarning, match=r'without the repair.*-0\.72.*try repair_left=True'):
        warn_of_wrong_signs(wrong, repaired=False)


@pytest.mark.parametrize('mended', [False, True], ids=['as published', 'mended by somebody'])
def test_the_wrong_choice_for_a_left_file_warns(tmp_path, chumpy, mended: bool):
    values = numbers()
    # The first 16 vertices are the joints: fingers along x, palm across; two directions in which all of it grows.
    values['J_regressor'] = np.eye(16, COUNT)
    values['v_template'][:16] = 0
    values['v_template'][[5, 6]] = [[0.09, 0, 0.001], [0.12, 0, 0.002]]
    values['v_template'][[1, 7]] = [[0.08, 0, 0.03], [0.07, 0, -0.03]]
    values['shapedirs'] = values['v_template'][:, :, None] * np.r_[1, 0.5, np.zeros(18)]
    if not mended:
        values['shapedirs'][:, 0] *= -1
    path = tmp_path / 'MANO_LEFT.pkl'
    path.write_bytes(python2_pickle(mano_content(chumpy, values)))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        right_choice = read_mano(path, 'left', repair_left=not mended)
    assert length_width_correlation(right_choice) > 0.9
    with pytest.warns(HandModelWarning, match=rf'MANO_LEFT\.pkl.*try repair_left={not mended}'):
        read_mano(path, 'left', repair_left=mended)


def test_left_file_has_its_signs_mended_unless_told_not_to(tmp_path, chumpy):
    values = numbers()
    path = tmp_path / 'MANO_LEFT.pkl'
    path.write_bytes(python2_pickle(mano_content(chumpy, values)))
    mended = values['shapedirs'][:, :, :10] * np.array([-1, 1, 1])[:, None]
    np.testing.assert_array_equal(read_mano(path, 'left').shapedirs, mended)
    np.testing.assert_array_equal(read_mano(path, 'left', repair_left=False).shapedirs, values['shapedirs'][:, :, :10])
    assert read_mano(path, 'left').tip_vertices[2] == 445
    directions = load_hand_model(path, 'left', dtype=torch.float64).rest_keypoint_basis()[1]
    kept = load_hand_model(path, 'left', dtype=torch.float64, repair_left=False).rest_keypoint_basis()[1]
    torch.testing.assert_close(directions[:, 0], -kept[:, 0])
    torch.testing.assert_close(directions[:, 1:], kept[:, 1:])


def test_right_file_serves_a_left_hand_by_mirroring(tmp_path, chumpy):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(python2_pickle(mano_content(chumpy, numbers())))
    expected = mirror_parameters(read_mano(path))
    for source in (path, tmp_path):
        left = load_hand_model(source, 'left', dtype=torch.float64)
        assert left.side == 'left'
        np.testing.assert_array_equal(left.faces.numpy(), expected.faces)
        torch.testing.assert_close(
            left.rest_joints(torch.zeros(1, 10, dtype=torch.float64))[0],
            torch.from_numpy(expected.joint_regressor @ expected.vertices),
        )


class Call:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_a_pickle_with_os_system_is_refused_and_nothing_runs(tmp_path, protocol: int):
    trace = tmp_path / 'it_ran'
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(pickle.dumps({'v_template': Call(os.system, f'touch {trace}')}, protocol=protocol))
    with pytest.raises(HandModelError, match=rf'MANO_RIGHT\.pkl is refused: it names {os.system.__module__}\.system'):
        load_hand_model(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ('call', 'named'),
    [
        (Call(eval, '1 + 1'), r'builtin.*\.eval'),
        (Call(np.fromfile, '/etc/hostname'), r'numpy\.fromfile|multiarray\.fromfile'),
        (Call(scipy.sparse.load_npz, 'x'), r'scipy\.sparse'),
        (Call(getattr, np, 'load'), r'builtins\.getattr'),
    ],
)
def test_other_calls_are_named(tmp_path, call, named: str):
    path = tmp_path / 'MANO_RIGHT.pkl'
    try:
        path.write_bytes(pickle.dumps({'v_template': call}, protocol=2))
    except TypeError:  # a module among the arguments cannot be pickled; the name of the call is enough
        path.write_bytes(b'\x80\x02c__builtin__\ngetattr\n.')
        named = r'builtin.*\.getattr'
    with pytest.raises(HandModelError, match=named):
        read_mano_dict(path)


def test_reconstructor_builds_nothing_but_stand_ins(tmp_path):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(b'ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.')
    with pytest.raises(HandModelError, match='_reconstructor'):
        read_mano_dict(path)


@pytest.mark.parametrize('key', ['v_template', 'f', 'shapedirs', 'posedirs', 'J_regressor', 'weights', 'kintree_table'])
def test_a_missing_key_is_named(tmp_path, chumpy, key: str):
    content = mano_content(chumpy, numbers())
    del content[key]
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(python2_pickle(content))
    with pytest.raises(HandModelError, match=rf'MANO_RIGHT\.pkl.*lacks {key}'):
        read_mano(path)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('v_template', np.zeros((777, 3))),
        ('f', np.zeros((4, 4), np.uint32)),
        ('shapedirs', np.zeros((COUNT, 3, 9))),
        ('posedirs', np.zeros((COUNT, 3, 10))),
        ('J_regressor', np.zeros((24, COUNT))),
        ('weights', np.zeros((COUNT, 24))),
        ('weights', 'lbs'),
        ('kintree_table', np.zeros((2, 24), int)),
        ('kintree_table', np.zeros((2, 16), int)),
        ('hands_mean', np.zeros(48)),
        ('hands_components', np.zeros((6, 45))),
    ],
)
def test_a_wrong_shape_is_named(tmp_path, chumpy, key: str, value: object):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(python2_pickle({**mano_content(chumpy, numbers()), key: value}))
    with pytest.raises(HandModelError, match=rf'MANO_RIGHT\.pkl: {key}'):
        read_mano(path)


def test_a_select_without_its_parts_is_an_error(tmp_path, chumpy):
    path = tmp_path / 'MANO_RIGHT.pkl'
    content = {**mano_content(chumpy, numbers()), 'shapedirs': with_state(chumpy['Select'], idxs=np.arange(4))}
    path.write_bytes(python2_pickle(content))
    with pytest.raises(HandModelError, match='shapedirs cannot be turned into an array'):
        read_mano(path)


def test_an_unknown_side_is_named():
    with pytest.raises(HandModelError, match="side is 'Left'; it must be one of right, left"):
        read_mano('MANO_LEFT.pkl', side='Left')


@pytest.mark.parametrize('content', [b'', b'garbage', b'\x80\x02}q\x00(X', pickle.dumps([1, 2, 3])])
def test_files_that_are_no_mano_pickle(tmp_path, content: bytes):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(content)
    with pytest.raises(HandModelError, match=r'MANO_RIGHT\.pkl is not a MANO pickle'):
        load_hand_model(path)


@pytest.mark.parametrize('name', ['copyright_L.pkl', 'upright.pkl', 'bright-hands.pkl'])
def test_a_word_that_holds_a_side_names_none(name: str):
    assert _named_side(name) is None
    assert _named_side('MANO_RIGHT.pkl') == 'right' and _named_side('my-left.v2.pkl') == 'left'
