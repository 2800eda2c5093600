"""The service that turns a node's work off and on without a lifecycle manager."""

from __future__ import annotations

from collections.abc import Callable

from std_srvs.srv import SetBool

from minimal_hand_ros.lifecycle import ManagedNode


class Switch:
    """Service `enable` (std_srvs/SetBool).

    Args:
        node: the node that serves.
        switched: called with the new position when it is another one.

    Attributes:
        on: whether the node is to look at what comes in; true at the start.
    """

    def __init__(self, node: ManagedNode, switched: Callable[[bool], None]) -> None:
        self._node = node
        self._switched = switched
        self.on = True

    def start(self) -> None:
        """Serve."""
        self._node.active.service(SetBool, 'enable', self._set)

    def _set(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        word = 'enabled' if request.data else 'disabled'
        response.success = True
        response.message = f'already {word}' if request.data == self.on else word
        if request.data != self.on:
            self.on = bool(request.data)
            self._switched(self.on)
            self._node.get_logger().info(word)
        return response
