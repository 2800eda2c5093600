"""Asking services without waiting: every question gets an answer or a line that says why there is none.

An answer that comes after that line is still given: it says what is true now.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.client import Client
from rclpy.task import Future

from minimal_hand_ros.lifecycle import ManagedNode


class _Question(NamedTuple):
    client: Client
    deadline: float
    unanswered: Callable[[str], None]


class Questions:
    """The questions of one node; `check` is to be called now and then.

    Args:
        node: the node that asks.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._clients: dict[str, Client] = {}
        self._open: list[_Question] = []

    def prepare(self, kind: type, name: str) -> Client:
        """A client for a service, made at the first call, so that both ends know of each other when it is asked."""
        if name not in self._clients:
            self._clients[name] = self._node.active.client(kind, name)
        return self._clients[name]

    def ask(
        self,
        kind: type,
        name: str,
        request: Any,
        answered: Callable[[Any], None],
        unanswered: Callable[[str], None],
        limit: float,
    ) -> None:
        """Ask one service.

        Args:
            kind: of the service.
            name: of the service.
            request: the question.
            answered: called with the response.
            unanswered: called with one line on why there is none.
            limit: seconds until `unanswered` is called.
        """
        client = self.prepare(kind, name)
        if not client.service_is_ready():
            unanswered(f'there is no service {client.srv_name}')
            return
        future = client.call_async(request)
        question = _Question(client, time.monotonic() + limit, unanswered)
        self._open.append(question)

        def done(future: Future) -> None:
            if question in self._open:
                self._open.remove(question)
            if self._clients.get(name) is client and not future.cancelled():
                answered(future.result())

        future.add_done_callback(done)

    def check(self) -> None:
        """Give up what will not be answered any more."""
        now = time.monotonic()
        for question in list(self._open):
            name = question.client.srv_name
            if now > question.deadline:
                reason = f'no answer from {name} in time'
            elif not question.client.service_is_ready():
                reason = f'{name} has ended without an answer'
            else:
                continue
            self._open.remove(question)
            question.unanswered(reason)

    def stop(self) -> None:
        """Forget all questions; the node takes the clients down."""
        self._open.clear()
        self._clients.clear()
