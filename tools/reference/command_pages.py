"""The page of all commands: executables that take options as programs do."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from tools.reference.commands import Command, console_scripts, read_command
from tools.reference.markdown import anchor, block, code, prose, table
from tools.reference.nodes import node_class

_HEAD = """# Commands

In `.venv/bin` after `make setup`, on the path after `pip install`, and `ros2 run minimal_hand_ros NAME` after
`colcon build`. What is wrong with an argument is said in one line, with an exit code that is not 0.
"""


def all_commands() -> list[Command]:
    """Every executable that is no node, or takes options of its own besides being one."""
    own = {
        name: module
        for name, module in console_scripts().items()
        if node_class(module) is None or hasattr(importlib.import_module(module), 'argparse')
    }
    return [read_command(name, module) for name, module in own.items()]


def commands_page(commands: list[Command]) -> str:
    """Markdown of the page."""
    overview = table(
        ['Command', 'What it does'], [[f'[`{one.name}`](#{anchor(one.name)})', prose(_short(one))] for one in commands]
    )
    return '\n'.join([_HEAD, overview, *(part for one in commands for part in _command(one))])


def _short(command: Command) -> str:
    return ' '.join(command.text.strip().partition('\n\n')[0].split())


def _command(command: Command) -> Iterator[str]:
    yield f'## {command.name}\n'
    if command.text:
        lines = command.text.strip()
        # a text of several paragraphs or with columns keeps its lines
        yield block(lines) if '\n' in lines else prose(lines) + '\n'
    yield block(command.usage)
    rows = [
        [code(' '.join(filter(None, [one.flags, one.values]))), code(one.default), prose(one.text)]
        for one in command.options
    ]
    yield table(['Argument', 'Default', 'Description'], rows)
    if command.epilog.strip():
        yield block(command.epilog.strip('\n'))
