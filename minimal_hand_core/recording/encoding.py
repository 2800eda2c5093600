"""Messages to CDR bytes, from plain mappings of fields: for programs that have no ROS message classes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import numpy as np
from rosbags.serde import SerdeError
from rosbags.typesys.base import Nodetype

from minimal_hand_core.recording.definitions import definition, type_store
from minimal_hand_core.recording.error import RecordingError

_INTEGERS = ('int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64')
_DTYPES: dict[str, np.dtype] = {
    **{name: np.dtype(name) for name in ('bool', *_INTEGERS, 'float32', 'float64')},
    **dict.fromkeys(('byte', 'octet', 'char'), np.dtype('uint8')),
}
_FLOATS = ('float32', 'float64')
_RANGES = {
    name: range(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max) + 1)
    for name, dtype in _DTYPES.items()
    if dtype.kind in 'iu'
}


def encode(type_name: str, fields: Mapping[str, Any]) -> bytes:
    """A message as little-endian CDR, with the four bytes of the encapsulation in front.

    Args:
        type_name: such as 'geometry_msgs/msg/PoseStamped'.
        fields: values by name, messages within as mappings too, lists as sequences or arrays of any shape, read
            row by row; a picture's data as bytes. What is left out is zero, empty or false.

    Raises:
        RecordingError: an unknown type or field, or a value that its field cannot hold; the message names both.
    """
    definition(type_name)
    try:
        message = _build(type_name, fields, type_name.rsplit('/', 1)[-1])
        return bytes(type_store().serialize_cdr(message, type_name, little_endian=True))
    except (SerdeError, struct.error, OverflowError, UnicodeEncodeError) as error:
        raise RecordingError(f'message of type {type_name!r} cannot be encoded: {error}') from None


def _build(type_name: str, fields: Any, where: str) -> object:
    store = type_store()
    known = dict(store.fielddefs[type_name][1])
    if not isinstance(fields, Mapping):
        raise RecordingError(f'{where}: expected a mapping with the fields of {type_name}, found {fields!r}')
    for name in fields:
        if name not in known:
            close = get_close_matches(str(name), known, n=1) or [', '.join(known)]
            raise RecordingError(f'{where}.{name}: {type_name} has no such field; it has {close[0]}')
    values = {name: _value(kind, fields.get(name), f'{where}.{name}') for name, kind in known.items()}
    return store.types[type_name](**values)


def _value(kind: Any, value: Any, where: str) -> Any:
    node, detail = kind
    if node == Nodetype.NAME:
        return _build(detail, {} if value is None else value, where)
    if node == Nodetype.BASE:
        return _scalar(detail[0], value, where)
    (inner, inner_detail), size = detail
    made: Any
    fixed = size if node == Nodetype.ARRAY else None
    if inner == Nodetype.BASE and inner_detail[0] in _DTYPES:
        made = _numbers(inner_detail[0], value, fixed, where)
    else:
        items = [None] * (fixed or 0) if value is None else _items(value, where)
        made = [_value((inner, inner_detail), item, f'{where}[{i}]') for i, item in enumerate(items)]
    if fixed is not None and len(made) != fixed:
        raise RecordingError(f'{where}: expected {fixed} values, found {len(made)}')
    return made


def _items(value: Any, where: str) -> list[Any]:
    """The items of a list; a text or mapping has some too, but is none."""
    if not isinstance(value, (str, bytes, Mapping)):
        with suppress(TypeError):
            return list(value)
    raise RecordingError(f'{where}: expected a list, found {value!r}')


def _scalar(base: str, value: Any, where: str) -> Any:
    if base not in _DTYPES:
        if value is not None and not isinstance(value, str):
            raise RecordingError(f'{where}: expected a text, found {value!r}')
        return value or ''
    if value is None:
        return False if base == 'bool' else 0.0 if base in _FLOATS else 0
    # one number at a time through NumPy would take most of the time of a message
    if base in _FLOATS and isinstance(value, (float, int)):
        return float(value)
    if type(value) is int and base in _RANGES and value in _RANGES[base]:
        return value
    return _numbers(base, [value], None, where)[0].item()


def _numbers(base: str, value: Any, size: int | None, where: str) -> np.ndarray:
    """A flat array of the type of the field."""
    dtype = _DTYPES[base]
    if value is None:
        return np.zeros(size or 0, dtype)
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = np.frombuffer(value, np.uint8)
    try:
        found = np.asarray(value)
        if found.size and found.dtype.kind not in 'biuf':
            raise ValueError(f'found {found.dtype}')
        flat = found.reshape(-1).astype(dtype)
        if dtype.kind in 'iub' and not np.array_equal(flat, found.reshape(-1)):
            raise ValueError(f'found {value!r}')
    except (ValueError, TypeError, OverflowError) as error:
        raise RecordingError(f'{where}: expected {base}, {error}') from None
    return flat
