"""Picture in, TF out: the tracker, and the chain of four nodes, on the rendered hand with the default network.

Tolerances here are those of the network; test_pose_nodes.py checks what comes after it far tighter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from minimal_hand_ros.msg import HandKeypoints, HandPose, HandShape  # noqa: E402
from rendered_truth import header  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_ros.images import image_message  # noqa: E402
from minimal_hand_ros.messages import camera_from_keypoints, keypoints_array, keypoints_from_message  # noqa: E402
from minimal_hand_ros.qos import LATCHED, pictures  # noqa: E402
from minimal_hand_ros.stamps import to_nanoseconds  # noqa: E402

FRAME = 'eye_optical'
SEED = 3
POSES = 25
# Medians, of whatever part of the hand's script a machine of any speed gets to see. In the worst 1.2 s of the script
# they are 0.069, 0.025, 0.145 and 0.195, in the whole of it 0.028, 0.014, 0.052 and 0.122.
MAX_PIXEL_ERROR = 0.085
"""Share of the hand's box in the picture."""
MAX_SHAPE_ERROR = 0.032
"""Metres, wrists laid over each other."""
MAX_WRIST_ERROR = 0.18
"""Share of the distance."""
MAX_ANGLE_ERROR = 0.25
"""Radians."""


class Listener:
    """Everything that leaves the tracker."""

    def __init__(self, peer) -> None:
        self.keypoints = peer.listen(HandKeypoints, 'hand/keypoints', 100)
        self.poses = peer.listen(HandPose, 'hand/pose', 100)
        self.truths = peer.listen(HandPose, 'hand/truth', 100)
        self.transforms = peer.listen(TFMessage, '/tf', 100)
        self.joints = peer.listen(JointState, 'hand/joint_states', 100)
        self.markers = peer.listen(MarkerArray, 'hand/markers')
        self.shapes = peer.listen(HandShape, 'hand/shape', LATCHED)


def by_stamp(inbox) -> dict[int, HandPose]:
    """The valid poses of a topic by the time of their picture."""
    return {to_nanoseconds(m.header.stamp): m for m in inbox.messages if m.valid}


def judged(listener: Listener) -> dict[int, HandPose]:
    """The metric poses whose truth is known."""
    truths = by_stamp(listener.truths)
    return {stamp: pose for stamp, pose in by_stamp(listener.poses).items() if pose.metric and stamp in truths}


def few_strangers(listener: Listener) -> bool:
    """Whether nearly all poses are of pictures whose truth is known, but for the first ones."""
    truths, poses = by_stamp(listener.truths), by_stamp(listener.poses)
    first = min(truths)  # the first truths may have been sent before this listener was known
    return sum(stamp >= first and stamp not in truths for stamp in poses) <= len(poses) // 4


def start_chain(start_node: Callable, composed: bool, side: str, hand_length: float) -> list:
    both = {'side': side, 'hand_length': hand_length}
    # a loaded machine tracks few pictures per second, or none for a while: filters would lag far behind
    # rclpy takes a tenth of a second to read a coloured mesh; a listener that reads more of them misses the rest
    pose = {'filter': 'none', 'input_timeout': 3600.0, 'marker_rate': 1.0}
    if composed:
        nodes = [start_node('tracker_node', {**both, **pose})]
    else:
        nodes = [
            start_node('keypoint_node', {'side': side}),
            start_node('shape_server', both),
            start_node('ik_node', {'side': side, **pose}),
        ]
    for node in nodes:
        node.wait_for_line('ready')
    return nodes


@pytest.mark.parametrize(
    ('composed', 'side'),
    [(True, 'right'), (True, 'left'), (False, 'right')],
    ids=['tracker', 'tracker-left', 'four-nodes'],
)
def test_rendered_hand_comes_out_where_it_is(start_node: Callable, peer, composed: bool, side: str) -> None:
    listener = Listener(peer)
    length = RenderedScene(SEED, side=side).truth(0.0).hand_length
    nodes = start_chain(start_node, composed, side, length)
    start_node('camera_node', {'side': side, 'seed': SEED, 'rate': 10, 'frame_id': FRAME})
    # Of a busy machine's poses some count for nothing: those from before the first camera_info, and those whose truth a
    # reader has lost that did not get to run for a second (a writer keeps ten messages).
    listener.poses.wait_until(
        lambda: len(judged(listener)) >= POSES and few_strangers(listener),
        f'{POSES} metric poses of pictures with a truth, and few of pictures that were never taken',
    )
    for node in nodes:
        assert node.stop() == 0, node.output
        assert 'Traceback' not in node.output

    truths, poses = by_stamp(listener.truths), judged(listener)
    assert few_strangers(listener), 'poses of pictures that were never taken'

    # the network in the picture
    errors = []
    for message in listener.keypoints.messages:
        camera = camera_from_keypoints(message)
        if message.valid and camera is not None and to_nanoseconds(message.header.stamp) in truths:
            points = keypoints_array(truths[to_nanoseconds(message.header.stamp)])
            uv = camera.project(points)
            box = np.ptp(uv, axis=0).max()
            errors.append(np.linalg.norm(keypoints_from_message(message).uv - uv, axis=1).mean() / box)
    print(f'{1000 * np.median(errors):.0f} permille of the box')
    assert np.median(errors) < MAX_PIXEL_ERROR

    # the hand in space
    shape_errors, wrist_errors, angle_errors = [], [], []
    for stamp, pose in poses.items():
        found, true = keypoints_array(pose), keypoints_array(truths[stamp])
        assert pose.side == side and pose.header.frame_id == FRAME
        shape_errors.append(np.linalg.norm((found - found[0]) - (true - true[0]), axis=1).mean())
        wrist_errors.append(np.linalg.norm(found[0] - true[0]) / true[0, 2])
        angle_errors.append(np.abs(np.array(pose.angles) - np.array(truths[stamp].angles)).mean())
    print(np.median(shape_errors), np.median(wrist_errors), np.median(angle_errors), len(poses))
    assert np.median(shape_errors) < MAX_SHAPE_ERROR
    assert np.median(wrist_errors) < MAX_WRIST_ERROR
    assert np.median(angle_errors) < MAX_ANGLE_ERROR

    # TF and joint states say the same as the poses, stamp by stamp
    assert listener.transforms.messages and listener.joints.messages
    compared = 0
    for message in listener.transforms.messages:
        pose = poses.get(to_nanoseconds(message.transforms[0].header.stamp))
        if pose is None:
            continue
        compared += 1
        assert len(message.transforms) == 21
        assert {t.header.stamp == pose.header.stamp for t in message.transforms} == {True}
        lengths = [t.transform.rotation for t in message.transforms]
        assert all(q.x**2 + q.y**2 + q.z**2 + q.w**2 == pytest.approx(1, abs=1e-9) for q in lengths)
        wrist = message.transforms[0]
        assert (wrist.header.frame_id, wrist.child_frame_id) == (FRAME, f'{side}_hand/wrist')
        t = wrist.transform.translation
        np.testing.assert_allclose((t.x, t.y, t.z), keypoints_array(pose)[0], atol=1e-5)
    assert compared >= POSES // 4
    for message in listener.joints.messages:
        pose = poses.get(to_nanoseconds(message.header.stamp))
        if pose is not None:
            np.testing.assert_allclose(message.position, pose.angles, atol=1e-6)
    assert listener.markers.messages
    assert {m.type for m in listener.markers.messages[0].markers} == {
        Marker.TRIANGLE_LIST,
        Marker.LINE_LIST,
        Marker.SPHERE_LIST,
    }
    shape = listener.shapes.messages[-1]
    assert shape.hand_length == pytest.approx(length, rel=1e-5) and shape.frames > 0


def test_a_hand_that_leaves_is_gone(start_node: Callable, peer) -> None:
    """Pictures with a hand, then the same room without one."""
    listener = Listener(peer)
    scene = RenderedScene(SEED)
    empty = RenderedScene(SEED, absent=[(0.0, 1e9)])
    (tracker,) = start_chain(start_node, True, 'right', 0.0)
    camera = peer.talk(Image, 'image_raw', pictures(reliable=True))

    def show(source: RenderedScene, number: int) -> HandKeypoints:
        picture, _ = source.frame(number / 30)
        message = image_message(header(number), picture)
        camera.publish(message)
        return listener.keypoints.wait_for(lambda m: m.header == message.header)

    number = 0
    while not show(scene, number).valid:
        number += 1
        assert number < 30, 'the hand was never found'
    listener.poses.wait_for(lambda m: m.valid)

    last = number
    scores = []
    for number in range(last + 1, last + 31):  # a second
        message = show(empty, number)
        assert not message.valid and not any(message.uv)
        scores.append(message.score)
    assert max(scores) < 0.5
    gone = to_nanoseconds(header(last).stamp)
    lost = listener.poses.wait_for(lambda m: not m.valid and to_nanoseconds(m.header.stamp) > gone)
    assert to_nanoseconds(lost.header.stamp) - gone > 0.3e9
    after = [m for m in listener.poses.messages if to_nanoseconds(m.header.stamp) > gone]
    assert [m.valid for m in after] == [False], 'said once, and nothing made up'
    assert not listener.transforms.messages, 'TF without intrinsics'
    assert tracker.process.poll() is None


def test_services_of_the_tracker(start_node: Callable, peer) -> None:
    shapes = peer.listen(HandShape, 'hand/shape', LATCHED)
    start_chain(start_node, True, 'right', 0.085)
    assert shapes.wait_for().hand_length == pytest.approx(0.085)
    assert peer.call(Trigger, 'reset', Trigger.Request()).success
    assert len(shapes.wait_for_count(2)) == 2


@pytest.mark.parametrize(
    ('parameters', 'said'),
    [
        ({'model': '/nowhere/hand.npz'}, '/nowhere/hand.npz'),
        ({'model': Path(__file__)}, 'test_tracker.py'),
        ({'side': 'middle'}, "parameter 'side' is 'middle': give one of right, left, both"),
        ({'hand_length': 5}, "parameter 'hand_length' is 5"),
    ],
)
def test_a_start_that_cannot_be_ends_with_one_line(fail_to_start: Callable, parameters, said: str) -> None:
    from minimal_hand_ros.tracker_node import main

    line = fail_to_start(main, parameters)
    assert line.startswith('error: tracker: ') and said in line
