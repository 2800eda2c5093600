"""Unpickling without running what is inside.

A pickle may call anything it names. `load_restricted` knows a short list of names and refuses every other one before
anything of it has been called. NumPy's own names are here; a caller adds stand-ins that only keep data.
"""

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np


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


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any, *rest: Any) -> np.ndarray:
    """What NumPy calls for arrays in pickles of protocol 5."""
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _numpy_names() -> dict[tuple[str, str], Any]:
    probe = np.zeros(1)
    reconstruct = probe.__reduce__()[0]
    scalar = probe[0].__reduce__()[0]
    names: dict[tuple[str, str], Any] = {
        ('numpy', 'ndarray'): np.ndarray,
        ('numpy', 'dtype'): np.dtype,
        ('_codecs', 'encode'): _latin1,
        ('builtins', 'bytes'): _no_bytes,
        ('__builtin__', 'bytes'): _no_bytes,
    }
    for core in ('numpy.core', 'numpy._core'):
        names[f'{core}.multiarray', '_reconstruct'] = reconstruct
        names[f'{core}.multiarray', 'scalar'] = scalar
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
