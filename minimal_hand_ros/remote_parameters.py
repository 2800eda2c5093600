"""The parameters of other nodes: found, read, followed and set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rcl_interfaces.msg import ParameterEvent
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import qos_profile_parameter_events

from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.questions import Questions

LIMIT = 5.0
"""Seconds for an answer."""


class RemoteParameters:
    """Some parameters that several nodes of this namespace share, such as right_ik_node and left_ik_node.

    Args:
        node: the node that asks.
        questions: its questions.
        owners: names that nodes which have the parameters may have.
        names: of the parameters.
        known: called with the values of parameters, whenever they are read or change.
        refused: called with the name of a parameter and one line.
        gone: called when there is none of the owners any more.
    """

    def __init__(
        self,
        node: ManagedNode,
        questions: Questions,
        owners: Sequence[str],
        names: Sequence[str],
        known: Callable[[Mapping[str, object]], None],
        refused: Callable[[str, str], None],
        gone: Callable[[], None],
    ) -> None:
        self._node, self._questions = node, questions
        self._candidates, self._names = tuple(owners), tuple(names)
        self._known, self._refused, self._gone = known, refused, gone
        self._owners: tuple[str, ...] = ()
        self._reading: set[str] = set()

    def start(self) -> None:
        """Hear of changes that others make."""
        self._node.active.subscription(ParameterEvent, '/parameter_events', self._follow, qos_profile_parameter_events)

    def stop(self) -> None:
        """Forget who has them."""
        self._owners = ()
        self._reading.clear()

    def look(self) -> None:
        """See who is there; to be called now and then."""
        here = self._node.get_namespace()
        there = {name for name, space in self._node.get_node_names_and_namespaces() if space == here}
        owners = tuple(name for name in self._candidates if name in there)
        new = [name for name in owners if name not in self._owners and name not in self._reading]
        if self._owners and not owners:
            self._gone()
        for name in owners:
            self._questions.prepare(GetParameters, f'{name}/get_parameters')
            self._questions.prepare(SetParametersAtomically, f'{name}/set_parameters_atomically')
        self._owners = tuple(name for name in self._owners if name in there)
        for name in new:
            self._read(name)

    def set(self, name: str, value: object) -> None:
        """Set a parameter of all who have it."""
        if not self._owners:
            self._refused(name, f'none of the nodes {", ".join(self._candidates)} is there')
            return
        for owner in self._owners:
            request = SetParametersAtomically.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])

            def answered(response: SetParametersAtomically.Response, owner: str = owner) -> None:
                if not response.result.successful:
                    self._refuse(owner, name, response.result.reason)

            self._questions.ask(
                SetParametersAtomically,
                f'{owner}/set_parameters_atomically',
                request,
                answered,
                lambda reason, owner=owner: self._refuse(owner, name, reason),
                LIMIT,
            )

    def _refuse(self, owner: str, name: str, reason: str) -> None:
        self._refused(name, reason)
        self._read(owner)  # so that what is shown is true again

    def _read(self, owner: str) -> None:
        """Ask for all values; who answers is one of the owners, who does not is asked again at the next look."""

        def answered(response: GetParameters.Response) -> None:
            self._reading.discard(owner)
            if owner not in self._owners:
                self._owners += (owner,)
            values = [parameter_value_to_python(value) for value in response.values]
            self._known({n: v for n, v in zip(self._names, values, strict=False) if v is not None})

        self._reading.add(owner)
        self._questions.ask(
            GetParameters,
            f'{owner}/get_parameters',
            GetParameters.Request(names=list(self._names)),
            answered,
            lambda reason: self._reading.discard(owner),
            LIMIT,
        )

    def _follow(self, message: ParameterEvent) -> None:
        space, _, name = message.node.rpartition('/')
        if (space or '/') != self._node.get_namespace() or name not in self._candidates:
            return
        changed = [p for p in (*message.new_parameters, *message.changed_parameters) if p.name in self._names]
        if changed:
            self._known({p.name: parameter_value_to_python(p.value) for p in changed})
