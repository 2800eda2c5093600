"""Reading one parameter: declared with a description and a range, read, validated; errors name parameter and value.

What each node needs is a frozen dataclass in `settings`; this module holds the loaders they are read with, and
NodeParameters, which keeps that dataclass in step with the node's parameters.

Parameters are declared with dynamic typing, so that `rate:=30` is as good as `rate:=30.0` and `source:=0` as good as
`source:='0'`. A parameter that is *live* may change while the node is configured; every other one only before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from minimal_hand_core.errors import one_line

LIVE = 'may change at any time'
FIXED = 'may change only while the node is unconfigured'
_SWITCHED = {False: 'off', True: 'on'}
_BY_ROS_ITSELF = ('use_sim_time', 'start_type_description_service')

Settings = TypeVar('Settings')


class ParameterError(ValueError):
    """A parameter with a value that cannot be; the message names both and what would be right."""


class ParameterLoader:
    """Loaders for the parameters of one node.

    Every method returns the validated value of the parameter `name`, which is declared on the node at the first time.
    `live=True` says that it may change while the node is configured.
    Every method raises ParameterError.

    Args:
        node: has the parameters.
        proposed: values that somebody wants to set, in place of those the node has; by name.

    Attributes:
        live, fixed: names of the parameters asked for so far.
    """

    def __init__(self, node: Node, proposed: Mapping[str, object] | None = None) -> None:
        self._node = node
        self._proposed = proposed or {}
        self.live: set[str] = set()
        self.fixed: set[str] = set()

    def text(self, name: str, default: str, description: str, *, may_be_empty: bool = True, live: bool = False) -> str:
        """A string; whole numbers are taken as their digits."""
        value = self._read(name, default, ParameterDescriptor(description=description), live)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise _wrong(name, value, 'give a text')
        if not value and not may_be_empty:
            raise _wrong(name, value, 'it must not be empty')
        return value

    def choice(self, name: str, default: str, choices: Sequence[str], description: str, *, live: bool = False) -> str:
        """One of `choices`; false and true are taken as 'off' and 'on', of which YAML makes them."""
        listed = ', '.join(choices)
        value = self._read(
            name, default, ParameterDescriptor(description=description, additional_constraints=f'one of {listed}'), live
        )
        chosen = _SWITCHED[value] if isinstance(value, bool) else value
        if not isinstance(chosen, str) or chosen not in choices:
            raise _wrong(name, value, f'give one of {listed}')
        return chosen

    def number(
        self, name: str, default: float, low: float, high: float, description: str, *, live: bool = False
    ) -> float:
        """A number in low…high, both included; whole numbers are welcome."""
        value = self._read(
            name,
            default,
            ParameterDescriptor(
                description=description,
                floating_point_range=[FloatingPointRange(from_value=float(low), to_value=float(high))],
            ),
            live,
        )
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _wrong(name, value, f'give a number from {low:g} to {high:g}')
        if not math.isfinite(value) or not low <= value <= high:
            raise _wrong(name, value, f'give a number from {low:g} to {high:g}')
        return float(value)

    def integer(self, name: str, default: int, low: int, high: int, description: str, *, live: bool = False) -> int:
        """A whole number in low…high, both included."""
        value = self._read(
            name,
            default,
            ParameterDescriptor(
                description=description, integer_range=[IntegerRange(from_value=low, to_value=high, step=1)]
            ),
            live,
        )
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _wrong(name, value, f'give a whole number from {low} to {high}')
        return value

    def flag(self, name: str, default: bool, description: str, *, live: bool = False) -> bool:
        """True or false."""
        value = self._read(name, default, ParameterDescriptor(description=description), live)
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

    def _read(self, name: str, default: object, descriptor: ParameterDescriptor, live: bool) -> object:
        (self.live if live else self.fixed).add(name)
        if name in self._proposed:
            return self._proposed[name]
        if self._node.has_parameter(name):
            return self._node.get_parameter(name).value
        descriptor.dynamic_typing = True
        constraints = [descriptor.additional_constraints, LIVE if live else FIXED]
        descriptor.additional_constraints = '; '.join(filter(None, constraints))
        try:
            return self._node.declare_parameter(name, default, descriptor).value
        except ParameterException as error:
            # raised by rclpy itself for a value outside the descriptor's range
            value = self._node._parameter_overrides[name].value
            ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
            right = f'give a number from {ranges[0].from_value:g} to {ranges[0].to_value:g}' if ranges else str(error)
            raise _wrong(name, value, right) from None


class NodeParameters(Generic[Settings]):
    """The parameters of a node as one frozen dataclass, which every change replaces as a whole or not at all.

    A change is checked by building the dataclass with it. What does not pass is refused with the reason, and neither
    the parameters nor the dataclass change.

    Args:
        node: has the parameters; they are declared here.
        load: reads them all.
        configured: whether the node is configured, so that only live parameters may change.
        changed: called with the new dataclass once it is in use.

    Raises:
        ParameterError: a value that cannot be.
        ValueError: of the checks of the dataclass itself.
    """

    def __init__(
        self,
        node: Node,
        load: Callable[[ParameterLoader], Settings],
        configured: Callable[[], bool],
        changed: Callable[[Settings], None],
    ) -> None:
        self._node, self._load, self._configured, self._changed = node, load, configured, changed
        loader = ParameterLoader(node)
        self._settings = self._next = load(loader)
        self._fixed, self._known = loader.fixed, loader.fixed | loader.live
        for warning in loader.strangers():
            node.get_logger().warning(warning)
        node.add_on_set_parameters_callback(self._check)
        # Humble knows no callback for what has been set; there a change is in use as soon as it has passed the checks
        self._tells_when_set = hasattr(node, 'add_post_set_parameters_callback')
        if self._tells_when_set:
            node.add_post_set_parameters_callback(self._apply)

    @property
    def settings(self) -> Settings:
        """The dataclass in use."""
        return self._settings

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        proposed = {p.name: p.value for p in parameters if p.name in self._known}
        for name in sorted(self._fixed & set(proposed)):
            if self._configured() and proposed[name] != self._node.get_parameter(name).value:
                reason = (
                    f'parameter {name!r} cannot change while {self._node.get_name()} is configured: '
                    'deactivate and clean up the node, set it, then configure and activate again'
                )
                return SetParametersResult(successful=False, reason=reason)
        try:
            self._next = self._load(ParameterLoader(self._node, proposed))
        except ValueError as error:
            return SetParametersResult(successful=False, reason=one_line(error))
        if not self._tells_when_set:
            self._apply(parameters)
        return SetParametersResult(successful=True)

    def _apply(self, parameters: list[Parameter]) -> None:
        if self._next != self._settings:
            self._settings = self._next
            self._changed(self._settings)


def yaml_value(value: object) -> str:
    """A parameter's value as `-p name:=value` takes it."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, (int, float)):
        return str(value)
    # quoted, so that a webcam's index, a path with blanks or 'yes' stays a text
    return "'" + str(value).replace("'", "''") + "'"


def _wrong(name: str, value: object, right: str) -> ParameterError:
    return ParameterError(f'parameter {name!r} is {value!r}: {right}')
