"""A message as the bytes that go over the wire, in which only the numbers change from one sending to the next.

To make many small Python objects and to have rclpy convert them takes far longer than to work out what is in them. So
such a message is made and serialized once, with numbers that are then looked for in the bytes; from then on the new
numbers are written into their places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.serialization import serialize_message

STAMP = np.dtype([('sec', np.int32), ('nanosec', np.uint32)])
"""A builtin_interfaces/Time."""
_WORD = np.dtype(np.uint32)
"""What CDR aligns these numbers to, at the least."""


class Places:
    """Where N rows of numbers lie in the bytes of a message.

    Args:
        words: the bytes, seen as words.
        index: (N, K) numbers of the words that hold them.
    """

    def __init__(self, words: np.ndarray, index: np.ndarray) -> None:
        self._words, self._index = words, index

    def write(self, rows: np.ndarray) -> None:
        """Put (N, …) numbers, or one row for all, of the dtype that was there."""
        self._words[self._index] = np.ascontiguousarray(rows).view(_WORD)


class SerializedMessage:
    """A message as bytes.

    Args:
        message: filled with numbers, in every place that will change, that occur nowhere else in it.
    """

    def __init__(self, message: Any) -> None:
        self._bytes = bytearray(serialize_message(message))

    def place_of(self, values: np.ndarray) -> np.ndarray:
        """The array in the bytes that holds exactly these values; writing to it changes the message.

        Raises:
            RuntimeError: they are not in it as they are in memory, or more than once.
        """
        offset = self._offset_of(values)
        return np.frombuffer(self._bytes, values.dtype, values.size, offset).reshape(values.shape)

    def places_of(self, rows: np.ndarray) -> Places:
        """The places of N rows of one length, wherever in the message each of them lies; to be written all at once.

        Raises:
            RuntimeError: as `place_of`, or a row does not begin at a whole word.
        """
        offsets = np.array([self._offset_of(row) for row in rows])
        if (offsets % _WORD.itemsize).any() or rows[0].nbytes % _WORD.itemsize:
            raise RuntimeError('the serialized message does not hold its numbers at whole words: not CDR')
        count = rows[0].nbytes // _WORD.itemsize
        words = np.frombuffer(self._bytes, _WORD, len(self._bytes) // _WORD.itemsize)
        return Places(words, offsets[:, None] // _WORD.itemsize + np.arange(count))

    def _offset_of(self, values: np.ndarray) -> int:
        wanted = values.tobytes()
        offset = self._bytes.find(wanted)
        if offset < 0 or self._bytes.find(wanted, offset + 1) >= 0:
            raise RuntimeError('the serialized message does not hold its numbers as they were given: not CDR')
        return offset

    def __bytes__(self) -> bytes:
        return bytes(self._bytes)
