"""Starting and ending a node: one place for init, executor, Ctrl-C and errors that end a start.

A node's constructor raises ValueError or OSError for what cannot be (a bad parameter, a missing source, weights that
do not fit). That ends the process with exit code 1 and one line on stderr, without a traceback.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

_ROS_ERRORS = (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError)


class WorkDone(Exception):
    """Raised in a callback when a node has nothing left to do; the process ends with exit code 0."""


class NodeFailure(Exception):
    """Raised in a callback when a node cannot go on; the process ends with one error line and exit code 1."""


def run_node(
    name: str,
    create: Callable[[], Node],
    args: Sequence[str] | None = None,
    executor: Callable[[], Executor] = SingleThreadedExecutor,
) -> int:
    """Run one node until it is told to stop.

    Args:
        name: what to call the node in the error line.
        create: makes the node; called after rclpy.init.
        args: command line; None takes sys.argv.
        executor: makes the executor.

    Returns:
        exit code of the process: 0 after Ctrl-C, SIGTERM or the end of the work, 1 after an error line.
    """
    node: Node | None = None
    try:
        try:
            rclpy.init(args=None if args is None else list(args))
            node = create()
        except (ValueError, OSError, *_ROS_ERRORS) as error:
            print(f'error: {name}: {one_line(error)}', file=sys.stderr, flush=True)
            return 1
        spinner = executor()
        spinner.add_node(node)
        spinner.spin()
    except NodeFailure as error:
        print(f'error: {name}: {one_line(error)}', file=sys.stderr, flush=True)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException, WorkDone):
        pass
    finally:
        # `ros2 launch` passes Ctrl-C on although the terminal has done so already; the second one must not interrupt
        # the clean-up, or the node is reported dead with exit code -2
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def two_threads() -> Executor:
    """For nodes with a service that waits: one thread for it, one for everything else."""
    return MultiThreadedExecutor(num_threads=2)


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    return ' '.join(str(error).split()) or type(error).__name__
