"""The helpers of these tests: what goes wrong in a node must not pass unseen."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from conftest import NodeHere, NodeProcess  # noqa: E402

from minimal_hand_ros.shape_server import ShapeServer  # noqa: E402


def fail() -> None:
    raise ZeroDivisionError('in the node')


def test_a_callback_that_raises_is_not_overlooked() -> None:
    here = NodeHere(ShapeServer, '', {})
    here._executor.create_task(here.node.active.timer, 1e-3, fail)
    here._thread.join(60)
    with pytest.raises(ZeroDivisionError, match='in the node'):
        here.close()


def test_a_work_that_cannot_be_stopped_is_not_overlooked() -> None:
    here = NodeHere(ShapeServer, '', {})
    here.node.work.stop = fail
    with pytest.raises(AssertionError, match='(?s)stopping failed: .*ZeroDivisionError: in the node'):
        here.close()


def test_a_process_that_ends_badly_is_not_overlooked() -> None:
    node = NodeProcess('camera_node', {'source': '/nowhere'}, {})
    node.wait_for_line('^error: camera_node')
    with pytest.raises(AssertionError, match="(?s)camera_node ended with 1:.*source '/nowhere' does not exist"):
        node.close()
    node.close()  # seen to by now
