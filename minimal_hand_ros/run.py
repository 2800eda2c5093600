"""Starting and ending a node: one place for init, executor, Ctrl-C and errors that end a start.

A node that starts by itself raises ValueError or OSError for what cannot be (a bad parameter, a missing source, weights
that do not fit). That ends the process with exit code 1 and one line on stderr, without a traceback.
"""

from __future__ import annotations

import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from minimal_hand_core.errors import one_line
from minimal_hand_ros.lifecycle import ManagedNode, NodeFailure, WorkDone
from minimal_hand_ros.logs import forward_core_logs

_ROS_ERRORS = (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError)


def run_node(
    name: str,
    create: Callable[[], Node],
    args: Sequence[str] | None = None,
) -> int:
    """Run one node until it is told to stop.

    Args:
        name: what to call the node in the error line.
        create: makes the node; called after rclpy.init.
        args: command line; None takes sys.argv.

    Returns:
        exit code of the process: 0 after Ctrl-C, SIGTERM or the end of the work, 1 after an error line.
    """
    node: Node | None = None
    spinner: SingleThreadedExecutor | None = None
    with _stop_signal() as stop:
        try:
            try:
                rclpy.init(args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO)
                forward_core_logs(name)
                node = create()
                if isinstance(node, ManagedNode):
                    node.begin()
                # What is loaded by now stays: the collector need not go through it all while pictures come, which
                # takes it a tenth of a second each time.
                gc.collect()
                gc.freeze()
            except (ValueError, OSError, *_ROS_ERRORS) as error:
                raise NodeFailure(error) from None
            # one thread: of several, those that take pictures leave the services of a busy node no turn
            spinner = SingleThreadedExecutor()
            spinner.add_node(node)
            # Not spin_until_future_complete: in rclpy before 7.1.8 that leaves something behind at every turn, which is
            # a fifth of a gigabyte per hour.
            stop.add_done_callback(lambda _: wake(spinner))
            while not stop.done() and rclpy.ok():
                spinner.spin_once()
        except NodeFailure as error:
            print(f'error: {name}: {one_line(error)}', file=sys.stderr, flush=True)
            return 1
        except WorkDone:
            pass
        finally:
            if spinner is not None:
                spinner.shutdown()
            if node is not None:
                node.destroy_node()
            rclpy.try_shutdown()
            # A node is full of cycles, and what they hold keeps the DDS participant, which would leave its shared
            # memory behind for good.
            node = spinner = None
            gc.unfreeze()
            gc.collect()
    return 0


def wake(executor: SingleThreadedExecutor) -> None:
    """Let a waiting spin_once return: it does when it has done something, and this is nothing."""
    executor.create_task(lambda: None)


@contextmanager
def _stop_signal() -> Iterator[Future]:
    """A future that is done once SIGINT or SIGTERM has come.

    rclpy's own handling shuts its context down from another thread, at any moment. Then whatever the main thread is
    about to make (an executor, a wait set) fails with an RCLError, or the executor is never woken. Here the signal only
    completes a future; all else happens in the main thread, in order. And as no KeyboardInterrupt is ever raised, the
    second Ctrl-C of `ros2 launch` cannot interrupt the clean-up.
    """
    stop: Future = Future()
    # the main thread sits in C code that no signal interrupts; the byte that Python's handler writes wakes this thread
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def wait() -> None:
        if receiver.recv(1):
            stop.set_result(None)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(before)
        sender.close()
        waiting.join()
        receiver.close()
