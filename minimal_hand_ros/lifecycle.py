"""The base of all nodes: lifecycle states, parameters that may change, diagnostics.

    unconfigured ──configure──▶ inactive ──activate──▶ active      (and back: deactivate, clean up)

A node hands its work to one object, made by `configure` and dropped by `cleanup`, so that all it has loaded is freed.
Where `autostart` is true, as by default, run_node configures and activates the node at once, and what cannot be ends
the process; where it is false, the node waits for a lifecycle manager, and what cannot be fails the transition.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from lifecycle_msgs.msg import State
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from minimal_hand_core.errors import one_line
from minimal_hand_ros.diagnostics import Diagnostics, Report
from minimal_hand_ros.entities import Entities
from minimal_hand_ros.health import Level
from minimal_hand_ros.parameters import NodeParameters, ParameterError, ParameterLoader

Settings = TypeVar('Settings')
_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class WorkDone(Exception):
    """Raised in a callback when a node has nothing left to do; the process ends with exit code 0."""


class NodeFailure(Exception):
    """Raised in a callback when a node cannot go on; the process ends with one error line and exit code 1."""


class Work(Generic[Settings]):
    """What a node does while it is configured.

    The constructor takes the node and the settings. It loads what has to be loaded and makes publishers with
    `node.configured`; what listens or ticks is made with `node.active`, in start. Both are taken down by the node.
    """

    def start(self) -> None:
        """The node becomes active: subscribe, serve, tick."""

    def stop(self) -> None:
        """The node is no longer active: say what listeners have to know. Called before `node.active` is taken down."""

    def close(self) -> None:
        """The node is cleaned up: let go of devices and files."""

    def change(self, settings: Settings) -> None:
        """Live parameters have changed. Called between two callbacks, active or not; must not fail."""

    def report(self) -> Report:
        """How things are, for the diagnostics."""
        raise NotImplementedError


class ManagedNode(LifecycleNode, Generic[Settings]):
    """A node with lifecycle states, settings and diagnostics around one Work.

    Args:
        name: of the node.
        load: reads the parameters.
        make: makes the work, from this node and the settings; raises ValueError or OSError for what cannot be.
        options: of rclpy's Node.

    Attributes:
        configured: what lasts until cleanup.
        active: what lasts until deactivate.
        work: the work; None while unconfigured.

    Raises:
        ValueError: a parameter that cannot be.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[ParameterLoader], Settings],
        make: Callable[[ManagedNode[Settings], Settings], Work[Settings]],
        **options: Any,
    ) -> None:
        # first, since rclpy destroys a node whose construction failed half way, too
        self.configured, self.active = Entities(self), Entities(self)
        self.work: Work[Settings] | None = None
        self._make = make
        self._beginning = False
        self._failure: Exception | None = None
        super().__init__(name, **options)
        self._autostart = self._load_autostart()
        self.parameters = NodeParameters(self, load, lambda: self.work is not None, self._change)
        self.diagnostics = Diagnostics(self, self._report)

    @property
    def is_active(self) -> bool:
        """Whether the node is in state active."""
        return self._state_machine.current_state[0] == State.PRIMARY_STATE_ACTIVE

    def begin(self) -> None:
        """Configure and activate, if autostart says so.

        Raises:
            Exception: whatever the work raised that could not be made or started.
        """
        if not self._autostart:
            self.get_logger().info('waiting to be configured')
            return
        self._beginning = True
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != _SUCCESS:
                raise self._failure or NodeFailure(f'{transition.__name__} failed')
        self._beginning = False

    def finish(self, failure: Exception | None = None) -> None:
        """The work is done, or cannot go on; called in a callback of the work.

        Raises:
            WorkDone, NodeFailure: the process has to end, as nobody manages this node.
        """
        if self._autostart:
            raise WorkDone if failure is None else NodeFailure(failure)
        if failure is not None:
            self._failure = failure
            self.get_logger().error(one_line(failure))
        self.trigger_deactivate()
        self.trigger_cleanup()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make the work; unconfigured as before when that cannot be."""

        def make() -> None:
            self.work = self._make(self, self.parameters.settings)

        return self._attempt(make, self._clean_up)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the work; inactive as before when that cannot be."""
        assert self.work is not None
        return self._attempt(self.work.start, self.active.drop_all)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the work."""
        self._stop()
        return _SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the work and all it has loaded."""
        self._clean_up()
        _free_memory()
        return _SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and drop the work, whatever the state was."""
        if state.state_id == State.PRIMARY_STATE_ACTIVE:
            self._stop()
        self._clean_up()
        _free_memory()
        return _SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition raised what it should not have: drop the work; the node is unconfigured."""
        self._clean_up()
        _free_memory()
        return _SUCCESS

    def destroy_node(self) -> None:
        """Stop and drop the work, then end."""
        if self.work is not None and self.is_active:
            self._stop()
        self._clean_up()
        super().destroy_node()

    def _attempt(self, step: Callable[[], None], undo: Callable[[], None]) -> TransitionCallbackReturn:
        """One step of a transition; what it raises is kept for `begin`, or logged when nobody waits for it there."""
        self._failure = None
        try:
            step()
        except Exception as error:
            self._failure = error
            undo()
            if not self._beginning:
                self.get_logger().error(one_line(error))
            return _FAILURE
        return _SUCCESS

    def _stop(self) -> None:
        """Stop the work; what it raises must not keep the rest from being taken down."""
        assert self.work is not None
        try:
            self.work.stop()
        except Exception:
            self.get_logger().error(f'stopping failed: {traceback.format_exc()}')
        self.active.drop_all()

    def _clean_up(self) -> None:
        self.active.drop_all()
        if self.work is not None:
            self.work.close()
            self.work = None
        self.configured.drop_all()

    def _change(self, settings: Settings) -> None:
        if self.work is not None:
            self.work.change(settings)

    def _report(self) -> Report:
        state = self._state_machine.current_state[1]
        if self._failure is not None:
            return Report(Level.ERROR, f'{state}: {one_line(self._failure)}', {'lifecycle': state})
        if self.work is None or not self.is_active:
            return Report(Level.OK, state, {'lifecycle': state})
        report = self.work.report()
        return Report(report.level, report.message, {'lifecycle': state, **report.values})

    def _load_autostart(self) -> bool:
        descriptor = ParameterDescriptor(
            description='configure and activate at the start; false: wait for a lifecycle manager',
            read_only=True,
            dynamic_typing=True,
        )
        value = self.declare_parameter('autostart', True, descriptor).value
        if not isinstance(value, bool):
            raise ParameterError(f"parameter 'autostart' is {value!r}: give true or false")
        return value


def _free_memory() -> None:
    """Free what a work has left: it is full of cycles, and those of the first one have been frozen by run_node."""
    gc.unfreeze()
    gc.collect()
