"""Reading MANO-shaped pickles: value by value, and nothing but data."""

import io
import os
import pickle
import struct
import sys
import types

import numpy as np
import pytest
import scipy.sparse
import torch

from minimal_hand_core.hand import (
    JOINT_PARENTS,
    HandModelError,
    axis_angle_to_matrix,
    load_hand_model,
    mirror_parameters,
    read_mano,
    read_mano_dict,
)
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


@pytest.mark.parametrize('content', [b'', b'garbage', b'\x80\x02}q\x00(X', pickle.dumps([1, 2, 3])])
def test_files_that_are_no_mano_pickle(tmp_path, content: bytes):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(content)
    with pytest.raises(HandModelError, match=r'MANO_RIGHT\.pkl is not a MANO pickle'):
        load_hand_model(path)
