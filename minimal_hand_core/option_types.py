"""Numbers that are given on command lines: types for argparse, which names the option before what is wrong with it."""

from __future__ import annotations

import argparse

from minimal_hand_core.inference.machine import usable_cores

THREADS_PER_CORE = 4
"""More than that of processor threads only wait for each other."""


def number_from_0(text: str) -> int:
    """A whole number, 0 or above."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number, 0 or above')
    return int(text)


def number_from_1(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number above 0')
    return int(text)


def threads(text: str) -> int:
    """Processor threads: as many as make sense on this machine; 0 is left to the command."""
    number, cores = number_from_0(text), usable_cores()
    if number > THREADS_PER_CORE * cores:
        raise argparse.ArgumentTypeError(
            f'{text} is too many for {cores} processor core{"s" * (cores != 1)}: '
            f'give 1…{THREADS_PER_CORE * cores}, or 0 for one per core'
        )
    return number
