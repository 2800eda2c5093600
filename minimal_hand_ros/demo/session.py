"""What demo and soak have in common: a ROS domain of their own, a listener in this process, and how they end."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from minimal_hand_core.errors import one_line
from minimal_hand_ros.demo.processes import NodeDied

START_PATIENCE = 180.0
"""Seconds until the first result; the very first start compiles the renderer."""
_DOMAINS = range(10, 100)

Listener = TypeVar('Listener', bound=Node)


def run_session(name: str, domain: int | None, work: Callable[[], int]) -> int:
    """Do the work of a command in a ROS domain of its own, so that neither a robot nor another demo is heard.

    Args:
        name: of the command, for its errors.
        domain: ROS_DOMAIN_ID; None = one at random.
        work: starts rclpy and returns the exit code; raises NodeDied, ValueError or OSError when it cannot go on.

    Returns:
        the exit code: that of the work, 1 after an error, which is told in one line, or 130 after Ctrl-C.
    """
    # also where this was started in the background, with Ctrl-C ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ['ROS_DOMAIN_ID'] = str(domain if domain is not None else random.choice(_DOMAINS))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    try:
        return work()
    except KeyboardInterrupt:
        print('\nstopped')
        return 130
    except NodeDied as error:
        print(f'\nerror: {error}', file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f'\nerror: {name}: {one_line(error)}', file=sys.stderr)
        return 1


@contextmanager
def listening(create: Callable[[], Listener]) -> Iterator[tuple[Listener, SingleThreadedExecutor]]:
    """A node in this process and the executor that it is in, to be spun by the caller; both are taken down after."""
    # Ctrl-C stays a KeyboardInterrupt: see run.py for what rclpy would make of it
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    listener, executor = create(), SingleThreadedExecutor()
    executor.add_node(listener)

    def end() -> None:
        executor.shutdown()
        listener.destroy_node()
        rclpy.try_shutdown()

    try:
        yield listener, executor
    finally:
        undisturbed(end)


def undisturbed(action: Callable[[], None]) -> None:
    """Do something to its end, whatever Ctrl-C is pressed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        action()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def seconds_between(least: int, most: int) -> Callable[[str], float]:
    """A type for argparse: seconds, from `least` to `most`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f'{text!r}: give seconds, {least} to {most}')
        return value

    return read
