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
        wanted = values.tobytes()
        offset = self._bytes.find(wanted)
        if offset < 0 or self._bytes.find(wanted, offset + 1) >= 0:
            raise RuntimeError('the serialized message does not hold its numbers as they were given: not CDR')
        return np.frombuffer(self._bytes, values.dtype, values.size, offset).reshape(values.shape)

    def __bytes__(self) -> bytes:
        return bytes(self._bytes)
