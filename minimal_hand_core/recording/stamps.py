"""Moving recorded messages in time: the stamps in their headers, nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from rosbags.serde import SerdeError
from rosbags.typesys.base import Nodetype
from rosbags.typesys.store import Typestore

from minimal_hand_core.recording.definitions import ROS2MSG, decode, store_for
from minimal_hand_core.recording.error import RecordingError

HEADER = 'std_msgs/msg/Header'
_BILLION = 1_000_000_000
_LAST = 2**31 * _BILLION - 1
_STAMP_END = 12
"""Bytes up to the end of the stamp of a message that begins with a header: encapsulation, sec, nanosec."""


Move = Callable[[int], int]


def move_stamps(type_name: str, data: bytes, move: Move, text: str = '', language: str = ROS2MSG) -> bytes:
    """A message with other stamps, as CDR bytes.

    Args:
        type_name, text, language: as in definitions.store_for.
        data: CDR bytes with their encapsulation.
        move: called with the stamp of every std_msgs/Header in the message, wherever it is, in nanoseconds; gives the
            new one, which is kept within what a stamp can hold. Zero means that there is none, and stays.

    Raises:
        RecordingError: bytes that are no such message.
    """
    where = _headers(type_name, text, language)
    if where == 'none':
        return data
    if where == 'first':
        if len(data) < _STAMP_END:
            raise RecordingError(f'{len(data)} bytes are no message of type {type_name!r}: they end in its stamp')
        order = '<' if data[1] else '>'
        sec, nanosec = struct.unpack_from(f'{order}iI', data, 4)
        changed = bytearray(data)
        struct.pack_into(f'{order}iI', changed, 4, *_moved(sec, nanosec, move))
        return bytes(changed)
    store = store_for(type_name, text, language)
    message = decode(type_name, data, text, language)
    _shift(message, type_name, store, move)
    try:
        return bytes(store.serialize_cdr(message, type_name))
    except (SerdeError, struct.error) as error:
        raise RecordingError(f'message of type {type_name!r} cannot be encoded: {error}') from None


@lru_cache(maxsize=64)
def _headers(type_name: str, text: str, language: str) -> str:
    """Where a type has headers: 'none', 'first' (it begins with one, and has no other), or 'within'."""
    store = store_for(type_name, text, language)
    kinds = [kind for _, kind in store.fielddefs[type_name][1]]
    having = [_has_header(kind, store) for kind in kinds]
    if not any(having):
        return 'none'
    first = kinds[0][0] == Nodetype.NAME and kinds[0][1] == HEADER
    return 'first' if first and not any(having[1:]) else 'within'


def _has_header(kind: Any, store: Typestore) -> bool:
    name = _message_in(kind)
    if name is None:
        return False
    return name == HEADER or any(_has_header(inner, store) for _, inner in store.fielddefs[name][1])


def _message_in(kind: Any) -> str | None:
    """The type of the messages in a field, one or several of them; None where it holds none."""
    node, detail = kind
    if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        node, detail = detail[0]
    return detail if node == Nodetype.NAME else None


def _shift(message: Any, type_name: str, store: Typestore, move: Move) -> None:
    if type_name == HEADER:
        stamp = message.stamp
        stamp.sec, stamp.nanosec = _moved(stamp.sec, stamp.nanosec, move)
        return
    for name, kind in store.fielddefs[type_name][1]:
        inner = _message_in(kind)
        if inner is None or not _has_header(kind, store):
            continue
        value = getattr(message, name)
        for each in [value] if kind[0] == Nodetype.NAME else value:
            _shift(each, inner, store, move)


def _moved(sec: int, nanosec: int, move: Move) -> tuple[int, int]:
    if not sec and not nanosec:
        return sec, nanosec
    return divmod(min(max(move(sec * _BILLION + nanosec), 0), _LAST), _BILLION)
