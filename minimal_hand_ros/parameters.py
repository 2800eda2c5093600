"""Reading one parameter: declared with a description and a range, read, validated; errors name parameter and value.

What each node needs is a frozen dataclass in `settings`; this module holds the loaders they are read with.

Parameters are declared with dynamic typing, so that `rate:=30` is as good as `rate:=30.0` and `source:=0` as good as
`source:='0'`, and read-only: they are read once, when the node starts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

_BY_ROS_ITSELF = ('use_sim_time', 'start_type_description_service')


class ParameterError(ValueError):
    """A parameter with a value that cannot be; the message names both and what would be right."""


class ParameterLoader:
    """Loaders for the parameters of one node.

    Every method declares the parameter `name` on the node and returns its validated value.
    Every method raises ParameterError.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def text(self, name: str, default: str, description: str, *, may_be_empty: bool = True) -> str:
        """A string; whole numbers are taken as their digits."""
        value = self._read(name, default, ParameterDescriptor(description=description))
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise _wrong(name, value, 'give a text')
        if not value and not may_be_empty:
            raise _wrong(name, value, 'it must not be empty')
        return value

    def choice(self, name: str, default: str, choices: Sequence[str], description: str) -> str:
        """One of `choices`."""
        listed = ', '.join(choices)
        value = self._read(
            name, default, ParameterDescriptor(description=description, additional_constraints=f'one of {listed}')
        )
        if not isinstance(value, str) or value not in choices:
            raise _wrong(name, value, f'give one of {listed}')
        return value

    def number(self, name: str, default: float, low: float, high: float, description: str) -> float:
        """A number in low…high, both included; whole numbers are welcome."""
        value = self._read(
            name,
            default,
            ParameterDescriptor(
                description=description,
                floating_point_range=[FloatingPointRange(from_value=float(low), to_value=float(high))],
            ),
        )
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _wrong(name, value, f'give a number from {low:g} to {high:g}')
        if not math.isfinite(value) or not low <= value <= high:
            raise _wrong(name, value, f'give a number from {low:g} to {high:g}')
        return float(value)

    def integer(self, name: str, default: int, low: int, high: int, description: str) -> int:
        """A whole number in low…high, both included."""
        value = self._read(
            name,
            default,
            ParameterDescriptor(
                description=description, integer_range=[IntegerRange(from_value=low, to_value=high, step=1)]
            ),
        )
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _wrong(name, value, f'give a whole number from {low} to {high}')
        return value

    def flag(self, name: str, default: bool, description: str) -> bool:
        """True or false."""
        value = self._read(name, default, ParameterDescriptor(description=description))
        if not isinstance(value, bool):
            raise _wrong(name, value, 'give true or false')
        return value

    def strangers(self) -> list[str]:
        """One warning per parameter that was set from outside but that this node does not have."""
        known = [name for name in self._node._parameters if not name.startswith('qos_overrides')]
        warnings = []
        for name in self._node._parameter_overrides:
            if name in known or name in _BY_ROS_ITSELF or name.startswith('qos_overrides'):
                continue
            close = get_close_matches(name, known, n=1)
            hint = f'; did you mean {close[0]!r}?' if close else ''
            warnings.append(f'parameter {name!r} is not one of {self._node.get_name()} and is ignored{hint}')
        return warnings

    def _read(self, name: str, default: object, descriptor: ParameterDescriptor) -> object:
        descriptor.dynamic_typing = True
        descriptor.read_only = True
        try:
            return self._node.declare_parameter(name, default, descriptor).value
        except ParameterException as error:
            # raised by rclpy itself for a value outside the descriptor's range
            value = self._node._parameter_overrides[name].value
            ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
            right = f'give a number from {ranges[0].from_value:g} to {ranges[0].to_value:g}' if ranges else str(error)
            raise _wrong(name, value, right) from None


def _wrong(name: str, value: object, right: str) -> ParameterError:
    return ParameterError(f'parameter {name!r} is {value!r}: {right}')
