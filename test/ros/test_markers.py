"""Marker messages, without spinning anything: decoded from the bytes that are sent, and painted."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time  # noqa: E402
from marker_painter import colors_of, paint, points_of  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from rendered_truth import header, truth  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from minimal_hand_core.data.synthetic import RenderedScene  # noqa: E402
from minimal_hand_core.hand import HandModel, load_hand_model  # noqa: E402
from minimal_hand_core.hand.skeleton import KEYPOINT_PARENTS, SIDES  # noqa: E402
from minimal_hand_core.viewing.skin_colors import SkinColors  # noqa: E402
from minimal_hand_ros.markers import SKIN_OPACITY, HandMarkers, delete_markers  # noqa: E402

HEADER = Header(stamp=Time(sec=3, nanosec=4), frame_id='camera')
SURE = np.ones(21)


@pytest.fixture(scope='module')
def right() -> HandModel:
    return load_hand_model()


def made_up(model: HandModel, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints and vertices that are no hand, so that every number is told from every other."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(21, 3)), rng.normal(size=(model.num_vertices, 3))


def decoded(sent: bytes) -> list[Marker]:
    return deserialize_message(sent, MarkerArray).markers


@pytest.mark.parametrize('side', SIDES)
def test_mesh_and_skeleton(side: str) -> None:
    model = load_hand_model(side=side)
    markers = HandMarkers(model)
    confidence = np.random.default_rng(5).random(21)
    for seed in range(2):  # the second is written over the first
        keypoints, vertices = made_up(model, seed)
        sent = decoded(markers.serialized(HEADER, keypoints, vertices, confidence))
        bones, joints, skin = sent
        assert [m.type for m in sent] == [Marker.LINE_LIST, Marker.SPHERE_LIST, Marker.TRIANGLE_LIST]
        corners = model.faces.numpy().reshape(-1)
        np.testing.assert_array_equal(points_of(skin), vertices[corners])
        colors = SkinColors(model)(vertices, confidence)[corners]
        np.testing.assert_allclose(colors_of(skin)[:, :3], colors, atol=1e-6)
        np.testing.assert_allclose(colors_of(skin)[:, 3], SKIN_OPACITY, atol=1e-6)
        np.testing.assert_array_equal(points_of(joints), keypoints)
        ends = points_of(bones).reshape(20, 2, 3)
        np.testing.assert_array_equal(ends[:, 1], keypoints[1:])
        np.testing.assert_array_equal(ends[:, 0], keypoints[list(KEYPOINT_PARENTS[1:])])
        for marker in sent:
            assert marker.header == HEADER
            assert marker.action == Marker.ADD
            assert marker.pose.orientation.w == 1.0
            assert marker.scale.x > 0 and marker.color.a == 1.0
            assert len(marker.colors) == len(marker.points) and all(c.a > 0 for c in marker.colors)


def test_every_picture_has_its_own_stamp_and_frame(right: HandModel) -> None:
    markers = HandMarkers(right)
    for stamp, frame in [((7, 999_999_999), 'eye'), ((2**31 - 1, 0), 'eye'), ((0, 1), 'another_eye')]:
        at = Header(stamp=Time(sec=stamp[0], nanosec=stamp[1]), frame_id=frame)
        sent = decoded(markers.serialized(at, *made_up(right, 0), SURE))
        assert [marker.header for marker in sent] == [at] * 3


def test_bytes_once_sent_do_not_change(right: HandModel) -> None:
    markers = HandMarkers(right)
    first = markers.serialized(HEADER, *made_up(right, 0), SURE)
    copy = bytes(bytearray(first))
    markers.serialized(HEADER, *made_up(right, 1), SURE)
    assert first == copy


def test_names_and_numbers_of_a_hand_stay_the_same(right: HandModel) -> None:
    markers = HandMarkers(right)
    names = [
        {(m.ns, m.id) for m in decoded(markers.serialized(HEADER, *made_up(right, seed), SURE))} for seed in range(2)
    ]
    assert names[0] == names[1] == {('right_hand/skeleton', 0), ('right_hand/skeleton', 1), ('right_hand/mesh', 0)}


@pytest.mark.parametrize('side', SIDES)
def test_deletion_takes_away_all_that_was_shown(side: str) -> None:
    model = load_hand_model(side=side)
    shown = decoded(HandMarkers(model).serialized(HEADER, *made_up(model, 0), SURE))
    gone = delete_markers(HEADER, side).markers
    assert {(m.ns, m.id) for m in gone} == {(m.ns, m.id) for m in shown}
    assert len(gone) == len(shown)
    assert all(m.action == Marker.DELETE for m in gone)
    other = delete_markers(HEADER, 'left' if side == 'right' else 'right').markers
    assert not {(m.ns, m.id) for m in other} & {(m.ns, m.id) for m in shown}


@pytest.mark.parametrize('side', SIDES)
def test_painted_markers_cover_the_rendered_hand(side: str) -> None:
    scene = RenderedScene(3, side=side, noise=0.0)
    empty = RenderedScene(3, side=side, noise=0.0, absent=[(0.0, 1e9)])
    hand = truth(scene, 20)
    sent = HandMarkers(load_hand_model(side=side)).serialized(header(20), hand.keypoints_m, hand.vertices, SURE)
    black = np.zeros((*scene.size, 3), np.uint8)
    painted = paint(decoded(sent)[2:], hand.intrinsics, black).any(axis=2)
    (with_hand, _), (without, _) = scene.frame(20 / 30), empty.frame(20 / 30)
    changed = np.abs(with_hand.astype(int) - without).max(axis=2) > 8
    assert painted.sum() > 5000
    # the arm is rendered too, so the hand is only a part of what changed
    assert changed[painted].mean() > 0.97
    inside = np.rint(hand.keypoints_px).astype(int)
    assert painted[inside[:, 1], inside[:, 0]].all()


def test_a_message_takes_a_small_part_of_the_time_of_its_objects(right: HandModel) -> None:
    markers = HandMarkers(right)
    arguments = HEADER, *made_up(right, 0), SURE
    message = deserialize_message(markers.serialized(*arguments), MarkerArray)

    def seconds(call) -> float:
        start = time.process_time()
        for _ in range(5):
            call()
        return time.process_time() - start

    ours = min(seconds(lambda: markers.serialized(*arguments)) for _ in range(5))
    # what publish does with a message, without its having been made
    objects = min(seconds(lambda: serialize_message(message)) for _ in range(3))
    assert ours < objects / 3
