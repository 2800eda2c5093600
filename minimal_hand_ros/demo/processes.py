"""The nodes of the demo as processes of their own, none of which outlives the demo."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping

from minimal_hand_ros.parameters import yaml_value

_REMEMBERED_LINES = 40
_PATIENCE = 10.0
_PR_SET_PDEATHSIG = 1


class NodeDied(Exception):
    """A node ended by itself; the message says which, and its last lines."""


class NodeProcess:
    """One node.

    Args:
        executable: its name.
        module: Python module that is run.
        parameters: ROS parameters.
        environment: what to add to this process's environment.

    Attributes:
        name: its name.
        lines: the last ones it wrote.
    """

    def __init__(
        self, executable: str, module: str, parameters: Mapping[str, object], environment: Mapping[str, str]
    ) -> None:
        command = [sys.executable, '-m', module, '--ros-args', '-r', f'__node:={executable}']
        for name, value in parameters.items():
            command += ['-p', f'{name}:={yaml_value(value)}']
        self.name = executable
        self.lines: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env={**os.environ, **environment},
            # Ctrl-C in the terminal reaches the demo alone, which then ends its nodes in order
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == 'linux' else None,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it is running no more; then `lines` are complete."""
        if self._process.poll() is None:
            return False
        self._reader.join(_PATIENCE)
        return True

    def check(self) -> None:
        """Raise NodeDied unless it is running."""
        if not self.ended:
            return
        code = self._process.returncode
        said = '\n'.join(f'    {line}' for line in list(self.lines)[-10:]) or '    (nothing)'
        raise NodeDied(f'{self.name} ended with exit code {code}; its last lines were\n{said}')

    def interrupt(self) -> None:
        """Send SIGINT."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def wait(self) -> None:
        """Wait for the end; a node that does not end is killed."""
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())


class NodeGroup:
    """Several nodes that end together; a context manager."""

    def __init__(self) -> None:
        self.nodes: list[NodeProcess] = []
        self._vital: list[NodeProcess] = []

    def start(
        self,
        executable: str,
        module: str,
        parameters: Mapping[str, object],
        environment: Mapping[str, str] | None = None,
        *,
        vital: bool = True,
    ) -> NodeProcess:
        """Start one more, see NodeProcess; the group can do without one that is not vital."""
        node = NodeProcess(executable, module, parameters, environment or {})
        self.nodes.append(node)
        if vital:
            self._vital.append(node)
        return node

    def check(self) -> None:
        """Raise NodeDied if a vital one has ended."""
        for node in self._vital:
            node.check()

    def warnings(self) -> list[str]:
        """Warnings and errors among the nodes' last lines, each once."""
        # copies: the nodes go on writing
        lines = [line for node in self.nodes for line in list(node.lines) if '[WARN]' in line or '[ERROR]' in line]
        return list(dict.fromkeys(line.split(']: ', 1)[-1] for line in lines))

    def stop(self) -> None:
        """Ask all to end, then wait for all."""
        for node in self.nodes:
            node.interrupt()
        for node in self.nodes:
            node.wait()

    def __enter__(self) -> NodeGroup:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _die_with_parent() -> None:
    """In the child, before it runs: have the kernel end it if the demo is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
