"""The middle stage, keypoints → shape, with its publisher and services; the same for shape_server and tracker."""

from __future__ import annotations

import threading

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from minimal_hand_core.hand import HandModel
from minimal_hand_core.shape import CalibrationResult, HandShape, ShapeCalibration, ShapeEstimator
from minimal_hand_core.tracking import Keypoints, NoHand
from minimal_hand_ros import qos
from minimal_hand_ros.messages import fill_calibration, shape_message
from minimal_hand_ros.msg import HandShape as HandShapeMessage
from minimal_hand_ros.settings import ShapeSettings
from minimal_hand_ros.srv import CalibrateShape


class ShapeStage:
    """ShapeEstimator, `hand/shape`, and the services `calibrate` and `reset`.

    The estimate follows the pictures until a calibration has fixed it; reset makes it follow again from the start.
    While a calibration gathers pictures the estimate before it stays in use, and it stays if the calibration fails.

    `calibrate` waits for its pictures in a callback group of its own; the node needs an executor of two threads.

    Args:
        node: the node that publishes and serves.
        settings: hand length, method, and defaults of the service.
        model: the hand.

    Raises:
        ValueError: a hand length that no hand has; a method without weights for this hand.
    """

    def __init__(self, node: Node, settings: ShapeSettings, model: HandModel) -> None:
        self._node = node
        self._settings = settings
        self._model = model
        self._estimator = ShapeEstimator(
            model, hand_length=settings.hand_length or None, method=settings.method, weights=settings.weights
        )
        self._calibration: ShapeCalibration | None = None
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
        return self._estimator.shape

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
                    self._header = header
                    if self._calibration.add(found.xyz, found.confidence):
                        self._changed.notify_all()
                elif not self._estimator.shape.calibrated:
                    self._header = header
                    self._estimator.update(found.xyz, found.confidence)
                    self._publish()
        return self.shape

    def close(self) -> None:
        """End a calibration that is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _calibrate(self, request: CalibrateShape.Request, response: CalibrateShape.Response) -> CalibrateShape.Response:
        frames = request.frames or self._settings.calibration_frames
        timeout = request.timeout or self._settings.calibration_timeout
        length = request.hand_length or self._estimator.shape.hand_length
        try:
            if not 0 < timeout <= 3600:
                raise ValueError(f'timeout: expected seconds, up to 3600, or 0 for the default, found {timeout:g}')
            calibration = ShapeCalibration(
                self._model, frames, hand_length=length, method=self._settings.method, weights=self._settings.weights
            )
        except ValueError as error:
            return self._answer(response, CalibrationResult(False, str(error), None, 0.0, 0, 0))
        self._node.get_logger().info(f'calibrating: {frames} pictures, for at most {timeout:g} s')
        with self._changed:
            self._calibration = calibration
            self._changed.wait_for(lambda: calibration.done or self._closed, timeout)
            self._calibration = None
            result = calibration.result()
            if result.success:
                self._estimator.adopt(result)
                self._publish()
            return self._answer(response, result)

    def _answer(self, response: CalibrateShape.Response, result: CalibrationResult) -> CalibrateShape.Response:
        log = self._node.get_logger()
        (log.info if result.success else log.warning)(f'calibrate: {result.message}')
        return fill_calibration(response, result, self._estimator.shape)

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._changed:
            self._estimator.reset()
            self._publish()
        response.success = True
        response.message = 'shape and calibration forgotten; following the pictures again'
        return response

    def _publish(self) -> None:
        self._publisher.publish(shape_message(self._header, self._settings.side, self._estimator.shape))
