"""What the commands take, asked of their own argument parsers: main is called, and stopped once its parser is there."""

from __future__ import annotations

import argparse
import configparser
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]


class Option(NamedTuple):
    """One option; flags as on the command line, values such as 'FOLDER', default '' where there is none."""

    flags: str
    values: str
    default: str
    text: str


class Command(NamedTuple):
    """One command; epilog is kept line by line."""

    name: str
    usage: str
    text: str
    options: list[Option]
    epilog: str


class _ParserFound(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__(parser.prog)
        self.parser = parser


def console_scripts() -> dict[str, str]:
    """Name → module of every executable in setup.cfg, in its order."""
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg', encoding='utf-8')
    lines = config['options.entry_points']['console_scripts'].strip().splitlines()
    pairs = (line.partition('=') for line in lines)
    return {name.strip(): target.partition(':')[0].strip() for name, _, target in pairs}


def read_command(name: str, module: str) -> Command:
    """The arguments of a command.

    Raises:
        ValueError: it makes no argument parser before it works.
    """
    parser = _parser_of(importlib.import_module(module).main, name)
    parser.prog = name
    groups = [group for group in parser._action_groups if group._group_actions]
    actions = [action for group in groups for action in group._group_actions]
    options = [_option(one, parser) for one in actions if not isinstance(one, argparse._HelpAction)]
    # argparse breaks the usage by the width of the terminal, and in other places from one Python to the next
    required = [_written(action) for action in actions if action.required and action.option_strings]
    positional = [_written(action) for action in actions if not action.option_strings]
    usage = ' '.join([name, '[options]', *required, *positional])
    return Command(name, usage, parser.description or '', options, parser.epilog or '')


def _parser_of(main: Callable[..., int], name: str) -> argparse.ArgumentParser:
    def stop(parser: argparse.ArgumentParser, *args: object, **options: object) -> None:
        raise _ParserFound(parser)

    with mock.patch.multiple(argparse.ArgumentParser, parse_args=stop, parse_known_args=stop):
        try:
            main([])
        except _ParserFound as found:
            return found.parser
    raise ValueError(f'{name} makes no argument parser')


def _option(action: argparse.Action, parser: argparse.ArgumentParser) -> Option:
    default = _words(action.default)
    text = (action.help or '') % {**vars(action), 'prog': parser.prog}
    # the column beside it says it already
    text = (
        re.sub(rf' *\((default:? )?{re.escape(default)}\)$|; default {re.escape(default)}$', '', text)
        if default
        else text
    )
    return Option(', '.join(action.option_strings), _values(action), default, text)


def _written(action: argparse.Action) -> str:
    return ' '.join(filter(None, [*action.option_strings[-1:], _values(action)]))


def _words(default: object) -> str:
    if default is None or default is False or default == [] or default is argparse.SUPPRESS:
        return ''
    return ' '.join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)


def _values(action: argparse.Action) -> str:
    """As in a usage line: FOLDER, [FOLDER ...], {lm,pso}."""
    if action.nargs == 0:
        return ''
    if action.choices is not None and action.metavar is None:
        value = '{' + ','.join(map(str, action.choices)) + '}'
    elif isinstance(action.metavar, tuple):
        return ' '.join(action.metavar)
    else:
        value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if isinstance(action.nargs, int):
        return ' '.join([value] * action.nargs)
    return {None: value, '?': f'[{value}]', '*': f'[{value} ...]', '+': f'{value} [{value} ...]'}[action.nargs]
