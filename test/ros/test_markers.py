"""Marker builders, without spinning anything."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402

from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS  # noqa: E402
from minimal_hand_ros.markers import delete_markers, hand_markers  # noqa: E402

HEADER = Header(stamp=Time(sec=3, nanosec=4), frame_id='camera')


@pytest.fixture
def keypoints() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(21, 3))


def xyz(points) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in points])


def test_mesh_and_skeleton(keypoints: np.ndarray) -> None:
    vertices = np.random.default_rng(1).normal(size=(5, 3))
    corners = [0, 1, 2, 2, 3, 4]
    markers = {m.type: m for m in hand_markers(HEADER, 'right', keypoints, vertices, corners).markers}
    assert set(markers) == {Marker.TRIANGLE_LIST, Marker.LINE_LIST, Marker.SPHERE_LIST}
    np.testing.assert_array_equal(xyz(markers[Marker.TRIANGLE_LIST].points), vertices[corners])
    np.testing.assert_array_equal(xyz(markers[Marker.SPHERE_LIST].points), keypoints)
    lines = xyz(markers[Marker.LINE_LIST].points).reshape(20, 2, 3)
    np.testing.assert_array_equal(lines[:, 1], keypoints[1:])
    np.testing.assert_array_equal(lines[:, 0], keypoints[list(KEYPOINT_PARENTS[1:])])
    for marker in markers.values():
        assert marker.header == HEADER
        assert marker.action == Marker.ADD
        assert marker.pose.orientation.w == 1.0
        assert marker.scale.x > 0
        assert marker.color.a > 0 or all(c.a > 0 for c in marker.colors)
        assert len(marker.colors) in (0, len(marker.points))


def test_mesh_can_be_left_out(keypoints: np.ndarray) -> None:
    kinds = [m.type for m in hand_markers(HEADER, 'left', keypoints, None, []).markers]
    assert kinds == [Marker.LINE_LIST, Marker.SPHERE_LIST]


def test_deletion_takes_away_all_that_was_shown(keypoints: np.ndarray) -> None:
    shown = hand_markers(HEADER, 'left', keypoints, np.zeros((3, 3)), [0, 1, 2]).markers
    gone = delete_markers(HEADER, 'left').markers
    assert {(m.ns, m.id) for m in gone} == {(m.ns, m.id) for m in shown}
    assert len(gone) == len(shown)
    assert all(m.action == Marker.DELETE for m in gone)
    other = delete_markers(HEADER, 'right').markers
    assert not {(m.ns, m.id) for m in other} & {(m.ns, m.id) for m in shown}
