"""Parameters that change while a node runs: taken as a whole or refused with the reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from minimal_hand_ros.msg import HandKeypoints, HandPose  # noqa: E402
from rcl_interfaces.srv import SetParameters, SetParametersAtomically  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rendered_truth import FRAME, header, keypoints  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_ros.camera_node import CameraNode  # noqa: E402
from minimal_hand_ros.ik_node import IkNode  # noqa: E402
from minimal_hand_ros.keypoint_node import KeypointNode  # noqa: E402
from minimal_hand_ros.qos import RESULTS  # noqa: E402
from minimal_hand_ros.shape_server import ShapeServer  # noqa: E402


class Knobs:
    """The parameter services of one node."""

    def __init__(self, peer, name: str) -> None:
        self._peer, self._name = peer, name

    def set(self, **values: object) -> str:
        """Set all of them at once; the reason of a refusal, '' for none."""
        new = [Parameter(name.replace('__', '.'), value=value).to_parameter_msg() for name, value in values.items()]
        request = SetParametersAtomically.Request(parameters=new)
        result = self._peer.call(SetParametersAtomically, f'{self._name}/set_parameters_atomically', request).result
        assert result.successful == (not result.reason)
        return result.reason

    def set_one_by_one(self, **values: object) -> list[bool]:
        new = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        request = SetParameters.Request(parameters=new)
        return [r.successful for r in self._peer.call(SetParameters, f'{self._name}/set_parameters', request).results]


def test_a_change_counts_as_a_whole_or_not_at_all(run_here: Callable, peer) -> None:
    here = run_here(KeypointNode, {'backend': 'torch'})
    knobs = Knobs(peer, 'keypoint_node')
    before = here.node.parameters.settings
    enter = before.detector.enter_threshold
    detector = here.node.work._detection._detector

    reason = knobs.set(keep_threshold=0.9, search_windows=5)
    assert reason == f"parameter 'keep_threshold' is 0.9: give no more than enter_threshold, {enter}"
    assert here.node.parameters.settings is before and detector.config is before.detector
    assert here.node.get_parameter('search_windows').value == 3, 'one of a refused pair was taken'

    assert not knobs.set(keep_threshold=0.81, enter_threshold=0.82, search_windows=5)
    assert detector.config.keep_threshold == 0.81 and detector.config.enter_threshold == 0.82
    assert detector.config.search_windows == 5 and here.node.parameters.settings.detector is detector.config
    # one by one, each has to fit to what is there
    assert knobs.set_one_by_one(keep_threshold=0.9, enter_threshold=0.95) == [False, True]
    assert (detector.config.keep_threshold, detector.config.enter_threshold) == (0.81, 0.95)


REFUSED = {
    KeypointNode: [
        ({'weights': 'other'}, "'weights' cannot change while keypoint_node is configured"),
        ({'side': 'left'}, 'deactivate and clean up the node, set it, then configure'),
        ({'max_inconsistency': -1.0}, 'max_inconsistency'),
        ({'max_inconsistency': 'much'}, "'max_inconsistency' is 'much': give a number"),
        ({'transport': 'pigeon'}, "'transport' is 'pigeon': give one of raw"),
        ({'autostart': False}, 'autostart'),
    ],
    ShapeServer: [
        ({'shape__method': 'pso'}, "'shape.method' cannot change"),
        ({'calibration_frames': 0}, 'calibration_frames'),
    ],
    IkNode: [
        ({'pose__method': 'iknet'}, "'pose.method' cannot change"),
        ({'wrist_min_cutoff': float('nan')}, 'wrist_min_cutoff'),
    ],
    CameraNode: [
        ({'rate': 5.0}, "'rate' cannot change"),
        ({'frame_id': ''}, "'frame_id' is '': it must not be empty"),
    ],
}


@pytest.mark.parametrize('create', REFUSED)
def test_refused_with_a_reason(run_here: Callable, peer, create) -> None:
    here = run_here(create, {'backend': 'torch'} if create is KeypointNode else {})
    before = here.node.parameters.settings
    knobs = Knobs(peer, here.node.get_name())
    for values, said in REFUSED[create]:
        assert said in knobs.set(**values)
    assert here.node.parameters.settings is before


def test_the_same_value_again_is_no_change(run_here: Callable, peer) -> None:
    here = run_here(CameraNode, {})
    before = here.node.parameters.settings
    assert not Knobs(peer, 'camera_node').set(source='rendered', jpeg_quality=90)
    assert here.node.parameters.settings is before
    assert not Knobs(peer, 'camera_node').set(jpeg_quality=40, horizontal_fov=70)
    assert here.node.work._settings.jpeg_quality == 40 and here.node.work._settings.horizontal_fov == 70.0


def test_every_fixed_parameter_can_be_set_before_configuring(run_here: Callable, peer) -> None:
    here = run_here(ShapeServer, {'autostart': False})
    assert not Knobs(peer, 'shape_server').set(shape__method='pso', side='left', hand_length=0.08, threads=2)
    settings = here.node.parameters.settings.shape
    assert (settings.method, settings.side, settings.hand_length, settings.threads) == ('pso', 'left', 0.08, 2)


def test_a_hand_that_is_followed_obeys_at_once(run_here: Callable, peer) -> None:
    scene = RenderedScene(seed=1)
    poses = peer.listen(HandPose, 'hand/pose', RESULTS)
    transforms = peer.listen(TFMessage, '/tf', RESULTS)
    here = run_here(IkNode, {'input_timeout': 3600.0})
    knobs = Knobs(peer, 'ik_node')
    send = peer.talk(HandKeypoints, 'hand/keypoints')
    estimator = here.node.work._stage.estimator

    def show(number: int) -> HandPose:
        send.publish(keypoints(scene, number))
        return poses.wait_for(lambda pose: pose.header.stamp == header(number).stamp)

    assert show(0).header.frame_id == FRAME
    assert not knobs.set(
        publish_tf=False,
        camera_frame='other_frame',
        lost_timeout=2.5,
        wrist_min_cutoff=3.0,
        pose__limits=False,
        filter='none',
        marker_rate=0,
    )
    assert (estimator.config.lost_timeout, estimator.config.wrist_min_cutoff) == (2.5, 3.0)
    assert not estimator.config.pose_limits and estimator.config.filter == 'none'
    assert show(1).header.frame_id == 'other_frame'
    assert not knobs.set(publish_tf=True)
    show(2)
    transforms.wait_for(lambda m: m.transforms[0].header.stamp == header(2).stamp)
    stamps = [m.transforms[0].header.stamp for m in transforms.messages]
    assert stamps == [header(0).stamp, header(2).stamp]
