"""The middle stage, keypoints → shape, with its publisher and services; the same for shape_server and tracker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.service import Service
from rclpy.task import Future
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from minimal_hand_core.hand import HandModel
from minimal_hand_core.shape import CalibrationResult, HandShape, ShapeCalibration, ShapeEstimator
from minimal_hand_core.tracking import Keypoints, NoHand
from minimal_hand_ros import qos
from minimal_hand_ros.lifecycle import ManagedNode
from minimal_hand_ros.messages import fill_calibration, shape_message
from minimal_hand_ros.msg import HandShape as HandShapeMessage
from minimal_hand_ros.names import ONE_HAND, HandNames
from minimal_hand_ros.settings import MAX_CALIBRATION_FRAMES, ShapeSettings
from minimal_hand_ros.srv import CalibrateShape


class _Gathering:
    """A calibration under way.

    Args:
        calibration: what the pictures go to.
    """

    def __init__(self, calibration: ShapeCalibration) -> None:
        self.calibration = calibration
        self.ended = Future()
        self._given_up = ''

    def end(self, given_up: str = '') -> None:
        """Let who awaits `ended` go on; what it is given up for, unless it has come to its end by itself."""
        self._given_up = self._given_up or given_up
        if not self.ended.done():
            self.ended.set_result(None)

    def result(self) -> CalibrationResult:
        """What came of it."""
        result = self.calibration.result()
        if self._given_up:
            return replace(result, success=False, message=f'given up: {self._given_up}', shape=None)
        return result


class ShapeStage:
    """ShapeEstimator, `hand/shape`, and the services `calibrate` and `reset`.

    The estimate follows the pictures until a calibration has fixed it; reset makes it follow again from the start.
    While a calibration gathers pictures the estimate before it stays in use, and it stays if the calibration fails.

    `calibrate` is a coroutine that is taken up again between pictures, so that one thread is enough. It has a callback
    group of its own, as it would keep everything else of its group waiting, and one that lets a second caller in, who
    is refused at once while a calibration is under way.

    Args:
        node: the node that publishes and serves.
        settings: hand length, method, and defaults of the service.
        model: the hand.
        names: of topic and services.

    Raises:
        ValueError: a hand length that no hand has; a method without weights for this hand.
    """

    def __init__(
        self, node: ManagedNode, settings: ShapeSettings, model: HandModel, names: HandNames = ONE_HAND
    ) -> None:
        self._node = node
        self._names = names
        self._settings = settings
        self._model = model
        self._estimator = ShapeEstimator(
            model, hand_length=settings.hand_length or None, method=settings.method, weights=settings.weights
        )
        self._gathering: _Gathering | None = None
        self._service: Service | None = None
        self._left: Service | None = None
        self._header = Header()
        self._changed = False
        self._publisher = node.configured.publisher(HandShapeMessage, f'{names.topics}shape', qos.LATCHED)
        self._waiting = ReentrantCallbackGroup()

    def start(self) -> None:
        """Serve, and say what the shape is."""
        self._service = self._node.active.service(
            CalibrateShape, f'{self._names.services}calibrate', self._calibrate, self._waiting
        )
        self._node.active.service(Trigger, f'{self._names.services}reset', self._reset)
        self._publish()

    def stop(self) -> None:
        """End a calibration that is under way."""
        if self._gathering is not None and self._node.executor is not None:
            # the service has to last until it has answered
            self._left = self._node.active.release(self._service)
            self._gathering.end(given_up='the node was deactivated')

    def change(self, settings: ShapeSettings) -> None:
        """Take other settings."""
        self._settings = settings

    @property
    def shape(self) -> HandShape:
        """The shape in use."""
        return self._estimator.shape

    @property
    def state(self) -> str:
        """What it is doing: 'following', 'calibrating' or 'calibrated'."""
        if self._gathering is not None:
            return 'calibrating'
        return 'calibrated' if self.shape.calibrated else 'following'

    def update(
        self, header: Header, found: Keypoints | NoHand, measure: Callable[[HandShape], float | None] | None = None
    ) -> HandShape:
        """Learn from one picture; `publish` says what came of it.

        Args:
            header: of the picture.
            found: what the detector says of it.
            measure: the hand length that depth gives this picture (metres, None = cannot be told), for a shape to start
                from; asked while a calibration needs it. None without depth.

        Returns:
            the shape to use for this picture.
        """
        if isinstance(found, Keypoints):
            if self._gathering is not None:
                self._header = header
                calibration = self._gathering.calibration
                length = measure(self.shape) if measure is not None and calibration.needs_length else None
                if calibration.add(found.xyz, found.confidence, length):
                    self._gathering.end()
            elif not self._estimator.shape.calibrated:
                self._header = header
                self._estimator.update(found.xyz, found.confidence)
                self._changed = True
        return self.shape

    def publish(self) -> None:
        """Say what the shape is, if the last picture changed it; apart from update, since no pose need wait for it."""
        if self._changed:
            self._publish()

    async def _calibrate(
        self, request: CalibrateShape.Request, response: CalibrateShape.Response
    ) -> CalibrateShape.Response:
        frames = request.frames or self._settings.calibration_frames
        timeout = request.timeout or self._settings.calibration_timeout
        try:
            if self._gathering is not None:
                raise ValueError('a calibration is under way: wait for it, or give it up by reset')
            if frames > MAX_CALIBRATION_FRAMES:
                most = MAX_CALIBRATION_FRAMES
                raise ValueError(f'frames: expected pictures, up to {most}, or 0 for the default, found {frames}')
            if not 0 < timeout <= 3600:
                raise ValueError(f'timeout: expected seconds, up to 3600, or 0 for the default, found {timeout:g}')
            calibration = ShapeCalibration(
                self._model,
                frames,
                hand_length=request.hand_length or None,
                fallback=self._estimator.shape.hand_length,
                method=self._settings.method,
                weights=self._settings.weights,
            )
        except ValueError as error:
            return self._answer(response, CalibrationResult(False, str(error), None, 0.0, 0, 0))
        self._node.get_logger().info(f'calibrating: {frames} pictures, for at most {timeout:g} s')
        self._gathering = gathering = _Gathering(calibration)
        timer = self._node.active.timer(timeout, gathering.end)
        await gathering.ended
        self._node.active.drop(timer)
        self._gathering = None
        result = gathering.result()
        if self._left is not None:
            # The answer is sent as soon as this function returns; tasks that are made now come after it.
            assert self._node.executor is not None
            self._node.executor.create_task(partial(self._node.destroy_service, self._left))
            self._left = None
        if result.success:
            self._estimator.adopt(result)
            self._publish()
        return self._answer(response, result)

    def _answer(self, response: CalibrateShape.Response, result: CalibrationResult) -> CalibrateShape.Response:
        log = self._node.get_logger()
        # rclpy wants each severity to have a line of its own
        if result.success:
            log.info(f'calibrate: {result.message}')
        else:
            log.warning(f'calibrate: {result.message}')
        return fill_calibration(response, result, self._estimator.shape)

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._gathering is not None:
            self._gathering.end(given_up='the shape was reset')
        self._estimator.reset()
        self._publish()
        response.success = True
        response.message = 'shape and calibration forgotten; following the pictures again'
        return response

    def _publish(self) -> None:
        self._changed = False
        self._publisher.publish(shape_message(self._header, self._settings.side, self._estimator.shape))
