"""The command line that all trainers have in common."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

from minimal_hand_core.exit_status import exit_status
from minimal_hand_core.files import file_in_the_way
from minimal_hand_core.option_types import number_from_0, threads
from minimal_hand_core.training.memory import keep_freed_memory
from minimal_hand_core.training.recipe import parse_override


class Run(Protocol):
    """What a trainer returns: how far it came, of how much."""

    @property
    def step(self) -> int: ...
    @property
    def config(self) -> Any: ...


def run_command(
    name: str,
    description: str,
    epilog: str,
    start: Callable[[argparse.Namespace, dict[str, Any]], Run],
    arguments: list[str] | None,
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
    *,
    config_needed: bool = True,
) -> int:
    """Parse the arguments, train, and say in one line how it ended; returns the exit status.

    Args:
        name: of the command.
        description, epilog: for --help.
        start: trains, given the options (config, output, stop_after and those added) and the settings overridden.
        arguments: sys.argv when None.
        add_arguments: adds options of the trainer's own.
        config_needed: whether there must be a --config.
    """
    parser = argparse.ArgumentParser(
        name, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', required=config_needed, type=Path, help='YAML settings, see config/training/')
    parser.add_argument('--output', required=True, type=Path, help='folder of the run; an earlier run in it goes on')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', help='override a setting, e.g. seed=2'
    )
    parser.add_argument('--threads', type=threads, default=0, help='processor threads for the network (0: all)')
    parser.add_argument(
        '--stop-after', type=number_from_0, help='do this many steps now and leave the rest for another sitting'
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()

    def work() -> None:
        started = time.monotonic()
        file = file_in_the_way(options.output)
        if file is not None:
            raise ValueError(f'--output {options.output}: {file} is a file; give a folder')
        state = start(options, dict(parse_override(text) for text in options.set))
        if os.environ.get('RANK', '0') == '0':  # of several processes, the first speaks for all
            seconds = time.monotonic() - started
            print(f'step {state.step} of {state.config.steps} after {seconds:.0f} s, in {options.output}')

    return exit_status(name, work, goes_on=f'from {options.output}')
