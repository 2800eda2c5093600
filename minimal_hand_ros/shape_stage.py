"""The middle stage, keypoints → shape, with its publisher and services; the same for shape_server and tracker."""

from __future__ import annotations

import threading

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from minimal_hand_core.hand import HandModel
from minimal_hand_core.hand.size import hand_length
from minimal_hand_core.shape import ShapeEstimator
from minimal_hand_core.tracking import HandShape, Keypoints, NoHand
from minimal_hand_ros import qos
from minimal_hand_ros.messages import fill_calibration, shape_message
from minimal_hand_ros.msg import HandShape as HandShapeMessage
from minimal_hand_ros.settings import HAND_LENGTH_RANGE, ShapeSettings
from minimal_hand_ros.srv import CalibrateShape


class ShapeStage:
    """ShapeEstimator, `hand/shape`, and the services `calibrate` and `reset`.

    The estimate follows the pictures until a calibration has fixed it; reset makes it follow again from the start.
    While a calibration gathers pictures the estimate before it stays in use, and it stays if the calibration fails.

    `calibrate` waits for its pictures in a callback group of its own; the node needs an executor of two threads.

    Args:
        node: the node that publishes and serves.
        settings: hand length and defaults of the service.
        model: the hand.
    """

    def __init__(self, node: Node, settings: ShapeSettings, model: HandModel) -> None:
        self._node = node
        self._settings = settings
        self._model = model
        self._estimator = ShapeEstimator(model)
        self._calibration: ShapeEstimator | None = None
        self._hand_length = settings.hand_length or hand_length(model)
        self._calibrated = False
        self._closed = False
        self._changed = threading.Condition()
        self._header = Header()
        self._publisher = node.create_publisher(HandShapeMessage, 'hand/shape', qos.LATCHED)
        waiting = MutuallyExclusiveCallbackGroup()
        self._calibrate_service = node.create_service(
            CalibrateShape, 'calibrate', self._calibrate, callback_group=waiting
        )
        self._reset_service = node.create_service(Trigger, 'reset', self._reset)
        self._publish()

    @property
    def shape(self) -> HandShape:
        """The shape in use."""
        return HandShape(self._estimator.betas, self._hand_length)

    def update(self, header: Header, found: Keypoints | NoHand) -> HandShape:
        """Learn from one picture.

        Args:
            header: of the picture.
            found: what the detector says of it.

        Returns:
            the shape to use for this picture.
        """
        if isinstance(found, Keypoints):
            with self._changed:
                if self._calibration is not None:
                    self._calibration.update(found.xyz, found.confidence)
                    self._header = header
                    self._changed.notify_all()
                elif not self._calibrated:
                    self._estimator.update(found.xyz, found.confidence)
                    self._header = header
                    self._publish()
        return self.shape

    def close(self) -> None:
        """End a calibration that is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _calibrate(self, request: CalibrateShape.Request, response: CalibrateShape.Response) -> CalibrateShape.Response:
        wanted = request.frames or self._settings.calibration_frames
        timeout = request.timeout or self._settings.calibration_timeout
        fault = _fault(request)
        if fault:
            return self._answer(response, False, fault, 0)
        self._node.get_logger().info(f'calibrating with {wanted} pictures, for at most {timeout:g} s')
        with self._changed:
            gathered = self._calibration = ShapeEstimator(self._model)
            self._changed.wait_for(lambda: self._closed or gathered.frames >= wanted, timeout)
            self._calibration = None
            if gathered.frames < wanted:
                why = f'{gathered.frames} of {wanted} pictures with a well seen hand in {timeout:g} s; nothing changed'
                return self._answer(response, False, why, gathered.frames)
            self._estimator = gathered
            self._calibrated = True
            if request.hand_length:
                self._hand_length = request.hand_length
            self._publish()
            length = f'hand length {1000 * self._hand_length:.1f} mm'
            return self._answer(response, True, f'{gathered.frames} pictures, {length}', gathered.frames)

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._changed:
            self._estimator = ShapeEstimator(self._model)
            self._hand_length = self._settings.hand_length or hand_length(self._model)
            self._calibrated = False
            self._publish()
        response.success = True
        response.message = 'shape forgotten; following the pictures again'
        return response

    def _answer(
        self, response: CalibrateShape.Response, success: bool, message: str, frames: int
    ) -> CalibrateShape.Response:
        self._node.get_logger().info(f'calibration {"done" if success else "failed"}: {message}')
        return fill_calibration(response, success, message, frames, self.shape, 0.0)

    def _publish(self) -> None:
        self._publisher.publish(
            shape_message(
                self._header,
                side=self._settings.side,
                betas=self._estimator.betas,
                hand_length=self._hand_length,
                spread=0.0,
                residual=self._estimator.residual,
                frames=self._estimator.frames,
                calibrated=self._calibrated,
            )
        )


def _fault(request: CalibrateShape.Request) -> str:
    """What is wrong with a request; '' for nothing."""
    low, high = HAND_LENGTH_RANGE
    if request.hand_length and not low <= request.hand_length <= high:
        return f'hand_length is {request.hand_length:g}: give metres, {low} to {high}, or 0 to keep the present one'
    if not 0 <= request.timeout <= 3600:
        return f'timeout is {request.timeout:g}: give seconds, up to 3600, or 0 for the default'
    return ''
