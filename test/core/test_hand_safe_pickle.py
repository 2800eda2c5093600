"""Pickles of arrays come back; pickles that name anything else are refused before it is called."""

import os
import pickle

import numpy as np
import pytest

from minimal_hand_core.hand.safe_pickle import NUMPY_NAMES, BrokenPickleError, RefusedPickleError, load_restricted


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_values_come_back(protocol):
    value = {
        0: np.arange(6, dtype=np.float32).reshape(2, 3),
        'fortran': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        'view': np.arange(10)[::2],
        'scalar': np.float64(2.5),
        'empty': np.zeros((0, 3)),
        'plain': [1, 'text', None, (True, b'bytes')],
    }
    found = load_restricted(pickle.dumps(value, protocol))
    assert found.keys() == value.keys() and found['plain'] == value['plain'] and found['scalar'] == 2.5
    for key in (0, 'fortran', 'view', 'empty'):
        np.testing.assert_array_equal(found[key], value[key])
        assert found[key].dtype == value[key].dtype


def test_anything_else_is_refused_and_not_called(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / 'trapped'),))

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(RefusedPickleError, match=r'^posix\.mkdir$'):
            load_restricted(pickle.dumps([np.zeros(3), Trap()], protocol))
    assert not (tmp_path / 'trapped').exists()


@pytest.mark.parametrize('name', [b'cnumpy\nload\n.', b'cbuiltins\neval\n.', b'cnumpy.ctypeslib\nload_library\n.'])
def test_other_names_of_numpy_and_python_are_refused(name):
    with pytest.raises(RefusedPickleError):
        load_restricted(name)


class _Calls:
    """Pickled, it calls what it is given."""

    def __init__(self, call, *arguments, state=None):
        self._made = (call, arguments) if state is None else (call, arguments, state)

    def __reduce__(self):
        return self._made


def test_bytes_never_become_objects():
    """NumPy's own would take them for addresses, and follow those."""
    address = b'\x41' * 8
    reconstruct = np.zeros(1).__reduce__()[0]
    flagless = _Calls(np.dtype, 'V8', state=(3, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 1, 0))
    plain = np.dtype('O')
    for made in (
        _Calls(np.ndarray, (1,), 'O', address),
        _Calls(reconstruct, np.ndarray, (0,), b'b', state=(1, (1,), flagless, False, address)),
        _Calls(reconstruct, np.ndarray, (0,), b'b', state=(1, (1,), plain, False, address)),
        _Calls(np.float64(1).__reduce__()[0], plain, address),
        flagless,
    ):
        with pytest.raises(BrokenPickleError):
            load_restricted(pickle.dumps(made, 2))


def test_texts_objects_and_other_orders_come_back():
    kept = {
        'big': np.arange(3, dtype='>f4'),
        'text': np.array(['a', 'bc']),
        'bytes': np.array([b'a', b'bc']),
        'objects': np.array([[1, 2.5], ['x', None]], object),
        'column first': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        'flags': np.array([True, False]),
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        found = load_restricted(pickle.dumps(kept, protocol))
        for name, array in kept.items():
            assert (
                found[name].dtype.newbyteorder('=') == array.dtype.newbyteorder('=')
                and found[name].shape == array.shape
            )
            assert found[name].tolist() == array.tolist()
        again = load_restricted(pickle.dumps(found, protocol))
        assert all(again[name].tolist() == array.tolist() for name, array in kept.items())


def test_stand_ins_can_be_added():
    names = {**NUMPY_NAMES, ('collections', 'OrderedDict'): dict}
    from collections import OrderedDict

    content = pickle.dumps(OrderedDict(a=1))
    assert load_restricted(content, names) == {'a': 1}
    with pytest.raises(RefusedPickleError, match=r'collections\.OrderedDict'):
        load_restricted(content)


@pytest.mark.parametrize('content', [b'', b'nonsense', pickle.dumps(np.zeros(9))[:40]])
def test_broken_pickles_are_an_error_of_their_own(content):
    with pytest.raises(BrokenPickleError):
        load_restricted(content)
