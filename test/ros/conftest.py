"""Running the nodes as processes of their own and talking to them over real DDS.

Nothing here sleeps: messages, output lines, matched subscribers and ended processes are events that are awaited.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.event_handler import PublisherEventCallbacks  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.task import Future  # noqa: E402

from minimal_hand_core.detnet import DetNet, save_detnet  # noqa: E402
from minimal_hand_ros.parameters import yaml_value  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0
"""Seconds until an awaited event counts as missing; a first start compiles, and machines are shared."""
ASK_AGAIN = 60.0
"""Seconds until a service is asked again."""
NOISE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
"""A picture without a hand, (96, 128, 3) uint8."""


def pytest_collection_finish() -> None:
    """Leaves what was imported to itself, so that what follows takes milliseconds."""
    gc.freeze()


def pytest_runtest_logfinish() -> None:
    """Ends the DDS participants of the nodes that a test ran here.

    A context that is shut down keeps its participant as long as a cycle of references holds it. Participants that end
    while another one starts take, one time in fifty, each other's shared-memory port: the new one then never meets
    anybody.

    What is left is frozen again, as a node that is cleaned up unfreezes all.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learnt nothing."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    save_detnet(DetNet('small').eval(), path, {})
    return path


class NodeProcess:
    """One node in a process of its own, its output collected line by line."""

    def __init__(self, module: str, parameters: dict[str, object], remaps: dict[str, str]) -> None:
        command = [sys.executable, '-m', f'minimal_hand_ros.{module}', '--ros-args']
        for name, value in parameters.items():
            command += ['-p', f'{name}:={yaml_value(value)}']
        for name, value in remaps.items():
            command += ['-r', f'{name}:={value}']
        self.name = module
        self.lines: list[str] = []
        self._ended_by_test = False
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def output(self) -> str:
        return '\n'.join(self.lines)

    def wait_for_line(self, pattern: str, timeout: float = PATIENCE) -> str:
        """The first line that matches; fails when the process ends or time runs out before."""
        with self._changed:
            self._changed.wait_for(lambda: self._find(pattern) or not self._reader.is_alive(), timeout)
            found = self._find(pattern)
        assert found is not None, f'{self.name} never said {pattern!r}:\n{self.output}'
        return found

    def _find(self, pattern: str) -> str | None:
        return next((line for line in self.lines if re.search(pattern, line)), None)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Exit code, once the process has ended by itself; what to make of it is then the test's business."""
        code = self.process.wait(timeout)
        self._ended_by_test = True
        self._reader.join(timeout)
        return code

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Ask the process to end; returns its exit code."""
        self.interrupt(how)
        try:
            return self.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f'{self.name} did not end after {how.name}:\n{self.output}') from None

    def interrupt(self, how: signal.Signals = signal.SIGINT) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)

    def close(self) -> None:
        """End the process, unless the test has seen to that; fails when it does not end well."""
        if not self._ended_by_test:
            code = self.stop()
            assert code == 0 and 'Traceback' not in self.output, f'{self.name} ended with {code}:\n{self.output}'


@pytest.fixture
def start_node() -> Iterator[Callable[..., NodeProcess]]:
    """start_node('ik_node', {'side': 'left'}) → a running NodeProcess; all are stopped at the end of the test."""
    running: list[NodeProcess] = []

    def start(
        module: str, parameters: dict[str, object] | None = None, remaps: dict[str, str] | None = None
    ) -> NodeProcess:
        node = NodeProcess(module, parameters or {}, remaps or {})
        running.append(node)
        return node

    yield start
    for node in running:
        node.interrupt()
    with contextlib.ExitStack() as closing:
        for node in running:
            closing.callback(node.close)


@pytest.fixture
def fail_to_start(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """fail_to_start(main, {'side': 'both'}) → the one line with which a node's main ends here, exit code 1."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def fail(main: Callable[[list[str]], int], parameters: dict[str, object]) -> str:
        arguments = ['node', '--ros-args']
        for name, value in parameters.items():
            arguments += ['-p', f'{name}:={yaml_value(value)}']
        capfd.readouterr()
        assert main(arguments) == 1
        said = capfd.readouterr()
        lines = [line for line in (said.out + said.err).splitlines() if 'error' in line.lower()]
        assert len(lines) == 1 and 'Traceback' not in said.err, said
        return lines[0]

    yield fail
    for number, handler in handlers.items():
        signal.signal(number, handler)


class NodeHere:
    """One of our nodes in this process, with a context of its own, so that it is met over DDS like any other.

    Starting it costs a fraction of a process, which has to import and compile first.
    """

    def __init__(self, create: Callable[..., Any], namespace: str, parameters: dict[str, object]) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        overrides = [rclpy.Parameter(name, value=value) for name, value in parameters.items()]
        self.node = create(context=self._context, namespace=namespace, parameter_overrides=overrides)
        self._failure: BaseException | None = None
        self._errors: list[str] = []
        self._listen_to_errors()
        self.node.begin()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._stop: Future = Future()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _listen_to_errors(self) -> None:
        log = self.node.get_logger()
        write = log.error

        def error(message: str) -> bool:
            self._errors.append(message)
            return write(message)

        log.error = error

    def _spin(self) -> None:
        try:
            self._executor.spin_until_future_complete(self._stop)
        except BaseException as error:
            self._failure = error

    def close(self) -> None:
        """End the node; fails when a callback ended it before, or the work could not be stopped."""
        self._stop.set_result(None)
        self._thread.join(PATIENCE)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)
        if self._failure is not None:
            raise self._failure
        failed = [line for line in self._errors if line.startswith('stopping failed')]
        assert not failed, failed[0]


@pytest.fixture
def run_here() -> Iterator[Callable[..., NodeHere]]:
    """run_here(IkNode, {'side': 'left'}) → the node, spinning in the background; all are closed after the test."""
    with contextlib.ExitStack() as closing:

        def run(
            create: Callable[..., Any], parameters: dict[str, object] | None = None, namespace: str = ''
        ) -> NodeHere:
            node = NodeHere(create, namespace, parameters or {})
            closing.callback(node.close)
            return node

        yield run


class Inbox:
    """What arrived on one topic, in order."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.messages: list[Any] = []
        self.arrivals: list[float] = []
        self._changed = threading.Condition()

    def put(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self.arrivals.append(time.monotonic())
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self.messages.clear()
            self.arrivals.clear()

    def wait_for(self, wanted: Callable[[Any], bool] = lambda message: True, timeout: float = PATIENCE) -> Any:
        """The first message, of those here and those to come, that is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: any(wanted(m) for m in self.messages), timeout)
            for message in self.messages:
                if wanted(message):
                    return message
        raise AssertionError(f'nothing wanted on {self.topic} in {timeout:g} s; {len(self.messages)} other messages')

    def wait_for_count(self, count: int, timeout: float = PATIENCE) -> list[Any]:
        """All messages, once there are so many."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.messages) >= count, timeout)
            assert done, f'{len(self.messages)} of {count} messages on {self.topic} in {timeout:g} s'
            return list(self.messages)

    def wait_until(self, enough: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
        """Returns once enough(), which is asked after each message here, and may look at other topics as well."""
        with self._changed:
            done = self._changed.wait_for(enough, timeout)
        assert done, f'{what}: not in {timeout:g} s, with {len(self.messages)} messages on {self.topic}'


class Peer:
    """A node of the test, spinning in the background."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('test_peer', context=self._context)
        self._clients: dict[str, Any] = {}
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._stop: Future = Future()
        self._thread = threading.Thread(
            target=self._executor.spin_until_future_complete, args=[self._stop], daemon=True
        )
        self._thread.start()

    def _in_spinning_thread(self, action: Callable[[], Any]) -> Any:
        """Result of an action that must not happen while the executor waits, such as making a subscription."""
        done = threading.Event()
        task = self._executor.create_task(action)
        task.add_done_callback(lambda _: done.set())
        assert done.wait(PATIENCE)
        return task.result()

    def listen(self, kind: type, topic: str, profile: Any = 10, raw: bool = False) -> Inbox:
        inbox = Inbox(topic)
        self._in_spinning_thread(lambda: self.node.create_subscription(kind, topic, inbox.put, profile, raw=raw))
        return inbox

    def talk(self, kind: type, topic: str, profile: Any = 10, listeners: int = 1) -> Any:
        """A publisher, once so many subscribers have matched it."""
        matched = threading.Event()

        def count(event: Any) -> None:
            if event.current_count >= listeners:
                matched.set()

        events = PublisherEventCallbacks(matched=count)
        publisher = self._in_spinning_thread(
            lambda: self.node.create_publisher(kind, topic, profile, event_callbacks=events)
        )
        if listeners:
            assert matched.wait(PATIENCE), f'nobody listens on {topic}'
        return publisher

    def call(self, kind: type, name: str, request: Any, timeout: float = PATIENCE) -> Any:
        """The response of a service, for requests that do no harm twice: Fast DDS loses what is sent before both ends
        know of each other."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > ASK_AGAIN:
            with contextlib.suppress(AssertionError):
                return self.ask(kind, name, request)(ASK_AGAIN)
        return self.ask(kind, name, request)(left)

    def ask(self, kind: type, name: str, request: Any) -> Callable[[float], Any]:
        """Send a request; returns a function that waits for its response."""
        if name not in self._clients:
            self._clients[name] = self._in_spinning_thread(lambda: self.node.create_client(kind, name))
        client = self._clients[name]
        assert client.wait_for_service(PATIENCE), f'no service {name}'
        answered = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: answered.set())

        def response(timeout: float = PATIENCE) -> Any:
            assert answered.wait(timeout), f'no response from {name} in {timeout:g} s'
            return future.result()

        return response

    def close(self) -> None:
        self._stop.set_result(None)
        self._thread.join(PATIENCE)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A node of the test's own, spinning in the background."""
    peer = Peer()
    yield peer
    peer.close()
