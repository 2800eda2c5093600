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

    def check(self) -> None:
        """Raise NodeDied unless it is running."""
        code = self._process.poll()
        if code is None:
            return
        self._reader.join(_PATIENCE)
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

    def start(
        self,
        executable: str,
        module: str,
        parameters: Mapping[str, object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start one more; see NodeProcess."""
        self.nodes.append(NodeProcess(executable, module, parameters, environment or {}))

    def check(self) -> None:
        """Raise NodeDied if one of them has ended."""
        for node in self.nodes:
            node.check()

    def warnings(self) -> list[str]:
        """Warnings and errors among the nodes' last lines, each once."""
        lines = [line for node in self.nodes for line in node.lines if '[WARN]' in line or '[ERROR]' in line]
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


def yaml_value(value: object) -> str:
    """A parameter's value as `-p name:=value` takes it."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, (int, float)):
        return str(value)
    # quoted, so that a webcam's index, a path with blanks or 'yes' stays a text
    return "'" + str(value).replace("'", "''") + "'"
