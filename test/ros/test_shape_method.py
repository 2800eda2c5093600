"""shape.method in shape_server and tracker: the estimate and the calibration are those of the method chosen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from minimal_hand_ros.msg import HandKeypoints, HandShape  # noqa: E402
from minimal_hand_ros.srv import CalibrateShape  # noqa: E402
from rendered_truth import header, keypoints  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.hand import OPEN_HAND, load_hand_model, read_npz  # noqa: E402
from minimal_hand_core.shape import ShapeCalibration, ShapeEstimator  # noqa: E402
from minimal_hand_ros.messages import keypoints_from_message  # noqa: E402
from minimal_hand_ros.qos import LATCHED  # noqa: E402

PICTURES = 3


@pytest.mark.parametrize('method', ['pso', 'network'])
def test_shape_and_calibration_by_the_method_chosen(start_node: Callable, peer, method: str) -> None:
    scene = RenderedScene(seed=1)
    shapes = peer.listen(HandShape, 'hand/shape', LATCHED)
    server = start_node('shape_server', {'shape.method': method})
    send = peer.talk(HandKeypoints, 'hand/keypoints')
    server.wait_for_line('ready')
    expected = ShapeEstimator(load_hand_model(), method=method)
    for number in range(PICTURES):
        message = keypoints(scene, number)
        send.publish(message)
        shape = shapes.wait_for(lambda m, number=number: m.header == header(number))
        found = keypoints_from_message(message)
        expected.update(found.xyz, found.confidence)
    np.testing.assert_allclose(shape.betas, expected.shape.betas, atol=1e-5)
    least_squares = ShapeEstimator(load_hand_model())
    least_squares.update(found.xyz, found.confidence)
    assert np.abs(np.array(shape.betas) - least_squares.shape.betas).max() > 1e-4, 'or the methods cannot be told apart'

    # One picture over and over, so that it does not matter with which one the calibration begins.
    calibration = ShapeCalibration(load_hand_model(), PICTURES, method=method)
    while not calibration.add(found.xyz, found.confidence):
        pass
    answer = peer.ask(CalibrateShape, 'calibrate', CalibrateShape.Request(frames=PICTURES, timeout=120.0))
    server.wait_for_line('calibrating')
    enough = threading.Event()

    def keep_sending() -> None:
        while not enough.wait(0.02):
            send.publish(message)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        response = answer(60)
    finally:
        enough.set()
        sender.join()
    assert response.success, response.message
    np.testing.assert_allclose(response.betas, calibration.result().shape.betas, atol=1e-5)


@pytest.fixture(scope='module')
def another_hand(tmp_path_factory) -> Path:
    """A hand model that no weights were trained for."""
    hand = read_npz(OPEN_HAND)
    arrays = {name: getattr(hand, name) for name in ('side', 'faces', 'weights', 'joint_regressor', 'tip_vertices')}
    path = tmp_path_factory.mktemp('hand') / 'another_hand.npz'
    np.savez(path, vertices=hand.vertices, shapedirs=0.5 * hand.shapedirs, **arrays)
    return path


@pytest.mark.parametrize('node', ['shape_server', 'tracker'])
def test_a_start_that_cannot_be_ends_with_one_line(fail_to_start: Callable, another_hand: Path, node: str) -> None:
    if node == 'tracker':
        from minimal_hand_ros.tracker_node import main
    else:
        from minimal_hand_ros.shape_server import main

    line = fail_to_start(main, {'shape.method': 'guess'})
    assert line == f"error: {node}: parameter 'shape.method' is 'guess': give one of lm, pso, network"
    line = fail_to_start(main, {'shape.method': 'network', 'model': another_hand})
    assert 'made for the hand model open_hand.npz, not for another_hand.npz' in line
    assert '`train_shape --model PATH' in line
    line = fail_to_start(main, {'shape.method': 'network', 'shape.weights': '/nowhere/net.safetensors'})
    assert line == f'error: {node}: shape regressor weights /nowhere/net.safetensors: no such file'
