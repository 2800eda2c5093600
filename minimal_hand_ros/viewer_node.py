"""viewer: the tracked hand in a web browser, with the tracker's knobs beside it.

Subscribes:
    hand/pose              minimal_hand_ros/HandPose        the hand
    hand/keypoints         minimal_hand_ros/HandKeypoints   confidences and intrinsics
    hand/shape             minimal_hand_ros/HandShape       hand length (latched)
    image_raw/compressed   sensor_msgs/CompressedImage      the picture, while a browser looks
    image_raw              sensor_msgs/Image                in its place where nobody publishes compressed ones
    /parameter_events      rcl_interfaces/ParameterEvent    knobs that others turn

Publishes:
    /diagnostics           diagnostic_msgs/DiagnosticArray  how the node is, once per second

Asks:
    calibrate              minimal_hand_ros/CalibrateShape  of shape_server or tracker
    enable                 std_srvs/SetBool                 of keypoint_node or tracker
    record                 std_srvs/SetBool                 of a recorder, where there is one
    get_parameters, set_parameters_atomically               of tracker, keypoint_node, ik_node

With side 'both', the topics hand/x are right_hand/x and left_hand/x, and calibrate is right_hand/calibrate and so on.

Parameters: see ViewerSettings in settings/viewer.py. Lifecycle: see lifecycle.py.

Nothing waits for this node: it takes the newest of everything with best effort, decodes a picture only when it is about
to be shown, and subscribes to no hand and no picture while no browser looks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.timer import Timer
from std_srvs.srv import SetBool

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.threads import limit_threads
from minimal_hand_core.tracking import HandState, PictureError
from minimal_hand_core.viewing import (
    KNOBS,
    Calibrate,
    Enable,
    Event,
    HandStatus,
    Record,
    SetParameter,
    Viewer,
    is_loopback,
)
from minimal_hand_ros.diagnostics import Report
from minimal_hand_ros.drops import DropCounter
from minimal_hand_ros.health import Level
from minimal_hand_ros.lifecycle import ManagedNode, Work
from minimal_hand_ros.names import BOTH, names_of, sides_of
from minimal_hand_ros.newest_picture import NewestPicture
from minimal_hand_ros.questions import Questions
from minimal_hand_ros.remote_parameters import LIMIT, RemoteParameters
from minimal_hand_ros.run import run_node
from minimal_hand_ros.settings import ViewerSettings, load_viewer_settings
from minimal_hand_ros.srv import CalibrateShape
from minimal_hand_ros.viewed_hand import ViewedHand

STAGES = {
    'detection': ('tracker', 'keypoint_node'),
    'pose': ('tracker', 'ik_node', 'right_ik_node', 'left_ik_node'),
}
"""Nodes that have the parameters of a stage."""
LOOK_PERIOD = 0.5
"""Seconds between two looks at who is there: browsers, nodes, publishers of pictures."""
STATUS_PERIOD = 0.25
"""Seconds between two changes of the figures."""
CALIBRATION_LIMIT = 620.0
"""Seconds; a little more than the longest that the service can be told to take by parameter."""
_STAGE_OF = {knob.name: knob.stage for knob in KNOBS}


class ViewerWork(Work[ViewerSettings]):
    """Draws the newest state at a bounded rate, and does what the browser asks for."""

    def __init__(self, node: ManagedNode, settings: ViewerSettings) -> None:
        self._node, self._settings = node, settings
        limit_threads(1)
        sides, both = sides_of(settings.side), settings.side == BOTH
        self._names = {side: names_of(side, both) for side in sides}
        self.viewer = Viewer(
            {side: load_hand_model(settings.model, side=side) for side in sides}, settings.host, settings.port
        )
        self._hands = {side: ViewedHand(node, side, self._names[side]) for side in sides}
        self._picture = NewestPicture(node)
        self._questions = Questions(node)
        self._parameters = {stage: self._remote(stage, owners) for stage, owners in STAGES.items()}
        self._drops = DropCounter('message', node.get_logger().warning)
        self._drawing: Timer | None = None
        self._pictured = self._told = -1e9

    def start(self) -> None:
        """Look for browsers and for the tracker."""
        for parameters in self._parameters.values():
            parameters.start()
        for names in self._names.values():
            self._questions.prepare(CalibrateShape, f'{names.services}calibrate')
        for name in ('enable', 'record'):
            self._questions.prepare(SetBool, name)
        self._look()
        self._node.active.timer(LOOK_PERIOD, self._look)
        self._node.get_logger().info(f'ready: open {self.viewer.address} in a browser')
        if not is_loopback(self._settings.host):
            self._node.get_logger().warning(
                f'served on {self._settings.host}, without a password: whoever reaches this machine there sees the '
                'pictures and can change parameters, calibrate, record and switch the tracker off'
            )

    def stop(self) -> None:
        """Show no hand, and ask nothing more."""
        self._questions.stop()
        for parameters in self._parameters.values():
            parameters.stop()
        self._watch(False)
        self.viewer.panel.disable(list(_STAGE_OF))

    def close(self) -> None:
        """Serve no more."""
        self.viewer.close()

    def change(self, settings: ViewerSettings) -> None:
        """Take other settings."""
        self._settings = settings

    def report(self) -> Report:
        """How things are."""
        watched = 'watched' if self.viewer.watched else 'not watched'
        dropped = {f'dropped: {reason}': str(count) for reason, count in self._drops.reasons.items()}
        return Report(Level.OK, watched, {'address': self.viewer.address, **dropped})

    def _remote(self, stage: str, owners: Sequence[str]) -> RemoteParameters:
        names = [knob.name for knob in KNOBS if knob.stage == stage]
        panel = self.viewer.panel

        def known(values: Any) -> None:
            for name, value in values.items():
                panel.show_value(name, value)

        return RemoteParameters(
            self._node,
            self._questions,
            owners,
            names,
            known,
            lambda name, reason: panel.say(f'{name} was refused: {reason}', False),
            lambda: panel.disable(names),
        )

    def _look(self) -> None:
        """See who is there."""
        for parameters in self._parameters.values():
            parameters.look()
        self._questions.check()
        watched = self.viewer.watched
        if watched != (self._drawing is not None):
            self._watch(watched)
        self._picture.want(watched and self._settings.picture_rate > 0)

    def _watch(self, watched: bool) -> None:
        """The first browser looks, or none does any more."""
        if watched:
            for hand in self._hands.values():
                hand.start()
            self._drawing = self._node.active.timer(1.0 / self._settings.rate, self._tick)
            return
        if self._drawing is not None:
            self._node.active.drop(self._drawing)
            self._drawing = None
        for hand in self._hands.values():
            hand.stop()
        self._picture.want(False)
        self.viewer.show(dict.fromkeys(self._hands))
        self.viewer.panel.show_status([HandStatus(side) for side in self._hands])

    def _tick(self) -> None:
        for event in self.viewer.panel.take():
            self._do(event)
        self._draw(time.monotonic())

    def _draw(self, now: float) -> None:
        hands = {side: self._hand(hand) for side, hand in self._hands.items()}
        self.viewer.show(hands)
        if now - self._told >= STATUS_PERIOD:
            self._told = now
            states = {side: None if hand is None else hand[0] for side, hand in hands.items()}
            self.viewer.panel.show_status([hand.status(states[side]) for side, hand in self._hands.items()])
        if self._settings.picture_rate > 0 and now - self._pictured >= 0.95 / self._settings.picture_rate:
            self._draw_picture(now)

    def _hand(self, hand: ViewedHand) -> tuple[HandState, np.ndarray | None] | None:
        """A hand and its confidence; None where there is none, or nothing that can be shown."""
        try:
            state = hand.hand(self._settings.lost_timeout)
            return None if state is None else (state, hand.confidence())
        except ValueError as error:
            self._drops.drop(error)
            hand.forget()
            return None

    def _draw_picture(self, now: float) -> None:
        try:
            picture = self._picture.take()
            if picture is None:
                return
            self._pictured = now
            self.viewer.show_camera(next(iter(self._hands.values())).camera(), picture)
        except (PictureError, ValueError) as error:
            self._drops.drop(error)

    def _do(self, event: Event) -> None:
        """What the browser asks for."""
        panel, ask = self.viewer.panel, self._questions.ask
        if isinstance(event, SetParameter):
            panel.say('')
            self._parameters[_STAGE_OF[event.name]].set(event.name, event.value)
        elif isinstance(event, Calibrate):
            panel.say(f'calibrating: hold the open {event.side} hand still, in full view')
            ask(
                CalibrateShape,
                f'{self._names[event.side].services}calibrate',
                CalibrateShape.Request(hand_length=event.hand_length),
                lambda response: panel.say(response.message, response.success),
                lambda reason: panel.say(f'{reason}: is the tracker running?', False),
                CALIBRATION_LIMIT,
            )
        elif isinstance(event, Record):
            self._switch('record', event.on, panel.show_recording, 'start a recorder', refused=False)
        elif isinstance(event, Enable):
            self._switch('enable', event.on, panel.show_enabled, 'is the tracker running?', refused=not event.on)

    def _switch(self, service: str, on: bool, show: Any, hint: str, *, refused: bool) -> None:
        """Ask a service of type SetBool, and show what came of it; `refused` is how things are when it says no."""
        panel = self.viewer.panel

        def answered(response: SetBool.Response) -> None:
            show(on if response.success else refused)
            panel.say(response.message, response.success)

        def unanswered(reason: str) -> None:
            show(not on)
            panel.say(f'{reason}: {hint}', False)

        self._questions.ask(SetBool, service, SetBool.Request(data=on), answered, unanswered, LIMIT)


class ViewerNode(ManagedNode[ViewerSettings]):
    """viewer; `options` are those of rclpy's Node."""

    def __init__(self, **options: Any) -> None:
        super().__init__('viewer', load_viewer_settings, ViewerWork, **options)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the executable viewer."""
    return run_node('viewer', ViewerNode, args)


if __name__ == '__main__':
    sys.exit(main())
