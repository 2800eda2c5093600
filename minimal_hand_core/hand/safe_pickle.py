"""Unpickling without running what is inside.

A pickle may call anything it names. `load_restricted` knows a short list of names and refuses every other one before
anything of it has been called. Stand-ins for NumPy's own names are here, as those would take an address from the pickle
and follow it; a caller adds others that only keep data.
"""

import io
import pickle
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

_PLAIN = re.compile(r'[<>=|]?([biufc]\d+|[SU]\d*|O\d?|b1|\?)')
"""dtypes that pickles may name: numbers, texts, objects."""


class RefusedPickleError(ValueError):
    """The pickle names something that is not on the list; the message is that name, `module.name`."""


class BrokenPickleError(ValueError):
    """The bytes are not a pickle, or it is damaged; the message says what went wrong."""


def _latin1(text: str, encoding: str) -> bytes:
    """Python 3 writes bytes in old protocols as _codecs.encode(text, 'latin1')."""
    if encoding not in ('latin1', 'latin-1'):
        raise pickle.UnpicklingError(f'_codecs.encode to {encoding!r}')
    return text.encode('latin1')


def _no_bytes() -> bytes:
    """Python 3 writes b'' in old protocols as bytes()."""
    return b''


class _NamedArray:
    """What `numpy.ndarray` stands for, to be handed to _reconstruct: called, it would take any bytes for objects."""

    def __new__(cls, *_: Any) -> NoReturn:
        raise pickle.UnpicklingError('numpy.ndarray is called')


class _DType:
    """What `numpy.dtype` stands for: numbers, texts and objects, and nothing made of them.

    NumPy's own takes the flags that say whether bytes are objects, and thus addresses, from the pickle.
    """

    def __init__(self, spec: str | bytes, *_: Any) -> None:
        text = spec.decode('latin1') if isinstance(spec, bytes) else spec
        if not isinstance(text, str) or not _PLAIN.fullmatch(text):
            raise pickle.UnpicklingError(f'dtype {spec!r}')
        self._dtype = np.dtype(text)

    def __setstate__(self, state: Sequence[Any]) -> None:
        _, order, *made_of = state
        if any(part is not None for part in made_of[:3]):
            raise pickle.UnpicklingError('a dtype that is made of others')
        if order in ('>', b'>'):
            self._dtype = self._dtype.newbyteorder('>')

    def checked(self, data: object) -> np.dtype[Any]:
        """The dtype, for such data: a list where it is of objects, else bytes."""
        if (self._dtype.kind == 'O') != isinstance(data, list):
            raise pickle.UnpicklingError(f'an array of {self._dtype} made of {type(data).__name__}')
        return self._dtype


class _Array(np.ndarray):
    """An array whose dtype is a _DType of the pickle."""

    def __setstate__(self, state: Any) -> None:
        version, shape, dtype, fortran, data = state
        if type(dtype) is not _DType:
            raise pickle.UnpicklingError(f'an array of dtype {type(dtype).__name__}')
        super().__setstate__((version, shape, dtype.checked(data), fortran, data))

    def __reduce_ex__(self, protocol: Any) -> Any:
        # pickled again, it is an array like any other
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _reconstruct(kind: Any, *_: Any) -> np.ndarray:
    """What NumPy calls for an array that its state then fills."""
    if kind is not _NamedArray:
        raise pickle.UnpicklingError(f'an array of kind {kind!r}')
    return _Array((0,), np.int8)


def _scalar(dtype: _DType, data: bytes | str) -> Any:
    """What NumPy calls for numbers of its own kinds."""
    content = data.encode('latin1') if isinstance(data, str) else data
    plain = dtype.checked(content)
    return np.frombuffer(content, plain, 1)[0] if plain.itemsize else plain.type()


def _from_buffer(buffer: Any, dtype: _DType, shape: Any, order: Any, *rest: Any) -> np.ndarray:
    """What NumPy calls for arrays in pickles of protocol 5."""
    return np.frombuffer(buffer, dtype.checked(buffer)).reshape(shape, order=order)


def _numpy_names() -> dict[tuple[str, str], Any]:
    names: dict[tuple[str, str], Any] = {
        ('numpy', 'ndarray'): _NamedArray,
        ('numpy', 'dtype'): _DType,
        ('_codecs', 'encode'): _latin1,
        ('builtins', 'bytes'): _no_bytes,
        ('__builtin__', 'bytes'): _no_bytes,
    }
    for core in ('numpy.core', 'numpy._core'):
        names[f'{core}.multiarray', '_reconstruct'] = _reconstruct
        names[f'{core}.multiarray', 'scalar'] = _scalar
        names[f'{core}.numeric', '_frombuffer'] = _from_buffer
    return names


NUMPY_NAMES: Mapping[tuple[str, str], Any] = _numpy_names()
"""(module, name) → what it stands for: all that arrays and NumPy scalars need, in pickles of Python 2 and 3."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, names: Mapping[tuple[str, str], Any]) -> None:
        super().__init__(io.BytesIO(content), encoding='latin1')
        self._names = names

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._names[module, name]
        except KeyError:
            raise RefusedPickleError(f'{module}.{name}') from None


def load_restricted(content: bytes, names: Mapping[tuple[str, str], Any] = NUMPY_NAMES) -> Any:
    """Load a pickle that may only name what is listed. Python-2 strings are read as Latin-1.

    Args:
        content: the pickle.
        names: (module, name) → what the pickle gets for it.

    Raises:
        RefusedPickleError: another name; nothing of it has been called.
        BrokenPickleError: not a pickle, or a damaged one.
    """
    try:
        return _Unpickler(content, names).load()
    except RefusedPickleError:
        raise
    except Exception as error:  # A broken pickle can raise anything.
        raise BrokenPickleError(f'{type(error).__name__}: {error}') from error
